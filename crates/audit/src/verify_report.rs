//! What came out of verifying a journal.

use std::fmt;

use serde::Serialize;

use crate::time_stamps::StampedTree;

/// What was found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// The node that wrote the journal.
    pub node: String,
    /// Records read and found as they were written.
    pub records: u64,
    /// Records that were purged; their leaves are in the tree. Not counted in `records`.
    pub purged: u64,
    /// Which segments they were in, and which record tells that they were purged.
    pub purges: Vec<PurgedSegment>,
    /// Segments read.
    pub segments: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Root of the Merkle tree over those records, hexadecimal.
    pub root: String,
    /// Records in the newest tree whose signature was verified.
    pub signed: Option<u64>,
    /// Witnesses that cosigned the published tree, when, and how many records it had.
    pub cosigned: Vec<Cosignature>,
    /// The newest tree that each time-stamping authority saw.
    pub stamped: Vec<StampedTree>,
    /// Records in the published tree whose tiles were compared.
    pub published: Option<u64>,
    /// Bytes behind the end of sealed segments: what failed or torn writes left. They are no records.
    pub abandoned_bytes: u64,
    /// Bytes behind the checkpoint: being written now, or torn; opening the journal tells which.
    pub tail_bytes: u64,
    /// The first thing that is not as it was written. `None`: the journal is whole.
    pub problem: Option<VerifyProblem>,
}

/// Records of a segment were purged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PurgedSegment {
    /// The segment.
    pub segment: u64,
    /// How many records are gone.
    pub records: u64,
    /// The sequence of the record that tells so.
    pub under: u64,
}

/// A witness has seen the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cosignature {
    /// Its name.
    pub witness: String,
    /// How many records the log had.
    pub records: u64,
    /// When, in seconds since 1970.
    pub time: u64,
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
        if let (Some(first), Some(last)) = (self.purges.first(), self.purges.last()) {
            write!(f, "; {} more were purged under record", self.purged)?;
            if first.under == last.under {
                write!(f, " {}", first.under)?;
            } else {
                let under = self.purges.iter().map(|purge| purge.under);
                let (least, most) = (under.clone().min(), under.max());
                let shown = |number: Option<u64>| number.unwrap_or_default();
                write!(f, "s {} to {}", shown(least), shown(most))?;
            }
        }
        match (&self.problem, self.signed) {
            (None, Some(records)) => write!(f, "; signed up to record {records}")?,
            (None, None) => f.write_str("; no signature was verified")?,
            (Some(_), _) => {}
        }
        for Cosignature {
            witness, records, ..
        } in &self.cosigned
        {
            write!(f, "; {witness} has seen {records} records")?;
        }
        for StampedTree {
            authority,
            records,
            time,
            ..
        } in &self.stamped
        {
            write!(f, "; {authority} saw {records} records at {time}")?;
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
