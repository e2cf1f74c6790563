//! Texts made to take long or much: every one ends in a time that grows with its length only.

use std::time::{Duration, Instant};

use sekimori_inspect::{Masker, Scanner};

/// Quadratic work on texts of this size takes minutes; what is wanted takes well below a second.
const BYTES: usize = 256 * 1024;
const LIMIT: Duration = Duration::from_secs(20);

fn within_limit(what: &str, work: impl FnOnce()) {
    let start = Instant::now();
    work();
    assert!(start.elapsed() < LIMIT, "{what} took {:?}", start.elapsed());
}

/// A giant line of `piece` without end.
fn line(piece: &str) -> String {
    piece.repeat(BYTES / piece.len())
}

#[test]
fn giant_lines_end_in_time() {
    let scanner = Scanner::new();
    for piece in [
        "1 ",
        "1-",
        "1234567890123456789",
        "〇",
        "@",
        "a@",
        "a@b.",
        "(at)",
        "[",
        "{\"a\":",
        "東京都",
        "東京都千代田区丸の内1",
        "佐藤",
        "佐",
        "山田太郎・",
        "ジョン・",
        "Taro ",
        "TARO",
        "password=",
        "eyJ",
        "AKIA",
        "https://a:b",
        "-----BEGIN PRIVATE KEY-----",
        "生年月日",
        "1985年4月12日生",
        "口座番号",
        "記号1番号",
        "氏名,",
        "氏名,住所\n",
        "(a) VALUES (",
        "社外秘",
        ":",
        "::1",
        "\u{3099}",
        "\u{200B}",
        "㍻",
        "品川300あ",
    ] {
        let text = line(piece);
        within_limit(piece, || {
            scanner.scan(&text);
        });
    }
}

#[test]
fn deep_json_ends_in_time() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let depth = BYTES / 16;
        let text = format!(
            "{}\"090-1234-5678\"{}",
            open.repeat(depth),
            close.repeat(depth)
        );
        within_limit(open, || {
            Scanner::new().scan(&text);
        });
    }
    let mut value = serde_json::json!("090-1234-5678");
    for _ in 0..120 {
        value = serde_json::json!([value]);
    }
    within_limit("mask_json", || {
        let mut value = value.clone();
        assert_eq!(Scanner::new().mask_json(&mut value).len(), 1);
    });
}

#[test]
fn a_stream_without_end_of_line_holds_little_back() {
    let piece = "a1-".repeat(1000);
    let mut masker = Masker::new(Scanner::new(), |_| true);
    let (mut sent, mut came) = (0, 0);
    within_limit("stream", || {
        for _ in 0..20 {
            sent += piece.len();
            came += masker.push(&piece).len();
            assert!(sent - came < 4096, "{} bytes held back", sent - came);
        }
    });
}
