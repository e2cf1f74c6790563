//! The data plane: the MCP face and the road of a call. Start with [`call`].

pub mod request;
