//! Properties that hold for every text.

use proptest::prelude::*;
use sekimori_inspect::{Masker, Scanner};

/// Pieces that detectors react to, in orders that nobody would write.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("マイナンバー".to_owned()),
        Just("１２３４-5678 9018".to_owned()),
        Just("山田太郎様".to_owned()),
        Just("氏名,住所\n".to_owned()),
        Just("東京都千代田区丸の内1-2-3 ビル5F".to_owned()),
        Just("生年月日：昭和六十年四月十二日".to_owned()),
        Just("ﾔﾏﾀﾞ ﾀﾛｳ".to_owned()),
        Just("password=Zk93kd0d#x".to_owned()),
        Just("http://a:bcde@f.jp/".to_owned()),
        Just("taro@example.com".to_owned()),
        Just("〒100‐0005".to_owned()),
        Just("\u{200B}\u{3099}㍻".to_owned()),
        Just("(a,b) VALUES ('c','d')".to_owned()),
        Just("-----BEGIN PRIVATE KEY-----".to_owned()),
        "[0-9０-９一二三〇 .・ー-]{1,24}",
        "[a-zA-Z0-9_./=+:-]{1,40}",
        "\\PC{0,12}",
        any::<String>(),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn findings_lie_within_the_text_in_order_without_overlap(text in text()) {
        let len = u32::try_from(text.chars().count()).unwrap();
        let mut last = 0;
        for finding in Scanner::new().scan(&text) {
            prop_assert!(last <= finding.start && finding.start < finding.end && finding.end <= len);
            last = finding.end;
        }
    }

    #[test]
    fn masking_is_idempotent_and_keeps_the_length(text in text()) {
        let scanner = Scanner::new();
        let once = scanner.mask(&text);
        prop_assert_eq!(once.text.chars().count(), text.chars().count());
        let twice = scanner.mask(&once.text);
        prop_assert_eq!(&twice.text, &once.text);
    }

    #[test]
    fn what_is_outside_of_findings_is_not_touched(text in text()) {
        let masked = Scanner::new().mask(&text);
        for (at, (before, after)) in text.chars().zip(masked.text.chars()).enumerate() {
            let at = u32::try_from(at).unwrap();
            let inside = masked.findings.iter().any(|f| f.start <= at && at < f.end);
            prop_assert!(inside || before == after);
            prop_assert!(!inside || !before.is_ascii_alphanumeric() || after == '*');
        }
    }

    #[test]
    fn masked_json_holds_no_masked_text(digits in "[1-9][0-9]{3}") {
        let mut value = serde_json::json!({"a": [{"tel": format!("090-{digits}-5678")}], "b": digits.len()});
        let found = Scanner::new().mask_json(&mut value);
        prop_assert_eq!(found.len(), 1);
        prop_assert!(!value.to_string().contains(&digits));
    }
}

/// Digits in any width, with invisible characters in between.
fn disguised(digits: &'static str) -> impl Strategy<Value = String> {
    let size = digits.len();
    prop::collection::vec((any::<bool>(), 0_usize..4), size).prop_map(move |ways| {
        let mut text = String::new();
        for (at, (c, (wide, invisible))) in digits.chars().zip(ways).enumerate() {
            if at > 0 {
                text.push_str(["", "", "\u{200B}", "\u{2060}"][invisible]);
            }
            let full = match c {
                '-' => Some('－'),
                c => char::from_u32(u32::from(c) + 0xFEE0),
            };
            text.push(if wide { full.unwrap() } else { c });
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn spans_are_exact_on_the_original(
        before in "[ぁ-ん]{1,6}。",
        phone in disguised("090-1234-5678"),
        card in disguised("4111-1111-1111-1111"),
    ) {
        let text = format!("{before}電話{phone}、カード番号{card}です");
        let place = |part: &str| {
            let start = text.find(part).unwrap();
            let start = text[..start].chars().count();
            (u32::try_from(start).unwrap(), u32::try_from(start + part.chars().count()).unwrap())
        };
        let found = Scanner::new().scan(&text);
        for (kind, part) in [("PHONE", &phone), ("CREDIT_CARD", &card)] {
            let spans: Vec<_> = found
                .iter()
                .filter(|finding| finding.kind.as_str() == kind)
                .map(|finding| (finding.start, finding.end))
                .collect();
            prop_assert_eq!(spans, [place(part)]);
        }
    }

    #[test]
    fn masking_never_shows_more(text in text()) {
        let scanner = Scanner::new();
        let masked = scanner.mask(&text);
        for finding in scanner.scan(&text) {
            let (start, end) = (finding.start as usize, finding.end as usize);
            let shown = masked.text.chars().skip(start).take(end - start);
            prop_assert!(!shown.into_iter().any(|c| c.is_ascii_alphanumeric()));
        }
    }
}

/// The text masked as a stream, cut after those numbers of bytes in turn.
fn streamed(text: &str, cuts: &[usize]) -> String {
    let mut masker = Masker::new(Scanner::new(), |_| true);
    let mut out = String::new();
    let mut rest = text.as_bytes();
    let mut cuts = cuts.iter().cycle();
    while !rest.is_empty() {
        let size = cuts.next().copied().unwrap_or(1).clamp(1, rest.len());
        let (piece, more) = rest.split_at(size);
        out.push_str(&masker.push_bytes(piece).unwrap());
        rest = more;
    }
    out + &masker.finish().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// DATA-3: however a stream is cut, what comes out is the same.
    #[test]
    fn a_stream_is_masked_the_same_for_every_cutting(
        texts in prop::collection::vec(text(), 1..8),
        cuts in prop::collection::vec(1_usize..64, 1..8),
    ) {
        let text = texts.join("。お世話になっております。\n");
        let whole = streamed(&text, &[usize::MAX]);
        prop_assert_eq!(whole.chars().count(), text.chars().count());
        prop_assert_eq!(streamed(&text, &cuts), &*whole);
        prop_assert_eq!(streamed(&text, &[1]), whole);
    }
}
