//! The audit journal: who called what, decided how, ended how; durable before anybody gets an answer.
//!
//! - [`Journal`] is the truth: an append-only, hashed log in files ([`format`] tells how to read them).
//! - [`Writer`] appends; many callers share one `fdatasync` (group commit).
//! - [`verify()`] reads everything again and says whether it is what was written.
//!
//! Requirements served: AUDIT-1, AUDIT-2, AUDIT-3, the first part of AUDIT-4.

mod canonical;
mod committer;
mod disk;
mod error;
pub mod format;
mod frames;
mod journal;
mod log;
pub mod merkle;
mod reader;
mod recovery;
mod verify;
mod writer;

pub use disk::{Disk, DiskFile, FileSystem};
pub use error::JournalError;
pub use journal::{Journal, JournalOptions, Recovery};
pub use log::Head;
pub use reader::{Entry, Reader, durable_head};
pub use verify::{VerifyProblem, VerifyReport, verify};
pub use writer::{Position, Writer};
