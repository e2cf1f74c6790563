//! Linking an account: to the upstream's authorization server and back (OAuth 2.1 authorization code with PKCE).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sekimori_domain::connector::{AccountOf, Connector};
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::{ConnectorName, PrincipalId};
use sekimori_domain::linked_account::LinkedAccount;
use sekimori_store::{PendingSignIn, StoreError};
use sekimori_upstream::authorization::NoToken;
use serde::{Deserialize, Serialize};

use super::discovery::{discover, provoke};
use super::exchange::{ExchangeError, Issued, known_code};
use super::http::{Asker, origin};
use super::{Inner, LinkedAccounts, scopes_to_ask, union};
use crate::secret::new_secret;
use crate::sign_in::Browser;
use crate::sign_in::http::append_query;
use crate::sign_in::pending::{binding, check_browser, derived};

/// How long linking may take.
const TIME: Duration = Duration::from_mins(10);
/// Scope by which a server that knows it gives refresh tokens.
const OFFLINE: &str = "offline_access";

/// What waits for the browser to come back.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Linking {
    linking: ConnectorName,
    owner: Option<PrincipalId>,
    by: PrincipalId,
    browser: Digest,
    issuer: String,
    names_itself: bool,
    resource: String,
    origin: String,
    scopes: Vec<String>,
}

/// What the browser brings back.
#[derive(Debug, Default)]
pub struct LinkAnswer {
    /// Which linking it is.
    pub state: String,
    /// The code, if the person agreed.
    pub code: Option<String>,
    /// Who says so (RFC 9207).
    pub issuer: Option<String>,
    /// Why there is no code.
    pub error: Option<String>,
}

/// An account that was linked just now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked {
    /// Where.
    pub connector: ConnectorName,
    /// Whose; `None` for the gate's own.
    pub owner: Option<PrincipalId>,
    /// The authorization server.
    pub issuer: String,
    /// What it granted.
    pub scopes: Vec<String>,
}

/// Nothing was linked. Messages hold no secret and no text of the other side.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Accounts of this connector are not linked by persons.
    #[error("the accounts of this connector are not linked by anybody")]
    NotLinked,
    /// There is no such linking under way, it took too long, or it began in another browser.
    #[error("this linking has ended, or began in another browser")]
    Ended,
    /// The answer comes from another authorization server than the one that was asked.
    #[error("the answer comes from another authorization server")]
    MixedUp,
    /// The authorization server said no, with this code.
    #[error("the authorization server said: {0}")]
    Denied(&'static str),
    /// The upstream or its authorization server can't be used.
    #[error("{0}")]
    NoToken(#[from] NoToken),
}

impl LinkedAccounts {
    /// Begins to link an account for `owner`, or for the gate itself; tells where the browser goes now.
    pub async fn begin(
        &self,
        connector: &Connector,
        owner: Option<&PrincipalId>,
        by: &PrincipalId,
        browser: &Browser,
    ) -> Result<String, LinkError> {
        let inner = &self.0;
        let settings = connector.oauth.as_ref();
        let settings = settings.filter(|settings| match settings.account {
            AccountOf::Gate => false,
            AccountOf::Shared => owner.is_none(),
            AccountOf::Person => true,
        });
        let settings = settings.ok_or(LinkError::NotLinked)?;
        let key = browser.valid_key().ok_or(LinkError::Ended)?;
        let asker = Asker::new(&inner.egress, connector);
        let challenge = provoke(&asker, connector).await?;
        let found = discover(&asker, connector, &challenge).await?;
        let server = &found.server;
        let Some(endpoint) = &server.authorization_endpoint else {
            return Err(refused(&server.issuer, "lets nobody link an account"));
        };
        // Without it, whoever catches the code has the account.
        if !server.challenge_methods.iter().any(|one| one == "S256") {
            return Err(refused(
                &server.issuer,
                "does not protect codes (PKCE S256)",
            ));
        }
        let vouched = settings.issuer.is_some();
        let client = inner.known_as(&asker, connector, settings, server, vouched);
        let client = client.await?;
        let before = inner.store.get(&connector.name, owner).await;
        let before = before.map_err(Inner::store_failed)?;
        let before = before.filter(|before| before.account.issuer == server.issuer);
        let offline = server.scopes.iter().find(|scope| *scope == OFFLINE);
        let mut more: Vec<&[String]> = Vec::new();
        if let Some(before) = &before {
            more.extend([before.account.scopes.as_slice(), &before.account.wanted]);
        }
        more.extend(offline.map(std::slice::from_ref));
        let scopes = scopes_to_ask(settings, &challenge, &found.scopes, &more);
        let handle = new_secret(&*inner.random).map_err(|_| LinkError::Ended)?;
        let linking = Linking {
            linking: connector.name.clone(),
            owner: owner.cloned(),
            by: by.clone(),
            browser: binding(key),
            issuer: server.issuer.clone(),
            names_itself: server.names_itself,
            resource: found.resource.clone(),
            origin: connector.url().and_then(origin).unwrap_or_default(),
            scopes,
        };
        inner.remember(&handle, &linking).await?;
        let verifier = derived(key, &handle, "upstream pkce");
        let verified = URL_SAFE_NO_PAD.encode(Digest::of(verifier.as_bytes()).0);
        let (redirect, scope) = (inner.redirect_uri(), linking.scopes.join(" "));
        let mut query = vec![
            ("response_type", "code"),
            ("client_id", client.client_id.as_str()),
            ("redirect_uri", &redirect),
            ("state", &handle),
            ("code_challenge", &verified),
            ("code_challenge_method", "S256"),
            ("resource", &linking.resource),
        ];
        if !scope.is_empty() {
            query.push(("scope", &scope));
        }
        Ok(append_query(endpoint, &query))
    }

    /// Ends linking with what the browser brought back.
    pub async fn finish(
        &self,
        browser: &Browser,
        by: &PrincipalId,
        answer: &LinkAnswer,
    ) -> Result<Linked, LinkError> {
        let inner = &self.0;
        let linking = inner.recall(&answer.state).await?;
        // The person who began, in the browser where they did.
        check_browser(browser, &linking.browser).map_err(|_| LinkError::Ended)?;
        let key = browser.valid_key().ok_or(LinkError::Ended)?;
        if linking.by != *by {
            return Err(LinkError::Ended);
        }
        // Byte for byte, also of errors (RFC 9207 section 2.4).
        match &answer.issuer {
            Some(issuer) if *issuer != linking.issuer => return Err(LinkError::MixedUp),
            None if linking.names_itself => return Err(LinkError::MixedUp),
            _ => {}
        }
        let code = match (&answer.error, &answer.code) {
            (None, Some(code)) => code,
            (error, _) => {
                let code = error.as_deref().unwrap_or_default();
                return Err(LinkError::Denied(known_code(code)));
            }
        };
        let stored = inner.connectors.get(&linking.linking).await;
        let stored = stored.map_err(Inner::store_failed)?;
        let connector = stored.ok_or(LinkError::NotLinked)?.connector;
        // It may have been pointed elsewhere meanwhile.
        if connector.url().and_then(origin).as_ref() != Some(&linking.origin) {
            return Err(LinkError::Ended);
        }
        let verifier = derived(key, &answer.state, "upstream pkce");
        let issued = inner.redeem(&connector, &linking, code, verifier).await?;
        let account = LinkedAccount {
            connector: linking.linking,
            owner: linking.owner,
            issuer: linking.issuer,
            resource: linking.resource,
            origin: linking.origin,
            scopes: issued.scopes.unwrap_or(linking.scopes),
            wanted: Vec::new(),
            expires_at: issued.expires_at,
            sealed: String::new(),
            linked_by: linking.by,
            linked_at: inner.clock.now(),
            problem: None,
        };
        let account = LinkedAccount {
            sealed: inner.seal_tokens(&account, &issued.tokens)?,
            ..account
        };
        let kept = inner.keep(&account, None).await;
        kept.map_err(Inner::store_failed)?;
        Ok(Linked {
            connector: account.connector,
            owner: account.owner,
            issuer: account.issuer,
            scopes: union([account.scopes.as_slice()]),
        })
    }
}

fn refused(issuer: &str, why: &str) -> LinkError {
    NoToken::Refused(format!("the authorization server {issuer} {why}")).into()
}

impl Inner {
    async fn redeem(
        &self,
        connector: &Connector,
        linking: &Linking,
        code: &str,
        verifier: String,
    ) -> Result<Issued, LinkError> {
        let settings = connector.oauth.as_ref().ok_or(LinkError::NotLinked)?;
        let party = self.party(connector, settings, &linking.issuer).await?;
        let fields = vec![
            ("grant_type", "authorization_code".to_owned()),
            ("code", code.to_owned()),
            ("redirect_uri", self.redirect_uri()),
            ("code_verifier", verifier),
            ("resource", linking.resource.clone()),
        ];
        match self.exchange(&party, fields).await {
            Ok(issued) => Ok(issued),
            Err(ExchangeError::Void) => Err(LinkError::Denied(known_code("invalid_grant"))),
            Err(ExchangeError::Other(error)) => Err(error.into()),
        }
    }

    async fn remember(&self, handle: &str, linking: &Linking) -> Result<(), LinkError> {
        let now = self.clock.now();
        let pending = PendingSignIn {
            handle: Digest::of(handle.as_bytes()),
            document: serde_json::to_string(linking).map_err(|_| LinkError::Ended)?,
            expires_at: now.checked_add(TIME).map_err(|_| LinkError::Ended)?,
        };
        self.pending
            .put(&pending, now)
            .await
            .map_err(|error| match error {
                StoreError::Conflict { .. } => {
                    NoToken::Unavailable("too many sign-ins are under way".to_owned()).into()
                }
                error => Self::store_failed(error).into(),
            })
    }

    /// What was remembered; it is gone afterwards.
    async fn recall(&self, handle: &str) -> Result<Linking, LinkError> {
        let digest = Digest::of(handle.as_bytes());
        let found = self.pending.take(&digest, self.clock.now()).await;
        let document = found.map_err(Self::store_failed)?.ok_or(LinkError::Ended)?;
        serde_json::from_str(&document).map_err(|_| LinkError::Ended)
    }
}
