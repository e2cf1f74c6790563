//! IPv4 and IPv6 addresses, not version numbers.

use std::net::Ipv6Addr;

use super::Detector;
use crate::document::Document;
use crate::finding::{Kind, Match};
use crate::spots::Begin;
use crate::text::Folded;

pub(super) const DETECTOR: Detector = Detector {
    kind: Kind::IpAddress,
    version: 1,
    approach: "dotted quad in range; IPv6 as the standard library parses it",
    find,
};

fn find(document: &Document, found: &mut Vec<Match>) {
    let folded = &document.folded;
    let is_part = |c: char| c.is_ascii_hexdigit() || matches!(c, '.' | ':');
    let mut free = 0;
    for sign in document.spots.of(Begin::Sign) {
        if sign < free || !matches!(folded.at(sign), '.' | ':') {
            continue;
        }
        // Most signs stand alone.
        if !is_part(folded.before(sign)) && !is_part(folded.at(sign + 1)) {
            continue;
        }
        let mut at = sign;
        while at > free && is_part(folded.before(at)) {
            at -= 1;
        }
        let window = folded.part(at, at + 46);
        let len = window.iter().take_while(|c| is_part(**c)).count();
        let (before, after) = (folded.before(at), folded.at(at + len));
        let whole = !before.is_ascii_alphanumeric() && folded.at(at) != '.';
        if whole && len >= 3 && !after.is_ascii_alphanumeric() && !matches!(after, '-' | '_') {
            push(folded, at, len, found);
        }
        free = (at + len).max(sign + 1);
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
