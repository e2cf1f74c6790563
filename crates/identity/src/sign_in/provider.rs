//! The identity providers: those of the configuration file and those of the store.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use http::Uri;
use sekimori_domain::clock::Clock;
use sekimori_domain::identity_provider::{IdentityProvider, SignInProtocol};
use sekimori_domain::ids::ProviderName;
use sekimori_store::{Changes, IdentityProviders, Revisions};
use tokio::sync::Mutex;
use tokio::sync::watch;

use super::failure::Reason;
use super::http::{ProviderHttp, SecretLookup};
use super::oidc::{self, OidcClient};
use super::saml::SamlClient;
use crate::error::ConfigError;
use crate::resource::{PublicUrl, is_https_or_loopback};

/// A provider that can be asked.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) config: IdentityProvider,
    pub(super) client: Client,
}

/// By which protocol.
#[derive(Debug)]
pub(super) enum Client {
    Oidc(Box<OidcClient>),
    Saml(Box<SamlClient>),
}

#[derive(Debug)]
struct Loaded {
    revision: u64,
    providers: BTreeMap<ProviderName, Arc<Provider>>,
}

/// What providers are made with.
#[derive(Debug, Clone)]
struct Tools {
    public_url: PublicUrl,
    http: Arc<dyn ProviderHttp>,
    secrets: SecretLookup,
    clock: Arc<dyn Clock>,
}

/// All providers; those of the configuration file win over those of the store.
pub(super) struct Providers {
    configured: BTreeMap<ProviderName, Arc<Provider>>,
    store: Arc<dyn IdentityProviders>,
    /// Keeps the changes coming.
    _changes: Arc<dyn Changes>,
    revisions: watch::Receiver<Revisions>,
    loaded: ArcSwapOption<Loaded>,
    loading: Mutex<()>,
    tools: Tools,
}

impl fmt::Debug for Providers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Providers")
            .field("configured", &self.configured)
            .finish_non_exhaustive()
    }
}

impl Providers {
    pub(super) fn new(
        configured: Vec<IdentityProvider>,
        store: Arc<dyn IdentityProviders>,
        changes: Arc<dyn Changes>,
        public_url: PublicUrl,
        http: Arc<dyn ProviderHttp>,
        secrets: SecretLookup,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConfigError> {
        let tools = Tools {
            public_url,
            http,
            secrets,
            clock,
        };
        let mut made = BTreeMap::new();
        for config in configured {
            let name = config.name.clone();
            let wrong = |rule| ConfigError::Provider {
                name: name.clone(),
                rule,
            };
            let provider = tools.provider(config).map_err(wrong)?;
            if made.insert(name.clone(), Arc::new(provider)).is_some() {
                return Err(wrong("it is configured twice"));
            }
        }
        Ok(Self {
            configured: made,
            store,
            revisions: changes.watch(),
            _changes: changes,
            loaded: ArcSwapOption::empty(),
            loading: Mutex::default(),
            tools,
        })
    }

    /// How providers are asked.
    pub(super) fn http(&self) -> &dyn ProviderHttp {
        &*self.tools.http
    }

    /// Those of the configuration file.
    pub(super) fn configured(&self) -> impl Iterator<Item = &IdentityProvider> {
        self.configured.values().map(|provider| &provider.config)
    }

    /// Those that people may sign in through, by name.
    pub(super) async fn enabled(&self) -> Result<Vec<Arc<Provider>>, Reason> {
        let stored = self.stored().await?;
        let mut all = stored.providers.clone();
        all.extend(self.configured.clone());
        Ok(all
            .into_values()
            .filter(|provider| provider.config.enabled)
            .collect())
    }

    /// The provider of that name, if people may sign in through it.
    pub(super) async fn get(&self, name: &str) -> Result<Arc<Provider>, Reason> {
        let found = match self.configured.get(name) {
            Some(provider) => Some(Arc::clone(provider)),
            None => self.stored().await?.providers.get(name).cloned(),
        };
        found
            .filter(|provider| provider.config.enabled)
            .ok_or(Reason::UnknownProvider)
    }

    /// The provider of that name by its newest settings, also where nobody confirmed them yet: for trying it.
    pub(super) async fn newest(&self, name: &str) -> Result<Arc<Provider>, Reason> {
        let Ok(stored_name) = ProviderName::new(name) else {
            return Err(Reason::UnknownProvider);
        };
        if self.configured.contains_key(name) {
            return self.get(name).await;
        }
        let stored = self.store.get(&stored_name).await?;
        let config = stored.map(|stored| stored.provider);
        let config = config.filter(|config| config.enabled);
        let provider = self
            .tools
            .provider(config.ok_or(Reason::UnknownProvider)?)
            .map_err(|_| Reason::UnknownProvider)?;
        Ok(Arc::new(provider))
    }

    async fn stored(&self) -> Result<Arc<Loaded>, Reason> {
        if let Some(loaded) = self.current() {
            return Ok(loaded);
        }
        let _one_at_a_time = self.loading.lock().await;
        if let Some(loaded) = self.current() {
            return Ok(loaded);
        }
        // Read before the table: a change in between leads to another load, not to a missed one.
        let revision = self.revisions.borrow().identity;
        let before = self.loaded.load_full();
        let mut providers = BTreeMap::new();
        for stored in self.store.list().await? {
            let Some(config) = stored.in_force().cloned() else {
                continue;
            };
            let name = config.name.clone();
            let same = before
                .as_ref()
                .and_then(|before| before.providers.get(&name))
                .filter(|known| known.config == config);
            let provider = match same {
                Some(known) => Ok(Arc::clone(known)),
                None => self.tools.provider(config).map(Arc::new),
            };
            match provider {
                Ok(provider) => drop(providers.insert(name, provider)),
                Err(rule) => tracing::error!(
                    provider = %name,
                    rule,
                    "a stored identity provider can't be used; nobody signs in through it"
                ),
            }
        }
        let loaded = Arc::new(Loaded {
            revision,
            providers,
        });
        self.loaded.store(Some(Arc::clone(&loaded)));
        Ok(loaded)
    }

    fn current(&self) -> Option<Arc<Loaded>> {
        let revision = self.revisions.borrow().identity;
        self.loaded
            .load_full()
            .filter(|loaded| loaded.revision == revision)
    }
}

impl Tools {
    fn provider(&self, config: IdentityProvider) -> Result<Provider, &'static str> {
        check(&self.public_url, &config)?;
        let client = match &config.protocol {
            SignInProtocol::Oidc(settings) => Client::Oidc(Box::new(OidcClient::new(
                settings,
                Arc::clone(&self.http),
                self.secrets.clone(),
                Arc::clone(&self.clock),
            )?)),
            SignInProtocol::Saml(settings) => {
                let base = saml_base(&self.public_url, &config.name);
                Client::Saml(Box::new(SamlClient::new(settings, &base)?))
            }
        };
        Ok(Provider { config, client })
    }
}

/// Whether a provider can be used by the gate at `public_url` as it is configured. Nobody is asked.
pub fn check_provider(
    public_url: &PublicUrl,
    config: &IdentityProvider,
) -> Result<(), ConfigError> {
    check(public_url, config).map_err(|rule| ConfigError::Provider {
        name: config.name.clone(),
        rule,
    })
}

fn check(public_url: &PublicUrl, config: &IdentityProvider) -> Result<(), &'static str> {
    if config.name.as_str() == super::LOCAL {
        return Err("the name local stands for this gate itself");
    }
    match &config.protocol {
        SignInProtocol::Oidc(settings) => {
            check_url(&settings.issuer)?;
            if settings.client_id.is_empty() {
                return Err("it needs a client id");
            }
            oidc::algorithms(settings)?;
        }
        SignInProtocol::Saml(settings) => {
            check_url(&settings.sso_url)?;
            SamlClient::new(settings, &saml_base(public_url, &config.name))?;
        }
    }
    Ok(())
}

fn saml_base(public_url: &PublicUrl, name: &ProviderName) -> String {
    format!("{public_url}/sign-in/saml/{name}")
}

fn check_url(text: &str) -> Result<(), &'static str> {
    let uri: Uri = text.parse().map_err(|_| "an address is not a URL")?;
    if !is_https_or_loopback(&uri) {
        return Err("use https://, or http:// on a loopback address");
    }
    if text.contains(['#', '@']) {
        return Err("leave user and fragment out");
    }
    Ok(())
}
