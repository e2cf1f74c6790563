//! The keys under which the vault of tokens is sealed.
//!
//! The first one comes from `seal.key`. Each rotation puts a new one in front, in `vault.keys`: it seals from then on,
//! and the older ones open what they sealed until that has ended.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use sekimori_gateway::token_vault::TokenVault;
use sekimori_identity::{Random as _, SystemRandom};

use super::seal_key;
use crate::installation::Installation;

const FILE: &str = "vault.keys";
const KEY_BYTES: usize = 32;
/// Most keys that are kept; with one rotation a day, a conversation of seven days ends before its key is dropped.
const KEYS_MAX: usize = 16;

/// The vault of tokens.
pub(super) fn open_token_vault(installation: &Installation) -> anyhow::Result<TokenVault> {
    let data_dir = &installation.config.server.data_dir;
    let mut keys = rotated(data_dir)?;
    keys.push(seal_key(data_dir)?);
    let random = Arc::new(SystemRandom);
    Ok(TokenVault::new(installation.store.tokens(), &keys, random)?)
}

/// Puts a new key in front; how many there are now beside the first one. Running gates use it after a restart.
pub(crate) fn rotate(data_dir: &Path) -> anyhow::Result<usize> {
    let mut keys = vec![[0; KEY_BYTES]];
    for key in &mut keys {
        SystemRandom.fill(key)?;
    }
    keys.extend(rotated(data_dir)?);
    keys.truncate(KEYS_MAX);
    let (path, new) = (data_dir.join(FILE), data_dir.join("vault.keys.new"));
    if new.exists() {
        fs::remove_file(&new).context("vault.keys.new cannot be replaced")?;
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)
        .context("vault.keys cannot be written")?;
    file.write_all(&keys.concat())?;
    file.sync_all()?;
    fs::rename(&new, &path).context("vault.keys cannot be replaced")?;
    fs::File::open(data_dir)?.sync_all()?;
    Ok(keys.len())
}

/// The keys of rotations, the newest first.
fn rotated(data_dir: &Path) -> anyhow::Result<Vec<[u8; KEY_BYTES]>> {
    let path = data_dir.join(FILE);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let found = fs::read(&path).context("vault.keys cannot be read")?;
    let (keys, rest) = found.as_chunks::<KEY_BYTES>();
    if !rest.is_empty() {
        bail!("vault.keys is damaged: whole keys of 32 bytes expected");
    }
    ensure!(
        keys.len() <= KEYS_MAX,
        "vault.keys is damaged: more than {KEYS_MAX} keys"
    );
    Ok(keys.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rotation_puts_a_key_in_front_and_keeps_the_older_ones() {
        let folder = tempfile::tempdir().unwrap();
        assert!(rotated(folder.path()).unwrap().is_empty());
        assert_eq!(rotate(folder.path()).unwrap(), 1);
        let first = rotated(folder.path()).unwrap();
        for count in 2..=KEYS_MAX {
            assert_eq!(rotate(folder.path()).unwrap(), count);
        }
        let all = rotated(folder.path()).unwrap();
        assert_eq!(all.last(), first.first());
        assert_eq!(rotate(folder.path()).unwrap(), KEYS_MAX);
        fs::write(folder.path().join(FILE), [1; 33]).unwrap();
        assert!(rotate(folder.path()).is_err());
    }
}
