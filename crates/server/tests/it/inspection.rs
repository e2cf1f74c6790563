//! Content inspection as the program does it: what it finds is nowhere in what it writes, and dictionaries hold while
//! it runs (DATA-2, AUDIT-8).

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use sekimori_testkit::client::RawClient;
use sekimori_testkit::fixture::{self, Local, Options};
use serde_json::{Value, json};

use crate::gate::{Gate, OPEN_POLICY, Site, get, until};

/// A gate with two callers.
async fn stage() -> (Local, Site, Gate, [RawClient; 2]) {
    let upstream = fixture::start(Options::default()).await;
    let site = Site::new();
    site.connector("fixture", &upstream.url, &["--exposure", "external"])
        .await;
    site.accept_suggestions("fixture").await;
    site.policy(OPEN_POLICY).await;
    let keys = [
        site.key("desk", "employee").await,
        site.key("other", "employee").await,
    ];
    let gate = site.serve().await;
    let clients = keys.map(|key| gate.all(&key.text));
    (upstream, site, gate, clients)
}

async fn echo(client: &RawClient, arguments: Value) -> String {
    let params = json!({ "name": "fixture__test_echo", "arguments": arguments });
    client
        .modern("tools/call", params)
        .await
        .result()
        .to_string()
}

/// Every file below a folder, and what it holds; without those that go while we look.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                return files(&path);
            }
            match std::fs::read(&path) {
                Ok(bytes) => vec![(path, bytes)],
                Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
                Err(error) => panic!("{}: {error}", path.display()),
            }
        })
        .collect()
}

/// Values that pass, are covered, are blocked, or come with arguments that don't fit: none is in any file of the
/// installation, in what the gate logged, or in its metrics.
#[tokio::test]
async fn no_value_that_was_found_is_written_anywhere() {
    let (_upstream, site, gate, [client, _]) = stage().await;
    let values = [
        "3530-1113-3330-0000",
        "6258-6516-6052",
        "ghp_9kTqWz3RbLx7VnPd2HsYc8MfGj5Ae4Uo1Iix",
        "taro.hidden@example.co.jp",
        "090-7654-3210",
        "勅使河原 栄治郎",
        "新潟県上越市木田1-1-3",
    ];
    let text = format!(
        "カード {} マイナンバー {} 鍵 {} メール {} 電話 {} 氏名 {} 様 住所 {}",
        values[0], values[1], values[2], values[3], values[4], values[5], values[6]
    );
    for value in values.iter().copied().chain([text.as_str()]) {
        echo(&client, json!({ "message": value })).await;
        // Where the schema is broken the place is told, not what is there.
        echo(&client, json!({ "message": [value] })).await;
    }
    let tried = site.home().path().join("tried.txt");
    std::fs::write(&tried, &text).unwrap();
    let found = site
        .run(&["inspect", "text", tried.to_str().unwrap()])
        .await;
    assert!(found.out.contains("MY_NUMBER"), "{found:?}");
    std::fs::remove_file(&tried).unwrap();
    let (_, metrics) = get(&format!("{}/metrics", gate.operations)).await;
    let written = files(site.home().path());
    assert!(written.len() > 5, "{}", written.len());
    // Journal, database with its log, spool, keys, configuration.
    let mut searched: Vec<(String, Vec<u8>)> = written
        .into_iter()
        .map(|(path, bytes)| (path.display().to_string(), bytes))
        .collect();
    searched.push(("metrics".to_owned(), metrics.into_bytes()));
    searched.push(("log".to_owned(), gate.running.output().into_bytes()));
    searched.push(("command".to_owned(), format!("{found:?}").into_bytes()));
    for (place, bytes) in &searched {
        for value in values {
            let plain: String = value.chars().filter(|c| *c != '-').collect();
            for form in [value, &plain] {
                let hit = bytes
                    .windows(form.len())
                    .any(|part| part == form.as_bytes());
                assert!(!hit, "{value} in {place}");
            }
        }
    }
}

/// A dictionary that is uploaded while the gate runs is found by its rules, and stored without its words.
#[tokio::test]
async fn a_dictionary_holds_while_the_gate_runs() {
    let (_upstream, site, _gate, [client, other]) = stage().await;
    let words = site.home().path().join("projects.txt");
    std::fs::write(&words, "北極星計画\nProject Polaris\n").unwrap();
    let put = [
        "inspect",
        "dictionaries",
        "put",
        "projects",
        "--type",
        "project-name",
    ];
    let stored = site
        .json(&[&put[..], &[words.to_str().unwrap()]].concat())
        .await;
    assert_eq!(stored["entries"], 2);
    std::fs::remove_file(&words).unwrap();
    until("the project's name does not leave", async || {
        let told = echo(
            &client,
            json!({ "message": "来週は北極星 計画の説明会です" }),
        )
        .await;
        told.contains("content_blocked").then_some(())
    })
    .await;
    for (path, bytes) in files(site.home().path()) {
        let word = "北極星計画".as_bytes();
        let hit = bytes.windows(word.len()).any(|part| part == word);
        assert!(!hit, "{}", path.display());
    }
    let listed = site.json(&["inspect", "dictionaries", "list"]).await;
    assert_eq!(listed[0]["id"], "projects");
    site.json(&["inspect", "dictionaries", "remove", "projects"])
        .await;
    // Somebody else: an answer that came back while the word was put in force made the first one's conversation
    // confidential, and it stays so.
    until("it is no word any more", async || {
        let told = echo(&other, json!({ "message": "北極星計画の説明会です" })).await;
        told.contains("北極星計画").then_some(())
    })
    .await;
}

/// Codes and words with a class of the company's own are found by `inspect text`, the gate does what the rules say about
/// that class, and the record names it.
#[tokio::test]
async fn rules_about_a_class_of_ones_own_hold_in_the_gate() {
    const OWN: &str = r#"
        [[class]]
        id = "board"
        like = "confidential"
        [[class]]
        id = "told"
        like = "public"
        [[dictionary]]
        id = "deals"
        type = "COMPANY_TERM"
        class = "board"
        words = ["北極星計画"]
        [[dictionary]]
        id = "announced"
        type = "PROJECT_NAME"
        class = "told"
        words = ["南風計画"]
        [[code]]
        id = "staff"
        type = "EMPLOYEE_NUMBER"
        shapes = ["KT-####"]
        [[code]]
        id = "resolutions"
        type = "COMPANY_TERM"
        class = "board"
        shapes = ["BD-####"]
        [[rule]]
        id = "board-only"
        find = { classes = ["board"] }
        action = "block"
        message = "取締役会の資料です"
        [[rule]]
        id = "no-staff"
        find = { types = ["EMPLOYEE_NUMBER"] }
        action = "mask"
    "#;
    let (_upstream, site, _gate, [client, _]) = stage().await;
    let shipped = site.run(&["inspect", "rules", "default"]).await.out;
    let rules = site.home().path().join("rules.toml");
    std::fs::write(&rules, format!("{OWN}\n{shipped}")).unwrap();
    let rules = rules.to_str().unwrap();
    site.json(&["inspect", "rules", "save", rules, "--activate"])
        .await;
    let tried = site.home().path().join("tried.txt");
    std::fs::write(&tried, "KT-1041が北極星計画の議案bd2041を作成").unwrap();
    let tried = tried.to_str().unwrap();
    let found = site
        .json(&["inspect", "text", tried, "--dictionaries"])
        .await;
    let told: Vec<_> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|found| {
            (
                found["type"].as_str().unwrap(),
                found["class"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("EMPLOYEE_NUMBER", "personal"),
            ("COMPANY_TERM", "board"),
            ("COMPANY_TERM", "board")
        ]
    );
    until("the board's papers do not leave", async || {
        let told = echo(&client, json!({ "message": "議案BD-2041について" })).await;
        (told.contains("board-only") && told.contains("取締役会の資料です")).then_some(())
    })
    .await;
    let covered = echo(&client, json!({ "message": "担当はKT-1041です" })).await;
    assert!(covered.contains("担当は**-****です"), "{covered}");
    // Of its type it would be confidential; of its class it is public.
    let passed = echo(&client, json!({ "message": "南風計画の説明会です" })).await;
    assert!(passed.contains("南風計画"), "{passed}");
    let recorded = until("the record names the class", async || {
        let records = site.json(&["audit", "search"]).await.to_string();
        let named = records.contains("\"class\":\"board\"");
        named.then_some(records)
    })
    .await;
    assert!(!recorded.contains("BD-2041"));
}
