//! The audit journal: who called what, decided how, ended how; durable before anybody gets an answer.
//!
//! - [`Audit`] is what the gate uses: it opens a record for each call, and searches.
//! - [`Journal`] is the truth: an append-only, hashed log in files ([`format`] tells how to read them).
//! - [`Writer`] appends; many callers share one `fdatasync` (group commit).
//! - [`verify()`] reads everything again and says whether it is what was written.
//! - [`tlog`] signs and publishes the tree over it, so that others need not believe us.
//!
//! Requirements served: AUDIT-1, AUDIT-2, AUDIT-3, AUDIT-4.

pub mod alert;
mod alert_peers;
mod alert_watch;
mod audit;
mod canonical;
mod committer;
mod disk;
mod error;
pub mod export;
pub mod format;
mod frames;
mod indexer;
mod journal;
mod key;
mod log;
pub mod merkle;
pub mod note;
mod open_record;
mod reader;
mod recent;
mod recovery;
pub mod report;
pub mod retention;
pub mod rotation;
pub mod sinks;
pub mod story;
pub mod time_stamps;
pub mod tlog;
mod verify;
mod verify_report;
mod writer;

pub use alert_peers::Peers;
pub use alert_watch::{CURSOR as ALERT_CURSOR, Notify, NotifyLog, Watch};
pub use audit::{
    Audit, AuditError, AuditOptions, AuditStatus, SIGNING_KEY, Signing, closed_folder, tlog_folder,
};
pub use disk::{Disk, DiskFile, FileSystem};
pub use error::JournalError;
pub use indexer::{IndexError, rebuild_index};
pub use journal::{Journal, JournalOptions, Recovery};
pub use key::{ArgumentsKey, KeyError};
pub use log::Head;
pub use open_record::OpenRecord;
pub use reader::{Entry, Reader, durable_head};
pub use verify::{Expectations, verify, verify_with};
pub use verify_report::{Cosignature, PurgedSegment, VerifyProblem, VerifyReport};
pub use writer::{Position, Writer};
