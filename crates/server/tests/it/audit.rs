//! Evidence from the command line: signed, proved, handed over, verified by others (AUDIT-4, AUDIT-5, AUDIT-7).

use std::process::Stdio;

use sekimori_testkit::process::{Running, program};
use serde_json::Value;
use tokio::process::Command;

use crate::gate::{Site, until};

/// The text of a command's output that others keep.
async fn printed(site: &Site, args: &[&str]) -> String {
    let printed = site.run(args).await;
    assert!(printed.status.success(), "sekimori {args:?}: {printed:?}");
    printed.out
}

/// A gate that started and stopped, with the records of that.
async fn used(site: &Site) {
    let gate = site.serve().await;
    site.json(&["audit", "search", "--since", "1h"]).await;
    until("the search is in the journal", async || {
        let page = site
            .json(&["audit", "search", "--event", "audit.search"])
            .await;
        (!page["records"].as_array().unwrap().is_empty()).then_some(())
    })
    .await;
    assert!(gate.running.terminate().await.success());
}

#[tokio::test]
async fn evidence_is_handed_over_and_verified_by_others() {
    let site = Site::new();
    used(&site).await;
    let report = site.json(&["audit", "verify"]).await;
    assert_eq!(report["signed"], report["records"]);
    assert_eq!(report["published"], report["records"]);

    let note = printed(&site, &["audit", "checkpoint"]).await;
    assert!(note.starts_with("127.0.0.1/audit/node-1\n"), "{note}");
    let kept = site.home().write("kept", &note);
    let known = ["audit", "verify", "--known", kept.to_str().unwrap()];
    assert!(site.run(&known).await.status.success());

    let page = site
        .json(&["audit", "search", "--event", "gateway.start"])
        .await;
    let id = page["records"][0]["id"].as_str().unwrap().to_owned();
    let proof = printed(&site, &["audit", "proof", &id]).await;
    assert!(
        proof.starts_with("c2sp.org/tlog-proof@v1\nindex "),
        "{proof}"
    );
    let grown = printed(&site, &["audit", "proof", "--since-size", "1"]).await;
    assert!(grown.starts_with("old 1\n"), "{grown}");

    let bundle = site.home().path().join("bundle");
    let out = bundle.to_str().unwrap();
    let written = site
        .json(&["audit", "bundle", "--out", out, "--event", "gateway.start"])
        .await;
    assert_eq!(written["proofs"], 1);
    let checked = site.run(&["audit", "verify", "--bundle", out]).await;
    assert!(checked.status.success(), "{checked:?}");
    let python = Command::new("python3")
        .args([&format!("{out}/verify.py"), out, &format!("{out}/log.pub")])
        .output()
        .await
        .unwrap();
    assert!(python.status.success(), "{python:?}");

    // Whoever rewrites a record does not get past anybody.
    let journal = site
        .home()
        .path()
        .join("data/journal/00000000000000000001.segment");
    let mut bytes = std::fs::read(&journal).unwrap();
    let at = bytes.len() - 30;
    bytes[at] ^= 1;
    std::fs::write(&journal, bytes).unwrap();
    let refused = site.run(&["audit", "verify"]).await;
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    // What was handed over before still stands.
    assert!(
        site.run(&["audit", "verify", "--bundle", out])
            .await
            .status
            .success()
    );
}

/// A signer and a witness, each a process of its own, beside a gate.
#[tokio::test]
async fn a_signer_and_a_witness_vouch_for_the_log() {
    let parts = Site::new();
    let folder = parts.home().path().to_owned();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (socket, signing) = (path("sign.sock"), path("signing.key"));
    let serve = [
        "audit",
        "sign-serve",
        "--origin",
        "gate.example/audit/a",
        "--key",
        &signing,
        "--socket",
        &socket,
    ];
    let signer = Running::start(parts.command(&serve), |line| line.contains("signing for")).await;
    let log = path("signing.pub");
    let own = path("witness.key");
    let memory = path("seen");
    let watch = [
        "audit",
        "witness",
        "--listen",
        "127.0.0.1:0",
        "--key",
        &own,
        "--name",
        "audit.example/w",
        "--memory",
        &memory,
        "--log",
        &log,
    ];
    let witness = Running::start(parts.command(&watch), |line| line.contains(" on 127")).await;
    let (key, address) = witness.ready.rsplit_once(" on ").unwrap();
    let key = key.rsplit_once(' ').unwrap().1;
    let site = Site::with(&format!(
        "[audit]\nsigner_socket = \"{socket}\"\n[[audit.witnesses]]\nurl = \"http://{}\"\nkey = \"{key}\"\nallow_private_network = true\n",
        address.trim()
    ));
    let gate = site.serve().await;
    let cosigned: Value = until("the witness has seen the log", async || {
        let printed = site.run(&["audit", "checkpoint", "--json"]).await;
        let told: Value = serde_json::from_str(&printed.out).ok()?;
        told["cosigned"]
            .as_str()?
            .contains("audit.example/w")
            .then_some(told)
    })
    .await;
    assert!(
        cosigned["note"]
            .as_str()
            .unwrap()
            .starts_with("gate.example/audit/a\n")
    );
    let witness_key = path("witness.pub");
    let report = site
        .json(&["audit", "verify", "--witness", &witness_key])
        .await;
    assert_eq!(report["cosigned"][0]["witness"], "audit.example/w");
    assert!(gate.running.terminate().await.success());
    assert!(witness.terminate().await.success());
    assert!(signer.terminate().await.success());

    // Without its signer the gate does not begin.
    let mut start = site.command(&["serve"]);
    let refused = start
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("signer"),
        "{said}"
    );
    assert!(program("sekimori").is_file());
}

/// AUDIT-4: the log of a year ends with a signer of its own too: whoever has its first key alone verifies what comes
/// after.
#[tokio::test]
async fn a_signer_closes_its_log_when_a_year_is_over() {
    let parts = Site::new();
    let folder = parts.home().path().to_owned();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (socket, signing) = (path("sign.sock"), path("signing.key"));
    let serve = [
        "audit",
        "sign-serve",
        "--origin",
        "gate.example/audit/a",
        "--key",
        &signing,
        "--socket",
        &socket,
        "--yearly",
    ];
    let ready = |line: &str| line.contains("signing for");
    let signer = Running::start(parts.command(&serve), ready).await;
    let site = Site::with(&format!(
        "[audit]\nsigner_socket = \"{socket}\"\nyearly_log = true\n"
    ));
    used(&site).await;
    let old = site.json(&["audit", "checkpoint"]).await;
    let key = site.home().write("old.pub", old["key"].as_str().unwrap());
    let file = std::fs::File::options().write(true).open(&signing).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH)
        .unwrap();
    used(&site).await;
    assert!(signer.terminate().await.success());
    let signer = Running::start(parts.command(&serve), ready).await;
    used(&site).await;

    let new = site.json(&["audit", "checkpoint"]).await;
    let origin = new["origin"].as_str().unwrap();
    assert!(origin.starts_with("gate.example/audit/a/"), "{origin}");
    let verify = ["audit", "verify", "--key", key.to_str().unwrap()];
    let report = site.json(&verify).await;
    assert_eq!(report["problem"], Value::Null, "{report}");
    assert_eq!(report["signed"], report["records"]);
    let told = site
        .json(&["audit", "search", "--event", "audit.rotate"])
        .await;
    assert_eq!(told["records"].as_array().unwrap().len(), 1, "{told}");
    assert!(signer.terminate().await.success());
}

/// A sink that nobody answers for is told of, and slows nothing.
#[tokio::test]
async fn a_dead_sink_is_told_of() {
    let site = Site::with(
        "[[audit.sinks]]\nname = \"siem\"\nkind = \"relp\"\nto = \"127.0.0.1:9\"\nallow_private_network = true\n",
    );
    let gate = site.serve().await;
    let sinks = until("the sink is known to be dead", async || {
        let sinks = site.json(&["audit", "sinks"]).await;
        sinks[0]["problem"].is_string().then_some(sinks)
    })
    .await;
    assert_eq!(
        (&sinks[0]["name"], &sinks[0]["delivered"]),
        (&"siem".into(), &0.into())
    );
    assert!(sinks[0]["lag"].as_u64().unwrap() > 0, "{sinks}");
    assert_eq!(gate.readiness().await.0, 200);
    assert!(gate.running.terminate().await.success());
}

/// An authority that nobody answers for is told of, and slows nothing; nor is anything said to be stamped.
#[tokio::test]
async fn a_dead_time_stamping_authority_is_told_of() {
    let site = Site::with(
        "[[audit.time_stamps]]\nname = \"tsa\"\nurl = \"http://127.0.0.1:9/tsr\"\nca_file = \"tsa-ca.pem\"\n\
         allow_private_network = true\n",
    );
    let refused = site.run(&["audit", "verify"]).await;
    assert!(refused.err.contains("tsa-ca.pem"), "{refused:?}");
    let arguments = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out tsa-ca.pem \
                     -subj /CN=Root -days 9";
    let made = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(site.home().path())
        .output()
        .await
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let gate = site.serve().await;
    let states = until("the authority is known to be dead", async || {
        let states = site.json(&["audit", "sinks"]).await;
        states[0]["problem"].is_string().then_some(states)
    })
    .await;
    assert_eq!(
        (&states[0]["name"], &states[0]["delivered"]),
        (&"time-stamps/tsa".into(), &0.into())
    );
    assert_eq!(gate.readiness().await.0, 200);
    assert!(gate.running.terminate().await.success());
    let report = site.json(&["audit", "verify"]).await;
    assert_eq!(report["stamped"], serde_json::json!([]));
}

/// Two persons have one's records deleted while the gate runs; the certificate proves it, and the log holds (AUDIT-4,
/// DATA-6).
#[tokio::test]
async fn records_are_deleted_on_request_with_a_certificate() {
    let site = Site::new();
    let text = ["audit", "search", "--user", "os:gone"];
    let as_user = async |user: &str, args: &[&str]| {
        let mut command = site.command(args);
        command.env("SUDO_USER", user).arg("--json");
        let out = command.output().await.unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        (
            out.status.success(),
            serde_json::from_str(&text).unwrap_or(Value::Null),
        )
    };
    // Somebody leaves records behind: their searches.
    let gate = site.serve().await;
    for _ in 0..5 {
        assert!(
            as_user("gone", &["audit", "search", "--since", "1h"])
                .await
                .0
        );
    }
    until("their searches are recorded", async || {
        let found = site.json(&text).await;
        (found["records"].as_array()?.len() == 5).then_some(())
    })
    .await;
    let propose = [
        "audit",
        "deletion",
        "propose",
        "--user",
        "os:gone",
        "--reason",
        "request 7",
    ];
    let (asked, order) = as_user("alice", &propose).await;
    assert!(asked, "{order}");
    let id = order["id"].as_str().unwrap();
    assert!(
        !as_user("alice", &["audit", "deletion", "agree", id])
            .await
            .0
    );
    assert!(as_user("bob", &["audit", "deletion", "agree", id]).await.0);
    let planned = site.json(&["audit", "retention"]).await;
    assert_eq!(planned["plan"]["causes"][id], 5, "{planned}");
    assert!(gate.running.terminate().await.success());

    // The gate looks when it starts, and then every ten minutes.
    let gate = site.serve().await;
    let certificate = until("they are deleted", async || {
        let told = site
            .run(&["audit", "deletion", "certificate", id, "--json"])
            .await;
        let told: Value = serde_json::from_str(&told.out).ok()?;
        (told["certificate"]["purged"] == 5).then_some(told)
    })
    .await;
    assert_eq!(certificate["certificate"]["remaining"], 0);
    let proof = certificate["proofs"][0]["proof"].as_str().unwrap();
    assert!(proof.starts_with("c2sp.org/tlog-proof@v1\n"), "{proof}");
    let found = site.json(&text).await;
    assert!(found["records"].as_array().unwrap().is_empty(), "{found}");
    assert!(gate.running.terminate().await.success());
    let report = site.json(&["audit", "verify"]).await;
    assert_eq!(
        (&report["problem"], &report["purged"]),
        (&Value::Null, &Value::from(5))
    );
}

/// AUDIT-4: a log is closed while the gate is stopped; whoever has the old key alone verifies what came after.
#[tokio::test]
async fn a_closed_log_is_verified_with_its_key() {
    let site = Site::new();
    used(&site).await;
    let old = site.json(&["audit", "checkpoint"]).await;
    let key = site.home().write("old.pub", old["key"].as_str().unwrap());
    let closed = site.json(&["audit", "close-log"]).await;
    assert_eq!(closed["closed"], old["origin"]);
    used(&site).await;
    let new = site.json(&["audit", "checkpoint"]).await;
    assert_eq!(new["key"], closed["key"]);
    assert_ne!(new["origin"], old["origin"]);
    let verify = ["audit", "verify", "--key", key.to_str().unwrap()];
    let report = site.json(&verify).await;
    assert_eq!(report["problem"], Value::Null, "{report}");
    assert_eq!(report["signed"], report["records"]);
    let told = site
        .json(&["audit", "search", "--event", "audit.rotate"])
        .await;
    assert_eq!(told["records"].as_array().unwrap().len(), 1, "{told}");
}

/// AUDIT-2: a search that is kept finds the same when it is run by its name.
#[tokio::test]
async fn a_search_is_kept_and_run_by_its_name() {
    let site = Site::new();
    used(&site).await;
    let keep = [
        "audit",
        "saved",
        "keep",
        "starts",
        "--event",
        "gateway.start",
        "--since",
        "1h",
    ];
    let kept = site.json(&keep).await;
    assert_eq!(kept["filter"]["period"], "1h");
    let again = site.json(&keep).await;
    assert_eq!(again["id"], kept["id"], "in place of the one of that name");
    let found = site.json(&["audit", "saved", "run", "starts"]).await;
    assert_eq!(found["records"].as_array().unwrap().len(), 1, "{found}");
    site.json(&["audit", "saved", "remove", "starts"]).await;
    let listed = site.json(&["audit", "saved", "list"]).await;
    assert!(listed.as_array().unwrap().is_empty(), "{listed}");
    assert!(
        !site
            .run(&["audit", "saved", "run", "starts"])
            .await
            .status
            .success()
    );
}
