//! What the codes of a font stand for.

use std::collections::BTreeMap;

use encoding_rs::{EUC_JP, Encoding, MACINTOSH, SHIFT_JIS, UTF_16BE, WINDOWS_1252};

use super::object::{Lexer, Object};

/// Most entries of a table: there are no more codes of two bytes.
const ENTRIES_MAX: usize = 0xFFFF;

/// How a string is cut into codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codes {
    /// One byte each.
    Bytes,
    /// Two bytes each.
    Pairs,
    /// As in this encoding, which tells their characters too.
    Encoded(&'static Encoding),
    /// Nobody can tell.
    Unknown,
}

/// A font, as far as text needs it.
#[derive(Debug, Clone)]
pub(super) struct Font {
    pub(super) codes: Codes,
    /// From the font's own table.
    pub(super) to_unicode: Option<CMap>,
    /// Of codes of one byte that the table does not tell.
    pub(super) base: Option<&'static Encoding>,
    /// Codes of one byte that mean something else than in `base`.
    pub(super) differences: BTreeMap<u32, Option<String>>,
    /// In thousandths of the size.
    pub(super) widths: BTreeMap<u32, f64>,
    pub(super) width: f64,
}

/// What a shown string is.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Shown {
    pub(super) codes: usize,
    /// Codes that stand for nothing that we know.
    pub(super) unknown: usize,
    /// In thousandths of the size.
    pub(super) width: f64,
}

impl Font {
    /// Adds what `bytes` show to `out`.
    pub(super) fn show(&self, bytes: &[u8], out: &mut String) -> Shown {
        let mut shown = Shown::default();
        let mut add = |code: u32, width: f64, text: Option<&str>| {
            shown.codes += 1;
            shown.width += self.widths.get(&code).copied().unwrap_or(width);
            shown.unknown += usize::from(text.is_none());
            out.push_str(text.unwrap_or("\u{FFFD}"));
        };
        match self.codes {
            Codes::Bytes | Codes::Pairs | Codes::Unknown => {
                let size = if self.codes == Codes::Bytes { 1 } else { 2 };
                for code in bytes.chunks(size) {
                    let number = code.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
                    let text = self.text_of(number, code);
                    add(number, self.width, text.as_deref());
                }
            }
            Codes::Encoded(encoding) => {
                let (text, _) = encoding.decode_without_bom_handling(bytes);
                for c in text.chars() {
                    let mut buffer = [0; 4];
                    let width = if c.is_ascii() {
                        self.width / 2.0
                    } else {
                        self.width
                    };
                    let known = c != '\u{FFFD}';
                    add(0, width, known.then(|| &*c.encode_utf8(&mut buffer)));
                }
            }
        }
        shown
    }

    /// How many entries its tables have.
    pub(super) fn size(&self) -> usize {
        let table = self.to_unicode.as_ref().map_or(0, |map| map.ranges.len());
        table + self.differences.len() + self.widths.len()
    }

    fn text_of(&self, number: u32, code: &[u8]) -> Option<String> {
        if let Some(text) = self.to_unicode.as_ref().and_then(|map| map.get(number)) {
            return Some(text);
        }
        if let Some(text) = self.differences.get(&number) {
            return text.clone();
        }
        let base = self.base.filter(|_| code.len() == 1)?;
        let text = base.decode_without_bom_handling_and_without_replacement(code)?;
        Some(text.into_owned())
    }
}

/// A table from codes to characters.
#[derive(Debug, Clone, Default)]
pub(super) struct CMap {
    /// By the first code: the last one, and what the first stands for.
    ranges: BTreeMap<u32, (u32, Vec<u16>)>,
}

impl CMap {
    /// Reads a table as it is in a stream.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut lexer = Lexer::new(bytes, 0);
        let (mut map, mut operands) = (Self::default(), Vec::new());
        while let Some(object) = lexer.next().filter(|_| map.ranges.len() <= ENTRIES_MAX) {
            match object {
                Object::Word(word) => {
                    match word.as_slice() {
                        b"endbfchar" => map.add_chars(&operands),
                        b"endbfrange" => map.add_ranges(&operands),
                        _ => {}
                    }
                    operands.clear();
                }
                object => operands.push(object),
            }
        }
        map
    }

    fn add_chars(&mut self, operands: &[Object]) {
        for pair in operands.chunks_exact(2) {
            if let [Object::Text(code), Object::Text(text)] = pair {
                let code = number(code);
                self.ranges.insert(code, (code, units(text)));
            }
        }
    }

    fn add_ranges(&mut self, operands: &[Object]) {
        for range in operands.chunks_exact(3) {
            match range {
                [Object::Text(first), Object::Text(last), Object::Text(text)] => {
                    self.ranges
                        .insert(number(first), (number(last), units(text)));
                }
                [Object::Text(first), _, Object::Array(texts)] => {
                    for (code, text) in (number(first)..).zip(texts) {
                        if let Object::Text(text) = text {
                            self.ranges.insert(code, (code, units(text)));
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn get(&self, code: u32) -> Option<String> {
        let (first, (last, units)) = self.ranges.range(..=code).next_back()?;
        if code > *last {
            return None;
        }
        let (end, rest) = units.split_last()?;
        let offset = u16::try_from(code - first).ok()?;
        let mut units = rest.to_vec();
        units.push(end.checked_add(offset)?);
        String::from_utf16(&units).ok()
    }
}

fn number(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .take(4)
        .fold(0, |sum, byte| sum << 8 | u32::from(*byte))
}

fn units(bytes: &[u8]) -> Vec<u16> {
    let (pairs, _) = bytes.as_chunks::<2>();
    match bytes {
        [one] => vec![u16::from(*one)],
        _ => pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect(),
    }
}

/// The codes of a predefined encoding of fonts with many characters.
pub(super) fn predefined(name: &[u8]) -> Codes {
    let name = String::from_utf8_lossy(name);
    if name.starts_with("Identity") {
        Codes::Pairs
    } else if name.contains("UCS2") || name.contains("UTF16") {
        Codes::Encoded(UTF_16BE)
    } else if name.contains("RKSJ") {
        Codes::Encoded(SHIFT_JIS)
    } else if name.starts_with("EUC") {
        Codes::Encoded(EUC_JP)
    } else {
        Codes::Unknown
    }
}

/// The encoding of a font with up to 256 characters.
pub(super) fn simple(name: &[u8]) -> Option<&'static Encoding> {
    match name {
        b"WinAnsiEncoding" | b"StandardEncoding" | b"PDFDocEncoding" => Some(WINDOWS_1252),
        b"MacRomanEncoding" => Some(MACINTOSH),
        _ => None,
    }
}

/// What the name of a glyph says about its character.
pub(super) fn glyph(name: &[u8]) -> Option<String> {
    #[rustfmt::skip]
    const NAMES: &[(&str, &str)] = &[
        ("space", " "), ("exclam", "!"), ("quotedbl", "\""), ("numbersign", "#"), ("dollar", "$"), ("percent", "%"),
        ("ampersand", "&"), ("quotesingle", "'"), ("parenleft", "("), ("parenright", ")"), ("asterisk", "*"),
        ("plus", "+"), ("comma", ","), ("hyphen", "-"), ("minus", "-"), ("period", "."), ("slash", "/"), ("zero", "0"),
        ("one", "1"), ("two", "2"), ("three", "3"), ("four", "4"), ("five", "5"), ("six", "6"), ("seven", "7"),
        ("eight", "8"), ("nine", "9"), ("colon", ":"), ("semicolon", ";"), ("less", "<"), ("equal", "="),
        ("greater", ">"), ("question", "?"), ("at", "@"), ("bracketleft", "["), ("backslash", "\\"),
        ("bracketright", "]"), ("underscore", "_"), ("braceleft", "{"), ("bar", "|"), ("braceright", "}"),
        ("endash", "–"), ("emdash", "—"), ("bullet", "•"), ("quoteleft", "‘"), ("quoteright", "’"),
        ("quotedblleft", "“"), ("quotedblright", "”"), ("ellipsis", "…"), ("yen", "¥"), ("fi", "fi"), ("fl", "fl"),
        (".notdef", ""), ("nbspace", " "), ("copyright", "©"), ("registered", "®"), ("trademark", "™"),
    ];
    let name = std::str::from_utf8(name).ok()?;
    let coded = |digits: &str| {
        let code = u32::from_str_radix(digits, 16).ok()?;
        Some(char::from_u32(code)?.to_string())
    };
    if let Some((_, text)) = NAMES.iter().find(|(known, _)| *known == name) {
        return Some((*text).to_owned());
    }
    match name.strip_prefix("uni").or(name.strip_prefix('u')) {
        Some(digits) if (4..=6).contains(&digits.len()) => coded(digits),
        _ => (name.len() == 1).then(|| name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_lead_from_codes_to_characters() {
        let map = CMap::read(
            b"1 beginbfchar <01> <5C71> endbfchar 2 beginbfrange <0010> <0019> <0030> \
              <0020> <0021> [<7530> <D842DFB7>] endbfrange",
        );
        let text: Vec<_> = [1, 0x12, 0x19, 0x1A, 0x20, 0x21, 0x22]
            .iter()
            .map(|code| map.get(*code))
            .collect();
        let expected = [
            Some("山"),
            Some("2"),
            Some("9"),
            None,
            Some("田"),
            Some("𠮷"),
            None,
        ];
        assert_eq!(text, expected.map(|text| text.map(str::to_owned)));
        assert_eq!(glyph(b"uni5C71").as_deref(), Some("山"));
        assert_eq!(glyph(b"g17"), None);
        assert_eq!(predefined(b"90ms-RKSJ-H"), Codes::Encoded(SHIFT_JIS));
    }
}
