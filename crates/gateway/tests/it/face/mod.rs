//! The MCP face, from outside.

mod aggregate;
mod http;
mod kill_switch;
mod legacy;
mod modern;
mod records;
mod revocation;
mod stdio;
mod tasks;
