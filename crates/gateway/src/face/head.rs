//! What every request carries, read from headers and `_meta`.

use sekimori_domain::clock::Ids;
use sekimori_domain::ids::CorrelationId;
use sekimori_mcp::raw_object::RawObject;
use serde_json::value::RawValue;

use crate::request::Head;

/// Longest claimed client name that is kept.
const CLAIMED_CLIENT_CHARS_MAX: usize = 256;
/// Longest `traceparent` that is looked at; version 00 has 55 characters.
const TRACEPARENT_CHARS_MAX: usize = 128;

/// The head of one request: `template` (connection, credentials, HTTP headers) and what `_meta` says.
pub(super) fn for_request(template: &Head, meta: &RawObject, ids: &dyn Ids) -> Head {
    let mut head = template.clone();
    let trace = meta
        .get_str("traceparent")
        .map(std::borrow::Cow::into_owned);
    if let Some((trace, correlation)) = trace.and_then(|trace| {
        let correlation = correlation_of(&trace)?;
        Some((trace, correlation))
    }) {
        head.trace = Some(trace);
        head.correlation = correlation;
    } else if head.trace.is_none() {
        head.correlation = CorrelationId::from_uuid(ids.next());
    }
    head
}

/// The trace id of a `traceparent` (W3C Trace Context), as correlation id.
pub(super) fn correlation_of(traceparent: &str) -> Option<CorrelationId> {
    if traceparent.len() > TRACEPARENT_CHARS_MAX {
        return None;
    }
    let mut parts = traceparent.split('-');
    let (version, trace, parent, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, chars: usize| {
        text.len() == chars
            && text
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let sound = hex(version, 2)
        && version != "ff"
        && hex(trace, 32)
        && hex(parent, 16)
        && hex(flags, 2)
        && (version != "00" || parts.next().is_none())
        && trace.bytes().any(|byte| byte != b'0');
    sound.then(|| CorrelationId::new(trace).ok()).flatten()
}

/// `name/version` of a `clientInfo`: claimed, for people to read.
pub(super) fn claimed_client(info: Option<&RawValue>) -> Option<String> {
    let info = RawObject::from_raw(info?).ok()?;
    let name = info.get_str("name")?;
    let mut claimed: String = name.chars().filter(|char| !char.is_control()).collect();
    if let Some(version) = info.get_str("version") {
        claimed.push('/');
        claimed.extend(version.chars().filter(|char| !char.is_control()));
    }
    Some(claimed.chars().take(CLAIMED_CLIENT_CHARS_MAX).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correlation_is_the_trace_id() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(
            correlation_of(good).unwrap().as_str(),
            "4bf92f3577b34da6a3ce929d0e0e4736"
        );
        for bad in [
            "",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        ] {
            assert!(correlation_of(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_claimed_client_is_cut_and_clean() {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let info = raw(r#"{"name":"Cla\u0000ude","version":"1.2"}"#);
        assert_eq!(claimed_client(Some(&info)).unwrap(), "Claude/1.2");
        let long = raw(&format!(r#"{{"name":"{}"}}"#, "x".repeat(1000)));
        assert_eq!(claimed_client(Some(&long)).unwrap().len(), 256);
        assert_eq!(claimed_client(Some(&raw("[]"))), None);
    }
}
