//! Everything the gate calls: MCP servers over HTTP, SSE and stdio, behind the egress guard.

pub mod egress;
pub mod exchange;
