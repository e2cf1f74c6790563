//! The text of PDF documents, within limits: whatever is shown on pages and in forms, and the strings that are behind
//! them (notes, fields, titles, links).
//!
//! Nothing is looked up by the table of contents of the file, which may lie: every object that is written anywhere in
//! the file is read, older versions and what no page leads to included. What can't be told for sure is no text: a file
//! that is encrypted, holds other files, shows letters of fonts that don't say what they stand for, or pictures on a
//! page without text, is not readable.

mod content;
mod filter;
mod font;
mod object;

use std::collections::BTreeMap;
use std::ops::Range;

use encoding_rs::{UTF_8, UTF_16BE, WINDOWS_1252};
use memchr::memmem;

use self::content::Resources;
use self::filter::unfilter;
use self::font::{CMap, Codes, Font};
use self::object::{Dict, Lexer, Object};

/// Most objects of a file.
const OBJECTS_MAX: usize = 200_000;
/// Most bytes of all streams, unpacked.
const BYTES_MAX: usize = 32 * 1024 * 1024;
/// Most numbers, names, strings and lists in them.
const NODES_MAX: usize = 4_000_000;
/// Most pages, forms and patterns.
const PAGES_MAX: usize = 10_000;
/// Most fonts of a page.
const FONTS_MAX: usize = 1_000;
/// Most entries in the tables of all fonts.
const CODES_MAX: usize = 1_000_000;
/// Most filters of a stream.
const FILTERS_MAX: usize = 4;
/// How many times over a file may be read while its objects are looked for.
const PASSES_MAX: usize = 16;
/// Farthest that something is inherited or referred to.
const STEPS_MAX: usize = 32;
/// Of a hundred shown letters so many may be unknown: ornaments and bullets.
const UNKNOWN_PERCENT_MAX: usize = 5;

/// The text of a PDF; `None` if it is none, is broken, or can't be read as above.
pub(crate) fn text(bytes: &[u8]) -> Option<String> {
    if memmem::find(bytes, b"/Encrypt").is_some() {
        return None;
    }
    File::read(bytes)?.text()
}

/// A string outside of pages.
fn text_string(bytes: &[u8]) -> String {
    let (encoding, bytes) = match bytes {
        [0xFE, 0xFF, rest @ ..] => (UTF_16BE, rest),
        [0xEF, 0xBB, 0xBF, rest @ ..] => (UTF_8, rest),
        rest => (WINDOWS_1252, rest),
    };
    encoding.decode_without_bom_handling(bytes).0.into_owned()
}

/// An object as it is written in the file.
struct Entry {
    number: u32,
    object: Object,
    stream: Option<Range<usize>>,
}

struct File<'b> {
    bytes: &'b [u8],
    entries: Vec<Entry>,
    /// The last entry of every number.
    last: BTreeMap<u32, usize>,
}

/// What an object shows.
enum Shown<'o> {
    /// It is nothing that shows.
    Nothing,
    Parts(Vec<&'o Entry>),
    /// Its content is not there.
    Broken,
}

/// What streams may still be unpacked to.
struct Room(usize);

impl<'b> File<'b> {
    fn read(bytes: &'b [u8]) -> Option<Self> {
        let mut file = Self {
            bytes,
            entries: Vec::new(),
            last: BTreeMap::new(),
        };
        let mut left = bytes.len().saturating_mul(PASSES_MAX);
        let mut nodes = NODES_MAX;
        for at in memmem::find_iter(bytes, b"obj") {
            let Some(number) = head(bytes.get(..at)?) else {
                continue;
            };
            let mut lexer = Lexer::within(bytes, at + 3, nodes);
            let object = lexer.next();
            nodes = lexer.nodes;
            let stream = match &object {
                Some(Object::Dict(dict)) => stream(&mut lexer, dict),
                _ => None,
            };
            left = left.checked_sub(lexer.at - at)?;
            file.add(number, object?, stream)?;
        }
        let mut room = Room(BYTES_MAX);
        let packed = file.entries.iter().enumerate();
        let packed: Vec<usize> = packed
            .filter(|(_, entry)| entry.dict().is_some_and(|dict| is(dict, "Type", "ObjStm")))
            .map(|(at, _)| at)
            .collect();
        for at in packed {
            file.unpack(at, &mut room)?;
        }
        Some(file)
    }

    fn add(&mut self, number: u32, object: Object, stream: Option<Range<usize>>) -> Option<()> {
        self.last.insert(number, self.entries.len());
        self.entries.push(Entry {
            number,
            object,
            stream,
        });
        (self.entries.len() <= OBJECTS_MAX).then_some(())
    }

    /// Adds the objects within an object stream.
    fn unpack(&mut self, at: usize, room: &mut Room) -> Option<()> {
        let entry = self.entries.get(at)?;
        let first = usize::try_from(self.value(entry.dict()?, "First")?.unsigned()?).ok()?;
        let content = self.content(entry, room)?;
        let mut heads = Lexer::new(content.get(..first)?, 0);
        let mut found = Vec::new();
        let mut left = content.len().saturating_mul(PASSES_MAX);
        while let (Some(number), Some(offset)) = (heads.next(), heads.next()) {
            let offset = usize::try_from(offset.unsigned()?).ok()?;
            let start = first.checked_add(offset)?;
            let mut lexer = Lexer::within(&content, start, NODES_MAX);
            found.push((number.unsigned()?, lexer.next()?));
            left = left.checked_sub(lexer.at.saturating_sub(start))?;
            if found.len() > OBJECTS_MAX {
                return None;
            }
        }
        found
            .into_iter()
            .try_for_each(|(number, object)| self.add(number, object, None))
    }

    /// What a reference leads to, or the object itself.
    fn resolve<'o>(&'o self, mut object: &'o Object) -> Option<&'o Object> {
        for _ in 0..STEPS_MAX {
            let Object::Reference(number) = object else {
                return Some(object);
            };
            object = &self.entry(*number)?.object;
        }
        None
    }

    fn entry(&self, number: u32) -> Option<&Entry> {
        self.entries.get(*self.last.get(&number)?)
    }

    fn value<'o>(&'o self, dict: &'o Dict, name: &str) -> Option<&'o Object> {
        self.resolve(dict.get(name.as_bytes())?)
    }

    fn dict<'o>(&'o self, dict: &'o Dict, name: &str) -> Option<&'o Dict> {
        match self.value(dict, name)? {
            Object::Dict(dict) => Some(dict),
            _ => None,
        }
    }

    /// The entry that a member refers to, with its stream.
    fn referred(&self, dict: &Dict, name: &str) -> Option<&Entry> {
        match dict.get(name.as_bytes())? {
            Object::Reference(number) => self.entry(*number),
            _ => None,
        }
    }

    /// The bytes of a stream, unpacked.
    fn content(&self, entry: &Entry, room: &mut Room) -> Option<Vec<u8>> {
        let dict = entry.dict()?;
        let mut bytes = self.bytes.get(entry.stream.clone()?)?.to_vec();
        let filters = match self.value(dict, "Filter") {
            None => Vec::new(),
            Some(Object::Array(filters)) => filters.iter().collect(),
            Some(filter) => vec![filter],
        };
        if filters.len() > FILTERS_MAX {
            return None;
        }
        for filter in filters {
            bytes = match self.resolve(filter)? {
                Object::Name(name) => unfilter(name, &bytes)?,
                _ => return None,
            };
        }
        let parms = match self.value(dict, "DecodeParms") {
            Some(Object::Array(parms)) => parms.iter().collect(),
            parms => Vec::from_iter(parms),
        };
        let differs = |parms: &&Object| match self.resolve(parms) {
            Some(Object::Dict(parms)) => parms.contains_key(b"Predictor".as_slice()),
            _ => false,
        };
        if parms.iter().any(differs) {
            return None;
        }
        room.0 = room.0.checked_sub(bytes.len())?;
        Some(bytes)
    }

    fn text(&self) -> Option<String> {
        let mut room = Room(BYTES_MAX);
        let fonts = self.fonts(&mut room)?;
        let mut out = String::new();
        let (mut codes, mut unknown, mut pages) = (0, 0, 0);
        for entry in &self.entries {
            strings(&entry.object, &mut out, 0)?;
            let Some(dict) = entry.dict() else {
                continue;
            };
            if is(dict, "Type", "Metadata") {
                let xml = self.content(entry, &mut room)?;
                out.push_str(&String::from_utf8_lossy(&xml));
                out.push('\n');
            }
            let content = match self.shown(entry, dict) {
                Shown::Nothing => continue,
                Shown::Parts(parts) => self.joined(&parts, &mut room)?,
                Shown::Broken => return None,
            };
            pages += 1;
            let seen = content::read(&content, &self.resources(dict, &fonts)?);
            let scanned = seen.pictures && seen.text.trim().is_empty();
            if scanned || pages > PAGES_MAX {
                return None;
            }
            codes += seen.codes;
            unknown += seen.unknown;
            out.push_str(&seen.text);
            out.push('\n');
        }
        let readable =
            pages > 0 && unknown * 100 <= codes * UNKNOWN_PERCENT_MAX && out.len() <= BYTES_MAX;
        readable.then_some(out)
    }

    /// The content streams of a page, a form or a pattern.
    fn shown<'o>(&'o self, entry: &'o Entry, dict: &'o Dict) -> Shown<'o> {
        let form = is(dict, "Subtype", "Form") || dict.contains_key(b"PatternType".as_slice());
        if form && entry.stream.is_some() {
            return Shown::Parts(vec![entry]);
        }
        let Some(contents) = dict
            .get(b"Contents".as_slice())
            .filter(|_| is(dict, "Type", "Page"))
        else {
            return Shown::Nothing;
        };
        let parts = match self.resolve(contents) {
            Some(Object::Array(parts)) => parts.iter().collect(),
            _ => vec![contents],
        };
        let part = |part: &Object| match part {
            Object::Reference(number) => self.entry(*number),
            _ => None,
        };
        let parts: Option<Vec<&Entry>> = parts.into_iter().map(part).collect();
        parts.map_or(Shown::Broken, Shown::Parts)
    }

    /// Several streams as one.
    fn joined(&self, parts: &[&Entry], room: &mut Room) -> Option<Vec<u8>> {
        let mut all = Vec::new();
        for part in parts {
            all.extend(self.content(part, room)?);
            all.push(b'\n');
        }
        Some(all)
    }

    /// Fonts and pictures of a page or form; those of the pages above where it has none.
    fn resources<'f>(&self, dict: &Dict, fonts: &'f BTreeMap<u32, Font>) -> Option<Resources<'f>> {
        let mut resources = Resources::default();
        let mut owner = Some(dict);
        for _ in 0..STEPS_MAX {
            let Some(dict) = owner else {
                break;
            };
            if let Some(own) = self.dict(dict, "Resources") {
                let named = |kind| self.dict(own, kind).into_iter().flatten();
                if named("Font").count() > FONTS_MAX || named("XObject").count() > FONTS_MAX {
                    return None;
                }
                for (name, font) in named("Font") {
                    let number = match font {
                        Object::Reference(number) => fonts.get(number),
                        _ => None,
                    };
                    resources
                        .fonts
                        .extend(number.map(|font| (name.clone(), font)));
                }
                for (name, object) in named("XObject") {
                    if let Some(Object::Dict(object)) = self.resolve(object)
                        && is(object, "Subtype", "Image")
                    {
                        resources.images.insert(name.clone());
                    }
                }
                break;
            }
            owner = self.dict(dict, "Parent");
        }
        Some(resources)
    }

    /// Every font of the file, by the number of its object.
    fn fonts(&self, room: &mut Room) -> Option<BTreeMap<u32, Font>> {
        let (mut fonts, mut codes) = (BTreeMap::new(), 0);
        for entry in &self.entries {
            if let Some(dict) = entry.dict().filter(|dict| is(dict, "Type", "Font"))
                && dict.contains_key(b"Subtype".as_slice())
            {
                let font = self.font(dict, room)?;
                codes += font.size();
                if codes > CODES_MAX {
                    return None;
                }
                fonts.insert(entry.number, font);
            }
        }
        Some(fonts)
    }

    fn font(&self, dict: &Dict, room: &mut Room) -> Option<Font> {
        let to_unicode = match self.referred(dict, "ToUnicode") {
            Some(entry) if entry.stream.is_some() => Some(CMap::read(&self.content(entry, room)?)),
            _ => None,
        };
        let mut font = Font {
            codes: Codes::Bytes,
            to_unicode,
            base: None,
            differences: BTreeMap::new(),
            widths: BTreeMap::new(),
            width: 500.0,
        };
        let encoding = self.value(dict, "Encoding");
        if is(dict, "Subtype", "Type0") {
            font.codes = match encoding {
                Some(Object::Name(name)) => font::predefined(name),
                _ => Codes::Unknown,
            };
            // With a table of its own only the length of its codes counts.
            if font.to_unicode.is_some() && font.codes == Codes::Unknown {
                font.codes = Codes::Pairs;
            }
            font.width = 1000.0;
            let below = self.value(dict, "DescendantFonts");
            if let Some(Object::Array(below)) = below
                && let Some(Object::Dict(below)) = below.first().and_then(|font| self.resolve(font))
            {
                self.widths_of_many(below, &mut font);
            }
            return Some(font);
        }
        let embedded = self.dict(dict, "FontDescriptor").is_some_and(|font| {
            ["FontFile", "FontFile2", "FontFile3"]
                .iter()
                .any(|file| font.contains_key(file.as_bytes()))
        });
        match encoding {
            Some(Object::Name(name)) => font.base = font::simple(name),
            Some(Object::Dict(encoding)) => {
                font.base = match self.value(encoding, "BaseEncoding") {
                    Some(Object::Name(name)) => font::simple(name),
                    _ => (!embedded).then_some(WINDOWS_1252),
                };
                if let Some(Object::Array(differences)) = self.value(encoding, "Differences") {
                    font.differences = named(differences);
                }
            }
            _ => font.base = (!embedded && !is(dict, "Subtype", "Type3")).then_some(WINDOWS_1252),
        }
        let first = self.value(dict, "FirstChar").and_then(Object::unsigned);
        if let Some(Object::Array(widths)) = self.value(dict, "Widths") {
            let codes = first.unwrap_or(0)..;
            font.widths = codes.zip(widths.iter().map(Object::number)).collect();
        }
        Some(font)
    }

    /// `[c [w …]  first last w …]`
    fn widths_of_many(&self, dict: &Dict, font: &mut Font) {
        const WIDTHS_MAX: usize = 0xFFFF;
        font.width = self.value(dict, "DW").map_or(1000.0, Object::number);
        let Some(Object::Array(items)) = self.value(dict, "W") else {
            return;
        };
        let mut items = items.iter();
        while let (Some(first), Some(next)) = (items.next(), items.next()) {
            let first = first.unsigned().unwrap_or(0);
            match self.resolve(next) {
                Some(Object::Array(widths)) => {
                    font.widths
                        .extend((first..).zip(widths.iter().map(Object::number)));
                }
                Some(last) if font.widths.len() <= WIDTHS_MAX => {
                    let width = items.next().map_or(0.0, Object::number);
                    let last = last
                        .unsigned()
                        .unwrap_or(0)
                        .min(first.saturating_add(0xFFFF));
                    font.widths.extend((first..=last).map(|code| (code, width)));
                }
                Some(_) | None => return,
            }
        }
    }
}

impl Entry {
    fn dict(&self) -> Option<&Dict> {
        match &self.object {
            Object::Dict(dict) => Some(dict),
            _ => None,
        }
    }
}

/// Whether a member is that name.
fn is(dict: &Dict, member: &str, name: &str) -> bool {
    dict.get(member.as_bytes())
        .is_some_and(|value| value.is_name(name))
}

/// The number of the object whose head, `12 0 obj`, ends behind `before`.
fn head(before: &[u8]) -> Option<u32> {
    let (rest, _generation) = split_digits(before.trim_ascii_end())?;
    let number = rest.trim_ascii_end();
    let (_, number) = split_digits(number).filter(|_| number.len() < rest.len())?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

/// Up to ten digits at the end, and what is before them.
fn split_digits(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    const DIGITS_MAX: usize = 10;
    let digits = bytes.iter().rev().take(DIGITS_MAX);
    let digits = digits.take_while(|b| b.is_ascii_digit()).count();
    bytes
        .split_at_checked(bytes.len() - digits)
        .filter(|_| digits > 0)
}

/// Where the bytes of the stream are that follows a dictionary.
fn stream(lexer: &mut Lexer<'_>, dict: &Dict) -> Option<Range<usize>> {
    let after = lexer.at;
    lexer.skip_blanks();
    let start = lexer.bytes.get(lexer.at..)?.strip_prefix(b"stream");
    let Some(body) = start else {
        lexer.at = after;
        return None;
    };
    let body = body
        .strip_prefix(b"\r\n")
        .or(body.strip_prefix(b"\n"))
        .unwrap_or(body);
    let start = lexer.bytes.len() - body.len();
    // The length that is said, if the end is there; it may be said elsewhere.
    let said = dict.get(b"Length".as_slice()).and_then(Object::unsigned);
    let said = said
        .and_then(|length| usize::try_from(length).ok())
        .filter(|length| {
            let end = body.get(*length..).unwrap_or_default();
            end.trim_ascii_start().starts_with(b"endstream")
        });
    let length = said
        .or_else(|| memmem::find(body, b"endstream"))
        .unwrap_or(body.len());
    if said.is_none() {
        lexer.at = start + length;
    }
    Some(start..start + length)
}

/// Names of glyphs by code: `[32 /space 65 /A /B]`.
fn named(differences: &[Object]) -> BTreeMap<u32, Option<String>> {
    let (mut names, mut code) = (BTreeMap::new(), 0_u32);
    for item in differences {
        match item {
            Object::Name(name) => {
                names.insert(code, font::glyph(name));
                code = code.saturating_add(1);
            }
            number => code = number.unsigned().unwrap_or(code),
        }
    }
    names
}

/// The strings that people or programs read: notes, fields, titles, links. `None` where something is that holds other
/// content.
fn strings(object: &Object, out: &mut String, depth: usize) -> Option<()> {
    const TEXTS: [&[u8]; 17] = [
        b"Contents",
        b"V",
        b"DV",
        b"T",
        b"TU",
        b"Title",
        b"Author",
        b"Subject",
        b"Keywords",
        b"URI",
        b"RC",
        b"Alt",
        b"ActualText",
        b"E",
        b"JS",
        b"Subj",
        b"NM",
    ];
    match object {
        Object::Dict(dict) => {
            let other = [b"EF".as_slice(), b"XFA"]
                .iter()
                .any(|name| dict.contains_key(*name));
            if other || is(dict, "Type", "EmbeddedFile") || depth > STEPS_MAX {
                return None;
            }
            for (name, value) in dict {
                match value {
                    Object::Text(text) if TEXTS.contains(&name.as_slice()) => {
                        out.push_str(&text_string(text));
                        out.push('\n');
                    }
                    value => strings(value, out, depth + 1)?,
                }
            }
            Some(())
        }
        Object::Array(items) => items
            .iter()
            .try_for_each(|item| strings(item, out, depth + 1)),
        _ => Some(()),
    }
}
