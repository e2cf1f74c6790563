//! How often making a session is tried.

use std::time::Duration;

use tokio::time::Instant;

use crate::fault::Fault;

/// A session that lived so long was a good one.
const GOOD_AFTER: Duration = Duration::from_secs(30);
const WAIT_MIN: Duration = Duration::from_millis(250);
const WAIT_MAX: Duration = Duration::from_secs(30);

/// What came of the last attempts.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    last: Option<Instant>,
    failed: Option<Fault>,
    /// Attempts in a row after which nothing good came.
    in_vain: u32,
}

impl Attempts {
    /// Whether to try now. Who waited while an attempt failed shares its outcome, instead of trying the same
    /// again. `backs_off`: a child process that ends again and again is started ever less often; its
    /// second start comes at once.
    pub(crate) fn may_try(&mut self, asked_at: Instant, backs_off: bool) -> Result<(), Fault> {
        let Some(last) = self.last else {
            return Ok(());
        };
        if let Some(fault) = self.failed.as_ref().filter(|_| last > asked_at) {
            return Err(fault.clone());
        }
        if last.elapsed() > GOOD_AFTER && self.failed.is_none() {
            self.in_vain = 0;
        }
        if backs_off && last.elapsed() < self.wait() {
            return Err(Fault::unavailable(
                "its program ended too often and is started again later",
            ));
        }
        Ok(())
    }

    /// Notes an attempt that was made just now. It counts as made in vain until it lived for a while.
    pub(crate) fn note(&mut self, fault: Option<&Fault>) {
        self.last = Some(Instant::now());
        self.failed = fault.cloned();
        self.in_vain = self.in_vain.saturating_add(1);
    }

    fn wait(&self) -> Duration {
        match self.in_vain.checked_sub(2) {
            None => Duration::ZERO,
            Some(more) => WAIT_MIN.saturating_mul(1 << more.min(16)).min(WAIT_MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_child_that_keeps_ending_is_started_ever_less_often() {
        let mut attempts = Attempts::default();
        let mut waits = Vec::new();
        for _ in 0..12 {
            let before = Instant::now();
            while attempts.may_try(Instant::now(), true).is_err() {
                tokio::time::advance(Duration::from_millis(50)).await;
            }
            waits.push(before.elapsed());
            attempts.note(None);
        }
        assert_eq!(waits[..3], [Duration::ZERO, Duration::ZERO, WAIT_MIN]);
        assert!(waits.is_sorted());
        assert_eq!(waits.last(), Some(&WAIT_MAX));

        // It lived: all is forgiven.
        tokio::time::advance(GOOD_AFTER * 2).await;
        for _ in 0..2 {
            assert_eq!(attempts.may_try(Instant::now(), true), Ok(()));
            attempts.note(None);
        }
        assert!(attempts.may_try(Instant::now(), true).is_err());
        assert_eq!(attempts.may_try(Instant::now(), false), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waited_shares_the_failure() {
        let mut attempts = Attempts::default();
        let asked_at = Instant::now();
        tokio::time::advance(Duration::from_secs(1)).await;
        attempts.note(Some(&Fault::unavailable("gone")));
        assert_eq!(
            attempts.may_try(asked_at, false),
            Err(Fault::unavailable("gone"))
        );
        assert_eq!(attempts.may_try(Instant::now(), false), Ok(()));
    }
}
