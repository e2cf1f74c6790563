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
/// The end of the directory is within the last bytes of an archive: 22 and a comment.
const TAIL_BYTES: usize = 22 + 65_535;

/// The text of an Office document; `None` if it is none, is broken, or holds more than the limits.
pub(crate) fn text(bytes: &[u8]) -> Option<String> {
    if !bytes.starts_with(b"PK\x03\x04") {
        return None;
    }
    let files = directory(bytes)?;
    let mut room = BYTES_MAX;
    let mut read = |wanted: &dyn Fn(&str) -> bool| -> Option<Vec<String>> {
        let mut texts = Vec::new();
        for file in files.iter().filter(|file| wanted(file.name)) {
            let content = unpack(bytes, file)?;
            room = room.checked_sub(content.len())?;
            texts.push(String::from_utf8(content).ok()?);
        }
        Some(texts)
    };
    let custom = read(&|name| name == "docProps/custom.xml")?;
    let shared = read(&|name| name == "xl/sharedStrings.xml")?;
    let sheets = read(&|name| name.starts_with("xl/worksheets/") && name.ends_with(".xml"))?;
    let parts = read(&|name| {
        let folder = ["word/", "ppt/slides/", "ppt/notesSlides/", "xl/comments"];
        let other = [
            "word/theme/",
            "word/styles.xml",
            "word/fontTable.xml",
            "word/settings.xml",
        ];
        name.ends_with(".xml")
            && folder.iter().any(|start| name.starts_with(start))
            && !other.iter().any(|start| name.starts_with(start))
    })?;
    if sheets.is_empty() && parts.is_empty() {
        return None; // Another kind of archive.
    }
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
    (out.len() <= BYTES_MAX).then_some(out)
}

/// A file in an archive.
struct File<'a> {
    name: &'a str,
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
fn directory(bytes: &[u8]) -> Option<Vec<File<'_>>> {
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
            name: std::str::from_utf8(name).ok()?,
            method: u16::try_from(number(bytes, at + 10, 2)?).ok()?,
            packed: number(bytes, at + 20, 4)?,
            offset: number(bytes, at + 42, 4)?,
        });
        at += 46 + length + number(bytes, at + 30, 2)? + number(bytes, at + 32, 2)?;
    }
    Some(files)
}

fn unpack(bytes: &[u8], file: &File<'_>) -> Option<Vec<u8>> {
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
enum Piece<'x> {
    /// What stands between `<` and `>`.
    Tag(&'x str),
    /// What stands between tags.
    Text(&'x str),
}

fn pieces(xml: &str) -> impl Iterator<Item = Piece<'_>> {
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

fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let Some((name, more)) = after.split_once(';').filter(|(name, _)| name.len() <= 8) else {
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

#[cfg(test)]
mod tests {
    use miniz_oxide::deflate::compress_to_vec;
    use proptest::prelude::*;

    use super::*;

    /// An archive of these files.
    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let (mut out, mut directory) = (Vec::new(), Vec::new());
        let mut last: (&[u8], Vec<u8>) = (b"", Vec::new());
        for (name, content) in files {
            if last.1.is_empty() || last.0 != *content {
                last = (content, compress_to_vec(content, 1));
            }
            let packed = last.1.as_slice();
            let sizes = |to: &mut Vec<u8>| {
                to.extend([0; 4]); // checksum, not looked at
                to.extend(u32::try_from(packed.len()).unwrap().to_le_bytes());
                to.extend(u32::try_from(content.len()).unwrap().to_le_bytes());
                to.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
                to.extend([0; 2]);
            };
            directory.extend(*b"PK\x01\x02");
            directory.extend([20, 0, 20, 0, 0, 0, 8, 0, 0, 0, 0, 0]);
            sizes(&mut directory);
            directory.extend([0; 10]);
            directory.extend(u32::try_from(out.len()).unwrap().to_le_bytes());
            directory.extend(name.as_bytes());
            out.extend(*b"PK\x03\x04");
            out.extend([20, 0, 0, 0, 8, 0, 0, 0, 0, 0]);
            sizes(&mut out);
            out.extend(name.as_bytes());
            out.extend(packed);
        }
        let (start, count) = (out.len(), u16::try_from(files.len()).unwrap());
        out.extend(&directory);
        out.extend(*b"PK\x05\x06");
        out.extend([0; 4]);
        out.extend(count.to_le_bytes());
        out.extend(count.to_le_bytes());
        out.extend(u32::try_from(directory.len()).unwrap().to_le_bytes());
        out.extend(u32::try_from(start).unwrap().to_le_bytes());
        out.extend([0; 2]);
        out
    }

    #[test]
    fn runs_are_joined_and_labels_told() {
        let document = "<w:p><w:r><w:t>電話は090-12</w:t></w:r><w:r><w:t>34-5678 &amp; 他</w:t></w:r></w:p><w:p>次</w:p>";
        let custom =
            "<property name=\"MSIP_Label_1_Name\"><vt:lpwstr>社外秘</vt:lpwstr></property>";
        let docx = archive(&[
            ("[Content_Types].xml", b"<Types/>"),
            ("docProps/custom.xml", custom.as_bytes()),
            ("word/document.xml", document.as_bytes()),
        ]);
        assert_eq!(
            text(&docx).unwrap().trim_end(),
            "[社外秘]\n電話は090-1234-5678 & 他\n次"
        );
        let kinds: Vec<_> = crate::Scanner::new()
            .scan(&text(&docx).unwrap())
            .iter()
            .map(|found| found.kind.as_str())
            .collect();
        assert_eq!(kinds, ["CLASSIFICATION", "PHONE"]);
    }

    #[test]
    fn sheets_are_tables() {
        let shared =
            "<sst><si><t>氏名</t></si><si><t>口座番号</t></si><si><t>山田太郎</t></si></sst>";
        let sheet = "<row><c t=\"s\"><v>0</v></c><c t=\"s\"><v>1</v></c></row><row><c t=\"s\"><v>2</v></c><c><v>1234567</v></c></row>";
        let xlsx = archive(&[
            ("xl/sharedStrings.xml", shared.as_bytes()),
            ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
        ]);
        assert_eq!(text(&xlsx).unwrap(), "氏名\t口座番号\n山田太郎\t1234567\n");
    }

    #[test]
    fn bombs_and_other_archives_are_not_read() {
        let zeros = vec![b'0'; FILE_BYTES_MAX + 1];
        assert_eq!(text(&archive(&[("word/document.xml", &zeros)])), None);
        let many = vec![b'1'; FILE_BYTES_MAX - 1];
        let parts: Vec<String> = (0..5).map(|part| format!("word/part{part}.xml")).collect();
        let files: Vec<(&str, &[u8])> = parts.iter().map(|name| (name.as_str(), &*many)).collect();
        assert_eq!(text(&archive(&files)), None);
        assert_eq!(text(&archive(&[("readme.txt", b"hello")])), None);
        // One long string in very many cells.
        let long = format!("<si><t>{}</t></si>", "長".repeat(200_000));
        let cells = "<c t=\"s\"><v>0</v></c>".repeat(1_000);
        let quoted = archive(&[
            ("xl/sharedStrings.xml", long.as_bytes()),
            ("xl/worksheets/sheet1.xml", cells.as_bytes()),
        ]);
        assert_eq!(text(&quoted), None);
    }

    proptest! {
        #[test]
        fn anything_is_read_or_not(bytes in prop::collection::vec(any::<u8>(), 0..400), at in 0_usize..300, flip: u8) {
            let _none = text(&[b"PK\x03\x04".as_slice(), &bytes].concat());
            let mut broken = archive(&[("word/document.xml", b"<w:p>a</w:p>")]);
            let at = at % broken.len();
            broken[at] ^= flip;
            let _read_or_none = text(&broken);
        }
    }
}
