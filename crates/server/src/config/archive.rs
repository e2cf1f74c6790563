//! `[audit.archive_bucket]`: an object storage that gets a copy of every sealed segment.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use schemars::JsonSchema;
use sekimori_audit::retention::{Bucket, BucketSettings, LockMode};
use sekimori_domain::clock::Clock;
use sekimori_domain::connector::SecretRef;
use sekimori_upstream::Secrets as _;
use sekimori_upstream::egress::Egress;
use serde::{Deserialize, Serialize};

use super::audit::{host, networks};
use crate::system::SystemSecrets;

/// Largest segment for a bucket, which gets it in one piece.
pub(super) const SEGMENT_MIB_MAX: u32 = 256;
/// Longest lock: a hundred years.
const LOCK_DAYS_MAX: u32 = 36_500;

/// A bucket under object lock.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BucketConfig {
    /// Address of the storage.
    pub(crate) endpoint: String,
    /// Its region.
    pub(crate) region: String,
    /// Name of the bucket; object lock must be on.
    pub(crate) bucket: String,
    /// Folder in the bucket, another one for each node. Default: the node's name.
    #[serde(default)]
    pub(crate) prefix: Option<String>,
    /// Id of the key that requests are signed with. It needs `s3:PutObject`, `s3:PutObjectRetention` and
    /// `s3:ListBucket`.
    pub(crate) key_id: String,
    /// That key.
    #[schemars(with = "serde_json::Value")]
    pub(crate) secret: SecretRef,
    /// Days that nobody can delete or replace what was put there.
    pub(crate) lock_days: u32,
    /// `compliance`: nobody; `governance`: nobody without the storage's own right to.
    #[serde(default)]
    #[schemars(with = "String")]
    pub(crate) lock_mode: LockMode,
    /// Whether it may be in a private or loopback network, and use `http` there.
    #[serde(default)]
    pub(crate) allow_private_network: bool,
}

impl BucketConfig {
    /// Checks what types cannot.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        host(&self.endpoint).context("endpoint")?;
        ensure!(
            !self.endpoint.ends_with('/'),
            "endpoint: without / at the end"
        );
        let plain = |char: char| char.is_ascii_alphanumeric() || "-.".contains(char);
        ensure!(
            (3..=63).contains(&self.bucket.len()) && self.bucket.chars().all(plain),
            "bucket: use 3 to 63 letters, digits, - and ."
        );
        ensure!(
            (1..=LOCK_DAYS_MAX).contains(&self.lock_days),
            "lock_days: use 1 to {LOCK_DAYS_MAX}"
        );
        Ok(())
    }

    /// The bucket, behind the egress guard.
    pub(super) fn open(
        &self,
        node: &str,
        egress: &Egress,
        clock: &Arc<dyn Clock>,
    ) -> anyhow::Result<Bucket> {
        let settings = BucketSettings {
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            bucket: self.bucket.clone(),
            prefix: self.prefix.clone().unwrap_or_else(|| node.to_owned()),
            key_id: self.key_id.clone(),
            secret_key: SystemSecrets.resolve(&self.secret).context("secret")?,
            mode: self.lock_mode,
            lock: Duration::from_hours(u64::from(self.lock_days) * 24),
        };
        let hosts = vec![host(&self.endpoint)?];
        let client = egress.client(hosts, networks(self.allow_private_network));
        Ok(Bucket::new(settings, client, Arc::clone(clock))?)
    }
}
