//! Recording what the face turns away by itself, before the answer goes out.

use sekimori_domain::caller::Caller;
use sekimori_domain::record::EventKind;

use super::Face;
use super::reply::Done;
use crate::request::Head;
use crate::{list, turned_away};

/// What is answered without the road is answered to known callers only.
pub(super) async fn authenticated(face: &Face, head: &Head, then: impl FnOnce() -> Done) -> Done {
    match list::open(&face.gateway, head).await {
        Ok(caller) => noted(face, head, Some(&caller), then()).await,
        Err(refusal) => Done::refused(&refusal, &head.correlation),
    }
}

/// Records a request that was turned away and has no record yet; what is not recorded is not answered.
pub(super) async fn noted(
    face: &Face,
    head: &Head,
    caller: Option<&Caller>,
    mut done: Done,
) -> Done {
    let Some(refusal) = done.take_unrecorded() else {
        return done;
    };
    let event = EventKind::RequestRefused;
    match turned_away::note(&face.gateway, event, head, caller, &refusal).await {
        Ok(()) => done,
        Err(refusal) => Done::refused(&refusal, &head.correlation),
    }
}
