//! A side effect that survives the death of everybody: one line in a file, flushed to the disk.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::wire::Envelope;

/// The file of effects.
pub(super) struct Effects(Arc<Mutex<File>>);

impl Effects {
    pub(super) fn open(path: &Path) -> Self {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file =
            file.unwrap_or_else(|error| panic!("{} cannot be written: {error}", path.display()));
        Self(Arc::new(Mutex::new(file)))
    }

    /// Writes what identifies the call, its arguments and its `_meta`, and returns once it is on the disk.
    pub(super) async fn append(&self, message: &Envelope<'_>) -> io::Result<String> {
        let arguments = message
            .raw_param("arguments")
            .unwrap_or_else(|| "{}".into());
        let meta = message.raw_param("_meta").unwrap_or_else(|| "{}".into());
        let line = format!(r#"{{"arguments":{arguments},"_meta":{meta}}}"#);
        let file = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            // One write per line, so that lines never mix.
            file.write_all(format!("{line}\n").as_bytes())?;
            file.sync_data()?;
            Ok(line)
        })
        .await?
    }
}
