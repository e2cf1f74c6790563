//! Witnesses (C2SP `tlog-witness`): others who sign that a log only ever grew.
//!
//! A witness remembers the newest checkpoint of each log that it watches, and cosigns the next one only with a
//! proof that it contains the other. With a witness in other hands, not even the owner of the gate and of its
//! signing key can show two histories, or a shorter one.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use sekimori_domain::clock::Clock;
use sekimori_domain::digest::Digest;
use sekimori_upstream::egress::{FetchError, HttpClient};

use super::checkpoint::{NoteError, SignedCheckpoint, decimal};
use super::key::{SigningKey, VerifyingKey};
use super::proof::{self, check_consistency, hashes, put_hashes};
use super::tiles::{TileError, Tiles};
use crate::merkle::{Frontier, Hash};

/// Largest request: 63 hashes and a checkpoint.
pub const REQUEST_BYTES_MAX: usize = 64 * 1024;
/// Largest answer of a witness.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How long a witness may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// The type of an answer that tells a size.
pub const SIZE_TYPE: &str = "text/x.tlog.size";

/// What a witness is asked: to cosign a checkpoint that grew out of one it knows.
#[derive(Debug, Clone, PartialEq, Eq)]
struct AddCheckpoint {
    old: u64,
    proof: Vec<Hash>,
    checkpoint: SignedCheckpoint,
}

impl AddCheckpoint {
    fn text(&self) -> String {
        let mut text = format!("old {}\n", self.old);
        put_hashes(&mut text, &self.proof);
        text + "\n" + &self.checkpoint.note()
    }

    fn parse(text: &str) -> Option<Self> {
        let (head, note) = text.split_once("\n\n")?;
        let mut lines = head.split('\n');
        let old = lines.next()?.strip_prefix("old ").and_then(decimal)?;
        Some(Self {
            old,
            proof: hashes(lines).ok()?,
            checkpoint: SignedCheckpoint::parse(note).ok()?,
        })
    }
}

/// The answer of a witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessAnswer {
    /// Status of HTTP.
    pub status: StatusCode,
    /// Type of the body.
    pub content_type: &'static str,
    /// The cosignature, a size, or why not.
    pub body: String,
}

impl WitnessAnswer {
    fn refused(status: StatusCode, why: &str) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            body: format!("{why}\n"),
        }
    }
}

/// A witness: its key, the logs it watches, and what it saw of them.
#[derive(Debug)]
pub struct Witness {
    key: SigningKey,
    logs: Vec<VerifyingKey>,
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    /// Looking and remembering are one step.
    turn: Mutex<()>,
}

impl Witness {
    /// A witness that remembers in `folder`.
    pub fn new(
        key: SigningKey,
        logs: Vec<VerifyingKey>,
        folder: &Path,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self {
            key,
            logs,
            folder: folder.to_owned(),
            clock,
            turn: Mutex::new(()),
        })
    }

    /// The key that others verify its cosignatures with.
    pub fn key(&self) -> &VerifyingKey {
        self.key.verifying()
    }

    /// Answers `add-checkpoint`. An error means that it could not remember, and so did not sign.
    pub fn add_checkpoint(&self, body: &str) -> io::Result<WitnessAnswer> {
        let refused = |status, why| Ok(WitnessAnswer::refused(status, why));
        let Some(request) = AddCheckpoint::parse(body) else {
            return refused(StatusCode::BAD_REQUEST, "the request is none");
        };
        let head = request.checkpoint.head();
        let log = self.logs.iter().find(|key| key.name() == head.origin);
        let Some(log) = log else {
            return refused(StatusCode::NOT_FOUND, "this log is not watched here");
        };
        if let Err(error) = request.checkpoint.verify(log) {
            return refused(StatusCode::FORBIDDEN, &error.to_string());
        }
        if request.old > head.size {
            return refused(
                StatusCode::BAD_REQUEST,
                "the tree is smaller than the old one",
            );
        }
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let (size, root) = self.last(log)?;
        if request.old != size {
            return Ok(WitnessAnswer {
                status: StatusCode::CONFLICT,
                content_type: SIZE_TYPE,
                body: format!("{size}\n"),
            });
        }
        let empty = head.size > 0 || head.root == Frontier::default().root();
        let grew = check_consistency(&request.proof, (size, &root), (head.size, &head.root));
        if grew.is_err() || !empty {
            tracing::error!(
                alert = true,
                origin = head.origin,
                size = head.size,
                "a log shows a history that does not contain the one it showed before"
            );
            return refused(
                StatusCode::UNPROCESSABLE_ENTITY,
                "the log did not grow out of the one seen before",
            );
        }
        self.remember(log, &request.checkpoint)?;
        let time = u64::try_from(self.clock.now().as_second()).unwrap_or(0);
        Ok(WitnessAnswer {
            status: StatusCode::OK,
            content_type: "text/plain; charset=utf-8",
            body: request.checkpoint.cosign(&self.key, time),
        })
    }

    /// The tree that was cosigned last.
    fn last(&self, log: &VerifyingKey) -> io::Result<(u64, Hash)> {
        match fs::read_to_string(self.path(log)) {
            Ok(note) => {
                let seen = SignedCheckpoint::parse(&note);
                let seen =
                    seen.map_err(|_| io::Error::other("what was seen of a log is damaged"))?;
                Ok((seen.head().size, seen.head().root))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Ok((0, Frontier::default().root()))
            }
            Err(error) => Err(error),
        }
    }

    fn remember(&self, log: &VerifyingKey, checkpoint: &SignedCheckpoint) -> io::Result<()> {
        let path = self.path(log);
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(checkpoint.note().as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(&self.folder)?.sync_all()
    }

    fn path(&self, log: &VerifyingKey) -> PathBuf {
        let name = Digest::of(log.name().as_bytes()).hex();
        self.folder.join(format!("{name}.checkpoint"))
    }
}

/// A witness that this node asks.
#[derive(Debug, Clone)]
pub struct WitnessClient {
    /// Its submission prefix.
    pub url: String,
    /// The key of its cosignatures.
    pub key: VerifyingKey,
    /// The way there, behind the egress guard.
    pub client: HttpClient,
}

/// A witness did not cosign.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// It knows a longer log than ours: ours was set back, or somebody else writes in its name.
    #[error(
        "the witness has seen {seen} records of this log, which has {size} now: the log was set back"
    )]
    Longer {
        /// What it saw.
        seen: u64,
        /// What we have.
        size: u64,
    },
    /// It refused.
    #[error("the witness answered with status {status}")]
    Refused {
        /// Status of HTTP.
        status: u16,
    },
    /// It could not be reached.
    #[error("the witness could not be asked")]
    Unreachable(#[from] FetchError),
    /// What it answered is no cosignature.
    #[error("the answer of the witness is no cosignature")]
    NoCosignature(#[from] NoteError),
    /// The proof could not be made.
    #[error("the proof for the witness could not be made")]
    Proof(#[from] TileError),
    /// The address is none.
    #[error("the address of the witness is none")]
    Address,
}

impl WitnessClient {
    /// Asks for a cosignature of `checkpoint`, and puts it in. `old` is what the witness saw last, as far as
    /// known; it is corrected.
    pub async fn cosign(
        &self,
        tiles: &Tiles,
        checkpoint: &mut SignedCheckpoint,
        old: &mut u64,
    ) -> Result<(), WitnessError> {
        for _ in 0..2 {
            let size = checkpoint.head().size;
            if *old > size {
                return Err(WitnessError::Longer { seen: *old, size });
            }
            let request = AddCheckpoint {
                old: *old,
                proof: proof::consistency(tiles, *old, size)?,
                checkpoint: checkpoint.clone(),
            };
            let answer = self.post(request.text()).await?;
            let body = String::from_utf8_lossy(answer.body()).into_owned();
            match answer.status() {
                StatusCode::OK => {
                    checkpoint.add_cosignature(&self.key, &body)?;
                    *old = size;
                    return Ok(());
                }
                StatusCode::CONFLICT => {
                    *old = decimal(body.trim_end()).ok_or(NoteError::Malformed)?;
                }
                status => {
                    let status = status.as_u16();
                    return Err(WitnessError::Refused { status });
                }
            }
        }
        Err(WitnessError::Refused { status: 409 })
    }

    async fn post(&self, body: String) -> Result<http::Response<Bytes>, WitnessError> {
        let url = format!("{}/add-checkpoint", self.url.trim_end_matches('/'));
        let request = Request::post(url)
            .header(header::CONTENT_TYPE, "text/plain; charset=utf-8")
            .body(Bytes::from(body))
            .map_err(|_| WitnessError::Address)?;
        let exchange = self
            .client
            .exchange(request, ANSWER_BYTES_MAX, ANSWER_TIMEOUT);
        Ok(exchange.await?)
    }
}
