//! What is true of a journal when it is opened: the durable part, and what a crash left behind it.
//!
//! Re-hashed are the last segment and what lies behind the checkpoint; of the others only the headers are
//! read, so that opening costs the same however long the log is. [`crate::verify`] re-hashes everything.

use std::path::Path;

use sekimori_domain::ids::CallId;
use sekimori_domain::record::Phase;
use serde::Deserialize;

use crate::error::JournalError;
use crate::format::{
    Checkpoint, HEADER_BYTES, OpenIntent, OpenIntents, record_frame, segment_path,
};
use crate::frames::{
    Frame, Frames, NoFrame, Segment, check_successor, mark_follows, read_checkpoint, read_segment,
    segment_numbers,
};
use crate::log::{Effect, Outgoing, State};
use crate::merkle::{Frontier, Hash};

/// A journal as it was found.
#[derive(Debug)]
pub(crate) struct Found {
    /// The part that is certainly durable.
    pub(crate) state: State,
    /// Whole records behind it, whose durability is not certain: they are written again.
    pub(crate) carried: Vec<Outgoing>,
    /// Bytes behind those: a torn write.
    pub(crate) torn_bytes: u64,
    /// Whether the last segment ends exactly there, so that writing can go on in it.
    pub(crate) clean: bool,
    /// Whether the checkpoint was missing or unreadable and everything was read instead.
    pub(crate) checkpoint_rebuilt: bool,
    /// The signed checkpoint, where one was kept.
    pub(crate) note: String,
    /// The tree of the checkpoint it was kept in.
    pub(crate) checkpoint_tree: Frontier,
}

/// The members of a record that recovery needs.
#[derive(Deserialize)]
struct Brief {
    call: Option<CallId>,
    phase: Phase,
}

/// What a record does to the set of open intents.
pub(crate) fn effect(phase: Phase, call: Option<CallId>) -> Effect {
    match (phase, call) {
        (Phase::Intent, Some(call)) => Effect::Opens(call),
        (Phase::Outcome, Some(call)) => Effect::Closes(call),
        (Phase::Single, _) | (_, None) => Effect::None,
    }
}

/// Finds out what is true; `None` if there is no journal yet.
pub(crate) fn find(dir: &Path, node: &str) -> Result<Option<Found>, JournalError> {
    let segments = segment_numbers(dir)?
        .into_iter()
        .map(|number| read_segment(dir, number))
        .collect::<Result<Vec<_>, _>>()?;
    let checkpoint = read_checkpoint(dir)?.into_iter().next();
    let Some(last) = segments.last() else {
        return match checkpoint {
            None => Ok(None),
            Some(checkpoint) => Err(missing(&checkpoint)),
        };
    };
    if let Some(other) = segments.iter().find(|segment| segment.header.node != node) {
        return Err(JournalError::OtherNode {
            expected: node.to_owned(),
            found: other.header.node.clone(),
        });
    }
    for (segment, next) in segments.iter().zip(segments.iter().skip(1)) {
        check_successor(segment, next)?;
    }
    let start = match &checkpoint {
        None => 0,
        Some(checkpoint) => segments
            .iter()
            .position(|segment| segment.number == checkpoint.segment)
            .ok_or_else(|| missing(checkpoint))?,
    };
    let scanned = segments.get(start..).unwrap_or_default();
    let first = scanned.first().unwrap_or(last);
    let mut scan = Scan {
        dir,
        tree: first.header.tree.clone(),
        open: OpenIntents::new(),
        checkpoint: checkpoint.as_ref(),
    };
    for (segment, next) in scanned.iter().zip(scanned.iter().skip(1)) {
        scan.sealed(segment, next)?;
    }
    scan.last(last).map(Some)
}

fn missing(checkpoint: &Checkpoint) -> JournalError {
    JournalError::Tampered {
        segment: checkpoint.segment,
        sequence: checkpoint.tree.size(),
        offset: 0,
        what: "the segment of the checkpoint is missing",
    }
}

struct Scan<'a> {
    dir: &'a Path,
    tree: Frontier,
    open: OpenIntents,
    checkpoint: Option<&'a Checkpoint>,
}

impl Scan<'_> {
    /// Reads a segment that has a successor: all of it was durable.
    fn sealed(&mut self, segment: &Segment, next: &Segment) -> Result<(), JournalError> {
        let mut frames = self.frames(segment)?;
        self.up_to_checkpoint(segment, &mut frames)?;
        let end = segment.end(next);
        if frames.offset() > end {
            return Err(self.tampered(
                segment,
                end,
                "the next segment begins before the checkpoint",
            ));
        }
        self.strict(segment, &mut frames, end)?;
        if self.tree != next.header.tree {
            return Err(self.tampered(
                next,
                0,
                "the tree of the header does not fit the records before it",
            ));
        }
        Ok(())
    }

    /// Reads the last segment: what lies behind the checkpoint may be torn.
    fn last(mut self, segment: &Segment) -> Result<Found, JournalError> {
        let mut frames = self.frames(segment)?;
        self.up_to_checkpoint(segment, &mut frames)?;
        let mut durable_end = frames.offset();
        let mut carried = Vec::new();
        let torn_bytes = loop {
            let at = frames.offset();
            match frames.next(segment.length) {
                Ok(Frame::Record { .. }) => {
                    let sequence = self.tree.size() + crate::frames::len(carried.len());
                    carried.push(outgoing(sequence, frames.body())?);
                }
                Ok(Frame::Mark { root, size }) => {
                    self.accept(segment.number, durable_end, &carried);
                    carried.clear();
                    self.check_mark(segment, at, &root, size)?;
                    durable_end = at;
                }
                Ok(Frame::Purged { .. }) => {
                    return Err(self.tampered(segment, at, "the last segment was purged"));
                }
                Err(NoFrame::End) => break 0,
                Err(NoFrame::Bad(what)) => {
                    let path = segment_path(self.dir, segment.number);
                    if mark_follows(&path, at).map_err(JournalError::io("read", &path))? {
                        self.accept(segment.number, durable_end, &carried);
                        return Err(self.tampered(segment, at, what));
                    }
                    break segment.length - at;
                }
                Err(NoFrame::Io(source)) => return Err(self.io(segment, source)),
            }
        };
        let clean = torn_bytes == 0 && carried.is_empty() && durable_end == segment.length;
        Ok(Found {
            clean: clean && self.checkpoint.is_some(),
            checkpoint_rebuilt: self.checkpoint.is_none() && self.tree.size() > 0,
            state: State {
                segment: segment.number,
                offset: durable_end,
                tree: self.tree,
                open: self.open,
                generation: self
                    .checkpoint
                    .map_or(0, |checkpoint| checkpoint.generation),
            },
            carried,
            torn_bytes,
            note: self
                .checkpoint
                .map_or_else(String::new, |checkpoint| checkpoint.note.clone()),
            checkpoint_tree: self
                .checkpoint
                .map_or_else(Frontier::default, |checkpoint| checkpoint.tree.clone()),
        })
    }

    fn frames(&self, segment: &Segment) -> Result<Frames, JournalError> {
        let path = segment_path(self.dir, segment.number);
        Frames::open(&path, HEADER_BYTES).map_err(JournalError::io("open", &path))
    }

    /// Reads up to the checkpoint, if it lies in this segment, and compares.
    fn up_to_checkpoint(
        &mut self,
        segment: &Segment,
        frames: &mut Frames,
    ) -> Result<(), JournalError> {
        let here = |checkpoint: &&Checkpoint| checkpoint.segment == segment.number;
        let Some(checkpoint) = self.checkpoint.filter(here) else {
            return Ok(());
        };
        if checkpoint.offset > segment.length || checkpoint.offset < HEADER_BYTES {
            return Err(self.tampered(segment, segment.length, "the segment is cut short"));
        }
        self.strict(segment, frames, checkpoint.offset)?;
        if self.tree != checkpoint.tree {
            return Err(self.tampered(
                segment,
                checkpoint.offset,
                "the tree does not fit the checkpoint",
            ));
        }
        self.open.clone_from(&checkpoint.open);
        Ok(())
    }

    fn strict(
        &mut self,
        segment: &Segment,
        frames: &mut Frames,
        end: u64,
    ) -> Result<(), JournalError> {
        loop {
            let at = frames.offset();
            match frames.next(end) {
                Ok(Frame::Record { leaf }) => {
                    self.strict_record(segment, at, leaf, frames.body())?;
                }
                Ok(Frame::Mark { root, size }) => self.check_mark(segment, at, &root, size)?,
                Ok(Frame::Purged { leaf }) => self.tree.push(leaf),
                Err(NoFrame::End) => return Ok(()),
                Err(NoFrame::Bad(what)) => return Err(self.tampered(segment, at, what)),
                Err(NoFrame::Io(source)) => return Err(self.io(segment, source)),
            }
        }
    }

    fn strict_record(
        &mut self,
        segment: &Segment,
        offset: u64,
        leaf: Hash,
        body: &[u8],
    ) -> Result<(), JournalError> {
        let sequence = self.tree.size();
        self.tree.push(leaf);
        // The checkpoint knows what was open when it was written.
        if self
            .checkpoint
            .is_none_or(|checkpoint| checkpoint.tree.size() <= sequence)
        {
            let brief = brief(sequence, body)?;
            let intent = OpenIntent {
                sequence,
                segment: segment.number,
                offset,
            };
            apply(&mut self.open, effect(brief.phase, brief.call), intent);
        }
        Ok(())
    }

    /// Takes records of the last segment into the state; the first lies at or after `durable_end`.
    fn accept(&mut self, segment: u64, durable_end: u64, records: &[Outgoing]) {
        let mut offset = durable_end;
        if durable_end > HEADER_BYTES {
            offset += crate::frames::len(crate::format::MARK_BYTES);
        }
        for record in records {
            let intent = OpenIntent {
                sequence: self.tree.size(),
                segment,
                offset,
            };
            apply(&mut self.open, record.effect, intent);
            self.tree.push(record.leaf);
            offset += crate::frames::len(record.frame.len());
        }
    }

    fn check_mark(
        &self,
        segment: &Segment,
        at: u64,
        root: &Hash,
        size: u64,
    ) -> Result<(), JournalError> {
        if size == self.tree.size() && *root == self.tree.root() {
            Ok(())
        } else {
            Err(self.tampered(segment, at, "the tree does not fit the mark"))
        }
    }

    fn tampered(&self, segment: &Segment, offset: u64, what: &'static str) -> JournalError {
        JournalError::Tampered {
            segment: segment.number,
            sequence: self.tree.size(),
            offset,
            what,
        }
    }

    fn io(&self, segment: &Segment, source: std::io::Error) -> JournalError {
        JournalError::io("read", &segment_path(self.dir, segment.number))(source)
    }
}

fn apply(open: &mut OpenIntents, effect: Effect, intent: OpenIntent) {
    match effect {
        Effect::Opens(call) => drop(open.insert(call, intent)),
        Effect::Closes(call) => drop(open.remove(&call)),
        Effect::None => {}
    }
}

fn brief(sequence: u64, body: &[u8]) -> Result<Brief, JournalError> {
    serde_json::from_slice(body).map_err(|source| JournalError::Unreadable { sequence, source })
}

fn outgoing(sequence: u64, body: &[u8]) -> Result<Outgoing, JournalError> {
    let brief = brief(sequence, body)?;
    let (frame, leaf) = record_frame(body);
    Ok(Outgoing {
        frame,
        leaf,
        effect: effect(brief.phase, brief.call),
        record: None,
    })
}
