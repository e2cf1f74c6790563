//! The transparency log over the journal: the tree in open formats, signed, proved, watched by witnesses.
//!
//! The formats are those of C2SP (`signed-note`, `tlog-checkpoint`, `tlog-tiles`, `tlog-cosignature`,
//! `tlog-witness`, `tlog-proof`), so that anybody's tools verify what we say about our own log. Entries are
//! the bodies of the journal's records; they stay in its segments, which carry larger entries than C2SP's
//! bundles can.

pub mod bundle;
pub mod checkpoint;
pub(crate) mod follow;
pub mod key;
pub mod proof;
pub(crate) mod publisher;
pub mod signer;
pub mod succession;
pub mod tiles;
pub mod witness;
pub(crate) mod years;

pub use bundle::{Bundle, BundleError, Selection, Source, prove, verify_bundle, write_bundle};
pub use checkpoint::{NoteError, SignedCheckpoint, TreeHead};
pub use follow::Published;
pub use key::{KeyFileError, KeyKind, SigningKey, VerifyingKey};
pub use proof::{InclusionProof, ProofError};
pub use publisher::PublishError;
pub use signer::{FileSigner, SignService, SocketSigner, TreeSigner};
pub use succession::{Closing, LogKeys};
pub use tiles::{TileError, Tiles};
pub use witness::{Witness, WitnessAnswer, WitnessClient, WitnessError};
