//! The writing end of the journal: one batch, one write, one `fdatasync`. Used by one thread at a time.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sekimori_domain::clock::Clock;
use sekimori_domain::ids::CallId;
use sekimori_domain::record::Record;

use crate::disk::{Disk, DiskFile};
use crate::format::{
    Checkpoint, HEADER_BYTES, Header, OpenIntent, OpenIntents, SLOT_STRIDE, checkpoint_path,
    put_mark, segment_path,
};
use crate::frames::len;
use crate::merkle::{Frontier, Hash};
use crate::tlog::{SignedCheckpoint, TreeSigner};

/// How long a checkpoint may stay in the page cache. After a power failure, damage to records younger than
/// this and without a later mark counts as a torn write.
const CHECKPOINT_SYNC_INTERVAL: Duration = Duration::from_secs(1);

/// A record on its way: its frame and what it does to the set of open intents.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) frame: Vec<u8>,
    pub(crate) leaf: Hash,
    pub(crate) effect: Effect,
    /// What it says, for those who follow the journal; absent in what recovery writes again.
    pub(crate) record: Option<Box<Record>>,
}

impl Outgoing {
    /// The same, for those who follow the journal too.
    pub(crate) fn telling(self, record: Record) -> Self {
        let record = Some(Box::new(record));
        Self { record, ..self }
    }
}

/// What a record does to the set of open intents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Opens(CallId),
    Closes(CallId),
    None,
}

/// How far the journal is durable: what readers may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// Number of durable records: the sequence of the next one.
    pub size: u64,
    /// The last segment.
    pub(crate) segment: u64,
    /// Where its durable part ends.
    pub(crate) offset: u64,
}

/// What stays the same while a journal is open.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) dir: PathBuf,
    pub(crate) node: String,
    pub(crate) segment_bytes_max: u64,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) signer: Option<Arc<dyn TreeSigner>>,
}

/// The state of the log after the last durable batch.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
    pub(crate) tree: Frontier,
    pub(crate) open: OpenIntents,
    pub(crate) generation: u64,
}

/// The writing end.
#[derive(Debug)]
pub(crate) struct Log {
    place: Place,
    state: State,
    /// `None` after a failure: nothing is written to that file again.
    segment: Option<Box<dyn DiskFile>>,
    checkpoint: Option<Box<dyn DiskFile>>,
    synced_at: Duration,
    /// Whether the checkpoint was written since it was last synced.
    checkpoint_dirty: bool,
    batch: Vec<u8>,
    slot: Vec<u8>,
    /// The tree as it was signed last.
    signed: Option<Arc<SignedCheckpoint>>,
    /// Leaves since the tree that was signed last.
    unsigned: Vec<Hash>,
}

impl Log {
    /// A log that goes on after `state`. Nothing is open yet: see [`Log::resume`] and [`Log::roll`].
    pub(crate) fn new(place: Place, state: State) -> Self {
        let synced_at = place.clock.monotonic();
        Self {
            place,
            state,
            segment: None,
            checkpoint: None,
            synced_at,
            checkpoint_dirty: false,
            batch: Vec::new(),
            slot: Vec::new(),
            signed: None,
            unsigned: Vec::new(),
        }
    }

    /// What was signed last, and the leaves that the signer has not seen yet.
    pub(crate) fn set_signed(&mut self, signed: Option<SignedCheckpoint>, unsigned: Vec<Hash>) {
        self.signed = signed.map(Arc::new);
        self.unsigned = unsigned;
    }

    /// The tree as it was signed last.
    pub(crate) fn signed(&self) -> Option<&Arc<SignedCheckpoint>> {
        self.signed.as_ref()
    }

    /// Has the tree signed, if it was not yet.
    pub(crate) fn sign(&mut self) -> io::Result<()> {
        let Some(signer) = &self.place.signer else {
            return Ok(());
        };
        if self.is_signed() {
            return Ok(());
        }
        let signed = signer.sign(&self.state.tree, &self.unsigned)?;
        self.signed = Some(Arc::new(signed));
        self.unsigned.clear();
        Ok(())
    }

    /// Whether the tree is signed as it is, or nobody signs it.
    pub(crate) fn is_signed(&self) -> bool {
        let Some(signer) = &self.place.signer else {
            return true;
        };
        let size = self.state.tree.size();
        self.signed.as_ref().is_some_and(|signed| {
            // What the log before ended with is not signed by this one.
            signed.head().size == size && signed.head().origin == signer.key().name()
        })
    }

    fn note(&self) -> String {
        self.signed
            .as_ref()
            .map_or_else(String::new, |signed| signed.note())
    }

    pub(crate) fn head(&self) -> Head {
        Head {
            size: self.state.tree.size(),
            segment: self.state.segment,
            offset: self.state.offset,
        }
    }

    pub(crate) fn root(&self) -> Hash {
        self.state.tree.root()
    }

    pub(crate) fn open_intents(&self) -> &OpenIntents {
        &self.state.open
    }

    /// Goes on writing the last segment, which ends where the state says.
    pub(crate) fn resume(&mut self) -> io::Result<()> {
        let path = segment_path(&self.place.dir, self.state.segment);
        self.segment = Some(self.place.disk.open(&path)?);
        self.renew_checkpoint()
    }

    /// Begins a new segment after the durable part of the last one, with `carried` records in it from the
    /// start: they appear together with the segment or not at all.
    pub(crate) fn roll(&mut self, carried: &[Outgoing]) -> io::Result<()> {
        let number = self.state.segment + 1;
        let path = segment_path(&self.place.dir, number);
        let new = path.with_extension("segment.new");
        let header = Header {
            number,
            created_us: self.place.clock.now().as_microsecond(),
            previous_end: self.state.offset,
            tree: self.state.tree.clone(),
            node: self.place.node.clone(),
            note: self.note(),
            purged_end: None,
        };
        self.segment = None;
        let mut bytes = header.encode();
        for record in carried {
            bytes.extend_from_slice(&record.frame);
        }
        let file = self.publish(&new, &path, &[(0, &bytes)])?;
        self.segment = Some(file);
        self.state.segment = number;
        self.state.offset = HEADER_BYTES;
        self.apply(carried, HEADER_BYTES);
        self.renew_checkpoint()
    }

    /// Makes a whole file durable before it gets its name.
    fn publish(
        &self,
        new: &Path,
        path: &Path,
        parts: &[(u64, &[u8])],
    ) -> io::Result<Box<dyn DiskFile>> {
        let made = self.make(new, parts).inspect_err(|_| {
            // Best effort: a full disk needs the room more than this half-made file.
            drop(std::fs::remove_file(new));
        });
        let file = made?;
        self.place.disk.rename(new, path)?;
        self.place.disk.sync_directory(&self.place.dir)?;
        Ok(file)
    }

    fn make(&self, new: &Path, parts: &[(u64, &[u8])]) -> io::Result<Box<dyn DiskFile>> {
        let mut file = self.place.disk.create(new)?;
        for (offset, bytes) in parts {
            file.write_at(bytes, *offset)?;
        }
        file.sync()?;
        Ok(file)
    }

    /// Writes a fresh checkpoint file with the state in both slots.
    fn renew_checkpoint(&mut self) -> io::Result<()> {
        let path = checkpoint_path(&self.place.dir);
        let new = path.with_extension("new");
        self.checkpoint = None;
        self.encode_checkpoint();
        let first = self.slot.clone();
        let first_at = self.slot_offset();
        self.encode_checkpoint();
        let parts = [
            (first_at, first.as_slice()),
            (self.slot_offset(), self.slot.as_slice()),
        ];
        self.checkpoint = Some(self.publish(&new, &path, &parts)?);
        self.checkpoint_dirty = false;
        self.synced_at = self.place.clock.monotonic();
        Ok(())
    }

    fn encode_checkpoint(&mut self) {
        self.state.generation += 1;
        let note = if self.is_signed() {
            self.note()
        } else {
            String::new()
        };
        Checkpoint::encode_into(
            &mut self.slot,
            self.state.generation,
            &self.state.tree,
            (self.state.segment, self.state.offset),
            &self.state.open,
            &note,
        );
    }

    /// The slot whose turn it is.
    fn slot_offset(&self) -> u64 {
        (self.state.generation & 1) * SLOT_STRIDE
    }

    /// Makes `records` durable, in this order, and returns the sequence of the first. After an error the
    /// state is what it was, and the log refuses until [`Log::roll`] succeeds.
    pub(crate) fn commit(&mut self, records: &[Outgoing]) -> io::Result<u64> {
        let bytes: usize = records.iter().map(|record| record.frame.len()).sum();
        let full = self.state.offset + len(bytes) > self.place.segment_bytes_max;
        if full && self.state.offset > HEADER_BYTES && self.segment.is_some() {
            self.roll(&[])?;
        }
        let first = self.state.tree.size();
        self.batch.clear();
        if self.state.offset > HEADER_BYTES {
            put_mark(&mut self.batch, &self.state.tree);
        }
        let records_at = self.state.offset + len(self.batch.len());
        for record in records {
            self.batch.extend_from_slice(&record.frame);
        }
        let mut file = self.segment.take().ok_or_else(broken)?;
        if self.checkpoint.is_none() {
            return Err(broken());
        }
        file.write_at(&self.batch, self.state.offset)?;
        file.sync()?;
        // Only a file that never failed is used again.
        self.segment = Some(file);
        self.apply(records, records_at);
        if let Err(error) = self.sign() {
            // Durable all the same: their callers may go on, and the next batch waits for the signature.
            tracing::error!(%error, "the tree of the audit journal could not be signed");
        }
        if let Err(error) = self.write_checkpoint() {
            // The records are durable, so their callers may go on; the next batch starts afresh.
            tracing::error!(%error, "cannot write the journal's checkpoint");
            self.segment = None;
        }
        Ok(first)
    }

    /// Takes durable records, the first of which lies at `offset`, into the state.
    fn apply(&mut self, records: &[Outgoing], mut offset: u64) {
        for record in records {
            let intent = OpenIntent {
                sequence: self.state.tree.size(),
                segment: self.state.segment,
                offset,
            };
            match record.effect {
                Effect::Opens(call) => drop(self.state.open.insert(call, intent)),
                Effect::Closes(call) => drop(self.state.open.remove(&call)),
                Effect::None => {}
            }
            self.state.tree.push(record.leaf);
            if self.place.signer.is_some() {
                self.unsigned.push(record.leaf);
            }
            offset += len(record.frame.len());
        }
        self.state.offset = offset;
    }

    fn write_checkpoint(&mut self) -> io::Result<()> {
        self.encode_checkpoint();
        let mut file = self.checkpoint.take().ok_or_else(broken)?;
        file.write_at(&self.slot, self.slot_offset())?;
        self.checkpoint = Some(file);
        self.checkpoint_dirty = true;
        let now = self.place.clock.monotonic();
        if now.saturating_sub(self.synced_at) >= CHECKPOINT_SYNC_INTERVAL {
            self.sync_checkpoint()?;
        }
        Ok(())
    }

    /// Makes the checkpoint durable, if it is not.
    pub(crate) fn sync_checkpoint(&mut self) -> io::Result<()> {
        if !self.checkpoint_dirty {
            return Ok(());
        }
        let mut file = self.checkpoint.take().ok_or_else(broken)?;
        file.sync()?;
        self.checkpoint = Some(file);
        self.checkpoint_dirty = false;
        self.synced_at = self.place.clock.monotonic();
        Ok(())
    }

    /// Whether the checkpoint waits to be made durable.
    pub(crate) fn is_checkpoint_dirty(&self) -> bool {
        self.checkpoint_dirty && self.checkpoint.is_some()
    }

    /// Whether files are open, none of them failed, and the tree is signed.
    pub(crate) fn is_usable(&self) -> bool {
        self.segment.is_some() && self.checkpoint.is_some() && self.is_signed()
    }

    /// Whether the segment has no records yet.
    pub(crate) fn is_at_start(&self) -> bool {
        self.state.offset <= HEADER_BYTES
    }

    /// Whether files are open and none of them failed.
    fn is_open(&self) -> bool {
        self.segment.is_some() && self.checkpoint.is_some()
    }

    /// Makes the log usable again after a failure: a signature that is missing, or a new segment in place of
    /// a failed file, which is never used again.
    pub(crate) fn repair(&mut self) -> io::Result<()> {
        if !self.is_signed() {
            self.sign()?;
            if self.is_open() {
                self.write_checkpoint()?;
            }
        }
        if self.is_open() {
            Ok(())
        } else {
            self.roll(&[])
        }
    }
}

fn broken() -> io::Error {
    io::Error::other("the file failed before and is not used again")
}
