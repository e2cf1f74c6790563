//! How the bytes of streams are packed.

use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;

use super::object::{Lexer, Object, is_blank};

/// Most bytes of one stream, unpacked.
const STREAM_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What a filter makes of bytes; `None` for one that we have not, and for more than the limit.
pub(super) fn unfilter(name: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
    match name {
        b"FlateDecode" | b"Fl" => {
            match decompress_to_vec_zlib_with_limit(bytes, STREAM_BYTES_MAX) {
                Ok(unpacked) => Some(unpacked),
                // What comes out before a damaged end is shown too.
                Err(error) => (!error.output.is_empty() && error.output.len() < STREAM_BYTES_MAX)
                    .then_some(error.output),
            }
        }
        b"ASCIIHexDecode" | b"AHx" => match Lexer::new(&[b"<", bytes].concat(), 0).next()? {
            Object::Text(text) => Some(text),
            _ => None,
        },
        b"ASCII85Decode" | b"A85" => ascii85(bytes),
        _ => None,
    }
}

fn ascii85(bytes: &[u8]) -> Option<Vec<u8>> {
    let end = memchr::memchr(b'~', bytes).unwrap_or(bytes.len());
    let (mut out, mut group) = (Vec::new(), Vec::new());
    for byte in bytes.get(..end)?.iter().copied().filter(|b| !is_blank(*b)) {
        match byte {
            b'z' if group.is_empty() => out.extend([0; 4]),
            b'!'..=b'u' => group.push(byte - b'!'),
            _ => return None,
        }
        if group.len() == 5 {
            out.extend(word(&group)?);
            group.clear();
        }
    }
    if group.len() > 1 {
        let count = group.len() - 1;
        group.resize(5, 84);
        out.extend(word(&group)?.into_iter().take(count));
    }
    Some(out)
}

fn word(group: &[u8]) -> Option<[u8; 4]> {
    let value = group
        .iter()
        .fold(0_u64, |sum, digit| sum * 85 + u64::from(*digit));
    u32::try_from(value).ok().map(u32::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_written_as_letters_are_read() {
        assert_eq!(
            unfilter(b"ASCIIHexDecode", b"48 65 6C6c 6F>").as_deref(),
            Some(b"Hello".as_slice())
        );
        assert_eq!(
            unfilter(b"ASCII85Decode", b"87cURDZ~>").as_deref(),
            Some(b"Hello".as_slice())
        );
        assert_eq!(
            unfilter(b"ASCII85Decode", b"z!!~>").as_deref(),
            Some([0, 0, 0, 0, 0].as_slice())
        );
        assert_eq!(unfilter(b"ASCII85Decode", b"{"), None);
        assert_eq!(unfilter(b"LZWDecode", b""), None);
    }
}
