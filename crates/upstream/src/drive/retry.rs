//! Trying a call again that failed, where that cannot do anything twice (TOOL-5).

use std::time::Duration;

use sekimori_domain::ids::CallId;
use sekimori_mcp::envelope::Reply;
use tokio::time::Instant;

use super::Call;
use crate::fault::Fault;

/// How often at most.
const RETRIES_MAX: u32 = 2;
/// The longest pause before the first time, twice as long each time after.
const PAUSE: Duration = Duration::from_millis(200);
/// Longest that is waited because the upstream asked for it; who is to wait longer is told so.
const THROTTLED_MAX: Duration = Duration::from_secs(5);

impl Call<'_> {
    /// The call, through the breaker, and again where it may.
    pub(super) async fn with_retries(&mut self) -> Result<Reply, Fault> {
        let inner = self.inner;
        let breaker = &inner.breaker;
        for tried in 0.. {
            let passage = breaker.admit()?;
            let done = self.rounds().await;
            passage.ended(&done);
            let pause = match &done {
                Err(fault) if tried < RETRIES_MAX => self.pause_before_retry(fault, tried),
                _ => None,
            };
            let Some(pause) = pause else {
                return done;
            };
            breaker.count_retry();
            self.guard(async {
                tokio::time::sleep(pause).await;
                Ok(())
            })
            .await?;
            self.check_warrant()?;
        }
        Err(Fault::invalid("it was tried too often"))
    }

    /// How long to wait before the call is tried again; `None` if it is not.
    fn pause_before_retry(&self, fault: &Fault, tried: u32) -> Option<Duration> {
        if !self.is_idempotent() || self.spoke {
            return None;
        }
        let pause = match fault {
            Fault::Throttled(wait) if *wait <= THROTTLED_MAX => *wait,
            Fault::Unavailable(_) | Fault::Status(502..=504) => {
                let longest = PAUSE * (1 << tried.min(8));
                longest.mul_f64(fraction(self.warrant.call(), tried))
            }
            _ => return None,
        };
        let in_time = Instant::now() + pause < self.deadline;
        in_time.then_some(pause)
    }

    /// Whether doing it twice is doing it once: by its class, or because a reviewer said so of the tool.
    fn is_idempotent(&self) -> bool {
        let tool = self.warrant.tool();
        match self.outgoing.method.as_str() {
            "tools/call" => {
                (tool.class.is_read() || tool.idempotent) && !self.outgoing.rest.contains("task")
            }
            "resources/read" | "prompts/get" | "completion/complete" | "tasks/get" => true,
            _ => false,
        }
    }
}

/// A number between 0 and 1 that is another one for every call and attempt, so that calls that failed together are
/// not tried again together. The id of a call is random at its end.
fn fraction(call: CallId, tried: u32) -> f64 {
    let [.., high, low] = call
        .0
        .as_u128()
        .rotate_right(16 * tried.min(3))
        .to_be_bytes();
    f64::from(u16::from_be_bytes([high, low])) / f64::from(u16::MAX)
}
