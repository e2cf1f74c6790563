//! One-time codes by time (RFC 6238), as authenticator apps make them: SHA-1, six digits, thirty seconds.

use aws_lc_rs::hmac;
use jiff::Timestamp;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::http::percent_encoded;
use crate::random::{Random, RandomError};

/// RFC 4226 recommends 160 bits.
pub(super) const SECRET_BYTES: usize = 20;
const PERIOD_SECONDS: i64 = 30;
const DIGITS: u32 = 6;

/// A fresh secret.
pub(super) fn new_secret(random: &dyn Random) -> Result<Zeroizing<Vec<u8>>, RandomError> {
    let mut secret = Zeroizing::new(vec![0; SECRET_BYTES]);
    random.fill(&mut secret)?;
    Ok(secret)
}

/// The time step for which `code` is right: this one, or a neighbour, since clocks differ.
pub(super) fn step_of(secret: &[u8], code: &str, now: Timestamp) -> Option<u64> {
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let current = u64::try_from(now.as_second().div_euclid(PERIOD_SECONDS)).ok()?;
    let mut found = None;
    // All three, so that the time tells nothing.
    for step in [
        current.saturating_sub(1),
        current,
        current.saturating_add(1),
    ] {
        if bool::from(code_at(secret, step).as_bytes().ct_eq(code.as_bytes())) {
            found = Some(step);
        }
    }
    found
}

fn code_at(secret: &[u8], step: u64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let offset = usize::from(tag.last().copied().unwrap_or_default() & 0x0f);
    let word = tag
        .get(offset..offset + 4)
        .and_then(|bytes| <[u8; 4]>::try_from(bytes).ok())
        .map_or(0, u32::from_be_bytes);
    let number = (word & 0x7fff_ffff) % 10_u32.pow(DIGITS);
    format!("{number:06}")
}

/// The secret as text (RFC 4648 base32 without padding).
pub(super) fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut text = String::new();
    let (mut buffer, mut bits) = (0_u32, 0_u32);
    for byte in bytes {
        buffer = (buffer << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            push(&mut text, ALPHABET, buffer >> bits);
        }
    }
    if bits > 0 {
        push(&mut text, ALPHABET, buffer << (5 - bits));
    }
    text
}

fn push(text: &mut String, alphabet: &[u8; 32], value: u32) {
    let index = usize::try_from(value & 31).unwrap_or_default();
    text.extend(alphabet.get(index).map(|byte| char::from(*byte)));
}

/// What an authenticator app reads.
pub(super) fn uri(issuer: &str, account: &str, secret: &[u8]) -> String {
    let (issuer, account) = (percent_encoded(issuer), percent_encoded(account));
    let secret = base32(secret);
    format!(
        "otpauth://totp/{issuer}:{account}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits=6&period=30"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238 appendix B, the last six of its eight digits.
    #[test]
    fn codes_are_those_of_the_standard() {
        let secret = b"12345678901234567890";
        for (second, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
        ] {
            let now = Timestamp::from_second(second).unwrap();
            let step = u64::try_from(second / 30).unwrap();
            assert_eq!(step_of(secret, code, now), Some(step), "{second}");
        }
    }

    #[test]
    fn a_code_is_right_for_a_minute_and_a_half() {
        let secret = b"12345678901234567890";
        let at = |second| Timestamp::from_second(second).unwrap();
        for second in [30, 59, 89, 0] {
            assert_eq!(step_of(secret, "287 082", at(second)), Some(1), "{second}");
        }
        for second in [90, 3_600] {
            assert_eq!(step_of(secret, "287082", at(second)), None, "{second}");
        }
        for wrong in ["", "287083", "0287082", "28708"] {
            assert_eq!(step_of(secret, wrong, at(59)), None, "{wrong}");
        }
    }

    /// RFC 4648 section 10.
    #[test]
    fn secrets_are_written_in_base32() {
        for (bytes, text) in [
            ("", ""),
            ("f", "MY"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(bytes.as_bytes()), text);
        }
        assert_eq!(
            uri("関守 A", "a@b", b"foobar"),
            "otpauth://totp/%E9%96%A2%E5%AE%88%20A:a%40b?secret=MZXW6YTBOI&issuer=%E9%96%A2%E5%AE%88%20A\
             &algorithm=SHA1&digits=6&period=30"
        );
    }
}
