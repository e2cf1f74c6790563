//! Reading records back, in order, while the journal may grow.

use std::path::{Path, PathBuf};

use sekimori_domain::record::Record;

use crate::error::JournalError;
use crate::format::segment_path;
use crate::frames::{
    Frame, Frames, NoFrame, Segment, open_segment, read_checkpoint, read_segment, segment_numbers,
};
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

/// Reads records in order, up to a [`Head`]. What was purged is passed over; its number is not given again.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    segment: Segment,
    /// Where its records end, once it has a successor.
    sealed_end: Option<u64>,
    frames: Frames,
    /// Of the record that comes next.
    sequence: u64,
    head: Head,
    /// Of the record that was passed last.
    leaf: Hash,
}

/// What was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Passed {
    Record,
    Purged,
    Head,
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
            start = Some(number);
            if segment.header.tree.size() <= sequence {
                break;
            }
        }
        let number = start.ok_or(JournalError::Unavailable {
            reason: "there are no segments to read",
        })?;
        let (segment, frames) = open_segment(dir, number)?;
        let mut reader = Self {
            dir: dir.to_owned(),
            sequence: segment.header.tree.size(),
            segment,
            sealed_end: None,
            frames,
            head,
            leaf: [0; 32],
        };
        while reader.sequence < sequence && reader.advance(false)? != Passed::Head {}
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
        self.segment.number
    }

    /// The leaf hash of the next record as it was written, without reading the record; of one that was purged
    /// as well.
    pub(crate) fn next_leaf(&mut self) -> Result<Option<Hash>, JournalError> {
        let passed = self.advance(false)?;
        Ok((passed != Passed::Head).then_some(self.leaf))
    }

    /// The next record; `None` at the head. After more was written and the head moved, it goes on.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, JournalError> {
        let Some((sequence, text)) = self.next_text()? else {
            return Ok(None);
        };
        let unreadable = |source| JournalError::Unreadable { sequence, source };
        Ok(Some(Entry {
            sequence,
            record: serde_json::from_str(&text).map_err(unreadable)?,
            text,
            leaf: self.leaf,
        }))
    }

    /// The number and the text of the next record, not read any further; `None` at the head.
    pub(crate) fn next_text(&mut self) -> Result<Option<(u64, String)>, JournalError> {
        let sequence = loop {
            let sequence = self.sequence;
            match self.advance(true)? {
                Passed::Record => break sequence,
                Passed::Purged => {}
                Passed::Head => return Ok(None),
            }
        };
        let text = str::from_utf8(self.frames.body()).map_err(|error| {
            let source = serde::de::Error::custom(error);
            JournalError::Unreadable { sequence, source }
        })?;
        Ok(Some((sequence, text.to_owned())))
    }

    /// Passes one record, with its body read and checked if `wanted`.
    fn advance(&mut self, wanted: bool) -> Result<Passed, JournalError> {
        while self.sequence < self.head.size {
            let end = self.end()?;
            let at = self.frames.offset();
            let passed = if wanted {
                self.frames.next(end).map(|frame| match frame {
                    Frame::Record { leaf } => Some((leaf, Passed::Record)),
                    Frame::Purged { leaf } => Some((leaf, Passed::Purged)),
                    Frame::Mark { .. } => None,
                })
            } else {
                let skipped = self.frames.skip(end);
                skipped.map(|leaf| Some((leaf?, Passed::Record)))
            };
            match passed {
                Ok(Some((leaf, passed))) => {
                    self.leaf = leaf;
                    self.sequence += 1;
                    return Ok(passed);
                }
                Ok(None) => {}
                Err(NoFrame::End) => self.next_segment()?,
                Err(NoFrame::Bad(what)) => return Err(self.tampered(at, what)),
                Err(NoFrame::Io(source)) => {
                    let path = segment_path(&self.dir, self.segment.number);
                    return Err(JournalError::io("read", &path)(source));
                }
            }
        }
        Ok(Passed::Head)
    }

    /// Where the valid part of the current segment ends.
    fn end(&mut self) -> Result<u64, JournalError> {
        if self.segment.number == self.head.segment {
            return Ok(self.head.offset);
        }
        if let Some(end) = self.sealed_end {
            return Ok(end);
        }
        let next = read_segment(&self.dir, self.segment.number + 1)?;
        let end = self.segment.end(&next);
        self.sealed_end = Some(end);
        Ok(end)
    }

    fn next_segment(&mut self) -> Result<(), JournalError> {
        if self.segment.number >= self.head.segment {
            return Err(self.tampered(
                self.frames.offset(),
                "the journal has fewer records than its checkpoint",
            ));
        }
        let (segment, frames) = open_segment(&self.dir, self.segment.number + 1)?;
        if segment.header.tree.size() != self.sequence {
            return Err(self.tampered(self.frames.offset(), "the next segment does not go on here"));
        }
        self.frames = frames;
        self.segment = segment;
        self.sealed_end = None;
        Ok(())
    }

    fn tampered(&self, offset: u64, what: &'static str) -> JournalError {
        JournalError::Tampered {
            segment: self.segment.number,
            sequence: self.sequence,
            offset,
            what,
        }
    }
}
