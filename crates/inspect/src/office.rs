//! The text of Office documents (docx, xlsx, pptx): an archive of XML files, read within limits of size and count.
//! Tables come out tab-separated, so that headings stay headings; a sensitivity label comes out in brackets, as people
//! mark documents.

use std::borrow::Cow;

use miniz_oxide::inflate::decompress_to_vec_with_limit;

/// Most files of an archive that are looked at.
const FILES_MAX: usize = 2_000;
/// Most bytes of one file, unpacked.
const FILE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most bytes of all files, unpacked.
const BYTES_MAX: usize = 32 * 1024 * 1024;
/// Longest name of a character reference.
const NAME_BYTES_MAX: usize = 8;
/// The end of the directory is within the last bytes of an archive: 22 and a comment.
const TAIL_BYTES: usize = 22 + 65_535;

/// The text of an Office document; `None` if it is none, is broken, or holds more than the limits.
pub(crate) fn text(bytes: &[u8]) -> Option<String> {
    if !bytes.starts_with(b"PK\x03\x04") {
        return None;
    }
    let files = directory(bytes)?;
    if files.iter().any(|file| is_hidden(&file.name)) {
        return None;
    }
    let mut room = BYTES_MAX;
    let mut read = |wanted: &dyn Fn(&str) -> bool| -> Option<Vec<String>> {
        let mut texts = Vec::new();
        for file in files.iter().filter(|file| wanted(&file.name)) {
            let content = unpack(bytes, file)?;
            room = room.checked_sub(content.len())?;
            texts.push(String::from_utf8(content).ok()?);
        }
        Some(texts)
    };
    let custom = read(&|name| name == "docprops/custom.xml")?;
    let shared = read(&|name| name == "xl/sharedstrings.xml")?;
    let sheets = read(&|name| name.starts_with("xl/worksheets/") && is_a(name, ".xml"))?;
    let is_part = |name: &str| name.starts_with("word/") || name.starts_with("ppt/");
    if sheets.is_empty() && !files.iter().any(|file| is_part(&file.name)) {
        return None; // Another kind of archive.
    }
    // Whatever else holds text: slides, headers, comments, drawings, charts, the names of authors.
    let parts = read(&|name| {
        let known = name == "docprops/custom.xml"
            || name == "xl/sharedstrings.xml"
            || name.starts_with("xl/worksheets/");
        let shape = [
            "theme/",
            "styles.xml",
            "fonttable.xml",
            "settings.xml",
            "types].xml",
        ];
        is_a(name, ".xml") && !known && !shape.iter().any(|part| name.contains(part))
    })?;
    let relations = read(&|name| is_a(name, ".rels"))?;
    let strings = shared
        .iter()
        .flat_map(|xml| shared_strings(xml))
        .collect::<Vec<_>>();
    let mut out = String::new();
    for label in custom.iter().flat_map(|xml| labels(xml)) {
        out.push_str(&format!("[{label}]\n"));
    }
    for sheet in &sheets {
        rows(sheet, &strings, &mut out)?;
    }
    for part in &parts {
        paragraphs(part, &mut out);
    }
    for relation in &relations {
        // Where links lead, such as to a mail address.
        targets(relation, &mut out);
    }
    (out.len() <= BYTES_MAX).then_some(out)
}

/// Whether a file within a document can hold anything, and is not looked into: embedded documents and programs.
fn is_hidden(name: &str) -> bool {
    name.contains("/embeddings/") || name.contains("/activex/") || name.ends_with("vbaproject.bin")
}

/// Whether a part is of that kind.
fn is_a(name: &str, extension: &str) -> bool {
    name.ends_with(extension)
}

/// A file in an archive.
struct File {
    /// In lower case: the names of parts are the same in either.
    name: String,
    method: u16,
    packed: usize,
    offset: usize,
}

fn number(bytes: &[u8], at: usize, length: usize) -> Option<usize> {
    let field = bytes.get(at..at.checked_add(length)?)?;
    field.iter().rev().try_fold(0_usize, |sum, byte| {
        sum.checked_mul(256)?.checked_add(usize::from(*byte))
    })
}

/// The files that the directory at the end of an archive lists.
fn directory(bytes: &[u8]) -> Option<Vec<File>> {
    let tail = bytes.len().saturating_sub(TAIL_BYTES);
    let end = tail + memchr::memmem::rfind(bytes.get(tail..)?, b"PK\x05\x06")?;
    let count = number(bytes, end + 10, 2)?;
    let mut at = number(bytes, end + 16, 4)?;
    if count > FILES_MAX {
        return None;
    }
    let mut files = Vec::new();
    for _ in 0..count {
        if bytes.get(at..at.checked_add(4)?)? != b"PK\x01\x02" {
            return None;
        }
        // Encrypted files can't be read.
        if number(bytes, at + 8, 2)? & 1 != 0 {
            return None;
        }
        let length = number(bytes, at + 28, 2)?;
        let name = bytes.get(at + 46..(at + 46).checked_add(length)?)?;
        files.push(File {
            name: std::str::from_utf8(name).ok()?.to_ascii_lowercase(),
            method: u16::try_from(number(bytes, at + 10, 2)?).ok()?,
            packed: number(bytes, at + 20, 4)?,
            offset: number(bytes, at + 42, 4)?,
        });
        at += 46 + length + number(bytes, at + 30, 2)? + number(bytes, at + 32, 2)?;
    }
    Some(files)
}

fn unpack(bytes: &[u8], file: &File) -> Option<Vec<u8>> {
    let at = file.offset;
    if bytes.get(at..at.checked_add(4)?)? != b"PK\x03\x04" {
        return None;
    }
    let start = at + 30 + number(bytes, at + 26, 2)? + number(bytes, at + 28, 2)?;
    let packed = bytes.get(start..start.checked_add(file.packed)?)?;
    match file.method {
        0 => (packed.len() <= FILE_BYTES_MAX).then(|| packed.to_vec()),
        8 => decompress_to_vec_with_limit(packed, FILE_BYTES_MAX).ok(),
        _ => None,
    }
}

/// A piece of XML.
pub(crate) enum Piece<'x> {
    /// What stands between `<` and `>`.
    Tag(&'x str),
    /// What stands between tags.
    Text(&'x str),
}

pub(crate) fn pieces(xml: &str) -> impl Iterator<Item = Piece<'_>> {
    xml.split('<').enumerate().flat_map(|(at, part)| {
        let (tag, text) = part.split_once('>').unwrap_or(("", part));
        let tag = (at > 0).then_some(Piece::Tag(tag));
        tag.into_iter().chain(std::iter::once(Piece::Text(text)))
    })
}

/// The name of a tag without its prefix, with `/` in front of a closing one.
fn is(tag: &str, name: &str) -> bool {
    let own = tag
        .split([' ', '\t', '\n', '\r'])
        .next()
        .unwrap_or_default();
    let own = own.trim_end_matches('/');
    match (own.strip_prefix('/'), name.strip_prefix('/')) {
        (Some(own), Some(name)) => own.rsplit(':').next() == Some(name),
        (None, None) => own.rsplit(':').next() == Some(name),
        _ => false,
    }
}

pub(crate) fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        // No farther than a name can be long.
        let end = after
            .bytes()
            .take(NAME_BYTES_MAX + 1)
            .position(|b| b == b';');
        let parts = end.and_then(|end| after.get(..end).zip(after.get(end + 1..)));
        let Some((name, more)) = parts else {
            out.push('&');
            rest = after;
            continue;
        };
        rest = more;
        match name {
            "amp" => out.push('&'),
            "lt" => out.push('<'),
            "gt" => out.push('>'),
            "quot" => out.push('"'),
            "apos" => out.push('\''),
            _ => {
                let code = match name.strip_prefix("#x").or(name.strip_prefix("#X")) {
                    Some(hex) => u32::from_str_radix(hex, 16).ok(),
                    None => name
                        .strip_prefix('#')
                        .and_then(|digits| digits.parse().ok()),
                };
                out.extend(code.and_then(char::from_u32));
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Paragraphs as lines; what is in one paragraph is one text, however it is cut into runs.
fn paragraphs(xml: &str, out: &mut String) {
    for piece in pieces(xml) {
        match piece {
            Piece::Text(text) => out.push_str(&unescape(text)),
            Piece::Tag(tag) if is(tag, "/tc") || is(tag, "tab") => out.push('\t'),
            Piece::Tag(tag) if is(tag, "/p") || is(tag, "br") || is(tag, "/tr") => out.push('\n'),
            Piece::Tag(_) => {}
        }
    }
    out.push('\n');
}

fn shared_strings(xml: &str) -> Vec<String> {
    let mut strings = Vec::new();
    let mut current = String::new();
    for piece in pieces(xml) {
        match piece {
            Piece::Text(text) => current.push_str(&unescape(text)),
            Piece::Tag(tag) if is(tag, "si") => current.clear(),
            Piece::Tag(tag) if is(tag, "/si") => strings.push(std::mem::take(&mut current)),
            Piece::Tag(_) => {}
        }
    }
    strings
}

/// Rows of a sheet as lines of cells. `None` if they would be longer than the limits.
fn rows(xml: &str, strings: &[String], out: &mut String) -> Option<()> {
    let (mut shared, mut value) = (false, String::new());
    for piece in pieces(xml) {
        match piece {
            Piece::Text(text) => value.push_str(&unescape(text)),
            Piece::Tag(tag) if is(tag, "c") => {
                shared = tag.contains("t=\"s\"");
                value.clear();
                if tag.ends_with('/') {
                    out.push('\t'); // an empty cell
                }
            }
            Piece::Tag(tag) if is(tag, "/c") => {
                let index = value.trim().parse::<usize>().ok().filter(|_| shared);
                let found = index.and_then(|index| strings.get(index));
                out.push_str(found.map_or(value.trim(), String::as_str));
                out.push('\t');
                value.clear();
                // One long string may be in many cells.
                if out.len() > BYTES_MAX {
                    return None;
                }
            }
            Piece::Tag(tag) if is(tag, "/row") => {
                if out.ends_with('\t') {
                    out.pop();
                }
                out.push('\n');
            }
            Piece::Tag(_) => {}
        }
    }
    Some(())
}

/// Where the relations of a part to what is outside lead.
fn targets(xml: &str, out: &mut String) {
    for piece in pieces(xml) {
        if let Piece::Tag(tag) = piece
            && tag.contains("TargetMode=\"External\"")
            && let Some((_, rest)) = tag.split_once(" Target=\"")
            && let Some((target, _)) = rest.split_once('"')
        {
            out.push_str(&unescape(target));
            out.push('\n');
        }
    }
}

/// Names of sensitivity labels (`MSIP_Label_…_Name`).
fn labels(xml: &str) -> Vec<String> {
    let mut labels = Vec::new();
    let mut named = false;
    for piece in pieces(xml) {
        match piece {
            Piece::Tag(tag) if is(tag, "property") => {
                named = tag.contains("name=\"MSIP_Label_") && tag.contains("_Name\"");
            }
            Piece::Tag(tag) if is(tag, "/property") => named = false,
            Piece::Text(text) if named && !text.trim().is_empty() => {
                labels.push(unescape(text.trim()).into_owned());
            }
            Piece::Tag(_) | Piece::Text(_) => {}
        }
    }
    labels
}
