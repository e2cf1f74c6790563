//! Where sealed segments go for safe keeping: a folder, or a bucket under object lock.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::bucket::{Bucket, BucketError};
use super::keeper::{KeepError, blocking};
use super::purge;
use crate::format::segment_path;

/// A place that gets a copy of every sealed segment.
#[derive(Debug)]
pub enum Archive {
    /// A folder: write-once storage, where one is mounted.
    Folder(PathBuf),
    /// A bucket of an object storage.
    Bucket(Bucket),
}

/// A segment could not be copied.
#[derive(Debug, thiserror::Error)]
enum ArchiveError {
    /// The journal or the folder could not be read or written.
    #[error("the segment could not be read or written")]
    Keep(#[from] KeepError),
    /// The object storage did not take it.
    #[error("the object storage did not take the segment")]
    Bucket(#[from] BucketError),
}

/// What came of copying.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Copied {
    /// Segments that are new in the archive, or there in a newer state.
    pub(super) done: u64,
    /// Segments that the archive did not take.
    pub(super) failed: u64,
}

impl Archive {
    /// Copies the sealed segments that are not there as they are now.
    pub(super) async fn keep(&self, journal: &Path, sealed: &[u64]) -> Copied {
        let there = match self.there().await {
            Ok(there) => there,
            Err(error) => {
                alert(&error, None);
                return Copied {
                    failed: crate::frames::len(sealed.len()),
                    ..Copied::default()
                };
            }
        };
        let mut copied = Copied::default();
        for &number in sealed {
            match self.copy(journal, number, &there).await {
                Ok(is_new) => copied.done += u64::from(is_new),
                // Write-once storage may refuse to give up what was purged until its own time is over.
                Err(error) => {
                    alert(&error, Some(number));
                    copied.failed += 1;
                }
            }
        }
        copied
    }

    /// What a bucket has: asked once, not for every segment.
    async fn there(&self) -> Result<HashMap<String, u64>, ArchiveError> {
        match self {
            Self::Folder(_) => Ok(HashMap::new()),
            Self::Bucket(bucket) => Ok(bucket.list().await?),
        }
    }

    /// `true` if the segment was not there as it is now.
    async fn copy(
        &self,
        journal: &Path,
        number: u64,
        there: &HashMap<String, u64>,
    ) -> Result<bool, ArchiveError> {
        let dir = journal.to_owned();
        let bucket = match self {
            Self::Folder(folder) => {
                let folder = folder.clone();
                return Ok(blocking(move || purge::archive(&dir, number, &folder)).await?);
            }
            Self::Bucket(bucket) => bucket,
        };
        let path = segment_path(journal, number);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let known = there.get(name.as_ref()).copied();
        let Some(bytes) = blocking(move || purge::read_changed(&dir, number, known)).await? else {
            return Ok(false);
        };
        bucket.put(&name, bytes.into()).await?;
        Ok(true)
    }
}

fn alert(error: &ArchiveError, segment: Option<u64>) {
    tracing::error!(
        alert = true,
        segment,
        error = error as &dyn std::error::Error,
        "the audit journal could not be archived"
    );
}
