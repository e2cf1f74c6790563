//! Who signs the tree: a key of this process, or a process of another user that keeps its own account of the
//! tree.
//!
//! The other process is never told a root. It is given the new leaves, appends them to the tree that it
//! remembers, and signs what comes out: it cannot be talked into another history, only into a longer one.
//! And because it remembers, a journal that was set back is noticed when the gate next opens it.
//!
//! # Between the gate and the signer
//! Over a UNIX socket, one request after another; numbers in decimal.
//!
//! | request | answer |
//! |---|---|
//! | `state` LF | `state KEY` LF SIZE LF ROOT LF |
//! | `append SIZE COUNT` LF and COUNT · 32 bytes | `note LENGTH` LF and the signed note |
//! | | `refused REASON` LF, after either |
//!
//! What is said about closed logs is in [`super::years`].

use std::fmt::Debug;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sekimori_domain::clock::Clock;

use super::checkpoint::{NOTE_BYTES_MAX, SignedCheckpoint, decimal, hash};
use super::key::{KeyKind, SigningKey, VerifyingKey};
use super::succession::Closing;
use super::years::{Years, ask_close, ask_closings};
use crate::merkle::{Frontier, Hash};

/// Most leaves of one request: bounds the memory of the signer.
pub(crate) const LEAVES_MAX: usize = 65_536;
/// How long the signer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest line of the protocol.
const LINE_BYTES_MAX: u64 = 1_024;

/// Signs the tree of one log.
pub trait TreeSigner: Send + Sync + Debug {
    /// The key that others verify with.
    fn key(&self) -> &VerifyingKey;

    /// The tree that this signer signed last, if it remembers trees.
    fn state(&self) -> io::Result<Option<(u64, Hash)>>;

    /// Signs `tree`; `leaves` are the ones since the tree it signed last.
    fn sign(&self, tree: &Frontier, leaves: &[Hash]) -> io::Result<SignedCheckpoint>;
}

/// Signs with a key of this process, which remembers nothing but the journal.
#[derive(Debug)]
pub struct FileSigner(SigningKey);

impl FileSigner {
    /// A signer with that key.
    pub fn new(key: SigningKey) -> Self {
        Self(key)
    }
}

impl TreeSigner for FileSigner {
    fn key(&self) -> &VerifyingKey {
        self.0.verifying()
    }

    fn state(&self) -> io::Result<Option<(u64, Hash)>> {
        Ok(None)
    }

    fn sign(&self, tree: &Frontier, _: &[Hash]) -> io::Result<SignedCheckpoint> {
        Ok(SignedCheckpoint::sign(&self.0, tree.size(), tree.root()))
    }
}

/// Asks the signing process.
#[derive(Debug)]
pub struct SocketSigner {
    path: PathBuf,
    key: VerifyingKey,
    connection: Mutex<Option<BufReader<UnixStream>>>,
}

impl SocketSigner {
    /// The signer behind the socket at `path`, which must be there.
    pub fn connect(path: &Path) -> io::Result<Self> {
        let mut stream = open(path)?;
        let (key, _, _) = ask_state(&mut stream)?;
        Ok(Self {
            path: path.to_owned(),
            key,
            connection: Mutex::new(Some(stream)),
        })
    }

    /// The ends of the logs that the signer closed, oldest first.
    pub fn closings(&self) -> io::Result<Vec<Closing>> {
        self.ask(ask_closings)
    }

    /// Has the log closed, if the signer agrees that its year is over; then this signs with the successor's key.
    /// Only for who has no journal open.
    pub fn close_year(&mut self) -> io::Result<Option<Closing>> {
        // Not asked twice: the second time there would be nothing to close.
        let Some(closing) = ask_close(&mut open(&self.path)?)? else {
            return Ok(None);
        };
        if closing.key != self.key {
            return Err(io::Error::other("the signer closed another log"));
        }
        self.key = closing.successor.clone();
        Ok(Some(closing))
    }

    /// Asks, and once more over a fresh connection if the old one broke. A signer that was restarted has its
    /// tree still, so asking twice is harmless: it refuses leaves that it has.
    fn ask<T>(
        &self,
        question: impl Fn(&mut BufReader<UnixStream>) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut connection = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(mut stream) = connection.take()
            && let Ok(answer) = question(&mut stream)
        {
            *connection = Some(stream);
            return Ok(answer);
        }
        let mut stream = open(&self.path)?;
        let answer = question(&mut stream)?;
        *connection = Some(stream);
        Ok(answer)
    }
}

impl TreeSigner for SocketSigner {
    fn key(&self) -> &VerifyingKey {
        &self.key
    }

    fn state(&self) -> io::Result<Option<(u64, Hash)>> {
        let (key, size, root) = self.ask(ask_state)?;
        if key == self.key {
            Ok(Some((size, root)))
        } else {
            Err(another_key())
        }
    }

    fn sign(&self, tree: &Frontier, leaves: &[Hash]) -> io::Result<SignedCheckpoint> {
        let signed = self.ask(|stream| {
            // An answer may have been lost on the way: what the signer has already is not sent again.
            let (key, size, _) = ask_state(stream)?;
            if key != self.key {
                return Err(another_key());
            }
            let missing = tree.size().checked_sub(size).and_then(|missing| {
                let missing = usize::try_from(missing).ok()?;
                leaves.get(leaves.len().checked_sub(missing)?..)
            });
            let missing = missing.ok_or_else(|| {
                io::Error::other("the signer has signed another tree than the journal's")
            })?;
            let mut signed = None;
            let mut size = size;
            for part in missing.chunks(LEAVES_MAX) {
                signed = Some(ask_append(stream, size, part)?);
                size += crate::frames::len(part.len());
            }
            match signed {
                Some(signed) => Ok(signed),
                None => ask_append(stream, size, &[]),
            }
        })?;
        let head = signed.head();
        let fits = head.size == tree.size() && head.root == tree.root();
        if fits && signed.verify(&self.key).is_ok() {
            Ok(signed)
        } else {
            Err(io::Error::other("the signer signed something else"))
        }
    }
}

fn open(path: &Path) -> io::Result<BufReader<UnixStream>> {
    let stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    Ok(BufReader::new(stream))
}

fn another_key() -> io::Error {
    io::Error::other("the signer has another key than before: start the gate again")
}

pub(super) fn line(stream: &mut BufReader<UnixStream>) -> io::Result<String> {
    let mut line = String::new();
    stream.take(LINE_BYTES_MAX).read_line(&mut line)?;
    match line.strip_suffix('\n') {
        Some(line) => Ok(line.to_owned()),
        None => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
    }
}

pub(super) fn no_answer() -> io::Error {
    io::Error::other("the signer's answer is none")
}

pub(super) fn expect(line: &str, word: &str) -> io::Result<String> {
    if let Some(reason) = line.strip_prefix("refused ") {
        return Err(io::Error::other(format!("the signer refused: {reason}")));
    }
    let rest = line
        .strip_prefix(word)
        .and_then(|rest| rest.strip_prefix(' '));
    rest.map(str::to_owned).ok_or_else(no_answer)
}

fn ask_state(stream: &mut BufReader<UnixStream>) -> io::Result<(VerifyingKey, u64, Hash)> {
    stream.get_mut().write_all(b"state\n")?;
    let key = expect(&line(stream)?, "state")?;
    let key = key.parse().map_err(|_| no_answer())?;
    let size = decimal(&line(stream)?).ok_or_else(no_answer)?;
    let root = hash(&line(stream)?).ok_or_else(no_answer)?;
    Ok((key, size, root))
}

fn ask_append(
    stream: &mut BufReader<UnixStream>,
    size: u64,
    leaves: &[Hash],
) -> io::Result<SignedCheckpoint> {
    let mut request = format!("append {size} {}\n", leaves.len()).into_bytes();
    request.extend_from_slice(leaves.as_flattened());
    stream.get_mut().write_all(&request)?;
    let length = expect(&line(stream)?, "note")?;
    let length = length
        .parse()
        .ok()
        .filter(|length| *length <= NOTE_BYTES_MAX);
    let mut note = vec![0; length.ok_or_else(no_answer)?];
    stream.read_exact(&mut note)?;
    let note = String::from_utf8(note).map_err(|_| no_answer())?;
    SignedCheckpoint::parse(&note).map_err(|_| no_answer())
}

/// The signing process: the key, the tree it signed last, and the file in which it remembers that.
#[derive(Debug)]
pub struct SignService {
    state: Mutex<Remembered>,
    clock: Arc<dyn Clock>,
    years: Option<Years>,
}

#[derive(Debug)]
struct Remembered {
    key: SigningKey,
    tree: Frontier,
    file: File,
    synced: Option<Duration>,
}

/// How long what was signed may stay in the page cache. A crash of the process loses nothing; after a power
/// failure the signer may have forgotten as much, and learns it again from the gate.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);
/// Magic and version of the state file.
const STATE_MAGIC: &[u8; 8] = b"sekisig1";

impl SignService {
    /// The service with that key; what it signed last is in the file at `state`.
    pub fn open(key: SigningKey, state: &Path, clock: Arc<dyn Clock>) -> io::Result<Arc<Self>> {
        Self::open_with(key, state, clock, None)
    }

    /// The service with the key in the file at `path`, which is made with the name `origin` if there is none.
    /// `yearly`: the gate may have its log closed when a year is over.
    pub fn open_file(
        (path, origin): (&Path, &str),
        state: &Path,
        clock: Arc<dyn Clock>,
        yearly: bool,
    ) -> io::Result<Arc<Self>> {
        let years = Years::open(path, yearly)?;
        let key = SigningKey::load_or_create(path, origin, KeyKind::Log);
        Self::open_with(key.map_err(io::Error::other)?, state, clock, Some(years))
    }

    fn open_with(
        key: SigningKey,
        state: &Path,
        clock: Arc<dyn Clock>,
        years: Option<Years>,
    ) -> io::Result<Arc<Self>> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(state)?;
        let tree = read_state(&file)?;
        let state = Mutex::new(Remembered {
            key,
            tree,
            file,
            synced: None,
        });
        Ok(Arc::new(Self {
            state,
            clock,
            years,
        }))
    }

    /// The key that others verify with.
    pub fn key(&self) -> VerifyingKey {
        self.state().key.verifying().clone()
    }

    fn state(&self) -> MutexGuard<'_, Remembered> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves one connection until it ends. Blocks.
    pub fn serve(&self, stream: UnixStream) -> io::Result<()> {
        let mut stream = BufReader::new(stream);
        loop {
            let request = match line(&mut stream) {
                Ok(request) => request,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(error),
            };
            let answer = self.answer(&request, &mut stream)?;
            stream.get_mut().write_all(answer.as_bytes())?;
        }
    }

    fn answer(&self, request: &str, stream: &mut BufReader<UnixStream>) -> io::Result<String> {
        let mut state = self.state();
        match (request, &self.years) {
            ("state", _) => {
                let (size, root) = (state.tree.size(), STANDARD.encode(state.tree.root()));
                let key = state.key.verifying();
                return Ok(format!("state {key}\n{size}\n{root}\n"));
            }
            ("closings", Some(years)) => return years.closings(),
            ("closings", None) => return Ok("closings 0\n".to_owned()),
            ("close", Some(years)) => {
                let (answer, successor) = years.close(&state.key, &state.tree, self.clock.now())?;
                if let Some(successor) = successor {
                    state.key = successor;
                }
                return Ok(answer);
            }
            _ => {}
        }
        let Some((size, count)) = request.strip_prefix("append ").and_then(append_request) else {
            return Ok("refused the request is none\n".to_owned());
        };
        let mut bytes = vec![0; count * 32];
        stream.read_exact(&mut bytes)?;
        if size != state.tree.size() {
            return Ok(format!(
                "refused this signer signed {} records last\n",
                state.tree.size()
            ));
        }
        let mut tree = state.tree.clone();
        bytes
            .as_chunks::<32>()
            .0
            .iter()
            .for_each(|leaf| tree.push(*leaf));
        state.remember(&tree, self.clock.monotonic())?;
        let note = SignedCheckpoint::sign(&state.key, tree.size(), tree.root()).note();
        state.tree = tree;
        Ok(format!("note {}\n{note}", note.len()))
    }
}

fn append_request(request: &str) -> Option<(u64, usize)> {
    let (size, count) = request.split_once(' ')?;
    let count = usize::try_from(decimal(count)?).ok()?;
    (count <= LEAVES_MAX).then_some((decimal(size)?, count))
}

impl Remembered {
    /// Before it is signed: what was signed is never forgotten by a crash of this process.
    fn remember(&mut self, tree: &Frontier, now: Duration) -> io::Result<()> {
        let mut bytes = STATE_MAGIC.to_vec();
        bytes.extend_from_slice(&tree.size().to_le_bytes());
        bytes.extend_from_slice(tree.peaks().as_flattened());
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        // Two places in turn: one of them is whole whatever happens.
        let slot = (tree.size() & 1) * 4_096;
        self.file.write_all_at(&bytes, slot)?;
        if self
            .synced
            .is_none_or(|synced| now.saturating_sub(synced) >= SYNC_INTERVAL)
        {
            self.file.sync_data()?;
            self.synced = Some(now);
        }
        Ok(())
    }
}

fn read_state(file: &File) -> io::Result<Frontier> {
    let mut newest: Option<Frontier> = None;
    let mut written = false;
    for slot in [0, 4_096] {
        let mut bytes = [0; 4_096];
        let mut read = 0;
        while let Some(rest) = bytes.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, slot + crate::frames::len(read))? {
                0 => break,
                count => read += count,
            }
        }
        written |= bytes.starts_with(STATE_MAGIC);
        let tree = state_tree(&bytes);
        if tree.as_ref().map(Frontier::size) >= newest.as_ref().map(Frontier::size) {
            newest = tree.or(newest);
        }
    }
    match newest {
        Some(tree) => Ok(tree),
        None if written => Err(io::Error::other("the signer's state is damaged")),
        None => Ok(Frontier::default()),
    }
}

fn state_tree(bytes: &[u8]) -> Option<Frontier> {
    let rest = bytes.strip_prefix(STATE_MAGIC)?;
    let size = u64::from_le_bytes(*rest.first_chunk()?);
    let count = usize::try_from(size.count_ones()).ok()?;
    let end = 16 + count * 32;
    let peaks = bytes.get(16..end)?.as_chunks::<32>().0.to_vec();
    let crc = u32::from_le_bytes(bytes.get(end..end + 4)?.try_into().ok()?);
    let fits = crc == crc32c::crc32c(bytes.get(..end)?);
    fits.then(|| Frontier::from_parts(size, peaks)).flatten()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::super::key::KeyKind;
    use super::*;
    use crate::merkle::leaf_hash;

    fn leaves(range: std::ops::Range<u32>) -> Vec<Hash> {
        range.map(|leaf| leaf_hash(&leaf.to_be_bytes())).collect()
    }

    fn tree(count: u32) -> Frontier {
        let mut tree = Frontier::default();
        for leaf in leaves(0..count) {
            tree.push(leaf);
        }
        tree
    }

    #[derive(Debug)]
    struct Still;

    impl Clock for Still {
        fn now(&self) -> sekimori_domain::Timestamp {
            sekimori_domain::Timestamp::UNIX_EPOCH
        }

        fn monotonic(&self) -> Duration {
            Duration::ZERO
        }
    }

    fn serve(dir: &Path) -> PathBuf {
        let key = SigningKey::from_seed("gate/audit/a", KeyKind::Log, [4; 32]).unwrap();
        let service = SignService::open(key, &dir.join("state"), Arc::new(Still)).unwrap();
        let socket = dir.join(format!(
            "signer-{}",
            std::fs::read_dir(dir).unwrap().count()
        ));
        let listener = UnixListener::bind(&socket).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let service = Arc::clone(&service);
                std::thread::spawn(move || service.serve(stream.unwrap()));
            }
        });
        socket
    }

    #[test]
    fn it_signs_what_grows_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let signer = SocketSigner::connect(&serve(dir.path())).unwrap();
        let first = signer.sign(&tree(5), &leaves(0..5)).unwrap();
        assert_eq!((first.head().size, first.head().root), (5, tree(5).root()));
        let next = signer.sign(&tree(7), &leaves(5..7)).unwrap();
        assert_eq!(next.verify(signer.key()), Ok(()));
        // An answer that was lost is asked for again with the same leaves.
        assert_eq!(signer.sign(&tree(7), &leaves(5..7)).unwrap().head().size, 7);
        assert_eq!(signer.state().unwrap(), Some((7, tree(7).root())));

        assert!(signer.sign(&tree(6), &leaves(0..6)).is_err(), "set back");
        let mut forged = tree(6);
        forged.push([1; 32]);
        forged.push([2; 32]);
        let refused = signer.sign(&forged, &[[1; 32], [2; 32]]);
        assert!(refused.is_err(), "another history is signed nowhere");
    }

    #[test]
    fn it_remembers_across_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let before = SocketSigner::connect(&serve(dir.path())).unwrap();
        before.sign(&tree(5), &leaves(0..5)).unwrap();
        let after = SocketSigner::connect(&serve(dir.path())).unwrap();
        assert_eq!(after.state().unwrap(), Some((5, tree(5).root())));
        let damaged = dir.path().join("state");
        std::fs::write(&damaged, b"sekisig1 and nothing else").unwrap();
        let key = SigningKey::from_seed("a", KeyKind::Log, [4; 32]).unwrap();
        assert!(
            SignService::open(key, &damaged, Arc::new(Still)).is_err(),
            "it never begins anew by itself"
        );
    }
}
