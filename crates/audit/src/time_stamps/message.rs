//! What is sent to an authority, and what it answers (RFC 3161, section 2.4).

use cms::content_info::ContentInfo;
use der::asn1::{Any, AnyRef, ObjectIdentifier, OctetString, Uint};
use der::{Decode as _, Encode as _, ErrorKind, Reader, Sequence, SliceReader, Tag, Tagged as _};
use sekimori_domain::Timestamp;
use sekimori_domain::digest::Digest;

use super::TimeStampError;

/// SHA-256 (RFC 5754).
pub(super) const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
/// The version of requests and of what is signed.
const VERSION: u8 = 1;
/// The request was granted, perhaps with changes.
const GRANTED_MAX: u8 = 1;

/// An algorithm; those of digests have no parameters, or NULL.
#[derive(Debug, Clone, PartialEq, Eq, Sequence)]
struct Algorithm {
    oid: ObjectIdentifier,
    #[asn1(optional = "true")]
    parameters: Option<Any>,
}

/// What is time-stamped.
#[derive(Debug, Clone, PartialEq, Eq, Sequence)]
struct MessageImprint {
    algorithm: Algorithm,
    digest: OctetString,
}

/// `TimeStampReq`.
#[derive(Debug, Sequence)]
struct Request {
    version: u8,
    imprint: MessageImprint,
    nonce: Uint,
    certificates: bool,
}

/// The request for a time stamp on `digest`. The certificates come along, so that tokens stand on their own.
pub(super) fn request(digest: &Digest, nonce: &[u8]) -> Result<Vec<u8>, der::Error> {
    let request = Request {
        version: VERSION,
        imprint: MessageImprint {
            algorithm: Algorithm {
                oid: SHA_256,
                parameters: Some(Any::null()),
            },
            digest: OctetString::new(digest.0)?,
        },
        nonce: Uint::new(nonce)?,
        certificates: true,
    };
    request.to_der()
}

/// The token in an answer (`TimeStampResp`).
pub(super) fn token(answer: &[u8]) -> Result<ContentInfo, TimeStampError> {
    let mut reader = SliceReader::new(answer)?;
    let (status, token) = reader.sequence(|answer| {
        let status: u8 = answer.sequence(|status| {
            let code = status.decode()?;
            // Why, in words and bits.
            while !status.is_finished() {
                status.tlv_bytes()?;
            }
            Ok(code)
        })?;
        let token = if answer.is_finished() {
            None
        } else {
            Some(ContentInfo::decode(answer)?)
        };
        Ok((status, token))
    })?;
    reader.finish(())?;
    if status > GRANTED_MAX {
        return Err(TimeStampError::Refused(status));
    }
    token.ok_or(TimeStampError::Answer("there is no token in it"))
}

/// What an authority signs (`TSTInfo`).
#[derive(Debug)]
pub(super) struct Stated {
    imprint: MessageImprint,
    nonce: Option<Uint>,
    /// When.
    pub(super) time: Timestamp,
}

impl Stated {
    pub(super) fn read(signed: &[u8]) -> Result<Self, TimeStampError> {
        let mut reader = SliceReader::new(signed)?;
        let (version, imprint, time, nonce) = reader.sequence(|stated| {
            let version: u8 = stated.decode()?;
            let _policy: ObjectIdentifier = stated.decode()?;
            let imprint = stated.decode()?;
            let _serial = stated.tlv_bytes()?;
            let time: AnyRef<'_> = stated.decode()?;
            Ok((version, imprint, moment(time)?, nonce(stated)?))
        })?;
        reader.finish(())?;
        if version != VERSION {
            return Err(TimeStampError::Answer("of another version"));
        }
        Ok(Self {
            imprint,
            nonce,
            time,
        })
    }

    /// Whether it is about `digest`.
    pub(super) fn is_about(&self, digest: &Digest) -> bool {
        let Algorithm { oid, parameters } = &self.imprint.algorithm;
        *oid == SHA_256
            && parameters.as_ref().is_none_or(Any::is_null)
            && self.imprint.digest.as_bytes() == digest.0
    }

    /// Whether it answers the request with that nonce.
    pub(super) fn answers(&self, nonce: &[u8]) -> bool {
        let asked = Uint::new(nonce).ok();
        asked.is_some() && self.nonce == asked
    }
}

/// The nonce among what follows the time: accuracy, ordering, nonce, name and extensions, none of which must be there.
fn nonce<'r>(stated: &mut impl Reader<'r>) -> der::Result<Option<Uint>> {
    let mut nonce = None;
    while !stated.is_finished() {
        match stated.peek_tag()? {
            Tag::Integer if nonce.is_none() => nonce = Some(stated.decode()?),
            Tag::Sequence | Tag::Boolean | Tag::ContextSpecific { .. } => {
                stated.tlv_bytes()?;
            }
            tag => return Err(tag.unexpected_error(None)),
        }
    }
    Ok(nonce)
}

/// `20261123013512Z`, perhaps with a fraction of a second, which `GeneralizedTime` of the library does not take.
fn moment(value: AnyRef<'_>) -> der::Result<Timestamp> {
    let wrong = || der::Error::from(ErrorKind::DateTime);
    if value.tag() != Tag::GeneralizedTime {
        return Err(value.tag().unexpected_error(Some(Tag::GeneralizedTime)));
    }
    let text = std::str::from_utf8(value.value()).map_err(|_| wrong())?;
    let digits = text.strip_suffix('Z').ok_or_else(wrong)?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() != 14 || !all_digits(whole) || !all_digits(fraction) || fraction.len() > 9 {
        return Err(wrong());
    }
    let part = |from: usize, to: usize| whole.get(from..to).unwrap_or_default();
    let time = format!(
        "{}-{}-{}T{}:{}:{}.{fraction}Z",
        part(0, 4),
        part(4, 6),
        part(6, 8),
        part(8, 10),
        part(10, 12),
        part(12, 14)
    );
    time.parse().map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Timestamp> {
        moment(AnyRef::new(Tag::GeneralizedTime, text.as_bytes()).unwrap()).ok()
    }

    #[test]
    fn times_may_have_fractions_and_nothing_else() {
        let time = |text: &str| Some(text.parse().unwrap());
        assert_eq!(read("20261123013512Z"), time("2026-11-23T01:35:12Z"));
        assert_eq!(read("20261123013512.25Z"), time("2026-11-23T01:35:12.25Z"));
        for wrong in [
            "20261123013512",
            "20261123013512+0900",
            "202611230135Z",
            "20261323013512Z",
            "20261123013512.Z",
            "2026112301351２Z",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_refusal_has_no_token() {
        // SEQUENCE { SEQUENCE { INTEGER 2 } }
        let refused = token(&[0x30, 5, 0x30, 3, 2, 1, 2]);
        assert!(matches!(refused, Err(TimeStampError::Refused(2))));
        let empty = token(&[0x30, 5, 0x30, 3, 2, 1, 0]);
        assert!(matches!(empty, Err(TimeStampError::Answer(_))));
        assert!(matches!(
            token(b"<html>"),
            Err(TimeStampError::Malformed(_))
        ));
    }
}
