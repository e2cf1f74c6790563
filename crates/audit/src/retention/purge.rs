//! One segment: which of its records go, and the file without them. Blocking; to be called where that is right.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufWriter, ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use sekimori_domain::Timestamp;
use sekimori_domain::record::Record;
use sekimori_domain::retention::RetentionOrder;

use super::{Retention, is_kept};
use crate::error::JournalError;
use crate::format::{Header, put_purged, record_frame, segment_path};
use crate::frames::{Frame, NoFrame, Segment, open_segment, read_segment};
use crate::merkle::Hash;

/// When an intent without outcome is looked at again.
const OPEN_RETRY: Duration = Duration::from_hours(1);

/// By what records are judged.
#[derive(Debug, Clone)]
pub(super) struct Judge {
    pub(super) retention: Retention,
    pub(super) orders: Vec<RetentionOrder>,
    pub(super) now: Timestamp,
    /// Intents whose outcome has not come yet: they are needed still.
    pub(super) open: BTreeSet<u64>,
}

/// What becomes of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    /// It stays; until then, if nothing else is decided.
    Stays(Option<Timestamp>),
    /// It would go and is held.
    Held,
    /// It goes, by `retention` or by the deletion of that id.
    Goes(String),
}

impl Judge {
    fn fate(&self, sequence: u64, record: &Record) -> Fate {
        if is_kept(record.event) {
            return Fate::Stays(None);
        }
        if self.open.contains(&sequence) {
            return Fate::Stays(self.now.checked_add(OPEN_RETRY).ok());
        }
        let deletion = self.orders.iter().find(|order| order.deletes(record));
        let ends = self.retention.ends(record);
        let cause = match (deletion, ends) {
            (Some(deletion), _) => deletion.id.clone(),
            (None, Some(end)) if end <= self.now => "retention".to_owned(),
            (None, end) => return Fate::Stays(end),
        };
        if self.orders.iter().any(|order| order.holds(record)) {
            Fate::Held
        } else {
            Fate::Goes(cause)
        }
    }
}

/// What is in a segment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Look {
    /// Behind its last record.
    pub(super) end: u64,
    /// Records that are gone already.
    pub(super) gone: Vec<u64>,
    /// Records that go now.
    pub(super) going: Vec<u64>,
    /// By what, and how many.
    pub(super) causes: BTreeMap<String, u64>,
    /// Records that would go and are held.
    pub(super) held: u64,
    /// When the next one goes, if nothing else is decided.
    pub(super) next: Option<Timestamp>,
}

/// Where a segment ends: by its successor, or for the one that is written, where it is durable.
fn end_of(dir: &Path, segment: &Segment, written: Option<u64>) -> Result<u64, JournalError> {
    match written {
        Some(offset) => Ok(offset),
        None => Ok(segment.end(&read_segment(dir, segment.number + 1)?)),
    }
}

/// Looks at every record of a segment; `written` is where the one that is being written is durable.
pub(super) fn look(
    dir: &Path,
    number: u64,
    written: Option<u64>,
    judge: &Judge,
) -> Result<Look, JournalError> {
    let (segment, mut frames) = open_segment(dir, number)?;
    let end = end_of(dir, &segment, written)?;
    let mut sequence = segment.header.tree.size();
    let mut look = Look::default();
    loop {
        let at = frames.offset();
        match frames.next(end) {
            Ok(Frame::Record { .. }) => {
                let record = serde_json::from_slice(frames.body())
                    .map_err(|source| JournalError::Unreadable { sequence, source })?;
                match judge.fate(sequence, &record) {
                    Fate::Stays(None) => {}
                    Fate::Stays(Some(end)) => {
                        look.next = Some(look.next.map_or(end, |next| next.min(end)));
                    }
                    Fate::Held => look.held += 1,
                    Fate::Goes(cause) => {
                        look.going.push(sequence);
                        *look.causes.entry(cause).or_default() += 1;
                    }
                }
                sequence += 1;
            }
            Ok(Frame::Purged { .. }) => {
                look.gone.push(sequence);
                sequence += 1;
            }
            Ok(Frame::Mark { .. }) => {}
            Err(NoFrame::End) => break,
            Err(NoFrame::Bad(what)) => return Err(segment.tampered(at, what)),
            Err(NoFrame::Io(source)) => {
                return Err(JournalError::io("read", &segment_path(dir, number))(source));
            }
        }
    }
    look.end = sequence;
    Ok(look)
}

/// Puts in the place of a sealed segment one without the bodies of `gone`. What was there is there until the new
/// one is durable.
pub(super) fn rewrite(dir: &Path, number: u64, gone: &BTreeSet<u64>) -> Result<(), JournalError> {
    let path = segment_path(dir, number);
    let (segment, mut frames) = open_segment(dir, number)?;
    let next = read_segment(dir, number + 1)?;
    let end = segment.end(&next);
    let header = Header {
        purged_end: Some(next.header.previous_end),
        ..segment.header.clone()
    };
    let new = path.with_extension("segment.new");
    let write = JournalError::io;
    let file = create(&new, 0o600).map_err(write("make", &new))?;
    let mut out = BufWriter::new(file);
    out.write_all(&header.encode())
        .map_err(write("write", &new))?;
    let mut sequence = header.tree.size();
    loop {
        let at = frames.offset();
        let frame = match frames.next(end) {
            Ok(Frame::Record { leaf }) if gone.contains(&sequence) => purged(&leaf),
            Ok(Frame::Record { .. }) => record_frame(frames.body()).0,
            Ok(Frame::Purged { leaf }) => purged(&leaf),
            Ok(Frame::Mark { .. }) => continue,
            Err(NoFrame::End) => break,
            Err(NoFrame::Bad(what)) => return Err(segment.tampered(at, what)),
            Err(NoFrame::Io(source)) => return Err(write("read", &path)(source)),
        };
        sequence += 1;
        out.write_all(&frame).map_err(write("write", &new))?;
    }
    if sequence != next.header.tree.size() {
        return Err(segment.tampered(end, "the segment has other records than the next one says"));
    }
    let file = out
        .into_inner()
        .map_err(|error| write("write", &new)(error.into_error()))?;
    publish(&file, &new, &path).map_err(write("write", &path))
}

fn purged(leaf: &Hash) -> Vec<u8> {
    let mut frame = Vec::new();
    put_purged(&mut frame, leaf);
    frame
}

fn create(path: &Path, mode: u32) -> std::io::Result<File> {
    // One that a crash left behind may be read-only.
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    File::options()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
}

/// Makes a file durable and gives it its name.
fn publish(file: &File, new: &Path, path: &Path) -> std::io::Result<()> {
    file.sync_all()?;
    fs::rename(new, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Whether a copy of that length is one of the segment as it is now: a sealed segment changes by a purge alone, which
/// makes it shorter.
fn is_current(segment: &Path, copy: Option<u64>) -> std::io::Result<bool> {
    Ok(copy == Some(fs::metadata(segment)?.len()))
}

/// The bytes of a sealed segment, unless a copy of that length is there.
pub(super) fn read_changed(
    dir: &Path,
    number: u64,
    copy: Option<u64>,
) -> Result<Option<Vec<u8>>, JournalError> {
    let path = segment_path(dir, number);
    let read = || {
        if is_current(&path, copy)? {
            return Ok(None);
        }
        fs::read(&path).map(Some)
    };
    read().map_err(JournalError::io("read", &path))
}

/// Copies a sealed segment into the archive, read-only, unless it is there as it is now.
pub(super) fn archive(dir: &Path, number: u64, archive: &Path) -> Result<bool, JournalError> {
    let path = segment_path(dir, number);
    let copy = segment_path(archive, number);
    let there = match fs::metadata(&copy) {
        Ok(metadata) => Some(metadata.len()),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(JournalError::io("read", &copy)(error)),
    };
    if is_current(&path, there).map_err(JournalError::io("read", &path))? {
        return Ok(false);
    }
    fs::create_dir_all(archive).map_err(JournalError::io("make", archive))?;
    let new = copy.with_extension("segment.new");
    let made = (|| {
        let mut from = File::open(&path)?;
        let mut to = create(&new, 0o600)?;
        std::io::copy(&mut from, &mut to)?;
        to.set_permissions(fs::Permissions::from_mode(0o400))?;
        publish(&to, &new, &copy)
    })();
    made.map_err(JournalError::io("copy a segment to", &copy))?;
    Ok(true)
}
