//! Signed assertions: a client that proves who it is (`private_key_jwt`, RFC 7523), and an identity provider
//! that vouches for a person and a client (ID-JAG).
//!
//! Each counts once: its `jti` is remembered until it ends.

use jiff::{SignedDuration, Timestamp};
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::{ClientId, PrincipalId};
use sekimori_domain::oauth::{ClientAuthentication, ClientKeys, ClientKind, OAuthClient};
use serde_json::{Map, Value};

use super::config::EnterpriseIssuer;
use super::error::{OAuthErrorCode, OAuthRefusal, invalid_client, invalid_grant};
use super::keys::later;
use super::params::Params;
use super::{AuthorizationServer, client_metadata};
use crate::token::{Algorithm, IssuerKeys, Jws, KeySet};

const CLIENT_ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Longest life of an assertion: it has to be remembered as long.
const LIFE_MAX: SignedDuration = SignedDuration::from_mins(10);
/// How far clocks may be apart.
const SKEW: SignedDuration = SignedDuration::from_secs(30);
/// Longest id of an assertion.
const JTI_BYTES_MAX: usize = 512;
/// The type of an identity assertion (draft-ietf-oauth-identity-assertion-authz-grant).
const ID_JAG: &str = "oauth-id-jag+jwt";

/// Who asks for tokens.
#[derive(Debug)]
pub(super) struct AskingClient {
    pub(super) client: OAuthClient,
    /// Whether it proved who it is.
    pub(super) proved: bool,
    /// The document whose keys it proved that with, where they come from one.
    pub(super) document: Option<Digest>,
}

/// Whom an identity provider vouches for.
#[derive(Debug)]
pub(super) struct VouchedFor {
    pub(super) user: PrincipalId,
    pub(super) resource: String,
    pub(super) scope: Option<String>,
    pub(super) auth_time: Option<Timestamp>,
    pub(super) acr: Option<String>,
    pub(super) amr: Vec<String>,
}

/// An identity provider and its keys.
pub(super) struct Enterprise {
    pub(super) config: EnterpriseIssuer,
    pub(super) keys: std::sync::Arc<IssuerKeys>,
}

type Claims = Map<String, Value>;

fn text<'a>(claims: &'a Claims, name: &str) -> Option<&'a str> {
    claims.get(name)?.as_str().filter(|text| !text.is_empty())
}

fn time(claims: &Claims, name: &str) -> Option<Timestamp> {
    Timestamp::from_second(claims.get(name)?.as_i64()?).ok()
}

/// Whether the times of an assertion allow it now, and when it ends. It must end soon.
fn ends(claims: &Claims, now: Timestamp) -> Option<Timestamp> {
    let expires = time(claims, "exp")?;
    let issued = match claims.get("iat") {
        Some(_) => time(claims, "iat")?,
        None => now,
    };
    let not_before = match claims.get("nbf") {
        Some(_) => time(claims, "nbf")?,
        None => issued,
    };
    let in_time = now < later(expires, SKEW)
        && issued <= later(now, SKEW)
        && not_before <= later(now, SKEW)
        && expires <= later(now, LIFE_MAX + SKEW);
    in_time.then_some(expires)
}

impl AuthorizationServer {
    /// Who sends the request, proved where the client has keys.
    pub(super) async fn asking_client(
        &self,
        params: &Params,
    ) -> Result<AskingClient, OAuthRefusal> {
        let named = params.one("client_id")?;
        let assertion = params.one("client_assertion")?;
        let kind = params.one("client_assertion_type")?;
        let Some(assertion) = assertion else {
            let id = named.ok_or_else(invalid_client)?;
            let client = self.client_at_token(id).await?;
            if client.authentication != ClientAuthentication::None {
                return Err(invalid_client().of_client(&client.id));
            }
            return Ok(AskingClient {
                client,
                proved: false,
                document: None,
            });
        };
        if kind != Some(CLIENT_ASSERTION_TYPE) {
            return Err(invalid_client());
        }
        let jws = Jws::parse(assertion).map_err(|_| invalid_client())?;
        let id = text(&jws.claims, "iss").ok_or_else(invalid_client)?;
        if text(&jws.claims, "sub") != Some(id) || named.is_some_and(|named| named != id) {
            return Err(invalid_client());
        }
        let client = self.client_at_token(id).await?;
        let refused = || invalid_client().of_client(&client.id);
        if client.authentication != ClientAuthentication::PrivateKeyJwt {
            return Err(refused());
        }
        let (keys, document) = self.keys_of(&client).await?;
        let algorithm: Algorithm = jws.header.alg.parse().map_err(|_| refused())?;
        let signed = keys
            .find(jws.header.kid.as_deref(), algorithm)
            .is_some_and(|key| key.verifies(jws.signed, &jws.signature));
        // A token of another kind, signed with the same key, is no proof.
        let typed = jws.header.typ.as_deref().is_none_or(|typ| {
            typ.eq_ignore_ascii_case("jwt") || typ.eq_ignore_ascii_case("client-authentication+jwt")
        });
        if !signed || !typed || !self.is_audience(&jws.claims) {
            return Err(refused());
        }
        let ends = ends(&jws.claims, self.clock.now()).ok_or_else(refused)?;
        if !self.is_first(&jws.claims, id, ends).await? {
            return Err(refused());
        }
        Ok(AskingClient {
            client,
            proved: true,
            document,
        })
    }

    /// The audience must be us, as issuer or as the endpoint that the assertion is for, and nobody else.
    fn is_audience(&self, claims: &Claims) -> bool {
        let token_endpoint = format!("{}/token", self.issuer());
        let revocation_endpoint = format!("{}/revoke", self.issuer());
        let ours = |audience: &str| {
            audience == self.issuer()
                || audience == token_endpoint
                || audience == revocation_endpoint
        };
        match claims.get("aud") {
            Some(Value::String(one)) => ours(one),
            Some(Value::Array(list)) => match list.as_slice() {
                [Value::String(one)] => ours(one),
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether an assertion is seen for the first time.
    async fn is_first(
        &self,
        claims: &Claims,
        issuer: &str,
        ends: Timestamp,
    ) -> Result<bool, OAuthRefusal> {
        let Some(jti) = text(claims, "jti").filter(|jti| jti.len() <= JTI_BYTES_MAX) else {
            return Ok(false);
        };
        let length = issuer.len().to_string();
        let parts = [length.as_bytes(), b":", issuer.as_bytes(), jti.as_bytes()];
        let digest = Digest::of_parts(&parts);
        Ok(self.oauth.first_use(&digest, later(ends, SKEW)).await?)
    }

    /// The keys of a client, and the document that they come from now.
    async fn keys_of(
        &self,
        client: &OAuthClient,
    ) -> Result<(KeySet, Option<Digest>), OAuthRefusal> {
        let refused = || invalid_client().of_client(&client.id);
        // What a metadata document says now counts, not what it said once.
        let described;
        let mut document = None;
        let keys = if client.kind == ClientKind::MetadataDocument {
            described = self
                .documents
                .client(client.id.as_str())
                .await
                .map_err(|_| refused())?;
            document = Some(described.digest);
            described.client.keys.as_ref()
        } else {
            client.keys.as_ref()
        };
        let set = match keys.ok_or_else(refused)? {
            ClientKeys::Set(set) => set.clone(),
            ClientKeys::Address(at) => self.documents.key_set(at).await.map_err(|_| refused())?,
        };
        let keys = KeySet::read(&set, &Algorithm::ALL).ok_or_else(refused)?;
        Ok((keys, document))
    }

    /// Whom an identity provider vouches for, to this client.
    pub(super) async fn vouched_for(
        &self,
        assertion: &str,
        client: &ClientId,
    ) -> Result<VouchedFor, OAuthRefusal> {
        let jws = Jws::parse(assertion).map_err(|_| invalid_grant("the assertion is not a JWT"))?;
        let claims = &jws.claims;
        if jws.header.typ.as_deref() != Some(ID_JAG) {
            return Err(invalid_grant(
                "the assertion is not an identity assertion (ID-JAG)",
            ));
        }
        let issuer = text(claims, "iss");
        let enterprise = self
            .enterprise
            .iter()
            .find(|one| Some(one.config.issuer.issuer.as_str()) == issuer)
            .ok_or_else(|| {
                invalid_grant("the assertion comes from an issuer that is not trusted")
            })?;
        self.check_signature(enterprise, &jws).await?;
        if text(claims, "aud") != Some(self.issuer()) {
            return Err(invalid_grant(
                "the assertion was made for another authorization server",
            ));
        }
        if text(claims, "client_id") != Some(client.as_str()) {
            return Err(invalid_grant("the assertion was made for another client"));
        }
        let ends = ends(claims, self.clock.now())
            .filter(|_| time(claims, "iat").is_some())
            .ok_or_else(|| invalid_grant("the assertion has ended or lasts too long"))?;
        let resource = text(claims, "resource")
            .ok_or_else(|| invalid_grant("the assertion names no resource"))?;
        let subject =
            text(claims, "sub").ok_or_else(|| invalid_grant("the assertion names nobody"))?;
        if !self
            .is_first(claims, &enterprise.config.issuer.issuer, ends)
            .await?
        {
            return Err(invalid_grant("the assertion was used before, or has no id"));
        }
        let person = self
            .people
            .user_by_link(&enterprise.config.provider, subject)
            .await?
            .filter(|person| person.active)
            .ok_or_else(|| invalid_grant("the person is not known here, or not active"))?;
        let amr = claims.get("amr").and_then(Value::as_array);
        Ok(VouchedFor {
            user: person.id,
            resource: resource.to_owned(),
            scope: text(claims, "scope").map(str::to_owned),
            auth_time: time(claims, "auth_time"),
            acr: text(claims, "acr").map(client_metadata::displayable),
            amr: amr.map_or_else(Vec::new, |list| {
                let texts = list.iter().filter_map(Value::as_str).take(16);
                texts.map(client_metadata::displayable).collect()
            }),
        })
    }

    async fn check_signature(
        &self,
        enterprise: &Enterprise,
        jws: &Jws<'_>,
    ) -> Result<(), OAuthRefusal> {
        let wrong = || invalid_grant("the signature of the assertion is wrong");
        let algorithm = jws
            .header
            .alg
            .parse::<Algorithm>()
            .ok()
            .filter(|one| enterprise.config.issuer.algorithms.contains(one))
            .ok_or_else(wrong)?;
        let kid = jws.header.kid.as_deref();
        match enterprise
            .keys
            .verify(kid, algorithm, jws.signed, &jws.signature)
            .await
        {
            Ok(_) => Ok(()),
            Err(crate::token::TokenError::KeysUnavailable) => Err(OAuthRefusal::new(
                OAuthErrorCode::TemporarilyUnavailable,
                "the keys of the identity provider cannot be fetched now",
            )),
            Err(_) => Err(wrong()),
        }
    }
}
