//! Exchanges that wait while a person answers a legacy upstream's question.
//!
//! A modern client cannot be asked while its request is open: it gets `input_required` and calls again with
//! the answers. The legacy upstream meanwhile waits with its request open, so the exchange is parked here
//! under an unguessable id that only its owner can redeem, once.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sekimori_domain::catalog::Target;
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::PrincipalId;
use sekimori_domain::limits;
use sekimori_upstream::exchange::{Ask, Exchange};
use tokio_util::sync::DropGuard;
use uuid::Uuid;

/// An exchange that waits for answers.
#[derive(Debug)]
pub(crate) struct ParkedExchange {
    /// Who may go on with it.
    pub(crate) owner: PrincipalId,
    /// What was called.
    pub(crate) target: Target,
    /// Digest of the arguments it was called with.
    pub(crate) arguments: Digest,
    /// The request under way.
    pub(crate) exchange: Exchange,
    /// The questions, and where the answers go.
    pub(crate) ask: Ask,
    /// Watches that its caller's access is not revoked meanwhile.
    pub(crate) _watched: DropGuard,
}

/// All parked exchanges of this node.
#[derive(Debug, Default)]
pub(crate) struct Parked {
    waiting: Mutex<BTreeMap<Uuid, (Duration, ParkedExchange)>>,
}

/// No more exchanges can be parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

impl Parked {
    /// Parks an exchange until [`limits::ELICITATION_TIMEOUT`] after `now` (monotonic).
    pub(crate) fn park(&self, id: Uuid, parked: ParkedExchange, now: Duration) -> Result<(), Full> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // What nobody came back for is dropped, which cancels it at the upstream.
        waiting.retain(|_, (ends, _)| *ends > now);
        if waiting.len() >= limits::PARKED_EXCHANGES_MAX {
            return Err(Full);
        }
        waiting.insert(id, (now + limits::ELICITATION_TIMEOUT, parked));
        Ok(())
    }

    /// Takes the exchange `id` out, if it waits for this very call.
    pub(crate) fn take(
        &self,
        id: Uuid,
        owner: &PrincipalId,
        target: &Target,
        arguments: Digest,
        now: Duration,
    ) -> Option<ParkedExchange> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let (ends, parked) = waiting.get(&id)?;
        let matches = *ends > now
            && parked.owner == *owner
            && parked.target == *target
            && parked.arguments == arguments;
        if !matches {
            return None;
        }
        waiting.remove(&id).map(|(_, parked)| parked)
    }

    /// Drops the exchange `id`, which cancels it at the upstream; `false` if it is not there any more.
    pub(crate) fn end(&self, id: Uuid) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.remove(&id).is_some()
    }

    /// Drops what has ended. Called now and then, so that an idle node cancels too.
    pub(crate) fn sweep(&self, now: Duration) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, (ends, _)| *ends > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sekimori_domain::catalog::TargetKind;
    use sekimori_domain::ids::ConnectorName;
    use tokio_util::sync::CancellationToken;

    fn parked(owner: &str) -> ParkedExchange {
        let (exchange, _, _) = Exchange::new();
        let (answers, _) = tokio::sync::oneshot::channel();
        ParkedExchange {
            owner: PrincipalId::new(owner).unwrap(),
            target: target(),
            arguments: Digest::of(b"{}"),
            exchange,
            ask: Ask {
                questions: Vec::new(),
                answers,
            },
            _watched: CancellationToken::new().drop_guard(),
        }
    }

    fn target() -> Target {
        Target {
            connector: ConnectorName::new("hr").unwrap(),
            kind: TargetKind::Tool,
            name: "leave".into(),
        }
    }

    #[test]
    fn only_the_same_call_of_the_same_principal_takes_it_and_only_once() {
        let table = Parked::default();
        let id = Uuid::from_u128(1);
        let anna = PrincipalId::new("user:anna").unwrap();
        let bob = PrincipalId::new("user:bob").unwrap();
        table.park(id, parked("user:anna"), Duration::ZERO).unwrap();
        let (target, args) = (target(), Digest::of(b"{}"));
        let take = |who: &PrincipalId, args, now| table.take(id, who, &target, args, now);
        assert!(take(&bob, args, Duration::ZERO).is_none());
        assert!(take(&anna, Digest::of(b"{\"days\":9}"), Duration::ZERO).is_none());
        assert!(take(&anna, args, Duration::ZERO).is_some());
        assert!(take(&anna, args, Duration::ZERO).is_none());
    }

    #[test]
    fn it_ends_and_the_table_is_bounded() {
        let table = Parked::default();
        let anna = PrincipalId::new("user:anna").unwrap();
        for n in 0..limits::PARKED_EXCHANGES_MAX {
            let id = Uuid::from_u128(u128::try_from(n).unwrap());
            table.park(id, parked("user:anna"), Duration::ZERO).unwrap();
        }
        let id = Uuid::from_u128(u128::MAX);
        assert_eq!(
            table.park(id, parked("user:anna"), Duration::ZERO),
            Err(Full)
        );
        let late = limits::ELICITATION_TIMEOUT;
        let first = Uuid::from_u128(0);
        assert!(
            table
                .take(first, &anna, &target(), Digest::of(b"{}"), late)
                .is_none()
        );
        table.park(id, parked("user:anna"), late).unwrap();
        table.sweep(late + limits::ELICITATION_TIMEOUT);
        assert!(
            table
                .take(id, &anna, &target(), Digest::of(b"{}"), late)
                .is_none()
        );
    }
}
