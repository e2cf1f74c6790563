//! The text of a file, whatever it is written in: plain text and CSV in the encodings of Japan, JSON, HTML, Office
//! documents and PDF. What can't be read is said so, with the reason; rules decide what becomes of it.

use encoding_rs::{EUC_JP, Encoding, ISO_2022_JP, SHIFT_JIS, UTF_8};

use crate::json::{LeafKind, leaves};
use crate::{html, office, pdf};

/// Largest file that is read.
pub const FILE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a file turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Plain text, CSV, Markdown, source code.
    Text,
    /// JSON.
    Json,
    /// An HTML page.
    Html,
    /// A document of Word, Excel or PowerPoint.
    Office,
    /// A PDF.
    Pdf,
}

impl Format {
    /// The name in interfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Html => "html",
            Self::Office => "office",
            Self::Pdf => "pdf",
        }
    }
}

/// The text of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileText {
    /// What it is.
    pub format: Format,
    /// How its characters were written.
    pub encoding: &'static str,
    /// Its text.
    pub text: String,
}

/// Why a file can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// It is too large.
    #[error("it is larger than 64 MiB")]
    TooLarge,
    /// A PDF.
    #[error(
        "it is a PDF that is encrypted or broken, holds other files or scanned pages, has fonts that do not say what they show, or unpacks to more than the limits"
    )]
    Pdf,
    /// An archive.
    #[error(
        "it is an archive that is no Office document, is broken or encrypted, or unpacks to more than the limits"
    )]
    Archive,
    /// JSON beyond the limits.
    #[error("its JSON is nested too deeply or holds too much")]
    Nested,
    /// Something else.
    #[error("it is no text")]
    Binary,
}

/// Reads a file.
pub fn read_file(bytes: &[u8]) -> Result<FileText, FileError> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(FileError::TooLarge);
    }
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        let text = office::text(bytes).ok_or(FileError::Archive)?;
        return Ok(FileText {
            format: Format::Office,
            encoding: UTF_8.name(),
            text,
        });
    }
    if bytes.starts_with(b"%PDF-") {
        let text = pdf::text(bytes).ok_or(FileError::Pdf)?;
        return Ok(FileText {
            format: Format::Pdf,
            encoding: UTF_8.name(),
            text,
        });
    }
    let (encoding, text) = decode(bytes).ok_or(FileError::Binary)?;
    let encoding = encoding.name();
    let trimmed = text.trim_start_matches('\u{FEFF}').trim();
    if trimmed.starts_with(['{', '[']) && is_json(trimmed) {
        let text = json_text(trimmed).ok_or(FileError::Nested)?;
        return Ok(FileText {
            format: Format::Json,
            encoding,
            text,
        });
    }
    if html::is_html(&text) {
        return Ok(FileText {
            format: Format::Html,
            encoding,
            text: html::text(&text),
        });
    }
    Ok(FileText {
        format: Format::Text,
        encoding,
        text,
    })
}

/// The characters of a text, with the encoding that they were in.
fn decode(bytes: &[u8]) -> Option<(&'static Encoding, String)> {
    let read = |encoding: &'static Encoding, bytes: &[u8]| {
        let text = encoding.decode_without_bom_handling_and_without_replacement(bytes)?;
        is_text(&text).then(|| (encoding, text.into_owned()))
    };
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return read(encoding, bytes.get(mark..)?);
    }
    if bytes.contains(&0x1B) {
        return read(ISO_2022_JP, bytes);
    }
    if let Some(found) = read(UTF_8, bytes) {
        return Some(found);
    }
    // Both often decode; half-width katakana in number are EUC-JP read as Shift_JIS.
    let found = [SHIFT_JIS, EUC_JP].map(|encoding| read(encoding, bytes));
    found.into_iter().flatten().min_by_key(|(_, text)| {
        let half = |c: &char| matches!(c, '\u{FF61}'..='\u{FF9F}');
        text.chars().filter(half).count()
    })
}

/// Whether it reads as text: no control characters but white space.
pub(crate) fn is_text(text: &str) -> bool {
    text.chars()
        .all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t' | '\u{c}'))
}

/// Whether it is JSON, or JSON that nests too deeply to tell.
fn is_json(text: &str) -> bool {
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Ok(_) => true,
        Err(error) => error.to_string().starts_with("recursion limit"),
    }
}

/// The strings and numbers of a JSON text, each behind the name of its member.
fn json_text(json: &str) -> Option<String> {
    let leaves = leaves(json).ok()?;
    let mut out = String::with_capacity(json.len());
    for leaf in leaves.iter().filter(|leaf| leaf.kind != LeafKind::Name) {
        if let Some(name) = leaf.name.and_then(|name| leaves.get(name)) {
            out.push_str(&name.text);
            out.push_str(": ");
        }
        out.push_str(&leaf.text);
        out.push('\n');
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> (Format, &'static str, String) {
        let found = read_file(bytes).unwrap();
        (found.format, found.encoding, found.text)
    }

    #[test]
    fn texts_are_read_in_the_encodings_of_japan() {
        let text =
            "氏名,電話番号\n山田 太郎,090-1234-5678\nｻﾄｳ,03-1234-5678\n東京都千代田区の営業部\n";
        for encoding in [UTF_8, SHIFT_JIS, EUC_JP, ISO_2022_JP] {
            let text = text.replace(
                "ｻﾄｳ",
                if encoding == ISO_2022_JP {
                    "サトウ"
                } else {
                    "ｻﾄｳ"
                },
            );
            let (bytes, _, lossy) = encoding.encode(&text);
            assert!(!lossy);
            assert_eq!(read(&bytes), (Format::Text, encoding.name(), text));
        }
        let mut wide = vec![0xFF, 0xFE];
        wide.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
        assert_eq!(read(&wide), (Format::Text, "UTF-16LE", text.to_owned()));
    }

    #[test]
    fn json_and_pages_give_their_text() {
        let json =
            r#"{"\u6c0f\u540d": "山田太郎", "list": [1234567, {"mail": "a@example.co.jp"}]}"#;
        let (format, _, text) = read(json.as_bytes());
        assert_eq!(format, Format::Json);
        assert_eq!(
            text,
            "氏名: 山田太郎\nlist: 1234567\nmail: a@example.co.jp\n"
        );
        assert_eq!(read(b"<html><body>a</body></html>").0, Format::Html);
    }

    #[test]
    fn what_can_not_be_read_is_said_so() {
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        for (bytes, why) in [
            (b"%PDF-1.7 /Encrypt".as_slice(), FileError::Pdf),
            (b"PK\x03\x04 broken", FileError::Archive),
            (b"\x89PNG\r\n\x1a\n\0\0", FileError::Binary),
            (deep.as_bytes(), FileError::Nested),
        ] {
            assert_eq!(read_file(bytes), Err(why));
        }
    }
}
