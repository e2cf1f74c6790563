//! Takes the built console into the binary: `console/dist`, made by `cargo xtask console`.
//!
//! Without it the gate builds all the same, and says at `/ui/` how to make it.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io::{Error, Result};
use std::path::{Path, PathBuf};

fn main() -> Result<()> {
    let dist = PathBuf::from(variable("CARGO_MANIFEST_DIR")?).join("../../console/dist");
    println!("cargo:rerun-if-changed={}", dist.display());
    let mut files = Vec::new();
    if dist.join("index.html").is_file() {
        find(&dist, &dist, &mut files)?;
    }
    files.sort();
    let mut code = String::from("&[\n");
    for (name, file) in files {
        let place = fs::canonicalize(file)?;
        let place = place.to_string_lossy();
        writeln!(code, "    ({name:?}, include_bytes!({place:?})),").map_err(Error::other)?;
    }
    code.push(']');
    fs::write(PathBuf::from(variable("OUT_DIR")?).join("console.rs"), code)
}

fn variable(name: &str) -> Result<OsString> {
    std::env::var_os(name).ok_or_else(|| Error::other(format!("cargo does not set {name}")))
}

/// The files below a folder, under the names by which they are asked for.
fn find(dist: &Path, folder: &Path, files: &mut Vec<(String, PathBuf)>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // What is hidden is for the build of the console itself.
        if name.starts_with('.') || name == "README.md" {
            continue;
        }
        if path.is_dir() {
            find(dist, &path, files)?;
        } else {
            let name = path.strip_prefix(dist).map_err(Error::other)?;
            files.push((name.to_string_lossy().into_owned(), path));
        }
    }
    Ok(())
}
