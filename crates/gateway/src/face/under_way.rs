//! Requests under way, by id, so that a client can cancel them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sekimori_mcp::envelope::Id;
use tokio_util::sync::CancellationToken;

/// Most requests of one client under way at once.
const UNDER_WAY_MAX: usize = 256;

/// The requests of one session, or of one local process.
#[derive(Debug, Default)]
pub(super) struct UnderWay {
    table: Mutex<BTreeMap<Id, CancellationToken>>,
}

impl UnderWay {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Id, CancellationToken>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that request `id` is under way; `None` if another one with that id is, or too many are. It
    /// is cancelled with `parent` too.
    pub(super) fn begin(self: &Arc<Self>, id: &Id, parent: &CancellationToken) -> Option<InFlight> {
        let mut table = self.lock();
        if table.len() >= UNDER_WAY_MAX || table.contains_key(id) {
            return None;
        }
        let cancelled = parent.child_token();
        table.insert(id.clone(), cancelled.clone());
        Some(InFlight {
            all: Arc::clone(self),
            id: id.clone(),
            cancelled,
        })
    }

    /// Cancels request `id`, if it is under way.
    pub(super) fn cancel(&self, id: &Id) {
        let cancelled = self.lock().get(id).cloned();
        if let Some(cancelled) = cancelled {
            cancelled.cancel();
        }
    }

    /// Whether nothing is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }
}

/// A request under way; ends with its value.
#[derive(Debug)]
pub(super) struct InFlight {
    all: Arc<UnderWay>,
    id: Id,
    /// Cancelled when the client says so, or all ends.
    pub(super) cancelled: CancellationToken,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.all.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_under_way_are_unique_and_can_be_cancelled() {
        let all = Arc::new(UnderWay::default());
        let parent = CancellationToken::new();
        let call = all.begin(&Id::string("x"), &parent).unwrap();
        assert!(all.begin(&Id::string("x"), &parent).is_none());
        all.cancel(&Id::string("y"));
        assert!(!call.cancelled.is_cancelled());
        all.cancel(&Id::string("x"));
        assert!(call.cancelled.is_cancelled());
        assert!(!parent.is_cancelled());
        drop(call);
        assert!(all.is_empty());
        let again = all.begin(&Id::string("x"), &parent).unwrap();
        parent.cancel();
        assert!(again.cancelled.is_cancelled());
    }

    #[test]
    fn their_number_is_bounded() {
        let all = Arc::new(UnderWay::default());
        let parent = CancellationToken::new();
        let held: Vec<_> = (0..1_000)
            .filter_map(|n| all.begin(&Id::number(n), &parent))
            .collect();
        assert_eq!(held.len(), UNDER_WAY_MAX);
    }
}
