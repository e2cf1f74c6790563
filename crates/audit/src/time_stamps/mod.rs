//! Time stamps of others on the signed tree (RFC 3161).
//!
//! A signature tells who, and not when: whoever has the log's key can sign a tree of last year today. A time-stamping
//! authority that has nothing to do with the gate signs that it saw a checkpoint at a moment; what is in that tree was
//! written before. Tokens lie beside the tree with the checkpoints that they are about, byte for byte, so that
//! `openssl ts -verify` and anything else that knows RFC 3161 verifies them without us.

mod folder;
mod message;
mod stamper;
mod token;

use rustls_pki_types::pem::{Error as PemError, PemObject as _};
use rustls_pki_types::{CertificateDer, TrustAnchor};
use sekimori_domain::digest::Digest;
use sekimori_upstream::egress::FetchError;

pub use folder::{FOLDER, StampedTree};
pub(crate) use folder::{Folder, newest};
pub use stamper::{Authority, STATE_PREFIX, Stamper};

use crate::tlog::TileError;

/// No time stamp, or none that counts.
#[derive(Debug, thiserror::Error)]
pub enum TimeStampError {
    /// A certificate of an authority can't be read.
    #[error("the certificates to trust can't be read")]
    Pem(#[source] PemError),
    /// There is no certificate to trust, or one is none.
    #[error("there are no certificates to trust, or one is none")]
    NoRoot,
    /// The authority could not be asked.
    #[error("the authority could not be asked: {0}")]
    Unreachable(#[from] FetchError),
    /// It answered with something else than a time stamp.
    #[error("the answer is no time stamp: {0}")]
    Answer(&'static str),
    /// It refused.
    #[error("the authority refused with status {0}")]
    Refused(u8),
    /// What it answered can't be read.
    #[error("the time stamp can't be read")]
    Malformed(#[source] der::Error),
    /// The token is about something else.
    #[error("the time stamp is about something else: {0}")]
    About(&'static str),
    /// It is not signed as it must be.
    #[error("the time stamp is not signed as it must be: {0}")]
    Signature(&'static str),
    /// Who signed it is not to be trusted for it.
    #[error("who signed the time stamp is not trusted: {0}")]
    Untrusted(webpki::Error),
    /// It could not be kept, or read.
    #[error("time stamps can't be kept or read")]
    Files(#[from] TileError),
    /// There was no randomness.
    #[error("no randomness for the request")]
    NoRandomness,
}

impl From<der::Error> for TimeStampError {
    fn from(error: der::Error) -> Self {
        Self::Malformed(error)
    }
}

/// The certificates that an authority's signatures must lead to.
#[derive(Debug, Clone)]
pub struct Roots {
    pem: String,
    roots: Vec<TrustAnchor<'static>>,
}

impl Roots {
    /// From certificates in PEM.
    pub fn from_pem(pem: &str) -> Result<Self, TimeStampError> {
        let certificates: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(pem.as_bytes())
                .collect::<Result<_, _>>()
                .map_err(TimeStampError::Pem)?;
        let anchor = |certificate| {
            let anchor = webpki::anchor_from_trusted_cert(certificate);
            anchor.map(|anchor| anchor.to_owned())
        };
        let roots: Vec<_> = certificates
            .iter()
            .map(anchor)
            .collect::<Result<_, _>>()
            .map_err(|_| TimeStampError::NoRoot)?;
        if roots.is_empty() {
            return Err(TimeStampError::NoRoot);
        }
        Ok(Self {
            pem: pem.to_owned(),
            roots,
        })
    }
}

/// What is time-stamped: the SHA-256 of a note, as it is kept.
fn imprint(note: &str) -> Digest {
    Digest::of(note.as_bytes())
}
