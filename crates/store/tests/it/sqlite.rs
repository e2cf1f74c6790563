//! What only SQLite has: a file.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use sekimori_store::{AuditQuery, Expected, StoreError};
use tempfile::TempDir;

use crate::fixtures::{batch, connector, name, record, row};

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn file_and_folder_belong_to_the_owner_alone() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let path = data.join("sekimori.db");
    let url = format!("sqlite:{}", path.display());
    let store = sekimori_store::open(&url).await.unwrap();
    store
        .connectors()
        .put(&connector("crm"), Expected::Absent)
        .await
        .unwrap();
    assert_eq!(mode(&data), 0o700);
    for entry in fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    store.close().await;
    // A restored backup may have come with other rights.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    sekimori_store::open(&url).await.unwrap().close().await;
    assert_eq!(mode(&path), 0o600);
}

/// What was acknowledged is there after a crash, and half a write at the end of the log does no harm.
#[tokio::test]
async fn opens_what_a_crash_left() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("sekimori.db");
    let store = sekimori_store::open(&format!("sqlite:{}", path.display()))
        .await
        .unwrap();
    store
        .connectors()
        .put(&connector("crm"), Expected::Absent)
        .await
        .unwrap();

    // The files as a crash would leave them: nothing was closed or checkpointed.
    let crashed = folder.path().join("crashed.db");
    fs::copy(&path, &crashed).unwrap();
    let log = fs::read(folder.path().join("sekimori.db-wal")).unwrap();
    assert!(!log.is_empty());
    let torn = [log.as_slice(), &log[..1_000]].concat();
    fs::write(folder.path().join("crashed.db-wal"), torn).unwrap();

    let store = sekimori_store::open(&format!("sqlite:{}", crashed.display()))
        .await
        .unwrap();
    assert!(
        store
            .connectors()
            .get(&name("crm"))
            .await
            .unwrap()
            .is_some()
    );
    store
        .connectors()
        .put(&connector("files"), Expected::Absent)
        .await
        .unwrap();
    assert_eq!(store.connectors().list().await.unwrap().len(), 2);
}

#[tokio::test]
async fn an_empty_file_is_a_new_database() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("sekimori.db");
    fs::write(&path, "").unwrap();
    let store = sekimori_store::open(&format!("sqlite:{}", path.display()))
        .await
        .unwrap();
    assert_eq!(store.connectors().list().await.unwrap(), []);
}

#[tokio::test]
async fn other_files_and_urls_are_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("letter.txt");
    let content = "Dear Sir or Madam, ".repeat(100);
    fs::write(&path, &content).unwrap();
    let error = sekimori_store::open(&format!("sqlite:{}", path.display()))
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), content);

    for url in [
        "",
        "sqlite:",
        "sqlite::memory:",
        "mysql://root:hunter2@db/x",
        "data.db",
    ] {
        let error = sekimori_store::open(url).await.unwrap_err();
        assert!(matches!(error, StoreError::Invalid { .. }), "{error:?}");
        assert!(!error.to_string().contains("hunter2"));
    }
}

/// F14: the file of the audit index is damaged, at its beginning or where only a search meets it: it begins empty, the
/// damaged one is kept, and the rest of the store is as it was.
#[tokio::test]
async fn a_damaged_audit_index_begins_anew() {
    for damaged in [0..100, 20_000..200_000] {
        let folder = TempDir::new().unwrap();
        let url = format!("sqlite:{}", folder.path().join("sekimori.db").display());
        let file = folder.path().join("sekimori.index.db");
        let store = sekimori_store::open(&url).await.unwrap();
        let connectors = store.connectors();
        connectors
            .put(&connector("crm"), Expected::Absent)
            .await
            .unwrap();
        let rows: Vec<_> = (0..400)
            .map(|number| row(number, record("a", number)))
            .collect();
        store.audit_index().append(batch(&rows)).await.unwrap();
        store.close().await;
        let mut bytes = fs::read(&file).unwrap();
        let end = damaged.end.min(bytes.len());
        bytes[damaged.start..end].fill(0xa5);
        fs::write(&file, bytes).unwrap();

        if damaged.start > 0 {
            let store = sekimori_store::open(&url).await.unwrap();
            let all = AuditQuery {
                limit: 1_000,
                ..AuditQuery::default()
            };
            let met = store.audit_index().search(&all).await;
            assert!(matches!(met, Err(StoreError::Unavailable(_))), "{met:?}");
            store.close().await;
        }
        let store = sekimori_store::open(&url).await.unwrap();
        assert_eq!(store.audit_index().position("a").await.unwrap(), None);
        store.audit_index().append(batch(&rows)).await.unwrap();
        assert_eq!(store.audit_index().position("a").await.unwrap(), Some(399));
        assert_eq!(store.connectors().list().await.unwrap().len(), 1);
        assert!(folder.path().join("sekimori.index.damaged").exists());
        store.close().await;
    }
}
