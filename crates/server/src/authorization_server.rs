//! The gate as its own authorization server.

use std::sync::Arc;

use anyhow::Context as _;
use sekimori_identity::authorization_server::{AuthorizationServer, Parts};
use sekimori_identity::{Fetch, GuardedDocuments, SystemRandom};
use sekimori_upstream::egress::Egress;
use zeroize::Zeroizing;

use crate::installation::Installation;

/// Starts it, where the configuration wants it.
pub(crate) async fn open(
    installation: &Installation,
    egress: Egress,
    fetch: Arc<dyn Fetch>,
    installation_key: [u8; 32],
) -> anyhow::Result<Option<Arc<AuthorizationServer>>> {
    let Some(config) = installation.config.authorization_server()? else {
        return Ok(None);
    };
    let parts = Parts {
        store: Arc::clone(&installation.store),
        documents: Arc::new(GuardedDocuments::new(egress)),
        fetch,
        clock: Arc::clone(&installation.clock),
        ids: Arc::clone(&installation.ids),
        random: Arc::new(SystemRandom),
        installation_key: Zeroizing::new(installation_key),
    };
    let server = AuthorizationServer::start(config, parts)
        .await
        .context("identity.authorization_server")?;
    Ok(Some(Arc::new(server)))
}
