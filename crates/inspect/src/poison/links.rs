//! Links and addresses that carry data away.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::Ruse;
use super::phrases::{Found, Hit, sends_after, sends_before};
use crate::text::Folded;

/// Hosts that exist to collect what is sent to them.
#[rustfmt::skip]
const COLLECTORS: &[&str] = &["webhook.site", "requestbin", "pipedream.net", "ngrok.io", "ngrok-free.app", "ngrok.app", "burpcollaborator", "oastify.com", "interact.sh", "oast.fun", "oast.pro", "beeceptor.com", "requestcatcher.com", "hookbin.com", "trycloudflare.com", "pastebin.com/api"];
/// Longest address that is looked at.
const ADDRESS_CHARS_MAX: usize = 2_000;

/// Finds addresses that take something along.
pub(super) fn find(folded: &Folded, hits: &[Hit], found: &mut Vec<Found>) {
    let chars = folded.chars();
    let mut at = 0;
    while at < chars.len() {
        let scheme = [
            "https://",
            "http://",
            "data:text/html",
            "javascript:",
            "mailto:",
        ]
        .into_iter()
        .find(|scheme| starts_with(folded, at, scheme));
        if let Some(scheme) = scheme {
            let end = end_of_address(folded, at);
            let address: String = folded
                .part(at, end)
                .iter()
                .map(char::to_ascii_lowercase)
                .collect();
            let active = matches!(scheme, "data:text/html" | "javascript:");
            let collector = COLLECTORS.iter().any(|host| address.contains(host));
            if active || collector || takes_along(&address) || is_image(folded, at, &address) {
                found.push((Ruse::Exfiltration, at..end));
            } else {
                sent(folded, hits, at, end, found);
            }
            at = end.max(at + 1);
        } else if folded.at(at) == '@' && is_mail(folded, at) {
            let start = (0..at)
                .rev()
                .take_while(|index| is_local(folded.at(*index)))
                .last()
                .unwrap_or(at);
            let end = end_of_address(folded, at);
            sent(folded, hits, start, end, found);
            at = end.max(at + 1);
        } else {
            at += 1;
        }
    }
}

fn sent(folded: &Folded, hits: &[Hit], start: usize, end: usize, found: &mut Vec<Found>) {
    if let Some(from) = sends_before(folded, hits, start) {
        found.push((Ruse::Exfiltration, from..end));
    } else if let Some(to) = sends_after(folded, hits, end) {
        found.push((Ruse::Exfiltration, start..to));
    }
}

fn starts_with(folded: &Folded, at: usize, what: &str) -> bool {
    what.chars()
        .enumerate()
        .all(|(offset, c)| folded.at(at + offset).to_ascii_lowercase() == c)
}

fn end_of_address(folded: &Folded, at: usize) -> usize {
    let is_part =
        |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '`' | ')' | ']' | '\\' | ',');
    let mut end = at;
    while end - at < ADDRESS_CHARS_MAX && is_part(folded.at(end)) {
        end += 1;
    }
    while end > at && matches!(folded.before(end), '.' | ';' | ':' | '!' | '?') {
        end -= 1;
    }
    end
}

/// What a placeholder is called that stands for more than an id.
#[rustfmt::skip]
const TELLING: &[&str] = &["data", "secret", "password", "history", "conversation", "chat", "token", "credential", "prompt", "exfil", "message", "content", "result", "response", "key", "summary", "base64"];

/// Whether the address has a place for something to be put in: `?q={data}`, `?c=<history>`, `?d=$TOKEN`. A bare
/// `{id}` is how addresses are documented; what stands for a conversation or a secret is not.
fn takes_along(address: &str) -> bool {
    let Some((_, query)) = address.split_once('?') else {
        return false;
    };
    query.split('&').any(|pair| {
        let value = pair.split_once('=').map_or("", |(_, value)| value);
        value.starts_with(['{', '<', '[', '$']) && TELLING.iter().any(|word| value.contains(word))
    })
}

/// A picture that is fetched with a query when the text is shown: `![](https://…?…)`.
fn is_image(folded: &Folded, at: usize, address: &str) -> bool {
    address.contains('?') && is_shown(folded, at)
}

/// Whether an address stands where a picture is fetched when the text is shown.
fn is_shown(folded: &Folded, at: usize) -> bool {
    let markdown = folded.before(at) == '(' && folded.before(at.saturating_sub(1)) == ']' && {
        let from = at.saturating_sub(120);
        let lead: String = folded.part(from, at).iter().collect();
        lead.rfind("![")
            .is_some_and(|begin| !lead.get(begin..).unwrap_or_default().contains(')'))
    };
    let html = {
        let from = at.saturating_sub(40);
        let lead: String = folded
            .part(from, at)
            .iter()
            .map(char::to_ascii_lowercase)
            .collect();
        lead.rfind("<img")
            .is_some_and(|begin| !lead.get(begin..).unwrap_or_default().contains('>'))
    };
    markdown || html
}

fn is_mail(folded: &Folded, at: usize) -> bool {
    is_local(folded.before(at)) && folded.at(at + 1).is_ascii_alphanumeric()
}

fn is_local(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+')
}

/// What a link does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkKind {
    /// It is fetched as soon as the text is shown.
    Image,
    /// A person has to follow it.
    Link,
}

impl LinkKind {
    /// The name in rules and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Link => "link",
        }
    }
}

/// A link in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    /// What it does.
    pub(crate) kind: LinkKind,
    /// Its address: code points of the text.
    pub(crate) place: Range<u32>,
    /// The host that it leads to, in lower case.
    pub(crate) host: String,
}

/// Links to hosts in a text, in order, up to `max`.
pub(crate) fn links(text: &str, max: usize) -> Vec<Link> {
    let folded = Folded::new(text);
    let mut found = Vec::new();
    let mut at = 0;
    while at < folded.chars().len() && found.len() < max {
        let scheme = ["https://", "http://", "//"]
            .into_iter()
            .find(|scheme| starts_with(&folded, at, scheme));
        // Without a scheme it is an address only where one is expected: `](//host/` and `src="//host/`.
        let led = scheme != Some("//") || matches!(folded.before(at), '(' | '"' | '\'' | '<' | '=');
        let (Some(scheme), true) = (scheme, led) else {
            at += 1;
            continue;
        };
        let end = end_of_address(&folded, at);
        let host = host(&folded, at + scheme.len(), end);
        if !host.is_empty() {
            let kind = if is_shown(&folded, at) {
                LinkKind::Image
            } else {
                LinkKind::Link
            };
            let (start, end) = folded.original(at, end);
            let place = start..end;
            found.push(Link { kind, place, host });
        }
        at = end.max(at + 1);
    }
    found
}

/// The host of an address whose scheme ends at `from`, without user and port.
fn host(folded: &Folded, from: usize, end: usize) -> String {
    let authority: String = folded
        .part(from, end)
        .iter()
        .take_while(|c| !matches!(c, '/' | '?' | '#' | '\\'))
        .map(char::to_ascii_lowercase)
        .collect();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default();
    host.trim_end_matches('.').to_owned()
}

/// Whether a host is one of these: `example.co.jp`, or `*.example.co.jp` for any below it.
pub(crate) fn is_one_of(host: &str, own: &[String]) -> bool {
    own.iter().any(|own| match own.strip_prefix("*.") {
        Some(domain) => host
            .strip_suffix(domain)
            .is_some_and(|below| below.ends_with('.')),
        None => host == own,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(text: &str) -> Vec<(LinkKind, String, String)> {
        links(text, 100)
            .into_iter()
            .map(|link| {
                let (start, end) = (link.place.start, link.place.end);
                let chars = text.chars().skip(usize::try_from(start).unwrap());
                let address = chars.take(usize::try_from(end - start).unwrap());
                (link.kind, link.host, address.collect())
            })
            .collect()
    }

    #[test]
    fn images_and_links_are_told_apart_with_their_hosts() {
        let text = "図: ![図](https://cdn.example.com/a.png?d=1) 詳細は https://USER@Docs.example.co.jp:8443/x。\
                    <img src=\"//evil.example/p\"> // comment";
        let link = |kind, host: &str, address: &str| (kind, host.to_owned(), address.to_owned());
        assert_eq!(
            seen(text),
            [
                link(
                    LinkKind::Image,
                    "cdn.example.com",
                    "https://cdn.example.com/a.png?d=1"
                ),
                link(
                    LinkKind::Link,
                    "docs.example.co.jp",
                    "https://USER@Docs.example.co.jp:8443/x"
                ),
                link(LinkKind::Image, "evil.example", "//evil.example/p"),
            ]
        );
    }

    #[test]
    fn hosts_are_compared_whole() {
        let own = ["example.co.jp".to_owned(), "*.example.co.jp".to_owned()];
        for host in ["example.co.jp", "a.b.example.co.jp"] {
            assert!(is_one_of(host, &own), "{host}");
        }
        for host in [
            "notexample.co.jp",
            "example.co.jp.evil.example",
            "",
            "co.jp",
        ] {
            assert!(!is_one_of(host, &own), "{host}");
        }
    }
}
