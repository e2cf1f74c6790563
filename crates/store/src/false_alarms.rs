//! False alarms of inspection.

use async_trait::async_trait;
use sekimori_domain::false_alarm::{FalseAlarm, FalseAlarmState};
use sekimori_domain::ids::PrincipalId;

use crate::error::Result;

/// Most reports of one person that nobody has decided yet.
pub const FALSE_ALARMS_PER_PERSON: u32 = 20;
/// Most reports that nobody has decided yet.
pub const FALSE_ALARMS_MAX: u32 = 2_000;

/// What people report.
#[async_trait]
pub trait FalseAlarms: Send + Sync {
    /// Adds a report. [`Conflict`](crate::StoreError::Conflict) if the person reported that request before,
    /// [`Invalid`](crate::StoreError::Invalid) if too many are open.
    async fn add(&self, alarm: &FalseAlarm) -> Result<()>;

    /// One report.
    async fn get(&self, id: &str) -> Result<Option<FalseAlarm>>;

    /// Reports behind the one of that id, oldest first; of one state or of one person, if given.
    async fn list(
        &self,
        state: Option<FalseAlarmState>,
        by: Option<&PrincipalId>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<FalseAlarm>>;

    /// Stores a decided report in place of the open one; false if somebody else decided meanwhile.
    async fn decide(&self, alarm: &FalseAlarm) -> Result<bool>;
}
