//! Records whose time is over go, one by one; what was signed stays true, and a hold wins (AUDIT-4, DATA-6).

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use sekimori_audit::retention::{Archive, Keeper, Retention, RetentionRule, plan};
use sekimori_audit::tlog::{
    FileSigner, LogKeys, Selection as Bundled, Source, verify_bundle, write_bundle,
};
use sekimori_audit::{
    Audit, AuditOptions, Expectations, Reader, Signing, VerifyReport, durable_head, rebuild_index,
    tlog_folder, verify_with,
};
use sekimori_domain::Timestamp;
use sekimori_domain::clock::Clock as _;
use sekimori_domain::record::{EventKind, OutcomeStatus, Phase, Record};
use sekimori_domain::retention::{OrderAct, OrderKind, OrderStep, RetentionOrder, Selection};
use sekimori_store::{AuditQuery, Store};
use tempfile::{TempDir, tempdir};

use crate::kit::{Dice, TestClock, TestIds, segments};
use crate::schemas::full;
use crate::tlog::key;

const DAY: i64 = 86_400;

pub(crate) struct House {
    dir: TempDir,
    store: Arc<dyn Store>,
    audit: Arc<Audit>,
}

impl House {
    async fn new() -> Self {
        let dir = tempdir().unwrap();
        let url = format!("sqlite:{}", dir.path().join("index.db").display());
        let store = sekimori_store::open(&url).await.unwrap();
        let audit = Self::start(&dir, &store).await;
        Self { dir, store, audit }
    }

    async fn start(dir: &TempDir, store: &Arc<dyn Store>) -> Arc<Audit> {
        let options = AuditOptions {
            folder: dir.path().join("journal"),
            node: "gate-1".into(),
            segment_bytes: 16_384,
        };
        let signing = Signing {
            signer: Arc::new(FileSigner::new(key())),
            witnesses: Vec::new(),
            closings: Vec::new(),
        };
        let (clock, ids) = (Arc::new(TestClock::default()), Arc::new(TestIds::default()));
        let index = store.audit_index();
        let audit = Audit::start_signed(options, signing, index, clock, ids).await;
        Arc::new(audit.unwrap())
    }

    async fn restart(&mut self) {
        self.audit.close().await;
        self.audit = Self::start(&self.dir, &self.store).await;
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.dir.path().join("journal")
    }

    pub(crate) fn keeper(&self, retention: Retention) -> Keeper {
        let orders = self.store.retention_orders();
        Keeper::new(Arc::clone(&self.audit), orders, self.journal(), retention)
    }

    async fn append(&self, records: impl IntoIterator<Item = Record>) {
        for record in records {
            self.audit.append(&record).await.unwrap();
        }
    }

    fn expected(&self) -> Expectations {
        Expectations {
            keys: Some(key().verifying().clone().into()),
            tlog: Some(tlog_folder(&self.journal())),
            ..Expectations::default()
        }
    }

    fn verify(&self) -> VerifyReport {
        verify_with(&self.journal(), &self.expected()).unwrap()
    }

    async fn order(&self, id: &str, kind: OrderKind, user: &str) {
        let selection = Selection {
            user: Some(user.to_owned()),
            ..Selection::default()
        };
        let mut order =
            RetentionOrder::propose(id.to_owned(), kind, selection, step(OrderAct::Propose, "a"))
                .unwrap();
        self.store.retention_orders().add(&order).await.unwrap();
        order.step(step(OrderAct::Agree, "b")).unwrap();
        self.store.retention_orders().advance(&order).await.unwrap();
    }

    async fn found(&self, user: &str) -> usize {
        let query = AuditQuery {
            caller: Some(user.to_owned()),
            limit: 1_000,
            ..AuditQuery::default()
        };
        self.audit.search(&query).await.unwrap().records.len()
    }
}

fn step(act: OrderAct, by: &str) -> OrderStep {
    OrderStep {
        act,
        by: by.to_owned(),
        at: TestClock::default().now(),
        note: "request 7".to_owned(),
    }
}

/// A call of that user, so many days ago.
fn call(number: u64, user: &str, days: i64) -> Record {
    let mut record = full(EventKind::ToolCall, OutcomeStatus::Success);
    record.id = uuid::Uuid::from_u128(u128::from(number) + (1 << 100));
    record.phase = Phase::Single;
    user.clone_into(&mut record.caller.as_mut().unwrap().id);
    let now = TestClock::default().now().as_second();
    record.time = Timestamp::from_second(now - days * DAY).unwrap();
    record
}

pub(crate) fn days(days: u32) -> Retention {
    Retention {
        days: Some(days),
        rules: Vec::new(),
    }
}

/// Thirty old calls of Hanako, thirty of Taro, and thirty new ones.
pub(crate) async fn filled() -> House {
    let house = House::new().await;
    let old = |number| {
        let user = ["user:hanako", "user:taro"][usize::try_from(number % 2).unwrap()];
        call(number, user, 400)
    };
    house.append((0..60).map(old)).await;
    house
        .append((60..90).map(|number| call(number, "user:hanako", 10)))
        .await;
    house
}

#[tokio::test]
async fn what_is_over_goes_and_the_tree_stays() {
    let mut house = filled().await;
    let before = house.verify();
    assert!(before.is_sound(), "{before}");
    let known = house.audit.signed().unwrap();
    let planned = plan(&house.journal(), &days(365), &[], house_now()).unwrap();
    assert_eq!(planned.causes.get("retention"), Some(&60));
    let pass = house.keeper(days(365)).pass().await.unwrap();
    assert_eq!((pass.purged, pass.held, pass.postponed), (60, 0, 0));

    let mut expected = house.expected();
    expected.known = vec![(*known).clone()];
    let report = verify_with(&house.journal(), &expected).unwrap();
    assert!(report.is_sound(), "{report}");
    assert_eq!(report.purged, 60);
    let shown = report.to_string();
    assert!(
        shown.contains("60 more were purged under record"),
        "{shown}"
    );
    assert_eq!(house.found("user:taro").await, 0, "gone from the index too");
    assert_eq!(house.found("user:hanako").await, 30);
    let head = durable_head(&house.journal()).unwrap();
    let mut reader = Reader::open(&house.journal(), 0, head).unwrap();
    let mut left = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        left.push(entry);
    }
    assert!(!left.is_empty());
    assert!(left.iter().all(|entry| entry.sequence >= 60));
    let bytes: String = left.iter().map(|entry| entry.text.as_str()).collect();
    assert!(!bytes.contains("user:taro"));
    for file in segments(&house.journal()) {
        let bytes = std::fs::read(&file).unwrap();
        let found = bytes.windows(9).any(|window| window == b"user:taro");
        assert!(!found, "{}", file.display());
    }

    // Nothing more to do; and the journal opens and goes on.
    let again = house.keeper(days(365)).pass().await.unwrap();
    assert_eq!(again.purged, 0);
    house.restart().await;
    house.append([call(500, "user:jiro", 0)]).await;
    assert!(house.verify().is_sound());
    let size = durable_head(&house.journal()).unwrap().size;
    let index = house.store.audit_index();
    // Not while somebody has the journal open.
    rebuild_index(&house.journal(), "gate-1", &*index)
        .await
        .unwrap_err();
    house.audit.close().await;
    let rebuilt = rebuild_index(&house.journal(), "gate-1", &*index).await;
    assert_eq!(rebuilt.unwrap(), size);
    assert_eq!(house.found("user:taro").await, 0);
    assert_eq!(house.found("user:hanako").await, 30);
}

fn house_now() -> Timestamp {
    TestClock::default().now()
}

#[tokio::test]
async fn rules_decide_by_kind_of_event_and_data_class() {
    let house = House::new().await;
    let mut signed_in = full(EventKind::SignIn, OutcomeStatus::Success);
    signed_in.time = call(0, "a", 50).time;
    let mut personal = call(1, "user:personal", 50);
    personal.target.as_mut().unwrap().data_classes = vec!["personal.name".into()];
    let mut plain = call(2, "user:plain", 50);
    plain.target.as_mut().unwrap().data_classes = Vec::new();
    house.append([signed_in, personal, plain]).await;
    let rule = |events: &[&str], classes: &[&str], days| RetentionRule {
        events: events.iter().map(|&event| event.to_owned()).collect(),
        data_classes: classes.iter().map(|&class| class.to_owned()).collect(),
        days,
    };
    let retention = Retention {
        days: Some(60),
        rules: vec![
            rule(&["identity.*"], &[], None),
            rule(&["tool.call"], &["personal.name"], Some(30)),
        ],
    };
    let pass = house.keeper(retention).pass().await.unwrap();
    assert_eq!(pass.purged, 1);
    assert_eq!(house.found("user:personal").await, 0);
    assert_eq!(house.found("user:plain").await, 1);
}

#[tokio::test]
async fn a_hold_wins_over_retention_and_deletion_until_it_is_released() {
    let house = filled().await;
    house.order("1", OrderKind::Hold, "user:taro").await;
    house.order("2", OrderKind::Deletion, "user:taro").await;
    let mut keeper = house.keeper(days(365));
    let pass = keeper.pass().await.unwrap();
    assert_eq!((pass.purged, pass.held), (30, 30));
    assert_eq!(house.found("user:taro").await, 30);
    let orders = house.store.retention_orders();
    let mut hold = orders.get("1").await.unwrap().unwrap();
    hold.step(step(OrderAct::Release, "a")).unwrap();
    orders.advance(&hold).await.unwrap();
    assert_eq!(keeper.pass().await.unwrap().purged, 0, "one is not enough");
    hold.step(step(OrderAct::Agree, "c")).unwrap();
    orders.advance(&hold).await.unwrap();
    assert_eq!(keeper.pass().await.unwrap().purged, 30);
    let report = house.verify();
    assert!(report.is_sound() && report.purged == 60, "{report}");
}

#[tokio::test]
async fn a_deletion_that_two_agreed_to_takes_one_persons_records_only() {
    let house = filled().await;
    let mut keeper = house.keeper(Retention::default());
    assert_eq!(keeper.pass().await.unwrap().purged, 0);
    house.order("d", OrderKind::Deletion, "user:hanako").await;
    assert_eq!(keeper.pass().await.unwrap().purged, 60);
    assert_eq!(house.found("user:hanako").await, 0);
    assert_eq!(house.found("user:taro").await, 30);
    let told = AuditQuery {
        event: Some(EventKind::RetentionPurge),
        ..AuditQuery::default()
    };
    let told = house.audit.search(&told).await.unwrap().records;
    let by_order = |record: &Record| record.detail["causes"]["d"].as_u64().unwrap_or_default();
    let told: u64 = told.iter().map(|found| by_order(&found.record)).sum();
    assert_eq!(told, 60);
    assert!(house.verify().is_sound());
}

/// What nobody recorded as purged was removed by somebody.
#[tokio::test]
async fn what_is_gone_without_a_record_is_tampering() {
    let house = filled().await;
    house.order("d", OrderKind::Deletion, "user:taro").await;
    let whole: Vec<_> = segments(&house.journal());
    house.keeper(Retention::default()).pass().await.unwrap();
    house.audit.close().await;
    assert!(house.verify().is_sound());
    // One more record goes, as a purge would do it.
    let first = &whole[0];
    let bytes = std::fs::read(first).unwrap();
    let (mut at, mut forged) = (4_096, bytes[..4_096].to_vec());
    let mut taken = false;
    while at < bytes.len() {
        let word = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let end = at + 40 + usize::try_from(word & 0x7fff_ffff).unwrap();
        if word < 0x8000_0000 && !taken {
            taken = true;
            let word = 0x8000_0000_u32.to_le_bytes();
            let crc = crc32c::crc32c(&word);
            let crc = crc32c::crc32c_append(crc, &bytes[at + 8..at + 40]);
            forged.extend(word);
            forged.extend(crc.to_le_bytes());
            forged.extend(&bytes[at + 8..at + 40]);
        } else {
            forged.extend(&bytes[at..end]);
        }
        at = end;
    }
    assert!(taken);
    std::fs::write(first, forged).unwrap();
    let report = house.verify();
    let problem = report.problem.unwrap();
    assert!(problem.what.contains("no record tells"), "{problem}");
}

#[tokio::test]
async fn random_changes_of_purged_segments_are_found() {
    let house = filled().await;
    house.order("d", OrderKind::Deletion, "user:taro").await;
    house.keeper(Retention::default()).pass().await.unwrap();
    house.audit.close().await;
    let files = segments(&house.journal());
    for seed in 0..400 {
        let dice = &mut Dice::new(seed);
        let file = &files[usize::try_from(dice.below(2)).unwrap()];
        let bytes = std::fs::read(file).unwrap();
        let mut changed = bytes.clone();
        let at = usize::try_from(dice.below(bytes.len().try_into().unwrap())).unwrap();
        match dice.below(3) {
            0 => changed[at] ^= 1 << dice.below(8),
            1 => changed.truncate(at),
            _ => drop(changed.drain(at..(at + 40).min(bytes.len()))),
        }
        std::fs::write(file, &changed).unwrap();
        let report = house.verify();
        assert!(
            !report.is_sound(),
            "seed {seed}: byte {at} of {}",
            file.display()
        );
        std::fs::write(file, &bytes).unwrap();
    }
    assert!(house.verify().is_sound());
}

/// Plain Python tells the same of a bundle: purged under a record, or removed.
#[tokio::test]
async fn a_bundle_of_a_purged_log_is_verified_by_plain_python() {
    let house = filled().await;
    house.keeper(days(365)).pass().await.unwrap();
    house.audit.close().await;
    let (journal, out) = (house.journal(), tempdir().unwrap());
    let (tlog, public) = (tlog_folder(&journal), key().verifying().clone());
    let keys = LogKeys::from(public.clone());
    let source = Source {
        journal: &journal,
        tlog: &tlog,
        keys: &keys,
        witnesses: &[],
    };
    let written = write_bundle(source, &Bundled::Everything, out.path()).unwrap();
    assert_eq!(
        verify_bundle(out.path(), &public, &[], None).unwrap(),
        written
    );
    let python = || {
        let mut command = Command::new("python3");
        command.arg(out.path().join("verify.py")).arg(out.path());
        command.arg(out.path().join("log.pub")).output().unwrap()
    };
    let said = python();
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.status.success(), "{said:?}");
    assert!(text.contains("records were purged under record"), "{text}");
    // Without the segment that tells of it.
    let last = segments(&out.path().join("segments")).pop().unwrap();
    std::fs::remove_file(last).unwrap();
    let said = python();
    assert!(!said.status.success());
    assert!(String::from_utf8_lossy(&said.stderr).contains("nothing tells"));
}

#[tokio::test]
async fn sealed_segments_are_archived_read_only_and_purged_there_too() {
    use std::os::unix::fs::PermissionsExt as _;
    let house = filled().await;
    let archive = house.dir.path().join("archive");
    let keeper = |retention| {
        let keeper = house.keeper(retention);
        keeper.with_archives(vec![Archive::Folder(archive.clone())])
    };
    let pass = keeper(Retention::default()).pass().await.unwrap();
    let sealed = segments(&house.journal()).len() - 1;
    assert_eq!(pass.archived, u64::try_from(sealed).unwrap());
    let copies = segments(&archive);
    assert_eq!(copies.len(), sealed);
    for (copy, own) in copies.iter().zip(segments(&house.journal())) {
        assert_eq!(std::fs::read(copy).unwrap(), std::fs::read(own).unwrap());
        let mode = std::fs::metadata(copy).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o400);
    }
    let again = keeper(Retention::default()).pass().await.unwrap();
    assert_eq!(again.archived, 0);
    let purged = keeper(days(365)).pass().await.unwrap();
    assert!(purged.archived > 0);
    for copy in segments(&archive) {
        let bytes = std::fs::read(copy).unwrap();
        assert!(!bytes.windows(9).any(|window| window == b"user:taro"));
    }
}
