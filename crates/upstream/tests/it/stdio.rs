//! Child processes, played by shell scripts.

use std::path::PathBuf;
use std::time::Duration;

use sekimori_domain::connector::{Connector, SecretRef, Transport};
use sekimori_mcp::envelope::Reply;
use sekimori_mcp::revision::Revision;
use sekimori_upstream::exchange::{Event, UpstreamError};
use sekimori_upstream::{Outgoing, Upstream};
use tempfile::TempDir;

use crate::support::*;

/// Reads requests and answers by method; `$1` of `answer` is a result.
const LOOP: &str = r#"
answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$1"; }
fail() { printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}\n' "$id"; }
while IFS= read -r line; do
  printf '%s\n' "$line" >> "$DIR/seen"
  id=$(printf '%s' "$line" | sed -n 's/^{"jsonrpc":"2.0","id":\([0-9]*\),.*/\1/p')
  case "$line" in
    *'"server/discover"'*) discover ;;
    *'"initialize"'*) answer '{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"sh","version":"1"}}' ;;
    *'"tools/call"'*) call ;;
    *) other ;;
  esac
done
"#;

struct Script {
    dir: TempDir,
    upstream: Upstream,
}

fn script(functions: &str, change: impl FnOnce(&mut Connector)) -> Script {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("server.sh");
    std::fs::write(&path, format!("other() {{ :; }}\n{functions}\n{LOOP}")).unwrap();
    let transport = Transport::Stdio {
        command: "sh".into(),
        args: vec![path.to_str().unwrap().into()],
        env: [(
            "DIR".to_owned(),
            SecretRef::Value(dir.path().to_str().unwrap().into()),
        )]
        .into(),
        cwd: Some(dir.path().to_str().unwrap().into()),
        memory_mib_max: None,
    };
    let mut connector = connector(transport);
    change(&mut connector);
    Script {
        upstream: Upstream::new(connector, deps()),
        dir,
    }
}

impl Script {
    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.file(name)).unwrap_or_default()
    }

    async fn call(&self) -> Result<Reply, UpstreamError> {
        done(
            self.upstream
                .invoke(warrant("t", "{}"), Outgoing::new("tools/call")),
        )
        .await
    }
}

const LEGACY: &str = "discover() { fail; }";
const MODERN: &str = r#"discover() { answer '{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{}}'; }"#;

fn is_running(pid: &str) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !state.is_empty() && !state.contains(") Z ")
}

#[tokio::test]
async fn both_eras_and_its_own_environment_only() {
    for (functions, revision) in [(MODERN, Revision::V20260728), (LEGACY, Revision::V20251125)] {
        let functions = format!(
            "{functions}\ncall() {{ env > $DIR/env; pwd > $DIR/cwd; answer '{{\"x\":1.0}}'; }}"
        );
        let script = script(&functions, |_| ());
        assert_eq!(script.upstream.discover().await.unwrap().revision, revision);
        assert!(
            matches!(script.call().await, Ok(Reply::Result(result)) if result.get() == r#"{"x":1.0}"#)
        );
        let environment = script.text("env");
        let mut names: Vec<&str> = environment
            .lines()
            .filter_map(|line| line.split('=').next())
            .collect();
        names.sort_unstable();
        names.retain(|name| !["_", "PWD", "OLDPWD", "SHLVL"].contains(name));
        assert_eq!(names, ["DIR", "PATH"]);
    }
}

#[tokio::test]
async fn noise_and_unreadable_lines_are_survived() {
    let call = r#"call() { echo 'Listening on stdin!'; echo '{"jsonrpc":"2.0","id":424242,"result":{}}'; echo; echo log >&2; answer '{}'; answer '{"twice":1}'; }"#;
    let script = script(&format!("{MODERN}\n{call}"), |_| ());
    for _ in 0..2 {
        assert!(matches!(script.call().await, Ok(Reply::Result(result)) if result.get() == "{}"));
    }
    let wrong = self::script(&format!("{MODERN}\ncall() {{ answer 5; }}"), |_| ());
    assert!(matches!(
        wrong.call().await,
        Err(UpstreamError::Invalid { .. })
    ));
}

#[tokio::test]
async fn a_crash_ends_calls_and_the_next_one_starts_it_again() {
    let call =
        "call() { if [ -e $DIR/again ]; then answer '{}'; else touch $DIR/again; exit 3; fi; }";
    let script = script(&format!("{MODERN}\n{call}"), |_| ());
    let write = async || {
        let warrant = warrant_to_write("t");
        done(script.upstream.invoke(warrant, Outgoing::new("tools/call"))).await
    };
    assert!(matches!(
        write().await,
        Err(UpstreamError::Unavailable { .. })
    ));
    assert!(write().await.is_ok());
}

/// What only reads is tried again by itself.
#[tokio::test]
async fn a_crash_while_reading_is_not_noticed() {
    let call =
        "call() { if [ -e $DIR/again ]; then answer '{}'; else touch $DIR/again; exit 3; fi; }";
    let script = script(&format!("{MODERN}\n{call}"), |_| ());
    assert!(script.call().await.is_ok());
    assert!(script.file("again").exists());
}

/// Old servers may die of a request that they do not expect.
#[tokio::test]
async fn a_server_that_dies_of_the_probe_is_started_again() {
    let script = script("discover() { exit 1; }\ncall() { answer '{}'; }", |_| ());
    assert_eq!(
        script.upstream.discover().await.unwrap().revision,
        Revision::V20251125
    );
    assert!(script.call().await.is_ok());
}

#[tokio::test]
async fn a_program_that_does_not_exist() {
    let script = script(LEGACY, |connector| {
        if let Transport::Stdio { command, .. } = &mut connector.transport {
            *command = "/nowhere/to/be/found".into();
        }
    });
    let error = script.upstream.discover().await.unwrap_err();
    assert!(
        matches!(error, UpstreamError::Unavailable { .. }),
        "{error}"
    );
    assert!(!error.to_string().contains("nowhere"), "{error}");
}

#[tokio::test]
async fn closing_stops_it_and_what_it_started() {
    // It ignores the end of its input and SIGTERM, and so does its child.
    let call = "call() { sleep 300 & echo $$ $! > $DIR/pids; trap '' TERM; answer '{}'; while :; do sleep 300; done; }";
    let script = script(&format!("{MODERN}\n{call}"), |_| ());
    assert!(script.call().await.is_ok());
    let pids = script.text("pids");
    assert!(pids.split_whitespace().all(is_running), "{pids}");
    script.upstream.close();
    eventually("all are gone", || !pids.split_whitespace().any(is_running)).await;
    assert!(matches!(
        script.call().await,
        Err(UpstreamError::Unavailable { .. })
    ));
}

#[tokio::test]
async fn memory_is_limited() {
    let call = "call() { ulimit -v > $DIR/limit; answer '{}'; }";
    let script = script(&format!("{MODERN}\n{call}"), |connector| {
        if let Transport::Stdio { memory_mib_max, .. } = &mut connector.transport {
            *memory_mib_max = Some(512);
        }
    });
    assert!(script.call().await.is_ok());
    assert_eq!(script.text("limit").trim(), (512 * 1024).to_string());
}

#[tokio::test]
async fn dropping_the_exchange_sends_a_cancellation() {
    for functions in [MODERN, LEGACY] {
        let script = script(&format!("{functions}\ncall() {{ :; }}"), |_| ());
        let exchange = script
            .upstream
            .invoke(warrant("t", "{}"), Outgoing::new("tools/call"));
        eventually("the call arrives", || {
            script.text("seen").contains("tools/call")
        })
        .await;
        drop(exchange);
        eventually("the cancellation arrives", || {
            script
                .text("seen")
                .contains(r#""method":"notifications/cancelled","params":{"requestId":"#)
        })
        .await;
    }
}

const ASKING: &str = r#"call() { mine=$id; echo '{"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{"message":"?"}}'; }
other() { case "$line" in *'"id":"q"'*) id=$mine; answer "{\"got\":$line}" ;; esac; }"#;

#[tokio::test]
async fn a_question_goes_to_the_only_call_under_way() {
    let script = script(&format!("{LEGACY}\n{ASKING}"), |_| ());
    let mut exchange = script
        .upstream
        .invoke(warrant("t", "{}"), outgoing(r#"{"elicitation":{}}"#, "{}"));
    let Event::Ask(ask) = next(&mut exchange).await else {
        panic!("no question");
    };
    ask.answers
        .send(vec![Reply::Result(raw(r#"{"action":"decline"}"#))])
        .unwrap();
    assert_eq!(
        result(exchange).await,
        r#"{"got":{"jsonrpc":"2.0","id":"q","result":{"action":"decline"}}}"#
    );
}

/// It cannot be known whose question it is, so nobody gets to see it.
#[tokio::test]
async fn a_question_among_several_calls_is_shown_to_nobody() {
    let call = r#"n=0
call() { n=$((n+1)); mine=$id; [ $n -lt 2 ] || echo '{"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{"message":"?"}}'; }
other() { case "$line" in *'"id":"q"'*) id=$mine; answer "{\"got\":$line}" ;; esac; }"#;
    let script = script(&format!("{LEGACY}\n{call}"), |_| ());
    let invoke = || {
        script
            .upstream
            .invoke(warrant("t", "{}"), outgoing(r#"{"elicitation":{}}"#, "{}"))
    };
    let mut first = invoke();
    eventually("the first call arrives", || {
        script.text("seen").contains("tools/call")
    })
    .await;
    let second = invoke();
    assert!(result(second).await.contains("-32600"));
    let quiet = tokio::time::timeout(Duration::from_millis(50), first.next()).await;
    assert!(quiet.is_err(), "{quiet:?}");
}
