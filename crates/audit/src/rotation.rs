//! Closing the log of a year, and letting the next one go on.

use std::path::Path;
use std::sync::Arc;

use sekimori_domain::Timestamp;
use sekimori_domain::clock::{Clock, Ids};

use crate::audit::{AuditError, AuditOptions, SIGNING_KEY, Signing, closed_folder};
use crate::error::JournalError;
use crate::frames::{read_segment, segment_numbers};
use crate::journal::{Journal, JournalOptions};
use crate::tlog::succession::{Closing, replace};
use crate::tlog::years::{successor_name, year, year_in};
use crate::tlog::{FileSigner, KeyKind, SigningKey};

/// Whether the log that a key of the data folder signs began in an earlier year (UTC) than `now` is in.
pub fn is_over(journal: &Path, now: Timestamp) -> Result<bool, AuditError> {
    let path = journal.with_file_name(SIGNING_KEY);
    if !path.exists() {
        return Ok(false);
    }
    let key = SigningKey::read(&path)?;
    let this_year = year(now);
    if let Some(began) = year_in(key.verifying().name()) {
        return Ok(*began < *this_year);
    }
    let Some(first) = segment_numbers(journal)?.into_iter().next() else {
        return Ok(false);
    };
    let created = read_segment(journal, first)?.header.created_us;
    Ok(Timestamp::from_microsecond(created).is_ok_and(|created| year(created) < this_year))
}

/// Closes the log of a journal that nobody has open. The key is replaced by that of the next log, whose name is
/// `origin` with the day; the journal goes on under it when it is opened next.
pub fn rotate(
    options: &AuditOptions,
    origin: &str,
    clock: &Arc<dyn Clock>,
    ids: &dyn Ids,
) -> Result<Closing, AuditError> {
    let path = options.folder.with_file_name(SIGNING_KEY);
    let closed = closed_folder(&options.folder);
    // Ends a replacement that was interrupted.
    let signing = Signing::by_file(&options.folder, origin)?;
    let key = SigningKey::read(&path)?;
    let name = successor_name(origin, clock.now());
    if key.verifying().name() == name {
        return Err(unavailable("the log was closed today already"));
    }
    let successor = SigningKey::generate(&name, KeyKind::Log)?;
    let journal_options = JournalOptions {
        segment_bytes_max: options.segment_bytes,
        signer: Some(Arc::new(FileSigner::new(SigningKey::read(&path)?))),
        closings: signing.closings,
        ..JournalOptions::new(options.node.clone())
    };
    let (journal, _) = Journal::open(&options.folder, journal_options, clock, ids)?;
    let last = journal.signed_changes().borrow().clone();
    journal.close();
    let last = last.ok_or_else(|| unavailable("nothing was signed yet"))?;
    let closing = Closing::sign(&key, &last, successor.verifying());
    replace(&path, &closed, &closing, &successor)?;
    Ok(closing)
}

fn unavailable(reason: &'static str) -> AuditError {
    JournalError::Unavailable { reason }.into()
}
