//! The authorization server, over a real store.

mod keys;
