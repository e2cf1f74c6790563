//! Proofs of RFC 6962: that a record is in a tree, and that a tree only grew. Made here, and checked here.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::checkpoint::{SignedCheckpoint, decimal, hash};
use super::tiles::TileError;
use crate::merkle::{Hash, node_hash};

/// First line of an inclusion proof (C2SP `tlog-proof`).
const PROOF_LINE: &str = "c2sp.org/tlog-proof@v1";
/// Most hashes of a proof: a tree of `u64` leaves has no more levels.
pub(crate) const HASHES_MAX: usize = 64;

/// Where the hashes of complete subtrees come from.
pub trait Subtrees {
    /// The root of the subtree of `2^level` leaves that begins at leaf `index · 2^level`.
    fn subtree(&self, level: u32, index: u64) -> Result<Hash, TileError>;
}

/// A proof does not prove what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The text is no proof.
    #[error("not a proof")]
    Malformed,
    /// It proves something else.
    #[error("the proof does not fit")]
    DoesNotFit,
}

/// Root of the leaves `[begin, end)`.
fn range(source: &dyn Subtrees, begin: u64, end: u64) -> Result<Hash, TileError> {
    let count = end - begin;
    if count.is_power_of_two() {
        let level = count.trailing_zeros();
        return source.subtree(level, begin >> level);
    }
    let middle = begin + split(count);
    let (left, right) = (range(source, begin, middle)?, range(source, middle, end)?);
    Ok(node_hash(&left, &right))
}

/// The largest power of two below `count`, which is at least 2.
fn split(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

/// The root of the first `size` leaves.
pub fn root(source: &dyn Subtrees, size: u64) -> Result<Hash, TileError> {
    if size == 0 {
        return Ok(crate::merkle::Frontier::default().root());
    }
    range(source, 0, size)
}

/// The audit path of leaf `index` in a tree of `size` leaves, from the leaf upwards.
pub fn inclusion(source: &dyn Subtrees, index: u64, size: u64) -> Result<Vec<Hash>, TileError> {
    if index >= size {
        return Err(TileError::Beyond { size });
    }
    let mut path = Vec::new();
    let (mut begin, mut end) = (0, size);
    while end - begin > 1 {
        let middle = begin + split(end - begin);
        if index < middle {
            path.push(range(source, middle, end)?);
            end = middle;
        } else {
            path.push(range(source, begin, middle)?);
            begin = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The proof that the tree of `old` leaves is the beginning of the one of `size`.
pub fn consistency(source: &dyn Subtrees, old: u64, size: u64) -> Result<Vec<Hash>, TileError> {
    if old > size {
        return Err(TileError::Beyond { size });
    }
    let mut path = Vec::new();
    if old == 0 || old == size {
        return Ok(path);
    }
    let (mut begin, mut end, mut whole) = (0, size, true);
    while old < end {
        let middle = begin + split(end - begin);
        if old <= middle {
            path.push(range(source, middle, end)?);
            end = middle;
        } else {
            path.push(range(source, begin, middle)?);
            begin = middle;
            whole = false;
        }
    }
    if !whole {
        path.push(range(source, begin, end)?);
    }
    path.reverse();
    Ok(path)
}

/// Checks an audit path (RFC 9162, section 2.1.3.2).
pub fn check_inclusion(
    path: &[Hash],
    leaf: &Hash,
    index: u64,
    size: u64,
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::DoesNotFit);
    }
    let (mut node, mut last, mut hash) = (index, size - 1, *leaf);
    for other in path {
        if last == 0 {
            return Err(ProofError::DoesNotFit);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(other, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, other);
        }
        node >>= 1;
        last >>= 1;
    }
    fits(last == 0 && hash == *root)
}

/// Checks that a tree grew out of an older one (RFC 9162, section 2.1.4.2).
pub fn check_consistency(
    path: &[Hash],
    old: (u64, &Hash),
    new: (u64, &Hash),
) -> Result<(), ProofError> {
    let ((old_size, old_root), (new_size, new_root)) = (old, new);
    if old_size > new_size {
        return Err(ProofError::DoesNotFit);
    }
    if old_size == new_size {
        return fits(path.is_empty() && old_root == new_root);
    }
    if old_size == 0 {
        return fits(path.is_empty());
    }
    let (mut node, mut last) = (old_size - 1, new_size - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let mut path = path.iter();
    let first = if old_size.is_power_of_two() {
        old_root
    } else {
        path.next().ok_or(ProofError::DoesNotFit)?
    };
    let (mut before, mut after) = (*first, *first);
    for other in path {
        if last == 0 {
            return Err(ProofError::DoesNotFit);
        }
        if node & 1 == 1 || node == last {
            before = node_hash(other, &before);
            after = node_hash(other, &after);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            after = node_hash(&after, other);
        }
        node >>= 1;
        last >>= 1;
    }
    fits(last == 0 && before == *old_root && after == *new_root)
}

fn fits(so: bool) -> Result<(), ProofError> {
    if so {
        Ok(())
    } else {
        Err(ProofError::DoesNotFit)
    }
}

/// A proof that stands on its own: where a record is, its path, and the signed checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProof {
    /// The number of the record.
    pub index: u64,
    /// Its audit path.
    pub path: Vec<Hash>,
    /// The tree.
    pub checkpoint: SignedCheckpoint,
}

impl InclusionProof {
    /// As a `.tlog-proof` file.
    pub fn text(&self) -> String {
        let mut text = format!("{PROOF_LINE}\nindex {}\n", self.index);
        put_hashes(&mut text, &self.path);
        text + "\n" + &self.checkpoint.note()
    }

    /// Reads a `.tlog-proof` file.
    pub fn parse(text: &str) -> Result<Self, ProofError> {
        let (head, note) = text.split_once("\n\n").ok_or(ProofError::Malformed)?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(PROOF_LINE) {
            return Err(ProofError::Malformed);
        }
        lines.next_if(|line| line.starts_with("extra "));
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index = index.and_then(decimal).ok_or(ProofError::Malformed)?;
        Ok(Self {
            index,
            path: hashes(lines)?,
            checkpoint: SignedCheckpoint::parse(note).map_err(|_| ProofError::Malformed)?,
        })
    }

    /// Whether it proves that `leaf` is in the tree. The signature is the caller's to check.
    pub fn check(&self, leaf: &Hash) -> Result<(), ProofError> {
        let head = self.checkpoint.head();
        check_inclusion(&self.path, leaf, self.index, head.size, &head.root)
    }
}

/// Hashes, one a line.
pub(crate) fn put_hashes(text: &mut String, hashes: &[Hash]) {
    for hash in hashes {
        // Writing into a string cannot fail.
        let _: std::fmt::Result = writeln!(text, "{}", STANDARD.encode(hash));
    }
}

/// Hashes, one a line.
pub(crate) fn hashes<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Vec<Hash>, ProofError> {
    let mut hashes = Vec::new();
    for line in lines {
        if hashes.len() == HASHES_MAX {
            return Err(ProofError::Malformed);
        }
        hashes.push(hash(line).ok_or(ProofError::Malformed)?);
    }
    Ok(hashes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::{Frontier, leaf_hash};

    struct Leaves(Vec<Hash>);

    impl Subtrees for Leaves {
        fn subtree(&self, level: u32, index: u64) -> Result<Hash, TileError> {
            if level == 0 {
                return Ok(self.0[usize::try_from(index).unwrap()]);
            }
            let left = self.subtree(level - 1, index * 2)?;
            Ok(node_hash(&left, &self.subtree(level - 1, index * 2 + 1)?))
        }
    }

    fn leaves(count: u64) -> (Leaves, Vec<Hash>) {
        let mut tree = Frontier::default();
        let mut roots = vec![tree.root()];
        let leaves: Vec<Hash> = (0..count)
            .map(|leaf| leaf_hash(&leaf.to_be_bytes()))
            .collect();
        for leaf in &leaves {
            tree.push(*leaf);
            roots.push(tree.root());
        }
        (Leaves(leaves), roots)
    }

    #[test]
    fn every_leaf_of_every_tree_is_proved_and_nothing_else() {
        let (source, roots) = leaves(70);
        for size in 1..=70_u64 {
            let tree_root = roots[usize::try_from(size).unwrap()];
            assert_eq!(root(&source, size).unwrap(), tree_root);
            for index in 0..size {
                let path = inclusion(&source, index, size).unwrap();
                let leaf = source.0[usize::try_from(index).unwrap()];
                check_inclusion(&path, &leaf, index, size, &tree_root).unwrap();
                assert!(check_inclusion(&path, &[9; 32], index, size, &tree_root).is_err());
                assert!(check_inclusion(&path, &leaf, index + 1, size, &tree_root).is_err());
                let mut longer = path.clone();
                longer.push([0; 32]);
                assert!(check_inclusion(&longer, &leaf, index, size, &tree_root).is_err());
            }
        }
        assert!(inclusion(&source, 5, 5).is_err());
    }

    #[test]
    fn every_pair_of_trees_is_proved_and_nothing_else() {
        let (source, roots) = leaves(70);
        let root_of = |size: u64| roots[usize::try_from(size).unwrap()];
        for new in 0..=70 {
            for old in 0..=new {
                let path = consistency(&source, old, new).unwrap();
                let (before, after) = (root_of(old), root_of(new));
                check_consistency(&path, (old, &before), (new, &after)).unwrap();
                if old > 0 {
                    assert!(check_consistency(&path, (old, &[1; 32]), (new, &after)).is_err());
                    assert!(check_consistency(&path, (old, &before), (new, &[1; 32])).is_err());
                }
                for at in 0..path.len() {
                    let mut bad = path.clone();
                    bad[at][0] ^= 1;
                    assert!(check_consistency(&bad, (old, &before), (new, &after)).is_err());
                }
            }
        }
    }
}
