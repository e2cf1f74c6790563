//! The nouns of the gate and their rules.
//!
//! Nothing here does I/O, awaits, or reads the time: clocks and ids come in as [`clock::Clock`] and
//! [`clock::Ids`]. Start with [`road`], the chain of keys that a call collects on its way, and
//! [`refusal`], the table of reasons for which it may be turned back.

pub mod approval;
pub mod arguments;
pub mod caller;
pub mod catalog;
pub mod clock;
pub mod connector;
pub mod constraint;
pub mod device;
pub mod digest;
pub mod false_alarm;
pub mod identity_provider;
pub mod ids;
pub mod inspection;
pub mod json;
pub mod kill_switch;
pub mod limit;
pub mod limits;
pub mod linked_account;
pub mod oauth;
pub mod person;
pub mod policy_set;
pub mod promotion;
pub mod record;
pub mod refusal;
pub mod retention;
pub mod revocation;
pub mod road;
pub mod role;
pub mod saved_search;
pub mod scope;
pub mod service_account;

pub use jiff::Timestamp;
