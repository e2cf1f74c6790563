//! The signing process closes its log once a year, when the gate asks for it at a start: the key that ends is the
//! signer's, and so is the decision.
//!
//! | request | answer |
//! |---|---|
//! | `closings` LF | `closings COUNT` LF, and for each LENGTH LF and the closing |
//! | `close` LF | `closed LENGTH` LF and the closing |
//! | | `refused REASON` LF, after either |

use std::io::{self, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use sekimori_domain::Timestamp;

use super::checkpoint::{NOTE_BYTES_MAX, SignedCheckpoint, decimal};
use super::key::{KeyKind, NAME_BYTES_MAX, SigningKey};
use super::signer::{expect, line, no_answer};
use super::succession::{CLOSED, CLOSED_MAX, Closing, finish, read_closings, replace};
use crate::merkle::Frontier;

/// How a day is written in the name of a log.
const DAY: &str = "%Y-%m-%d";

/// The name of a log that goes on from another one on that day.
pub(crate) fn successor_name(origin: &str, day: Timestamp) -> String {
    let stem = match year_in(origin) {
        Some(_) => origin.rsplit_once('/').map_or(origin, |(stem, _)| stem),
        None => origin,
    };
    let day = day.strftime(DAY).to_string();
    let room = NAME_BYTES_MAX.saturating_sub(day.len() + 1);
    let stem = stem.get(..stem.floor_char_boundary(room)).unwrap_or(stem);
    format!("{stem}/{day}")
}

/// The year in the name of a log that took over from another.
pub(crate) fn year_in(name: &str) -> Option<&str> {
    let day = name.rsplit('/').next()?;
    let digits = day.bytes().map(|byte| byte.is_ascii_digit());
    let is_day = digits.eq([true, true, true, true, false, true, true, false, true, true]);
    day.get(..4).filter(|_| is_day)
}

/// The year of a time, in UTC.
pub(crate) fn year(time: Timestamp) -> String {
    time.strftime("%Y").to_string()
}

/// Where a signer's key and its closed logs are.
#[derive(Debug)]
pub(super) struct Years {
    key: PathBuf,
    /// Whether the log may be closed.
    may_close: bool,
}

impl Years {
    /// Of the key in the file at `key`; what was interrupted is brought to its end.
    pub(super) fn open(key: &Path, may_close: bool) -> io::Result<Self> {
        let years = Self {
            key: key.to_owned(),
            may_close,
        };
        finish(key, &years.closed()).map_err(io::Error::other)?;
        Ok(years)
    }

    fn closed(&self) -> PathBuf {
        self.key.with_file_name(CLOSED)
    }

    /// Whether the log of `key` began in an earlier year. The first one has no day in its name: its key was written
    /// when it began.
    fn is_over(&self, key: &SigningKey, now: Timestamp) -> io::Result<bool> {
        let this_year = year(now);
        if let Some(began) = year_in(key.verifying().name()) {
            return Ok(*began < *this_year);
        }
        let written = std::fs::metadata(&self.key)?.modified()?;
        let written = Timestamp::try_from(written).map_err(io::Error::other)?;
        Ok(year(written) < this_year)
    }

    /// Closes the log of `key` at `tree`, if its year is over: the answer, and the key that goes on.
    pub(super) fn close(
        &self,
        key: &SigningKey,
        tree: &Frontier,
        now: Timestamp,
    ) -> io::Result<(String, Option<SigningKey>)> {
        if !self.may_close {
            let refused = "refused this signer keeps its key\n".to_owned();
            return Ok((refused, None));
        }
        if tree.size() == 0 || !self.is_over(key, now)? {
            return Ok(("refused the year is not over\n".to_owned(), None));
        }
        let name = successor_name(key.verifying().name(), now);
        let successor = SigningKey::generate(&name, KeyKind::Log).map_err(io::Error::other)?;
        let last = SignedCheckpoint::sign(key, tree.size(), tree.root());
        let closing = Closing::sign(key, &last, successor.verifying());
        let replaced = replace(&self.key, &self.closed(), &closing, &successor);
        replaced.map_err(io::Error::other)?;
        let note = closing.checkpoint.note();
        Ok((format!("closed {}\n{note}", note.len()), Some(successor)))
    }

    /// The answer to whoever asks for the closed logs.
    pub(super) fn closings(&self) -> io::Result<String> {
        let closings = read_closings(&self.closed())?;
        let mut answer = format!("closings {}\n", closings.len());
        for closing in closings {
            let note = closing.checkpoint.note();
            answer = answer + &note.len().to_string() + "\n" + &note;
        }
        Ok(answer)
    }
}

/// Asks for the closed logs of a signer, oldest first.
pub(super) fn ask_closings(stream: &mut BufReader<UnixStream>) -> io::Result<Vec<Closing>> {
    stream.get_mut().write_all(b"closings\n")?;
    let count = decimal(&expect(&line(stream)?, "closings")?).ok_or_else(no_answer)?;
    if count > crate::frames::len(CLOSED_MAX) {
        return Err(no_answer());
    }
    (0..count)
        .map(|_| {
            let length = line(stream)?;
            closing(stream, &length)
        })
        .collect()
}

/// Asks the signer to close its log; `None` if it says no.
pub(super) fn ask_close(stream: &mut BufReader<UnixStream>) -> io::Result<Option<Closing>> {
    stream.get_mut().write_all(b"close\n")?;
    let answer = line(stream)?;
    if let Some(reason) = answer.strip_prefix("refused ") {
        tracing::debug!(reason, "the signer does not close its log");
        return Ok(None);
    }
    let length = expect(&answer, "closed")?;
    closing(stream, &length).map(Some)
}

fn closing(stream: &mut BufReader<UnixStream>, length: &str) -> io::Result<Closing> {
    let length = length.trim_end().parse().ok();
    let length = length.filter(|length| *length <= NOTE_BYTES_MAX);
    let mut note = vec![0; length.ok_or_else(no_answer)?];
    stream.read_exact(&mut note)?;
    let note = String::from_utf8(note).map_err(|_| no_answer())?;
    Closing::parse(&note).map_err(|_| no_answer())
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::sync::Arc;
    use std::time::{Duration, SystemTime};

    use sekimori_domain::clock::Clock;

    use super::super::signer::{SignService, SocketSigner, TreeSigner as _};
    use super::super::succession::{LogKeys, adopt};
    use super::*;
    use crate::merkle::leaf_hash;

    #[derive(Debug)]
    struct Still;

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            "2027-01-04T00:00:00Z".parse().unwrap()
        }

        fn monotonic(&self) -> Duration {
            Duration::ZERO
        }
    }

    /// A signer over a socket whose key is of 1970.
    fn serve(dir: &Path, yearly: bool) -> (Arc<SignService>, SocketSigner) {
        let (key, state) = (dir.join("key"), dir.join("state"));
        let place = (key.as_path(), "gate/audit/a");
        let service = SignService::open_file(place, &state, Arc::new(Still), yearly).unwrap();
        let socket = dir.join(format!(
            "socket-{}",
            std::fs::read_dir(dir).unwrap().count()
        ));
        let listener = UnixListener::bind(&socket).unwrap();
        let serving = Arc::clone(&service);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let service = Arc::clone(&serving);
                std::thread::spawn(move || service.serve(stream.unwrap()));
            }
        });
        (service, SocketSigner::connect(&socket).unwrap())
    }

    fn age(dir: &Path) {
        let key = std::fs::File::options()
            .write(true)
            .open(dir.join("key"))
            .unwrap();
        key.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    }

    fn signed(signer: &SocketSigner, leaves: std::ops::Range<u32>) -> SignedCheckpoint {
        let (mut tree, mut new) = (Frontier::default(), Vec::new());
        for leaf in 0..leaves.end {
            let hash = leaf_hash(&leaf.to_be_bytes());
            tree.push(hash);
            if leaves.contains(&leaf) {
                new.push(hash);
            }
        }
        signer.sign(&tree, &new).unwrap()
    }

    #[test]
    fn the_signer_closes_a_year_and_goes_on_with_another_key() {
        let dir = tempfile::tempdir().unwrap();
        let (service, mut signer) = serve(dir.path(), true);
        age(dir.path());
        assert_eq!(signer.close_year().unwrap(), None, "nothing was signed yet");
        let (old, last) = (service.key(), signed(&signer, 0..5));
        let closing = signer.close_year().unwrap().unwrap();
        assert_eq!(closing.key, old);
        assert_eq!(closing.checkpoint.head().size, last.head().size);
        assert_eq!(closing.checkpoint.head().root, last.head().root);
        assert_eq!(closing.successor.name(), "gate/audit/a/2027-01-04");
        assert_eq!(
            (&closing.successor, &service.key()),
            (signer.key(), signer.key())
        );
        assert_eq!(signer.close_year().unwrap(), None, "once a year");
        let next = signed(&signer, 5..8);
        let keys = LogKeys::new(old.clone(), vec![closing.clone()]);
        assert_eq!(keys.verify(&next), Ok(()));
        assert!(next.verify(&old).is_err(), "the old key is gone");

        // A gate that missed the answer learns of it later, and once.
        let (_, again) = serve(dir.path(), true);
        let closed = dir.path().join("of-the-gate");
        assert_eq!(
            adopt(&closed, again.closings().unwrap()).unwrap(),
            std::slice::from_ref(&closing)
        );
        assert_eq!(adopt(&closed, again.closings().unwrap()).unwrap(), []);
        assert_eq!(read_closings(&closed).unwrap(), [closing]);
    }

    #[test]
    fn a_signer_that_was_not_told_to_keeps_its_key() {
        let dir = tempfile::tempdir().unwrap();
        let (service, mut signer) = serve(dir.path(), false);
        age(dir.path());
        signed(&signer, 0..5);
        assert_eq!(signer.close_year().unwrap(), None);
        assert_eq!(service.key(), *signer.key());
        assert_eq!(signer.closings().unwrap(), []);
    }
}
