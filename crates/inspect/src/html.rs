//! The text of an HTML page: what people see, and behind it what only programs and models read (attributes, comments).

use crate::office::{Piece, pieces, unescape};

/// Tags within a line, which cut no text.
const INLINE: [&str; 20] = [
    "a", "abbr", "b", "bdi", "bdo", "cite", "code", "em", "font", "i", "label", "mark", "s",
    "small", "span", "strong", "sub", "sup", "u", "wbr",
];

/// Whether a text is a page.
pub(crate) fn is_html(text: &str) -> bool {
    let head: String = text
        .trim_start_matches(['\u{FEFF}', ' ', '\n', '\r', '\t'])
        .chars()
        .take(256)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    head.starts_with('<')
        && [
            "<!doctype html",
            "<html",
            "<head",
            "<body",
            "<table",
            "<div",
            "<p>",
            "<p ",
        ]
        .iter()
        .any(|sign| head.contains(sign))
}

/// The text of a page.
pub(crate) fn text(html: &str) -> String {
    let mut shown = String::with_capacity(html.len() / 2);
    let mut behind = String::new();
    for piece in pieces(html) {
        match piece {
            Piece::Text(text) => shown.push_str(&unescape(text)),
            Piece::Tag(tag) if tag.starts_with(['!', '?']) => line(&mut behind, tag),
            Piece::Tag(tag) => {
                let name = name(tag);
                match name.as_str() {
                    "td" | "th" => shown.push('\t'),
                    _ if INLINE.contains(&name.as_str()) => {}
                    _ if !shown.ends_with('\n') => shown.push('\n'),
                    _ => {}
                }
                attributes(tag, &mut behind);
            }
        }
    }
    shown.push('\n');
    shown.push_str(&behind);
    shown
}

fn name(tag: &str) -> String {
    tag.trim_start_matches('/')
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// The values of attributes that are in quotes, each behind its name.
fn attributes(tag: &str, out: &mut String) {
    let mut rest = tag;
    while let Some(at) = rest.find(['"', '\'']) {
        let (before, quoted) = rest.split_at(at);
        let mut chars = quoted.chars();
        let Some(quote) = chars.next() else { return };
        let Some((value, after)) = chars.as_str().split_once(quote) else {
            return;
        };
        let name = before.rsplit([' ', '\n', '\t']).next().unwrap_or_default();
        let name = name.trim_end_matches('=');
        if !matches!(name, "class" | "style" | "id") && !value.is_empty() {
            line(out, &format!("{name}: {}", unescape(value)));
        }
        rest = after;
    }
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_cut_no_number_and_cells_stay_apart() {
        let page = "<!DOCTYPE html><html><body class='x'><p>電話は 090-<b>1234</b>-5678 です</p>\
                    <table><tr><th>氏名<th>口座番号</tr><tr><td>山田太郎</td><td>1234567</td></tr></table>\
                    <a href=\"mailto:taro@example.co.jp\">連絡</a><!-- 社外秘 --></body></html>";
        assert!(is_html(page));
        let text = text(page);
        assert!(text.contains("電話は 090-1234-5678 です"), "{text}");
        assert!(
            text.contains("山田太郎\t1234567") || text.contains("山田太郎\t\t1234567"),
            "{text}"
        );
        let kinds: Vec<_> = crate::Scanner::new()
            .scan(&text)
            .iter()
            .map(|found| found.kind.as_str())
            .collect();
        for kind in ["PHONE", "EMAIL"] {
            assert!(kinds.contains(&kind), "{kind}: {kinds:?} in {text}");
        }
    }

    #[test]
    fn other_texts_are_no_pages() {
        for text in [
            "a < b",
            "{\"html\": \"<html>\"}",
            "<?xml version='1.0'?><order/>",
            "",
        ] {
            assert!(!is_html(text), "{text}");
        }
    }
}
