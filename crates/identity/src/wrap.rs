//! Wrapping of secrets that have to be kept: AES-256-GCM under a key of the installation.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::random::{Random, RandomError};

const NONCE_BYTES: usize = 12;

/// The wrapped text was made under another key, for another purpose or name, or was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a wrapped secret can't be opened with the key of this installation")]
pub struct NotWrapped;

/// Wraps secrets of one purpose. Keys of different purposes have nothing in common.
pub struct KeyWrap {
    aead: LessSafeKey,
}

impl fmt::Debug for KeyWrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyWrap").finish_non_exhaustive()
    }
}

/// A key for one purpose, derived from the installation's.
pub(crate) fn derive(installation: &[u8; 32], purpose: &str) -> Zeroizing<[u8; 32]> {
    let root = hmac::Key::new(hmac::HMAC_SHA256, installation);
    let tag = hmac::sign(&root, format!("sekimori identity: {purpose}").as_bytes());
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(tag.as_ref());
    key
}

impl KeyWrap {
    /// For one purpose, under the installation's 256-bit key.
    pub fn new(installation: &[u8; 32], purpose: &str) -> Result<Self, NotWrapped> {
        let key = derive(installation, purpose);
        let key = UnboundKey::new(&AES_256_GCM, key.as_slice()).map_err(|_| NotWrapped)?;
        Ok(Self {
            aead: LessSafeKey::new(key),
        })
    }

    /// Wraps `secret`; it opens only under the same `name`. At most 2^32 may be wrapped by random nonces;
    /// here it is a handful.
    pub fn wrap(
        &self,
        random: &dyn Random,
        name: &str,
        secret: &[u8],
    ) -> Result<String, RandomError> {
        let mut nonce = [0; NONCE_BYTES];
        random.fill(&mut nonce)?;
        let mut sealed = secret.to_vec();
        self.aead
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(name.as_bytes()),
                &mut sealed,
            )
            .map_err(|_| RandomError)?;
        Ok(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// Opens what was wrapped under `name`.
    pub fn unwrap(&self, name: &str, wrapped: &str) -> Result<Zeroizing<Vec<u8>>, NotWrapped> {
        let mut bytes = URL_SAFE_NO_PAD.decode(wrapped).map_err(|_| NotWrapped)?;
        if bytes.len() < NONCE_BYTES {
            return Err(NotWrapped);
        }
        let sealed = bytes.split_off(NONCE_BYTES);
        let nonce = Nonce::try_assume_unique_for_key(&bytes).map_err(|_| NotWrapped)?;
        let mut sealed = Zeroizing::new(sealed);
        let length = self
            .aead
            .open_in_place(nonce, Aad::from(name.as_bytes()), &mut sealed)
            .map_err(|_| NotWrapped)?
            .len();
        sealed.truncate(length);
        Ok(sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    #[test]
    fn a_secret_opens_under_its_key_purpose_and_name_only() {
        let wrap = KeyWrap::new(&[1; 32], "signing keys").unwrap();
        let text = wrap.wrap(&SystemRandom, "k1", b"secret").unwrap();
        assert_eq!(wrap.unwrap("k1", &text).unwrap().as_slice(), b"secret");
        let other_text = wrap.wrap(&SystemRandom, "k1", b"secret").unwrap();
        assert_ne!(text, other_text);
        assert!(wrap.unwrap("k2", &text).is_err());
        let purpose = KeyWrap::new(&[1; 32], "other").unwrap();
        assert!(purpose.unwrap("k1", &text).is_err());
        let key = KeyWrap::new(&[2; 32], "signing keys").unwrap();
        assert!(key.unwrap("k1", &text).is_err());
        let cut: String = text.chars().skip(2).collect();
        for bad in ["", "AAAA", "!", &cut] {
            assert!(wrap.unwrap("k1", bad).is_err(), "{bad}");
        }
    }
}
