//! Temporary.
#![allow(
    clippy::all,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    clippy::indexing_slicing
)]
use sekimori_inspect::Scanner;
const PROSE: &str = "本日の会議では、来期の販売計画と新製品の発売時期について話し合いました。各部門は今週中に見積を提出し、来週の火曜日までに修正案をまとめることになりました。物流費の上昇を踏まえ、価格の見直しも検討します。品質の確認は工場で行い、結果を共有してください。";
const MAIL: &str = "佐々木様\nお世話になっております。営業部の高橋です。ご請求書は〒100-0005 東京都千代田区丸の内1-2-3へ、ご連絡は03-1234-5678またはsales@example.co.jpまでお願いいたします。\n";
const LOG: &str = "2026-05-12T10:22:31.123Z INFO gateway request_id=7e39045c-809d-41f0-ae03-25b1d1ffa1c7 method=tools/call status=200 elapsed_ms=12 bytes=20481 upstream=crm-primary\n";
const JSON: &str = r#"{"items":[{"sku":"AB-1029","quantity":12,"price":1980,"updated_at":"2026-04-01T00:00:00Z"},{"sku":"CD-3310","quantity":3,"price":24800,"status":"shipped"}],"next":null}"#;
const CODE: &str = "fn total(items: &[Item]) -> u64 {\n    items.iter().map(|item| item.price * item.quantity).sum()\n}\n";
fn main() {
    let mixed: Vec<String> = (0..64)
        .map(|at| {
            let other = [MAIL, LOG, JSON, CODE];
            let mut text = String::new();
            while text.len() < 2048 {
                text.push_str(PROSE);
                text.push_str(PROSE);
                for part in other.iter().cycle().skip(at % 4).take(3) {
                    text.push_str(part);
                }
            }
            text
        })
        .collect();
    let make = |part: &str| -> Vec<String> {
        (0..64)
            .map(|_| part.repeat(2048 / part.len() + 1))
            .collect()
    };
    for (name, texts) in [
        ("mixed", mixed),
        ("prose", make(PROSE)),
        ("mail", make(MAIL)),
        ("log", make(LOG)),
        ("json", make(JSON)),
        ("code", make(CODE)),
    ] {
        let bytes: usize = texts.iter().map(String::len).sum();
        for (what, scanner) in [
            ("plain", Scanner::without_names()),
            ("names", Scanner::new()),
        ] {
            let mut best = f64::MAX;
            for _ in 0..7 {
                let start = std::time::Instant::now();
                let mut n = 0;
                for t in &texts {
                    n += scanner.scan(t).len();
                }
                std::hint::black_box(n);
                best = best.min(start.elapsed().as_secs_f64());
            }
            println!("{name:6} {what}: {:.1} MB/s", bytes as f64 / best / 1e6);
        }
        #[cfg(feature = "phases")]
        sekimori_inspect::phases(&texts);
    }
}
