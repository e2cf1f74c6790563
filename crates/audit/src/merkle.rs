//! The Merkle tree of RFC 6962 section 2.1, kept as its frontier: the roots of the full subtrees.
//!
//! A tree of `size` leaves needs one hash per set bit of `size`, so appending and taking the root cost
//! a handful of hashes however long the log is.

use sekimori_domain::digest::Digest;

/// A SHA-256 hash of the tree.
pub type Hash = [u8; 32];

/// Most peaks a tree of `u64` leaves can have.
pub(crate) const PEAKS_MAX: usize = 64;

/// The hash of a leaf: `SHA-256(0x00 ‖ bytes)`.
pub fn leaf_hash(bytes: &[u8]) -> Hash {
    Digest::of_parts(&[&[0], bytes]).0
}

/// The hash of an inner node: `SHA-256(0x01 ‖ left ‖ right)`.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut bytes = [1; 65];
    let (_, children) = bytes.split_at_mut(1);
    let (first, second) = children.split_at_mut(32);
    first.copy_from_slice(left);
    second.copy_from_slice(right);
    Digest::of(&bytes).0
}

/// An append-only Merkle tree, reduced to what appending and its root need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// Roots of the full subtrees, the largest first.
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The frontier of a stored tree; `None` if the number of peaks does not fit the size.
    pub(crate) fn from_parts(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        let fits =
            u64::try_from(peaks.len()).is_ok_and(|count| count == u64::from(size.count_ones()));
        fits.then_some(Self { size, peaks })
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Roots of the full subtrees, the largest first.
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Appends one leaf hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        let mut rest = self.size;
        while rest & 1 == 1 {
            if let Some(left) = self.peaks.pop() {
                hash = node_hash(&left, &hash);
            }
            rest >>= 1;
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The Merkle tree hash. Of the empty tree: SHA-256 of nothing.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else {
            return Digest::of(&[]).0;
        };
        peaks.fold(*last, |right, left| node_hash(left, &right))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition of RFC 6962 section 2.1, word for word.
    fn by_definition(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Digest::of(&[]).0,
            [leaf] => *leaf,
            _ => {
                let split = leaves.len().next_power_of_two() / 2;
                let (left, right) = leaves.split_at(split);
                node_hash(&by_definition(left), &by_definition(right))
            }
        }
    }

    #[test]
    fn the_root_is_that_of_the_definition() {
        let mut frontier = Frontier::default();
        let mut leaves = Vec::new();
        for index in 0_u32..300 {
            assert_eq!(frontier.root(), by_definition(&leaves), "{index} leaves");
            let leaf = leaf_hash(&index.to_be_bytes());
            leaves.push(leaf);
            frontier.push(leaf);
            assert_eq!(frontier.size(), u64::try_from(leaves.len()).unwrap());
            let stored = Frontier::from_parts(frontier.size(), frontier.peaks().to_vec());
            assert_eq!(stored.as_ref(), Some(&frontier));
        }
        assert_eq!(Frontier::from_parts(3, vec![[0; 32]]), None);
    }

    /// The test vectors of the reference implementation (certificate-transparency, `merkletree_test`).
    #[test]
    fn the_root_is_that_of_the_known_vectors() {
        let inputs: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let mut frontier = Frontier::default();
        for input in inputs {
            frontier.push(leaf_hash(input));
        }
        assert_eq!(
            Digest(frontier.root()).hex(),
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
        );
    }
}
