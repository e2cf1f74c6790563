//! What a modern request must say about itself before it is served.

use http::HeaderMap;
use sekimori_mcp::headers::{Mirrored, name_member};
use sekimori_mcp::raw_object::RawObject;
use sekimori_mcp::revision::{self, Era, Revision, code, meta};
use serde_json::Value;
use serde_json::value::RawValue;

use super::SPOKEN;
use super::reply::Done;
use crate::request::ClientFeatures;

/// Which rules a request is under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaks {
    /// It stands alone.
    Modern,
    /// It belongs to a session, or opens one.
    Legacy,
}

/// Which rules apply to a message of `method` whose parameters carry `meta`, and that came with this
/// version header. A client may speak both eras to one endpoint, even in turns.
pub(super) fn speaks(method: &str, meta: &RawObject, version_header: Option<&str>) -> Speaks {
    let is_legacy =
        |version: &str| Revision::parse(version).is_some_and(|known| known.era() == Era::Legacy);
    if let Some(version) = meta.get(meta::PROTOCOL_VERSION) {
        let legacy = sekimori_mcp::raw_object::as_str(version).is_some_and(|text| is_legacy(&text));
        return if legacy {
            Speaks::Legacy
        } else {
            Speaks::Modern
        };
    }
    // Some clients send `initialize` after they discovered a modern server.
    if method == "initialize" {
        return Speaks::Legacy;
    }
    match version_header {
        Some(version) if !is_legacy(version) => Speaks::Modern,
        _ if method == "server/discover" || method == "subscriptions/listen" => Speaks::Modern,
        _ => Speaks::Legacy,
    }
}

/// Checks `_meta` and, over HTTP, the headers that mirror the body; returns what the client can do.
pub(super) fn admit(
    method: &str,
    params: &RawObject,
    headers: Option<&HeaderMap>,
) -> Result<ClientFeatures, Done> {
    let members = params.meta();
    let Some(version) = members.get_str(meta::PROTOCOL_VERSION) else {
        return Err(missing(meta::PROTOCOL_VERSION));
    };
    if let Some(headers) = headers {
        let name = name_member(method).and_then(|member| params.get_str(member));
        let mirrored = Mirrored {
            version: &version,
            method,
            name: name.as_deref(),
            params: &[],
            arguments: &Value::Null,
        };
        mirrored
            .check(headers)
            .map_err(|error| Done::rejected(code::HEADER_MISMATCH, &error.to_string()))?;
    }
    if Revision::parse(&version).is_none_or(|revision| revision.era() == Era::Legacy) {
        let error = revision::unsupported_version(&version, &SPOKEN);
        return Err(Done::rejected_with(error, "the revision is not spoken"));
    }
    let Some(capabilities) = members.get_object(meta::CLIENT_CAPABILITIES) else {
        return Err(missing(meta::CLIENT_CAPABILITIES));
    };
    Ok(ClientFeatures {
        era: Era::Modern,
        capabilities,
        log_level: members
            .get_str(meta::LOG_LEVEL)
            .map(std::borrow::Cow::into_owned),
        progress_token: progress_token(&members),
    })
}

/// The token under which the client wants progress: a string or a number.
pub(super) fn progress_token(meta: &RawObject) -> Option<Box<RawValue>> {
    meta.get(meta::PROGRESS_TOKEN)
        .filter(|token| {
            !matches!(
                token.get().as_bytes().first(),
                Some(b'{' | b'[' | b'n' | b't' | b'f')
            )
        })
        .map(ToOwned::to_owned)
}

fn missing(member: &str) -> Done {
    let message = format!("_meta must hold {member}");
    Done::rejected(code::INVALID_PARAMS, &message).with_status(400)
}

#[cfg(test)]
mod tests {
    use sekimori_mcp::envelope::Id;

    use super::*;

    const META: &str = r#"{"name":"日本","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{}},"progressToken":"p"}}"#;

    fn object(text: &str) -> RawObject {
        RawObject::from_text(text).unwrap()
    }

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        list.iter()
            .map(|(name, value)| {
                let name = http::HeaderName::from_static(name);
                (name, value.parse().unwrap())
            })
            .collect()
    }

    fn rejected(method: &str, params: &str, headers: Option<&HeaderMap>) -> (i64, u16) {
        let done = admit(method, &object(params), headers).unwrap_err();
        let text = done.message(Some(&Id::number(1))).unwrap();
        let value: Value = serde_json::from_slice(&text).unwrap();
        (
            value["error"]["code"].as_i64().unwrap(),
            done.status(Era::Modern),
        )
    }

    #[test]
    fn a_sound_request_is_admitted() {
        let sound = headers(&[
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", "=?base64?5pel5pys?="),
        ]);
        let features = admit("tools/call", &object(META), Some(&sound)).unwrap();
        assert!(features.capabilities.contains("elicitation"));
        assert_eq!(features.progress_token.unwrap().get(), "\"p\"");
        assert!(admit("tools/call", &object(META), None).is_ok());
    }

    #[test]
    fn what_is_missing_is_told() {
        let none = rejected("server/discover", "{}", None);
        assert_eq!(none, (-32602, 400));
        let no_capabilities =
            r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#;
        assert_eq!(
            rejected("server/discover", no_capabilities, None),
            (-32602, 400)
        );
    }

    #[test]
    fn headers_must_match_the_body() {
        for wrong in [
            &[
                ("mcp-method", "tools/call"),
                ("mcp-name", "=?base64?5pel5pys?="),
            ][..],
            &[
                ("mcp-protocol-version", "2026-07-28"),
                ("mcp-method", "tools/call"),
            ],
            &[
                ("mcp-protocol-version", "2026-07-28"),
                ("mcp-method", "TOOLS/CALL"),
                ("mcp-name", "=?base64?5pel5pys?="),
            ],
        ] {
            let wrong = headers(wrong);
            assert_eq!(rejected("tools/call", META, Some(&wrong)), (-32020, 400));
        }
    }

    #[test]
    fn unknown_versions_are_told_which_are_spoken() {
        let params = META.replace("2026-07-28", "v999.0.0");
        assert_eq!(rejected("tools/call", &params, None), (-32022, 400));
    }

    #[test]
    fn the_era_is_read_from_the_request() {
        let none = RawObject::new();
        let modern = object(META).meta();
        let newer = object(r#"{"io.modelcontextprotocol/protocolVersion":"2030-01-01"}"#);
        let legacy = object(r#"{"io.modelcontextprotocol/protocolVersion":"2025-11-25"}"#);
        for (method, meta, header, expected) in [
            ("tools/list", &modern, None, Speaks::Modern),
            ("initialize", &modern, None, Speaks::Modern),
            ("initialize", &none, Some("2026-07-28"), Speaks::Legacy),
            ("tools/list", &none, Some("2026-07-28"), Speaks::Modern),
            ("tools/list", &none, Some("2025-11-25"), Speaks::Legacy),
            ("tools/list", &none, None, Speaks::Legacy),
            ("server/discover", &none, None, Speaks::Modern),
            ("tools/list", &newer, None, Speaks::Modern),
            ("tools/list", &legacy, None, Speaks::Legacy),
        ] {
            assert_eq!(
                speaks(method, meta, header),
                expected,
                "{method} {header:?}"
            );
        }
    }
}
