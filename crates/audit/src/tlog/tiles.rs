//! The tree on disk, in tiles of 256 hashes (C2SP `tlog-tiles`): written behind the journal, read for proofs.
//!
//! Tiles can be made again from the segments for as long as those are there. When old segments are purged,
//! their tiles stay: 32 bytes a record that go on proving everything later.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::checkpoint::SignedCheckpoint;
use super::proof::Subtrees;
use crate::merkle::{Hash, node_hash};

/// Hashes of a full tile.
const WIDTH: usize = 256;
/// Levels of the tree in one tile.
const HEIGHT: u32 = 8;

/// The file with the checkpoint that witnesses cosigned last.
pub(crate) const COSIGNED: &str = "checkpoint.cosigned";

/// The tiles cannot be read or written, or are not what they should be.
#[derive(Debug, thiserror::Error)]
pub enum TileError {
    /// The disk failed.
    #[error("cannot {action} {path}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A tile is missing or has another length.
    #[error("the tile {path} is missing or damaged")]
    Damaged {
        /// Its file.
        path: PathBuf,
    },
    /// The tree is not that large.
    #[error("the published tree has {size} records")]
    Beyond {
        /// Its size.
        size: u64,
    },
    /// There is no published checkpoint, or it is none.
    #[error("there is no published checkpoint in {path}")]
    NoCheckpoint {
        /// The folder.
        path: PathBuf,
    },
    /// The tiles do not make the tree that was signed.
    #[error("the tiles do not fit the signed tree at {size} records")]
    OtherTree {
        /// The size at which that was seen.
        size: u64,
    },
}

pub(crate) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> TileError {
    let path = path.to_owned();
    move |source| TileError::Io {
        action,
        path,
        source,
    }
}

/// `tile/L/N`, or `tile/L/N.p/W` for one that is not full.
pub(crate) fn tile_path(dir: &Path, level: u32, index: u64, width: usize) -> PathBuf {
    let mut parts = vec![format!("{:03}", index % 1000)];
    let mut rest = index / 1000;
    while rest > 0 {
        parts.push(format!("x{:03}", rest % 1000));
        rest /= 1000;
    }
    let mut path = dir.join("tile").join(level.to_string());
    let last = parts.len() - 1;
    for (place, part) in parts.iter().rev().enumerate() {
        if place == last && width < WIDTH {
            path.push(format!("{part}.p"));
            path.push(width.to_string());
        } else {
            path.push(part);
        }
    }
    path
}

/// The root of a full subtree.
fn fold(hashes: &[Hash]) -> Option<Hash> {
    match hashes {
        [] => None,
        [hash] => Some(*hash),
        _ => {
            let (left, right) = hashes.split_at(hashes.len() / 2);
            Some(node_hash(&fold(left)?, &fold(right)?))
        }
    }
}

/// The tiles in a folder, to read.
#[derive(Debug, Clone)]
pub struct Tiles {
    dir: PathBuf,
}

impl Tiles {
    /// The tiles in `dir`.
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
        }
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The checkpoint that was published last. Its signature is the caller's to check.
    pub fn checkpoint(&self) -> Result<SignedCheckpoint, TileError> {
        let path = self.dir.join("checkpoint");
        let missing = || TileError::NoCheckpoint {
            path: self.dir.clone(),
        };
        let note = match fs::read_to_string(&path) {
            Ok(note) => note,
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(missing()),
            Err(source) => return Err(io_error("read", &path)(source)),
        };
        SignedCheckpoint::parse(&note).map_err(|_| missing())
    }

    /// The checkpoint that witnesses cosigned last; the published one if none did.
    pub fn cosigned(&self) -> Result<SignedCheckpoint, TileError> {
        let note = fs::read_to_string(self.dir.join(COSIGNED)).ok();
        match note.and_then(|note| SignedCheckpoint::parse(&note).ok()) {
            Some(checkpoint) => Ok(checkpoint),
            None => self.checkpoint(),
        }
    }

    pub(crate) fn put_cosigned(&self, checkpoint: &SignedCheckpoint) -> Result<(), TileError> {
        write_file(&self.dir.join(COSIGNED), checkpoint.note().as_bytes())
    }

    /// The first `width` hashes of a tile.
    pub(crate) fn read(
        &self,
        level: u32,
        index: u64,
        width: usize,
    ) -> Result<Vec<Hash>, TileError> {
        let full = tile_path(&self.dir, level, index, WIDTH);
        let missing = |error: &io::Error| error.kind() == ErrorKind::NotFound;
        let bytes = match fs::read(&full) {
            Err(error) if missing(&error) => match self.read_partial(level, index, width) {
                Ok(bytes) => bytes,
                // It may have become full meanwhile, and its partial tiles gone.
                Err(damaged) => fs::read(&full).map_err(|_| damaged)?,
            },
            read => read.map_err(io_error("read", &full))?,
        };
        let (hashes, rest) = bytes.as_chunks::<32>();
        if rest.is_empty()
            && hashes.len() <= WIDTH
            && let Some(hashes) = hashes.get(..width)
        {
            return Ok(hashes.to_vec());
        }
        Err(TileError::Damaged { path: full })
    }

    /// The widest partial tile, if it is wide enough.
    fn read_partial(&self, level: u32, index: u64, width: usize) -> Result<Vec<u8>, TileError> {
        let wanted = tile_path(&self.dir, level, index, width.min(WIDTH - 1));
        let damaged = || TileError::Damaged {
            path: wanted.clone(),
        };
        let folder = wanted.parent().ok_or_else(damaged)?;
        let names = fs::read_dir(folder).map_err(|_| damaged())?;
        let widths = names.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let widest: usize = widths
            .max()
            .filter(|found| *found >= width)
            .ok_or_else(damaged)?;
        let path = tile_path(&self.dir, level, index, widest);
        fs::read(&path).map_err(io_error("read", &path))
    }
}

impl Subtrees for Tiles {
    fn subtree(&self, level: u32, index: u64) -> Result<Hash, TileError> {
        let (tile_level, height) = (level / HEIGHT, level % HEIGHT);
        let per_tile = HEIGHT - height;
        let tile = index >> per_tile;
        let first = usize::try_from((index - (tile << per_tile)) << height).unwrap_or(WIDTH);
        let end = first + (1 << height);
        let hashes = self.read(tile_level, tile, end)?;
        let root = hashes.get(first..end).and_then(fold);
        root.ok_or_else(|| TileError::Damaged {
            path: tile_path(&self.dir, tile_level, tile, WIDTH),
        })
    }
}

/// The right edge of the tree: for each level, the hashes of the tile that is not full yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Edge {
    pub(crate) size: u64,
    levels: Vec<Vec<Hash>>,
}

impl Edge {
    /// The edge of the first `size` leaves, out of tiles.
    pub(crate) fn read(tiles: &Tiles, size: u64) -> Result<Self, TileError> {
        let mut levels = Vec::new();
        let mut count = size;
        let mut level = 0;
        while count > 0 {
            let width = usize::try_from(count % 256).unwrap_or_default();
            let hashes = if width == 0 {
                Vec::new()
            } else {
                tiles.read(level, count / 256, width)?
            };
            levels.push(hashes);
            count /= 256;
            level += 1;
        }
        Ok(Self { size, levels })
    }

    /// Appends a leaf and tells of each tile that becomes full: level, index and hashes.
    pub(crate) fn push(
        &mut self,
        leaf: Hash,
        mut full: impl FnMut(u32, u64, &[Hash]) -> Result<(), TileError>,
    ) -> Result<(), TileError> {
        let mut hash = Some(leaf);
        let mut level = 0;
        let mut index = self.size / 256;
        while let Some(next) = hash.take() {
            if self.levels.len() == level {
                self.levels.push(Vec::with_capacity(WIDTH));
            }
            let Some(hashes) = self.levels.get_mut(level) else {
                break;
            };
            hashes.push(next);
            if hashes.len() == WIDTH {
                full(u32::try_from(level).unwrap_or(u32::MAX), index, hashes)?;
                hash = fold(hashes);
                hashes.clear();
                level += 1;
                index /= 256;
            }
        }
        self.size += 1;
        Ok(())
    }

    /// The tiles that are not full: level, index and hashes.
    pub(crate) fn partial(&self) -> impl Iterator<Item = (u32, u64, &[Hash])> {
        (0_u32..).zip(&self.levels).filter_map(|(level, hashes)| {
            let index = self.size.checked_shr(HEIGHT * (level + 1)).unwrap_or(0);
            (!hashes.is_empty()).then_some((level, index, hashes.as_slice()))
        })
    }

    /// The root of the tree.
    pub(crate) fn root(&self) -> Hash {
        let mut root: Option<Hash> = None;
        for hashes in &self.levels {
            let mut rest = hashes.as_slice();
            // The full subtrees of this level, the smallest first.
            while let Some(bit) = (!rest.is_empty()).then(|| rest.len().trailing_zeros()) {
                let (before, peak) = rest.split_at(rest.len() - (1 << bit));
                let peak = fold(peak);
                root = match (peak, root) {
                    (Some(peak), Some(right)) => Some(node_hash(&peak, &right)),
                    (peak, right) => peak.or(right),
                };
                rest = before;
            }
        }
        root.unwrap_or_else(|| crate::merkle::Frontier::default().root())
    }
}

/// Writes tiles.
#[derive(Debug)]
pub(crate) struct TileWriter {
    tiles: Tiles,
    pub(crate) edge: Edge,
    /// Written and not yet made durable.
    unsynced: Vec<PathBuf>,
}

impl TileWriter {
    pub(crate) fn new(dir: &Path, edge: Edge) -> Self {
        Self {
            tiles: Tiles::new(dir),
            edge,
            unsynced: Vec::new(),
        }
    }

    /// Appends a leaf, and writes the tiles that it fills.
    pub(crate) fn push(&mut self, leaf: Hash) -> Result<(), TileError> {
        let (dir, unsynced) = (&self.tiles.dir, &mut self.unsynced);
        self.edge.push(leaf, |level, index, hashes| {
            let path = tile_path(dir, level, index, WIDTH);
            write_file(&path, hashes.as_flattened())?;
            unsynced.push(path);
            let partial = tile_path(dir, level, index, 1);
            if let Some(folder) = partial.parent() {
                // What is left there takes room and harms nobody.
                drop(fs::remove_dir_all(folder));
            }
            Ok(())
        })
    }

    /// Writes the tiles that are not full.
    pub(crate) fn put_partial(&mut self) -> Result<(), TileError> {
        for (level, index, hashes) in self.edge.partial() {
            let path = tile_path(&self.tiles.dir, level, index, hashes.len());
            // One that a power failure left behind may be empty.
            if fs::read(&path).is_ok_and(|there| there == hashes.as_flattened()) {
                continue;
            }
            write_file(&path, hashes.as_flattened())?;
            self.unsynced.push(path);
        }
        Ok(())
    }

    /// Makes everything written so far durable, with the note that it was.
    pub(crate) fn seal(&mut self) -> Result<(), TileError> {
        self.put_partial()?;
        for path in self.unsynced.drain(..) {
            match File::open(&path) {
                Ok(file) => file.sync_all().map_err(io_error("write", &path))?,
                // A partial tile that has become a full one since.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(source) => return Err(io_error("write", &path)(source)),
            }
        }
        let path = resume_path(&self.tiles.dir);
        write_file(&path, format!("{}\n", self.edge.size).as_bytes())?;
        let file = File::open(&path).map_err(io_error("write", &path))?;
        file.sync_all().map_err(io_error("write", &path))
    }

    /// Publishes a checkpoint, whose tiles are there.
    pub(crate) fn publish(&mut self, checkpoint: &SignedCheckpoint) -> Result<(), TileError> {
        let path = self.tiles.dir.join("checkpoint");
        write_file(&path, checkpoint.note().as_bytes())
    }

    pub(crate) fn tiles(&self) -> &Tiles {
        &self.tiles
    }
}

fn resume_path(dir: &Path) -> PathBuf {
    dir.join("durable-size")
}

/// Up to which size the tiles were made durable.
pub(crate) fn durable_size(dir: &Path) -> u64 {
    let text = fs::read_to_string(resume_path(dir)).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

/// Writes a file whole: it appears under its name or not at all.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), TileError> {
    let new = path.with_extension("new");
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(io_error("make", folder))?;
    }
    let mut file = File::create(&new).map_err(io_error("make", &new))?;
    file.write_all(bytes).map_err(io_error("write", &new))?;
    drop(file);
    fs::rename(&new, path).map_err(io_error("make", path))
}

/// As [`write_file`], and it stays there whatever happens to this machine.
pub(crate) fn write_durably(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    let folder = path.parent();
    match folder.filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::proof;
    use super::*;
    use crate::merkle::{Frontier, leaf_hash};

    #[test]
    fn paths_are_those_of_the_specification() {
        let path = |index, width| tile_path(Path::new(""), 3, index, width);
        assert_eq!(path(1_234_067, 256), Path::new("tile/3/x001/x234/067"));
        assert_eq!(path(0, 7), Path::new("tile/3/000.p/7"));
        assert_eq!(path(1_000, 9), Path::new("tile/3/x001/000.p/9"));
    }

    #[test]
    fn tiles_make_the_tree_that_the_frontier_makes() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = TileWriter::new(dir.path(), Edge::default());
        let mut tree = Frontier::default();
        for number in 0..66_200_u64 {
            let leaf = leaf_hash(&number.to_be_bytes());
            writer.push(leaf).unwrap();
            tree.push(leaf);
            let look = number < 600 || number % 4_099 == 0 || number > 66_195;
            if look {
                assert_eq!(writer.edge.root(), tree.root(), "{number}");
            }
            if look && number % 7 == 0 {
                writer.put_partial().unwrap();
                let read = Edge::read(writer.tiles(), tree.size()).unwrap();
                assert_eq!(read.root(), tree.root(), "{number} read back");
                assert_eq!(
                    proof::root(writer.tiles(), tree.size()).unwrap(),
                    tree.root()
                );
            }
        }
        writer.seal().unwrap();
        assert_eq!(durable_size(dir.path()), 66_200);
        let tiles = writer.tiles();
        for (index, size) in [
            (0, 1),
            (0, 66_200),
            (65_535, 66_200),
            (66_199, 66_200),
            (300, 512),
        ] {
            let path = proof::inclusion(tiles, index, size).unwrap();
            let root = proof::root(tiles, size).unwrap();
            let leaf = leaf_hash(&index.to_be_bytes());
            proof::check_inclusion(&path, &leaf, index, size, &root).unwrap();
        }
        assert!(
            dir.path().join("tile/1/000").is_file(),
            "65,536 leaves fill level 1"
        );
        assert!(
            !dir.path().join("tile/0/000.p").exists(),
            "partial tiles go when it is full"
        );
    }
}
