//! Sealed handles: opaque texts that cross the client and come back.
//!
//! A cursor, a task id or a request state that a client holds is the client's to tamper with. It goes
//! out encrypted and authenticated (AES-256-GCM), bound to what it is for and to whom it was given.
//!
//! The nonce is a keyed digest of everything that is sealed, so two different texts never share one and
//! the same text is always sealed the same: clients compare task ids.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use sekimori_domain::ids::PrincipalId;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Longest sealed text that is looked at.
const SEALED_CHARS_MAX: usize = 64 * 1024;
const NONCE_BYTES: usize = 12;

/// What a sealed text is for. One made for one purpose is refused for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Where a list goes on.
    Cursor,
    /// A task at an upstream.
    Task,
    /// A call that waits for the client's answers.
    RequestState,
    /// What a token stands for.
    Token,
    /// The key under which a scope of tokens is sealed.
    TokenKey,
}

impl Purpose {
    fn label(self) -> &'static str {
        match self {
            Self::Cursor => "cursor",
            Self::Task => "task",
            Self::RequestState => "request_state",
            Self::Token => "token",
            Self::TokenKey => "token_key",
        }
    }
}

/// The text was not sealed here, for this purpose, for this principal, or it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not valid here, or no longer")]
pub struct NotSealed;

/// The sealing key could not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sealing key could not be used")]
pub struct SealFailed;

/// Seals and opens handles under one key, which all nodes share.
pub struct Sealer {
    key: LessSafeKey,
    nonces: hmac::Key,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").finish_non_exhaustive()
    }
}

#[derive(serde::Deserialize, serde::Serialize)]
struct Envelope<T> {
    /// When it ends, in seconds since 1970.
    e: i64,
    /// The content.
    c: T,
}

impl Sealer {
    /// A sealer with a 256-bit key.
    pub fn new(key: &[u8; 32]) -> Result<Self, SealFailed> {
        let root = hmac::Key::new(hmac::HMAC_SHA256, key);
        let nonces = hmac::sign(&root, b"sekimori sealed handles: nonces");
        let sealing = hmac::sign(&root, b"sekimori sealed handles: sealing");
        let sealing = UnboundKey::new(&AES_256_GCM, sealing.as_ref()).map_err(|_| SealFailed)?;
        Ok(Self {
            key: LessSafeKey::new(sealing),
            nonces: hmac::Key::new(hmac::HMAC_SHA256, nonces.as_ref()),
        })
    }

    /// Seals `content` for `owner` until `life` after `now`.
    pub fn seal<T: Serialize>(
        &self,
        purpose: Purpose,
        owner: &PrincipalId,
        content: &T,
        now: Timestamp,
        life: Duration,
    ) -> Result<String, SealFailed> {
        let ends = now.checked_add(life).unwrap_or(Timestamp::MAX).as_second();
        self.seal_until(purpose, owner, content, ends)
    }

    /// Seals `content` for `owner` without an end, for handles whose end somebody else keeps.
    pub fn seal_forever<T: Serialize>(
        &self,
        purpose: Purpose,
        owner: &PrincipalId,
        content: &T,
    ) -> Result<String, SealFailed> {
        self.seal_until(purpose, owner, content, i64::MAX)
    }

    fn seal_until<T: Serialize>(
        &self,
        purpose: Purpose,
        owner: &PrincipalId,
        content: &T,
        ends: i64,
    ) -> Result<String, SealFailed> {
        let mut text = serde_json::to_vec(&Envelope {
            e: ends,
            c: content,
        })
        .map_err(|_| SealFailed)?;
        let associated = associated(purpose, owner);
        let mut context = hmac::Context::with_key(&self.nonces);
        context.update(associated.as_ref());
        context.update(&[0]);
        context.update(&text);
        let tag = context.sign();
        let nonce = tag.as_ref().get(..NONCE_BYTES).ok_or(SealFailed)?;
        let mut sealed = nonce.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealFailed)?;
        self.key
            .seal_in_place_append_tag(nonce, associated, &mut text)
            .map_err(|_| SealFailed)?;
        sealed.append(&mut text);
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Opens what [`Sealer::seal`] made for the same purpose and owner.
    pub fn open<T: DeserializeOwned>(
        &self,
        purpose: Purpose,
        owner: &PrincipalId,
        sealed: &str,
        now: Timestamp,
    ) -> Result<T, NotSealed> {
        if sealed.len() > SEALED_CHARS_MAX {
            return Err(NotSealed);
        }
        let bytes = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| NotSealed)?;
        let (nonce, text) = bytes.split_at_checked(NONCE_BYTES).ok_or(NotSealed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| NotSealed)?;
        let mut text = text.to_vec();
        let plain = self
            .key
            .open_in_place(nonce, associated(purpose, owner), &mut text)
            .map_err(|_| NotSealed)?;
        let envelope: Envelope<T> = serde_json::from_slice(plain).map_err(|_| NotSealed)?;
        if now.as_second() >= envelope.e {
            return Err(NotSealed);
        }
        Ok(envelope.c)
    }
}

fn associated(purpose: Purpose, owner: &PrincipalId) -> Aad<Vec<u8>> {
    let mut text = Vec::with_capacity(purpose.label().len() + 1 + owner.as_str().len());
    text.extend_from_slice(purpose.label().as_bytes());
    text.push(0);
    text.extend_from_slice(owner.as_str().as_bytes());
    Aad::from(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_mins(1);

    fn owner(name: &str) -> PrincipalId {
        PrincipalId::new(name).unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn opens_only_for_the_same_purpose_owner_key_and_time() {
        let sealer = Sealer::new(&[7; 32]).unwrap();
        let anna = owner("user:anna");
        let sealed = sealer
            .seal(Purpose::Cursor, &anna, &"state", at(1000), LIFE)
            .unwrap();
        let open = |sealer: &Sealer, purpose, owner: &PrincipalId, text: &str, now| {
            sealer.open::<String>(purpose, owner, text, at(now))
        };
        assert_eq!(
            open(&sealer, Purpose::Cursor, &anna, &sealed, 1059).unwrap(),
            "state"
        );
        assert!(open(&sealer, Purpose::Cursor, &anna, &sealed, 1060).is_err());
        assert!(open(&sealer, Purpose::Task, &anna, &sealed, 1000).is_err());
        assert!(open(&sealer, Purpose::Cursor, &owner("user:bob"), &sealed, 1000).is_err());
        let other = Sealer::new(&[8; 32]).unwrap();
        assert!(open(&other, Purpose::Cursor, &anna, &sealed, 1000).is_err());
    }

    #[test]
    fn handles_without_an_end_are_always_the_same_text() {
        let sealer = Sealer::new(&[7; 32]).unwrap();
        let anna = owner("user:anna");
        let one = sealer
            .seal_forever(Purpose::Task, &anna, &"task-1")
            .unwrap();
        assert_eq!(
            one,
            sealer
                .seal_forever(Purpose::Task, &anna, &"task-1")
                .unwrap()
        );
        assert_ne!(
            one,
            sealer
                .seal_forever(Purpose::Task, &anna, &"task-2")
                .unwrap()
        );
        assert!(
            sealer
                .open::<String>(Purpose::Task, &anna, &one, Timestamp::MAX)
                .is_ok()
        );
    }

    #[test]
    fn every_changed_character_is_noticed() {
        let sealer = Sealer::new(&[7; 32]).unwrap();
        let anna = owner("user:anna");
        let sealed = sealer
            .seal(Purpose::Cursor, &anna, &1234_u32, at(0), LIFE)
            .unwrap();
        for at_char in 0..sealed.len() {
            let mut bytes = sealed.clone().into_bytes();
            bytes[at_char] = if bytes[at_char] == b'A' { b'B' } else { b'A' };
            let tampered = String::from_utf8(bytes).unwrap();
            let opened = sealer.open::<u32>(Purpose::Cursor, &anna, &tampered, at(0));
            assert!(opened.is_err(), "character {at_char}");
        }
        for garbage in ["", "AAAA", "日本", &"A".repeat(100_000)] {
            assert!(
                sealer
                    .open::<u32>(Purpose::Cursor, &anna, garbage, at(0))
                    .is_err()
            );
        }
    }
}
