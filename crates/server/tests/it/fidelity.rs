//! Nothing is lost on the way: unknown members, unknown `_meta`, large numbers and the order of members
//! arrive byte for byte, whichever eras client and upstream are of.
//!
//! What the gate must rewrite, and nothing else is:
//! * blanks between tokens go: what is forwarded is what was checked (TOOL-2);
//! * the members of `_meta` that belong to the connection: revision, client information and capabilities, the
//!   token of progress;
//! * `resultType`, which modern results have and legacy ones have not.
//!
//! At `/mcp`, names and URIs carry their connector; at a connector's own endpoint, used here, they do not.

use sekimori_testkit::client::{LEGACY, MODERN, RawClient, Reply};
use sekimori_testkit::faults::{self, ODD_ERROR, ODD_RESULT, ODD_TOOL};
use sekimori_testkit::fixture::{Era, Local};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::gate::{Gate, Site};

/// Arguments whose numbers, order and texts no typed model would keep.
const ODD_ARGUMENTS: &str = r#"{"z":1.0,"y":123456789012345678901234567890,"a":{"z":[1e300,-0.0,1E5,0.10],"b":{},"a":[]},"é":"日\u672c\n\"/","":null,"n":18446744073709551616}"#;
/// A member of `params` that nobody knows.
const ODD_MEMBER: &str = r#"{"z":1.50,"a":[123456789012345678901234567890]}"#;
/// A member of `_meta` that nobody knows.
const ODD_META: &str = r#"{"q":[0.10,{"z":1,"a":2}],"n":18446744073709551616}"#;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Speaks {
    Modern,
    Legacy,
}

/// A client at the own endpoint of the connector `faults`.
struct Client {
    raw: RawClient,
    speaks: Speaks,
}

impl Client {
    /// Sends a request whose `params` are these members and the `_meta` that they need.
    async fn send(&self, method: &str, name: &str, members: &str) -> Reply {
        let versions = format!(
            r#""io.modelcontextprotocol/protocolVersion":"{MODERN}","io.modelcontextprotocol/clientCapabilities":{{}},"#
        );
        let meta = match self.speaks {
            Speaks::Modern => versions.as_str(),
            Speaks::Legacy => "",
        };
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{{{members}"_meta":{{{meta}"example.com/odd":{ODD_META}}}}}}}"#
        );
        let session = self.raw.session_id().unwrap_or_default();
        let modern = [
            ("mcp-protocol-version", MODERN),
            ("mcp-method", method),
            ("mcp-name", name),
        ];
        let legacy = [
            ("mcp-protocol-version", LEGACY),
            ("mcp-session-id", session.as_str()),
        ];
        let headers = match self.speaks {
            Speaks::Modern if name.is_empty() => &modern[..2],
            Speaks::Modern => &modern[..],
            Speaks::Legacy => &legacy[..],
        };
        self.raw.post(body, headers).await
    }

    async fn call(&self, tool: &str) -> Reply {
        let members =
            format!(r#""name":"{tool}","x-odd":{ODD_MEMBER},"arguments":{ODD_ARGUMENTS},"#);
        self.send("tools/call", tool, &members).await
    }
}

/// The fault server of one era behind a gate, and clients of both eras.
async fn stage(era: Era) -> (Local, Site, Gate, [Client; 2]) {
    let upstream = faults::start(None, era).await;
    let site = Site::new();
    site.connector("faults", &upstream.url, &[]).await;
    site.accept_suggestions("faults").await;
    let key = site.key("reporter", "employee").await.text;
    let gate = site.serve().await;
    let modern = Client {
        raw: gate.one("faults", &key),
        speaks: Speaks::Modern,
    };
    let legacy = Client {
        raw: gate.one("faults", &key),
        speaks: Speaks::Legacy,
    };
    legacy.raw.initialize(LEGACY).await.result();
    (upstream, site, gate, [modern, legacy])
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow)]
    arguments: &'a RawValue,
    #[serde(borrow, rename = "x-odd")]
    odd: &'a RawValue,
    #[serde(borrow, rename = "_meta")]
    meta: Meta<'a>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow, rename = "example.com/odd")]
    odd: &'a RawValue,
}

#[derive(Deserialize)]
struct Failed {
    error: Box<RawValue>,
}

#[derive(Deserialize)]
struct Listed<'a> {
    #[serde(borrow)]
    tools: Vec<&'a RawValue>,
}

/// What a client of one era must get of what the upstream's tool says.
fn expected(odd: &str, client: Speaks, upstream: Era) -> String {
    match (client, upstream) {
        (Speaks::Legacy, _) => odd.to_owned(),
        (Speaks::Modern, Era::Legacy) => {
            let inner = odd.strip_suffix('}').unwrap();
            format!(r#"{inner},"resultType":"complete"}}"#)
        }
        // The upstream's own, where it stood.
        (Speaks::Modern, _) => {
            let inner = odd.strip_prefix('{').unwrap();
            format!(r#"{{"resultType":"complete",{inner}"#)
        }
    }
}

async fn everything_arrives_as_it_was_sent(era: Era) {
    let (_upstream, _site, _gate, clients) = stage(era).await;
    for client in &clients {
        let speaks = client.speaks;
        let echo = client.call("echo_raw").await;
        let arrived = echo.content_text();
        let params: Params<'_> = serde_json::from_str(&arrived).unwrap();
        assert_eq!(params.arguments.get(), ODD_ARGUMENTS, "{speaks:?}");
        assert_eq!(params.odd.get(), ODD_MEMBER, "{speaks:?}");
        assert_eq!(params.meta.odd.get(), ODD_META, "{speaks:?}");

        let echo = client.call("echo_structured").await.raw_result();
        let back = format!(r#"{{"content":[],"structuredContent":{ODD_ARGUMENTS}}}"#);
        assert_eq!(echo, expected(&back, speaks, era), "{speaks:?}");

        let result = client.call("odd_result").await.raw_result();
        assert_eq!(result, expected(ODD_RESULT, speaks, era), "{speaks:?}");

        let failed = client.call("odd_error").await;
        let failed: Failed = serde_json::from_str(failed.text()).unwrap();
        assert_eq!(failed.error.get(), ODD_ERROR, "{speaks:?}");

        let list = client.send("tools/list", "", "").await.raw_result();
        let list: Listed<'_> = serde_json::from_str(&list).unwrap();
        let odd = list
            .tools
            .iter()
            .find(|tool| tool.get().contains("zz_first"));
        assert_eq!(odd.unwrap().get(), ODD_TOOL, "{speaks:?}");
    }
}

#[tokio::test]
async fn through_a_modern_upstream_everything_arrives_as_it_was_sent() {
    everything_arrives_as_it_was_sent(Era::Modern).await;
}

#[tokio::test]
async fn through_a_legacy_upstream_everything_arrives_as_it_was_sent() {
    everything_arrives_as_it_was_sent(Era::Legacy).await;
}

/// The exception for blanks; the spelling of texts and numbers stays.
#[tokio::test]
async fn blanks_between_tokens_go() {
    let (_upstream, _site, _gate, clients) = stage(Era::Dual).await;
    for client in &clients {
        let members = r#""name":"echo_raw","arguments":{ "b" : "\u00e9\/" , "a" : [ 1.0 , 2 ] },"#;
        let echo = client.send("tools/call", "echo_raw", members).await;
        let text = echo.content_text();
        assert!(
            text.contains(r#""arguments":{"b":"\u00e9\/","a":[1.0,2]}"#),
            "{text}"
        );
    }
}
