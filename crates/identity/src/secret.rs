//! The texts of service keys and administrator tokens: how they are made and read.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sekimori_domain::digest::Digest;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::random::{Random, RandomError};

/// Begins every service-account key. Secret scanners find leaked keys by it.
pub(crate) const KEY_PREFIX: &str = "smk_";
/// Begins every local administrator's token.
pub(crate) const ADMINISTRATOR_PREFIX: &str = "sma_";
/// Begins every SCIM token: `sms_<id>_<secret>`.
pub(crate) const SCIM_PREFIX: &str = "sms_";
const KEY_ID_BYTES: usize = 8;
const SECRET_BYTES: usize = 32;
/// Length of 32 bytes in base64url without padding.
const SECRET_CHARS: usize = 43;

/// A secret that can be read once, by whoever asked for it. It is wiped from memory afterwards.
pub struct ShownOnce(Zeroizing<String>);

impl ShownOnce {
    pub(crate) fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// The text, to be shown to the person who asked for it.
    pub fn reveal(self) -> Zeroizing<String> {
        self.0
    }
}

impl fmt::Debug for ShownOnce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShownOnce([redacted])")
    }
}

/// A fresh service key: its id, the digest of its secret, and the whole text.
pub(crate) fn new_key(random: &dyn Random) -> Result<(String, Digest, ShownOnce), RandomError> {
    new_prefixed_key(KEY_PREFIX, random)
}

/// A fresh secret with an id: its id, the digest of its secret, and the whole text.
pub(crate) fn new_prefixed_key(
    prefix: &str,
    random: &dyn Random,
) -> Result<(String, Digest, ShownOnce), RandomError> {
    let mut id = [0; KEY_ID_BYTES];
    random.fill(&mut id)?;
    let id = format!("{:016x}", u64::from_be_bytes(id));
    let (digest, text) = new_secret_of(prefix, &id, random)?;
    Ok((id, digest, text))
}

/// A fresh secret for an id that there is: its digest, and the whole text.
pub(crate) fn new_secret_of(
    prefix: &str,
    id: &str,
    random: &dyn Random,
) -> Result<(Digest, ShownOnce), RandomError> {
    let secret = new_secret(random)?;
    let digest = Digest::of(secret.as_bytes());
    let text = Zeroizing::new([prefix, id, "_", secret.as_str()].concat());
    Ok((digest, ShownOnce(text)))
}

/// A fresh administrator token: the digest of its text, and the text.
pub(crate) fn new_administrator_token(
    random: &dyn Random,
) -> Result<(Digest, ShownOnce), RandomError> {
    let secret = new_secret(random)?;
    let text = Zeroizing::new([ADMINISTRATOR_PREFIX, secret.as_str()].concat());
    Ok((Digest::of(text.as_bytes()), ShownOnce(text)))
}

/// 256 random bits as text.
pub(crate) fn new_secret(random: &dyn Random) -> Result<Zeroizing<String>, RandomError> {
    let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
    random.fill(bytes.as_mut_slice())?;
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}

/// A fresh public id: `prefix` and 128 random bits, which nobody can guess beforehand.
pub(crate) fn random_id(random: &dyn Random, prefix: &str) -> Result<String, RandomError> {
    let mut bytes = [0; 16];
    random.fill(&mut bytes)?;
    Ok(format!("{prefix}{:032x}", u128::from_be_bytes(bytes)))
}

/// The two parts of a service key's text: `smk_<id>_<secret>`.
pub(crate) fn split_key(text: &str) -> Option<(&str, &str)> {
    split_prefixed_key(KEY_PREFIX, text)
}

/// The two parts of a secret with an id.
pub(crate) fn split_prefixed_key<'t>(prefix: &str, text: &'t str) -> Option<(&'t str, &'t str)> {
    // The id has no underscore; the secret may.
    let (id, secret) = text.strip_prefix(prefix)?.split_once('_')?;
    (id.len() == 2 * KEY_ID_BYTES && secret.len() == SECRET_CHARS).then_some((id, secret))
}

/// Whether `secret` has the stored digest, in a time that tells nothing about either.
///
/// `None` (there is no such key) costs the same: the secret is hashed and compared with a digest that
/// nothing has.
pub(crate) fn matches(secret: &str, stored: Option<&Digest>) -> bool {
    const NOTHING: Digest = Digest([0; 32]);
    let given = Digest::of(secret.as_bytes());
    let equal = given.0.ct_eq(&stored.unwrap_or(&NOTHING).0);
    bool::from(equal) && stored.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    #[test]
    fn keys_read_back_and_hold_256_random_bits() {
        let (id, digest, shown) = new_key(&SystemRandom).unwrap();
        assert!(!format!("{shown:?}").contains(&id));
        let text = shown.reveal();
        let (read_id, secret) = split_key(&text).unwrap();
        assert_eq!(read_id, id);
        assert_eq!(URL_SAFE_NO_PAD.decode(secret).unwrap().len(), 32);
        assert!(matches(secret, Some(&digest)));
    }

    /// One path for every outcome: whatever is stored, the secret is hashed and compared.
    #[test]
    fn unknown_and_wrong_take_the_same_path() {
        let digest = Digest::of(b"right");
        assert!(matches("right", Some(&digest)));
        assert!(!matches("wrong", Some(&digest)));
        assert!(!matches("right", None));
    }

    #[test]
    fn other_texts_are_no_keys() {
        let secret = "s".repeat(SECRET_CHARS);
        for bad in [
            String::new(),
            "smk_".to_owned(),
            format!("smk_0123_{secret}"),
            format!("smk_0123456789abcdef_{secret}x"),
            format!("smx_0123456789abcdef_{secret}"),
            format!("smk_0123456789abcdef{secret}"),
        ] {
            assert!(split_key(&bad).is_none(), "{bad}");
        }
    }
}
