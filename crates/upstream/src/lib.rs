//! Everything the gate calls: MCP servers over HTTP, SSE and stdio, behind the egress guard.
//!
//! Start with [`Upstream`]: it takes a [`sekimori_domain::road::Warrant`] and gives an
//! [`exchange::Exchange`]. Nothing here decides who may call what; without a warrant there is no call.

mod asking;
mod attempts;
pub mod authorization;
mod breaker;
mod drive;
pub mod egress;
pub mod exchange;
mod fault;
mod listing;
pub mod mail;
pub mod notices;
mod outgoing;
mod persons;
mod session;
mod setup;
mod transport;
mod upstream;

pub use breaker::{BreakerState, Health};
pub use outgoing::{Outgoing, Questions};
pub use session::Discovery;
pub use setup::{InvalidConnector, RemoteSetup, check_connector};
pub use transport::router::Notice;
pub use upstream::{Deps, ListMethod, SecretError, Secrets, Upstream};
