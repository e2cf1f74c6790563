//! The MCP face, from outside.

mod aggregate;
mod approval;
mod coverage;
mod deferred;
mod deferred_told;
mod exact_call;
mod http;
mod injection;
mod inspection;
mod kill_switch;
mod legacy;
mod modern;
mod present;
mod records;
mod revocation;
mod stdio;
mod tasks;
mod tokens;
