//! Passkeys (WebAuthn level 2), verified with nothing but the crypto library.
//!
//! Attestation is not asked for: what make a passkey has is of no interest here. Without it the public key
//! that the browser hands out beside the attestation object (`getPublicKey()`) is worth exactly as much as
//! the one within, so no CBOR is read.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    VerificationAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Uri;
use sekimori_domain::digest::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use super::failure::Reason;
use crate::resource::PublicUrl;

/// Longest of each part that a browser may send.
const PART_CHARS_MAX: usize = 8 * 1024;
/// RFC: credential ids have 1023 bytes at most.
const CREDENTIAL_BYTES_MAX: usize = 1_023;
const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const ATTESTED: u8 = 0x40;
/// How long a browser may wait for the person, in milliseconds.
const TIMEOUT_MS: u32 = 300_000;

/// What a browser is asked (`navigator.credentials`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasskeyOptions {
    /// Comes back with the answer.
    pub handle: String,
    /// The `publicKey` member, with bytes in base64url.
    pub options: Value,
}

/// A new passkey, as the browser tells; bytes in base64url.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewPasskey {
    /// From the options.
    pub handle: String,
    /// The name that the person gives it.
    pub name: String,
    /// `rawId`.
    pub credential_id: String,
    /// `response.clientDataJSON`.
    pub client_data: String,
    /// `response.getAuthenticatorData()`.
    pub authenticator_data: String,
    /// `response.getPublicKey()`.
    pub public_key: String,
    /// `response.getPublicKeyAlgorithm()`.
    pub algorithm: i32,
}

/// A passkey's signature, as the browser tells; bytes in base64url.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PasskeyAnswer {
    /// From the options.
    pub handle: String,
    /// `rawId`.
    pub credential_id: String,
    /// `response.clientDataJSON`.
    pub client_data: String,
    /// `response.authenticatorData`.
    pub authenticator_data: String,
    /// `response.signature`.
    pub signature: String,
}

/// What is kept of a passkey.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Material {
    algorithm: i32,
    /// SubjectPublicKeyInfo in base64url.
    public_key: String,
}

/// The gate as relying party.
#[derive(Debug)]
pub(super) struct RelyingParty<'a> {
    origin: &'a str,
    /// The host of the origin.
    pub(super) id: String,
}

impl<'a> RelyingParty<'a> {
    /// `None` if the gate is addressed by a number: browsers know passkeys for names only.
    pub(super) fn of(public_url: &'a PublicUrl) -> Option<Self> {
        let uri: Uri = public_url.as_str().parse().ok()?;
        let host = uri.host()?;
        let number = host.starts_with('[') || host.parse::<std::net::IpAddr>().is_ok();
        (!number).then(|| Self {
            origin: public_url.as_str(),
            id: host.to_owned(),
        })
    }

    /// What a browser is asked for a new passkey.
    pub(super) fn creation(
        &self,
        handle: &str,
        title: &str,
        user: (&str, &str, &str),
        existing: &[String],
    ) -> Value {
        let (id, name, display_name) = user;
        json!({
            "rp": {"id": self.id, "name": title},
            "user": {
                "id": URL_SAFE_NO_PAD.encode(id), "name": name, "displayName": display_name,
            },
            "challenge": URL_SAFE_NO_PAD.encode(handle),
            "pubKeyCredParams": [
                {"type": "public-key", "alg": -8},
                {"type": "public-key", "alg": -7},
                {"type": "public-key", "alg": -257},
            ],
            "authenticatorSelection": {"residentKey": "preferred", "userVerification": "required"},
            "excludeCredentials": credentials(existing),
            "attestation": "none",
            "timeout": TIMEOUT_MS,
        })
    }

    /// What a browser is asked for a signature.
    pub(super) fn request(&self, handle: &str, allowed: &[String]) -> Value {
        json!({
            "rpId": self.id,
            "challenge": URL_SAFE_NO_PAD.encode(handle),
            "allowCredentials": credentials(allowed),
            "userVerification": "required",
            "timeout": TIMEOUT_MS,
        })
    }

    /// A new passkey: its signature counter and what is to be kept.
    pub(super) fn register(&self, new: &NewPasskey) -> Result<(u64, Material), Reason> {
        self.client_data(&new.client_data, "webauthn.create", &new.handle)?;
        let bytes = decoded(&new.authenticator_data)?;
        let data = self.authenticator_data(&bytes)?;
        if data.flags & ATTESTED == 0 || data.credential_id() != Some(decoded(&new.credential_id)?)
        {
            return Err(Reason::WrongCode);
        }
        let material = Material {
            algorithm: new.algorithm,
            public_key: new.public_key.clone(),
        };
        // Now rather than when the person needs it.
        material.key()?;
        Ok((data.counter, material))
    }

    /// A signature: the signature counter, if it is right.
    pub(super) fn verify(&self, answer: &PasskeyAnswer, material: &str) -> Result<u64, Reason> {
        let client_data = self.client_data(&answer.client_data, "webauthn.get", &answer.handle)?;
        let bytes = decoded(&answer.authenticator_data)?;
        let data = self.authenticator_data(&bytes)?;
        let material: Material = serde_json::from_str(material).map_err(|_| Reason::Internal)?;
        let signed = [bytes.as_slice(), &Digest::of(&client_data).0].concat();
        material
            .key()?
            .verify_sig(&signed, &decoded(&answer.signature)?)
            .map_err(|_| Reason::WrongCode)?;
        Ok(data.counter)
    }

    /// Checks what the browser says it was asked, by whom and where.
    fn client_data(&self, text: &str, kind: &str, handle: &str) -> Result<Vec<u8>, Reason> {
        let bytes = decoded(text)?;
        let data: ClientData = serde_json::from_slice(&bytes).map_err(|_| Reason::WrongCode)?;
        let challenge = URL_SAFE_NO_PAD.encode(handle);
        let right = data.kind == kind
            && data.origin == self.origin
            && !data.cross_origin
            && bool::from(data.challenge.as_bytes().ct_eq(challenge.as_bytes()));
        right.then_some(bytes).ok_or(Reason::WrongCode)
    }

    fn authenticator_data<'d>(&self, bytes: &'d [u8]) -> Result<AuthenticatorData<'d>, Reason> {
        let data = AuthenticatorData::read(bytes).ok_or(Reason::WrongCode)?;
        let needed = USER_PRESENT | USER_VERIFIED;
        if *data.relying_party == Digest::of(self.id.as_bytes()).0 && data.flags & needed == needed
        {
            Ok(data)
        } else {
            Err(Reason::WrongCode)
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: bool,
}

/// Authenticator data (WebAuthn section 6.1), as far as it is looked at.
struct AuthenticatorData<'d> {
    relying_party: &'d [u8; 32],
    flags: u8,
    counter: u64,
    rest: &'d [u8],
}

impl<'d> AuthenticatorData<'d> {
    fn read(bytes: &'d [u8]) -> Option<Self> {
        let (relying_party, rest) = bytes.split_first_chunk::<32>()?;
        let (flags, rest) = rest.split_first()?;
        let (counter, rest) = rest.split_first_chunk::<4>()?;
        Some(Self {
            relying_party,
            flags: *flags,
            counter: u64::from(u32::from_be_bytes(*counter)),
            rest,
        })
    }

    /// The id of an attested credential.
    fn credential_id(&self) -> Option<Vec<u8>> {
        let (_model, rest) = self.rest.split_first_chunk::<16>()?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length));
        let id = rest.get(..length)?;
        (1..=CREDENTIAL_BYTES_MAX)
            .contains(&length)
            .then(|| id.to_vec())
    }
}

impl Material {
    /// The key, for the one algorithm that it was registered with (COSE numbers).
    fn key(&self) -> Result<ParsedPublicKey, Reason> {
        let algorithm: &'static dyn VerificationAlgorithm = match self.algorithm {
            -7 => &ECDSA_P256_SHA256_ASN1,
            -8 => &ED25519,
            -257 => &RSA_PKCS1_2048_8192_SHA256,
            _ => return Err(Reason::Invalid("this kind of passkey is not supported")),
        };
        ParsedPublicKey::new(algorithm, decoded(&self.public_key)?)
            .map_err(|_| Reason::Invalid("the passkey's public key can't be read"))
    }
}

fn credentials(ids: &[String]) -> Vec<Value> {
    ids.iter()
        .map(|id| json!({"type": "public-key", "id": id}))
        .collect()
}

fn decoded(text: &str) -> Result<Vec<u8>, Reason> {
    if text.len() > PART_CHARS_MAX {
        return Err(Reason::WrongCode);
    }
    let text = text.trim_end_matches('=');
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Reason::WrongCode)
}
