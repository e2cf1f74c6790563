//! Reading the files of a journal: headers, frames, the checkpoint. Nothing here writes.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::error::JournalError;
use crate::format::{
    Checkpoint, FRAME_HEAD_BYTES, FrameHead, HEADER_BYTES, Header, MARK_BYTES, MARK_WORD,
    Malformed, SLOT_STRIDE, checkpoint_path, frame_crc, is_mark, segment_number, segment_path,
};
use crate::merkle::{Hash, leaf_hash};

/// How much is read at once: many records, little memory.
const BUFFER_BYTES: usize = 256 * 1024;

/// One whole frame; the body of a record is in [`Frames::body`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frame {
    Record { leaf: Hash },
    Mark { root: Hash, size: u64 },
}

/// Why there is no further frame.
#[derive(Debug)]
pub(crate) enum NoFrame {
    /// The end that was given is reached.
    End,
    /// The bytes are no frame.
    Bad(&'static str),
    /// The disk failed.
    Io(io::Error),
}

/// Reads the frames of one segment in order.
#[derive(Debug)]
pub(crate) struct Frames {
    file: BufReader<File>,
    offset: u64,
    body: Vec<u8>,
}

impl Frames {
    pub(crate) fn open(path: &Path, offset: u64) -> io::Result<Self> {
        let mut file = BufReader::with_capacity(BUFFER_BYTES, File::open(path)?);
        file.seek(SeekFrom::Start(offset))?;
        Ok(Self {
            file,
            offset,
            body: Vec::new(),
        })
    }

    /// Where the next frame begins.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The body of the record read last.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// Reads and checks the next frame, which must lie before `end`.
    pub(crate) fn next(&mut self, end: u64) -> Result<Frame, NoFrame> {
        let (head, length) = self.head(end)?;
        self.body.resize(length, 0);
        self.file.read_exact(&mut self.body).map_err(short)?;
        if frame_crc(head.word, &head.hash, &self.body) != head.crc {
            return Err(NoFrame::Bad("the checksum does not fit"));
        }
        self.advance(length);
        if head.word == MARK_WORD {
            let size = self
                .body
                .first_chunk()
                .copied()
                .map_or(0, u64::from_le_bytes);
            return Ok(Frame::Mark {
                root: head.hash,
                size,
            });
        }
        if leaf_hash(&self.body) != head.hash {
            return Err(NoFrame::Bad("the leaf hash does not fit"));
        }
        Ok(Frame::Record { leaf: head.hash })
    }

    /// Passes over the next frame without checking its body; the leaf hash if it was a record.
    pub(crate) fn skip(&mut self, end: u64) -> Result<Option<Hash>, NoFrame> {
        let (head, length) = self.head(end)?;
        let distance =
            i64::try_from(length).map_err(|_| NoFrame::Bad("the length is impossible"))?;
        self.file.seek_relative(distance).map_err(NoFrame::Io)?;
        self.advance(length);
        Ok((head.word != MARK_WORD).then_some(head.hash))
    }

    /// Reads the head of the next frame. A bad one leaves the position where it was only in `offset`.
    fn head(&mut self, end: u64) -> Result<(FrameHead, usize), NoFrame> {
        if self.offset >= end {
            return Err(NoFrame::End);
        }
        let left = end - self.offset;
        let mut bytes = [0; FRAME_HEAD_BYTES];
        if left < len(FRAME_HEAD_BYTES) {
            return Err(NoFrame::Bad("the frame is cut short"));
        }
        self.file.read_exact(&mut bytes).map_err(short)?;
        let head = FrameHead::decode(&bytes).ok_or(NoFrame::Bad("the frame is cut short"))?;
        let length = head
            .body_length()
            .ok_or(NoFrame::Bad("the length is impossible"))?;
        if left < len(FRAME_HEAD_BYTES + length) {
            return Err(NoFrame::Bad("the frame is cut short"));
        }
        Ok((head, length))
    }

    fn advance(&mut self, length: usize) {
        self.offset += len(FRAME_HEAD_BYTES + length);
    }
}

fn short(error: io::Error) -> NoFrame {
    if error.kind() == ErrorKind::UnexpectedEof {
        NoFrame::Bad("the file is cut short")
    } else {
        NoFrame::Io(error)
    }
}

/// A length as a position in a file.
pub(crate) fn len(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// Whether a whole mark begins anywhere after `from`: proof that everything before it was durable.
pub(crate) fn mark_follows(path: &Path, from: u64) -> io::Result<bool> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut window = Vec::with_capacity(BUFFER_BYTES + MARK_BYTES);
    let word = MARK_WORD.to_le_bytes();
    loop {
        let kept = window.len();
        let limit = len(BUFFER_BYTES);
        let read = Read::by_ref(&mut file)
            .take(limit)
            .read_to_end(&mut window)?;
        for at in 0..window.len() {
            let rest = window.get(at..).unwrap_or_default();
            if rest.starts_with(&word) && is_mark(rest) {
                return Ok(true);
            }
        }
        if read == 0 {
            return Ok(false);
        }
        // Keep what a mark across the border needs.
        let keep = (kept + read).min(MARK_BYTES - 1);
        window.drain(..window.len() - keep);
    }
}

/// A segment as it stands in the folder.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) header: Header,
    /// Length of its file.
    pub(crate) length: u64,
}

impl Segment {
    pub(crate) fn tampered(&self, offset: u64, what: &'static str) -> JournalError {
        JournalError::Tampered {
            segment: self.number,
            sequence: self.header.tree.size(),
            offset,
            what,
        }
    }
}

/// The numbers of the segments in `dir`, in order.
pub(crate) fn segment_numbers(dir: &Path) -> Result<Vec<u64>, JournalError> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(JournalError::io("list", dir))? {
        let entry = entry.map_err(JournalError::io("list", dir))?;
        numbers.extend(entry.file_name().to_str().and_then(segment_number));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Reads the header of a segment.
pub(crate) fn read_segment(dir: &Path, number: u64) -> Result<Segment, JournalError> {
    let path = segment_path(dir, number);
    let file = File::open(&path).map_err(JournalError::io("open", &path))?;
    let length = file
        .metadata()
        .map_err(JournalError::io("read", &path))?
        .len();
    let tampered = |what| JournalError::Tampered {
        segment: number,
        sequence: 0,
        offset: 0,
        what,
    };
    if length < HEADER_BYTES {
        return Err(tampered("the header is cut short"));
    }
    let mut bytes = vec![0; usize::try_from(HEADER_BYTES).unwrap_or_default()];
    file.read_exact_at(&mut bytes, 0)
        .map_err(JournalError::io("read", &path))?;
    let header = Header::decode(&bytes).map_err(|malformed| match malformed {
        Malformed::Damaged => tampered("the header is damaged"),
        Malformed::Version(version) => JournalError::UnsupportedVersion { version },
    })?;
    if header.number != number {
        return Err(tampered("the header names another segment"));
    }
    Ok(Segment {
        number,
        header,
        length,
    })
}

/// Checks that `next` follows `segment`: nothing missing in between, nothing cut off.
pub(crate) fn check_successor(segment: &Segment, next: &Segment) -> Result<(), JournalError> {
    let end = next.header.previous_end;
    if Some(next.number) != segment.number.checked_add(1) {
        return Err(segment.tampered(segment.length, "the next segment is missing"));
    }
    if end < HEADER_BYTES || end > segment.length {
        return Err(segment.tampered(segment.length, "the segment is cut short"));
    }
    if next.header.tree.size() < segment.header.tree.size() {
        return Err(next.tampered(0, "the header counts backwards"));
    }
    Ok(())
}

/// The valid slots of the checkpoint, the newest first.
pub(crate) fn read_checkpoint(dir: &Path) -> Result<Vec<Checkpoint>, JournalError> {
    let path = checkpoint_path(dir);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(JournalError::io("open", &path)(error)),
    };
    let mut slots = Vec::new();
    for slot in [0, SLOT_STRIDE] {
        let bytes = read_slot(&file, slot).map_err(JournalError::io("read", &path))?;
        match Checkpoint::decode(&bytes) {
            Ok(checkpoint) => slots.push(checkpoint),
            Err(Malformed::Version(version)) => {
                return Err(JournalError::UnsupportedVersion { version });
            }
            Err(Malformed::Damaged) => {}
        }
    }
    slots.sort_by_key(|slot| std::cmp::Reverse(slot.generation));
    Ok(slots)
}

/// Reads as much of a slot as its length field says.
fn read_slot(file: &File, at: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut source = file;
    source.seek(SeekFrom::Start(at))?;
    source.take(16).read_to_end(&mut bytes)?;
    let length = bytes.get(12..16).and_then(|word| word.try_into().ok());
    let length = u64::from(length.map_or(0, u32::from_le_bytes)).min(SLOT_STRIDE);
    source
        .take(length.saturating_sub(16))
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}
