//! The MCP face: everything between a client's bytes and [`crate::request`].
//!
//! Two ways in ([`listen`] for HTTP, [`stdio`] for a local process), two eras (`modern`, `legacy`), one road. The face
//! decides nothing: it reads, asks [`crate::call`] or [`crate::list`], and writes what they say.

mod admit;
mod answer;
mod forwarded;
mod guard;
mod head;
mod legacy;
mod legacy_http;
pub mod listen;
mod listing;
mod modern;
mod modern_http;
mod operation;
mod outlet;
mod port;
mod reply;
mod rewrite;
mod session;
mod settings;
pub mod stdio;
mod subscription;
mod tasks;
mod turned_away;
mod under_way;
mod wire;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use sekimori_mcp::raw_object::{RawObject, raw_json};
use sekimori_mcp::revision::{Revision, code};
use serde_json::json;
use serde_json::value::RawValue;

use crate::Gateway;
use reply::Done;
use session::Sessions;
use subscription::Watched;

pub use forwarded::client_address;
pub use guard::{Away, check_host, check_origin};
pub use listen::router;
pub(crate) use reply::told;
pub use settings::Settings;

/// The revisions that are spoken, newest first: what a client is told to choose from.
const SPOKEN: [Revision; 4] = [
    Revision::V20260728,
    Revision::V20251125,
    Revision::V20250618,
    Revision::V20250326,
];

/// What all requests share.
#[derive(Debug)]
struct Face {
    gateway: Arc<Gateway>,
    settings: Settings,
    sessions: Sessions,
    watched: Watched,
    /// `serverInfo`: name, title and version of the gate.
    server: Box<RawValue>,
}

impl Face {
    fn new(gateway: Arc<Gateway>, settings: Settings) -> Arc<Self> {
        let sessions = Sessions::new(
            settings.sessions_max,
            settings.sessions_per_principal_max,
            settings.session_idle,
        );
        let server = raw_json(&json!({
            "name": "sekimori",
            "title": gateway.settings.title,
            "version": gateway.settings.version,
        }));
        Arc::new(Self {
            gateway,
            settings,
            sessions,
            watched: Watched::default(),
            server,
        })
    }
}

/// `serverInfo` at one endpoint: the name of the gate, the title of what is behind.
fn server_info(face: &Face, title: &str) -> Box<RawValue> {
    let mut server = RawObject::from_raw_or_empty(Some(&face.server));
    if !title.is_empty() {
        server.set_str("title", title);
    }
    server.to_raw()
}

/// Serves one request; a panic becomes an error that tells nothing.
async fn guarded(serving: impl Future<Output = Done>) -> Done {
    AssertUnwindSafe(serving)
        .catch_unwind()
        .await
        .unwrap_or_else(|_| {
            tracing::error!("a request made the gate panic");
            Done::rejected(code::INTERNAL_ERROR, "internal error").with_status(500)
        })
}
