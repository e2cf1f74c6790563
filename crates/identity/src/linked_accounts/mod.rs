//! The gate as an OAuth client of upstreams: accounts there, whose tokens calls are made with (AUTHZ-6, AUTHZ-7).
//!
//! Whose account it is, the connector says: one that an administrator linked for all callers, the caller's own, or
//! the gate's own as a client. Linking takes a person to the upstream's authorization server and back, in the browser
//! where it began. What comes of it is sealed, belongs to one person, one connector and one origin, and ends with any
//! of them.
//!
//! ```text
//! call ─▶ token ─▶ upstream ─▶ 401 / 403 insufficient_scope ─▶ challenged ─▶ renewed, or "link first"
//! page ─▶ begin ─▶ authorization server ─▶ finish ─▶ account
//! ```

mod client;
mod discovery;
mod exchange;
mod gate;
mod http;
mod link;
mod renew;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use moka::sync::Cache;
use sekimori_domain::clock::{Clock, Ids};
use sekimori_domain::connector::{AccountOf, Connector, OAuthClient};
use sekimori_domain::ids::{ConnectorName, PrincipalId};
use sekimori_domain::linked_account::LinkedAccount;
use sekimori_store::{Changes, Revisions, Store, StoreError, StoredAccount};
use sekimori_upstream::Secrets;
use sekimori_upstream::authorization::{AccessToken, Authorizations, Challenge, NoToken};
use sekimori_upstream::egress::Egress;
use serde_json::Value;
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::error::ConfigError;
use crate::random::Random;
use crate::resource::PublicUrl;
use crate::sign_in::SealKey;
use crate::wrap::KeyWrap;
use exchange::Tokens;
use gate::OwnTokens;

pub use link::{LinkAnswer, LinkError, Linked};

/// Most accounts whose tokens are held open at once.
const OPEN_MAX: u64 = 4_096;
/// How long they are held open.
const OPEN_FOR: Duration = Duration::from_mins(1);
/// Most scopes of one account.
const SCOPES_MAX: usize = 100;
/// How often authorization servers are told of accounts that ended.
const HOUSEKEEPING: Duration = Duration::from_mins(1);
/// Most of them that are told of at a time.
const ENDED_MAX: u32 = 100;

/// What [`LinkedAccounts`] works with.
#[derive(Debug)]
pub struct LinkedAccountParts<'a> {
    /// Where people reach the gate.
    pub public_url: PublicUrl,
    /// Name of the gate, for people to read.
    pub title: String,
    /// The database.
    pub store: &'a dyn Store,
    /// The guard of all outgoing connections.
    pub egress: Egress,
    /// Finds client secrets and keys.
    pub secrets: Arc<dyn Secrets>,
    /// Seals tokens.
    pub seal_key: SealKey,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Fresh ids.
    pub ids: Arc<dyn Ids>,
    /// Fresh secrets.
    pub random: Arc<dyn Random>,
}

/// Accounts at upstreams.
#[derive(Debug, Clone)]
pub struct LinkedAccounts(Arc<Inner>);

struct Inner {
    public_url: PublicUrl,
    title: String,
    store: Arc<dyn sekimori_store::LinkedAccounts>,
    connectors: Arc<dyn sekimori_store::Connectors>,
    pending: Arc<dyn sekimori_store::SignIns>,
    /// Keeps the changes coming.
    _changes: Arc<dyn Changes>,
    revisions: watch::Receiver<Revisions>,
    egress: Egress,
    secrets: Arc<dyn Secrets>,
    wrap: KeyWrap,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    random: Arc<dyn Random>,
    /// By connector and owner; of the revision under which they were read.
    open: Cache<(ConnectorName, Option<PrincipalId>), (u64, Opened)>,
    own: OwnTokens,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinkedAccounts").finish_non_exhaustive()
    }
}

/// An account with its tokens.
#[derive(Debug, Clone)]
struct Opened {
    stored: StoredAccount,
    tokens: Arc<Tokens>,
}

impl LinkedAccounts {
    /// Everything needed to link accounts and use them.
    pub fn new(parts: LinkedAccountParts<'_>) -> Result<Self, ConfigError> {
        let changes = parts.store.changes();
        Ok(Self(Arc::new(Inner {
            public_url: parts.public_url,
            title: parts.title,
            store: parts.store.linked_accounts(),
            connectors: parts.store.connectors(),
            pending: parts.store.sign_ins(),
            revisions: changes.watch(),
            _changes: changes,
            egress: parts.egress,
            secrets: parts.secrets,
            wrap: parts
                .seal_key
                .wrap("linked accounts")
                .ok_or(ConfigError::SealKey)?,
            clock: parts.clock,
            ids: parts.ids,
            random: parts.random,
            open: Cache::builder()
                .max_capacity(OPEN_MAX)
                .time_to_live(OPEN_FOR)
                .build(),
            own: OwnTokens::default(),
        })))
    }

    /// What the gate publishes of itself as a client (client id metadata document).
    pub fn client_document(&self) -> Value {
        self.0.document()
    }

    /// Tells authorization servers of accounts that ended, as long as it is polled.
    pub async fn maintain(&self) {
        let mut tick = tokio::time::interval(HOUSEKEEPING);
        loop {
            tick.tick().await;
            if let Err(error) = self.0.tell_of_ended().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "accounts that ended could not be looked after yet"
                );
            }
        }
    }
}

#[async_trait]
impl Authorizations for LinkedAccounts {
    async fn token(
        &self,
        connector: &Connector,
        owner: Option<&PrincipalId>,
    ) -> Result<Option<AccessToken>, NoToken> {
        match &connector.oauth {
            None => Ok(None),
            Some(settings) if settings.account == AccountOf::Gate => {
                Ok(self.0.own.current(connector, self.0.clock.now()))
            }
            Some(_) => match self.0.opened(connector, owner).await? {
                None => Ok(None),
                Some(opened) => {
                    let opened = self.0.in_time(connector, opened).await?;
                    bearer(&opened.tokens).map(Some)
                }
            },
        }
    }

    async fn challenged(
        &self,
        connector: &Connector,
        owner: Option<&PrincipalId>,
        refused: Option<&AccessToken>,
        challenge: &Challenge,
    ) -> Result<AccessToken, NoToken> {
        match &connector.oauth {
            None => Err(NoToken::Refused("it wants a token".to_owned())),
            Some(settings) if settings.account == AccountOf::Gate => {
                self.0
                    .own_token(connector, settings, refused, challenge)
                    .await
            }
            Some(settings) => {
                self.0
                    .another(connector, settings, owner, refused, challenge)
                    .await
            }
        }
    }
}

fn bearer(tokens: &Tokens) -> Result<AccessToken, NoToken> {
    AccessToken::bearer(&tokens.access)
        .ok_or_else(|| NoToken::Refused("its token can't be sent in a header".to_owned()))
}

impl Inner {
    fn page(&self, connector: &ConnectorName) -> String {
        format!("{}/linked-accounts/at/{connector}", self.public_url)
    }

    /// What is told to whoever can't go on without an account.
    fn link_first(&self, settings: &OAuthClient, connector: &Connector, why: &str) -> NoToken {
        let page = self.page(&connector.name);
        let who = if settings.account == AccountOf::Person {
            "the person links their account"
        } else {
            "an administrator links an account"
        };
        NoToken::LinkFirst {
            why: format!("{why}; {who} on this page, and then it goes on: {page}"),
            page: (settings.account == AccountOf::Person).then_some(page),
        }
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "the form that errors are mapped in"
    )]
    fn store_failed(error: StoreError) -> NoToken {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "accounts at upstreams can't be read or kept"
        );
        NoToken::Unavailable("accounts can't be read or kept now".to_owned())
    }

    fn not_opened() -> NoToken {
        NoToken::Unavailable("what was sealed can't be opened".to_owned())
    }

    fn seal(&self, name: &str, secret: &[u8]) -> Result<String, NoToken> {
        let sealed = self.wrap.wrap(&*self.random, name, secret);
        sealed.map_err(|_| NoToken::Unavailable("nothing can be sealed now".to_owned()))
    }

    fn open(&self, name: &str, sealed: &str) -> Result<Zeroizing<Vec<u8>>, NoToken> {
        self.wrap
            .unwrap(name, sealed)
            .map_err(|_| Self::not_opened())
    }

    fn seal_tokens(&self, account: &LinkedAccount, tokens: &Tokens) -> Result<String, NoToken> {
        let text = serde_json::to_vec(tokens).map(Zeroizing::new);
        let text = text.map_err(|_| Self::not_opened())?;
        self.seal(&account.seal_name(), &text)
    }

    /// The account as it is stored now, with its tokens; `None` if there is none for this address.
    async fn read(
        &self,
        connector: &Connector,
        owner: Option<&PrincipalId>,
    ) -> Result<Option<Opened>, NoToken> {
        let stored = self.store.get(&connector.name, owner).await;
        let Some(stored) = stored.map_err(Self::store_failed)? else {
            return Ok(None);
        };
        // Tokens go only where they were meant to go when the account was linked.
        if connector.url().and_then(http::origin).as_ref() != Some(&stored.account.origin) {
            return Ok(None);
        }
        let text = self.open(&stored.account.seal_name(), &stored.account.sealed)?;
        let tokens = serde_json::from_slice(&text).map_err(|_| Self::not_opened())?;
        Ok(Some(Opened {
            stored,
            tokens: Arc::new(tokens),
        }))
    }

    /// The same, remembered for a moment and as long as no account changed anywhere.
    async fn opened(
        &self,
        connector: &Connector,
        owner: Option<&PrincipalId>,
    ) -> Result<Option<Opened>, NoToken> {
        // Read before the table: a change in between leads to another look, not to a missed one.
        let revision = self.revisions.borrow().linked_accounts;
        let key = (connector.name.clone(), owner.cloned());
        if let Some((of, opened)) = self.open.get(&key)
            && of == revision
            && connector.url().and_then(http::origin).as_ref()
                == Some(&opened.stored.account.origin)
        {
            return Ok(Some(opened));
        }
        let opened = self.read(connector, owner).await?;
        if let Some(opened) = &opened {
            self.open.insert(key, (revision, opened.clone()));
        }
        Ok(opened)
    }

    /// Forgets what is remembered of an account: it is another one now.
    fn forget(&self, connector: &ConnectorName, owner: Option<&PrincipalId>) {
        self.open.invalidate(&(connector.clone(), owner.cloned()));
    }

    /// Keeps an account; returns the revision.
    async fn keep(
        &self,
        account: &LinkedAccount,
        expected: Option<u64>,
    ) -> Result<u64, StoreError> {
        let kept = self.store.put(account, expected).await;
        self.forget(&account.connector, account.owner.as_ref());
        kept
    }
}

/// The scopes in a text that lists them.
fn words(text: &str) -> Vec<String> {
    let words = text.split_ascii_whitespace().map(str::to_owned);
    words.take(SCOPES_MAX).collect()
}

/// Each scope once, in the order in which they came.
fn union<'a>(lists: impl IntoIterator<Item = &'a [String]>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let all = lists.into_iter().flatten();
    all.filter(|scope| seen.insert(scope.as_str()))
        .take(SCOPES_MAX)
        .cloned()
        .collect()
}

/// The scopes to ask for: what an administrator said, or what the upstream wants now, or what it knows at all; and
/// what was granted or wanted before.
fn scopes_to_ask(
    settings: &OAuthClient,
    challenge: &Challenge,
    known: &[String],
    before: &[&[String]],
) -> Vec<String> {
    let wanted = challenge.scope.as_deref().map(words);
    let first: &[String] = match &wanted {
        _ if !settings.scopes.is_empty() => &settings.scopes,
        Some(wanted) => wanted,
        None => known,
    };
    union([first].into_iter().chain(before.iter().copied()))
}
