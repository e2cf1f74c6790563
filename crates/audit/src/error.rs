//! What can go wrong with the journal.

use std::io;
use std::path::{Path, PathBuf};

/// The journal failed. None of these is a decision about a call; each means that nothing may be executed.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process writes this journal.
    #[error("the journal {path} is in use by another process")]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// What was durable is no longer what was written. Nothing is repaired: an auditor must look.
    #[error(
        "the journal was changed: {what} in segment {segment} at byte {offset}, record {sequence}"
    )]
    Tampered {
        /// Number of the segment.
        segment: u64,
        /// The first record that cannot be trusted.
        sequence: u64,
        /// Where in the segment's file.
        offset: u64,
        /// What does not fit.
        what: &'static str,
    },
    /// The journal was written by a newer release.
    #[error(
        "the journal has format version {version}, this release reads {}",
        crate::format::FORMAT_VERSION
    )]
    UnsupportedVersion {
        /// The version found.
        version: u32,
    },
    /// The journal belongs to another node.
    #[error("the journal belongs to node {found:?}, not to {expected:?}")]
    OtherNode {
        /// The node that wants to write.
        expected: String,
        /// The node that wrote it.
        found: String,
    },
    /// A setting is out of range.
    #[error("invalid journal setting: {rule}")]
    InvalidOptions {
        /// The rule, in words.
        rule: &'static str,
    },
    /// The disk failed.
    #[error("cannot {action} {path}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The record cannot be written now; whether it was written is not known.
    #[error("the audit journal is not available: {reason}")]
    Unavailable {
        /// Why, in words.
        reason: &'static str,
    },
    /// The record is too large.
    #[error("an audit record of {bytes} bytes exceeds {bytes_max}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The record has no canonical JSON form.
    #[error("the audit record has no canonical JSON form")]
    Unencodable(#[source] serde_json::Error),
    /// The stored text is no record of this release.
    #[error("record {sequence} is not an audit record")]
    Unreadable {
        /// Its number.
        sequence: u64,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

impl JournalError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}
