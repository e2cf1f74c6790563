//! Checks of HTTP headers before anything else is looked at.

use http::header::{ACCEPT, CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderMap, StatusCode, Uri};

use super::settings::Settings;

/// Why a request is turned away: a status and a sentence.
#[derive(Debug, PartialEq, Eq)]
pub struct Away(
    /// The status.
    pub StatusCode,
    /// The sentence, for whoever set the gate up.
    pub &'static str,
);

/// DNS rebinding protection: the host must be one of ours, and a page that calls must come from an
/// origin that may.
pub(super) fn check_host_and_origin(
    settings: &Settings,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(), Away> {
    let authority = check_host(&settings.allowed_hosts, uri, headers)?;
    check_origin(&settings.allowed_origins, authority, headers)
}

/// The host (and port) a request was sent to must be one of `allowed` (names without port). Returns it.
pub fn check_host<'r>(
    allowed: &[String],
    uri: &'r Uri,
    headers: &'r HeaderMap,
) -> Result<&'r str, Away> {
    let authority = match (uri.authority(), single(headers, &HOST)?) {
        // HTTP/2 sends the authority in the URI; a Host header next to it must say the same.
        (Some(authority), Some(host)) if authority.as_str() != host => {
            return Err(Away(StatusCode::BAD_REQUEST, "two different hosts"));
        }
        (Some(authority), _) => authority.as_str(),
        (None, Some(host)) => host,
        (None, None) => return Err(Away(StatusCode::BAD_REQUEST, "no host")),
    };
    let host = host_of(authority);
    if allowed.iter().any(|one| one.eq_ignore_ascii_case(host)) {
        Ok(authority)
    } else {
        Err(Away(
            StatusCode::FORBIDDEN,
            "this host name is not one of the gate's; add it to the allowed hosts",
        ))
    }
}

/// A web page that sends the request must come from one of the origins `allowed`, or from `authority`, which
/// [`check_host`] returned.
pub fn check_origin(allowed: &[String], authority: &str, headers: &HeaderMap) -> Result<(), Away> {
    let Some(origin) = single(headers, &ORIGIN)? else {
        return Ok(());
    };
    let listed = allowed.iter().any(|one| one.eq_ignore_ascii_case(origin));
    // A page that the gate served itself. The host was checked before.
    let own = origin
        .split_once("://")
        .is_some_and(|(_, from)| from.eq_ignore_ascii_case(authority));
    if listed || own {
        Ok(())
    } else {
        Err(Away(
            StatusCode::FORBIDDEN,
            "pages of this origin may not call; add it to the allowed origins",
        ))
    }
}

/// The value of a header that may be there once.
fn single<'h>(headers: &'h HeaderMap, name: &http::HeaderName) -> Result<Option<&'h str>, Away> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Away(StatusCode::BAD_REQUEST, "a header is there twice"));
    }
    value
        .to_str()
        .map(Some)
        .map_err(|_| Away(StatusCode::BAD_REQUEST, "a header is not ASCII"))
}

/// The host of `host:port`, brackets of an IPv6 address kept.
fn host_of(authority: &str) -> &str {
    if authority.starts_with('[') {
        return authority
            .find(']')
            .and_then(|end| authority.get(..=end))
            .unwrap_or(authority);
    }
    authority
        .split_once(':')
        .map_or(authority, |(host, _)| host)
}

/// A body must be JSON.
pub(super) fn check_content_type(headers: &HeaderMap) -> Result<(), Away> {
    let json = single(headers, &CONTENT_TYPE)?.is_some_and(|value| {
        let media = value.split(';').next().unwrap_or_default().trim();
        media.eq_ignore_ascii_case("application/json")
    });
    if json {
        Ok(())
    } else {
        Err(Away(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body must be application/json",
        ))
    }
}

/// What the client takes as answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Accepts {
    /// One JSON object.
    pub(super) json: bool,
    /// A stream of events.
    pub(super) events: bool,
}

/// Reads `Accept`; without one everything is taken (RFC 9110).
pub(super) fn accepts(headers: &HeaderMap) -> Accepts {
    let mut accepts = Accepts {
        json: false,
        events: false,
    };
    let mut any = false;
    for value in headers.get_all(ACCEPT) {
        any = true;
        for item in value.to_str().unwrap_or_default().split(',') {
            let mut parts = item.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            let refused = parts.any(|parameter| {
                parameter
                    .strip_prefix("q=")
                    .is_some_and(|weight| weight.trim_end_matches(['0', '.']).is_empty())
            });
            if refused {
                continue;
            }
            accepts.json |= matches!(media.as_str(), "*/*" | "application/*" | "application/json");
            accepts.events |= matches!(media.as_str(), "*/*" | "text/*" | "text/event-stream");
        }
    }
    if any {
        accepts
    } else {
        Accepts {
            json: true,
            events: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn check(list: &[(&'static str, &str)]) -> Result<(), u16> {
        let settings = Settings {
            allowed_hosts: ["127.0.0.1", "[::1]", "gate.example.co.jp"]
                .map(str::to_owned)
                .into(),
            allowed_origins: ["https://inspector.example".to_owned()].into(),
            ..Settings::default()
        };
        check_host_and_origin(&settings, &Uri::from_static("/mcp"), &headers(list))
            .map_err(|Away(status, _)| status.as_u16())
    }

    #[test]
    fn only_own_hosts_and_known_origins_pass() {
        assert_eq!(check(&[("host", "127.0.0.1:8080")]), Ok(()));
        assert_eq!(check(&[("host", "[::1]:8080")]), Ok(()));
        assert_eq!(check(&[("host", "Gate.Example.co.jp")]), Ok(()));
        assert_eq!(check(&[("host", "evil.example.com")]), Err(403));
        assert_eq!(check(&[]), Err(400));
        assert_eq!(check(&[("host", "127.0.0.1"), ("host", "evil")]), Err(400));
        let with_origin = |origin| check(&[("host", "127.0.0.1:80"), ("origin", origin)]);
        assert_eq!(with_origin("http://127.0.0.1:80"), Ok(()));
        assert_eq!(with_origin("https://inspector.example"), Ok(()));
        assert_eq!(with_origin("https://inspector.example.evil"), Err(403));
        assert_eq!(with_origin("http://127.0.0.1:81"), Err(403));
        assert_eq!(with_origin("null"), Err(403));
    }

    #[test]
    fn an_http2_authority_counts_as_host() {
        let settings = Settings::default();
        let ours = Uri::from_static("http://localhost:80/mcp");
        let evil = Uri::from_static("http://evil.example/mcp");
        assert!(check_host_and_origin(&settings, &ours, &HeaderMap::new()).is_ok());
        assert!(check_host_and_origin(&settings, &evil, &HeaderMap::new()).is_err());
        assert!(check_host_and_origin(&settings, &ours, &headers(&[("host", "evil")])).is_err());
    }

    #[test]
    fn only_json_bodies() {
        for good in ["application/json", "Application/JSON; charset=utf-8"] {
            assert!(check_content_type(&headers(&[("content-type", good)])).is_ok());
        }
        for bad in ["text/plain", "application/json-seq", ""] {
            assert!(check_content_type(&headers(&[("content-type", bad)])).is_err());
        }
        assert!(check_content_type(&HeaderMap::new()).is_err());
    }

    #[test]
    fn accept_is_read_with_weights() {
        let of = |value| {
            let accepts = accepts(&headers(&[("accept", value)]));
            (accepts.json, accepts.events)
        };
        assert_eq!(of("application/json, text/event-stream"), (true, true));
        assert_eq!(of("application/json"), (true, false));
        assert_eq!(of("text/event-stream;q=0.5"), (false, true));
        assert_eq!(of("*/*"), (true, true));
        assert_eq!(of("text/html"), (false, false));
        assert_eq!(
            of("application/json, text/event-stream;q=0.0"),
            (true, false)
        );
        assert!(accepts(&HeaderMap::new()).events);
    }
}
