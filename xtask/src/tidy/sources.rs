//! Rules about the text of files: module docs, length, and what must never be written.

use super::{Findings, TextFile};

/// The longest a Rust file may be; longer ones want a room of their own.
const LINES_MAX: usize = 600;

/// Longer files, each with the reason why it is better in one piece.
const LONG_FILES: &[(&str, &str)] = &[];

/// The keys of the road, and the crates that may make them. Clippy checks the same by type
/// (`disallowed-methods`); this also finds an `expect` that silenced it.
const MINTS: &[(&str, &str)] = &[
    ("Permit::mint(", "crates/policy/"),
    ("Inspected::mint(", "crates/inspect/"),
    ("Warrant::mint(", "crates/approval/"),
];

/// Text that only makes sense on one machine or names a registry's host, and unfinished code.
/// In two halves so that this file does not break its own rule.
const NEVER: &[(&str, &str, &str)] = &[
    ("/wo", "rk/", "a path of one machine"),
    ("/ro", "ot/", "a path of one machine"),
    (
        "/tm",
        "p/",
        "a path of one machine: use the folder for temporary files",
    ),
    ("registry.np", "mjs.org", "the host of a registry"),
    ("pypi", ".org", "the host of a registry"),
    ("pythonhost", "ed.org", "the host of a registry"),
    ("static.crat", "es.io", "the host of a registry"),
    ("index.crat", "es.io", "the host of a registry"),
    ("deb.debi", "an.org", "the host of a registry"),
    ("artif", "actory", "the host of a registry"),
    ("tod", "o!(", "unfinished code"),
    ("unimple", "mented!(", "unfinished code"),
    ("<<<<", "<<< ", "a merge conflict"),
    (">>>>", ">>> ", "a merge conflict"),
];

pub(super) fn check(files: &[TextFile], findings: &mut Findings) {
    for file in files {
        check_never(file, findings);
        if file.path.ends_with("package-lock.json") {
            check_npm_lock(file, findings);
        }
        if file.is_rust() {
            check_module_doc(file, findings);
            check_length(file, findings);
            check_mints(file, findings);
        }
    }
}

fn check_never(file: &TextFile, findings: &mut Findings) {
    for (number, line) in file.text.lines().enumerate() {
        for (start, end, what) in NEVER {
            let found = line.match_indices(start).any(|(at, _)| {
                line.get(at + start.len()..)
                    .is_some_and(|rest| rest.starts_with(end))
            });
            findings.require(!found, || format!("{}:{}: {what}", file.path, number + 1));
        }
    }
}

/// A lock file with `resolved` pins the host that one machine happened to use.
fn check_npm_lock(file: &TextFile, findings: &mut Findings) {
    findings.require(!file.text.contains("\"resolved\""), || {
        format!(
            "{}: holds hosts; install with `omit-lockfile-registry-resolved`",
            file.path
        )
    });
}

fn check_module_doc(file: &TextFile, findings: &mut Findings) {
    let documented = file
        .text
        .lines()
        .find(|line| {
            !line.trim().is_empty() && !line.starts_with("#![") && !line.starts_with("// ")
        })
        .is_none_or(|line| line.starts_with("//!"));
    // The name of these says what they are for.
    let exempt = file.path.ends_with("/main.rs") || file.path.ends_with("/tests.rs");
    findings.require(documented || exempt, || {
        format!(
            "{}: starts without `//!`: say what the module is for",
            file.path
        )
    });
}

fn check_length(file: &TextFile, findings: &mut Findings) {
    let lines = file.text.lines().count();
    let excused = LONG_FILES.iter().any(|(path, _)| *path == file.path);
    findings.require(lines <= LINES_MAX || excused, || {
        format!(
            "{}: {lines} lines, more than {LINES_MAX}: split it",
            file.path
        )
    });
}

fn check_mints(file: &TextFile, findings: &mut Findings) {
    let free = file.path.starts_with("crates/domain/") || file.path.starts_with("xtask/");
    if free || is_test(&file.path) {
        return;
    }
    let product = file.text.split("#[cfg(test)]").next().unwrap_or_default();
    for (mint, owner) in MINTS {
        findings.require(
            file.path.starts_with(owner) || !product.contains(mint),
            || format!("{}: only {owner} may call `{mint}…)`", file.path),
        );
    }
}

fn is_test(path: &str) -> bool {
    path.contains("/tests/")
        || path.contains("/benches/")
        || path.ends_with("/tests.rs")
        || path.starts_with("crates/testkit/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        let file = TextFile {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        let mut findings = Findings::default();
        check(&[file], &mut findings);
        findings.0
    }

    #[test]
    fn a_module_without_a_doc_is_found() {
        assert_eq!(findings("crates/a/src/b.rs", "use c;\n").len(), 1);
        assert!(findings("crates/a/src/b.rs", "//! What b is for\nuse c;\n").is_empty());
    }

    #[test]
    fn a_key_made_elsewhere_is_found_but_not_in_tests() {
        let mint = "//! x\nfn f() { Permit::mint() }\n";
        assert_eq!(findings("crates/gateway/src/call.rs", mint).len(), 1);
        assert!(findings("crates/policy/src/decide.rs", mint).is_empty());
        assert!(findings("crates/gateway/tests/it/main.rs", mint).is_empty());
        let in_test = "//! x\n#[cfg(test)]\nmod tests { fn f() { Permit::mint() } }\n";
        assert!(findings("crates/gateway/src/call.rs", in_test).is_empty());
    }

    #[test]
    fn a_machine_path_is_found_with_its_line() {
        let text = format!("a\nb /ro{}x\n", "ot/");
        assert_eq!(
            findings("docs/a.md", &text),
            ["docs/a.md:2: a path of one machine"]
        );
    }

    #[test]
    fn an_npm_lock_with_hosts_is_found() {
        let text = "{\"resolved\": \"https://host.example/x.tgz\"}";
        assert_eq!(findings("tests/clients/package-lock.json", text).len(), 1);
    }

    #[test]
    fn a_long_file_is_found() {
        let text = format!("//! x\n{}", "\n".repeat(LINES_MAX));
        assert_eq!(findings("crates/a/src/b.rs", &text).len(), 1);
    }
}
