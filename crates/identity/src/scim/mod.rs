//! The SCIM 2.0 service (RFC 7643, RFC 7644): identity providers create, change and deactivate people and
//! groups. What is here knows no HTTP; it takes the parts of a request and gives an [`Answer`].
//!
//! - An identity provider sees and changes its own people and groups only; user names are unique over all.
//! - What a person or group consists of is in `schema`; reading, comparing, changing and describing go by it.
//! - Whoever is inactive after a request, or gone, is in [`Change::revoke`]: the caller ends everything of
//!   theirs before it answers. That is so even if they were inactive before, so that a request whose
//!   revocation failed can be sent again.
//! - Groups reach policies by the name that they had when they came ([`Group::name`]), so that renaming one
//!   gives nobody rights.
//! - Members that are not known here are passed over, as RFC 7644 allows: identity providers send them.
//!
//! [`Group::name`]: sekimori_domain::person::Group::name

mod body;
mod error;
mod filter;
mod group;
mod groups;
mod list;
mod matching;
mod membership;
mod patch;
mod resolve;
mod schema;
mod token;
mod user;
mod users;
mod value;
mod view;

use std::net::IpAddr;
use std::sync::Arc;

use sekimori_domain::clock::{Clock, Ids};
use sekimori_domain::ids::PrincipalId;
use sekimori_domain::record::EventKind;
use sekimori_store::{People, ScimTokens, Store};
use serde_json::Value;

pub use error::ScimError;
pub use filter::{AttributePath, Filter, Literal, Operator, PatchPath, fuzz_filter};
pub use list::ListQuery;
pub use token::{
    IssuedScimToken, NewScimToken, Provisioner, SCIM_TOKEN_LIFETIME_MAX, confirm_scim_token,
    create_scim_token,
};
pub use user::set_active;
pub use view::View;

use crate::credentials::Credentials;
use crate::resource::PublicUrl;
use list::RESULTS_MAX;

/// Where the service is, below the public URL.
pub const SCIM_PATH: &str = "/scim/v2";
/// How often a change is tried again if somebody else was faster.
const TRIES_MAX: usize = 5;

/// The service.
pub struct Scim {
    people: Arc<dyn People>,
    tokens: Arc<dyn ScimTokens>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    base: String,
}

impl std::fmt::Debug for Scim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scim")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

/// What is to be answered, and what happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The resource or list; `None` where there is nothing to say.
    pub body: Option<Value>,
    /// The resource's version.
    pub etag: Option<String>,
    /// The resource's address, if it was made just now.
    pub location: Option<String>,
    /// What was changed, to be recorded before the answer.
    pub change: Option<Change>,
}

/// A change of a person or group, for the audit record and for revocation.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The kind of event.
    pub event: EventKind,
    /// What was done, such as `deactivate_user`.
    pub action: &'static str,
    /// The person or group.
    pub id: String,
    /// Its name for people to read.
    pub name: String,
    /// More for the record: names of attributes and ids, never contents.
    pub detail: Vec<(&'static str, Value)>,
    /// Whose sessions, tokens, streams and running calls must end now.
    pub revoke: Vec<PrincipalId>,
}

/// What must hold for a request to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preconditions {
    /// The `If-Match` header.
    pub if_match: Option<String>,
    /// The `If-None-Match` header.
    pub if_none_match: Option<String>,
}

impl Preconditions {
    /// Refuses if the client knows another version.
    fn check(&self, etag: &str) -> Result<(), ScimError> {
        match &self.if_match {
            Some(known) if !names(known, etag) => Err(ScimError::precondition()),
            _ => Ok(()),
        }
    }

    /// Whether the client has this version already.
    fn is_known(&self, etag: &str) -> bool {
        self.if_none_match
            .as_deref()
            .is_some_and(|known| names(known, etag))
    }
}

/// Whether a list of ETags names this one. Ours are weak, and compared weakly.
fn names(list: &str, etag: &str) -> bool {
    let strong = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    list.split(',')
        .any(|tag| tag.trim() == "*" || strong(tag) == strong(etag))
}

impl Answer {
    fn ok(body: Value) -> Self {
        Self {
            status: 200,
            body: Some(body),
            etag: None,
            location: None,
            change: None,
        }
    }
}

impl Scim {
    /// The service over a store, at the gate's public URL.
    pub fn new(
        store: &dyn Store,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        public_url: &PublicUrl,
    ) -> Self {
        Self {
            people: store.people(),
            tokens: store.scim_tokens(),
            clock,
            ids,
            base: format!("{public_url}{SCIM_PATH}"),
        }
    }

    /// Which identity provider is calling, from where.
    pub async fn authenticate(
        &self,
        credentials: &Credentials,
        ip: Option<IpAddr>,
    ) -> Result<Provisioner, ScimError> {
        token::authenticate(&*self.tokens, &*self.clock, credentials, ip).await
    }

    /// What the service can do.
    pub fn service_provider_config(&self) -> Answer {
        Answer::ok(schema::service_provider_config(&self.base))
    }

    /// The kinds of resource, or one of them.
    pub fn resource_types(&self, id: Option<&str>) -> Result<Answer, ScimError> {
        describe(schema::resource_types(&self.base), id, "resource type")
    }

    /// The schemas, or one of them.
    pub fn schemas(&self, id: Option<&str>) -> Result<Answer, ScimError> {
        describe(schema::schemas(&self.base), id, "schema")
    }

    /// Searches people and groups together: people first.
    pub async fn search(&self, by: &Provisioner, query: &ListQuery) -> Result<Answer, ScimError> {
        let fits = |kind| match &query.filter {
            Some(filter) => matching::check(filter, kind),
            None => Ok(()),
        };
        let (as_users, as_groups) = (fits(&schema::USERS), fits(&schema::GROUPS));
        let (mut total, mut resources) = (0, Vec::new());
        match (&as_users, &as_groups) {
            (Err(error), Err(_)) => return Err(error.clone()),
            (Ok(()), _) => (total, resources) = self.users_of(by, query).await?,
            (Err(_), Ok(())) => {}
        }
        if as_groups.is_ok() {
            let found = u32::try_from(resources.len()).unwrap_or(u32::MAX);
            let rest = ListQuery {
                offset: query.offset.saturating_sub(total),
                limit: query.limit.saturating_sub(found),
                ..query.clone()
            };
            let (more, groups) = self.groups_of(by, &rest).await?;
            total += more;
            resources.extend(groups);
        }
        Ok(Answer::ok(query.response(total, &resources)))
    }
}

fn describe(all: Vec<Value>, id: Option<&str>, what: &str) -> Result<Answer, ScimError> {
    let Some(id) = id else {
        let total = u64::try_from(all.len()).unwrap_or(u64::MAX);
        return Ok(Answer::ok(list::response(total, 0, &all)));
    };
    let is_it = |one: &Value| {
        one.get("id")
            .and_then(Value::as_str)
            .is_some_and(|found| found.eq_ignore_ascii_case(id))
    };
    all.into_iter()
        .find(is_it)
        .map(Answer::ok)
        .ok_or_else(|| ScimError::not_found(what))
}

/// The id of a person or group as given in a URL: what can't be one is not there.
fn given_id<T: std::str::FromStr>(id: &str, what: &str) -> Result<T, ScimError> {
    id.parse().map_err(|_| ScimError::not_found(what))
}

/// Whether a version was overtaken, so that the change may be tried on the newer one.
fn is_overtaken(error: &ScimError, preconditions: &Preconditions) -> bool {
    error.status == 412 && preconditions.if_match.is_none()
}
