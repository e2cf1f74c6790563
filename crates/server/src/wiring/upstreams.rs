//! What the gate calls: the guard of outgoing connections, accounts at upstreams, and the catalogue.

use std::fs;
use std::sync::Arc;

use anyhow::Context as _;
use sekimori_domain::connector::Connector;
use sekimori_gateway::catalog::{Catalog, refresh};
use sekimori_identity::SystemRandom;
use sekimori_identity::linked_accounts::{LinkedAccountParts, LinkedAccounts};
use sekimori_identity::sign_in::SealKey;
use sekimori_store::DefinitionChange;
use sekimori_upstream::egress::{Egress, SystemResolver};
use sekimori_upstream::{Deps, Upstream};
use tokio::sync::mpsc;

use super::seal_key;
use crate::config::Config;
use crate::installation::Installation;
use crate::system::SystemSecrets;

/// Makes the clients of connectors.
pub(crate) fn upstream_maker(
    installation: &Installation,
    linked_accounts: LinkedAccounts,
) -> anyhow::Result<refresh::MakeUpstream> {
    let deps = Deps {
        clock: Arc::clone(&installation.clock),
        egress: egress(&installation.config)?,
        secrets: Arc::new(SystemSecrets),
        authorizations: Arc::new(linked_accounts),
        inherited_env: inherited_environment(),
    };
    Ok(Arc::new(move |connector: Arc<Connector>| {
        Arc::new(Upstream::new((*connector).clone(), deps.clone()))
    }))
}

/// Accounts at upstreams.
pub(crate) fn open_linked_accounts(installation: &Installation) -> anyhow::Result<LinkedAccounts> {
    let config = &installation.config;
    LinkedAccounts::new(LinkedAccountParts {
        public_url: config.public_url()?,
        title: config.server.title.clone(),
        store: &*installation.store,
        egress: egress(config)?,
        secrets: Arc::new(SystemSecrets),
        seal_key: SealKey::new(seal_key(&config.server.data_dir)?),
        clock: Arc::clone(&installation.clock),
        ids: Arc::clone(&installation.ids),
        random: Arc::new(SystemRandom),
    })
    .context("linked accounts")
}

/// What child processes inherit.
fn inherited_environment() -> Vec<(String, String)> {
    std::env::vars()
        .filter(|(name, _)| matches!(name.as_str(), "PATH" | "LANG"))
        .collect()
}

pub(crate) fn egress(config: &Config) -> anyhow::Result<Egress> {
    let ca = match &config.egress.ca_file {
        Some(path) => Some(
            fs::read(path)
                .with_context(|| format!("egress.ca_file {} cannot be read", path.display()))?,
        ),
        None => None,
    };
    let allow = config.egress_allow()?;
    Egress::new(allow, ca.as_deref(), Arc::new(SystemResolver)).context("egress.ca_file")
}

/// The catalogue, and where it tells of tools that changed.
pub(super) fn open_catalog(
    installation: &Installation,
    linked_accounts: LinkedAccounts,
) -> anyhow::Result<(Arc<Catalog>, mpsc::UnboundedReceiver<DefinitionChange>)> {
    let (drifted, drift) = mpsc::unbounded_channel();
    let source = refresh::Source {
        store: Arc::clone(&installation.store),
        make_upstream: upstream_maker(installation, linked_accounts)?,
        clock: Arc::clone(&installation.clock),
        drifted,
    };
    Ok((Arc::new(Catalog::new(source)), drift))
}
