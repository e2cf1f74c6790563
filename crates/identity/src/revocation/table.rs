//! The snapshot that every request is compared with.

use std::collections::HashMap;

use jiff::Timestamp;
use sekimori_domain::caller::{Caller, PrincipalKind, SERVICE_PREFIX};
use sekimori_domain::revocation::{Revocation, SubjectKind};

/// What was revoked, by kind and id.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    /// Everything up to this revision is in it.
    pub(super) revision: u64,
    users: Rows,
    clients: Rows,
    grants: Rows,
    sessions: Rows,
    accounts: Rows,
    keys: Rows,
}

type Rows = HashMap<Box<str>, Timestamp>;

impl Table {
    /// The table with more rows, which is everything up to `revision` at least, and without those from
    /// before `keep_after`.
    pub(super) fn with(&self, rows: Vec<Revocation>, revision: u64, keep_after: Timestamp) -> Self {
        let mut table = self.clone();
        table.revision = table.revision.max(revision);
        for row in rows {
            table.revision = table.revision.max(row.revision);
            let id = row.subject.id.into_boxed_str();
            table.rows_mut(row.subject.kind).insert(id, row.not_before);
        }
        for kind in SubjectKind::ALL {
            table
                .rows_mut(kind)
                .retain(|_, not_before| *not_before >= keep_after);
        }
        table
    }

    /// The first thing the caller's access hangs by that was revoked.
    pub(super) fn find(&self, caller: &Caller) -> Option<SubjectKind> {
        let proof = &caller.authentication;
        let id = caller.principal.id.as_str();
        let client = caller.client.id.as_str();
        let hangs_by = match caller.principal.kind {
            PrincipalKind::User => [(SubjectKind::User, id), (SubjectKind::Client, client)],
            PrincipalKind::ServiceAccount => [
                (
                    SubjectKind::ServiceAccount,
                    id.strip_prefix(SERVICE_PREFIX).unwrap_or(id),
                ),
                if caller.client.kind == "service" {
                    (SubjectKind::ServiceKey, client)
                } else {
                    (SubjectKind::Client, client)
                },
            ],
            PrincipalKind::LocalAdministrator | PrincipalKind::Anonymous => return None,
        };
        let grant = proof.grant.as_deref().map(|id| (SubjectKind::Grant, id));
        let session = proof.session.as_deref();
        let session = session.map(|id| (SubjectKind::Session, id));
        hangs_by
            .into_iter()
            .chain(grant)
            .chain(session)
            .find(|(kind, id)| self.covers(*kind, id, proof.issued_at))
            .map(|(kind, _)| kind)
    }

    /// Whether what was issued for the subject at that time is void. What tells no time is taken for old.
    pub(super) fn covers(&self, kind: SubjectKind, id: &str, issued_at: Option<Timestamp>) -> bool {
        let not_before = self.rows(kind).get(id);
        not_before.is_some_and(|not_before| issued_at.is_none_or(|at| at <= *not_before))
    }

    fn rows(&self, kind: SubjectKind) -> &Rows {
        match kind {
            SubjectKind::User => &self.users,
            SubjectKind::Client => &self.clients,
            SubjectKind::Grant => &self.grants,
            SubjectKind::Session => &self.sessions,
            SubjectKind::ServiceAccount => &self.accounts,
            SubjectKind::ServiceKey => &self.keys,
        }
    }

    fn rows_mut(&mut self, kind: SubjectKind) -> &mut Rows {
        match kind {
            SubjectKind::User => &mut self.users,
            SubjectKind::Client => &mut self.clients,
            SubjectKind::Grant => &mut self.grants,
            SubjectKind::Session => &mut self.sessions,
            SubjectKind::ServiceAccount => &mut self.accounts,
            SubjectKind::ServiceKey => &mut self.keys,
        }
    }
}
