//! Reading everything again: is the journal what was written?
//!
//! Every frame's CRC, every leaf hash, the place of every record in the tree, the chain of segments, the
//! checkpoint, all signatures, and the published tiles are checked, and whatever somebody kept of an earlier state. Nothing is written, so it may run beside the gateway: it reads up to the
//! checkpoint that it finds when it begins.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sekimori_domain::digest::Digest;
use sekimori_domain::record::{EventKind, Record};

use crate::canonical;
use crate::error::JournalError;
use crate::format::{Checkpoint, segment_path};
use crate::frames::{
    Frame, Frames, NoFrame, Segment, check_successor, open_segment, read_checkpoint, read_segment,
    segment_numbers,
};
use crate::journal::check_note;
use crate::merkle::{Frontier, Hash};
use crate::reader::{Reader, durable_head};
use crate::retention::PurgeNote;
use crate::time_stamps::{Folder, Roots, StampedTree, newest};
use crate::tlog::tiles::{COSIGNED, Edge};
use crate::tlog::{LogKeys, SignedCheckpoint, TileError, Tiles, VerifyingKey};
use crate::verify_report::{Cosignature, PurgedSegment, VerifyProblem, VerifyReport};

/// How often the checkpoint is read again when both slots are being written.
const CHECKPOINT_TRIES: usize = 5;

/// What the journal is held against, beside itself.
#[derive(Debug, Clone, Default)]
pub struct Expectations {
    /// The keys that sign it. Without, whoever can write the files can write another history.
    pub keys: Option<LogKeys>,
    /// The folder with its published tree.
    pub tlog: Option<PathBuf>,
    /// Signed checkpoints that somebody kept: whatever was shown once must still be true.
    pub known: Vec<SignedCheckpoint>,
    /// Witnesses that must have cosigned the published tree.
    pub witnesses: Vec<VerifyingKey>,
    /// What the time stamps of each authority lead to. Those of others are not judged.
    pub authorities: BTreeMap<String, Roots>,
}

/// Verifies the journal in `dir` by itself. An error means that it could not be read, not that it was changed.
pub fn verify(dir: &Path) -> Result<VerifyReport, JournalError> {
    verify_with(dir, &Expectations::default())
}

/// Verifies the journal in `dir` against what is known of it from elsewhere.
pub fn verify_with(dir: &Path, expectations: &Expectations) -> Result<VerifyReport, JournalError> {
    let mut check = Check {
        dir,
        expectations,
        anchors: Anchors::default(),
        tiles: None,
        report: VerifyReport {
            node: String::new(),
            records: 0,
            purged: 0,
            purges: Vec::new(),
            segments: 0,
            bytes: 0,
            root: String::new(),
            signed: None,
            cosigned: Vec::new(),
            stamped: Vec::new(),
            published: None,
            abandoned_bytes: 0,
            tail_bytes: 0,
            problem: None,
        },
        tree: Frontier::default(),
        purged: BTreeMap::new(),
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
    expectations: &'a Expectations,
    /// Trees that were signed or shown, still to be passed.
    anchors: Anchors,
    tiles: Option<TileCheck>,
    report: VerifyReport,
    tree: Frontier,
    /// What is purged, by segment, and under which record.
    purged: BTreeMap<u64, (PurgeNote, Option<u64>)>,
}

impl Check<'_> {
    fn run(&mut self) -> Result<(), JournalError> {
        // Before the journal's own checkpoint: what was published by then is in it.
        let published = self.published()?;
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
            if first.number != 1 {
                return Err(self.tampered(1, 0, "the first segment is missing"));
            }
        }
        self.collect_notes(&segments, &checkpoint)?;
        if let (Some(dir), Some(size)) = (&self.expectations.tlog, published) {
            let tiles = TileCheck::begin(dir, &self.tree, size);
            self.tiles = Some(tiles.map_err(|what| self.tampered(0, 0, what))?);
        }
        self.passed(0, 0)?;
        let successors = segments.iter().skip(1).map(Some).chain([None]);
        for (segment, next) in segments.iter().zip(successors) {
            self.segment(segment, next, &checkpoint)?;
        }
        self.explained()?;
        if self.anchors.is_empty() {
            return Ok(());
        }
        let what = "the journal is shorter than a tree that was signed: it was set back";
        Err(self.tampered(checkpoint.segment, checkpoint.offset, what))
    }

    /// Reads what was published, and checks its signatures; how many records it has.
    fn published(&mut self) -> Result<Option<u64>, JournalError> {
        let expectations = self.expectations;
        let closings = expectations.keys.iter().flat_map(LogKeys::closings);
        let closed = closings.map(|closing| &closing.checkpoint);
        for known in expectations.known.iter().chain(closed) {
            self.note(&known.note(), None)?;
        }
        let Some(dir) = &expectations.tlog else {
            return self.witnessed(None).map(|()| None);
        };
        let tiles = Tiles::new(dir);
        let published = match tiles.checkpoint() {
            Ok(checkpoint) => checkpoint,
            Err(TileError::NoCheckpoint { .. }) if !dir.join("checkpoint").exists() => {
                return self.witnessed(None).map(|()| None);
            }
            Err(_) => return Err(self.tampered(0, 0, "the published checkpoint is damaged")),
        };
        self.note(&published.note(), None)?;
        self.stamped(dir)?;
        if dir.join(COSIGNED).exists() {
            let cosigned = tiles.cosigned();
            let cosigned =
                cosigned.map_err(|_| self.tampered(0, 0, "the cosigned checkpoint is damaged"))?;
            self.note(&cosigned.note(), None)?;
            self.witnessed(Some(&cosigned))?;
        } else {
            self.witnessed(None)?;
        }
        Ok(Some(published.head().size))
    }

    /// Checkpoints that were time-stamped are history that was signed, too.
    fn stamped(&mut self, tlog: &Path) -> Result<(), JournalError> {
        let folder = Folder::of(tlog);
        let kept = folder.read();
        let kept = kept.map_err(|_| self.tampered(0, 0, "a time-stamped checkpoint is missing"))?;
        let mut all = Vec::new();
        for one in kept {
            let records = self.note(&one.note, None)?;
            for authority in &one.authorities {
                let Some(roots) = self.expectations.authorities.get(authority) else {
                    continue;
                };
                let time = folder.check(&one, authority, roots).map_err(|error| {
                    tracing::warn!(
                        authority,
                        file = one.file,
                        error = &error as &dyn std::error::Error,
                        "a time stamp of the audit log does not hold"
                    );
                    self.tampered(0, 0, "a time stamp does not hold")
                })?;
                all.push(StampedTree {
                    authority: authority.clone(),
                    records,
                    time,
                    file: one.file.clone(),
                });
            }
        }
        self.report.stamped = newest(all);
        Ok(())
    }

    fn witnessed(&mut self, cosigned: Option<&SignedCheckpoint>) -> Result<(), JournalError> {
        for witness in &self.expectations.witnesses {
            let time =
                cosigned.and_then(|note| Some((note, note.verify_cosignature(witness).ok()?)));
            let Some((note, time)) = time else {
                return Err(self.tampered(0, 0, "a witness has not cosigned the published tree"));
            };
            self.report.cosigned.push(Cosignature {
                witness: witness.name().to_owned(),
                records: note.head().size,
                time,
            });
        }
        Ok(())
    }

    /// Collects what was signed along the way. Once a segment tells of a signature, all later ones do.
    fn collect_notes(
        &mut self,
        segments: &[Segment],
        checkpoint: &Checkpoint,
    ) -> Result<(), JournalError> {
        let mut signed = false;
        for segment in segments {
            let note = &segment.header.note;
            if !note.is_empty() {
                signed = true;
                self.note(note, None)?;
            } else if signed {
                return Err(self.tampered(segment.number, 0, "the signed checkpoint is missing"));
            }
        }
        if !checkpoint.note.is_empty() {
            self.note(&checkpoint.note, Some(&checkpoint.tree))
                .map(drop)
        } else if signed || self.expectations.keys.is_some() {
            let what = "the newest tree is not signed";
            Err(self.tampered(checkpoint.segment, checkpoint.offset, what))
        } else {
            Ok(())
        }
    }

    fn note(&mut self, note: &str, tree: Option<&Frontier>) -> Result<u64, JournalError> {
        let keys = self.expectations.keys.as_ref();
        let signed = check_note(note, keys, tree).map_err(|what| self.tampered(0, 0, what))?;
        let head = signed.head();
        if keys.is_some() {
            self.report.signed = self.report.signed.max(Some(head.size));
        }
        let same = self.anchors.entry(head.size).or_insert(head.root);
        if *same == head.root {
            Ok(head.size)
        } else {
            Err(self.tampered(0, 0, "two different trees of one size were signed"))
        }
    }

    /// The tree has this size now: is it the one that was signed at this size?
    fn passed(&mut self, segment: u64, offset: u64) -> Result<(), JournalError> {
        if let Some(root) = self.anchors.remove(&self.tree.size())
            && root != self.tree.root()
        {
            return Err(self.tampered(segment, offset, "the tree is another one than was signed"));
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
        // It may have been purged since it was looked at first.
        let (segment, frames) = open_segment(self.dir, segment.number)?;
        let end = match next {
            Some(next) => {
                check_successor(&segment, next)?;
                segment.end(next)
            }
            None => checkpoint.offset,
        };
        if end > segment.length {
            return Err(self.tampered(segment.number, segment.length, "the segment is cut short"));
        }
        self.frames(&segment, frames, end)?;
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

    fn frames(
        &mut self,
        segment: &Segment,
        mut frames: Frames,
        end: u64,
    ) -> Result<(), JournalError> {
        let mut gone = Vec::new();
        loop {
            let at = frames.offset();
            match frames.next(end) {
                Ok(Frame::Record { leaf }) => {
                    let Some(record) = read_record(frames.body()) else {
                        let what = "the body is no canonical audit record";
                        return Err(self.tampered(segment.number, at, what));
                    };
                    self.explain(&record, self.tree.size());
                    self.report.records += 1;
                    self.leaf(leaf, segment.number, at)?;
                }
                Ok(Frame::Purged { leaf }) => {
                    if segment.header.purged_end.is_none() {
                        let what = "a record is gone from a segment that was not purged";
                        return Err(self.tampered(segment.number, at, what));
                    }
                    gone.push(self.tree.size());
                    self.leaf(leaf, segment.number, at)?;
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
                Err(NoFrame::End) => break,
                Err(NoFrame::Bad(what)) => return Err(self.tampered(segment.number, at, what)),
                Err(NoFrame::Io(source)) => {
                    let path = segment_path(self.dir, segment.number);
                    return Err(JournalError::io("read", &path)(source));
                }
            }
        }
        if !gone.is_empty() {
            let note = PurgeNote::of(segment.number, &gone);
            self.purged.insert(segment.number, (note, None));
        }
        Ok(())
    }

    /// Takes the next leaf into the tree, and compares the tree with what was signed and published.
    fn leaf(&mut self, leaf: Hash, segment: u64, at: u64) -> Result<(), JournalError> {
        self.tree.push(leaf);
        self.passed(segment, at)?;
        let compared = self.tiles.as_mut().map(|tiles| tiles.push(leaf));
        if let Some(compared) = compared {
            self.report.published = compared.map_err(|what| self.tampered(segment, at, what))?;
        }
        Ok(())
    }

    /// Whether this record tells that what is gone from a segment before it was purged.
    fn explain(&mut self, record: &Record, sequence: u64) {
        if record.event != EventKind::RetentionPurge {
            return;
        }
        if let Some(told) = PurgeNote::read(&record.detail)
            && let Some((found, under)) = self.purged.get_mut(&told.segment)
            && *found == told
        {
            *under = Some(sequence);
        }
    }

    /// Everything that is gone must have been purged, and its record must be there.
    fn explained(&mut self) -> Result<(), JournalError> {
        if self.purged.values().any(|(_, under)| under.is_none()) {
            // Purged while this was reading: the record of it is behind the checkpoint that was found first.
            let from = self.tree.size();
            let mut reader = Reader::open(self.dir, from, durable_head(self.dir)?)?;
            while let Some(entry) = reader.next_entry()? {
                self.explain(&entry.record, entry.sequence);
            }
        }
        for (segment, (note, under)) in std::mem::take(&mut self.purged) {
            let Some(under) = under else {
                let what = "records are gone, and no record tells that they were purged";
                return Err(JournalError::Tampered {
                    segment,
                    sequence: note.first,
                    offset: 0,
                    what,
                });
            };
            self.report.purged += note.purged;
            self.report.purges.push(PurgedSegment {
                segment,
                records: note.purged,
                under,
            });
        }
        Ok(())
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

/// Trees by their size.
type Anchors = BTreeMap<u64, Hash>;

/// Compares the published tiles with the journal.
struct TileCheck {
    tiles: Tiles,
    edge: Edge,
    /// Records in the published tree.
    size: u64,
    compared: Option<u64>,
}

const OTHER_TILE: &str = "a published tile does not fit the journal";

impl TileCheck {
    fn begin(dir: &Path, tree: &Frontier, size: u64) -> Result<Self, &'static str> {
        let tiles = Tiles::new(dir);
        let edge = Edge::read(&tiles, tree.size()).map_err(|_| OTHER_TILE)?;
        if edge.root() != tree.root() {
            return Err(OTHER_TILE);
        }
        Ok(Self {
            tiles,
            edge,
            size,
            compared: None,
        })
    }

    /// Compares the tiles that a leaf fills; how many records were compared, when all are.
    fn push(&mut self, leaf: Hash) -> Result<Option<u64>, &'static str> {
        if self.edge.size >= self.size {
            return Ok(self.compared);
        }
        let tiles = &self.tiles;
        let compare = |level, index, hashes: &[Hash]| {
            let there = tiles.read(level, index, hashes.len())?;
            if there == hashes {
                Ok(())
            } else {
                Err(TileError::OtherTree { size: index })
            }
        };
        self.edge.push(leaf, compare).map_err(|_| OTHER_TILE)?;
        if self.edge.size == self.size {
            let mut partial = self.edge.partial();
            let fits = partial.try_for_each(|(level, index, hashes)| compare(level, index, hashes));
            fits.map_err(|_| OTHER_TILE)?;
            self.compared = Some(self.size);
        }
        Ok(self.compared)
    }
}

/// The record, if the body reads as one and is the one text of it.
fn read_record(body: &[u8]) -> Option<Record> {
    let record = serde_json::from_slice::<Record>(body).ok()?;
    let text = canonical::text(&record).ok()?;
    (text == body).then_some(record)
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
