//! Approvals in a folder of their own, with a clock that stands still until it is moved.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sekimori_approval::{
    Admission, Approvals, Asked, Journal, NotRecorded, Parts, Settings, Vault, VaultError,
};
use sekimori_domain::Timestamp;
use sekimori_domain::approval::{ApprovalRequest, Decider, Route, Routes, When};
use sekimori_domain::arguments::Arguments;
use sekimori_domain::caller::{
    Authentication, AuthenticationMethod, Caller, Client, Principal, PrincipalKind,
};
use sekimori_domain::catalog::{Environment, OperationClass, Target, TargetKind, Tool};
use sekimori_domain::clock::{Clock, Ids};
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::{CallId, CorrelationId, GroupId, PrincipalId};
use sekimori_domain::person::{Group, MemberId, User, UserSource};
use sekimori_domain::record::EventKind;
use sekimori_domain::road::{ApprovalDemand, Decision, Inspected, Permit};
use sekimori_policy::{GroupHierarchy, Membership};
use sekimori_store::Store;
use serde_json::{Map, Value};
use uuid::Uuid;

/// A clock of the test.
#[derive(Debug, Default)]
pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn wait(&self, time: Duration) {
        let seconds = i64::try_from(time.as_secs()).unwrap();
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + self.0.load(Ordering::SeqCst)).unwrap()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst).try_into().unwrap())
    }
}

#[derive(Debug)]
struct SystemIds;

impl Ids for SystemIds {
    #[expect(clippy::disallowed_methods, reason = "the ids of these tests")]
    fn next(&self) -> Uuid {
        Uuid::now_v7()
    }
}

/// Keeps what it is given as it is; sealing is tested where it is done.
#[derive(Debug)]
struct Glass;

impl Vault for Glass {
    fn seal(&self, name: &str, plain: &[u8]) -> Result<String, VaultError> {
        Ok(format!("{name}:{}", String::from_utf8_lossy(plain)))
    }

    fn open(&self, name: &str, sealed: &str) -> Result<Vec<u8>, VaultError> {
        let rest = sealed.strip_prefix(name).ok_or(VaultError)?;
        Ok(rest.trim_start_matches(':').as_bytes().to_vec())
    }

    fn digest(&self, text: &[u8]) -> Digest {
        Digest::of_parts(&[b"key", text])
    }
}

#[derive(Debug)]
struct NoJournal;

#[async_trait]
impl Journal for NoJournal {
    async fn note(
        &self,
        _event: EventKind,
        _correlation: Option<CorrelationId>,
        _detail: BTreeMap<String, Value>,
    ) -> Result<(), NotRecorded> {
        Ok(())
    }
}

/// A database, and the people in it.
pub(crate) struct World {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<TestClock>,
    _folder: tempfile::TempDir,
}

impl World {
    pub(crate) async fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("gate.db").display());
        Self {
            store: sekimori_store::open(&url).await.unwrap(),
            clock: Arc::default(),
            _folder: folder,
        }
    }

    /// Approvals as a node has them after its start.
    pub(crate) fn approvals(&self, channels: &[&str]) -> Approvals {
        self.approvals_of(channels, Arc::new(GroupHierarchy::default()))
    }

    /// The same with groups and roles as `groups` has them.
    pub(crate) fn approvals_of(&self, channels: &[&str], groups: Arc<dyn Membership>) -> Approvals {
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let parts = Parts::of(
            &*self.store,
            Arc::new(Glass),
            Arc::new(NoJournal),
            clock,
            Arc::new(SystemIds),
        );
        let settings = Settings {
            warrant_life: Duration::from_secs(30),
            life: Duration::from_hours(14 * 24),
            refusal_stands: Duration::from_hours(1),
            wait: Duration::ZERO,
            routes: Routes {
                routes: Vec::new(),
                otherwise: Route {
                    name: "default".to_owned(),
                    when: When::default(),
                    groups: vec!["managers".parse().unwrap()],
                    person_from: None,
                    quorum: 1,
                    step_up: false,
                    expires_hours: None,
                },
            },
            groups,
            channels: channels.iter().map(|&name| name.to_owned()).collect(),
            public_url: "https://gate.example".to_owned(),
        };
        Approvals::new(parts, settings)
    }

    /// A person with a mail address.
    pub(crate) async fn person(&self, name: &str, locale: Option<&str>) -> PrincipalId {
        let id = PrincipalId::of_user(SystemIds.next()).unwrap();
        let now = self.clock.now();
        let user = User {
            id: id.clone(),
            user_name: format!("{name}@example.co.jp"),
            display_name: name.to_owned(),
            active: true,
            source: UserSource::Scim,
            provider: None,
            external_id: None,
            department: None,
            employment: None,
            country: None,
            locale: locale.map(str::to_owned),
            emails: vec![format!("{name}@example.co.jp")],
            attributes: Map::new(),
            version: 1,
            created_at: now,
            updated_at: now,
        };
        self.store.people().create_user(&user).await.unwrap();
        id
    }

    /// A group of people.
    pub(crate) async fn group(&self, name: &str, members: &[&PrincipalId]) {
        let now = self.clock.now();
        let group = Group {
            id: GroupId::of_group(SystemIds.next()).unwrap(),
            name: name.parse().unwrap(),
            display_name: name.to_owned(),
            provider: None,
            external_id: None,
            attributes: Map::new(),
            version: 1,
            created_at: now,
            updated_at: now,
        };
        let members: Vec<_> = members
            .iter()
            .map(|id| MemberId::User((*id).clone()))
            .collect();
        self.store
            .people()
            .create_group(&group, &members)
            .await
            .unwrap();
    }
}

/// Somebody who decides.
pub(crate) fn manager(id: &PrincipalId) -> Decider {
    Decider {
        id: id.clone(),
        name: "Manager".to_owned(),
        kind: PrincipalKind::User,
        groups: vec!["managers".parse().unwrap()],
        holds_right: false,
        stepped_up: false,
        represented: Vec::new(),
    }
}

/// A call of `who` that needs a person, and the request for it.
pub(crate) async fn ask(approvals: &Approvals, who: &PrincipalId) -> ApprovalRequest {
    let arguments = Arguments::parse(Some(br#"{"secret-argument":1}"#)).unwrap();
    let tool = Tool {
        target: Target {
            connector: "bank".parse().unwrap(),
            kind: TargetKind::Tool,
            name: "transfer".to_owned(),
        },
        class: OperationClass::Delete,
        classified: true,
        idempotent: false,
        data_classes: Vec::new(),
        environment: Environment::Production,
        tags: Vec::new(),
        definition: None,
    };
    let decision = Decision {
        policies: vec!["payments".to_owned()],
        policy_version: 1,
        approvals: vec![ApprovalDemand::new("payments", "payments are looked at")],
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "stands in for policy and inspection"
    )]
    let inspected = Inspected::mint(
        Permit::mint(
            CallId(SystemIds.next()),
            Arc::new(caller(who)),
            Arc::new(tool),
            arguments.digest(),
            decision,
        ),
        arguments,
        None,
    );
    let asked = Asked {
        inspected,
        correlation: CorrelationId::from_uuid(SystemIds.next()),
        client: Some("Claude\nUntil: never".to_owned()),
        continues: None,
        agreed: None,
        present: None,
    };
    match approvals.admit(asked).await.unwrap() {
        Admission::Waits(waiting) => waiting.request,
        Admission::Granted(_) => panic!("nobody was asked"),
    }
}

pub(crate) fn caller(who: &PrincipalId) -> Caller {
    Caller::new(
        Principal {
            display_name: "花子".to_owned(),
            ..Principal::new(who.clone(), PrincipalKind::User)
        },
        Client::new("claude".parse().unwrap(), "cimd"),
        Authentication::new(AuthenticationMethod::AccessToken, "https://gate.example"),
    )
}
