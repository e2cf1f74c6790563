//! Tokens of linked accounts: renewed in time, or when the upstream wants others.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sekimori_domain::connector::{Connector, OAuthClient};
use sekimori_domain::ids::{ConnectorName, PrincipalId};
use sekimori_domain::linked_account::LinkedAccount;
use sekimori_store::{EndedAccount, StoreError, StoredAccount};
use sekimori_upstream::authorization::{AccessToken, Challenge, NoToken};

use super::exchange::{ExchangeError, Issued, Tokens};
use super::{ENDED_MAX, Inner, LinkedAccounts, Opened, bearer, union, words};

/// Tokens that end so soon are renewed before they are used.
const IN_TIME: SignedDuration = SignedDuration::from_secs(60);
/// A token this young is not renewed again when it is refused: another would be refused too.
const YOUNG: SignedDuration = SignedDuration::from_secs(30);
/// For how long a node claims the renewal; longer than it takes.
const CLAIM: SignedDuration = SignedDuration::from_secs(30);
/// How long another node's renewal is waited for, and how often it is looked at.
const PATIENCE: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Whether something ends before it could be used.
pub(super) fn ends_soon(expires_at: Option<Timestamp>, now: Timestamp) -> bool {
    expires_at.is_some_and(|end| now.checked_add(IN_TIME).is_ok_and(|soon| end <= soon))
}

/// Whether a token was issued just now.
pub(super) fn is_young(issued_at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(issued_at) <= YOUNG
}

impl Inner {
    /// The account with a token that lives for a while.
    pub(super) async fn in_time(
        self: &Arc<Self>,
        connector: &Connector,
        opened: Opened,
    ) -> Result<Opened, NoToken> {
        let now = self.clock.now();
        let ends = ends_soon(opened.stored.account.expires_at, now);
        if !ends || opened.tokens.refresh.is_none() {
            // Without a way to renew it, the upstream says whether it still takes it.
            return Ok(opened);
        }
        self.renewed(connector, opened).await
    }

    /// Another token after a challenge.
    pub(super) async fn another(
        self: &Arc<Self>,
        connector: &Connector,
        settings: &OAuthClient,
        owner: Option<&PrincipalId>,
        refused: Option<&AccessToken>,
        challenge: &Challenge,
    ) -> Result<AccessToken, NoToken> {
        // What another node stored counts, not what is remembered here.
        let Some(opened) = self.read(connector, owner).await? else {
            let why = "no account is linked yet";
            return Err(self.link_first(settings, connector, why));
        };
        let current = bearer(&opened.tokens)?;
        if refused != Some(&current) {
            return Ok(current);
        }
        let account = &opened.stored.account;
        if challenge.insufficient_scope {
            let more = challenge.scope.as_deref().map(words).unwrap_or_default();
            let wanted = union([account.wanted.as_slice(), &more]);
            let why = "the account needs more rights there";
            self.doubt(&opened, wanted, why).await?;
            return Err(self.link_first(settings, connector, why));
        }
        let young = is_young(opened.tokens.issued_at, self.clock.now());
        if opened.tokens.refresh.is_some() && !young {
            return bearer(&self.renewed(connector, opened).await?.tokens);
        }
        let why = "its token is accepted no more";
        self.doubt(&opened, account.wanted.clone(), why).await?;
        Err(self.link_first(settings, connector, why))
    }

    /// Notes why the account has to be linked again. Somebody may have done so meanwhile.
    async fn doubt(&self, opened: &Opened, wanted: Vec<String>, why: &str) -> Result<(), NoToken> {
        let before = &opened.stored.account;
        let account = LinkedAccount {
            wanted,
            problem: Some(why.to_owned()),
            ..before.clone()
        };
        if account == *before {
            return Ok(());
        }
        match self.keep(&account, Some(opened.stored.revision)).await {
            Ok(_) | Err(StoreError::Conflict { .. }) => Ok(()),
            Err(error) => Err(Self::store_failed(error)),
        }
    }

    /// Renews the tokens. It goes on when the caller goes away: what the server rotated must be kept.
    async fn renewed(
        self: &Arc<Self>,
        connector: &Connector,
        opened: Opened,
    ) -> Result<Opened, NoToken> {
        let (inner, connector) = (Arc::clone(self), connector.clone());
        let renewing = tokio::spawn(async move { inner.renew(&connector, opened).await });
        renewing.await.unwrap_or_else(|_| {
            Err(NoToken::Unavailable(
                "the tokens were not renewed".to_owned(),
            ))
        })
    }

    /// One node renews; the others wait for what it stores. A refresh token used twice would look stolen.
    async fn renew(&self, connector: &Connector, mut opened: Opened) -> Result<Opened, NoToken> {
        let ends = tokio::time::Instant::now() + PATIENCE;
        loop {
            let now = self.clock.now();
            let until = now.checked_add(CLAIM).unwrap_or(Timestamp::MAX);
            let claimed = self.store.claim(&opened.stored, now, until).await;
            if claimed.map_err(Self::store_failed)? {
                return self.refresh(connector, opened).await;
            }
            if tokio::time::Instant::now() > ends {
                let why = "another node renews the tokens, and does not end";
                return Err(NoToken::Unavailable(why.to_owned()));
            }
            tokio::time::sleep(LOOK_EVERY).await;
            let owner = opened.stored.account.owner.clone();
            let read = self.read(connector, owner.as_ref()).await?;
            let Some(read) = read else {
                let why = "the account was unlinked meanwhile";
                return Err(NoToken::Refused(why.to_owned()));
            };
            if read.stored.revision != opened.stored.revision {
                return Ok(read);
            }
            opened = read;
        }
    }

    async fn refresh(&self, connector: &Connector, opened: Opened) -> Result<Opened, NoToken> {
        let account = &opened.stored.account;
        let refresh = opened.tokens.refresh.clone().unwrap_or_default();
        let fields = vec![
            ("grant_type", "refresh_token".to_owned()),
            ("refresh_token", refresh.clone()),
            ("resource", account.resource.clone()),
        ];
        let exchanged = async {
            let settings = connector.oauth.as_ref();
            let settings = settings.ok_or_else(Self::not_opened)?;
            let party = self.party(connector, settings, &account.issuer).await?;
            self.exchange(&party, fields).await
        };
        let (after, tokens, done) = match exchanged.await {
            Ok(Issued {
                tokens,
                expires_at,
                scopes,
            }) => {
                let kept = tokens.refresh.clone().or(Some(refresh));
                let tokens = Tokens {
                    access: tokens.access.clone(),
                    refresh: kept,
                    issued_at: tokens.issued_at,
                };
                let after = LinkedAccount {
                    expires_at,
                    scopes: scopes.unwrap_or_else(|| account.scopes.clone()),
                    ..account.clone()
                };
                (after, tokens, Ok(()))
            }
            Err(error) => {
                let mut tokens = Tokens::clone(&opened.tokens);
                let mut after = account.clone();
                let error = match error {
                    ExchangeError::Other(error) => error,
                    ExchangeError::Void => {
                        tokens.refresh = None;
                        let why = "the authorization server renews its tokens no more";
                        after.problem = Some(why.to_owned());
                        match &connector.oauth {
                            Some(settings) => self.link_first(settings, connector, why),
                            None => Self::not_opened(),
                        }
                    }
                };
                (after, tokens, Err(error))
            }
        };
        // Also after a failure: it ends the claim.
        let after = LinkedAccount {
            sealed: self.seal_tokens(&after, &tokens)?,
            ..after
        };
        let kept = self.keep(&after, Some(opened.stored.revision)).await;
        let revision = kept.map_err(Self::store_failed)?;
        done.map(|()| Opened {
            stored: StoredAccount {
                account: after,
                revision,
            },
            tokens: Arc::new(tokens),
        })
    }

    /// Tells authorization servers of accounts that ended. Each is told once: the tokens are gone here, whatever
    /// comes of it.
    pub(super) async fn tell_of_ended(&self) -> Result<(), StoreError> {
        for ended in self.store.ended(ENDED_MAX).await? {
            if let Err(error) = self.tell_of(&ended).await {
                tracing::warn!(
                    connector = %ended.account.connector,
                    %error,
                    "an authorization server was not told that an account ended"
                );
            }
            self.store.forget_ended(ended.id).await?;
        }
        Ok(())
    }

    async fn tell_of(&self, ended: &EndedAccount) -> Result<(), NoToken> {
        let account = &ended.account;
        let stored = self.connectors.get(&account.connector).await;
        let Some(stored) = stored.map_err(Self::store_failed)? else {
            return Ok(());
        };
        let connector = &stored.connector;
        let Some(settings) = &connector.oauth else {
            return Ok(());
        };
        let text = self.open(&account.seal_name(), &account.sealed)?;
        let tokens: Tokens = serde_json::from_slice(&text).map_err(|_| Self::not_opened())?;
        let party = self.party(connector, settings, &account.issuer).await?;
        self.tell_ended(&party, &tokens).await
    }
}

impl LinkedAccounts {
    /// Ends an account; the authorization server is told soon. `false` if there was none.
    pub async fn unlink(
        &self,
        connector: &ConnectorName,
        owner: Option<&PrincipalId>,
    ) -> Result<bool, StoreError> {
        let ended = self.0.store.end(connector, owner).await;
        self.0.forget(connector, owner);
        ended
    }
}
