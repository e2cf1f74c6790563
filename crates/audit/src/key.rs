//! The key under which contents are digested: equality can be proved without storing or revealing them.
//!
//! Arguments are often easy to guess (a name, an amount), and a plain SHA-256 of them would be reversed by
//! trying; an HMAC under a key that stays in the installation is not.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::{hmac, rand};
use sekimori_domain::digest::Digest;
use zeroize::Zeroizing;

const KEY_BYTES: usize = 32;

/// The key of keyed digests.
pub struct ArgumentsKey(hmac::Key);

/// The key cannot be used. It is never replaced silently: old digests would match nothing any more.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The disk failed.
    #[error("cannot {action} the audit key {path}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// The key's file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file does not hold 32 bytes.
    #[error("the audit key {path} does not have {KEY_BYTES} bytes")]
    WrongLength {
        /// The key's file.
        path: PathBuf,
    },
    /// Somebody else may read it.
    #[error("the audit key {path} may be read by others: its mode must be 0600")]
    Exposed {
        /// The key's file.
        path: PathBuf,
    },
    /// The system gave no random bytes.
    #[error("the system gave no random bytes for the audit key")]
    NoRandomness,
}

impl ArgumentsKey {
    /// The key in the file at `path`; a fresh one, mode 0600, if there is none.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyError> {
        match File::open(path) {
            Ok(file) => Self::load(path, file),
            Err(error) if error.kind() == ErrorKind::NotFound => Self::create(path),
            Err(source) => Err(io("open", path)(source)),
        }
    }

    /// A key from its bytes.
    pub fn from_bytes(bytes: &[u8; KEY_BYTES]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// HMAC-SHA-256 of `bytes`, hexadecimal.
    pub fn digest(&self, bytes: &[u8]) -> String {
        let mut out = [0; 32];
        out.copy_from_slice(hmac::sign(&self.0, bytes).as_ref());
        Digest(out).hex()
    }

    fn load(path: &Path, mut file: File) -> Result<Self, KeyError> {
        let metadata = file.metadata().map_err(io("read", path))?;
        if metadata.mode() & 0o077 != 0 {
            return Err(KeyError::Exposed {
                path: path.to_owned(),
            });
        }
        let wrong_length = || KeyError::WrongLength {
            path: path.to_owned(),
        };
        if metadata.len() != crate::frames::len(KEY_BYTES) {
            return Err(wrong_length());
        }
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        file.read_exact(bytes.as_mut()).map_err(io("read", path))?;
        Ok(Self::from_bytes(&bytes))
    }

    /// Written whole under another name first, so that a crash leaves no half key.
    fn create(path: &Path) -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        rand::fill(bytes.as_mut()).map_err(|_| KeyError::NoRandomness)?;
        let new = path.with_extension("new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)
            .map_err(io("make", &new))?;
        file.write_all(bytes.as_ref()).map_err(io("write", &new))?;
        file.sync_all().map_err(io("write", &new))?;
        std::fs::rename(&new, path).map_err(io("make", path))?;
        if let Some(folder) = path.parent() {
            let folder = File::open(folder).map_err(io("make", path))?;
            folder.sync_all().map_err(io("make", path))?;
        }
        Ok(Self::from_bytes(&bytes))
    }
}

impl fmt::Debug for ArgumentsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ArgumentsKey")
    }
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> KeyError {
    let path = path.to_owned();
    move |source| KeyError::Io {
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// RFC 4231, test case 1, with the key filled up by HMAC's own zeros.
    #[test]
    fn the_digest_is_hmac_sha_256() {
        let mut bytes = [0; KEY_BYTES];
        bytes[..20].fill(0x0b);
        assert_eq!(
            ArgumentsKey::from_bytes(&bytes).digest(b"Hi There"),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
    }

    #[test]
    fn a_key_is_made_once_and_kept_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.key");
        let first = ArgumentsKey::load_or_create(&path).unwrap().digest(b"x");
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(
            ArgumentsKey::load_or_create(&path).unwrap().digest(b"x"),
            first
        );
        let other = ArgumentsKey::load_or_create(&dir.path().join("other.key")).unwrap();
        assert_ne!(other.digest(b"x"), first);
        assert_eq!(format!("{other:?}"), "ArgumentsKey");

        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        let exposed = ArgumentsKey::load_or_create(&path).unwrap_err();
        assert!(matches!(exposed, KeyError::Exposed { .. }), "{exposed}");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        std::fs::write(&path, b"short").unwrap();
        let short = ArgumentsKey::load_or_create(&path).unwrap_err();
        assert!(matches!(short, KeyError::WrongLength { .. }), "{short}");
    }
}
