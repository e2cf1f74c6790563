//! The authorization server: lets a person give an AI client access to the gate, and nothing more (AUTHN-7).

mod keys;

pub use keys::{KeysError, PUBLISHED_AHEAD, PublicKeys, SigningKeys};
