//! Lists, page by page.

use sekimori_domain::refusal::{Refusal, RefusalCode, Stage};
use sekimori_mcp::raw_object::{RawObject, raw_array, raw_json};
use sekimori_mcp::revision::{Era, Revision, code, meta};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use std::time::Duration;

use super::Face;
use super::reply::Done;
use super::turned_away::noted;
use crate::list::{self, ListKind, Listing};
use crate::request::{Endpoint, Head};
use crate::seal::Purpose;

/// How long a client may take from one page to the next.
const CURSOR_LIFE: Duration = Duration::from_hours(1);

/// Where a list goes on.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
struct Cursor {
    /// Which list.
    #[serde(rename = "m")]
    method: String,
    /// At which connector's endpoint; `None` for that of all.
    #[serde(rename = "c")]
    connector: Option<String>,
    /// The first item of the page.
    #[serde(rename = "i")]
    item: usize,
}

/// One page of what the caller may use.
pub(super) async fn list(
    face: &Face,
    head: &Head,
    kind: ListKind,
    params: &RawObject,
    era: Era,
) -> Done {
    // Listing first: right after the start it waits until it is known what is offered.
    match list::list(&face.gateway, head, kind, era).await {
        Ok(listing) => {
            let done = if offers(face, &head.endpoint, kind) {
                match page(face, head, kind, params, &listing) {
                    Ok(page) => Done::result(write(face, kind, page, era)),
                    Err(refusal) => Done::turned_away(&refusal, &head.correlation),
                }
            } else {
                let why = "nothing of this kind is offered here";
                Done::rejected(code::METHOD_NOT_FOUND, why)
            };
            noted(face, head, Some(&listing.caller), done).await
        }
        Err(refusal) => Done::refused(&refusal, &head.correlation),
    }
}

/// Whether the endpoint declares this kind at all; what it does not declare is an unknown method.
fn offers(face: &Face, endpoint: &Endpoint, kind: ListKind) -> bool {
    let capabilities = list::server_info(&face.gateway, endpoint, Revision::NEWEST).capabilities;
    capabilities.contains(match kind {
        ListKind::Tools => "tools",
        ListKind::Resources | ListKind::ResourceTemplates => "resources",
        ListKind::Prompts => "prompts",
    })
}

struct Page<'l> {
    items: &'l [Box<RawValue>],
    next: Option<String>,
}

fn page<'l>(
    face: &Face,
    head: &Head,
    kind: ListKind,
    params: &RawObject,
    listing: &'l Listing,
) -> Result<Page<'l>, Refusal> {
    let gateway = &face.gateway;
    let owner = &listing.caller.principal.id;
    let connector = match &head.endpoint {
        Endpoint::All => None,
        Endpoint::Connector(name) => Some(name.to_string()),
    };
    let start = if params.contains("cursor") {
        let cursor: Option<Cursor> = params.get_str("cursor").and_then(|sealed| {
            let now = gateway.clock.now();
            gateway
                .sealer
                .open(Purpose::Cursor, owner, &sealed, now)
                .ok()
        });
        cursor
            .filter(|cursor| cursor.method == kind.method() && cursor.connector == connector)
            .ok_or_else(|| {
                refuse("the cursor is not of this list, or no longer valid: list from the start")
            })?
            .item
    } else {
        0
    };
    let end = start
        .saturating_add(face.settings.page_items_max)
        .min(listing.items.len());
    let items = listing.items.get(start..end).unwrap_or_default();
    let next = if end < listing.items.len() {
        let cursor = Cursor {
            method: kind.method().to_owned(),
            connector,
            item: end,
        };
        let sealed = gateway
            .sealer
            .seal(
                Purpose::Cursor,
                owner,
                &cursor,
                gateway.clock.now(),
                CURSOR_LIFE,
            )
            .map_err(|_| {
                let code = RefusalCode::DependencyUnavailable;
                Refusal::new(code, Stage::Listen, "a cursor could not be sealed")
            })?;
        Some(sealed)
    } else {
        None
    };
    Ok(Page { items, next })
}

fn write(face: &Face, kind: ListKind, page: Page<'_>, era: Era) -> Box<RawValue> {
    let member = match kind {
        ListKind::Tools => "tools",
        ListKind::Resources => "resources",
        ListKind::ResourceTemplates => "resourceTemplates",
        ListKind::Prompts => "prompts",
    };
    let mut result = RawObject::new();
    result.set(member, raw_array(page.items.iter().map(|item| &**item)));
    if let Some(next) = page.next {
        result.set_str("nextCursor", &next);
    }
    if era == Era::Modern {
        modern_members(face, &mut result);
    }
    result.to_raw()
}

/// What every list of a modern server says: complete, from whom, and for this caller alone, since it is
/// filtered by policy.
pub(super) fn modern_members(face: &Face, result: &mut RawObject) {
    let ttl = u64::try_from(face.settings.list_ttl.as_millis()).unwrap_or_default();
    result.set_str("resultType", "complete");
    result.set("ttlMs", raw_json(&json!(ttl)));
    result.set_str("cacheScope", "private");
    result.edit_meta(|members| members.set(meta::SERVER_INFO, face.server.clone()));
}

fn refuse(message: &str) -> Refusal {
    Refusal::new(RefusalCode::InvalidParams, Stage::Listen, message)
}
