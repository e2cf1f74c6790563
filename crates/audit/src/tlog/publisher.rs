//! Publishing the tree: tiles and the newest signed checkpoint, behind the journal and never in its way.

use std::path::{Path, PathBuf};

use super::checkpoint::{SignedCheckpoint, TreeHead};
use super::proof;
use super::tiles::{Edge, TileError, TileWriter, Tiles, durable_size};
use crate::error::JournalError;
use crate::frames::{read_segment, segment_numbers};
use crate::log::Head;
use crate::reader::Reader;

/// The tree could not be published. The journal is not concerned.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The journal could not be read.
    #[error("the journal could not be read for the tree")]
    Journal(#[from] JournalError),
    /// The tiles could not be written, or are not what they were.
    #[error("the tree could not be published")]
    Tiles(#[from] TileError),
    /// Publishing was cut short.
    #[error("publishing was cut short")]
    Ended,
}

/// Follows the journal and writes its tree.
#[derive(Debug)]
pub(crate) struct Publisher {
    journal: PathBuf,
    writer: TileWriter,
    reader: Option<Reader>,
    /// In which segment the record read last lies.
    segment: Option<u64>,
    /// The tree that was published before, until it was passed: what was shown once stays true.
    anchor: Option<TreeHead>,
}

impl Publisher {
    /// Goes on from what was made durable in `tlog`; from the beginning if that does not fit the journal.
    pub(crate) fn open(journal: &Path, tlog: &Path) -> Result<Self, PublishError> {
        let tiles = Tiles::new(tlog);
        let anchor = match tiles.checkpoint() {
            Ok(checkpoint) => Some(checkpoint.head().clone()),
            Err(TileError::NoCheckpoint { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let edge = resume(journal, &tiles, anchor.as_ref())?;
        if let Some(anchor) = anchor.as_ref().filter(|anchor| anchor.size < edge.size)
            && proof::root(&tiles, anchor.size)? != anchor.root
        {
            return Err(TileError::OtherTree { size: anchor.size }.into());
        }
        let mut publisher = Self {
            journal: journal.to_owned(),
            writer: TileWriter::new(tlog, edge),
            reader: None,
            segment: None,
            anchor,
        };
        publisher.compare()?;
        Ok(publisher)
    }

    /// Compares with what was published before, where that ended.
    fn compare(&mut self) -> Result<(), PublishError> {
        let edge = &self.writer.edge;
        if let Some(anchor) = self.anchor.take_if(|anchor| anchor.size <= edge.size)
            && anchor.size == edge.size
            && anchor.root != edge.root()
        {
            let size = anchor.size;
            self.anchor = Some(anchor);
            return Err(TileError::OtherTree { size }.into());
        }
        Ok(())
    }

    /// Writes the tiles up to `checkpoint`, then the checkpoint itself. The journal must be durable up to
    /// there, as `head` says.
    pub(crate) fn publish(
        &mut self,
        checkpoint: &SignedCheckpoint,
        head: Head,
    ) -> Result<(), PublishError> {
        let wanted = checkpoint.head();
        let published = self.anchor.as_ref().map_or(0, |anchor| anchor.size);
        if wanted.size < self.writer.edge.size.max(published) {
            return Err(TileError::OtherTree { size: wanted.size }.into());
        }
        let from = self.writer.edge.size;
        if from < wanted.size {
            let reader = self.reader.take();
            let mut reader = match reader.filter(|reader| reader.sequence() == from) {
                Some(reader) => reader,
                None => Reader::open(&self.journal, from, head)?,
            };
            reader.set_head(head);
            while self.writer.edge.size < wanted.size {
                self.step(&mut reader)?;
            }
            self.reader = Some(reader);
        }
        if self.writer.edge.root() != wanted.root {
            return Err(TileError::OtherTree { size: wanted.size }.into());
        }
        self.writer.put_partial()?;
        self.writer.publish(checkpoint)?;
        Ok(())
    }

    fn step(&mut self, reader: &mut Reader) -> Result<(), PublishError> {
        let size = self.writer.edge.size;
        let leaf = reader.next_leaf()?.ok_or(TileError::Beyond { size })?;
        let segment = Some(reader.segment());
        if self.segment != segment {
            // Everything before a segment is durable: after a crash only the last one is read again.
            if self.segment.is_some() {
                self.writer.seal()?;
            }
            self.segment = segment;
        }
        self.writer.push(leaf)?;
        self.compare()
    }

    /// Makes the tiles durable up to where they were written.
    pub(crate) fn seal(&mut self) -> Result<(), PublishError> {
        Ok(self.writer.seal()?)
    }

    pub(crate) fn tiles(&self) -> &Tiles {
        self.writer.tiles()
    }
}

/// The edge of the tree where it was made durable, checked against the segment that begins there or the tree
/// that was published there.
fn resume(journal: &Path, tiles: &Tiles, anchor: Option<&TreeHead>) -> Result<Edge, PublishError> {
    let size = durable_size(tiles.dir());
    let mut roots = Vec::new();
    roots.extend(
        anchor
            .filter(|anchor| anchor.size == size)
            .map(|anchor| anchor.root),
    );
    let mut first = None;
    for number in segment_numbers(journal)? {
        let tree = read_segment(journal, number)?.header.tree;
        first = first.or(Some(tree.size()));
        roots.extend((tree.size() == size).then(|| tree.root()));
    }
    if size > 0
        && let Ok(edge) = Edge::read(tiles, size)
        && roots.contains(&edge.root())
    {
        return Ok(edge);
    }
    if first.unwrap_or(0) == 0 {
        if size > 0 {
            tracing::warn!("the tiles of the audit log are made again from the journal");
        }
        return Ok(Edge::default());
    }
    // Purged segments cannot be read again: their tiles are all that is left of them.
    Err(TileError::OtherTree { size }.into())
}
