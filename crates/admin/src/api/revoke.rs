//! Ending access, everywhere and at once.

use sekimori_domain::revocation::{Subject, SubjectKind};
use sekimori_identity::{EndedAccess, end_access};

use crate::control::Control;
use crate::problem::Problem;

/// Ends all access that hangs by something.
pub(super) async fn end(
    control: &Control,
    kind: SubjectKind,
    id: &str,
) -> Result<EndedAccess, Problem> {
    let subject = Subject::new(kind, id);
    let (store, clock) = (&*control.store, &*control.clock);
    Ok(end_access(store, &control.revocations, clock, &subject).await?)
}
