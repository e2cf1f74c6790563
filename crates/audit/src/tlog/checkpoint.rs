//! Signed checkpoints (C2SP `tlog-checkpoint`, `signed-note`) and cosignatures (`tlog-cosignature`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::key::{ID_BYTES, KeyKind, SigningKey, VerifyingKey};
use crate::merkle::Hash;

/// Largest signed checkpoint of our own making: origin, size, root, two keys where it is the last, and one signature.
pub const NOTE_BYTES_MAX: usize = 1_536;
/// Largest checkpoint that is read, with the cosignatures of witnesses.
const READ_BYTES_MAX: usize = 64 * 1024;
/// Most signatures that are looked at.
const SIGNATURES_MAX: usize = 100;

/// How large the tree of a log was, and its root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeHead {
    /// Which log: the name of its key.
    pub origin: String,
    /// Number of leaves.
    pub size: u64,
    /// The root.
    pub root: Hash,
}

/// Why a text is no checkpoint, or none that may be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not the form of a checkpoint.
    #[error("not a signed checkpoint")]
    Malformed,
    /// No signature of the key that was asked for.
    #[error("the checkpoint is not signed by the expected key")]
    Unsigned,
    /// A signature of the key that is none.
    #[error("the signature of the checkpoint is false")]
    FalseSignature,
    /// The checkpoint is one of another log.
    #[error("the checkpoint is of another log")]
    OtherLog,
    /// The log was closed before it had so many records.
    #[error("the checkpoint is signed with a key that was replaced before")]
    Closed,
}

impl TreeHead {
    /// The text that is signed.
    pub fn text(&self) -> String {
        format!(
            "{}\n{}\n{}\n",
            self.origin,
            self.size,
            STANDARD.encode(self.root)
        )
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        // Extension lines may follow; none may be empty.
        if origin.is_empty() || lines.any(str::is_empty) {
            return None;
        }
        Some(Self {
            origin: origin.to_owned(),
            size: decimal(size)?,
            root: hash(root)?,
        })
    }
}

/// A number as these formats spell it: digits, without leading zeros.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let padded = text.len() > 1 && text.starts_with('0');
    if plain && !padded {
        text.parse().ok()
    } else {
        None
    }
}

/// A hash in base64.
pub(crate) fn hash(text: &str) -> Option<Hash> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

/// One line of signature.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Signature {
    name: String,
    id: [u8; ID_BYTES],
    bytes: Vec<u8>,
}

impl Signature {
    fn line(&self) -> String {
        let mut bytes = self.id.to_vec();
        bytes.extend_from_slice(&self.bytes);
        format!("\u{2014} {} {}\n", self.name, STANDARD.encode(bytes))
    }

    fn parse(line: &str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        let bytes = STANDARD.decode(encoded).ok()?;
        let (id, bytes) = bytes.split_first_chunk::<ID_BYTES>()?;
        if name.is_empty() || bytes.is_empty() {
            return None;
        }
        Some(Self {
            name: name.to_owned(),
            id: *id,
            bytes: bytes.to_vec(),
        })
    }
}

/// A checkpoint with its signatures: a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    head: TreeHead,
    /// With extension lines, if another log wrote some.
    text: String,
    signatures: Vec<Signature>,
}

impl SignedCheckpoint {
    /// Signs a head, whose origin becomes the name of the key.
    pub fn sign(key: &SigningKey, size: u64, root: Hash) -> Self {
        Self::sign_with(key, (size, root), "")
    }

    /// As [`SignedCheckpoint::sign`], with extension lines, each of which ends in a line feed.
    pub(crate) fn sign_with(key: &SigningKey, (size, root): (u64, Hash), lines: &str) -> Self {
        let head = TreeHead {
            origin: key.verifying().name().to_owned(),
            size,
            root,
        };
        let text = head.text() + lines;
        let signature = Signature {
            name: head.origin.clone(),
            id: key.verifying().id(),
            bytes: key.sign(text.as_bytes()),
        };
        Self {
            head,
            text,
            signatures: vec![signature],
        }
    }

    /// Reads a note. Nothing is verified yet.
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        if note.len() > READ_BYTES_MAX {
            return Err(NoteError::Malformed);
        }
        let (text, lines) = note.rsplit_once("\n\n").ok_or(NoteError::Malformed)?;
        let text = format!("{text}\n");
        let head = TreeHead::parse(&text).ok_or(NoteError::Malformed)?;
        Ok(Self {
            head,
            text,
            signatures: signatures(lines).ok_or(NoteError::Malformed)?,
        })
    }

    /// The lines behind size and root.
    pub(crate) fn extensions(&self) -> impl Iterator<Item = &str> {
        self.text.lines().skip(3)
    }

    /// What it says.
    pub fn head(&self) -> &TreeHead {
        &self.head
    }

    /// The note, as it is stored and sent.
    pub fn note(&self) -> String {
        let lines: String = self.signatures.iter().map(Signature::line).collect();
        format!("{}\n{lines}", self.text)
    }

    /// Whether the log's key signed it.
    pub fn verify(&self, key: &VerifyingKey) -> Result<(), NoteError> {
        if self.head.origin != key.name() {
            return Err(NoteError::OtherLog);
        }
        let signature = self.signature_of(key).ok_or(NoteError::Unsigned)?;
        if key.kind() == KeyKind::Log && key.verifies(self.text.as_bytes(), &signature.bytes) {
            Ok(())
        } else {
            Err(NoteError::FalseSignature)
        }
    }

    /// When the witness cosigned it, in seconds since 1970.
    pub fn verify_cosignature(&self, key: &VerifyingKey) -> Result<u64, NoteError> {
        let signature = self.signature_of(key).ok_or(NoteError::Unsigned)?;
        let (time, bytes) = signature
            .bytes
            .split_first_chunk::<8>()
            .ok_or(NoteError::FalseSignature)?;
        let time = u64::from_be_bytes(*time);
        let message = cosigned(time, &self.text);
        if key.kind() == KeyKind::Witness && key.verifies(message.as_bytes(), bytes) {
            Ok(time)
        } else {
            Err(NoteError::FalseSignature)
        }
    }

    /// The cosignature of a witness, as one line.
    pub fn cosign(&self, key: &SigningKey, time: u64) -> String {
        let mut bytes = time.to_be_bytes().to_vec();
        bytes.extend(key.sign(cosigned(time, &self.text).as_bytes()));
        let signature = Signature {
            name: key.verifying().name().to_owned(),
            id: key.verifying().id(),
            bytes,
        };
        signature.line()
    }

    /// Takes the cosignature of `witness` out of what it answered, if it is a true one.
    pub fn add_cosignature(
        &mut self,
        witness: &VerifyingKey,
        answer: &str,
    ) -> Result<(), NoteError> {
        let lines = signatures(answer).ok_or(NoteError::Malformed)?;
        let own = |line: &&Signature| line.name == witness.name() && line.id == witness.id();
        let found = lines.iter().find(own).ok_or(NoteError::Unsigned)?;
        let mut with = self.clone();
        with.signatures
            .retain(|line| line.name != found.name || line.id != found.id);
        with.signatures.push(found.clone());
        with.verify_cosignature(witness)?;
        *self = with;
        Ok(())
    }

    fn signature_of(&self, key: &VerifyingKey) -> Option<&Signature> {
        let id = key.id();
        self.signatures
            .iter()
            .find(|line| line.name == key.name() && line.id == id)
    }
}

fn signatures(lines: &str) -> Option<Vec<Signature>> {
    let lines = lines.strip_suffix('\n')?;
    if lines.split('\n').count() > SIGNATURES_MAX {
        return None;
    }
    lines.split('\n').map(Signature::parse).collect()
}

/// What a witness signs.
fn cosigned(time: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: KeyKind, seed: u8) -> SigningKey {
        SigningKey::from_seed("example.com/log", kind, [seed; 32]).unwrap()
    }

    #[test]
    fn a_signed_checkpoint_reads_back_and_any_change_shows() {
        let key = key(KeyKind::Log, 1);
        let signed = SignedCheckpoint::sign(&key, 7, [3; 32]);
        let note = signed.note();
        assert!(note.len() <= NOTE_BYTES_MAX);
        let read = SignedCheckpoint::parse(&note).unwrap();
        assert_eq!(read, signed);
        assert_eq!(read.verify(key.verifying()), Ok(()));
        for at in 0..note.len() {
            let mut bytes = note.clone().into_bytes();
            bytes[at] ^= 1;
            let changed = String::from_utf8(bytes).map(|text| SignedCheckpoint::parse(&text));
            let passes = matches!(changed, Ok(Ok(note)) if note.verify(key.verifying()).is_ok());
            assert!(!passes, "byte {at}");
        }
    }

    #[test]
    fn other_keys_and_logs_do_not_count() {
        let own = key(KeyKind::Log, 1);
        let signed = SignedCheckpoint::sign(&own, 7, [3; 32]);
        let other = key(KeyKind::Log, 2);
        assert_eq!(signed.verify(other.verifying()), Err(NoteError::Unsigned));
        let named = SigningKey::from_seed("b", KeyKind::Log, [1; 32]).unwrap();
        assert_eq!(signed.verify(named.verifying()), Err(NoteError::OtherLog));
    }

    #[test]
    fn a_cosignature_binds_time_and_text() {
        let witness = SigningKey::from_seed("w", KeyKind::Witness, [5; 32]).unwrap();
        let mut signed = SignedCheckpoint::sign(&key(KeyKind::Log, 1), 7, [3; 32]);
        let line = signed.cosign(&witness, 1_790_000_000);
        let other = SignedCheckpoint::sign(&key(KeyKind::Log, 1), 8, [3; 32]);
        assert_eq!(
            other.clone().add_cosignature(witness.verifying(), &line),
            Err(NoteError::FalseSignature)
        );
        signed.add_cosignature(witness.verifying(), &line).unwrap();
        let read = SignedCheckpoint::parse(&signed.note()).unwrap();
        assert_eq!(
            read.verify_cosignature(witness.verifying()),
            Ok(1_790_000_000)
        );
        assert_eq!(read.verify(key(KeyKind::Log, 1).verifying()), Ok(()));
    }

    #[test]
    fn what_is_no_checkpoint_is_refused() {
        let good = SignedCheckpoint::sign(&key(KeyKind::Log, 1), 7, [3; 32]).note();
        for bad in [
            String::new(),
            good.replace("\n7\n", "\n07\n"),
            good.replace("\n7\n", "\n+7\n"),
            good.replace("\n\n", "\n"),
            good.trim_end().to_owned(),
            format!("{good}x\n"),
        ] {
            assert_eq!(
                SignedCheckpoint::parse(&bad),
                Err(NoteError::Malformed),
                "{bad}"
            );
        }
    }
}
