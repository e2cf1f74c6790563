//! Running other programs: where the repository is, what is on the path, and clear failures.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Where `setup` keeps what it installs. Ignored by git, safe to delete.
pub(crate) fn cache() -> PathBuf {
    root().join(".cache")
}

/// The committed lists of counterparts: clients and upstream servers that we test against.
pub(crate) fn counterparts() -> PathBuf {
    root().join("tests/clients")
}

/// The cargo that started us.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Where cargo puts what it builds: the setting of the environment, else `target`.
pub(crate) fn target_dir() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// The path of a binary of this workspace, built with the dev profile.
pub(crate) fn built(binary: &str) -> PathBuf {
    target_dir().join("debug").join(binary)
}

/// The path of a binary of this workspace, built with the release profile.
pub(crate) fn released(binary: &str) -> PathBuf {
    target_dir().join("release").join(binary)
}

/// Whether a program of this name is on the path.
pub(crate) fn on_path(program: &str) -> bool {
    find_on_path(program).is_some()
}

/// The first program of this name on the path.
pub(crate) fn find_on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// Runs a program to its end, showing its output. No standard input: nothing may ask.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = show(command);
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("`{shown}` could not be started"))?;
    if !status.success() {
        bail!("`{shown}` failed: {status}");
    }
    Ok(())
}

/// Runs a program to its end and returns what it wrote to standard output.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let shown = show(command);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("`{shown}` could not be started"))?;
    if !output.status.success() {
        bail!("`{shown}` failed: {}", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{shown}` printed invalid UTF-8"))
}

/// The command as a person would type it, with the repository's own path left out.
fn show(command: &Command) -> String {
    let root = root();
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| shorten(word, &root))
        .collect::<Vec<_>>()
        .join(" ")
}

fn shorten(word: &OsStr, root: &Path) -> String {
    let path = Path::new(word);
    let short = if path.file_name().is_some_and(|name| name == "cargo") {
        Path::new("cargo")
    } else {
        path.strip_prefix(root).unwrap_or(path)
    };
    short.display().to_string()
}

/// Asks `ready` again and again until it answers or the time is over.
pub(crate) fn wait_for<T>(
    what: &str,
    limit: Duration,
    mut ready: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(value) = ready()? {
            return Ok(value);
        }
        if Instant::now() > end {
            bail!("{what} was not ready after {} s", limit.as_secs());
        }
        pause(Duration::from_millis(50));
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "xtask is synchronous: no worker is blocked"
)]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_program_is_named_in_the_error() {
        let error = run(&mut Command::new("false")).unwrap_err();
        assert!(error.to_string().starts_with("`false` failed"), "{error}");
    }

    #[test]
    fn waiting_ends_with_the_name_of_what_was_awaited() {
        let never = || Ok(None::<()>);
        let error = wait_for("the moon", Duration::ZERO, never).unwrap_err();
        assert!(error.to_string().contains("the moon"), "{error}");
    }
}
