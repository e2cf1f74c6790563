//! The signed tree over the journal: published, proved, watched, and checked by others (AUDIT-4).

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sekimori_audit::rotation::{is_over, rotate};
use sekimori_audit::tlog::succession::{CLOSED, read_closings};
use sekimori_audit::tlog::{
    FileSigner, InclusionProof, KeyKind, LogKeys, NoteError, Selection, SignService,
    SignedCheckpoint, SigningKey, SocketSigner, Source, Tiles, TreeSigner, VerifyingKey, Witness,
    prove, verify_bundle, write_bundle,
};
use sekimori_audit::{
    Audit, AuditError, AuditOptions, Expectations, JournalError, JournalOptions, Signing,
    tlog_folder, verify_with,
};
use sekimori_domain::clock::Clock;
use sekimori_domain::ids::CorrelationId;
use sekimori_domain::record::EventKind;
use tempfile::TempDir;
use uuid::Uuid;

use crate::kit::{
    TestClock, TestIds, append_all, block_on, copy_dir, faulty, open, segments, try_open,
};

fn clock() -> Arc<TestClock> {
    Arc::new(TestClock::default())
}

pub(crate) const ORIGIN: &str = "gate.example/audit/gate-1";

pub(crate) fn key() -> SigningKey {
    SigningKey::from_seed(ORIGIN, KeyKind::Log, [7; 32]).unwrap()
}

/// A data folder with a published log of so many records.
pub(crate) fn published(records: u64) -> TempDir {
    let data = tempfile::tempdir().unwrap();
    grow(data.path(), records, Arc::new(FileSigner::new(key()))).unwrap();
    data
}

pub(crate) fn grow(
    data: &Path,
    records: u64,
    signer: Arc<dyn TreeSigner>,
) -> Result<(), AuditError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let index = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", index.path().join("index.db").display());
        let store = sekimori_store::open(&url).await.unwrap();
        let options = AuditOptions {
            folder: data.join("journal"),
            node: "gate-1".into(),
            segment_bytes: 20_000,
        };
        let signing = Signing {
            signer,
            witnesses: Vec::new(),
            closings: read_closings(&data.join(CLOSED)).unwrap(),
        };
        let clock = Arc::new(TestClock::default());
        let ids = Arc::new(TestIds::default());
        let audit =
            Arc::new(Audit::start_signed(options, signing, store.audit_index(), clock, ids).await?);
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..records {
            let audit = Arc::clone(&audit);
            tasks.spawn(async move {
                let detail = [("number".to_owned(), number.into())].into();
                let id = CorrelationId::from_uuid(Uuid::from_u128(u128::from(number)));
                audit
                    .note(EventKind::CatalogList, id, detail)
                    .await
                    .unwrap();
            });
            if tasks.len() == 40 {
                while tasks.join_next().await.is_some() {}
            }
        }
        while tasks.join_next().await.is_some() {}
        audit.close().await;
        assert_eq!(audit.status().signed, audit.status().records);
        assert_eq!(audit.status().published.problem, None);
        Ok(())
    })
}

pub(crate) fn expectations(data: &Path) -> Expectations {
    Expectations {
        keys: Some(key().verifying().clone().into()),
        tlog: Some(tlog_folder(&data.join("journal"))),
        ..Expectations::default()
    }
}

fn source<'a>(journal: &'a Path, tlog: &'a Path, keys: &'a LogKeys) -> Source<'a> {
    Source {
        journal,
        tlog,
        keys,
        witnesses: &[],
    }
}

#[test]
fn every_record_is_signed_published_and_proved() {
    let data = published(700);
    let journal = data.path().join("journal");
    let report = verify_with(&journal, &expectations(data.path())).unwrap();
    assert!(report.is_sound(), "{report}");
    assert_eq!((report.signed, report.published), (Some(700), Some(700)));
    let tlog = tlog_folder(&journal);
    let tree = Tiles::new(&tlog).checkpoint().unwrap();
    assert_eq!(tree.verify(key().verifying()), Ok(()));
    let keys = LogKeys::from(key().verifying().clone());
    for sequence in [0, 1, 255, 256, 511, 699] {
        let proof = prove(source(&journal, &tlog, &keys), sequence).unwrap();
        let read = InclusionProof::parse(&proof.text()).unwrap();
        assert_eq!(read, proof);
        assert!(proof.path.len() <= 10, "{sequence}: a proof is short");
    }
    assert!(prove(source(&journal, &tlog, &keys), 700).is_err());
}

#[test]
fn it_goes_on_after_a_restart_and_when_the_tiles_are_lost() {
    let data = published(300);
    for (round, lose) in [false, true, false].into_iter().enumerate() {
        let tlog = data.path().join("tlog");
        if lose {
            std::fs::remove_dir_all(tlog.join("tile")).unwrap();
            std::fs::remove_file(tlog.join("durable-size")).unwrap();
        }
        grow(data.path(), 300, Arc::new(FileSigner::new(key()))).unwrap();
        let report = verify_with(&data.path().join("journal"), &expectations(data.path())).unwrap();
        assert!(report.is_sound(), "round {round}: {report}");
        let size = 600 + 300 * u64::try_from(round).unwrap();
        assert_eq!(report.published, Some(size), "round {round}");
    }
}

/// Everything is rewritten consistently; only the key is missing.
#[test]
fn another_history_without_the_key_is_found() {
    let data = published(50);
    let forged = tempfile::tempdir().unwrap();
    let other = SigningKey::from_seed("gate.example/audit/gate-1", KeyKind::Log, [8; 32]).unwrap();
    grow(forged.path(), 50, Arc::new(FileSigner::new(other))).unwrap();
    let report = verify_with(&forged.path().join("journal"), &expectations(forged.path())).unwrap();
    let problem = report.problem.unwrap();
    assert_eq!(problem.what, "the checkpoint is signed with another key");

    // Nor may a gate go on with it.
    let refused = grow(forged.path(), 1, Arc::new(FileSigner::new(key())));
    assert!(matches!(
        refused,
        Err(AuditError::Journal(JournalError::Tampered { .. }))
    ));

    // Nor does leaving the signatures out help.
    let (_, options) = faulty();
    let bare = tempfile::tempdir().unwrap();
    let (journal, _) = open(bare.path(), options);
    append_all(&journal, 0..50);
    journal.close();
    let expected = Expectations {
        keys: Some(key().verifying().clone().into()),
        ..Expectations::default()
    };
    let report = verify_with(bare.path(), &expected).unwrap();
    assert_eq!(
        report.problem.unwrap().what,
        "the newest tree is not signed"
    );
    assert!(
        verify_with(&data.path().join("journal"), &expected)
            .unwrap()
            .is_sound()
    );
}

/// The owner of the machine and of its key sets everything back: only others can tell, and do.
#[test]
fn a_log_that_was_set_back_is_found_by_whoever_remembers() {
    let data = published(50);
    let old = tempfile::tempdir().unwrap();
    copy_dir(&data.path().join("journal"), &old.path().join("journal"));
    let signer = || Arc::new(FileSigner::new(key()));
    grow(data.path(), 50, signer()).unwrap();
    let tlog = data.path().join("tlog");
    let shown = Tiles::new(&tlog).checkpoint().unwrap();
    assert_eq!(shown.head().size, 100);

    // The published tree remembers.
    let journal = data.path().join("journal");
    std::fs::remove_dir_all(&journal).unwrap();
    copy_dir(&old.path().join("journal"), &journal);
    let set_back = "the journal is shorter than a tree that was signed: it was set back";
    let report = verify_with(&journal, &expectations(data.path())).unwrap();
    assert_eq!(report.problem.unwrap().what, set_back);
    let refused = grow(data.path(), 1, signer());
    assert!(matches!(
        refused,
        Err(AuditError::Journal(JournalError::Tampered { .. }))
    ));

    // Without it, an auditor who kept a checkpoint does; also when the log has grown again since.
    std::fs::remove_dir_all(&tlog).unwrap();
    let known = Expectations {
        known: vec![shown],
        ..expectations(data.path())
    };
    assert_eq!(
        verify_with(&journal, &known).unwrap().problem.unwrap().what,
        set_back
    );
    grow(data.path(), 90, signer()).unwrap();
    let report = verify_with(&journal, &known).unwrap();
    // A group of commits may have been signed at just that size, or passed it.
    let told = report.problem.unwrap().what;
    let either = [
        "the tree is another one than was signed",
        "two different trees of one size were signed",
    ];
    assert!(either.contains(&told.as_str()), "{told}");
}

/// A signer of its own remembers what it signed, whatever happens to the data folder.
#[test]
fn a_signing_process_notices_a_journal_that_was_set_back() {
    let data = tempfile::tempdir().unwrap();
    let socket = data.path().join("signer.sock");
    let service = SignService::open(key(), &data.path().join("signer.state"), clock()).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let service = Arc::clone(&service);
            std::thread::spawn(move || service.serve(stream.unwrap()));
        }
    });
    let signer = || Arc::new(SocketSigner::connect(&socket).unwrap());
    grow(data.path(), 40, signer()).unwrap();
    let journal = data.path().join("journal");
    let old = tempfile::tempdir().unwrap();
    copy_dir(&journal, old.path());
    grow(data.path(), 30, signer()).unwrap();
    let report = verify_with(&journal, &expectations(data.path())).unwrap();
    assert!(report.is_sound(), "{report}");
    assert_eq!(report.signed, Some(70));

    std::fs::remove_dir_all(&journal).unwrap();
    std::fs::remove_dir_all(data.path().join("tlog")).unwrap();
    copy_dir(old.path(), &journal);
    let refused = grow(data.path(), 1, signer());
    let Err(AuditError::Journal(JournalError::Tampered { what, .. })) = refused else {
        panic!("{refused:?}");
    };
    assert!(what.contains("set back"), "{what}");
}

/// While nobody signs, the records that are under way end, and nothing new begins.
#[test]
fn without_a_signature_nothing_new_begins() {
    let data = tempfile::tempdir().unwrap();
    let socket = data.path().join("signer.sock");
    let service = SignService::open(key(), &data.path().join("signer.state"), clock()).unwrap();
    let (stop, stopped) = std::sync::mpsc::channel::<std::os::unix::net::UnixStream>();
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let serving = Arc::clone(&service);
    let first = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stop.send(stream.try_clone().unwrap()).unwrap();
        drop(listener);
        drop(serving.serve(stream));
    });
    let (_, options) = faulty();
    let signer = Arc::new(SocketSigner::connect(&socket).unwrap());
    let connection = stopped.recv().unwrap();
    let options = JournalOptions {
        signer: Some(signer),
        retry_interval: Duration::from_millis(5),
        ..options
    };
    let (journal, _) = open(&data.path().join("journal"), options);
    append_all(&journal, 0..5);
    connection.shutdown(std::net::Shutdown::Both).unwrap();
    first.join().unwrap();
    std::fs::remove_file(&socket).unwrap();
    append_all(&journal, 5..6);
    let writer = journal.writer();
    let refused = block_on(writer.append(&crate::kit::record(6)));
    assert!(
        matches!(refused, Err(JournalError::Unavailable { .. })),
        "{refused:?}"
    );
    assert!(!writer.is_healthy());

    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            drop(service.serve(stream.unwrap()));
        }
    });
    let deadline = Instant::now() + Duration::from_secs(10);
    while !writer.is_healthy() {
        assert!(
            Instant::now() < deadline,
            "it is signed as soon as somebody signs"
        );
        std::thread::yield_now();
    }
    append_all(&journal, 6..7);
    let signed = journal.signed_changes().borrow().clone().unwrap();
    assert_eq!(signed.head().size, 7);
    journal.close();
}

#[test]
fn a_witness_cosigns_what_grows_and_nothing_else() {
    let data = published(300);
    let tlog = data.path().join("tlog");
    let memory = tempfile::tempdir().unwrap();
    let witness_key = SigningKey::from_seed("audit.example/w", KeyKind::Witness, [5; 32]).unwrap();
    let public = witness_key.verifying().clone();
    let logs = vec![key().verifying().clone()];
    let clock = Arc::new(TestClock::default());
    let witness = Witness::new(witness_key, logs, memory.path(), clock).unwrap();

    let first = Tiles::new(&tlog).checkpoint().unwrap();
    let ask = |old: u64, proof: &[[u8; 32]], note: &str| {
        use base64::Engine as _;
        let lines: String = proof
            .iter()
            .map(|hash| base64::engine::general_purpose::STANDARD.encode(hash) + "\n")
            .collect();
        witness
            .add_checkpoint(&format!("old {old}\n{lines}\n{note}"))
            .unwrap()
    };
    let answer = ask(0, &[], &first.note());
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut cosigned = first.clone();
    cosigned.add_cosignature(&public, &answer.body).unwrap();
    assert_eq!(cosigned.verify_cosignature(&public), Ok(1_790_000_000));

    grow(data.path(), 100, Arc::new(FileSigner::new(key()))).unwrap();
    let tiles = Tiles::new(&tlog);
    let second = tiles.checkpoint().unwrap();
    let stale = ask(0, &[], &second.note());
    assert_eq!((stale.status.as_u16(), stale.body.as_str()), (409, "300\n"));
    let path = sekimori_audit::tlog::proof::consistency(&tiles, 300, 400).unwrap();
    let mut bad = path.clone();
    bad[0][0] ^= 1;
    assert_eq!(ask(300, &bad, &second.note()).status, 422);
    assert_eq!(ask(300, &path, &second.note()).status, 200);
    assert_eq!(
        ask(400, &[], &first.note()).status,
        400,
        "smaller than what it saw"
    );
    assert_eq!(ask(400, &[], &second.note()).status, 200, "the same again");

    let other = SigningKey::from_seed("elsewhere", KeyKind::Log, [7; 32]).unwrap();
    let stranger = SignedCheckpoint::sign(&other, 1, [1; 32]);
    assert_eq!(ask(0, &[], &stranger.note()).status, 404);
    let name = key().verifying().name().to_owned();
    let false_key = SigningKey::from_seed(&name, KeyKind::Log, [9; 32]).unwrap();
    let forged = SignedCheckpoint::sign(&false_key, 500, [1; 32]);
    assert_eq!(forged.verify(key().verifying()), Err(NoteError::Unsigned));
    assert_eq!(ask(400, &[], &forged.note()).status, 403);
    assert_eq!(witness.add_checkpoint("old").unwrap().status, 400);
}

/// A bundle as an auditor gets it, whole and of some records.
fn bundle(data: &Path, selection: &Selection) -> TempDir {
    let out = tempfile::tempdir().unwrap();
    let (journal, tlog) = (data.join("journal"), data.join("tlog"));
    let public = key().verifying().clone();
    let written = write_bundle(
        source(&journal, &tlog, &public.clone().into()),
        selection,
        out.path(),
    )
    .unwrap();
    assert_eq!(
        verify_bundle(out.path(), &public, &[], None).unwrap(),
        written
    );
    out
}

fn python(dir: &Path) -> std::process::Output {
    let mut command = Command::new("python3");
    command
        .arg(dir.join("verify.py"))
        .arg(dir)
        .arg(dir.join("log.pub"));
    command.output().expect("python3 is on the path")
}

#[test]
fn a_bundle_is_verified_by_plain_python() {
    let data = published(600);
    let everything = bundle(data.path(), &Selection::Everything);
    let output = python(everything.path());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.starts_with("verified: 600 records"), "{output:?}");

    let chosen = bundle(data.path(), &Selection::Records(BTreeSet::from([3, 599])));
    assert!(python(chosen.path()).status.success());
    let proofs = std::fs::read_dir(chosen.path().join("proofs"))
        .unwrap()
        .count();
    assert_eq!(proofs, 2);
    let kept = segments(&chosen.path().join("segments")).len();
    assert!(
        kept < segments(&data.path().join("journal")).len(),
        "only what is needed"
    );

    let mut dice = crate::kit::Dice::new(11);
    for round in 0..12 {
        let copy = bundle(data.path(), &Selection::Everything);
        let files = segments(&copy.path().join("segments"));
        let file = &files[usize::try_from(dice.below(files.len().try_into().unwrap())).unwrap()];
        let mut bytes = std::fs::read(file).unwrap();
        // A byte of a body: heads are ours, the bodies are what counts.
        let at = 4_096 + 40 + usize::try_from(dice.below(200)).unwrap();
        bytes[at] ^= 1;
        std::fs::write(file, bytes).unwrap();
        assert!(
            !python(copy.path()).status.success(),
            "round {round}: byte {at}"
        );
        let own = verify_bundle(copy.path(), key().verifying(), &[], None);
        assert!(own.is_err(), "round {round}: byte {at}");
    }
    let other = SigningKey::from_seed(key().verifying().name(), KeyKind::Log, [1; 32]).unwrap();
    let path = everything.path().join("log.pub");
    std::fs::write(path, other.verifying().to_string()).unwrap();
    assert!(!python(everything.path()).status.success(), "another key");
}

/// Go's checksum-database packages, which know nothing of us, read the note and check the proofs.
#[test]
fn go_checks_notes_and_proofs() {
    let data = published(700);
    let (journal, tlog) = (data.path().join("journal"), data.path().join("tlog"));
    let public = key().verifying().clone();
    let tiles = Tiles::new(&tlog);
    let head = tiles.checkpoint().unwrap();
    let record = 421;
    let proof = prove(source(&journal, &tlog, &public.clone().into()), record).unwrap();
    let durable = sekimori_audit::durable_head(&journal).unwrap();
    let entry = sekimori_audit::Reader::get(&journal, record, durable)
        .unwrap()
        .unwrap();
    let old = 300;
    let old_root = sekimori_audit::tlog::proof::root(&tiles, old).unwrap();
    let grown = sekimori_audit::tlog::proof::consistency(&tiles, old, head.head().size).unwrap();
    let dir = data.path().join("go");
    std::fs::create_dir(&dir).unwrap();
    let input = serde_json::json!({
        "note": head.note(), "key": public.to_string(),
        "record": entry.text, "index": record, "inclusion": proof.path,
        "old": old, "oldRoot": old_root, "consistency": grown,
    });
    std::fs::write(dir.join("input.json"), input.to_string()).unwrap();
    std::fs::write(dir.join("main.go"), include_str!("tlog_check.go")).unwrap();
    let output = Command::new("go")
        .args(["run", "main.go", "input.json"])
        .current_dir(&dir)
        .env("GO111MODULE", "off")
        .env("GOPATH", "/usr/share/gocode")
        .env("GOCACHE", std::env::temp_dir().join("sekimori-go-cache"))
        .env("GOFLAGS", "")
        .output()
        .expect("Go is installed: cargo xtask setup --only go");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(
        said.trim(),
        "note, inclusion and consistency hold; changes do not",
        "{output:?}"
    );
}

#[test]
fn an_old_journal_without_notes_goes_on_signed() {
    let data = tempfile::tempdir().unwrap();
    let journal = data.path().join("journal");
    let (_, options) = faulty();
    let (old, _) = open(&journal, options.clone());
    append_all(&old, 0..20);
    old.close();
    grow(data.path(), 20, Arc::new(FileSigner::new(key()))).unwrap();
    let report = verify_with(&journal, &expectations(data.path())).unwrap();
    assert!(report.is_sound() && report.signed == Some(40), "{report}");
    // Once signed, always signed.
    assert!(try_open(&journal, options).is_ok());
}

/// A log of each year: the old key is gone, and whoever trusts any of the keys follows the log through all of them.
#[test]
fn a_log_is_closed_and_the_next_goes_on() {
    let data = tempfile::tempdir().unwrap();
    let (journal, tlog) = (data.path().join("journal"), data.path().join("tlog"));
    let signing = Signing::by_file(&journal, ORIGIN).unwrap();
    let first = signing.signer.key().clone();
    grow(data.path(), 300, signing.signer).unwrap();
    let options = AuditOptions {
        folder: journal.clone(),
        node: "gate-1".into(),
        segment_bytes: 20_000,
    };
    let clock: Arc<dyn Clock> = clock();
    assert!(!is_over(&journal, clock.now()).unwrap());
    let next_year = clock.now() + Duration::from_hours(366 * 24);
    assert!(is_over(&journal, next_year).unwrap());
    let closing = rotate(&options, ORIGIN, &clock, &TestIds::default()).unwrap();
    assert_eq!(closing.checkpoint.head().size, 300);
    assert_eq!((&closing.key, closing.successor == first), (&first, false));
    assert!(!is_over(&journal, clock.now()).unwrap());
    assert!(is_over(&journal, next_year).unwrap());
    let again = rotate(&options, ORIGIN, &clock, &TestIds::default());
    assert!(again.is_err(), "once a day");

    let signing = Signing::by_file(&journal, ORIGIN).unwrap();
    assert_eq!(*signing.signer.key(), closing.successor);
    grow(data.path(), 200, signing.signer).unwrap();
    let keys = |trusted: &VerifyingKey| LogKeys::read(trusted.clone(), &data.path().join(CLOSED));
    let known = Tiles::new(&tlog).checkpoint().unwrap();
    assert_eq!(known.head().origin, closing.successor.name());
    for trusted in [&first, &closing.successor] {
        let expectations = Expectations {
            keys: Some(keys(trusted).unwrap()),
            tlog: Some(tlog.clone()),
            ..Expectations::default()
        };
        let report = verify_with(&journal, &expectations).unwrap();
        assert!(report.is_sound() && report.signed == Some(500), "{report}");
    }
    // The segment in which the new log begins tells how the old one ended.
    let notes: Vec<_> = segments(&journal)
        .iter()
        .map(|segment| {
            String::from_utf8_lossy(&std::fs::read(segment).unwrap()[..4_096]).into_owned()
        })
        .filter(|header| header.contains("\nsuccessor "))
        .collect();
    assert_eq!(notes.len(), 1);
    bundled_through_the_years(
        data.path(),
        &keys(&first).unwrap(),
        [&first, &closing.successor],
    );
}

/// The bundle is verified with the first key and with the newest, by us and by the verifier in Python.
fn bundled_through_the_years(data: &Path, keys: &LogKeys, trusted: [&VerifyingKey; 2]) {
    let (journal, tlog) = (data.join("journal"), data.join("tlog"));
    let out = tempfile::tempdir().unwrap();
    let selection = Selection::Records([10, 299, 300, 499].into());
    let written = write_bundle(source(&journal, &tlog, keys), &selection, out.path()).unwrap();
    assert_eq!((written.tree, written.proofs), (500, 4));
    for key in trusted {
        assert_eq!(verify_bundle(out.path(), key, &[], None).unwrap(), written);
        let file = data.join("trusted.pub");
        std::fs::write(&file, format!("{key}\n")).unwrap();
        let mut python = Command::new("python3");
        let script = out.path().join("verify.py");
        let checked = python
            .arg(script)
            .arg(out.path())
            .arg(&file)
            .output()
            .unwrap();
        assert!(checked.status.success(), "{checked:?}");
    }
    // Another's closing leads nowhere.
    let stranger = SigningKey::from_seed(ORIGIN, KeyKind::Log, [1; 32]).unwrap();
    assert!(verify_bundle(out.path(), stranger.verifying(), &[], None).is_err());
}
