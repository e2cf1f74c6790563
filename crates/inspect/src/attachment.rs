//! Files inside JSON: `data:` URLs, `blob` and `data` members with a `mimeType`, and texts in base64 that say
//! nothing about themselves.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::file::{FileText, Format, read_file};

const UTF_8: &str = "UTF-8";
/// Shorter strings are words and ids, not texts in base64.
const UNDECLARED_CHARS_MIN: usize = 64;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// What a string turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Attachment<'t> {
    /// A text in base64: what stands before it, and the text.
    Text(&'t str, String),
    /// An Office document, a page, or a text in another encoding: what stands before its content, and its text.
    Document(&'t str, String),
    /// A file that nobody can look into: what stands before its content.
    Opaque(&'t str),
}

/// What `text` is, if it is a file. `declared` says that a MIME type stands beside it.
pub(crate) fn attachment(text: &str, declared: bool) -> Option<Attachment<'_>> {
    if let Some(head) = data_url(text) {
        let (head, body) = text.split_at_checked(head)?;
        return Some(read(head, body, true));
    }
    if declared {
        return Some(read("", text, true));
    }
    if text.len() < UNDECLARED_CHARS_MIN || !text.bytes().all(is_base64) {
        return None;
    }
    match read("", text, false) {
        found @ (Attachment::Text(..) | Attachment::Document(..)) => Some(found),
        // Ids, digests and signatures look the same; what begins as files do is one.
        Attachment::Opaque(head) if is_file(text) => Some(Attachment::Opaque(head)),
        Attachment::Opaque(_) => None,
    }
}

/// Whether what is in base64 begins as files do that nobody can look into: PDF, archives, older Office documents,
/// pictures.
fn is_file(text: &str) -> bool {
    const BEGINNINGS: [&[u8]; 9] = [
        b"%PDF-",
        b"PK\x03\x04",
        b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1",
        b"\x89PNG\r\n\x1a\n",
        b"\xFF\xD8\xFF\xE0",
        b"\xFF\xD8\xFF\xE1",
        b"GIF89a",
        b"7z\xBC\xAF\x27\x1C",
        b"\x1F\x8B\x08\x00",
    ];
    let head = text.get(..16).and_then(decode).unwrap_or_default();
    BEGINNINGS
        .iter()
        .any(|beginning| head.starts_with(beginning))
}

/// The length of what stands before the content of a `data:` URL in base64.
fn data_url(text: &str) -> Option<usize> {
    let start = text.get(..5)?;
    if !start.eq_ignore_ascii_case("data:") {
        return None;
    }
    let comma = text.find(',').filter(|at| *at < 1_024)?;
    let head = text.get(..comma)?;
    head.to_ascii_lowercase()
        .ends_with(";base64")
        .then_some(comma + 1)
}

/// What a body in base64 is. Only where something says that it is a file, its bytes may be other than UTF-8.
fn read<'t>(head: &'t str, body: &str, declared: bool) -> Attachment<'t> {
    let Some(bytes) = decode(body) else {
        return Attachment::Opaque(head);
    };
    match read_file(&bytes) {
        Ok(found) if found.encoding != UTF_8 => {
            if declared {
                Attachment::Document(head, found.text)
            } else {
                Attachment::Opaque(head)
            }
        }
        // It can be changed and put back as it was.
        Ok(FileText {
            format: Format::Text | Format::Json,
            ..
        }) => String::from_utf8(bytes).map_or(Attachment::Opaque(head), |text| {
            Attachment::Text(head, text)
        }),
        Ok(found) => Attachment::Document(head, found.text),
        Err(_) => Attachment::Opaque(head),
    }
}

fn decode(body: &str) -> Option<Vec<u8>> {
    let packed: String;
    let body = if body.bytes().any(|b| b.is_ascii_whitespace()) {
        packed = body.split_ascii_whitespace().collect();
        &packed
    } else {
        body
    };
    STANDARD
        .decode(body)
        .or_else(|_| URL_SAFE.decode(body))
        .ok()
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=' | b'\n' | b'\r')
}

/// `text` in base64.
pub(crate) fn encode(head: &str, text: &str) -> String {
    format!(
        "{head}{}",
        base64::engine::general_purpose::STANDARD.encode(text)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_out_and_go_back() {
        let text = "電話は 090-1234-5678 です。担当の山田までお願いします。よろしく。";
        let packed = encode("", text);
        assert_eq!(
            attachment(&packed, false),
            Some(Attachment::Text("", text.to_owned()))
        );
        let url = encode("data:text/plain;charset=utf-8;base64,", text);
        let Some(Attachment::Text(head, found)) = attachment(&url, false) else {
            panic!("no text in {url}");
        };
        assert_eq!(encode(head, &found), url);
    }

    #[test]
    fn files_are_opaque_and_ids_are_nothing() {
        assert_eq!(
            attachment("iVBORw0KGgo=", true),
            Some(Attachment::Opaque(""))
        );
        assert_eq!(
            attachment("not base64!", true),
            Some(Attachment::Opaque(""))
        );
        let hex = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        assert_eq!(attachment(hex, false), None);
        let pdf =
            "JVBERi0xLjcKJeLjz9MKMSAwIG9iago8PC9UeXBlL0NhdGFsb2cvUGFnZXMgMiAwIFI+PgplbmRvYmoK";
        assert_eq!(attachment(pdf, false), Some(Attachment::Opaque("")));
        assert_eq!(attachment("data:text/plain,hello", false), None);
    }
}
