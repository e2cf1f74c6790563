//! The wire format of MCP: envelopes, eras, headers, names, SSE; pure
