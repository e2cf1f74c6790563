//! An index that can be switched off, or whose answers are lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use sekimori_domain::Timestamp;
use sekimori_store::{
    AuditBatch, AuditCount, AuditFacets, AuditIndex, AuditPage, AuditQuery, IndexedRecord,
    StoreError,
};
use uuid::Uuid;

pub(crate) struct FlakyIndex {
    inner: Arc<dyn AuditIndex>,
    down: AtomicBool,
    /// Every other answer to [`append`](AuditIndex::append) is lost.
    loses: AtomicBool,
    appended: AtomicUsize,
}

impl FlakyIndex {
    pub(crate) fn new(inner: Arc<dyn AuditIndex>) -> Self {
        Self {
            inner,
            down: AtomicBool::new(false),
            loses: AtomicBool::new(false),
            appended: AtomicUsize::new(0),
        }
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// From now on what is appended is committed, and half the time nobody is told.
    pub(crate) fn lose_answers(&self) {
        self.loses.store(true, Ordering::SeqCst);
    }

    pub(crate) fn appended(&self) -> usize {
        self.appended.load(Ordering::SeqCst)
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("switched off".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl AuditIndex for FlakyIndex {
    async fn append(&self, batch: AuditBatch) -> Result<(), StoreError> {
        self.check()?;
        self.inner.append(batch).await?;
        let before = self.appended.fetch_add(1, Ordering::SeqCst);
        if self.loses.load(Ordering::SeqCst) && before.is_multiple_of(2) {
            return Err(StoreError::Unavailable("the connection died".into()));
        }
        Ok(())
    }

    async fn position(&self, node: &str) -> Result<Option<u64>, StoreError> {
        self.check()?;
        self.inner.position(node).await
    }

    async fn nodes(&self) -> Result<Vec<String>, StoreError> {
        self.check()?;
        self.inner.nodes().await
    }

    async fn following(
        &self,
        node: &str,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<IndexedRecord>, StoreError> {
        self.check()?;
        self.inner.following(node, after, limit).await
    }

    async fn clear(&self, node: &str) -> Result<(), StoreError> {
        self.check()?;
        self.inner.clear(node).await
    }

    async fn begin_load(&self, node: &str) -> Result<bool, StoreError> {
        self.check()?;
        self.inner.begin_load(node).await
    }

    async fn end_load(&self) -> Result<(), StoreError> {
        self.check()?;
        self.inner.end_load().await
    }

    async fn remove(&self, node: &str, sequences: &[u64]) -> Result<(), StoreError> {
        self.check()?;
        self.inner.remove(node, sequences).await
    }

    async fn search(&self, query: &AuditQuery) -> Result<AuditPage, StoreError> {
        self.check()?;
        self.inner.search(query).await
    }

    async fn facets(&self, query: &AuditQuery) -> Result<AuditFacets, StoreError> {
        self.check()?;
        self.inner.facets(query).await
    }

    async fn total(&self, query: &AuditQuery) -> Result<u64, StoreError> {
        self.check()?;
        self.inner.total(query).await
    }

    async fn count(
        &self,
        from: Timestamp,
        until: Timestamp,
        parts: u32,
    ) -> Result<Vec<AuditCount>, StoreError> {
        self.check()?;
        self.inner.count(from, until, parts).await
    }

    async fn get(&self, id: Uuid) -> Result<Option<IndexedRecord>, StoreError> {
        self.check()?;
        self.inner.get(id).await
    }

    async fn open_intents(
        &self,
        node: &str,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<IndexedRecord>, StoreError> {
        self.check()?;
        self.inner.open_intents(node, after, limit).await
    }
}
