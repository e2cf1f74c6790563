//! For tests: clocks, ids, scripted upstreams, the conformance fixture, a running server
