//! Randomness as a parameter, so that tests own it.

use std::fmt::Debug;

use aws_lc_rs::rand;

/// The system gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gave no random bytes")]
pub struct RandomError;

/// Where secrets come from.
pub trait Random: Send + Sync + Debug {
    /// Fills `bytes` with bytes that nobody can guess.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError>;
}

/// The random generator of the crypto library, seeded by the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
        rand::fill(bytes).map_err(|_| RandomError)
    }
}
