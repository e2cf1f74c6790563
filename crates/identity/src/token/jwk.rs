//! Public keys of an issuer (RFC 7517), each bound to the one algorithm it may verify.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sekimori_domain::digest::Digest;
use serde_json::{Map, Value};

/// Most keys taken from one issuer.
const KEYS_MAX: usize = 64;
/// Members that only a private or symmetric key has. Who publishes them has given the key away.
const SECRET_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Signature algorithms (RFC 7518, RFC 8037). Asymmetric only: with a shared secret, who can verify can
/// also sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
    /// RSA PKCS #1 v1.5 with SHA-256.
    Rs256,
    /// RSA PSS with SHA-256.
    Ps256,
}

/// The text names no accepted algorithm.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an accepted signature algorithm: use ES256, EdDSA, RS256 or PS256")]
pub struct UnknownAlgorithm;

impl Algorithm {
    /// All algorithms.
    pub const ALL: [Self; 4] = [Self::Es256, Self::EdDsa, Self::Rs256, Self::Ps256];

    /// The name in a token's `alg`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str() == text)
            .ok_or(UnknownAlgorithm)
    }
}

/// A key that verifies signatures of one algorithm.
#[derive(Debug)]
pub(crate) struct VerificationKey {
    pub(crate) kid: Option<String>,
    pub(crate) algorithm: Algorithm,
    key: ParsedPublicKey,
}

impl VerificationKey {
    pub(crate) fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        self.key.verify_sig(signed, signature).is_ok()
    }
}

/// The usable keys of an issuer.
#[derive(Debug, Default)]
pub(crate) struct KeySet {
    keys: Vec<VerificationKey>,
    /// Digest of ids, algorithms and keys: tells whether a set is another one.
    pub(crate) digest: Option<Digest>,
}

impl KeySet {
    /// Takes the keys that can verify one of `algorithms`; `None` if it is no key set. Others in it are
    /// passed over: issuers publish keys for many purposes.
    pub(crate) fn read(document: &Value, algorithms: &[Algorithm]) -> Option<Self> {
        let list = document.get("keys")?.as_array()?;
        let mut set = Self::default();
        let mut parts: Vec<Vec<u8>> = Vec::new();
        for jwk in list.iter().take(KEYS_MAX).filter_map(Value::as_object) {
            for &algorithm in algorithms {
                let Some(key) = read_key(jwk, algorithm) else {
                    continue;
                };
                let kid = text(jwk, "kid").map(str::to_owned);
                parts.push(format!("{kid:?} {algorithm} ").into_bytes());
                parts.push(key.as_ref().to_vec());
                set.keys.push(VerificationKey {
                    kid,
                    algorithm,
                    key,
                });
            }
        }
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        set.digest = Some(Digest::of_parts(&parts));
        Some(set)
    }

    /// The key of that id for that algorithm. A token without a key id is verified only if there is no
    /// choice.
    pub(crate) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<&VerificationKey> {
        let mut fitting = self.keys.iter().filter(|key| {
            key.algorithm == algorithm && (kid.is_none() || key.kid.as_deref() == kid)
        });
        let found = fitting.next()?;
        (kid.is_some() || fitting.next().is_none()).then_some(found)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

fn text<'a>(jwk: &'a Map<String, Value>, member: &str) -> Option<&'a str> {
    jwk.get(member)?.as_str()
}

fn bytes(jwk: &Map<String, Value>, member: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text(jwk, member)?).ok()
}

/// The key as one for `algorithm`, if it is one and may be used for that.
fn read_key(jwk: &Map<String, Value>, algorithm: Algorithm) -> Option<ParsedPublicKey> {
    if SECRET_MEMBERS
        .iter()
        .any(|member| jwk.contains_key(*member))
    {
        tracing::warn!("an issuer publishes a secret key; it is not used");
        return None;
    }
    let for_signatures = jwk.get("use").is_none_or(|value| value == "sig")
        && jwk.get("key_ops").is_none_or(|operations| {
            operations
                .as_array()
                .is_some_and(|list| list.iter().any(|operation| operation == "verify"))
        })
        && jwk
            .get("alg")
            .is_none_or(|value| value == algorithm.as_str());
    if !for_signatures {
        return None;
    }
    match (algorithm, text(jwk, "kty")?) {
        (Algorithm::Es256, "EC") if text(jwk, "crv") == Some("P-256") => {
            let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
            (x.len() == 32 && y.len() == 32).then_some(())?;
            // SEC 1: 4 marks an uncompressed point.
            let point = [&[4], x.as_slice(), y.as_slice()].concat();
            ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).ok()
        }
        (Algorithm::EdDsa, "OKP") if text(jwk, "crv") == Some("Ed25519") => {
            ParsedPublicKey::new(&ED25519, bytes(jwk, "x")?).ok()
        }
        (Algorithm::Rs256, "RSA") => rsa(jwk)?
            .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
            .ok(),
        (Algorithm::Ps256, "RSA") => rsa(jwk)?
            .to_parsed_public_key(&RSA_PSS_2048_8192_SHA256)
            .ok(),
        _ => None,
    }
}

fn rsa(jwk: &Map<String, Value>) -> Option<RsaPublicKeyComponents<Vec<u8>>> {
    let (n, e) = (bytes(jwk, "n")?, bytes(jwk, "e")?);
    // 2048 to 8192 bits: shorter is weak, longer is a way to keep us busy.
    ((256..=1024).contains(&n.len()) && e.len() <= 8).then_some(RsaPublicKeyComponents { n, e })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    // RFC 7515 appendix A.3 (P-256), RFC 8037 appendix A.2 (Ed25519).
    fn ec() -> Value {
        json!({"kty": "EC", "crv": "P-256", "kid": "1",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})
    }

    fn ed() -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "kid": "2",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
    }

    fn read(keys: &[Value]) -> KeySet {
        KeySet::read(&json!({"keys": keys}), &Algorithm::ALL).unwrap()
    }

    fn with(mut key: Value, member: &str, value: Value) -> Value {
        key[member] = value;
        key
    }

    #[test]
    fn a_key_serves_its_own_algorithm_only() {
        let set = read(&[ec(), ed()]);
        assert!(set.find(Some("1"), Algorithm::Es256).is_some());
        assert!(set.find(Some("2"), Algorithm::EdDsa).is_some());
        assert!(set.find(Some("1"), Algorithm::EdDsa).is_none());
        assert!(set.find(Some("1"), Algorithm::Rs256).is_none());
        assert!(set.find(Some("3"), Algorithm::Es256).is_none());
    }

    #[test]
    fn without_a_key_id_there_must_be_no_choice() {
        let set = read(&[ec(), ed()]);
        assert!(set.find(None, Algorithm::Es256).is_some());
        let set = read(&[ec(), with(ec(), "kid", json!("other"))]);
        assert!(set.find(None, Algorithm::Es256).is_none());
    }

    #[test]
    fn secret_and_foreign_keys_are_passed_over() {
        for bad in [
            with(ec(), "d", json!("AA")),
            json!({"kty": "oct", "k": "AAAA", "kid": "1"}),
            json!({"kty": "oct", "kid": "1"}),
            with(ec(), "use", json!("enc")),
            with(ec(), "key_ops", json!(["sign"])),
            with(ec(), "alg", json!("ES384")),
            with(ec(), "crv", json!("P-384")),
            with(ec(), "x", json!("AAAA")),
            with(
                ec(),
                "y",
                json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            ),
            json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"}),
            json!("text"),
        ] {
            assert!(read(std::slice::from_ref(&bad)).is_empty(), "{bad}");
        }
        assert!(KeySet::read(&json!({"keys": {}}), &Algorithm::ALL).is_none());
        assert!(KeySet::read(&json!([]), &Algorithm::ALL).is_none());
    }

    #[test]
    fn algorithms_that_were_not_configured_get_no_keys() {
        let set = KeySet::read(&json!({"keys": [ec()]}), &[Algorithm::Rs256]).unwrap();
        assert!(set.is_empty());
    }

    #[test]
    fn the_digest_tells_sets_apart() {
        assert_eq!(read(&[ec()]).digest, read(&[ec()]).digest);
        assert_ne!(read(&[ec()]).digest, read(&[ec(), ed()]).digest);
        let renamed = with(ec(), "kid", json!("9"));
        assert_ne!(read(&[ec()]).digest, read(&[renamed]).digest);
    }
}
