//! The journal on disk, version 3: enough to write an independent reader.
//!
//! All integers are little-endian. Hashes are SHA-256 as in RFC 6962: a leaf is `SHA-256(0x00 ‖ body)`, an
//! inner node `SHA-256(0x01 ‖ left ‖ right)`. CRC is CRC-32C (Castagnoli, RFC 3720).
//!
//! # Files of a journal folder
//! | name | content |
//! |---|---|
//! | `lock` | empty; the writing process holds an exclusive `flock` on it |
//! | `00000000000000000001.segment`, … | the segments, numbered without gaps, 20 decimal digits |
//! | `checkpoint` | how far the log is durable, with its root; two slots |
//! | `*.new` | a file being made; never part of the log |
//!
//! # Sequence numbers
//! Records are numbered from 0 without gaps over all segments; the number is the index of the record's leaf
//! in the Merkle tree. It is not stored: it is `first sequence` of the segment plus the count of record
//! frames before it.
//!
//! # Segment
//! A header of 4,096 bytes, then frames without padding.
//!
//! | offset | bytes | header field |
//! |---|---|---|
//! | 0 | 8 | `sekimori` in ASCII |
//! | 8 | 4 | version = 3; 1 had no notes, 2 no purged segments |
//! | 12 | 8 | segment number |
//! | 20 | 8 | first sequence = tree size before this segment |
//! | 28 | 8 | when it was made, microseconds since 1970 UTC |
//! | 36 | 8 | where the **previous segment ends**, in bytes (0 for number 1) |
//! | 44 | 32 | tree root before this segment |
//! | 76 | 4 | number *p* of peaks |
//! | 80 | 32·*p* | peaks: roots of the full subtrees before this segment, largest first |
//! | … | 2 + *n* | length and UTF-8 text of the node's name |
//! | … | 2 + *n* | length and text of the newest signed checkpoint before this segment (0: none) |
//! | … | 8 | 0; of a **purged** segment where it ended before, in bytes |
//! | … | … | zeros |
//! | 4,092 | 4 | CRC of bytes 0 to 4,091 |
//!
//! A segment is valid up to where its successor says it ends, and the last one up to the checkpoint; what
//! lies behind is **abandoned** (a batch whose fsync failed, or that a crash cut short) and is no record.
//! A segment appears under its name only when its header is durable.
//!
//! A segment that has a successor may be **purged**: another file takes its place, with the same header but for
//! that one field, with purged frames in place of records whose time is over, and without marks. It is valid to
//! the end of its file. Which records are gone is told by a record of the kind `retention.purge` behind it in
//! the same log: `detail.segment`, `detail.purged` (how many are gone by then), and `detail.digest`, the SHA-256
//! of their sequence numbers in order, 8 bytes each. What is gone without such a record was removed by somebody.
//!
//! # Frames
//! | bytes | record frame | mark frame | purged frame |
//! |---|---|---|---|
//! | 4 | length *n* of the body, at most 2 MiB | `0x8000_0008` | `0x8000_0000` |
//! | 4 | CRC of the frame without these four bytes | the same | the same |
//! | 32 | leaf hash of the body | tree root | leaf hash of the body that was there |
//! | *n*, 8 or 0 | body: one audit record, canonical JSON (RFC 8785) | tree size | – |
//!
//! Every group commit is one write that begins with a mark (the first of a segment has the header instead)
//! and is followed by one `fdatasync`. The next one is written only when that succeeded. So **a mark proves that
//! everything before it was durable**: damage with a mark behind it is no torn write.
//!
//! # Checkpoint
//! Two slots of 1 MiB (at 0 and 1 MiB), written in turn after each group commit and before its callers are
//! told; the valid slot with the higher generation counts.
//!
//! | bytes | slot field |
//! |---|---|
//! | 8 | `sekickpt` in ASCII |
//! | 4 | version as of a segment; 1 had no note |
//! | 4 | length of the slot including the CRC |
//! | 8 | generation |
//! | 8 | tree size |
//! | 32 | tree root |
//! | 8 + 8 | last segment's number, and where its durable part ends |
//! | 4 + 32·*p* | peaks |
//! | 4 + 40·*i* | intents without outcome: call id (16), sequence (8), segment (8), offset of the frame (8) |
//! | 4 + *n* | length and text of the signed checkpoint of that tree (0: none, or not signed yet) |
//! | 4 | CRC of all before |

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sekimori_domain::ids::CallId;
use uuid::Uuid;

use crate::merkle::{Frontier, Hash, PEAKS_MAX, leaf_hash};

/// The version of the format that is written.
pub const FORMAT_VERSION: u32 = 3;
/// Size of a segment's header.
pub const HEADER_BYTES: u64 = 4096;
/// Largest body of a record: masked arguments of the largest size fit.
pub const RECORD_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Most calls between intent and outcome: far above the calls in flight of one node.
pub const OPEN_INTENTS_MAX: usize = 16_384;

/// Bytes of a frame before its body.
pub(crate) const FRAME_HEAD_BYTES: usize = 40;
/// Bytes of a whole mark.
pub(crate) const MARK_BYTES: usize = FRAME_HEAD_BYTES + 8;
/// The length word of a mark.
pub(crate) const MARK_WORD: u32 = 0x8000_0008;
/// The length word of a record that was purged.
pub(crate) const PURGED_WORD: u32 = 0x8000_0000;
/// Distance of the two slots of the checkpoint.
pub(crate) const SLOT_STRIDE: u64 = 1024 * 1024;
/// Longest name of a node.
pub(crate) const NODE_BYTES_MAX: usize = 255;

const HEADER_LEN: usize = 4096;
const SEGMENT_MAGIC: &[u8; 8] = b"sekimori";
const CHECKPOINT_MAGIC: &[u8; 8] = b"sekickpt";

/// Path of a segment.
pub(crate) fn segment_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:020}.segment"))
}

/// Path of the checkpoint.
pub(crate) fn checkpoint_path(dir: &Path) -> PathBuf {
    dir.join("checkpoint")
}

/// The number in a segment's file name; `None` for other files.
pub(crate) fn segment_number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".segment")?;
    let plain = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

/// The header of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) number: u64,
    pub(crate) created_us: i64,
    pub(crate) previous_end: u64,
    /// The tree before this segment; its size is the first sequence.
    pub(crate) tree: Frontier,
    pub(crate) node: String,
    /// The newest signed checkpoint before this segment; empty if there is none.
    pub(crate) note: String,
    /// Of a purged segment, where it ended before.
    pub(crate) purged_end: Option<u64>,
}

/// Why bytes are no header or checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Malformed {
    Damaged,
    Version(u32),
}

impl Header {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_LEN);
        out.extend_from_slice(SEGMENT_MAGIC);
        out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.tree.size().to_le_bytes());
        out.extend_from_slice(&self.created_us.to_le_bytes());
        out.extend_from_slice(&self.previous_end.to_le_bytes());
        out.extend_from_slice(&self.tree.root());
        put_peaks(&mut out, &self.tree);
        let node = self.node.as_bytes();
        out.extend_from_slice(&u16::try_from(node.len()).unwrap_or(u16::MAX).to_le_bytes());
        out.extend_from_slice(node);
        let note = self.note.as_bytes();
        out.extend_from_slice(&u16::try_from(note.len()).unwrap_or(u16::MAX).to_le_bytes());
        out.extend_from_slice(note);
        out.extend_from_slice(&self.purged_end.unwrap_or_default().to_le_bytes());
        out.resize(HEADER_LEN - 4, 0);
        put_crc(&mut out);
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() != HEADER_LEN {
            return Err(Malformed::Damaged);
        }
        let (mut take, version) = checked(bytes, SEGMENT_MAGIC)?;
        Self::fields(&mut take, version).ok_or(Malformed::Damaged)
    }

    fn fields(take: &mut Take<'_>, version: u32) -> Option<Self> {
        let number = take.u64()?;
        let size = take.u64()?;
        let created_us = i64::from_le_bytes(take.array()?);
        let previous_end = take.u64()?;
        let root: Hash = take.array()?;
        let tree = take.tree(size, &root)?;
        let node = take.text()?;
        let note = if version == 1 {
            String::new()
        } else {
            take.text()?
        };
        let purged_end = if version <= 2 { 0 } else { take.u64()? };
        Some(Self {
            number,
            created_us,
            previous_end,
            tree,
            node,
            note,
            purged_end: (purged_end > 0).then_some(purged_end),
        })
    }
}

/// Where the intent of an open call lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpenIntent {
    pub(crate) sequence: u64,
    pub(crate) segment: u64,
    pub(crate) offset: u64,
}

/// The calls whose intent has no outcome yet.
pub(crate) type OpenIntents = BTreeMap<CallId, OpenIntent>;

/// How far the log is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) generation: u64,
    pub(crate) tree: Frontier,
    pub(crate) segment: u64,
    pub(crate) offset: u64,
    pub(crate) open: OpenIntents,
    /// The tree, signed; empty if it was not.
    pub(crate) note: String,
}

impl Checkpoint {
    pub(crate) fn encode_into(
        out: &mut Vec<u8>,
        generation: u64,
        tree: &Frontier,
        place: (u64, u64),
        open: &OpenIntents,
        note: &str,
    ) {
        out.clear();
        out.extend_from_slice(CHECKPOINT_MAGIC);
        out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        let fixed = 8 + 4 + 4 + 8 + 8 + 32 + 16 + 4 + 4 + 4 + 4;
        let length = fixed + tree.peaks().len() * 32 + open.len() * 40 + note.len();
        out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(&generation.to_le_bytes());
        out.extend_from_slice(&tree.size().to_le_bytes());
        out.extend_from_slice(&tree.root());
        out.extend_from_slice(&place.0.to_le_bytes());
        out.extend_from_slice(&place.1.to_le_bytes());
        put_peaks(out, tree);
        out.extend_from_slice(&u32::try_from(open.len()).unwrap_or(u32::MAX).to_le_bytes());
        for (call, intent) in open {
            out.extend_from_slice(call.0.as_bytes());
            out.extend_from_slice(&intent.sequence.to_le_bytes());
            out.extend_from_slice(&intent.segment.to_le_bytes());
            out.extend_from_slice(&intent.offset.to_le_bytes());
        }
        out.extend_from_slice(&u32::try_from(note.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(note.as_bytes());
        put_crc(out);
    }

    /// Reads one slot; `bytes` may be longer than what was written.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let length = bytes.get(12..16).and_then(|word| word.try_into().ok());
        let length = length.map_or(0, u32::from_le_bytes);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let bytes = bytes.get(..length).ok_or(Malformed::Damaged)?;
        let (mut take, version) = checked(bytes, CHECKPOINT_MAGIC)?;
        Self::fields(&mut take, version).ok_or(Malformed::Damaged)
    }

    fn fields(take: &mut Take<'_>, version: u32) -> Option<Self> {
        take.bytes(4)?;
        let generation = take.u64()?;
        let size = take.u64()?;
        let root: Hash = take.array()?;
        let segment = take.u64()?;
        let offset = take.u64()?;
        let tree = take.tree(size, &root)?;
        let count = usize::try_from(take.u32()?).ok()?;
        if count > OPEN_INTENTS_MAX {
            return None;
        }
        let mut open = OpenIntents::new();
        for _ in 0..count {
            let call = CallId(Uuid::from_bytes(take.array()?));
            let sequence = take.u64()?;
            let segment = take.u64()?;
            let offset = take.u64()?;
            let intent = OpenIntent {
                sequence,
                segment,
                offset,
            };
            open.insert(call, intent);
        }
        let note = if version == 1 {
            String::new()
        } else {
            let length = usize::try_from(take.u32()?).ok()?;
            String::from_utf8(take.bytes(length)?.to_vec()).ok()?
        };
        Some(Self {
            generation,
            tree,
            segment,
            offset,
            open,
            note,
        })
    }
}

/// A record as it lies in a segment, ready to be written.
pub(crate) fn record_frame(body: &[u8]) -> (Vec<u8>, Hash) {
    let leaf = leaf_hash(body);
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let mut frame = Vec::with_capacity(FRAME_HEAD_BYTES + body.len());
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&frame_crc(length, &leaf, body).to_le_bytes());
    frame.extend_from_slice(&leaf);
    frame.extend_from_slice(body);
    (frame, leaf)
}

/// The text in a frame that [`record_frame`] made.
pub(crate) fn record_text(frame: &[u8]) -> Option<String> {
    let body = frame.get(FRAME_HEAD_BYTES..)?;
    str::from_utf8(body).ok().map(str::to_owned)
}

/// What stays of a record that was purged.
pub(crate) fn put_purged(out: &mut Vec<u8>, leaf: &Hash) {
    out.extend_from_slice(&PURGED_WORD.to_le_bytes());
    out.extend_from_slice(&frame_crc(PURGED_WORD, leaf, &[]).to_le_bytes());
    out.extend_from_slice(leaf);
}

/// Appends the mark of `tree`, at the beginning of a batch.
pub(crate) fn put_mark(out: &mut Vec<u8>, tree: &Frontier) {
    let root = tree.root();
    let size = tree.size().to_le_bytes();
    out.extend_from_slice(&MARK_WORD.to_le_bytes());
    out.extend_from_slice(&frame_crc(MARK_WORD, &root, &size).to_le_bytes());
    out.extend_from_slice(&root);
    out.extend_from_slice(&size);
}

/// The CRC of a frame.
pub(crate) fn frame_crc(word: u32, hash: &Hash, body: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&word.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(crc, hash), body)
}

/// The fixed part of a frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FrameHead {
    pub(crate) word: u32,
    pub(crate) crc: u32,
    pub(crate) hash: Hash,
}

impl FrameHead {
    pub(crate) fn decode(bytes: &[u8; FRAME_HEAD_BYTES]) -> Option<Self> {
        let mut take = Take(bytes);
        Some(Self {
            word: take.u32()?,
            crc: take.u32()?,
            hash: take.array()?,
        })
    }

    /// Length of the body; `None` if no frame has such a length word.
    pub(crate) fn body_length(&self) -> Option<usize> {
        match self.word {
            MARK_WORD => return Some(8),
            PURGED_WORD => return Some(0),
            _ => {}
        }
        usize::try_from(self.word)
            .ok()
            .filter(|length| *length <= RECORD_BYTES_MAX)
    }
}

/// Whether a whole mark lies at the beginning of `bytes`.
pub(crate) fn is_mark(bytes: &[u8]) -> bool {
    let Some((head, rest)) = bytes.split_first_chunk::<FRAME_HEAD_BYTES>() else {
        return false;
    };
    let (Some(head), Some(body)) = (FrameHead::decode(head), rest.get(..8)) else {
        return false;
    };
    head.word == MARK_WORD && frame_crc(head.word, &head.hash, body) == head.crc
}

fn put_peaks(out: &mut Vec<u8>, tree: &Frontier) {
    let count = u32::try_from(tree.peaks().len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&count.to_le_bytes());
    for peak in tree.peaks() {
        out.extend_from_slice(peak);
    }
}

fn put_crc(out: &mut Vec<u8>) {
    let crc = crc32c::crc32c(out);
    out.extend_from_slice(&crc.to_le_bytes());
}

/// Checks CRC, magic and version, and returns the fields behind them, and the version.
fn checked<'a>(bytes: &'a [u8], magic: &[u8]) -> Result<(Take<'a>, u32), Malformed> {
    let (fields, crc) = bytes.split_last_chunk::<4>().ok_or(Malformed::Damaged)?;
    if crc32c::crc32c(fields) != u32::from_le_bytes(*crc) {
        return Err(Malformed::Damaged);
    }
    let mut take = Take(fields);
    if take.bytes(8) != Some(magic) {
        return Err(Malformed::Damaged);
    }
    match take.u32() {
        Some(version @ 1..=FORMAT_VERSION) => Ok((take, version)),
        Some(version) => Err(Malformed::Version(version)),
        None => Err(Malformed::Damaged),
    }
}

/// Reads fields off the front.
struct Take<'a>(&'a [u8]);

impl<'a> Take<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A text behind its length of 16 bits.
    fn text(&mut self) -> Option<String> {
        let length = usize::from(u16::from_le_bytes(self.array()?));
        String::from_utf8(self.bytes(length)?.to_vec()).ok()
    }

    /// The peaks of a tree whose root must be `root`.
    fn tree(&mut self, size: u64, root: &Hash) -> Option<Frontier> {
        let count = usize::try_from(self.u32()?).ok()?;
        if count > PEAKS_MAX {
            return None;
        }
        let mut peaks = Vec::with_capacity(count);
        for _ in 0..count {
            peaks.push(self.array()?);
        }
        Frontier::from_parts(size, peaks).filter(|tree| tree.root() == *root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(size: u8) -> Frontier {
        let mut tree = Frontier::default();
        (0..size).for_each(|leaf| tree.push(leaf_hash(&[leaf])));
        tree
    }

    #[test]
    fn a_header_reads_back_and_any_changed_byte_shows() {
        let header = Header {
            number: 7,
            created_us: -3,
            previous_end: 9_999,
            tree: tree(77),
            node: "gate-1.東京".into(),
            note: "a\n1\n\n".into(),
            purged_end: Some(7_777),
        };
        let bytes = header.encode();
        assert_eq!(bytes.len(), HEADER_LEN);
        assert_eq!(Header::decode(&bytes), Ok(header));
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 0x10;
            assert!(Header::decode(&bad).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_newer_version_is_named() {
        let header = Header {
            number: 1,
            created_us: 0,
            previous_end: 0,
            tree: tree(0),
            node: "a".into(),
            note: String::new(),
            purged_end: None,
        };
        let mut bytes = header.encode();
        bytes[8] = 4;
        bytes.truncate(HEADER_LEN - 4);
        put_crc(&mut bytes);
        assert_eq!(Header::decode(&bytes), Err(Malformed::Version(4)));
        // Version 1 ended before the note.
        bytes[8] = 1;
        bytes.truncate(HEADER_LEN - 4);
        put_crc(&mut bytes);
        assert_eq!(Header::decode(&bytes), Ok(header));
    }

    #[test]
    fn a_checkpoint_reads_back_from_a_longer_slot() {
        let open = OpenIntents::from([(
            CallId(Uuid::from_u128(5)),
            OpenIntent {
                sequence: 3,
                segment: 2,
                offset: 4_096,
            },
        )]);
        let mut bytes = Vec::new();
        Checkpoint::encode_into(&mut bytes, 12, &tree(9), (2, 8_000), &open, "note");
        let written = bytes.len();
        bytes.resize(written + 500, 0xaa);
        let read = Checkpoint::decode(&bytes).unwrap();
        assert_eq!((read.generation, read.segment, read.offset), (12, 2, 8_000));
        assert_eq!((&read.tree, &read.open), (&tree(9), &open));
        assert_eq!(read.note, "note");
        for at in 0..written {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert!(Checkpoint::decode(&bad).is_err(), "byte {at}");
        }
    }

    #[test]
    fn the_largest_checkpoint_fits_its_slot() {
        let intent = OpenIntent {
            sequence: 0,
            segment: 0,
            offset: 0,
        };
        let calls = u128::try_from(OPEN_INTENTS_MAX).unwrap();
        let open = (0..calls).map(|call| (CallId(Uuid::from_u128(call)), intent));
        let widest = Frontier::from_parts(u64::MAX, vec![[0; 32]; PEAKS_MAX]).unwrap();
        let mut bytes = Vec::new();
        let note = "n".repeat(crate::tlog::checkpoint::NOTE_BYTES_MAX);
        Checkpoint::encode_into(&mut bytes, 0, &widest, (0, 0), &open.collect(), &note);
        assert!(u64::try_from(bytes.len()).unwrap() <= SLOT_STRIDE);
        assert!(Checkpoint::decode(&bytes).is_ok());
    }

    #[test]
    fn only_segments_have_segment_names() {
        assert_eq!(segment_number("00000000000000000042.segment"), Some(42));
        for other in [
            "42.segment",
            "00000000000000000042.segment.new",
            "checkpoint",
            "+0000000000000000042.segment",
        ] {
            assert_eq!(segment_number(other), None, "{other}");
        }
    }
}
