//! Sinks against real receivers: rsyslog over TLS and RELP, killed and started again; and HTTP (AUDIT-7).

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use sekimori_audit::sinks::{Facility, Otlp, Relp, Schema, Sinks, SyslogTls, Transport, Webhook};
use sekimori_audit::tlog::FileSigner;
use sekimori_audit::{Audit, AuditOptions, Signing};
use sekimori_domain::ids::CorrelationId;
use sekimori_domain::record::EventKind;
use sekimori_store::Store;
use sekimori_upstream::egress::{DialTls, Dialer, Egress, HostPattern, Networks, Resolve};
use serde_json::Value;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::http_double::HttpDouble;
use crate::kit::{RealClock, TestIds};
use crate::tlog::key;

const SIEM: &str = "siem.test.example";
const WAIT: Duration = Duration::from_secs(90);

/// Every name is this machine.
#[derive(Debug)]
struct Here;

#[async_trait]
impl Resolve for Here {
    async fn resolve(&self, _: &str) -> std::io::Result<Vec<IpAddr>> {
        Ok(vec![Ipv4Addr::LOCALHOST.into()])
    }
}

pub(crate) fn egress() -> Egress {
    Egress::new(Vec::new(), None, Arc::new(Here)).unwrap()
}

/// A gate's audit with sinks.
struct Gate {
    audit: Arc<Audit>,
    store: Arc<dyn Store>,
    stop: CancellationToken,
    data: TempDir,
}

impl Gate {
    async fn start(transports: Vec<(String, Box<dyn Transport>)>) -> Self {
        let data = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", data.path().join("store.db").display());
        let store = sekimori_store::open(&url).await.unwrap();
        let options = AuditOptions {
            folder: data.path().join("journal"),
            node: "gate-1".into(),
            segment_bytes: 100_000,
        };
        let signing = Signing {
            signer: Arc::new(FileSigner::new(key())),
            witnesses: Vec::new(),
            closings: Vec::new(),
        };
        let clock = Arc::new(RealClock::default());
        let (index, ids) = (store.audit_index(), Arc::new(TestIds::default()));
        let audit = Audit::start_signed(
            options,
            signing,
            index,
            Arc::<RealClock>::clone(&clock),
            ids,
        )
        .await
        .unwrap();
        let audit = Arc::new(audit);
        let stop = CancellationToken::new();
        let source = audit.sink_source(data.path().join("journal"));
        let sinks = Sinks::new(source, store.audit_sinks(), clock)
            .with_heartbeat(Duration::from_millis(500));
        tokio::spawn(sinks.run(transports, stop.clone()));
        Self {
            audit,
            store,
            stop,
            data,
        }
    }

    async fn append(&self, count: u64) {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..count {
            let audit = Arc::clone(&self.audit);
            tasks.spawn(async move {
                let said = "顧客 \"A]\" を\n更新 \\";
                let detail = [
                    ("said".to_owned(), said.into()),
                    ("number".to_owned(), number.into()),
                ];
                let id = CorrelationId::from_uuid(Uuid::from_u128(u128::from(number)));
                audit
                    .note(EventKind::PolicyChange, id, detail.into())
                    .await
                    .unwrap();
            });
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Waits until the sink certainly has so many records.
    async fn delivered(&self, name: &str, count: u64) {
        let deadline = Instant::now() + WAIT;
        loop {
            let state = self.store.audit_sinks().get("gate-1", name).await.unwrap();
            if state.as_ref().is_some_and(|state| state.cursor >= count) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "the sink has too little: {state:?}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the sink takes nothing; why.
    async fn problem(&self, name: &str) -> String {
        let deadline = Instant::now() + WAIT;
        loop {
            let state = self.store.audit_sinks().get("gate-1", name).await.unwrap();
            if let Some(problem) = state.as_ref().and_then(|state| state.problem.clone()) {
                assert_eq!(state.unwrap().cursor, 0);
                return problem;
            }
            assert!(Instant::now() < deadline, "the sink has no problem");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn end(self) {
        self.stop.cancel();
        self.audit.close().await;
    }
}

/// The keys of a SIEM and a gate, made with openssl.
struct Certificates(TempDir);

impl Certificates {
    fn make() -> Self {
        let all = Self(tempfile::tempdir().unwrap());
        let new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30";
        all.openssl(&format!("{new} -keyout ca.key -out ca.pem -subj /CN=ca"));
        for name in [SIEM, "gate.test.example"] {
            let request = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
            all.openssl(&format!(
                "req {request} -keyout {name}.key -out {name}.csr -subj /CN={name}"
            ));
            all.sign(name, 30);
        }
        all
    }

    fn openssl(&self, arguments: &str) {
        let status = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(self.0.path())
            .stderr(Stdio::null())
            .status()
            .expect("openssl is on the path");
        assert!(status.success(), "openssl {arguments}");
    }

    /// Gives somebody a certificate for so many days from now; below zero, it has ended.
    fn sign(&self, name: &str, days: i32) {
        let extensions = format!("subjectAltName=DNS:{name}\nbasicConstraints=CA:FALSE\n");
        std::fs::write(self.path("ext"), extensions).unwrap();
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days {days} -extfile ext -out {name}.pem"
        ));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn dialer(&self, port: u16) -> Dialer {
        let read = |name: &str| std::fs::read(self.path(name)).unwrap();
        let tls = DialTls {
            authorities: Some(read("ca.pem")),
            identity: Some((read("gate.test.example.pem"), read("gate.test.example.key"))),
        };
        egress()
            .dialer(SIEM, port, Networks::AlsoPrivate, Some(&tls))
            .unwrap()
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// A running rsyslog; dropping it kills it.
struct Rsyslog {
    process: Child,
}

impl Rsyslog {
    fn start(dir: &Path, config: &str) -> Self {
        let file = dir.join("rsyslog.conf");
        std::fs::write(&file, config).unwrap();
        let process = Command::new("rsyslogd")
            .arg("-n")
            .arg("-f")
            .arg(&file)
            .arg("-i")
            .arg(dir.join("pid"))
            .stderr(Stdio::null())
            .spawn()
            .expect("rsyslog is installed: cargo xtask setup --only siem");
        Self { process }
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.process.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success(), "kill -{name}");
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Messages are written one by one before they are acknowledged: nothing waits in a queue of memory.
fn config(input: &str, certificates: &Certificates, dir: &Path) -> String {
    let path = |name: &str| certificates.path(name).display().to_string();
    format!(
        r#"global(workDirectory="{dir}" maxMessageSize="64k" defaultNetstreamDriver="gtls"
  defaultNetstreamDriverCAFile="{ca}" defaultNetstreamDriverCertFile="{cert}" defaultNetstreamDriverKeyFile="{key}")
template(name="out" type="list") {{ property(name="hostname") constant(value=" ") property(name="app-name") constant(value=" ") property(name="msg") constant(value="\n") }}
ruleset(name="siem" queue.type="Direct") {{ action(type="omfile" file="{dir}/received" template="out" flushOnTXEnd="on") }}
{input}
"#,
        dir = dir.display(),
        ca = path("ca.pem"),
        cert = path(&format!("{SIEM}.pem")),
        key = path(&format!("{SIEM}.key")),
    )
}

/// The numbers of the records that the receiver wrote, and their events.
fn received(dir: &Path) -> Vec<(Option<u64>, Value)> {
    let text = std::fs::read_to_string(dir.join("received")).unwrap_or_default();
    // The last line may be one that a kill cut off.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let events = whole.lines().filter_map(|line| {
        let message = line.strip_prefix("gate-1 sekimori ")?.trim_start();
        serde_json::from_str::<Value>(message).ok()
    });
    events
        .map(|event| (event["metadata"]["sequence"].as_u64(), event))
        .collect()
}

fn numbers(dir: &Path) -> BTreeSet<u64> {
    received(dir)
        .into_iter()
        .filter_map(|(sequence, _)| sequence)
        .collect()
}

async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + WAIT;
    while !so() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Kills the receiver in the middle of a stream, and starts it again.
async fn killed_and_started_again(
    transport: Box<dyn Transport>,
    start: impl Fn() -> Rsyslog,
    dir: &Path,
) {
    let receiver = start();
    let gate = Gate::start(vec![("siem".to_owned(), transport)]).await;
    gate.append(300).await;
    until("the first records arrive", || numbers(dir).len() >= 100).await;
    drop(receiver);
    let began = Instant::now();
    gate.append(300).await;
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "a dead sink slows nothing"
    );
    let receiver = start();
    gate.append(100).await;
    gate.delivered("siem", 700).await;
    let all: BTreeSet<u64> = (0..700).collect();
    until("nothing is missing", || numbers(dir) == all).await;

    let events = received(dir);
    let said = &events
        .iter()
        .find(|(sequence, _)| *sequence == Some(699))
        .unwrap()
        .1;
    assert_eq!(
        said["unmapped"]["detail"]["said"],
        "顧客 \"A]\" を\n更新 \\"
    );
    let heartbeat = events
        .iter()
        .find(|(sequence, _)| sequence.is_none())
        .unwrap();
    assert_eq!(heartbeat.1["metadata"]["event_code"], "audit.heartbeat");
    assert!(
        heartbeat.1["unmapped"]["checkpoint"]
            .as_str()
            .unwrap()
            .starts_with("gate.example/audit/gate-1\n")
    );
    gate.end().await;
    drop(receiver);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn syslog_over_tls_has_no_gap() {
    let (certificates, dir) = (Certificates::make(), tempfile::tempdir().unwrap());
    let port = free_port();
    let input = format!(
        r#"module(load="imtcp" StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="x509/name" PermittedPeer=["gate.test.example"])
input(type="imtcp" port="{port}" address="127.0.0.1" ruleset="siem" SupportOctetCountedFraming="on" MaxFrameSize="65536")"#
    );
    let text = config(&input, &certificates, dir.path());
    let sink = SyslogTls::new(
        certificates.dialer(port),
        "gate-1".to_owned(),
        Facility::AUDIT,
        Schema::Ocsf,
        Arc::new(RealClock::default()),
    );
    let sink = Box::new(sink.settling(Duration::from_secs(3)));
    killed_and_started_again(sink, || Rsyslog::start(dir.path(), &text), dir.path()).await;
}

/// A receiver of RELP, and the sink for it.
fn relp(certificates: &Certificates, dir: &Path) -> (String, Box<dyn Transport>) {
    let port = free_port();
    let path = |name: &str| certificates.path(name).display().to_string();
    let input = format!(
        r#"module(load="imrelp" ruleset="siem")
input(type="imrelp" port="{port}" address="127.0.0.1" maxDataSize="64k" tls="on" tls.authMode="name" tls.permittedPeer=["gate.test.example"]
  tls.caCert="{ca}" tls.myCert="{cert}" tls.myPrivKey="{key}")"#,
        ca = path("ca.pem"),
        cert = path(&format!("{SIEM}.pem")),
        key = path(&format!("{SIEM}.key")),
    );
    let dialer = certificates.dialer(port);
    let sink = Relp::new(dialer, "gate-1".to_owned(), Facility::AUDIT, Schema::Ocsf);
    (config(&input, certificates, dir), Box::new(sink))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relp_has_no_gap() {
    let (certificates, dir) = (Certificates::make(), tempfile::tempdir().unwrap());
    let (text, sink) = relp(&certificates, dir.path());
    killed_and_started_again(sink, || Rsyslog::start(dir.path(), &text), dir.path()).await;
}

/// F16: a receiver that stands still with its connection open slows nothing, and gets everything once it goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_hangs_slows_nothing() {
    let (certificates, dir) = (Certificates::make(), tempfile::tempdir().unwrap());
    let (text, sink) = relp(&certificates, dir.path());
    let receiver = Rsyslog::start(dir.path(), &text);
    let gate = Gate::start(vec![("siem".to_owned(), sink)]).await;
    gate.append(100).await;
    until("the first records arrive", || {
        numbers(dir.path()).len() >= 50
    })
    .await;
    receiver.signal("STOP");
    let began = Instant::now();
    gate.append(300).await;
    assert!(began.elapsed() < Duration::from_secs(20));
    let state = gate.store.audit_sinks().get("gate-1", "siem").await;
    assert!(state.unwrap().is_none_or(|state| state.cursor < 400));
    receiver.signal("CONT");
    gate.delivered("siem", 400).await;
    let all: BTreeSet<u64> = (0..400).collect();
    until("nothing is missing", || numbers(dir.path()) == all).await;
    gate.end().await;
}

/// F16: a receiver whose certificate has ended is told nothing, and everything once it has another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_with_an_ended_certificate_gets_nothing() {
    let (certificates, dir) = (Certificates::make(), tempfile::tempdir().unwrap());
    let (text, sink) = relp(&certificates, dir.path());
    certificates.sign(SIEM, -1);
    let receiver = Rsyslog::start(dir.path(), &text);
    let gate = Gate::start(vec![("siem".to_owned(), sink)]).await;
    gate.append(50).await;
    let problem = gate.problem("siem").await;
    assert!(numbers(dir.path()).is_empty(), "{problem}");
    drop(receiver);
    certificates.sign(SIEM, 30);
    let receiver = Rsyslog::start(dir.path(), &text);
    gate.delivered("siem", 50).await;
    let all: BTreeSet<u64> = (0..50).collect();
    until("nothing is missing", || numbers(dir.path()) == all).await;
    gate.end().await;
    drop(receiver);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_are_signed_retried_and_put_aside() {
    // Twice unavailable, then refused for good, then taken.
    let double = HttpDouble::start(vec![503, 429, 422, 200]);
    let dead = tempfile::tempdir().unwrap();
    let client = egress().client(
        vec![HostPattern::exactly("hook.test.example", double.port())],
        Networks::AlsoPrivate,
    );
    let sink = Webhook::new(
        client,
        format!("http://hook.test.example:{}/audit", double.port()),
        b"secret",
        Schema::Native,
        Arc::new(RealClock::default()),
        dead.path(),
    );
    let gate = Gate::start(vec![("hook".to_owned(), Box::new(sink) as _)]).await;
    gate.append(3).await;
    gate.delivered("hook", 3).await;
    gate.append(2).await;
    gate.delivered("hook", 5).await;
    let state = gate
        .store
        .audit_sinks()
        .get("gate-1", "hook")
        .await
        .unwrap()
        .unwrap();
    gate.end().await;

    let requests = double.requests();
    assert!(requests.len() >= 4, "{requests:?}");
    let first = &requests[0];
    let (id, time) = (
        first.header("webhook-id"),
        first.header("webhook-timestamp"),
    );
    let message = [
        id.as_bytes(),
        b".",
        time.as_bytes(),
        b".",
        first.body.as_bytes(),
    ]
    .concat();
    let hmac = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"secret");
    let tag = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(aws_lc_rs::hmac::sign(&hmac, &message))
    };
    assert_eq!(first.header("webhook-signature"), format!("v1,{tag}"));
    let repeated = requests[2].header("webhook-id");
    assert_eq!(
        requests[1].header("webhook-id"),
        repeated,
        "a repetition is known as one"
    );
    let put_aside = std::fs::read_dir(dead.path()).unwrap().count();
    assert_eq!(put_aside, 1, "one refused body");
    assert!(
        state.dead_letters >= 1 && state.problem.is_none(),
        "{state:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn collectors_of_opentelemetry_get_logs() {
    let double = HttpDouble::start(vec![200]);
    let dead = tempfile::tempdir().unwrap();
    let host = vec![HostPattern::exactly("otel.test.example", double.port())];
    let client = egress().client(host, Networks::AlsoPrivate);
    let url = format!("http://otel.test.example:{}/v1/logs", double.port());
    let sink = Otlp::new(client, url, Schema::Ocsf, dead.path());
    let gate = Gate::start(vec![("otel".to_owned(), Box::new(sink) as _)]).await;
    gate.append(5).await;
    gate.delivered("otel", 5).await;
    assert!(gate.data.path().join("journal").is_dir());
    gate.end().await;
    let mut sequences = BTreeSet::new();
    for request in double.requests() {
        assert_eq!(request.header("content-type"), "application/json");
        let body: Value = serde_json::from_str(&request.body).unwrap();
        let resource = &body["resourceLogs"][0];
        assert_eq!(
            resource["resource"]["attributes"][0]["value"]["stringValue"],
            "sekimori"
        );
        for log in resource["scopeLogs"][0]["logRecords"].as_array().unwrap() {
            assert!(log["timeUnixNano"].is_string() && log["body"]["stringValue"].is_string());
            let number = log["attributes"].as_array().unwrap().iter();
            let number = number.filter(|one| one["key"] == "log.sequence");
            sequences
                .extend(number.map(|one| one["value"]["intValue"].as_str().unwrap().to_owned()));
        }
    }
    assert_eq!(sequences.len(), 5);
}
