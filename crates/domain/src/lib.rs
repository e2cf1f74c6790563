//! The nouns of the gate and their rules: no I/O, no async, no clock
