//! Verifies access tokens, and remembers what it verified.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use moka::sync::Cache;
use sekimori_domain::caller::{Authentication, Client, Device, Principal};
use sekimori_domain::clock::Clock;
use sekimori_domain::digest::Digest;
use sekimori_domain::oauth::SignInFacts;
use sekimori_store::StoreError;

use super::config::{self, IssuerConfig};
use super::jwk::Algorithm;
use super::jws::Jws;
use super::keys::IssuerKeys;
use super::own::{self, OwnIssuer, OwnTokens};
use super::{TokenError, claims};
use crate::error::ConfigError;
use crate::fetch::Fetch;
use crate::resource::ResourceUri;

/// Most tokens remembered: two for each of 10,000 people, at about 1 KiB each.
const REMEMBERED_MAX: u64 = 20_000;
/// How long an unused token is remembered; only to free memory.
const REMEMBERED_IDLE: Duration = Duration::from_mins(15);

#[derive(Debug)]
struct Issuer {
    config: IssuerConfig,
    keys: Arc<IssuerKeys>,
}

/// A token whose signature was verified, and the circumstances under which that still counts.
#[derive(Debug)]
pub(crate) struct VerifiedToken {
    pub(crate) principal: Principal,
    pub(crate) client: Client,
    pub(crate) authentication: Authentication,
    pub(crate) device: Option<Device>,
    issuer: Origin,
    audience: String,
    expires: Timestamp,
    generation: u64,
    epoch: u64,
}

/// Whom a token comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// Our own authorization server.
    Own,
    /// The configured issuer of that number.
    Other(usize),
}

impl VerifiedToken {
    /// Whether our own authorization server issued it. Then it tells the principal's id alone.
    pub(crate) fn is_own(&self) -> bool {
        self.issuer == Origin::Own
    }
}

#[derive(Debug)]
pub(crate) struct TokenVerifier {
    issuers: Vec<Issuer>,
    own: Option<OwnTokens>,
    clock: Arc<dyn Clock>,
    /// By SHA-256 of the token, so that no token lies about in memory.
    remembered: Cache<Digest, Arc<VerifiedToken>>,
    epoch: AtomicU64,
}

impl TokenVerifier {
    pub(crate) fn new(
        issuers: Vec<IssuerConfig>,
        own: Option<Arc<dyn OwnIssuer>>,
        fetch: &Arc<dyn Fetch>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConfigError> {
        let own = own.map(OwnTokens::new);
        config::check(&issuers, own.as_ref().map(|own| &own.config))?;
        let issuers = issuers
            .into_iter()
            .map(|config| Issuer {
                keys: Arc::new(IssuerKeys::new(
                    &config,
                    Arc::clone(fetch),
                    Arc::clone(&clock),
                )),
                config,
            })
            .collect();
        Ok(Self {
            issuers,
            own,
            clock,
            remembered: Cache::builder()
                .max_capacity(REMEMBERED_MAX)
                .time_to_idle(REMEMBERED_IDLE)
                .build(),
            epoch: AtomicU64::new(0),
        })
    }

    pub(crate) fn issuers(&self) -> impl Iterator<Item = &str> {
        let others = self.issuers.iter().map(|issuer| &issuer.config);
        let own = self.own.iter().map(|own| &own.config);
        own.chain(others).map(|config| config.issuer.as_str())
    }

    /// Forgets what was verified: every token is verified anew when it comes next.
    pub(crate) fn forget_all(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// How the person last proved who they are for a grant of ours: a token tells how it was when it was issued.
    pub(crate) async fn proof_of(&self, grant: &str) -> Result<Option<SignInFacts>, StoreError> {
        match &self.own {
            Some(own) => own.proof_of(grant, self.clock.now()).await,
            None => Ok(None),
        }
    }

    /// Fetches keys that are old. To be called regularly.
    pub(crate) async fn keep_fresh(&self) {
        for issuer in &self.issuers {
            issuer.keys.keep_fresh().await;
        }
    }

    /// Verifies a token for a resource.
    pub(crate) async fn verify(
        &self,
        token: &str,
        resource: &ResourceUri,
    ) -> Result<Arc<VerifiedToken>, TokenError> {
        let digest = Digest::of(token.as_bytes());
        if let Some(verified) = self.recall(&digest, resource)? {
            return Ok(verified);
        }
        let verified = Arc::new(self.verify_anew(token, resource).await?);
        self.remembered.insert(digest, Arc::clone(&verified));
        Ok(verified)
    }

    /// What is remembered of the token, if it still counts. Audience, age and end are checked every time.
    fn recall(
        &self,
        digest: &Digest,
        resource: &ResourceUri,
    ) -> Result<Option<Arc<VerifiedToken>>, TokenError> {
        let Some(verified) = self.remembered.get(digest) else {
            return Ok(None);
        };
        let counts = verified.epoch == self.epoch.load(Ordering::Acquire)
            && self.generation(verified.issuer) == Some(verified.generation);
        if !counts {
            self.remembered.invalidate(digest);
            return Ok(None);
        }
        let now = self.clock.now();
        if claims::has_ended(verified.expires, now) {
            return Err(TokenError::Expired);
        }
        let issued_at = verified.authentication.issued_at;
        if issued_at.is_none_or(|issued_at| claims::is_too_old(issued_at, now)) {
            return Err(TokenError::TooOld);
        }
        if !self.is_for(&verified.audience, verified.issuer, resource) {
            return Err(TokenError::Audience);
        }
        Ok(Some(verified))
    }

    async fn verify_anew(
        &self,
        token: &str,
        resource: &ResourceUri,
    ) -> Result<VerifiedToken, TokenError> {
        // Read first: what happens meanwhile must not count as seen.
        let epoch = self.epoch.load(Ordering::Acquire);
        let jws = Jws::parse(token)?;
        let named = jws.claims.get("iss").and_then(|name| name.as_str());
        let (from, config) = self.issuer(named).ok_or(TokenError::Issuer)?;
        check_type(jws.header.typ.as_deref(), config)?;
        let generation = self.verify_signature(from, config, &jws).await?;
        let (claims, now) = (&jws.claims, self.clock.now());
        let expires = claims::check_times(claims, now)?;
        let audience = claims::audience(claims)?;
        if !self.is_for(audience, from, resource) {
            return Err(TokenError::Audience);
        }
        let issued_at = claims::issued_at(claims, now)?;
        let authentication = claims::authentication(claims, config, expires)?;
        let token = VerifiedToken {
            principal: match from {
                Origin::Own => own::principal(claims)?,
                Origin::Other(_) => claims::principal(claims, config)?,
            },
            client: match &self.own {
                Some(own) if from == Origin::Own => own.client(claims).await?,
                _ => claims::client(claims)?,
            },
            authentication: Authentication {
                issued_at: Some(claims::at_the_earliest(issued_at)),
                ..authentication
            },
            device: claims::device(claims, config),
            issuer: from,
            audience: audience.to_owned(),
            expires,
            generation,
            epoch,
        };
        if from != Origin::Own {
            return Ok(token);
        }
        let (grant, session) = own::lineage(claims)?;
        Ok(VerifiedToken {
            authentication: Authentication {
                // By our own clock.
                issued_at: Some(issued_at),
                grant: Some(grant),
                session,
                ..token.authentication
            },
            ..token
        })
    }

    async fn verify_signature(
        &self,
        from: Origin,
        config: &IssuerConfig,
        jws: &Jws<'_>,
    ) -> Result<u64, TokenError> {
        let algorithm = jws.header.alg.parse::<Algorithm>().ok();
        let algorithm = algorithm
            .filter(|algorithm| config.algorithms.contains(algorithm))
            .ok_or(TokenError::Algorithm)?;
        let kid = jws.header.kid.as_deref();
        match (from, &self.own) {
            (Origin::Own, Some(own)) => own.verify(kid, algorithm, jws.signed, &jws.signature),
            (Origin::Own, None) => Err(TokenError::Issuer),
            (Origin::Other(number), _) => {
                let issuer = self.issuers.get(number).ok_or(TokenError::Issuer)?;
                let keys = &issuer.keys;
                keys.verify(kid, algorithm, jws.signed, &jws.signature)
                    .await
            }
        }
    }

    fn issuer(&self, named: Option<&str>) -> Option<(Origin, &IssuerConfig)> {
        let own = self.own.iter().map(|own| (Origin::Own, &own.config));
        let others = self.issuers.iter().enumerate();
        let others = others.map(|(number, issuer)| (Origin::Other(number), &issuer.config));
        own.chain(others)
            .find(|(_, config)| Some(config.issuer.as_str()) == named)
    }

    fn generation(&self, from: Origin) -> Option<u64> {
        match from {
            Origin::Own => self.own.as_ref().map(OwnTokens::generation),
            Origin::Other(number) => self.issuers.get(number)?.keys.generation(),
        }
    }

    fn is_for(&self, audience: &str, from: Origin, resource: &ResourceUri) -> bool {
        let expected = match from {
            Origin::Own => None,
            Origin::Other(number) => match self.issuers.get(number) {
                Some(issuer) => issuer.config.audience.as_deref(),
                None => return false,
            },
        };
        audience == expected.unwrap_or(resource.as_str())
    }
}

/// RFC 9068 section 2.1: the type keeps other JWTs of the issuer, such as id tokens, from being used as
/// access tokens. Media types are compared without case, `application/` may be left out (RFC 7515).
fn check_type(typ: Option<&str>, issuer: &IssuerConfig) -> Result<(), TokenError> {
    let typ = typ.ok_or(TokenError::Type)?.to_ascii_lowercase();
    let accepted = match typ.strip_prefix("application/").unwrap_or(&typ) {
        "at+jwt" => true,
        "jwt" => issuer.accept_plain_jwt,
        _ => false,
    };
    accepted.then_some(()).ok_or(TokenError::Type)
}
