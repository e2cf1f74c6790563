//! Time stamps on the signed tree, by OpenSSL as the authority and OpenSSL as whoever verifies (RFC 3161, AUDIT-4).

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sekimori_audit::rotation::rotate;
use sekimori_audit::time_stamps::{Authority, FOLDER, Roots, STATE_PREFIX, Stamper};
use sekimori_audit::tlog::{FileSigner, LogKeys, Selection, Source, verify_bundle, write_bundle};
use sekimori_audit::{AuditOptions, Signing, verify_with};
use sekimori_domain::Timestamp;
use sekimori_domain::clock::Clock;
use sekimori_store::{AuditSinks, SinkState, Store};
use sekimori_upstream::egress::{HostPattern, Networks};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::kit::{TestIds, segments};
use crate::sinks::egress;
use crate::tlog::{ORIGIN, expectations, grow, key, published};

const HOUR: Duration = Duration::from_hours(1);

/// A clock that is set.
#[derive(Debug, Default)]
struct SetClock(AtomicU64);

impl SetClock {
    fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_secs(), Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        "2026-11-23T00:00:00Z".parse::<Timestamp>().unwrap() + self.monotonic()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

fn openssl(folder: &Path, arguments: &str) {
    let mut command = Command::new("openssl");
    command.current_dir(folder).args(arguments.split(' '));
    let output = command.output().expect("openssl is on the path");
    assert!(output.status.success(), "{arguments}: {output:?}");
}

/// What the authority does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Stamps,
    /// Gives the answer to an earlier request.
    Repeats,
    /// Stamps something else.
    Mistakes,
    Fails,
}

/// OpenSSL behind HTTP.
struct Tsa {
    folder: TempDir,
    port: u16,
    manner: Arc<Mutex<Manner>>,
}

impl Tsa {
    /// With a key of this kind, as `openssl req -newkey` has it.
    fn start(kind: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let config = "[tsa]\ndefault_tsa = t\n[t]\nserial = serial\ncrypto_device = builtin\nsigner_cert = tsa.pem\n\
             signer_key = tsa.key\nsigner_digest = sha384\ndefault_policy = 1.2.3.4.1\ndigests = sha256, sha512\n\
             accuracy = secs:1\nordering = yes\ntsa_name = yes\ness_cert_id_chain = no\n";
        fs::write(dir.join("tsa.cnf"), config).unwrap();
        let usage = "extendedKeyUsage=critical,timeStamping\nkeyUsage=critical,digitalSignature\n";
        fs::write(dir.join("usage"), usage).unwrap();
        fs::write(dir.join("web"), "extendedKeyUsage=serverAuth\n").unwrap();
        openssl(
            dir,
            &format!(
                "req -x509 -newkey {kind} -nodes -keyout ca.key -out ca.pem -subj /CN=Root -days 9"
            ),
        );
        openssl(
            dir,
            &format!("req -newkey {kind} -nodes -keyout tsa.key -out tsa.csr -subj /CN=Stamps"),
        );
        for (out, extensions) in [("tsa.pem", "usage"), ("web.pem", "web")] {
            openssl(
                dir,
                &format!(
                    "x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out {out} -days 9 -extfile {extensions}"
                ),
            );
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let manner = Arc::new(Mutex::new(Manner::Stamps));
        let (told, dir) = (Arc::clone(&manner), dir.to_owned());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let manner = *told.lock().unwrap();
                serve(stream.unwrap(), &dir, manner);
            }
        });
        Self {
            folder,
            port,
            manner,
        }
    }

    fn act(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    fn roots(&self) -> Roots {
        Roots::from_pem(&fs::read_to_string(self.folder.path().join("ca.pem")).unwrap()).unwrap()
    }

    fn authority(&self, name: &str) -> Authority {
        let host = vec![HostPattern::exactly("tsa.example", self.port)];
        Authority {
            name: name.to_owned(),
            url: format!("http://tsa.example:{}/stamp", self.port),
            client: egress().client(host, Networks::AlsoPrivate),
            roots: self.roots(),
            every: 24 * HOUR,
        }
    }
}

fn serve(stream: TcpStream, dir: &Path, manner: Manner) {
    let mut stream = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        } else if let Some(kind) = line.strip_prefix("content-type: ") {
            assert_eq!(kind, "application/timestamp-query");
        } else if line.is_empty() {
            break;
        }
    }
    let mut query = vec![0; length];
    stream.read_exact(&mut query).unwrap();
    if manner == Manner::Mistakes {
        // A bit of the digest, which is behind the algorithm.
        query[40] ^= 1;
    }
    if manner != Manner::Repeats {
        fs::write(dir.join("query.tsq"), query).unwrap();
        openssl(
            dir,
            "ts -reply -config tsa.cnf -queryfile query.tsq -out reply.tsr",
        );
    }
    let reply = fs::read(dir.join("reply.tsr")).unwrap();
    let status = if manner == Manner::Fails { 503 } else { 200 };
    let head = format!(
        "HTTP/1.1 {status} x\r\ncontent-type: application/timestamp-reply\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        reply.len()
    );
    let stream = stream.get_mut();
    drop(stream.write_all(head.as_bytes()));
    drop(stream.write_all(&reply));
}

/// A node whose log is stamped.
struct Node {
    data: TempDir,
    store: Arc<dyn Store>,
    clock: Arc<SetClock>,
    stamper: Stamper,
    runtime: Runtime,
}

impl Node {
    fn new(records: u64, authorities: Vec<Authority>) -> Self {
        Self::over(published(records), authorities)
    }

    fn over(data: TempDir, authorities: Vec<Authority>) -> Self {
        let url = format!("sqlite:{}", data.path().join("store.db").display());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let store = runtime.block_on(sekimori_store::open(&url)).unwrap();
        let clock = Arc::new(SetClock::default());
        let stamper = Stamper::new(
            data.path().join("journal"),
            "gate-1".to_owned(),
            authorities,
            store.audit_sinks(),
            Arc::<SetClock>::clone(&clock),
        );
        Self {
            data,
            store,
            clock,
            stamper,
            runtime,
        }
    }

    fn look(&mut self) {
        self.runtime.block_on(self.stamper.look());
    }

    fn state(&self, authority: &str) -> SinkState {
        let name = format!("{STATE_PREFIX}{authority}");
        let sinks: Arc<dyn AuditSinks> = self.store.audit_sinks();
        let state = self.runtime.block_on(sinks.get("gate-1", &name));
        state.unwrap().unwrap()
    }

    /// The tokens that are kept.
    fn tokens(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.data.path().join("tlog").join(FOLDER)) else {
            return Vec::new();
        };
        let paths = entries.map(|entry| entry.unwrap().path());
        let mut tokens: Vec<_> = paths
            .filter(|path| path.extension().is_some_and(|kind| kind == "tsr"))
            .collect();
        tokens.sort();
        tokens
    }

    fn grow(&self, records: u64) {
        grow(self.data.path(), records, Arc::new(FileSigner::new(key()))).unwrap();
    }

    fn bundle(&self) -> TempDir {
        let out = tempfile::tempdir().unwrap();
        let (journal, tlog) = (
            self.data.path().join("journal"),
            self.data.path().join("tlog"),
        );
        let keys = LogKeys::from(key().verifying().clone());
        let source = Source {
            journal: &journal,
            tlog: &tlog,
            keys: &keys,
            witnesses: &[],
        };
        write_bundle(source, &Selection::Everything, out.path()).unwrap();
        out
    }
}

/// The commands of a bundle's README that begin like this.
fn commands(bundle: &Path, start: &str) -> Vec<String> {
    let readme = fs::read_to_string(bundle.join("README.md")).unwrap();
    let lines = readme.lines().filter(|line| line.starts_with(start));
    lines.map(str::to_owned).collect()
}

#[test]
fn audit_4_openssl_verifies_what_openssl_stamped() {
    let (rsa, ec) = (
        Tsa::start("rsa:2048"),
        Tsa::start("ec -pkeyopt ec_paramgen_curve:P-256"),
    );
    let mut node = Node::new(50, vec![rsa.authority("rsa"), ec.authority("ec")]);
    node.look();
    assert_eq!(
        node.tokens().len(),
        2,
        "{:?} {:?}",
        node.state("rsa"),
        node.state("ec")
    );
    assert_eq!(node.state("ec").cursor, 50);
    // Nothing is due: not the same tree again, and not so soon.
    node.clock.advance(25 * HOUR);
    node.look();
    assert_eq!(node.tokens().len(), 2);
    node.grow(20);
    node.look();
    assert_eq!(node.tokens().len(), 4);

    let bundle = node.bundle();
    let commands = commands(bundle.path(), "openssl ts -verify");
    assert_eq!(commands.len(), 2);
    for command in commands {
        openssl(bundle.path(), command.strip_prefix("openssl ").unwrap());
    }
    let key = key().verifying().clone();
    let found = verify_bundle(bundle.path(), &key, &[], None).unwrap();
    let seen: Vec<_> = found
        .stamped
        .iter()
        .map(|one| (one.authority.as_str(), one.records))
        .collect();
    assert_eq!(seen, [("ec", 70), ("rsa", 70)]);
    // Another root than the one in the bundle.
    let other = verify_bundle(bundle.path(), &key, &[], Some(&rsa.roots()));
    assert!(
        other.is_err(),
        "the certificates of ec do not lead to that of rsa"
    );

    let mut expected = expectations(node.data.path());
    expected.authorities = [
        ("rsa".to_owned(), rsa.roots()),
        ("ec".to_owned(), ec.roots()),
    ]
    .into();
    let journal = node.data.path().join("journal");
    let report = verify_with(&journal, &expected).unwrap();
    assert!(report.is_sound(), "{report}");
    assert_eq!(report.stamped.len(), 2);
    assert!(
        report.to_string().contains("ec saw 70 records at 20"),
        "{report}"
    );
}

#[test]
fn audit_4_a_changed_time_stamp_is_found() {
    let tsa = Tsa::start("rsa:2048");
    let mut node = Node::new(30, vec![tsa.authority("tsa")]);
    node.look();
    let token = node.tokens().remove(0);
    let bytes = fs::read(&token).unwrap();
    let journal = node.data.path().join("journal");
    let mut expected = expectations(node.data.path());
    expected.authorities = [("tsa".to_owned(), tsa.roots())].into();
    let stamped = verify_with(&journal, &expected).unwrap().stamped;
    let mut found = 0;
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        fs::write(&token, &changed).unwrap();
        let report = verify_with(&journal, &expected).unwrap();
        // What is not signed, such as a certificate that nothing leads through, changes nothing that is said.
        if report.is_sound() {
            assert_eq!(report.stamped, stamped, "byte {at}");
        } else {
            found += 1;
        }
    }
    assert!(found > bytes.len() / 2, "{found} of {}", bytes.len());
    fs::write(&token, &bytes).unwrap();
    assert!(verify_with(&journal, &expected).unwrap().is_sound());

    // A root of somebody else's, and a checkpoint of another tree.
    expected.authorities = [("tsa".to_owned(), Tsa::start("rsa:2048").roots())].into();
    let report = verify_with(&journal, &expected).unwrap();
    assert!(
        report.to_string().contains("a time stamp does not hold"),
        "{report}"
    );
    let checkpoint = token.with_extension("").with_extension("checkpoint");
    let note = fs::read_to_string(&checkpoint).unwrap();
    fs::write(&checkpoint, note.replace("\n30\n", "\n29\n")).unwrap();
    assert!(!verify_with(&journal, &expected).unwrap().is_sound());
}

/// A dead, lying or unauthorised authority leaves no token, is asked less and less often, and stops nothing.
#[test]
fn audit_4_what_is_no_time_stamp_is_not_kept() {
    let tsa = Tsa::start("ec -pkeyopt ec_paramgen_curve:P-384");
    let mut node = Node::new(30, vec![tsa.authority("tsa")]);
    node.look();
    assert_eq!(node.tokens().len(), 1);
    node.grow(10);
    node.clock.advance(25 * HOUR);
    let folder = tsa.folder.path();
    for (manner, problem) in [
        (Manner::Fails, "status"),
        (Manner::Repeats, "another request"),
        (Manner::Mistakes, "another digest"),
    ] {
        tsa.act(manner);
        node.look();
        let state = node.state("tsa");
        assert!(
            state.problem.as_ref().unwrap().contains(problem),
            "{manner:?}: {state:?}"
        );
        // It is left alone for a while, whatever it would do now.
        tsa.act(Manner::Stamps);
        node.look();
        assert_eq!(
            (node.tokens().len(), node.state("tsa").cursor),
            (1, 30),
            "{manner:?}"
        );
        node.clock.advance(HOUR);
    }
    // A certificate of the same root that is not for time stamps: OpenSSL would not sign with it, so what it signed
    // is given another signer's.
    let (good, root) = (
        fs::read(folder.join("tsa.pem")).unwrap(),
        fs::read(folder.join("ca.pem")).unwrap(),
    );
    let stranger = Tsa::start("ec -pkeyopt ec_paramgen_curve:P-384");
    for file in ["ca.pem", "ca.key", "tsa.pem", "tsa.key"] {
        fs::copy(stranger.folder.path().join(file), folder.join(file)).unwrap();
    }
    node.look();
    let state = node.state("tsa");
    assert!(
        state.problem.as_ref().unwrap().contains("not trusted"),
        "{state:?}"
    );
    assert_eq!(node.tokens().len(), 1);
    fs::write(folder.join("tsa.pem"), good).unwrap();
    fs::write(folder.join("ca.pem"), root).unwrap();
}

/// A new segment is reason enough, and so is how a log ended.
#[test]
fn audit_4_segments_and_ends_of_logs_are_stamped() {
    let tsa = Tsa::start("ec -pkeyopt ec_paramgen_curve:P-256");
    let data = tempfile::tempdir().unwrap();
    let journal = data.path().join("journal");
    let signer = || Signing::by_file(&journal, ORIGIN).unwrap().signer;
    grow(data.path(), 30, signer()).unwrap();
    let mut node = Node::over(data, vec![tsa.authority("tsa")]);
    node.look();
    let before = segments(&journal).len();
    grow(node.data.path(), 150, signer()).unwrap();
    assert!(segments(&journal).len() > before);
    node.clock.advance(Duration::from_mins(5));
    node.look();
    assert_eq!(node.tokens().len(), 1, "not so soon");
    node.clock.advance(Duration::from_mins(6));
    node.look();
    assert_eq!(node.tokens().len(), 2);

    let options = AuditOptions {
        folder: journal.clone(),
        node: "gate-1".into(),
        segment_bytes: 20_000,
    };
    let clock: Arc<dyn Clock> = Arc::<SetClock>::clone(&node.clock);
    let closing = rotate(&options, ORIGIN, &clock, &TestIds::default()).unwrap();
    let stamped = |token: &PathBuf| {
        let checkpoint = token.with_extension("").with_extension("checkpoint");
        fs::read_to_string(checkpoint).unwrap()
    };
    for _ in 0..2 {
        node.look();
        let mut tokens = node.tokens();
        assert_eq!(tokens.len(), 3, "once");
        tokens.retain(|token| stamped(token) == closing.checkpoint.note());
        assert_eq!(tokens.len(), 1);
    }
}
