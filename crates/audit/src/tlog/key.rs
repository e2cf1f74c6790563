//! Keys of signed notes (C2SP `signed-note`), in the text forms that Go's checksum-database tools use too.

use std::fmt;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use aws_lc_rs::rand;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sekimori_domain::digest::Digest;
use zeroize::Zeroizing;

use super::tiles::write_durably;

/// Longest name of a key: it is part of each signed note.
pub const NAME_BYTES_MAX: usize = 200;
/// Bytes of a key's id.
pub(crate) const ID_BYTES: usize = 4;

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// The log's own checkpoints: Ed25519 over the text.
    Log,
    /// Cosignatures of a witness: Ed25519 over time and text.
    Witness,
}

impl KeyKind {
    /// The byte of the algorithm in key ids and key texts.
    fn byte(self) -> u8 {
        match self {
            Self::Log => 1,
            Self::Witness => 4,
        }
    }
}

/// A key that others verify with: `name+id+base64`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    name: String,
    kind: KeyKind,
    key: [u8; 32],
}

/// A text is no key, or a file holds none.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The text is not `name+id+key`, or its parts do not fit each other.
    #[error("not a key of a signed note (name+id+base64)")]
    Malformed,
    /// The name cannot be part of a signed note.
    #[error("the name of a key has 1 to 200 bytes, no spaces and no plus sign")]
    Name,
    /// The disk failed.
    #[error("cannot {action} the signing key {path}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// The key's file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Somebody else may read it.
    #[error("the signing key {path} may be read by others: its mode must be 0600")]
    Exposed {
        /// The key's file.
        path: PathBuf,
    },
    /// The system gave no random bytes.
    #[error("the system gave no random bytes for the signing key")]
    NoRandomness,
}

impl VerifyingKey {
    /// The name: the origin of a log, or the name of a witness.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it signs.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The first four bytes of `SHA-256(name ‖ "\n" ‖ kind ‖ key)`.
    pub fn id(&self) -> [u8; ID_BYTES] {
        let parts = [self.name.as_bytes(), b"\n", &[self.kind.byte()], &self.key];
        let digest = Digest::of_parts(&parts).0;
        let mut id = [0; ID_BYTES];
        for (to, from) in id.iter_mut().zip(digest) {
            *to = from;
        }
        id
    }

    /// Whether `signature` is one of this key over `message`.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.key)
            .verify(message, signature)
            .is_ok()
    }

    /// The key of SSH and TLS tools: 32 bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.key
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u32::from_be_bytes(self.id());
        let mut bytes = vec![self.kind.byte()];
        bytes.extend_from_slice(&self.key);
        write!(f, "{}+{id:08x}+{}", self.name, STANDARD.encode(bytes))
    }
}

impl FromStr for VerifyingKey {
    type Err = KeyFileError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyFileError::Malformed);
        };
        check_name(name)?;
        let (kind, key) = key_bytes(key)?;
        let read = Self {
            name: name.to_owned(),
            kind,
            key,
        };
        let expected = format!("{:08x}", u32::from_be_bytes(read.id()));
        if expected == id {
            Ok(read)
        } else {
            Err(KeyFileError::Malformed)
        }
    }
}

/// A key that signs. Its text form is as secret as the key.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    seed: Zeroizing<[u8; 32]>,
    verifying: VerifyingKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("verifying", &self.verifying)
            .finish_non_exhaustive()
    }
}

impl SigningKey {
    /// A key from its seed.
    pub fn from_seed(name: &str, kind: KeyKind, seed: [u8; 32]) -> Result<Self, KeyFileError> {
        check_name(name)?;
        let seed = Zeroizing::new(seed);
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_ref())
            .map_err(|_| KeyFileError::Malformed)?;
        let key = pair.public_key().as_ref().try_into();
        let verifying = VerifyingKey {
            name: name.to_owned(),
            kind,
            key: key.map_err(|_| KeyFileError::Malformed)?,
        };
        Ok(Self {
            pair,
            seed,
            verifying,
        })
    }

    /// A fresh key.
    pub fn generate(name: &str, kind: KeyKind) -> Result<Self, KeyFileError> {
        let mut seed = Zeroizing::new([0; 32]);
        rand::fill(seed.as_mut()).map_err(|_| KeyFileError::NoRandomness)?;
        Self::from_seed(name, kind, *seed)
    }

    /// The key in the file at `path`; a fresh one, mode 0600, if there is none. Beside it lies the key to
    /// verify with, as `.pub`.
    pub fn load_or_create(path: &Path, name: &str, kind: KeyKind) -> Result<Self, KeyFileError> {
        match File::open(path) {
            Ok(file) => Self::load(path, &file),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let key = Self::generate(name, kind)?;
                key.store(path)?;
                key.publish(path)?;
                Ok(key)
            }
            Err(source) => Err(io("open", path)(source)),
        }
    }

    /// The key in the file at `path`.
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        let file = File::open(path).map_err(io("open", path))?;
        Self::load(path, &file)
    }

    /// Writes the key into the file at `path`, mode 0600.
    pub(crate) fn store(&self, path: &Path) -> Result<(), KeyFileError> {
        write_new(path, self.to_text().as_bytes(), 0o600)
    }

    /// Writes the key to verify with beside the file at `path`, as `.pub`.
    pub(crate) fn publish(&self, path: &Path) -> Result<(), KeyFileError> {
        let public = format!("{}\n", self.verifying);
        write_new(&path.with_extension("pub"), public.as_bytes(), 0o644)
    }

    fn load(path: &Path, file: &File) -> Result<Self, KeyFileError> {
        let metadata = file.metadata().map_err(io("read", path))?;
        if metadata.mode() & 0o077 != 0 {
            return Err(KeyFileError::Exposed {
                path: path.to_owned(),
            });
        }
        let text = std::io::read_to_string(file.take_small());
        let text = Zeroizing::new(text.map_err(io("read", path))?);
        Self::from_text(&text)
    }

    /// Reads `PRIVATE+KEY+name+id+base64`.
    pub fn from_text(text: &str) -> Result<Self, KeyFileError> {
        let rest = text.trim().strip_prefix("PRIVATE+KEY+");
        let mut parts = rest.ok_or(KeyFileError::Malformed)?.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyFileError::Malformed);
        };
        let (kind, seed) = key_bytes(key)?;
        let read = Self::from_seed(name, kind, seed)?;
        if format!("{:08x}", u32::from_be_bytes(read.verifying.id())) == id {
            Ok(read)
        } else {
            Err(KeyFileError::Malformed)
        }
    }

    fn to_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(vec![self.verifying.kind.byte()]);
        bytes.extend_from_slice(self.seed.as_ref());
        let id = u32::from_be_bytes(self.verifying.id());
        let (name, seed) = (&self.verifying.name, STANDARD.encode(&*bytes));
        Zeroizing::new(format!("PRIVATE+KEY+{name}+{id:08x}+{seed}\n"))
    }

    /// The key that others verify with.
    pub fn verifying(&self) -> &VerifyingKey {
        &self.verifying
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

trait TakeSmall {
    fn take_small(&self) -> std::io::Take<&File>;
}

impl TakeSmall for File {
    /// A key is one short line.
    fn take_small(&self) -> std::io::Take<&File> {
        std::io::Read::take(self, 4_096)
    }
}

/// The name that a node's log gets: the host that clients know, and the node.
pub fn origin(host: &str, node: &str) -> String {
    let plain = |text: &str| -> String {
        let mapped = text.chars().map(|char| {
            if char == '+' || char.is_whitespace() || char.is_control() {
                '-'
            } else {
                char
            }
        });
        mapped.collect()
    };
    let mut name = format!("{}/audit/{}", plain(host), plain(node));
    while name.len() > NAME_BYTES_MAX {
        name.pop();
    }
    name
}

fn check_name(name: &str) -> Result<(), KeyFileError> {
    let bad = |char: char| char == '+' || char.is_whitespace() || char.is_control();
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.contains(bad) {
        Err(KeyFileError::Name)
    } else {
        Ok(())
    }
}

fn key_bytes(text: &str) -> Result<(KeyKind, [u8; 32]), KeyFileError> {
    let malformed = |_| KeyFileError::Malformed;
    let bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| KeyFileError::Malformed)?);
    let (kind, key) = bytes.split_first().ok_or(KeyFileError::Malformed)?;
    let kind = [KeyKind::Log, KeyKind::Witness]
        .into_iter()
        .find(|known| known.byte() == *kind)
        .ok_or(KeyFileError::Malformed)?;
    Ok((kind, key.try_into().map_err(malformed)?))
}

/// Written whole under another name first, so that a crash leaves no half key.
pub(crate) fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), KeyFileError> {
    write_durably(path, bytes, mode).map_err(io("make", path))
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> KeyFileError {
    let path = path.to_owned();
    move |source| KeyFileError::Io {
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Go's package documentation (`golang.org/x/mod/sumdb/note`).
    #[test]
    fn keys_of_other_tools_read() {
        let public = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let secret =
            "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
        let key = SigningKey::from_text(secret).unwrap();
        assert_eq!(key.verifying().to_string(), public);
        assert_eq!(public.parse::<VerifyingKey>().unwrap(), *key.verifying());
        assert_eq!(*key.to_text(), format!("{secret}\n"));
        assert!(!format!("{key:?}").contains("AYEKFALV"));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for bad in [
            "",
            "a+b",
            "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "PeterNeumann+c74f20a3+AhpcBAUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "PeterNeumann+c74f20a3+AR",
        ] {
            assert!(bad.parse::<VerifyingKey>().is_err(), "{bad}");
            assert!(SigningKey::from_text(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_is_made_once_and_kept_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit-signing.key");
        let first = SigningKey::load_or_create(&path, "gate/audit/a", KeyKind::Log).unwrap();
        let again = SigningKey::load_or_create(&path, "other", KeyKind::Log).unwrap();
        assert_eq!(first.verifying(), again.verifying(), "the first name stays");
        let public = std::fs::read_to_string(path.with_extension("pub")).unwrap();
        assert_eq!(public.trim(), first.verifying().to_string());
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let exposed = SigningKey::load_or_create(&path, "x", KeyKind::Log).unwrap_err();
        assert!(matches!(exposed, KeyFileError::Exposed { .. }), "{exposed}");
    }

    #[test]
    fn origins_are_names() {
        assert_eq!(
            origin("gate.example.co.jp", "node 1+"),
            "gate.example.co.jp/audit/node-1-"
        );
        assert!(origin(&"語".repeat(300), "n").len() <= NAME_BYTES_MAX);
    }
}
