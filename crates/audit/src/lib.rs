//! The audit journal: two-phase records, group commit, Merkle leaves, search
