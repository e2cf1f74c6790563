//! The MCP face, from outside.

mod aggregate;
mod http;
mod inspection;
mod legacy;
mod modern;
mod records;
mod revocation;
mod stdio;
mod tasks;
