//! What is done about requests that nobody touches.

use std::time::Duration;

use crate::Approvals;
use crate::error::ApprovalError;

/// How many requests are ended at once.
const ENDED_AT_ONCE: u32 = 100;
/// How long a request is kept after its time, for its history; the journal keeps it longer.
const KEPT: Duration = Duration::from_hours(24 * 400);

impl Approvals {
    /// Ends requests that nobody decided on, or used, in time. To be called now and then, on every node: each is
    /// ended once.
    pub async fn end_overdue(&self) -> Result<(), ApprovalError> {
        let now = self.parts.clock.now();
        loop {
            let overdue = self.parts.requests.overdue(now, ENDED_AT_ONCE).await?;
            let more = overdue.len() >= usize::try_from(ENDED_AT_ONCE).unwrap_or(usize::MAX);
            for stored in overdue {
                self.expire(stored).await?;
            }
            if !more {
                break;
            }
        }
        let long_ago = now.checked_sub(KEPT).unwrap_or(jiff::Timestamp::MIN);
        self.parts.requests.purge(long_ago).await?;
        self.parts.tasks.purge(now).await?;
        Ok(())
    }
}
