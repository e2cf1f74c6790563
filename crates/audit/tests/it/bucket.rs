//! Sealed segments in an S3 bucket under object lock: a real storage that checks signatures (moto), looked at with
//! code that is not ours (boto3). What is there can't be deleted; what the storage does not take is tried again.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use sekimori_audit::retention::{Archive, Bucket, BucketSettings, LockMode, Retention};
use sekimori_domain::clock::Clock as _;
use sekimori_domain::digest::Digest;
use sekimori_upstream::egress::{Egress, HostPattern, Networks, SystemResolver};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::kit::{TestClock, segments};
use crate::retention::{House, days, filled};

/// Longer than the test's clock is behind the storage's.
const LOCK: Duration = Duration::from_hours(3_650 * 24);

/// The storage, in a process of its own.
struct Storage {
    process: Child,
    answers: BufReader<ChildStdout>,
    access: Access,
}

#[derive(Debug, Clone, Deserialize)]
struct Access {
    port: u16,
    key: String,
    secret: String,
}

/// A version of an object, as boto3 sees it.
#[derive(Debug, Deserialize)]
struct Version {
    key: String,
    version: String,
    latest: bool,
    sha256: String,
    mode: String,
    until: String,
}

impl Storage {
    fn start() -> Self {
        let python = std::env::var_os("SEKIMORI_TEST_PYTHON")
            .expect("SEKIMORI_TEST_PYTHON is set: cargo xtask setup --only python");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/s3_server.py");
        let mut process = Command::new(python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut answers = BufReader::new(process.stdout.take().unwrap());
        let mut ready = String::new();
        answers.read_line(&mut ready).unwrap();
        let access = serde_json::from_str(&ready).expect("moto is ready");
        Self {
            process,
            answers,
            access,
        }
    }

    fn ask(&mut self, question: &Value) -> String {
        let input = self.process.stdin.as_mut().unwrap();
        writeln!(input, "{question}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        answer
    }

    fn versions(&mut self) -> Vec<Version> {
        serde_json::from_str(&self.ask(&json!({"do": "versions"}))).unwrap()
    }

    /// What the storage says to somebody who wants a version gone.
    fn delete(&mut self, version: &Version) -> String {
        let question = json!({"do": "delete", "key": version.key, "version": version.version});
        serde_json::from_str(&self.ask(&question)).unwrap()
    }

    fn bucket(&self, edit: impl FnOnce(&mut BucketSettings)) -> Archive {
        let mut settings = BucketSettings {
            endpoint: format!("http://127.0.0.1:{}", self.access.port),
            region: "us-east-1".into(),
            bucket: "locked".into(),
            prefix: "tokyo/gate-1".into(),
            key_id: self.access.key.clone(),
            secret_key: self.access.secret.clone(),
            mode: LockMode::Compliance,
            lock: LOCK,
        };
        edit(&mut settings);
        let port: u16 = settings
            .endpoint
            .rsplit(':')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        let hosts = vec![HostPattern::exactly("127.0.0.1", port)];
        let egress = Egress::new(Vec::new(), None, Arc::new(SystemResolver)).unwrap();
        let client = egress.client(hosts, Networks::AlsoPrivate);
        Archive::Bucket(Bucket::new(settings, client, Arc::new(TestClock::default())).unwrap())
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// The digests of a house's sealed segments.
fn sealed(house: &House) -> Vec<String> {
    let mut own = segments(&house.journal());
    own.pop();
    own.iter()
        .map(|path| Digest::of(&std::fs::read(path).unwrap()).hex())
        .collect()
}

#[tokio::test]
async fn sealed_segments_go_into_the_bucket_and_stay_there() {
    let mut storage = Storage::start();
    let house = filled().await;
    let keeper = |retention| {
        let keeper = house.keeper(retention);
        keeper.with_archives(vec![storage.bucket(|_| ())])
    };
    let (mut first, mut purging) = (keeper(Retention::default()), keeper(days(365)));
    let pass = first.pass().await.unwrap();
    let own = sealed(&house);
    assert!(own.len() > 1);
    assert_eq!((pass.archived, pass.unarchived), (own.len() as u64, 0));
    let there = storage.versions();
    assert_eq!(
        there
            .iter()
            .map(|version| &version.sha256)
            .collect::<Vec<_>>(),
        own.iter().collect::<Vec<_>>()
    );
    let until = TestClock::default().now() + LOCK;
    for version in &there {
        assert!(version.key.starts_with("tokyo/gate-1/"), "{}", version.key);
        assert_eq!(version.mode, "COMPLIANCE");
        assert_eq!(
            version.until,
            until.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
        );
        assert_eq!(storage.delete(version), "AccessDenied");
    }
    assert_eq!(first.pass().await.unwrap().archived, 0);

    // A purge puts a version without the bodies over the one with them, which the lock keeps.
    let purged = purging.pass().await.unwrap();
    assert!(purged.archived > 0 && purged.unarchived == 0, "{purged:?}");
    let after = storage.versions();
    let latest: Vec<_> = after.iter().filter(|version| version.latest).collect();
    assert_eq!(
        latest
            .iter()
            .map(|version| &version.sha256)
            .collect::<Vec<_>>(),
        sealed(&house).iter().collect::<Vec<_>>()
    );
    for version in &there {
        assert!(after.iter().any(|kept| kept.version == version.version));
    }
}

/// F15: the storage is not there, refuses the signature, or has no lock: the journal goes on, and what is missing is
/// put there when it is back.
#[tokio::test]
async fn a_storage_that_fails_stops_nothing() {
    let mut storage = Storage::start();
    let house = filled().await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = nobody.local_addr().unwrap().port();
    drop(nobody);
    type Edit = Box<dyn FnOnce(&mut BucketSettings)>;
    let broken: [Edit; 3] = [
        Box::new(move |settings| settings.endpoint = format!("http://127.0.0.1:{port}")),
        Box::new(|settings| settings.secret_key = "wrong".into()),
        Box::new(|settings| settings.bucket = "plain".into()),
    ];
    let missing = sealed(&house).len() as u64;
    for edit in broken {
        let archives = vec![storage.bucket(edit)];
        let mut keeper = house.keeper(Retention::default()).with_archives(archives);
        let pass = keeper.pass().await.unwrap();
        assert_eq!((pass.archived, pass.unarchived), (0, missing));
    }
    assert!(storage.versions().is_empty());
    let archives = vec![storage.bucket(|_| ())];
    let mut keeper = house.keeper(Retention::default()).with_archives(archives);
    let pass = keeper.pass().await.unwrap();
    assert_eq!((pass.archived, pass.unarchived), (missing, 0));
    assert_eq!(storage.versions().len() as u64, missing);
}
