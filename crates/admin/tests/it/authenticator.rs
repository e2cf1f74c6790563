//! A passkey in software (WebAuthn), and the arithmetic of one-time codes, written for tests only.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// What comes before the point in a P-256 SubjectPublicKeyInfo.
const SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A passkey that always finds its person.
pub(crate) struct SoftPasskey {
    origin: String,
    relying_party: String,
    key: EcdsaKeyPair,
    id: Vec<u8>,
    counter: u32,
}

impl SoftPasskey {
    pub(crate) fn new(origin: &str, relying_party: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            relying_party: relying_party.to_owned(),
            key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap(),
            id: vec![7; 32],
            counter: 1,
        }
    }

    /// What a browser sends for `navigator.credentials.create`.
    pub(crate) fn create(&mut self, asked: &Value) -> Value {
        assert_eq!(asked["options"]["rp"]["id"], *self.relying_party);
        assert_eq!(
            asked["options"]["authenticatorSelection"]["userVerification"],
            "required"
        );
        let mut data = self.authenticator_data(0x45);
        data.extend([0; 16]);
        data.extend(u16::try_from(self.id.len()).unwrap().to_be_bytes());
        data.extend(&self.id);
        let point = self.key.public_key().as_ref();
        let spki = [SPKI_PREFIX.as_slice(), point].concat();
        json!({
            "handle": asked["handle"], "name": "ノート", "credentialId": text(&self.id),
            "clientData": Self::client_data("webauthn.create", asked, &self.origin),
            "authenticatorData": text(&data), "publicKey": text(&spki), "algorithm": -7,
        })
    }

    /// What a browser sends for `navigator.credentials.get`.
    pub(crate) fn get(&mut self, asked: &Value) -> Value {
        self.counter += 1;
        self.signed(asked, &self.origin.clone(), 0x05)
    }

    /// The same with one thing wrong.
    pub(crate) fn spoiled(&mut self, asked: &Value, what: &str) -> Value {
        self.counter += 1;
        let origin = self.origin.clone();
        match what {
            "origin" => self.signed(asked, "https://evil.example", 0x05),
            "user verification" => self.signed(asked, &origin, 0x01),
            "challenge" => {
                let mut other = asked.clone();
                other["options"]["challenge"] = json!(text(b"another challenge"));
                self.signed(&other, &origin, 0x05)
            }
            "signature" => {
                let mut answer = self.signed(asked, &origin, 0x05);
                let other = self.signed(asked, "https://evil.example", 0x05);
                answer["signature"] = other["signature"].clone();
                answer
            }
            "counter" => {
                let now = self.counter;
                self.counter = 1;
                let answer = self.signed(asked, &origin, 0x05);
                self.counter = now;
                answer
            }
            "relying party" => {
                let right = std::mem::replace(&mut self.relying_party, "evil.example".into());
                let answer = self.signed(asked, &origin, 0x05);
                self.relying_party = right;
                answer
            }
            other => panic!("{other}"),
        }
    }

    fn signed(&self, asked: &Value, origin: &str, flags: u8) -> Value {
        let client_data = Self::client_data("webauthn.get", asked, origin);
        let data = self.authenticator_data(flags);
        let hash = digest::digest(
            &digest::SHA256,
            &URL_SAFE_NO_PAD.decode(&client_data).unwrap(),
        );
        let message = [data.as_slice(), hash.as_ref()].concat();
        let signature = self.key.sign(&SystemRandom::new(), &message).unwrap();
        json!({
            "handle": asked["handle"], "credentialId": text(&self.id), "clientData": client_data,
            "authenticatorData": text(&data), "signature": text(signature.as_ref()),
        })
    }

    fn client_data(kind: &str, asked: &Value, origin: &str) -> String {
        let data = json!({
            "type": kind, "challenge": asked["options"]["challenge"], "origin": origin,
            "crossOrigin": false,
        });
        text(data.to_string().as_bytes())
    }

    fn authenticator_data(&self, flags: u8) -> Vec<u8> {
        let mut data = digest::digest(&digest::SHA256, self.relying_party.as_bytes())
            .as_ref()
            .to_vec();
        data.push(flags);
        data.extend(self.counter.to_be_bytes());
        data
    }
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// RFC 4226.
pub(crate) fn hotp(key: &[u8], counter: u64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    let tag = hmac::sign(&key, &counter.to_be_bytes());
    let tag = tag.as_ref();
    let offset = usize::from(tag[19] & 15);
    let number = u32::from_be_bytes(tag[offset..offset + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}
