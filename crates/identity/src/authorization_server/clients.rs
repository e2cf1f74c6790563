//! Clients: found when they come, entered and judged by administrators.

use jiff::Timestamp;
use sekimori_domain::clock::Clock;
use sekimori_domain::ids::ClientId;
use sekimori_domain::oauth::{
    ClientAuthentication, ClientKeys, ClientKind, ClientStatus, OAuthClient,
};
use sekimori_domain::revocation::{Subject, SubjectKind};
use sekimori_store::{OAuth, Store, StoreError};

use super::AuthorizationServer;
use super::client_metadata::{self, displayable};
use super::config::Trust;
use super::error::{OAuthRefusal, invalid_client};
use super::redirect::{self, Allowed};
use crate::error::IdentityError;
use crate::random::Random;
use crate::revocation::{Revocations, end_access};
use crate::scope::Scope;
use crate::secret::random_id;
use crate::token::{Algorithm, KeySet};

/// Begins the id of a client that registered itself.
pub const DYNAMIC_CLIENT_PREFIX: &str = "dyn_";
/// Begins the id of a client that an administrator entered.
pub const CLIENT_PREFIX: &str = "app_";
/// Begins the id of a client of a service account.
pub const SERVICE_CLIENT_PREFIX: &str = "svc_";
/// Most clients that wait for an administrator; anybody can cause one.
const WAITING_MAX: u64 = 200;
/// How long a client waits before it is forgotten.
const WAITING_KEPT: jiff::SignedDuration = jiff::SignedDuration::from_hours(7 * 24);

/// How a client is known, told by the form of its id.
pub fn kind_of_client(id: &str) -> ClientKind {
    if client_metadata::is_address(id) {
        ClientKind::MetadataDocument
    } else if id.starts_with(DYNAMIC_CLIENT_PREFIX) {
        ClientKind::Dynamic
    } else if id.starts_with(SERVICE_CLIENT_PREFIX) {
        ClientKind::Service
    } else {
        ClientKind::Preregistered
    }
}

/// Why a client can't be authorized.
#[derive(Debug)]
pub(super) enum NoClient {
    /// Not known, or its document can't be had.
    Unknown,
    /// Denied by an administrator or by the trust policy.
    Denied,
    /// Waits for an administrator.
    Waits,
    /// The store failed.
    Failed(StoreError),
}

impl From<StoreError> for NoClient {
    fn from(error: StoreError) -> Self {
        // An id that can't be a key is nobody's.
        match error {
            StoreError::Invalid { .. } => Self::Unknown,
            error => Self::Failed(error),
        }
    }
}

impl AuthorizationServer {
    /// The client that wants to be authorized, as it is described now.
    pub(super) async fn client_to_authorize(&self, id: &str) -> Result<OAuthClient, NoClient> {
        let id = ClientId::new(id).map_err(|_| NoClient::Unknown)?;
        let stored = self.oauth.client(id.as_str()).await?;
        if !client_metadata::is_address(id.as_str()) {
            let client = stored.ok_or(NoClient::Unknown)?;
            self.check_standing(&client)
                .map_err(|()| NoClient::Denied)?;
            return Ok(client);
        }
        let (_, host) = client_metadata::address(id.as_str()).ok_or(NoClient::Unknown)?;
        let standing = stored.as_ref().map(|client| client.status);
        let status = match (standing, self.config.documents.of(&host)) {
            (Some(ClientStatus::Denied), _) | (_, Trust::Denied) => return Err(NoClient::Denied),
            (Some(ClientStatus::Approved), _) => ClientStatus::Approved,
            (_, Trust::Automatic) => ClientStatus::Unverified,
            (Some(_), Trust::Approval) => return Err(NoClient::Waits),
            (None, Trust::Approval) => {
                self.let_wait(&id).await?;
                return Err(NoClient::Waits);
            }
        };
        let described = self
            .documents
            .client(id.as_str())
            .await
            .map_err(|_| NoClient::Unknown)?;
        Ok(OAuthClient {
            status,
            decided_by: stored.as_ref().and_then(|client| client.decided_by.clone()),
            created_at: stored.map_or(described.client.created_at, |client| client.created_at),
            ..described.client.clone()
        })
    }

    /// Notes that somebody wants to use a client that no administrator has judged. Its document is not
    /// fetched: the address is a stranger's.
    async fn let_wait(&self, id: &ClientId) -> Result<(), StoreError> {
        let now = self.clock.now();
        let waiting = OAuthClient {
            id: id.clone(),
            kind: ClientKind::MetadataDocument,
            status: ClientStatus::Pending,
            name: displayable(id.as_str()),
            redirect_uris: Vec::new(),
            authentication: ClientAuthentication::None,
            keys: None,
            scopes: None,
            service_account: None,
            document: None,
            decided_by: None,
            created_at: now,
            expires_at: Some(super::keys::later(now, WAITING_KEPT)),
        };
        match self.oauth.add_client(&waiting, WAITING_MAX).await {
            // Beyond the limit nobody waits in line; two at once are the same one.
            Ok(_) | Err(StoreError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Keeps what a person has just been shown and consented to, so that administrators see it and tokens
    /// can be asked for.
    pub(super) async fn keep_client(&self, client: &OAuthClient) -> Result<(), StoreError> {
        let kept = OAuthClient {
            expires_at: None,
            ..client.clone()
        };
        match self.oauth.client(client.id.as_str()).await? {
            Some(stored) if stored == kept => Ok(()),
            // Judged meanwhile: the judgement stays.
            Some(stored) if stored.status == ClientStatus::Denied => Ok(()),
            Some(stored) => {
                let kept = OAuthClient {
                    status: stored.status.min(kept.status),
                    decided_by: stored.decided_by,
                    ..kept
                };
                self.oauth.put_client(&kept).await
            }
            None => self.oauth.put_client(&kept).await,
        }
    }

    /// The client that asks for tokens: one that somebody consented to, or that was entered.
    pub(super) async fn client_at_token(&self, id: &str) -> Result<OAuthClient, OAuthRefusal> {
        let client = self.oauth.client(id).await?.ok_or_else(invalid_client)?;
        self.check_standing(&client)
            .map_err(|()| invalid_client())?;
        if let Some((_, host)) = client_metadata::address(client.id.as_str())
            && self.config.documents.of(&host) == Trust::Denied
        {
            return Err(invalid_client());
        }
        Ok(client)
    }

    fn check_standing(&self, client: &OAuthClient) -> Result<(), ()> {
        let ended = client.expires_at.is_some_and(|end| end <= self.clock.now());
        match client.status {
            ClientStatus::Approved | ClientStatus::Unverified if !ended => Ok(()),
            _ => Err(()),
        }
    }
}

/// A client as an administrator enters it.
#[derive(Debug, Clone)]
pub struct NewClient {
    /// Name for people to read.
    pub name: String,
    /// Where it may be sent back to.
    pub redirect_uris: Vec<String>,
    /// How it proves who it is.
    pub authentication: ClientAuthentication,
    /// Its keys, where it signs assertions.
    pub keys: Option<ClientKeys>,
    /// The most it may be granted.
    pub scopes: Option<Vec<String>>,
    /// The service account that it acts for; such a client has no redirect URIs.
    pub service_account: Option<String>,
    /// Who enters it.
    pub by: String,
}

/// Enters a client; returns it with its id.
pub async fn register_client(
    store: &dyn OAuth,
    clock: &dyn Clock,
    random: &dyn Random,
    new: NewClient,
) -> Result<OAuthClient, IdentityError> {
    check_new(&new)?;
    let (prefix, kind) = match new.service_account {
        Some(_) => (SERVICE_CLIENT_PREFIX, ClientKind::Service),
        None => (CLIENT_PREFIX, ClientKind::Preregistered),
    };
    let client = OAuthClient {
        id: ClientId::new(&random_id(random, prefix)?)?,
        kind,
        status: ClientStatus::Approved,
        name: displayable(new.name.trim()),
        redirect_uris: new.redirect_uris,
        authentication: new.authentication,
        keys: new.keys,
        scopes: new.scopes,
        service_account: new.service_account,
        document: None,
        decided_by: Some(new.by),
        created_at: clock.now(),
        expires_at: None,
    };
    store.put_client(&client).await?;
    Ok(client)
}

fn check_new(new: &NewClient) -> Result<(), IdentityError> {
    let invalid = |what, rule| Err(IdentityError::Invalid { what, rule });
    if new.name.trim().is_empty() {
        return invalid("client name", "it is required");
    }
    let signs = new.authentication == ClientAuthentication::PrivateKeyJwt;
    if signs != new.keys.is_some() {
        return invalid(
            "client keys",
            "a client that signs has keys, and no other has",
        );
    }
    match &new.keys {
        Some(ClientKeys::Set(set))
            if KeySet::read(set, &Algorithm::ALL).is_none_or(|set| set.is_empty()) =>
        {
            return invalid(
                "client keys",
                "use a JWK set with public EC, Ed25519 or RSA keys",
            );
        }
        Some(ClientKeys::Address(at)) if client_metadata::address(at).is_none() => {
            return invalid("client keys", "use an https address of a public host name");
        }
        _ => {}
    }
    if new.service_account.is_some() {
        if !signs || !new.redirect_uris.is_empty() {
            return invalid(
                "service client",
                "it signs, and is never sent back anywhere",
            );
        }
    } else {
        // Whoever enters a client may name any scheme of an installed application but those of browsers.
        let good = |uri: &String| {
            let scheme = redirect::parse(uri).map(|uri| uri.scheme().to_owned());
            let browser = [
                "javascript",
                "data",
                "file",
                "blob",
                "about",
                "vbscript",
                "ws",
                "wss",
                "ftp",
            ];
            scheme.is_some_and(|scheme| {
                !browser.contains(&scheme.as_str())
                    && redirect::acceptable(
                        uri,
                        Allowed {
                            private_schemes: &[scheme],
                        },
                    )
            })
        };
        if new.redirect_uris.is_empty()
            || new.redirect_uris.len() > redirect::URIS_MAX
            || !new.redirect_uris.iter().all(good)
        {
            return invalid(
                "redirect URI",
                "use 1 to 32 of https, http on loopback, or the scheme of an installed application",
            );
        }
    }
    let known = |scope: &String| Scope::ALL.iter().any(|known| known.as_str() == scope);
    if new
        .scopes
        .as_ref()
        .is_some_and(|list| list.is_empty() || !list.iter().all(known))
    {
        return invalid("client scopes", "use mcp:read, mcp:write and mcp:admin");
    }
    Ok(())
}

/// Approves a client: people see its name as a name. A metadata document's client may be approved before
/// anybody has used it.
pub async fn approve_client(
    store: &dyn OAuth,
    clock: &dyn Clock,
    id: &str,
    by: &str,
) -> Result<OAuthClient, IdentityError> {
    judge(store, clock.now(), id, ClientStatus::Approved, by).await
}

/// Denies a client, and ends all that it was granted, on every node: first it can get nothing new, then what
/// it has is void. Returns it with the grants that were alive.
pub async fn deny_client(
    store: &dyn Store,
    revocations: &Revocations,
    clock: &dyn Clock,
    id: &str,
    by: &str,
) -> Result<(OAuthClient, Vec<String>), IdentityError> {
    let client = judge(&*store.oauth(), clock.now(), id, ClientStatus::Denied, by).await?;
    let subject = Subject::new(SubjectKind::Client, client.id.as_str());
    let ended = end_access(store, revocations, clock, &subject).await?;
    Ok((client, ended.grants))
}

async fn judge(
    store: &dyn OAuth,
    now: Timestamp,
    id: &str,
    status: ClientStatus,
    by: &str,
) -> Result<OAuthClient, IdentityError> {
    let known = store.client(id).await?;
    let is_document = client_metadata::address(id).is_some();
    let client = match known {
        Some(known) => known,
        None if is_document => OAuthClient {
            id: ClientId::new(id)?,
            kind: ClientKind::MetadataDocument,
            status,
            name: displayable(id),
            redirect_uris: Vec::new(),
            authentication: ClientAuthentication::None,
            keys: None,
            scopes: None,
            service_account: None,
            document: None,
            decided_by: None,
            created_at: now,
            expires_at: None,
        },
        None => return Err(IdentityError::NotFound { what: "client" }),
    };
    let client = OAuthClient {
        status,
        decided_by: Some(by.to_owned()),
        expires_at: None,
        ..client
    };
    store.put_client(&client).await?;
    Ok(client)
}
