//! Redirect URIs: which may be registered, which match, and what is sent to them.

use std::net::IpAddr;

use url::{Host, Url};

/// Longest redirect URI.
const URI_BYTES_MAX: usize = 2_048;
/// Most redirect URIs of one client.
pub(super) const URIS_MAX: usize = 32;

/// Which redirect URIs a client may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Allowed<'a> {
    /// Schemes of applications on the person's machine, beside those that look like a reversed domain.
    pub(super) private_schemes: &'a [String],
}

/// Whether a text may be registered as a redirect URI: `https`, `http` on loopback, or the scheme of an
/// installed application. Without user, password and fragment.
pub(super) fn acceptable(text: &str, allowed: Allowed<'_>) -> bool {
    let Some(uri) = parse(text) else { return false };
    match uri.scheme() {
        "https" => uri.host().is_some(),
        "http" => is_loopback(&uri),
        scheme => {
            // RFC 8252 section 7.1: a reversed domain belongs to somebody; other schemes are named one by one.
            scheme.contains('.') || allowed.private_schemes.iter().any(|known| known == scheme)
        }
    }
}

/// The URI, if it has the form of a redirect URI of whatever scheme.
pub(super) fn parse(text: &str) -> Option<Url> {
    let plain = text.len() <= URI_BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
    let uri = Url::parse(text).ok().filter(|_| plain)?;
    let bare = uri.username().is_empty()
        && uri.password().is_none()
        && uri.fragment().is_none()
        && !text.contains(['#', '\\', '*']);
    bare.then_some(uri)
}

/// Whether a URI leads to the person's own machine by address or as `localhost`.
pub(super) fn is_loopback(uri: &Url) -> bool {
    match uri.host() {
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Whether the URI that a request names is one that was registered: byte for byte, but for the port of
/// `http` on loopback, which an installed application takes as it finds it free (RFC 8252 section 7.3).
pub(super) fn matches(registered: &str, given: &str) -> bool {
    registered == given
        || match (without_port(registered), without_port(given)) {
            (Some(one), Some(other)) => one == other,
            _ => false,
        }
}

/// An `http` loopback URI without its port: host, and everything from the path on.
fn without_port(text: &str) -> Option<(&str, &str)> {
    const HOSTS: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];
    parse(text)?;
    let rest = text.strip_prefix("http://")?;
    let host = HOSTS.into_iter().find(|host| rest.starts_with(host))?;
    let rest = rest.strip_prefix(host)?;
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (port, rest) = rest.split_at_checked(at)?;
    let is_port = port.is_empty()
        || port.strip_prefix(':').is_some_and(|digits| {
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        });
    is_port.then_some((host, rest))
}

/// What people are shown of where they will be sent: the host with its port, or the scheme.
pub(super) fn shown(text: &str) -> String {
    let Some(uri) = parse(text) else {
        return String::new();
    };
    match (uri.host_str(), uri.port()) {
        (Some(host), _) if !matches!(uri.scheme(), "http" | "https") => {
            format!("{}://{host}", uri.scheme())
        }
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => format!("{}:", uri.scheme()),
    }
}

/// What a content security policy calls the target of a form that leads there: origin or scheme.
pub(super) fn form_target(text: &str) -> String {
    let Some(uri) = parse(text) else {
        return String::new();
    };
    match uri.scheme() {
        "http" | "https" => uri.origin().ascii_serialization(),
        scheme => format!("{scheme}:"),
    }
}

/// The URI with parameters added to its query.
pub(super) fn with_params(text: &str, params: &[(&str, &str)]) -> String {
    let added = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(params)
        .finish();
    let separator = match text.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some(_) => "&",
    };
    format!("{text}{separator}{added}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ok(text: &str) -> bool {
        acceptable(
            text,
            Allowed {
                private_schemes: &["cursor".to_owned()],
            },
        )
    }

    #[test]
    fn only_places_that_belong_to_somebody_may_be_registered() {
        for good in [
            "https://app.example/back",
            "https://app.example:8443/back?x=1",
            "http://127.0.0.1/back",
            "http://127.0.0.1:7777/",
            "http://[::1]:1/x",
            "http://localhost:1/x",
            "cursor://anysphere.cursor-retrieval/oauth/callback",
            "com.example.app:/back",
        ] {
            assert!(ok(good), "{good}");
        }
        for bad in [
            "",
            "back",
            "//app.example/",
            "http://app.example/back",
            "http://127.0.0.1.evil.example/",
            "http://localhost.evil.example/",
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "vbscript:x",
            "blob:https://app.example/1",
            "ws://app.example/",
            "unknown://x",
            "https://user@app.example/",
            "https://app.example/#x",
            "https://app.example/*",
            "https://app.example\\@evil.example/",
            "https://",
            "https://app.example/\u{e9}",
            "https://app.example/ x",
        ] {
            assert!(!ok(bad), "{bad}");
        }
        assert!(!ok(&format!("https://app.example/{}", "x".repeat(2_048))));
    }

    /// AUTHN-7: an attacker's variation of a registered URI is another URI.
    #[test]
    fn attack_redirect_mismatch() {
        let registered = "https://app.example/back";
        assert!(matches(registered, registered));
        for other in [
            "https://app.example/back/",
            "https://app.example/back?x=1",
            "https://app.example/back/../evil",
            "https://app.example/%62ack",
            "https://APP.example/back",
            "https://app.example:443/back",
            "https://app.example.evil.example/back",
            "http://app.example/back",
            "https://evil.example/back",
            "https://app.example/bac",
            "https://app.example@evil.example/back",
        ] {
            assert!(!matches(registered, other), "{other}");
        }
    }

    #[test]
    fn only_the_port_of_loopback_is_free() {
        for (one, other) in [
            ("http://127.0.0.1/back", "http://127.0.0.1:51234/back"),
            ("http://127.0.0.1:1/back", "http://127.0.0.1:2/back"),
            ("http://[::1]/back", "http://[::1]:9/back"),
            ("http://localhost/back", "http://localhost:9/back"),
            ("http://localhost", "http://localhost:9"),
        ] {
            assert!(matches(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("http://127.0.0.1/back", "http://127.0.0.1:1/other"),
            ("http://127.0.0.1/back", "http://localhost:1/back"),
            (
                "http://127.0.0.1/back",
                "http://127.0.0.1:1@evil.example/back",
            ),
            (
                "http://127.0.0.1/back",
                "http://127.0.0.1.evil.example/back",
            ),
            ("http://127.0.0.1/back", "http://127.0.0.1:x/back"),
            ("http://127.0.0.1/back", "http://127.0.0.1:/back"),
            ("http://127.0.0.1/back", "https://127.0.0.1:1/back"),
            ("https://127.0.0.1/back", "https://127.0.0.1:1/back"),
            ("http://127.0.0.1/back", "http://127.0.0.2:1/back"),
            ("http://127.0.0.1/back", "http://127.0.0.1:1/back?x"),
        ] {
            assert!(!matches(one, other), "{one} {other}");
        }
    }

    #[test]
    fn parameters_are_added_without_a_way_out() {
        assert_eq!(
            with_params(
                "https://a.example/b",
                &[("code", "x&y=z"), ("state", "a b\r\n")]
            ),
            "https://a.example/b?code=x%26y%3Dz&state=a+b%0D%0A"
        );
        assert_eq!(
            with_params("https://a.example/?x=1", &[("c", "1")]),
            "https://a.example/?x=1&c=1"
        );
        assert_eq!(with_params("app:/b?", &[("c", "1")]), "app:/b?c=1");
    }

    #[test]
    fn people_see_where_they_are_sent() {
        assert_eq!(shown("https://app.example/back?x"), "app.example");
        assert_eq!(shown("http://127.0.0.1:7777/"), "127.0.0.1:7777");
        assert_eq!(shown("cursor://anysphere.x/oauth"), "cursor://anysphere.x");
        assert_eq!(shown("com.example.app:/back"), "com.example.app:");
        assert_eq!(
            form_target("https://app.example:8443/x"),
            "https://app.example:8443"
        );
        assert_eq!(form_target("com.example.app:/back"), "com.example.app:");
    }

    proptest! {
        #[test]
        fn random_texts_match_themselves_only(text in "[ -~]{0,60}", other in "[ -~]{0,60}") {
            prop_assert!(matches(&text, &text));
            if matches(&text, &other) && text != other {
                prop_assert!(text.starts_with("http://") && other.starts_with("http://"));
            }
            drop((acceptable(&text, Allowed { private_schemes: &[] }), shown(&text), form_target(&text)));
        }
    }
}
