//! Reading records back, in order, while the journal may grow.

use std::path::{Path, PathBuf};

use sekimori_domain::record::Record;

use crate::error::JournalError;
use crate::format::{HEADER_BYTES, segment_path};
use crate::frames::{Frame, Frames, NoFrame, read_checkpoint, read_segment, segment_numbers};
use crate::log::Head;
use crate::merkle::{Frontier, Hash};

/// A record as it stands in the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its number.
    pub sequence: u64,
    /// The record.
    pub record: Record,
    /// Its canonical JSON, byte for byte as it was hashed.
    pub text: String,
    /// Its leaf hash.
    pub leaf: Hash,
}

/// How far the journal in `dir` is durable, for a reader in another process.
pub fn durable_head(dir: &Path) -> Result<Head, JournalError> {
    let newest = read_checkpoint(dir)?.into_iter().next();
    let head = newest.map(|checkpoint| Head {
        size: checkpoint.tree.size(),
        segment: checkpoint.segment,
        offset: checkpoint.offset,
    });
    head.ok_or(JournalError::Unavailable {
        reason: "there is no checkpoint to read up to",
    })
}

/// Reads records in order, up to a [`Head`].
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    segment: u64,
    frames: Frames,
    /// Of the record that comes next.
    sequence: u64,
    head: Head,
    /// Of the record that was passed last.
    leaf: Hash,
}

impl Reader {
    /// A reader that begins at `sequence` and ends at `head`.
    pub fn open(dir: &Path, sequence: u64, head: Head) -> Result<Self, JournalError> {
        let mut start = None;
        // From the newest: most readers want what is new.
        for number in segment_numbers(dir)?.into_iter().rev() {
            if number > head.segment {
                continue;
            }
            let segment = read_segment(dir, number)?;
            start = Some((number, segment.header.tree.size()));
            if segment.header.tree.size() <= sequence {
                break;
            }
        }
        let (segment, first) = start.ok_or(JournalError::Unavailable {
            reason: "there are no segments to read",
        })?;
        let path = segment_path(dir, segment);
        let mut reader = Self {
            dir: dir.to_owned(),
            segment,
            frames: Frames::open(&path, HEADER_BYTES).map_err(JournalError::io("open", &path))?,
            sequence: first,
            head,
            leaf: [0; 32],
        };
        while reader.sequence < sequence && reader.advance(false)? {}
        Ok(reader)
    }

    /// A reader at the beginning of the segment that holds `sequence`, and the tree before that segment.
    pub(crate) fn before(
        dir: &Path,
        sequence: u64,
        head: Head,
    ) -> Result<(Self, Frontier), JournalError> {
        let mut found = None;
        for number in segment_numbers(dir)?.into_iter().rev() {
            if number <= head.segment {
                let tree = read_segment(dir, number)?.header.tree;
                let there = tree.size() <= sequence;
                found = Some(tree);
                if there {
                    break;
                }
            }
        }
        let tree = found.unwrap_or_default();
        Ok((Self::open(dir, tree.size(), head)?, tree))
    }

    /// Reads one record; `None` if the journal has no such record.
    pub fn get(dir: &Path, sequence: u64, head: Head) -> Result<Option<Entry>, JournalError> {
        if sequence >= head.size {
            return Ok(None);
        }
        let entry = Self::open(dir, sequence, head)?.next_entry()?;
        Ok(entry.filter(|entry| entry.sequence == sequence))
    }

    /// Moves the end.
    pub fn set_head(&mut self, head: Head) {
        self.head = head;
    }

    /// Sequence of the record that comes next.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// In which segment the record that was passed last lies.
    pub(crate) fn segment(&self) -> u64 {
        self.segment
    }

    /// The leaf hash of the next record as it was written, without reading the record.
    pub(crate) fn next_leaf(&mut self) -> Result<Option<Hash>, JournalError> {
        Ok(self.advance(false)?.then_some(self.leaf))
    }

    /// The next record; `None` at the head. After more was written and the head moved, it goes on.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, JournalError> {
        let sequence = self.sequence;
        if !self.advance(true)? {
            return Ok(None);
        }
        let unreadable = |source| JournalError::Unreadable { sequence, source };
        let record = serde_json::from_slice(self.frames.body()).map_err(unreadable)?;
        Ok(Some(Entry {
            sequence,
            record,
            // It parsed as JSON, so it is UTF-8.
            text: String::from_utf8_lossy(self.frames.body()).into_owned(),
            leaf: self.leaf,
        }))
    }

    /// Passes one record, with its body read and checked if `wanted`; `false` at the head.
    fn advance(&mut self, wanted: bool) -> Result<bool, JournalError> {
        while self.sequence < self.head.size {
            let end = self.end()?;
            let at = self.frames.offset();
            let passed = if wanted {
                self.frames.next(end).map(|frame| match frame {
                    Frame::Record { leaf } => Some(leaf),
                    Frame::Mark { .. } => None,
                })
            } else {
                self.frames.skip(end)
            };
            match passed {
                Ok(Some(leaf)) => {
                    self.leaf = leaf;
                    self.sequence += 1;
                    return Ok(true);
                }
                Ok(None) => {}
                Err(NoFrame::End) => self.next_segment()?,
                Err(NoFrame::Bad(what)) => return Err(self.tampered(at, what)),
                Err(NoFrame::Io(source)) => {
                    let path = segment_path(&self.dir, self.segment);
                    return Err(JournalError::io("read", &path)(source));
                }
            }
        }
        Ok(false)
    }

    /// Where the valid part of the current segment ends.
    fn end(&self) -> Result<u64, JournalError> {
        if self.segment == self.head.segment {
            return Ok(self.head.offset);
        }
        let next = read_segment(&self.dir, self.segment + 1)?;
        Ok(next.header.previous_end)
    }

    fn next_segment(&mut self) -> Result<(), JournalError> {
        if self.segment >= self.head.segment {
            return Err(self.tampered(
                self.frames.offset(),
                "the journal has fewer records than its checkpoint",
            ));
        }
        let number = self.segment + 1;
        let segment = read_segment(&self.dir, number)?;
        if segment.header.tree.size() != self.sequence {
            return Err(self.tampered(self.frames.offset(), "the next segment does not go on here"));
        }
        let path = segment_path(&self.dir, number);
        self.frames = Frames::open(&path, HEADER_BYTES).map_err(JournalError::io("open", &path))?;
        self.segment = number;
        Ok(())
    }

    fn tampered(&self, offset: u64, what: &'static str) -> JournalError {
        JournalError::Tampered {
            segment: self.segment,
            sequence: self.sequence,
            offset,
            what,
        }
    }
}
