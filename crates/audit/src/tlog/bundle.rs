//! Evidence to hand over: records, the signed tree that holds them, keys, and how to verify it without us.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::json;

use super::checkpoint::{NoteError, SignedCheckpoint, TreeHead};
use super::key::VerifyingKey;
use super::proof::{self, InclusionProof, check_consistency};
use super::succession::{CLOSED, LogKeys};
use super::tiles::{TileError, Tiles};
use crate::error::JournalError;
use crate::format::{HEADER_BYTES, segment_path};
use crate::frames::{Frame, Frames, NoFrame, Segment, read_segment, segment_numbers};
use crate::merkle::Frontier;
use crate::reader::{Reader, durable_head};
use crate::time_stamps::{FOLDER, Folder, Roots, StampedTree, newest};

/// The verifier that goes with a bundle: standard Python, written from the specifications.
pub const VERIFIER: &str = include_str!("../../../../docs/audit/verify.py");
const README: &str = include_str!("../../../../docs/audit/bundle-readme.md");
/// Most records with a proof and a readable copy of their own.
pub const RECORDS_MAX: usize = 100_000;

/// What goes into a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// The whole journal.
    Everything,
    /// These records, and the segments that hold them.
    Records(BTreeSet<u64>),
}

/// A bundle could not be made, or is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The journal could not be read.
    #[error("the journal could not be read")]
    Journal(#[from] JournalError),
    /// The published tree could not be read.
    #[error("the published tree could not be read")]
    Tiles(#[from] TileError),
    /// The checkpoint is not what it should be.
    #[error("the checkpoint of the bundle does not hold")]
    Note(#[from] NoteError),
    /// The disk failed.
    #[error("cannot write the bundle to {path}")]
    Io {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The folder is not empty.
    #[error("the folder {path} is not empty")]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// Too many records for proofs of their own.
    #[error("{count} records are too many for one bundle: at most {RECORDS_MAX}")]
    TooMany {
        /// How many there are.
        count: usize,
    },
    /// What is in the bundle was changed.
    #[error("the bundle was changed: {what} ({file})")]
    Changed {
        /// What does not fit.
        what: &'static str,
        /// Where.
        file: String,
    },
}

/// What a bundle holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bundle {
    /// Which log.
    pub origin: String,
    /// Records in the signed tree.
    pub tree: u64,
    /// Records in the bundle's segments.
    pub records: u64,
    /// Records with a proof of their own.
    pub proofs: u64,
    /// Segments.
    pub segments: u64,
    /// The newest tree that each time-stamping authority saw, as the certificates in the bundle have it.
    pub stamped: Vec<StampedTree>,
}

/// Where a bundle comes from.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The folder of the journal.
    pub journal: &'a Path,
    /// The folder of the published tree.
    pub tlog: &'a Path,
    /// The keys of the log.
    pub keys: &'a LogKeys,
    /// The keys of its witnesses.
    pub witnesses: &'a [VerifyingKey],
}

/// Proves one record against the newest tree that holds it, cosigned if witnesses saw it.
pub fn prove(source: Source<'_>, sequence: u64) -> Result<InclusionProof, BundleError> {
    let tiles = Tiles::new(source.tlog);
    let cosigned = tiles.cosigned()?;
    let checkpoint = if sequence < cosigned.head().size {
        cosigned
    } else {
        tiles.checkpoint()?
    };
    source.keys.verify(&checkpoint)?;
    let proof = InclusionProof {
        index: sequence,
        path: proof::inclusion(&tiles, sequence, checkpoint.head().size)?,
        checkpoint,
    };
    let leaf = proof::Subtrees::subtree(&tiles, 0, sequence)?;
    let fits = proof.check(&leaf);
    fits.map_err(|_| changed("the proof does not hold", "tile"))?;
    Ok(proof)
}

/// Writes a bundle into the empty or missing folder `out`.
pub fn write_bundle(
    source: Source<'_>,
    selection: &Selection,
    out: &Path,
) -> Result<Bundle, BundleError> {
    let writer = Writer { source, out };
    writer.begin()?;
    let tiles = Tiles::new(source.tlog);
    let checkpoint = tiles.checkpoint()?;
    source.keys.verify(&checkpoint)?;
    let size = checkpoint.head().size;
    writer.put("checkpoint", checkpoint.note().as_bytes())?;
    if let Ok(cosigned) = tiles.cosigned() {
        writer.put("checkpoint.cosigned", cosigned.note().as_bytes())?;
    }
    writer.copy_files(&source.tlog.join("tile"), Path::new("tile"))?;
    writer.copy_files(&source.tlog.join(FOLDER), Path::new(FOLDER))?;
    let (segments, records) = writer.segments(selection, size)?;
    let proofs = match selection {
        Selection::Everything => 0,
        Selection::Records(records) => writer.records(records, size)?,
    };
    writer.put("log.pub", format!("{}\n", source.keys.newest()).as_bytes())?;
    for (number, closing) in source.keys.closings().iter().enumerate() {
        let name = format!("{CLOSED}/{:04}", number + 1);
        writer.put(&name, closing.checkpoint.note().as_bytes())?;
    }
    let witnesses = source.witnesses.iter().enumerate();
    for (number, witness) in witnesses {
        let name = format!("witness-{}.pub", number + 1);
        writer.put(&name, format!("{witness}\n").as_bytes())?;
    }
    writer.put("verify.py", VERIFIER.as_bytes())?;
    let bundle = Bundle {
        origin: checkpoint.head().origin.clone(),
        tree: size,
        records,
        proofs,
        segments,
        stamped: stamped(out, source.keys, &tiles, checkpoint.head(), None)?,
    };
    writer.put("README.md", readme(&bundle).as_bytes())?;
    Ok(bundle)
}

fn readme(bundle: &Bundle) -> String {
    README
        .replace("{origin}", &bundle.origin)
        .replace("{tree}", &bundle.tree.to_string())
        .replace("{records}", &bundle.records.to_string())
        .replace("{proofs}", &bundle.proofs.to_string())
        .replace("{time_stamps}", &commands(&bundle.stamped))
}

/// How to verify the newest time stamp of each authority.
fn commands(stamped: &[StampedTree]) -> String {
    if stamped.is_empty() {
        return "# none / なし\n".to_owned();
    }
    let mut text = String::new();
    for StampedTree {
        authority, file, ..
    } in stamped
    {
        // Writing to a string can't fail.
        _ = writeln!(
            text,
            "openssl ts -verify -data {FOLDER}/{file}.checkpoint -in {FOLDER}/{file}.{authority}.tsr -CAfile {FOLDER}/{authority}.ca.pem"
        );
    }
    text
}

/// Checks the time stamps beside a tree: each is about an earlier, signed state of the same log. What they lead to is
/// given, or in the folder.
fn stamped(
    dir: &Path,
    keys: &LogKeys,
    tiles: &Tiles,
    now: &TreeHead,
    given: Option<&Roots>,
) -> Result<Vec<StampedTree>, BundleError> {
    let folder = Folder::of(dir);
    let mut all = Vec::new();
    for kept in folder.read()? {
        let checkpoint = SignedCheckpoint::parse(&kept.note)?;
        keys.verify(&checkpoint)?;
        let records = checkpoint.head().size;
        if records > now.size {
            // It was stamped while the bundle was written.
            continue;
        }
        grew(tiles, checkpoint.head(), now)
            .map_err(|_| changed("a time-stamped tree is another one", &kept.file))?;
        for authority in &kept.authorities {
            let checked = match given {
                Some(roots) => folder.check(&kept, authority, roots),
                None => folder
                    .roots(authority)
                    .and_then(|roots| folder.check(&kept, authority, &roots)),
            };
            all.push(StampedTree {
                authority: authority.clone(),
                records,
                time: checked.map_err(|_| changed("a time stamp does not hold", &kept.file))?,
                file: kept.file.clone(),
            });
        }
    }
    Ok(newest(all))
}

struct Writer<'a> {
    source: Source<'a>,
    out: &'a Path,
}

impl Writer<'_> {
    fn io(&self, source: std::io::Error) -> BundleError {
        BundleError::Io {
            path: self.out.to_owned(),
            source,
        }
    }

    fn begin(&self) -> Result<(), BundleError> {
        use std::os::unix::fs::DirBuilderExt as _;
        let made = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(self.out);
        made.map_err(|source| self.io(source))?;
        let mut there = fs::read_dir(self.out).map_err(|source| self.io(source))?;
        if there.next().is_some() {
            return Err(BundleError::NotEmpty {
                path: self.out.to_owned(),
            });
        }
        for folder in ["segments", "proofs", CLOSED] {
            fs::create_dir(self.out.join(folder)).map_err(|source| self.io(source))?;
        }
        Ok(())
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), BundleError> {
        fs::write(self.out.join(name), bytes).map_err(|source| self.io(source))
    }

    fn copy_files(&self, from: &Path, name: &Path) -> Result<(), BundleError> {
        let to = self.out.join(name);
        fs::create_dir_all(&to).map_err(|source| self.io(source))?;
        let entries = match fs::read_dir(from) {
            Ok(entries) => entries,
            // A log without records has no tiles, and one that nobody stamps no time stamps.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(self.io(source)),
        };
        for entry in entries {
            let entry = entry.map_err(|source| self.io(source))?;
            let path = entry.path();
            if path.is_dir() {
                self.copy_files(&path, &name.join(entry.file_name()))?;
            } else if path.extension().is_none_or(|extension| extension != "new") {
                // A partial tile may have become a full one meanwhile, which is copied too.
                match fs::copy(&path, to.join(entry.file_name())) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(self.io(error));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Copies segments up to the tree's end; how many, and how many records.
    fn segments(&self, selection: &Selection, size: u64) -> Result<(u64, u64), BundleError> {
        let journal = self.source.journal;
        let all = segment_numbers(journal)?
            .into_iter()
            .map(|number| read_segment(journal, number))
            .collect::<Result<Vec<_>, _>>()?;
        let nexts = all.iter().skip(1).map(Some).chain([None]);
        let (mut count, mut records) = (0, 0);
        for (segment, next) in all.iter().zip(nexts) {
            let first = segment.header.tree.size();
            let end = next.map_or(u64::MAX, |next| next.header.tree.size());
            let wanted = match selection {
                Selection::Everything => true,
                Selection::Records(wanted) => wanted.range(first..end).next().is_some(),
            };
            if wanted && first < size {
                records += self.segment(segment, next, size)?;
                count += 1;
            }
        }
        Ok((count, records))
    }

    fn segment(
        &self,
        segment: &Segment,
        next: Option<&Segment>,
        size: u64,
    ) -> Result<u64, BundleError> {
        let path = segment_path(self.source.journal, segment.number);
        let limit = next.map_or(segment.length, |next| segment.end(next));
        let opened = Frames::open(&path, HEADER_BYTES);
        let mut frames = opened.map_err(JournalError::io("open", &path))?;
        let first = segment.header.tree.size();
        let mut sequence = first;
        while sequence < size {
            match frames.skip(limit) {
                Ok(Some(_)) => sequence += 1,
                Ok(None) => {}
                Err(NoFrame::End) => break,
                Err(NoFrame::Bad(what)) => {
                    return Err(segment.tampered(frames.offset(), what).into());
                }
                Err(NoFrame::Io(source)) => {
                    return Err(JournalError::io("read", &path)(source).into());
                }
            }
        }
        let from = fs::File::open(&path).map_err(|source| self.io(source))?;
        let name = segment_path(&self.out.join("segments"), segment.number);
        let mut to = fs::File::create(name).map_err(|source| self.io(source))?;
        let mut part = std::io::Read::take(from, frames.offset());
        std::io::copy(&mut part, &mut to).map_err(|source| self.io(source))?;
        Ok(sequence - first)
    }

    /// Readable copies and proofs of chosen records.
    fn records(&self, wanted: &BTreeSet<u64>, size: u64) -> Result<u64, BundleError> {
        if wanted.len() > RECORDS_MAX {
            return Err(BundleError::TooMany {
                count: wanted.len(),
            });
        }
        let head = durable_head(self.source.journal)?;
        let path = self.out.join("records.ndjson");
        let mut lines = fs::File::create(path).map_err(|source| self.io(source))?;
        let mut proofs = 0;
        for sequence in wanted.range(..size) {
            let Some(entry) = Reader::get(self.source.journal, *sequence, head)? else {
                continue;
            };
            let line = json!({ "sequence": sequence, "record": entry.record });
            writeln!(lines, "{line}").map_err(|source| self.io(source))?;
            let proof = prove(self.source, *sequence)?;
            self.put(
                &format!("proofs/{sequence}.tlog-proof"),
                proof.text().as_bytes(),
            )?;
            proofs += 1;
        }
        Ok(proofs)
    }
}

fn changed(what: &'static str, file: &str) -> BundleError {
    BundleError::Changed {
        what,
        file: file.to_owned(),
    }
}

/// Verifies a bundle: each record is re-hashed and must be where the signed tree has it. Time stamps must lead to
/// `authorities`, or else to the certificates in the bundle.
pub fn verify_bundle(
    dir: &Path,
    key: &VerifyingKey,
    witnesses: &[VerifyingKey],
    authorities: Option<&Roots>,
) -> Result<Bundle, BundleError> {
    let tiles = Tiles::new(dir);
    let checkpoint = tiles.checkpoint()?;
    let closed = dir.join(CLOSED);
    let keys = LogKeys::read(key.clone(), &closed)
        .map_err(|_| changed("a closed log is damaged", CLOSED))?;
    keys.verify(&checkpoint)?;
    for closing in keys.closings() {
        grew(&tiles, closing.checkpoint.head(), checkpoint.head())
            .map_err(|_| changed("a closed log is another one", CLOSED))?;
    }
    for witness in witnesses {
        let cosigned = tiles.cosigned()?;
        cosigned.verify_cosignature(witness)?;
        grew(&tiles, cosigned.head(), checkpoint.head())
            .map_err(|_| changed("the cosigned tree is another one", "checkpoint.cosigned"))?;
    }
    let folder = dir.join("segments");
    let numbers = segment_numbers(&folder)?;
    let mut records = 0;
    for number in &numbers {
        records += verify_segment(&folder, *number, &tiles, &checkpoint)?;
    }
    let proofs = verify_proofs(dir, &keys)?;
    Ok(Bundle {
        origin: checkpoint.head().origin.clone(),
        tree: checkpoint.head().size,
        records,
        proofs,
        segments: crate::frames::len(numbers.len()),
        stamped: stamped(dir, &keys, &tiles, checkpoint.head(), authorities)?,
    })
}

/// Whether one tree is the beginning of the other.
fn grew(tiles: &Tiles, old: &TreeHead, new: &TreeHead) -> Result<(), BundleError> {
    let path = proof::consistency(tiles, old.size, new.size)?;
    check_consistency(&path, (old.size, &old.root), (new.size, &new.root))
        .map_err(|_| changed("the tree is another one", "checkpoint"))
}

fn verify_segment(
    folder: &Path,
    number: u64,
    tiles: &Tiles,
    checkpoint: &SignedCheckpoint,
) -> Result<u64, BundleError> {
    let segment = read_segment(folder, number)?;
    let mut tree = segment.header.tree.clone();
    in_tree(tiles, &tree, checkpoint, number)?;
    let path = segment_path(folder, number);
    let opened = Frames::open(&path, HEADER_BYTES);
    let mut frames = opened.map_err(JournalError::io("open", &path))?;
    loop {
        match frames.next(segment.length) {
            Ok(Frame::Record { leaf } | Frame::Purged { leaf }) => tree.push(leaf),
            Ok(Frame::Mark { root, size }) if (size, root) != (tree.size(), tree.root()) => {
                return Err(segment
                    .tampered(frames.offset(), "the tree does not fit the mark")
                    .into());
            }
            Ok(Frame::Mark { .. }) => {}
            Err(NoFrame::End) => break,
            Err(NoFrame::Bad(what)) => return Err(segment.tampered(frames.offset(), what).into()),
            Err(NoFrame::Io(source)) => {
                return Err(JournalError::io("read", &path)(source).into());
            }
        }
    }
    in_tree(tiles, &tree, checkpoint, number)?;
    Ok(tree.size() - segment.header.tree.size())
}

/// Whether the tree is the beginning of the signed one.
fn in_tree(
    tiles: &Tiles,
    tree: &Frontier,
    checkpoint: &SignedCheckpoint,
    segment: u64,
) -> Result<(), BundleError> {
    let head = checkpoint.head();
    let mut file = String::new();
    // Writing into a string cannot fail.
    let _: std::fmt::Result = write!(file, "segment {segment}");
    if tree.size() > head.size {
        return Err(changed("there are more records than were signed", &file));
    }
    let path = proof::consistency(tiles, tree.size(), head.size)?;
    check_consistency(&path, (tree.size(), &tree.root()), (head.size, &head.root))
        .map_err(|_| changed("the records are not in the signed tree", &file))
}

fn verify_proofs(dir: &Path, keys: &LogKeys) -> Result<u64, BundleError> {
    let Ok(lines) = fs::read_to_string(dir.join("records.ndjson")) else {
        return Ok(0);
    };
    let mut proofs = 0;
    for line in lines.lines() {
        let bad = || changed("a readable copy is not what was recorded", "records.ndjson");
        let line: Line = serde_json::from_str(line).map_err(|_| bad())?;
        let body = crate::canonical::text(&line.record).map_err(|_| bad())?;
        let name = format!("proofs/{}.tlog-proof", line.sequence);
        let proof = fs::read_to_string(dir.join(&name)).ok();
        let proof = proof.and_then(|text| InclusionProof::parse(&text).ok());
        let proof = proof.ok_or_else(|| changed("the proof is missing or damaged", &name))?;
        keys.verify(&proof.checkpoint)?;
        if proof.index != line.sequence || proof.check(&crate::merkle::leaf_hash(&body)).is_err() {
            return Err(bad());
        }
        proofs += 1;
    }
    Ok(proofs)
}

#[derive(serde::Deserialize)]
struct Line {
    sequence: u64,
    record: sekimori_domain::record::Record,
}
