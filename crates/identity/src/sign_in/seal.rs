//! Secrets that must be read again: sealed in the database, under a key that is not in it.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::random::{Random, RandomError};

/// The installation's sealing key, which all nodes share.
pub struct SealKey(Zeroizing<[u8; 32]>);

impl SealKey {
    /// A key of 256 random bits.
    pub fn new(key: [u8; 32]) -> Self {
        Self(Zeroizing::new(key))
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey([redacted])")
    }
}

/// Seals and opens.
pub(super) struct Seal(LessSafeKey);

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal")
    }
}

impl Seal {
    /// A key of its own for this purpose, derived from the installation's.
    pub(super) fn new(key: &SealKey) -> Option<Self> {
        let root = hmac::Key::new(hmac::HMAC_SHA256, key.0.as_slice());
        let own = hmac::sign(&root, b"sekimori authenticators");
        let key = UnboundKey::new(&AES_256_GCM, own.as_ref()).ok()?;
        Some(Self(LessSafeKey::new(key)))
    }

    /// Seals `secret` for `owner`: in another's row it can't be opened.
    pub(super) fn seal(
        &self,
        random: &dyn Random,
        owner: &str,
        secret: &[u8],
    ) -> Result<String, RandomError> {
        let mut nonce = [0; NONCE_LEN];
        random.fill(&mut nonce)?;
        let mut text = secret.to_vec();
        self.0
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(owner.as_bytes()),
                &mut text,
            )
            .map_err(|_| RandomError)?;
        Ok(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &text].concat()))
    }

    /// What was sealed for `owner`.
    pub(super) fn open(&self, owner: &str, sealed: &str) -> Option<Zeroizing<Vec<u8>>> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, text) = bytes.split_at_checked(NONCE_LEN)?;
        let mut text = Zeroizing::new(text.to_vec());
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let aad = Aad::from(owner.as_bytes());
        let length = self.0.open_in_place(nonce, aad, &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    #[test]
    fn only_the_owner_and_the_key_open_it() {
        let seal = Seal::new(&SealKey::new([7; 32])).unwrap();
        let sealed = seal.seal(&SystemRandom, "usr_a", b"secret").unwrap();
        assert_eq!(seal.open("usr_a", &sealed).unwrap().as_slice(), b"secret");
        assert!(seal.open("usr_b", &sealed).is_none());
        let other = Seal::new(&SealKey::new([8; 32])).unwrap();
        assert!(other.open("usr_a", &sealed).is_none());
        assert!(seal.open("usr_a", "AAAA").is_none());
        let again = seal.seal(&SystemRandom, "usr_a", b"secret").unwrap();
        assert_ne!(sealed, again, "equal secrets must not look equal");
    }
}
