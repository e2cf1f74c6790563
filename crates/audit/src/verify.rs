//! Reading everything again: is the journal what was written?
//!
//! Every frame's CRC, every leaf hash, the place of every record in the tree, the chain of segments and the
//! checkpoint are checked. Nothing is written, so it may run beside the gateway: it reads up to the
//! checkpoint that it finds when it begins.

use std::fmt;
use std::path::Path;

use sekimori_domain::digest::Digest;
use sekimori_domain::record::Record;
use serde::Serialize;

use crate::canonical;
use crate::error::JournalError;
use crate::format::{Checkpoint, HEADER_BYTES, segment_path};
use crate::frames::{
    Frame, Frames, NoFrame, Segment, check_successor, read_checkpoint, read_segment,
    segment_numbers,
};
use crate::merkle::Frontier;

/// How often the checkpoint is read again when both slots are being written.
const CHECKPOINT_TRIES: usize = 5;

/// What was found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// The node that wrote the journal.
    pub node: String,
    /// Records read and found as they were written.
    pub records: u64,
    /// Segments read.
    pub segments: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Root of the Merkle tree over those records, hexadecimal.
    pub root: String,
    /// Bytes behind the end of sealed segments: what failed or torn writes left. They are no records.
    pub abandoned_bytes: u64,
    /// Bytes behind the checkpoint: being written now, or torn; opening the journal tells which.
    pub tail_bytes: u64,
    /// The first thing that is not as it was written. `None`: the journal is whole.
    pub problem: Option<VerifyProblem>,
}

impl VerifyReport {
    /// Whether everything is as it was written.
    pub fn is_sound(&self) -> bool {
        self.problem.is_none()
    }
}

impl fmt::Display for VerifyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            records,
            segments,
            root,
            ..
        } = self;
        match &self.problem {
            None => write!(
                f,
                "sound: {records} records in {segments} segments, root {root}"
            )?,
            Some(problem) => write!(
                f,
                "changed: {problem}; {records} records before it are sound"
            )?,
        }
        if self.tail_bytes > 0 {
            write!(
                f,
                "; {} bytes behind the checkpoint were not judged",
                self.tail_bytes
            )?;
        }
        Ok(())
    }
}

/// The first thing that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerifyProblem {
    /// In which segment.
    pub segment: u64,
    /// The first record that cannot be trusted.
    pub sequence: u64,
    /// Where in the segment's file.
    pub offset: u64,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for VerifyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            segment,
            sequence,
            offset,
            what,
        } = self;
        write!(
            f,
            "{what} in segment {segment} at byte {offset}, record {sequence}"
        )
    }
}

/// Verifies the journal in `dir`. An error means that it could not be read, not that it was changed.
pub fn verify(dir: &Path) -> Result<VerifyReport, JournalError> {
    let mut check = Check {
        dir,
        report: VerifyReport {
            node: String::new(),
            records: 0,
            segments: 0,
            bytes: 0,
            root: String::new(),
            abandoned_bytes: 0,
            tail_bytes: 0,
            problem: None,
        },
        tree: Frontier::default(),
    };
    match check.run() {
        Ok(()) => {}
        Err(JournalError::Tampered {
            segment,
            sequence,
            offset,
            what,
        }) => {
            check.report.problem = Some(VerifyProblem {
                segment,
                sequence,
                offset,
                what: what.to_owned(),
            });
        }
        Err(error) => return Err(error),
    }
    check.report.root = Digest(check.tree.root()).hex();
    Ok(check.report)
}

struct Check<'a> {
    dir: &'a Path,
    report: VerifyReport,
    tree: Frontier,
}

impl Check<'_> {
    fn run(&mut self) -> Result<(), JournalError> {
        let checkpoint = newest_checkpoint(self.dir)?;
        let numbers = segment_numbers(self.dir)?;
        let limit = checkpoint
            .as_ref()
            .map_or(u64::MAX, |checkpoint| checkpoint.segment);
        let mut segments = Vec::new();
        for number in numbers.into_iter().filter(|number| *number <= limit) {
            segments.push(read_segment(self.dir, number)?);
        }
        let Some(checkpoint) = checkpoint else {
            return self.no_checkpoint(&segments);
        };
        if segments
            .last()
            .is_none_or(|segment| segment.number != checkpoint.segment)
        {
            return Err(self.tampered(
                checkpoint.segment,
                0,
                "the segment of the checkpoint is missing",
            ));
        }
        if let Some(first) = segments.first() {
            self.report.node.clone_from(&first.header.node);
            self.tree = first.header.tree.clone();
        }
        let successors = segments.iter().skip(1).map(Some).chain([None]);
        for (segment, next) in segments.iter().zip(successors) {
            self.segment(segment, next, &checkpoint)?;
        }
        Ok(())
    }

    /// Without a checkpoint nobody knows how much there should be.
    fn no_checkpoint(&mut self, segments: &[Segment]) -> Result<(), JournalError> {
        if segments.is_empty() {
            return Err(JournalError::Unavailable {
                reason: "there is no journal here",
            });
        }
        Err(self.tampered(0, 0, "the checkpoint is missing or damaged"))
    }

    fn segment(
        &mut self,
        segment: &Segment,
        next: Option<&Segment>,
        checkpoint: &Checkpoint,
    ) -> Result<(), JournalError> {
        if segment.header.node != self.report.node {
            return Err(self.tampered(segment.number, 0, "the segment is of another node"));
        }
        if segment.header.tree != self.tree {
            return Err(self.tampered(
                segment.number,
                0,
                "the tree of the header does not fit the records before it",
            ));
        }
        let end = match next {
            Some(next) => {
                check_successor(segment, next)?;
                next.header.previous_end
            }
            None => checkpoint.offset,
        };
        if end > segment.length {
            return Err(self.tampered(segment.number, segment.length, "the segment is cut short"));
        }
        self.frames(segment, end)?;
        let behind = segment.length - end;
        if next.is_some() {
            self.report.abandoned_bytes += behind;
        } else {
            self.report.tail_bytes = behind;
            if self.tree != checkpoint.tree {
                return Err(self.tampered(
                    segment.number,
                    end,
                    "the tree does not fit the checkpoint",
                ));
            }
        }
        self.report.segments += 1;
        self.report.bytes += end;
        Ok(())
    }

    fn frames(&mut self, segment: &Segment, end: u64) -> Result<(), JournalError> {
        let path = segment_path(self.dir, segment.number);
        let mut frames =
            Frames::open(&path, HEADER_BYTES).map_err(JournalError::io("open", &path))?;
        loop {
            let at = frames.offset();
            match frames.next(end) {
                Ok(Frame::Record { leaf }) => {
                    if !is_record(frames.body()) {
                        return Err(self.tampered(
                            segment.number,
                            at,
                            "the body is no canonical audit record",
                        ));
                    }
                    self.tree.push(leaf);
                    self.report.records += 1;
                }
                Ok(Frame::Mark { root, size }) => {
                    if size != self.tree.size() || root != self.tree.root() {
                        return Err(self.tampered(
                            segment.number,
                            at,
                            "the tree does not fit the mark",
                        ));
                    }
                }
                Err(NoFrame::End) => return Ok(()),
                Err(NoFrame::Bad(what)) => return Err(self.tampered(segment.number, at, what)),
                Err(NoFrame::Io(source)) => return Err(JournalError::io("read", &path)(source)),
            }
        }
    }

    fn tampered(&self, segment: u64, offset: u64, what: &'static str) -> JournalError {
        JournalError::Tampered {
            segment,
            sequence: self.tree.size(),
            offset,
            what,
        }
    }
}

/// Whether the body reads as a record and is the one text of that record.
fn is_record(body: &[u8]) -> bool {
    let record = serde_json::from_slice::<Record>(body);
    record.is_ok_and(|record| canonical::text(&record).is_ok_and(|text| text == body))
}

/// The newest checkpoint. The gateway may be writing one slot while the other is read.
fn newest_checkpoint(dir: &Path) -> Result<Option<Checkpoint>, JournalError> {
    for _ in 0..CHECKPOINT_TRIES {
        if let Some(newest) = read_checkpoint(dir)?.into_iter().next() {
            return Ok(Some(newest));
        }
    }
    Ok(None)
}
