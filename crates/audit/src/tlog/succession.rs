//! A log ends and another goes on: a new name and a new key each year, over the same tree.
//!
//! The old key's last act is a closing checkpoint, which names its successor; then it is gone. Whoever trusts
//! any key of the chain can follow it to the newest: forwards, because each key vouched for the next; and
//! what an earlier key signed counts up to where it closed. The tree goes on, so that records keep their
//! numbers and proofs reach from one year into another.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::checkpoint::{NoteError, SignedCheckpoint};
use super::key::{KeyFileError, KeyKind, SigningKey, VerifyingKey, write_new};

/// The folder with the closing checkpoints, beside the journal; and in a bundle.
pub const CLOSED: &str = "audit-closed";
/// Most logs of one chain: a closing a day for a year.
pub(super) const CLOSED_MAX: usize = 366;
/// The lines of a closing checkpoint behind its root.
const OWN_KEY: &str = "key ";
const SUCCESSOR: &str = "successor ";

/// The end of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// The last checkpoint, signed with the log's key.
    pub checkpoint: SignedCheckpoint,
    /// That key.
    pub key: VerifyingKey,
    /// The key of the log that goes on.
    pub successor: VerifyingKey,
}

impl Closing {
    /// Closes the log of `key` at what it signed last.
    pub fn sign(key: &SigningKey, last: &SignedCheckpoint, successor: &VerifyingKey) -> Self {
        let own = key.verifying();
        let lines = format!("{OWN_KEY}{own}\n{SUCCESSOR}{successor}\n");
        let head = last.head();
        Self {
            checkpoint: SignedCheckpoint::sign_with(key, (head.size, head.root), &lines),
            key: own.clone(),
            successor: successor.clone(),
        }
    }

    /// Reads a closing, and checks that it is signed with the key that it names.
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        let checkpoint = SignedCheckpoint::parse(note)?;
        let named = |name: &str| {
            let mut lines = checkpoint.extensions();
            let text = lines.find_map(|line| line.strip_prefix(name));
            let key: VerifyingKey = text?.parse().ok()?;
            (key.kind() == KeyKind::Log).then_some(key)
        };
        let key = named(OWN_KEY).ok_or(NoteError::Malformed)?;
        let successor = named(SUCCESSOR).ok_or(NoteError::Malformed)?;
        checkpoint.verify(&key)?;
        Ok(Self {
            checkpoint,
            key,
            successor,
        })
    }
}

/// The keys of one log through the years.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogKeys {
    newest: VerifyingKey,
    /// Oldest first.
    closings: Vec<Closing>,
}

impl From<VerifyingKey> for LogKeys {
    fn from(key: VerifyingKey) -> Self {
        Self {
            newest: key,
            closings: Vec::new(),
        }
    }
}

impl LogKeys {
    /// The chain that holds `trusted`, out of closings in the order of their time. Those that do not belong to
    /// it are left out.
    pub fn new(trusted: VerifyingKey, closings: Vec<Closing>) -> Self {
        let mut keys = Self::from(trusted);
        let (mut before, mut after) = (Vec::new(), Vec::new());
        let mut oldest = keys.newest.clone();
        for closing in closings.iter().rev() {
            if closing.successor == oldest {
                oldest = closing.key.clone();
                before.push(closing.clone());
            }
        }
        for closing in closings {
            if closing.key == keys.newest {
                keys.newest = closing.successor.clone();
                after.push(closing);
            }
        }
        before.reverse();
        before.append(&mut after);
        keys.closings = before;
        keys
    }

    /// As [`LogKeys::new`], with the closings in the folder `closed`.
    pub fn read(trusted: VerifyingKey, closed: &Path) -> io::Result<Self> {
        Ok(Self::new(trusted, read_closings(closed)?))
    }

    /// The key that signs now.
    pub fn newest(&self) -> &VerifyingKey {
        &self.newest
    }

    /// The ends of earlier logs, oldest first.
    pub fn closings(&self) -> &[Closing] {
        &self.closings
    }

    /// Whether one of these keys signed it, and no later than that key was closed.
    pub fn verify(&self, checkpoint: &SignedCheckpoint) -> Result<(), NoteError> {
        let earlier = self.closings.iter().find(|closing| {
            closing.key != self.newest && closing.key.name() == checkpoint.head().origin
        });
        let Some(closing) = earlier else {
            return checkpoint.verify(&self.newest);
        };
        checkpoint.verify(&closing.key)?;
        if checkpoint.head().size > closing.checkpoint.head().size {
            return Err(NoteError::Closed);
        }
        Ok(())
    }
}

/// The closings in a folder, in the order of their names; none if there is no folder.
pub fn read_closings(folder: &Path) -> io::Result<Vec<Closing>> {
    let mut paths = Vec::new();
    match fs::read_dir(folder) {
        Ok(entries) => {
            for entry in entries {
                paths.push(entry?.path());
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    paths.retain(|path| path.extension().is_none());
    paths.sort();
    if paths.len() > CLOSED_MAX {
        return Err(io::Error::other("there are too many closed logs"));
    }
    let read = |path: &PathBuf| {
        let note = fs::read_to_string(path)?;
        Closing::parse(&note).map_err(io::Error::other)
    };
    paths.iter().map(read).collect()
}

/// Keeps in the folder `closed` the closings of a signer of its own which are not there yet; returns these.
pub fn adopt(closed: &Path, closings: Vec<Closing>) -> Result<Vec<Closing>, KeyFileError> {
    let io = |source| KeyFileError::Io {
        action: "keep the closed logs in",
        path: closed.to_owned(),
        source,
    };
    let known = read_closings(closed).map_err(io)?;
    let mut new = closings;
    new.retain(|closing| !known.contains(closing));
    if !new.is_empty() {
        fs::create_dir_all(closed).map_err(io)?;
    }
    for (number, closing) in (known.len() + 1..).zip(&new) {
        let note = closing.checkpoint.note();
        write_new(&closed.join(format!("{number:04}")), note.as_bytes(), 0o644)?;
    }
    Ok(new)
}

/// The file of the key that comes next, until it is in the place of the old one.
fn next_path(key: &Path) -> PathBuf {
    key.with_extension("key.next")
}

/// Puts the closing and the new key on the disk, in an order that a crash does not confuse: once the closing is
/// there, [`finish`] brings it to its end.
pub fn replace(
    path: &Path,
    closed: &Path,
    closing: &Closing,
    successor: &SigningKey,
) -> Result<(), KeyFileError> {
    let io = |source| KeyFileError::Io {
        action: "replace",
        path: path.to_owned(),
        source,
    };
    let number = read_closings(closed).map_err(io)?.len() + 1;
    fs::create_dir_all(closed).map_err(io)?;
    successor.store(&next_path(path))?;
    let note = closing.checkpoint.note();
    write_new(&closed.join(format!("{number:04}")), note.as_bytes(), 0o644)?;
    finish(path, closed)
}

/// Brings a replacement of the key to its end that a crash interrupted; one that had not begun is forgotten.
pub fn finish(path: &Path, closed: &Path) -> Result<(), KeyFileError> {
    let next = next_path(path);
    let io = |source| KeyFileError::Io {
        action: "replace",
        path: path.to_owned(),
        source,
    };
    if !next.exists() {
        return Ok(());
    }
    let key = SigningKey::read(&next)?;
    let closings = read_closings(closed).map_err(io)?;
    let begun = closings
        .last()
        .is_some_and(|closing| closing.successor == *key.verifying());
    if begun {
        key.publish(path)?;
        fs::rename(&next, path).map_err(io)
    } else {
        fs::remove_file(&next).map_err(io)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&format!("gate/{seed}"), KeyKind::Log, [seed; 32]).unwrap()
    }

    fn signed(seed: u8, size: u64) -> SignedCheckpoint {
        SignedCheckpoint::sign(&key(seed), size, [9; 32])
    }

    fn closing(seed: u8, size: u64) -> Closing {
        Closing::sign(&key(seed), &signed(seed, size), key(seed + 1).verifying())
    }

    #[test]
    fn a_closing_reads_back_and_vouches_for_its_successor_alone() {
        let one = closing(1, 10);
        let note = one.checkpoint.note();
        assert_eq!(Closing::parse(&note), Ok(one));
        let other = note.replace(
            &key(2).verifying().to_string(),
            &key(3).verifying().to_string(),
        );
        assert_eq!(Closing::parse(&other), Err(NoteError::FalseSignature));
        assert_eq!(
            Closing::parse(&signed(1, 10).note()),
            Err(NoteError::Malformed)
        );
    }

    #[test]
    fn any_key_of_the_chain_leads_to_the_newest() {
        let chain = vec![closing(1, 10), closing(2, 20)];
        for trusted in 1..=3 {
            let keys = LogKeys::new(key(trusted).verifying().clone(), chain.clone());
            assert_eq!(keys.newest(), key(3).verifying(), "{trusted}");
            assert_eq!(keys.closings().len(), 2);
            assert_eq!(keys.verify(&signed(3, 21)), Ok(()));
            assert_eq!(keys.verify(&signed(1, 10)), Ok(()));
            assert_eq!(keys.verify(&signed(1, 11)), Err(NoteError::Closed));
            assert!(keys.verify(&signed(4, 5)).is_err());
        }
        let stranger = LogKeys::new(key(7).verifying().clone(), chain);
        assert!(stranger.closings().is_empty());
        assert!(stranger.verify(&signed(3, 21)).is_err());
    }

    #[test]
    fn a_crash_while_the_key_is_replaced_is_brought_to_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let (path, closed) = (
            dir.path().join("audit-signing.key"),
            dir.path().join(CLOSED),
        );
        key(1).store(&path).unwrap();
        // Before the closing was there: nothing has happened.
        key(2).store(&next_path(&path)).unwrap();
        finish(&path, &closed).unwrap();
        assert_eq!(
            SigningKey::read(&path).unwrap().verifying(),
            key(1).verifying()
        );
        assert!(!next_path(&path).exists());
        // After: the old key is not used again.
        key(2).store(&next_path(&path)).unwrap();
        fs::create_dir(&closed).unwrap();
        fs::write(closed.join("0001"), closing(1, 10).checkpoint.note()).unwrap();
        finish(&path, &closed).unwrap();
        assert_eq!(
            SigningKey::read(&path).unwrap().verifying(),
            key(2).verifying()
        );
        let public = fs::read_to_string(path.with_extension("pub")).unwrap();
        assert_eq!(public.trim(), key(2).verifying().to_string());
        replace(&path, &closed, &closing(2, 20), &key(3)).unwrap();
        assert_eq!(
            read_closings(&closed).unwrap(),
            [closing(1, 10), closing(2, 20)]
        );
        assert_eq!(
            SigningKey::read(&path).unwrap().verifying(),
            key(3).verifying()
        );
    }
}
