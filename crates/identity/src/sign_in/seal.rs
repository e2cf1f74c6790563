//! Secrets that must be read again: sealed in the database, under a key that is not in it.

use std::fmt;

use zeroize::Zeroizing;

use crate::random::{Random, RandomError};
use crate::wrap::KeyWrap;

/// The installation's sealing key, which all nodes share.
pub struct SealKey(Zeroizing<[u8; 32]>);

impl SealKey {
    /// A key of 256 random bits.
    pub fn new(key: [u8; 32]) -> Self {
        Self(Zeroizing::new(key))
    }

    /// A key of its own for one purpose.
    pub(crate) fn wrap(&self, purpose: &str) -> Option<KeyWrap> {
        KeyWrap::new(&self.0, purpose).ok()
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey([redacted])")
    }
}

/// Seals and opens.
#[derive(Debug)]
pub(super) struct Seal(KeyWrap);

impl Seal {
    /// A key of its own for this purpose, derived from the installation's.
    pub(super) fn new(key: &SealKey) -> Option<Self> {
        key.wrap("authenticators").map(Self)
    }

    /// Seals `secret` for `owner`: in another's row it can't be opened.
    pub(super) fn seal(
        &self,
        random: &dyn Random,
        owner: &str,
        secret: &[u8],
    ) -> Result<String, RandomError> {
        self.0.wrap(random, owner, secret)
    }

    /// What was sealed for `owner`.
    pub(super) fn open(&self, owner: &str, sealed: &str) -> Option<Zeroizing<Vec<u8>>> {
        self.0.unwrap(owner, sealed).ok()
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
