//! What commands work on: the configuration, the database, and the way into the audit journal.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use sekimori_audit::note;
use sekimori_domain::clock::{Clock, Ids};
use sekimori_domain::ids::CorrelationId;
use sekimori_domain::record::{
    CallerNote, EventKind, OutcomeStatus, Phase, RECORD_VERSION, Record,
};
use sekimori_store::Store;
use serde_json::{Value, json};

use crate::cli::Common;
use crate::config::{self, Config};
use crate::spool::Spool;
use crate::system::{SystemClock, SystemIds};

/// One installation, as a command sees it.
pub(crate) struct Installation {
    pub(crate) config: Config,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) spool: Spool,
}

impl Installation {
    /// Opens the installation that `common` names.
    pub(crate) async fn open(common: &Common) -> anyhow::Result<Self> {
        let config = config::load(&common.config)?;
        Self::with(config).await
    }

    /// Opens the installation that `config` describes.
    pub(crate) async fn with(config: Config) -> anyhow::Result<Self> {
        make_private_folder(&config.server.data_dir)?;
        let store = sekimori_store::open(&config.store_url())
            .await
            .context("the database cannot be opened (store.url)")?;
        let spool = Spool::open(&config.server.data_dir)?;
        Ok(Self {
            config,
            store,
            clock: Arc::new(SystemClock::new()),
            ids: Arc::new(SystemIds),
            spool,
        })
    }

    /// Records what an administrator did on the command line. It is durable when this returns; the running
    /// gate, or the next one, takes it into the journal.
    pub(crate) fn note(
        &self,
        event: EventKind,
        detail: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> anyhow::Result<()> {
        let record = self.administration(event, detail);
        self.spool
            .put(&record)
            .context("the audit record could not be written, so nothing was done")
    }

    /// Records a change to an account, key or token: what, and whose.
    pub(crate) fn note_credential(&self, action: &str, name: &str) -> anyhow::Result<()> {
        let detail = [
            ("action", json!(action)),
            ("name", json!(name)),
            ("by", json!(operator())),
        ];
        self.note(EventKind::ServiceAccountChange, detail)
    }

    fn administration(
        &self,
        event: EventKind,
        detail: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Record {
        let operator = operator();
        let id = self.ids.next();
        Record {
            arguments: None,
            call: None,
            caller: Some(CallerNote {
                client: "sekimori-cli".to_owned(),
                client_claimed: None,
                groups: Vec::new(),
                id: operator.clone(),
                ip: None,
                kind: "operating_system_user".to_owned(),
                method: "operating_system".to_owned(),
                mfa: false,
                name: operator,
                user_agent: None,
            }),
            correlation: CorrelationId::from_uuid(id),
            decision: None,
            detail: detail
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect::<BTreeMap<_, _>>(),
            duration_us: None,
            event,
            id,
            node: self.config.server.node.clone(),
            outcome: Some(note::ended(OutcomeStatus::Success)),
            phase: Phase::Single,
            target: None,
            time: self.clock.now(),
            trace: None,
            v: RECORD_VERSION,
        }
    }
}

/// Who runs the command, as the operating system knows them.
pub(crate) fn operator() -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "who runs a command is told by its environment"
    )]
    let user = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER"));
    user.map_or_else(
        |_| format!("os:uid-{}", own_uid()),
        |user| format!("os:{user}"),
    )
}

/// The user id that this process runs under; `?` where `/proc` does not tell.
fn own_uid() -> String {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").map_or_else(|_| "?".to_owned(), |own| own.uid().to_string())
}

/// Makes a folder that only its owner may enter.
pub(crate) fn make_private_folder(path: &std::path::Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("the folder {} cannot be made", path.display()))
}
