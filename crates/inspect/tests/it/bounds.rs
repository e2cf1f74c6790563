//! What is made to cost a lot costs little: time and memory are bounded whatever comes (DATA-2).
//!
//! Each test runs in a process of its own, so the largest memory of the process is that of the test.

use std::time::{Duration, Instant};

use sekimori_inspect::poison::scan_text;
use sekimori_inspect::{FileError, Scanner, read_file};

use crate::office::archive;

/// Far more than any of them takes, far less than anything that grows with the square of its input.
const TIME_MAX: Duration = Duration::from_mins(2);
const MIB: u64 = 1024 * 1024;

/// Runs it within the bounds.
fn bounded<T>(what: &str, memory_max: u64, run: impl FnOnce() -> T) -> T {
    let before = peak();
    let started = Instant::now();
    let done = run();
    let (taken, grown) = (started.elapsed(), peak().saturating_sub(before));
    println!("{what}: {taken:?}, {} MiB", grown / MIB);
    assert!(taken < TIME_MAX, "{what} took {taken:?}");
    assert!(grown < memory_max, "{what} took {} MiB", grown / MIB);
    done
}

/// The most memory that the process has had, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib: u64 = line
        .unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    kib * 1024
}

#[test]
fn archives_that_unpack_to_gigabytes_are_not_unpacked() {
    // 1,000 parts of 8 MiB each: 8 GiB in 35 MiB.
    let part = vec![b'0'; 8 * 1024 * 1024 - 1];
    let names: Vec<String> = (0..1_000).map(|at| format!("word/part{at}.xml")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &*part)).collect();
    let bomb = archive(&files);
    let found = bounded("a bomb", 128 * MIB, || read_file(&bomb));
    assert_eq!(found, Err(FileError::Archive));
    // One part that never ends.
    let endless = archive(&[("word/document.xml", &vec![b'0'; 200 * 1024 * 1024])]);
    let found = bounded("an endless part", 64 * MIB, || read_file(&endless));
    assert_eq!(found, Err(FileError::Archive));
}

#[test]
fn deep_json_and_very_many_values_are_not_followed() {
    let deep = format!("{}1{}", "[".repeat(2_000_000), "]".repeat(2_000_000));
    let found = bounded("deep JSON", 64 * MIB, || read_file(deep.as_bytes()));
    assert_eq!(found, Err(FileError::Nested));
    let many = format!("[{}1]", "1,".repeat(1_500_000));
    let found = bounded("many values", 512 * MIB, || read_file(many.as_bytes()));
    assert_eq!(found, Err(FileError::Nested));
}

#[test]
fn giant_lines_and_pages_of_brackets_are_read_in_one_pass() {
    for (what, text) in [
        ("a giant line", "あ1-".repeat(100_000)),
        ("digits", "1".repeat(300_000)),
        ("brackets", "<".repeat(300_000)),
        (
            "a page of tags",
            format!("<html>{}", "<a href='".repeat(50_000)),
        ),
        ("entities", format!("<html>{}", "&".repeat(300_000))),
    ] {
        bounded(what, 1024 * MIB, || {
            let read = read_file(text.as_bytes()).unwrap();
            Scanner::without_names().scan(&read.text).len()
        });
    }
}

#[test]
fn nothing_makes_the_look_for_orders_slow() {
    for (what, text) in [
        ("words that begin an order", "ignore ".repeat(150_000)),
        (
            "words that could be told to send",
            "send data ".repeat(100_000),
        ),
        (
            "addresses among them",
            "send data http://a.example/x ".repeat(30_000),
        ),
        ("addresses to mail to", "a@b.example ".repeat(80_000)),
        ("comments", "<!-->".repeat(200_000)),
        ("comments that never end", "<!--".repeat(200_000)),
        ("invisible characters", "a\u{200B}".repeat(300_000)),
        ("blanks", format!("{}a", " ".repeat(80)).repeat(10_000)),
        (
            "a sentence without end",
            "指示 送信 http://a.example ".repeat(30_000),
        ),
    ] {
        let found = bounded(what, 512 * MIB, || scan_text(&text));
        assert!(found.len() <= 32, "{what}");
    }
}
