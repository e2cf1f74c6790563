//! Links and addresses that carry data away.

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
    (markdown || html) && address.contains('?')
}

fn is_mail(folded: &Folded, at: usize) -> bool {
    is_local(folded.before(at)) && folded.at(at + 1).is_ascii_alphanumeric()
}

fn is_local(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+')
}
