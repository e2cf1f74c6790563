//! The gate's own tokens, as a client (`client_credentials`). They are held in memory: another is had by asking.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use sekimori_domain::connector::{Connector, OAuthClient};
use sekimori_domain::ids::ConnectorName;
use sekimori_upstream::authorization::{AccessToken, Challenge, NoToken};

use super::discovery::discover;
use super::exchange::{ExchangeError, Party};
use super::http::Asker;
use super::renew::{ends_soon, is_young};
use super::{Inner, bearer, scopes_to_ask};

/// By connector, of which there are as many as administrators enter.
#[derive(Debug, Default)]
pub(super) struct OwnTokens {
    held: Mutex<BTreeMap<ConnectorName, Held>>,
    /// One asks at a time; whoever waited finds what it got.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone)]
struct Held {
    token: AccessToken,
    issued_at: Timestamp,
    expires_at: Option<Timestamp>,
    scopes: Vec<String>,
    /// What it was made with: a connector that was changed begins anew.
    settings: OAuthClient,
    url: Option<String>,
}

impl OwnTokens {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ConnectorName, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self, connector: &Connector, now: Timestamp) -> Option<Held> {
        let held = self.lock().get(&connector.name).cloned();
        held.filter(|held| {
            Some(&held.settings) == connector.oauth.as_ref()
                && held.url.as_deref() == connector.url()
                && !ends_soon(held.expires_at, now)
        })
    }

    pub(super) fn current(&self, connector: &Connector, now: Timestamp) -> Option<AccessToken> {
        self.held(connector, now).map(|held| held.token)
    }
}

impl Inner {
    /// A token for the gate itself, other than the one that was refused.
    pub(super) async fn own_token(
        &self,
        connector: &Connector,
        settings: &OAuthClient,
        refused: Option<&AccessToken>,
        challenge: &Challenge,
    ) -> Result<AccessToken, NoToken> {
        let _one_at_a_time = self.own.asking.lock().await;
        let held = self.own.held(connector, self.clock.now());
        if let Some(held) = &held
            && refused != Some(&held.token)
        {
            return Ok(held.token.clone());
        }
        let asker = Asker::new(&self.egress, connector);
        let found = discover(&asker, connector, challenge).await?;
        let before = held.as_ref().map(|held| held.scopes.as_slice());
        let before = before.unwrap_or_default();
        let scopes = scopes_to_ask(settings, challenge, &found.scopes, &[before]);
        // Another of the same kind would be refused too.
        let now = self.clock.now();
        if held.is_some_and(|held| held.scopes == scopes && is_young(held.issued_at, now)) {
            let why = "the upstream does not accept the token that it wanted";
            return Err(NoToken::Refused(why.to_owned()));
        }
        let vouched = settings.issuer.is_some();
        let client = self.known_as(&asker, connector, settings, &found.server, vouched);
        let client = client.await?;
        let party = Party {
            asker,
            server: found.server,
            client,
            vouched,
        };
        let mut fields = vec![
            ("grant_type", "client_credentials".to_owned()),
            ("resource", found.resource.clone()),
        ];
        if !scopes.is_empty() {
            fields.push(("scope", scopes.join(" ")));
        }
        let issued = match self.exchange(&party, fields).await {
            Ok(issued) => issued,
            Err(ExchangeError::Other(error)) => return Err(error),
            Err(ExchangeError::Void) => {
                let why = "the authorization server does not accept the gate as a client";
                return Err(NoToken::Refused(why.to_owned()));
            }
        };
        let token = bearer(&issued.tokens)?;
        let held = Held {
            token: token.clone(),
            issued_at: issued.tokens.issued_at,
            expires_at: issued.expires_at,
            scopes,
            settings: settings.clone(),
            url: connector.url().map(str::to_owned),
        };
        self.own.lock().insert(connector.name.clone(), held);
        Ok(token)
    }
}
