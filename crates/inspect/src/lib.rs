//! Content inspection: what may pass, in and out; pure CPU
