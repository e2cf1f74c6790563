//! The MCP face, from outside.

mod aggregate;
mod http;
mod legacy;
mod modern;
mod records;
mod stdio;
mod tasks;
