//! IPv4 and IPv6 addresses, not version numbers.

use std::net::Ipv6Addr;

use super::Detector;
use crate::document::Document;
use crate::finding::{Kind, Match};
use crate::text::Folded;

pub(super) const DETECTOR: Detector = Detector {
    kind: Kind::IpAddress,
    version: 1,
    approach: "dotted quad in range; IPv6 as the standard library parses it",
    find,
};

fn find(document: &Document, found: &mut Vec<Match>) {
    let folded = &document.folded;
    let mut at = 0;
    let mut previous = '\0';
    while let Some(c) = folded.chars().get(at).copied() {
        let inner = matches!(previous, '.' | ':') || previous.is_ascii_alphanumeric();
        previous = c;
        if inner || !(c.is_ascii_hexdigit() || c == ':') {
            at += 1;
            continue;
        }
        let window = folded.part(at, at + 46);
        let len = window
            .iter()
            .take_while(|c| c.is_ascii_hexdigit() || matches!(c, '.' | ':'))
            .count();
        let after = folded.at(at + len);
        if len >= 3 && !after.is_ascii_alphanumeric() && !matches!(after, '-' | '_') {
            push(folded, at, len, found);
        }
        at += len.max(1);
        previous = folded.before(at);
    }
}

fn push(folded: &Folded, start: usize, len: usize, found: &mut Vec<Match>) {
    let mut end = start + len;
    while matches!(folded.before(end), '.')
        || (folded.before(end) == ':' && folded.before(end - 1) != ':')
    {
        end -= 1;
    }
    let part = folded.part(start, end);
    let port = part
        .iter()
        .position(|c| *c == ':')
        .filter(|_| part.contains(&'.'));
    let host = port.and_then(|at| part.get(..at)).unwrap_or(part);
    if is_v4(host) && !matches!(folded.before(start), '-' | '/' | '_') {
        Document::push(found, Kind::IpAddress, start, start + host.len(), 85);
    } else if part.iter().filter(|c| **c == ':').count() >= 2
        && part.len() >= 6
        && part.iter().collect::<String>().parse::<Ipv6Addr>().is_ok()
    {
        Document::push(found, Kind::IpAddress, start, end, 85);
    }
}

fn is_v4(part: &[char]) -> bool {
    let mut octets = 0;
    let valid = part.split(|c| *c == '.').all(|octet| {
        octets += 1;
        let short = octet.get(..octet.len().min(4)).unwrap_or_default();
        let value = short
            .iter()
            .try_fold(0_u32, |sum, c| Some(sum * 10 + c.to_digit(10)?));
        (1..=3).contains(&octet.len())
            && value.is_some_and(|value| value <= 255)
            && !(octet.len() > 1 && octet.first() == Some(&'0'))
    });
    valid && octets == 4
}
