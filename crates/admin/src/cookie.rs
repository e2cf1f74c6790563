//! Cookies: reading one, writing one.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

use crate::control::Settings;

/// When a browser sends a cookie along with requests that other sites cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SameSite {
    /// Only when a link is followed.
    Lax,
}

/// The full name of a cookie. `__Host-` ties it to this host and to TLS, so that no neighbour can plant it.
pub(crate) fn full_name(settings: &Settings, name: &str) -> String {
    if settings.over_tls() {
        format!("__Host-{name}")
    } else {
        name.to_owned()
    }
}

/// The value of the cookie `name`. One that is there twice counts as absent: nobody knows which is ours.
pub(crate) fn read<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut found = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value);
    let value = found.next()?;
    found.next().is_none().then_some(value)
}

/// A `Set-Cookie` header. Scripts cannot read the cookie. Without `max_age_seconds` it ends with the browser;
/// 0 removes it. `None` if the value has characters that a cookie cannot have.
pub(crate) fn write(
    settings: &Settings,
    name: &str,
    value: &str,
    max_age_seconds: Option<u32>,
    same_site: SameSite,
) -> Option<HeaderValue> {
    let mut text = format!("{}={value}; Path=/; HttpOnly", full_name(settings, name));
    if settings.over_tls() {
        text.push_str("; Secure");
    }
    match same_site {
        SameSite::Lax => text.push_str("; SameSite=Lax"),
    }
    if let Some(seconds) = max_age_seconds {
        text.push_str(&format!("; Max-Age={seconds}"));
    }
    let clean = value
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte));
    clean.then(|| HeaderValue::from_str(&text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_read_among_others_and_not_when_it_is_there_twice() {
        let headers = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(COOKIE, value.parse().unwrap());
            }
            headers
        };
        let one = headers(&["a=1; sekimori=x; b=2"]);
        assert_eq!(read(&one, "sekimori"), Some("x"));
        assert_eq!(read(&one, "kimori"), None);
        assert_eq!(read(&headers(&["s=x; s=y"]), "s"), None);
        assert_eq!(read(&headers(&["s=x", "s=x"]), "s"), None);
        assert_eq!(read(&headers(&[]), "s"), None);
    }
}
