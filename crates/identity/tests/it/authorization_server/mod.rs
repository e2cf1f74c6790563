//! The authorization server, over a real store.

mod attacks;
mod clients;
mod flow;
mod keys;
mod kit;
mod machine;
