//! `/token` and `/revoke`: what a grant turns into, and how it ends.

use std::fmt;
use std::net::IpAddr;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::PrincipalId;
use sekimori_domain::oauth::{
    AuthorizationCode, Grant, GrantKind, OAuthClient, RefreshToken, SignInFacts,
};
use sekimori_domain::service_account::ServiceAccount;
use sekimori_store::{CodeUse, GrantsOf, Rotation};
use serde_json::{Map, Value, json};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::assertion::AskingClient;
use super::error::{
    OAuthErrorCode, OAuthRefusal, Theft, invalid_client, invalid_grant, invalid_request,
};
use super::keys::later;
use super::params::Params;
use super::{AuthorizationServer, scopes};
use crate::secret::new_secret;

/// Begins every refresh token. Secret scanners find leaked ones by it.
pub(super) const REFRESH_PREFIX: &str = "smr_";
/// How long an exchanged refresh token may be exchanged once more for the same successor: clients with
/// several windows refresh in parallel.
const GRACE: SignedDuration = SignedDuration::from_secs(10);
/// How long a grant without a person at a browser is kept, so that it can be seen and revoked.
const MACHINE_GRANT: SignedDuration = SignedDuration::from_hours(12);
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// Tokens that were issued.
pub struct IssuedTokens {
    /// The access token.
    pub access_token: Zeroizing<String>,
    /// How long it lives, in seconds.
    pub expires_in: i64,
    /// The refresh token, where there is one.
    pub refresh_token: Option<Zeroizing<String>>,
    /// The scopes of the access token.
    pub scopes: Vec<String>,
    /// The grant behind them.
    pub grant: Box<Grant>,
    /// Which way they were asked for: `authorization_code`, `refresh_token`, …
    pub grant_type: &'static str,
}

impl fmt::Debug for IssuedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedTokens")
            .field("grant", &self.grant.id)
            .field("grant_type", &self.grant_type)
            .finish_non_exhaustive()
    }
}

impl IssuedTokens {
    /// The answer (RFC 6749 section 5.1).
    pub fn to_json(&self) -> Value {
        let mut answer = json!({
            "access_token": self.access_token.as_str(),
            "token_type": "Bearer",
            "expires_in": self.expires_in,
            "scope": self.scopes.join(" "),
        });
        if let (Some(token), Some(members)) = (&self.refresh_token, answer.as_object_mut()) {
            members.insert("refresh_token".to_owned(), json!(token.as_str()));
        }
        answer
    }
}

/// The key under which refresh tokens follow each other: the successor of a token is a keyed digest of it,
/// so that two exchanges of the same token bring the same successor without its text being stored.
pub(super) struct Succession(hmac::Key);

impl Succession {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    fn successor(&self, token: &str) -> Zeroizing<String> {
        let tag = hmac::sign(&self.0, token.as_bytes());
        Zeroizing::new(format!("{REFRESH_PREFIX}{}", URL_SAFE_NO_PAD.encode(tag)))
    }
}

impl AuthorizationServer {
    /// A request for tokens, from the address `ip`.
    pub async fn token(
        &self,
        params: &Params,
        ip: Option<IpAddr>,
    ) -> Result<IssuedTokens, OAuthRefusal> {
        let grant_type = params
            .one("grant_type")?
            .ok_or_else(|| invalid_request("grant_type is missing"))?;
        match grant_type {
            "authorization_code" => self.by_code(params).await,
            "refresh_token" => self.by_refresh_token(params).await,
            "client_credentials" => self.by_client_credentials(params, ip).await,
            JWT_BEARER if !self.enterprise.is_empty() => self.by_assertion(params).await,
            _ => Err(OAuthRefusal::new(
                OAuthErrorCode::UnsupportedGrantType,
                "this grant_type is not offered",
            )),
        }
    }

    async fn by_code(&self, params: &Params) -> Result<IssuedTokens, OAuthRefusal> {
        let asking = self.asking_client(params).await?;
        let id = asking.client.id.clone();
        let exchange = async {
            let code = params
                .one("code")?
                .ok_or_else(|| invalid_request("code is missing"))?;
            let verifier = params
                .one("code_verifier")?
                .ok_or_else(|| invalid_request("code_verifier is missing (PKCE)"))?;
            let now = self.clock.now();
            let digest = Digest::of(code.as_bytes());
            let (code, grant) = match self.oauth.use_code(&digest, now).await? {
                CodeUse::First(code, grant) => (*code, *grant),
                CodeUse::Again(grant) => {
                    return Err(invalid_grant("the code was used before")
                        .of_grant(*grant)
                        .by_theft(Theft::CodeReused));
                }
                CodeUse::Unknown => return Err(invalid_grant("the code is not valid")),
            };
            if let Err(refusal) = check_code(&code, &asking.client, params, verifier, now) {
                // Whoever presents a code wrongly spoils it; the grant has no token yet.
                self.oauth.revoke_grant(&grant.id, now).await?;
                return Err(refusal.of_grant(grant));
            }
            // The person consented to a client as it was described then; other keys are another client.
            if asking.document.is_some() && asking.document != grant.document {
                self.oauth.revoke_grant(&grant.id, now).await?;
                return Err(
                    invalid_grant("the client's document changed meanwhile").of_grant(grant)
                );
            }
            check_resource(params, &grant)?;
            self.check_grant(&grant).await?;
            let scopes = grant.scopes.clone();
            self.oauth.touch_grant(&grant.id, now).await?;
            let refresh = self.first_refresh_token(&grant).await?;
            self.issue(grant, scopes, Some(refresh), "authorization_code")
        };
        exchange.await.map_err(|refusal| refusal.of_client(&id))
    }

    async fn first_refresh_token(&self, grant: &Grant) -> Result<Zeroizing<String>, OAuthRefusal> {
        let secret = new_secret(&*self.random)?;
        let text = Zeroizing::new([REFRESH_PREFIX, secret.as_str()].concat());
        let token = RefreshToken {
            digest: Digest::of(text.as_bytes()),
            grant: grant.id.clone(),
            expires_at: self.refresh_end(grant),
        };
        self.oauth.create_refresh_token(&token).await?;
        Ok(text)
    }

    fn refresh_end(&self, grant: &Grant) -> Timestamp {
        later(self.clock.now(), self.config.lifetimes.refresh_idle).min(grant.expires_at)
    }

    async fn by_refresh_token(&self, params: &Params) -> Result<IssuedTokens, OAuthRefusal> {
        let asking = self.asking_client(params).await?;
        let id = asking.client.id.clone();
        self.refresh(params, &asking)
            .await
            .map_err(|refusal| refusal.of_client(&id))
    }

    async fn refresh(
        &self,
        params: &Params,
        asking: &AskingClient,
    ) -> Result<IssuedTokens, OAuthRefusal> {
        let presented = params
            .one("refresh_token")?
            .ok_or_else(|| invalid_request("refresh_token is missing"))?;
        let not_valid = || invalid_grant("the refresh token is not valid, or has ended");
        let digest = Digest::of(presented.as_bytes());
        let grant = self
            .oauth
            .grant_of_refresh_token(&digest)
            .await?
            .ok_or_else(not_valid)?;
        let now = self.clock.now();
        if grant.client != asking.client.id {
            self.oauth.revoke_grant(&grant.id, now).await?;
            return Err(not_valid().of_grant(grant).by_theft(Theft::OtherClient));
        }
        check_resource(params, &grant)?;
        let scopes =
            scopes::narrowed(params.one("scope")?, &grant.scopes).map_err(|_| invalid_scope())?;
        if grant.is_alive(now) {
            self.check_grant(&grant).await?;
        }
        let successor = self.succession.successor(presented);
        let rotation = self
            .oauth
            .rotate(
                &digest,
                &Digest::of(successor.as_bytes()),
                self.refresh_end(&grant),
                now,
                GRACE,
            )
            .await?;
        match rotation {
            Rotation::Rotated(grant) | Rotation::Repeated(grant) => {
                self.issue(*grant, scopes, Some(successor), "refresh_token")
            }
            Rotation::Reused(grant) => Err(invalid_grant("the refresh token was used before")
                .of_grant(*grant)
                .by_theft(Theft::RefreshTokenReused)),
            Rotation::Ended(grant) => Err(not_valid().of_grant(*grant)),
            Rotation::Unknown => Err(not_valid()),
        }
    }

    /// A service account for itself.
    async fn by_client_credentials(
        &self,
        params: &Params,
        ip: Option<IpAddr>,
    ) -> Result<IssuedTokens, OAuthRefusal> {
        let asking = self.asking_client(params).await?;
        let client = asking.client;
        let id = client.id.clone();
        let exchange = async {
            let Some(name) = client.service_account.as_deref().filter(|_| asking.proved) else {
                return Err(OAuthRefusal::new(
                    OAuthErrorCode::UnauthorizedClient,
                    "only the client of a service account may ask for itself",
                ));
            };
            let account = self.accounts.get(name).await?.ok_or_else(invalid_client)?;
            let now = self.clock.now();
            check_account(&account, now, ip)?;
            let resource = self.resource_to_issue_for(params, None).await?;
            let scopes = scopes::granted(params.one("scope")?, client.scopes.as_deref())
                .map_err(|_| invalid_scope())?;
            let subject =
                PrincipalId::new(&format!("service:{name}")).map_err(|_| invalid_client())?;
            let ends = later(now, MACHINE_GRANT).min(account.expires_at);
            let wanted = MachineGrant {
                kind: GrantKind::ClientCredentials,
                subject,
                client: &client,
                resource,
                scopes,
                sign_in: None,
                ends,
            };
            self.issue_to_machine(wanted, "client_credentials").await
        };
        exchange.await.map_err(|refusal| refusal.of_client(&id))
    }

    /// A person for whom the company's identity provider vouches.
    async fn by_assertion(&self, params: &Params) -> Result<IssuedTokens, OAuthRefusal> {
        let asking = self.asking_client(params).await?;
        let client = asking.client;
        let id = client.id.clone();
        let exchange = async {
            if !asking.proved {
                return Err(OAuthRefusal::new(
                    OAuthErrorCode::UnauthorizedClient,
                    "only a client that proves who it is may present an assertion",
                ));
            }
            let assertion = params
                .one("assertion")?
                .ok_or_else(|| invalid_request("assertion is missing"))?;
            let vouched = self.vouched_for(assertion, &client.id).await?;
            let resource = self
                .resource_to_issue_for(params, Some(&vouched.resource))
                .await?;
            // The assertion is the upper bound; the request may ask for less.
            let bound = scopes::granted(vouched.scope.as_deref(), client.scopes.as_deref())
                .map_err(|_| invalid_scope())?;
            let scopes =
                scopes::narrowed(params.one("scope")?, &bound).map_err(|_| invalid_scope())?;
            let now = self.clock.now();
            let wanted = MachineGrant {
                kind: GrantKind::Enterprise,
                subject: vouched.user,
                client: &client,
                resource,
                scopes,
                sign_in: Some(SignInFacts {
                    auth_time: vouched.auth_time.unwrap_or(now),
                    acr: vouched.acr,
                    mfa: vouched.amr.iter().any(|method| method == "mfa"),
                    amr: vouched.amr,
                }),
                ends: later(now, MACHINE_GRANT),
            };
            self.issue_to_machine(wanted, "jwt_bearer").await
        };
        exchange.await.map_err(|refusal| refusal.of_client(&id))
    }

    /// The one resource of a request that has no grant yet.
    async fn resource_to_issue_for(
        &self,
        params: &Params,
        bound: Option<&str>,
    ) -> Result<String, OAuthRefusal> {
        let wrong = || {
            OAuthRefusal::new(
                OAuthErrorCode::InvalidTarget,
                "name exactly one resource: the address of the MCP server",
            )
        };
        let mut named = params.values("resource");
        let resource = match (named.next(), named.next(), bound) {
            (Some(one), None, None) => one,
            (Some(one), None, Some(bound)) if one == bound => one,
            (None, _, Some(bound)) => bound,
            _ => return Err(wrong()),
        };
        self.published_resource(resource).await?;
        Ok(resource.to_owned())
    }

    /// A token without a refresh token. The grant is the one of before, where there is one, so that it can be
    /// seen and revoked.
    async fn issue_to_machine(
        &self,
        wanted: MachineGrant<'_>,
        grant_type: &'static str,
    ) -> Result<IssuedTokens, OAuthRefusal> {
        let now = self.clock.now();
        let known = self
            .oauth
            .grants(GrantsOf::Subject(wanted.subject.as_str()))
            .await?;
        let same = known.into_iter().find(|grant| {
            grant.is_alive(now)
                && grant.kind == wanted.kind
                && grant.client == wanted.client.id
                && grant.resource == wanted.resource
                && grant.scopes == wanted.scopes
        });
        let grant = if let Some(grant) = same {
            self.oauth.touch_grant(&grant.id, now).await?;
            // How the person signed in is what the newest assertion says.
            Grant {
                sign_in: wanted.sign_in,
                ..grant
            }
        } else {
            let grant = wanted.into_grant(self.new_grant_id(), now);
            self.oauth.create_grant(&grant, None, None).await?;
            grant
        };
        let scopes = grant.scopes.clone();
        self.issue(grant, scopes, None, grant_type)
    }

    /// Whether tokens may still be issued from a grant: it is alive, and so is who it belongs to.
    async fn check_grant(&self, grant: &Grant) -> Result<(), OAuthRefusal> {
        let ended =
            || invalid_grant("the grant has ended: authorize again").of_grant(grant.clone());
        if !grant.is_alive(self.clock.now()) {
            return Err(ended());
        }
        let person = self.people.user(&grant.subject).await?;
        if !person.is_some_and(|person| person.active) {
            return Err(ended());
        }
        Ok(())
    }

    fn issue(
        &self,
        grant: Grant,
        scopes: Vec<String>,
        refresh_token: Option<Zeroizing<String>>,
        grant_type: &'static str,
    ) -> Result<IssuedTokens, OAuthRefusal> {
        let now = self.clock.now();
        let expires = later(now, self.config.lifetimes.access_token).min(grant.expires_at);
        let claims = self.claims(&grant, &scopes, now, expires);
        Ok(IssuedTokens {
            access_token: Zeroizing::new(self.keys.sign_access_token(&claims)?),
            expires_in: expires.as_second().saturating_sub(now.as_second()),
            refresh_token,
            scopes,
            grant: Box::new(grant),
            grant_type,
        })
    }

    /// The claims of an access token (RFC 9068). No groups, no roles, no mail address: those are looked up
    /// when the token is used, so that they are never old.
    fn claims(
        &self,
        grant: &Grant,
        scopes: &[String],
        now: Timestamp,
        expires: Timestamp,
    ) -> Value {
        let mut claims = Map::new();
        let mut put = |name: &str, value: Value| drop(claims.insert(name.to_owned(), value));
        put("iss", json!(self.issuer()));
        put("aud", json!(grant.resource));
        put("sub", json!(grant.subject));
        put("client_id", json!(grant.client));
        put("iat", json!(now.as_second()));
        put("exp", json!(expires.as_second()));
        put("jti", json!(self.ids.next().simple().to_string()));
        put("gid", json!(grant.id));
        put("scope", json!(scopes.join(" ")));
        put("env", json!(self.config.environment));
        if let Some(session) = &grant.session {
            put("sid", json!(session));
        }
        if let Some(sign_in) = &grant.sign_in {
            put("auth_time", json!(sign_in.auth_time.as_second()));
            if let Some(acr) = &sign_in.acr {
                put("acr", json!(acr));
            }
            let mut amr = sign_in.amr.clone();
            if sign_in.mfa && !amr.iter().any(|method| method == "mfa") {
                amr.push("mfa".to_owned());
            }
            put("amr", json!(amr));
        }
        Value::Object(claims)
    }

    /// A client gives a token back (RFC 7009); its grant ends with all tokens. Tells which, if it was alive.
    /// A token that is not known, or not this client's, is nothing to tell.
    pub async fn revoke(&self, params: &Params) -> Result<Option<Grant>, OAuthRefusal> {
        let asking = self.asking_client(params).await?;
        let token = params
            .one("token")?
            .ok_or_else(|| invalid_request("token is missing"))?;
        let grant = if token.starts_with(REFRESH_PREFIX) {
            let digest = Digest::of(token.as_bytes());
            self.oauth.grant_of_refresh_token(&digest).await?
        } else {
            match self.keys.public_keys().verify(token) {
                Some(claims) => match claims.get("gid").and_then(Value::as_str) {
                    Some(id) => self.oauth.grant(id).await?,
                    None => None,
                },
                None => None,
            }
        };
        let Some(grant) = grant.filter(|grant| grant.client == asking.client.id) else {
            return Ok(None);
        };
        let revoked = self.oauth.revoke_grant(&grant.id, self.clock.now()).await?;
        Ok(revoked.then_some(grant))
    }
}

/// A grant of which nobody is asked.
struct MachineGrant<'a> {
    kind: GrantKind,
    subject: PrincipalId,
    client: &'a OAuthClient,
    resource: String,
    scopes: Vec<String>,
    sign_in: Option<SignInFacts>,
    ends: Timestamp,
}

impl MachineGrant<'_> {
    fn into_grant(self, id: String, now: Timestamp) -> Grant {
        Grant {
            id,
            kind: self.kind,
            subject: self.subject,
            client: self.client.id.clone(),
            document: self.client.document,
            redirect_uri: None,
            resource: self.resource,
            scopes: self.scopes,
            session: None,
            sign_in: self.sign_in,
            created_at: now,
            expires_at: self.ends,
            last_used_at: Some(now),
            revoked_at: None,
        }
    }
}

/// Whether a code is presented by whom it was given to, in time, with the verifier that only that client
/// has.
fn check_code(
    code: &AuthorizationCode,
    client: &OAuthClient,
    params: &Params,
    verifier: &str,
    now: Timestamp,
) -> Result<(), OAuthRefusal> {
    if code.client != client.id {
        return Err(
            invalid_grant("the code was given to another client").by_theft(Theft::OtherClient)
        );
    }
    if now >= code.expires_at {
        return Err(invalid_grant("the code has ended"));
    }
    // OAuth 2.1 does without it; who sends it means it.
    if params
        .one("redirect_uri")?
        .is_some_and(|uri| uri != code.redirect_uri)
    {
        return Err(invalid_grant(
            "the redirect URI is another one than the code was sent to",
        ));
    }
    let is_verifier = (43..=128).contains(&verifier.len())
        && verifier
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    let challenge = URL_SAFE_NO_PAD.encode(Digest::of(verifier.as_bytes()).0);
    let proved = challenge.as_bytes().ct_eq(code.challenge.as_bytes());
    if !is_verifier || !bool::from(proved) {
        return Err(invalid_grant(
            "the code verifier does not fit the challenge",
        ));
    }
    Ok(())
}

/// A request for tokens may only repeat the resource of its grant (RFC 8707).
fn check_resource(params: &Params, grant: &Grant) -> Result<(), OAuthRefusal> {
    if params
        .values("resource")
        .all(|resource| resource == grant.resource)
    {
        return Ok(());
    }
    Err(OAuthRefusal::new(
        OAuthErrorCode::InvalidTarget,
        "the grant is for another resource",
    )
    .of_grant(grant.clone()))
}

fn check_account(
    account: &ServiceAccount,
    now: Timestamp,
    ip: Option<IpAddr>,
) -> Result<(), OAuthRefusal> {
    let in_network = account.networks.is_empty()
        || ip.is_some_and(|ip| {
            let ip = ip.to_canonical();
            account.networks.iter().any(|network| network.contains(&ip))
        });
    if account.suspended_at.is_some() || now >= account.expires_at || !in_network {
        return Err(OAuthRefusal::new(
            OAuthErrorCode::UnauthorizedClient,
            "the service account is suspended, has ended, or may not be used from this address",
        ));
    }
    Ok(())
}

fn invalid_scope() -> OAuthRefusal {
    OAuthRefusal::new(
        OAuthErrorCode::InvalidScope,
        "none of the scopes is known here, or granted",
    )
}
