//! Ending access for good: not only what was issued, but also what more could be issued from.

use sekimori_domain::caller::SERVICE_PREFIX;
use sekimori_domain::clock::Clock;
use sekimori_domain::ids::{ConnectorName, PrincipalId, SessionId};
use sekimori_domain::revocation::{Subject, SubjectKind};
use sekimori_store::{GrantsOf, SessionSelector, Store, StoreError};

use super::Revocations;

/// What ended with an access.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndedAccess {
    /// Sign-in sessions.
    pub sessions: Vec<String>,
    /// Grants, with their refresh tokens.
    pub grants: Vec<String>,
    /// Whether a service-account key was revoked.
    pub key: bool,
    /// Accounts at upstreams, by connector.
    pub accounts: Vec<ConnectorName>,
}

/// Ends all access that hangs by `subject`: tokens, running calls and streams at once and on every node, then
/// the sessions, grants and keys from which more could be issued. To be recorded by whoever asked for it.
///
/// Doing it again is harmless, and finishes what was interrupted.
pub async fn end_access(
    store: &dyn Store,
    revocations: &Revocations,
    clock: &dyn Clock,
    subject: &Subject,
) -> Result<EndedAccess, StoreError> {
    // First what works by itself; then nothing new can come from what is left.
    revocations.revoke(std::slice::from_ref(subject)).await?;
    let now = clock.now();
    let (oauth, sessions) = (store.oauth(), store.sessions());
    let mut ended = EndedAccess::default();
    let id = subject.id.as_str();
    match subject.kind {
        SubjectKind::User => {
            if let Ok(user) = PrincipalId::new(id) {
                let all = sessions.revoke(SessionSelector::User(&user), now).await?;
                ended.sessions = all.iter().map(ToString::to_string).collect();
                ended.accounts = store.linked_accounts().end_all(&user).await?;
            }
            ended.grants = oauth.revoke_grants(GrantsOf::Subject(id), now).await?;
        }
        SubjectKind::Client => {
            ended.grants = oauth.revoke_grants(GrantsOf::Client(id), now).await?;
        }
        SubjectKind::Grant => {
            if oauth.revoke_grant(id, now).await? {
                ended.grants.push(id.to_owned());
            }
        }
        SubjectKind::Session => {
            if let Ok(session) = SessionId::new(id) {
                let one = sessions.revoke(SessionSelector::Id(&session), now).await?;
                ended.sessions = one.iter().map(ToString::to_string).collect();
            }
            ended.grants = oauth.revoke_grants(GrantsOf::Session(id), now).await?;
        }
        SubjectKind::ServiceAccount => {
            let principal = [SERVICE_PREFIX, id].concat();
            let all = oauth.revoke_grants(GrantsOf::Subject(&principal), now);
            ended.grants = all.await?;
        }
        SubjectKind::ServiceKey => {
            ended.key = store.service_accounts().revoke_key(id, now).await?;
        }
    }
    // Tokens that were issued meanwhile, from what has ended only now.
    let late = ended.sessions.iter().map(|id| (SubjectKind::Session, id));
    let late = late.chain(ended.grants.iter().map(|id| (SubjectKind::Grant, id)));
    let late: Vec<_> = late.map(|(kind, id)| Subject::new(kind, id)).collect();
    if !late.is_empty() {
        revocations.revoke(&late).await?;
    }
    Ok(ended)
}
