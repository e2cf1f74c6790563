//! Throughput of scanning mixed traffic: prose, mail with personal data, logs, JSON and code.
//! `cargo bench -p sekimori-inspect` prints bytes per second of one core, with the gate's allocator.

#![allow(clippy::print_stdout, reason = "a benchmark, not the gate")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

use sekimori_inspect::{Kind, Scanner, Terms};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const PROSE: &str = "本日の会議では、来期の販売計画と新製品の発売時期について話し合いました。各部門は今週中に見積を提出し、来週の火曜日までに修正案をまとめることになりました。物流費の上昇を踏まえ、価格の見直しも検討します。品質の確認は工場で行い、結果を共有してください。";
const MAIL: &str = "佐々木様\nお世話になっております。営業部の高橋です。ご請求書は〒100-0005 東京都千代田区丸の内1-2-3へ、ご連絡は03-1234-5678またはsales@example.co.jpまでお願いいたします。\n";
const LOG: &str = "2026-05-12T10:22:31.123Z INFO gateway request_id=7e39045c-809d-41f0-ae03-25b1d1ffa1c7 method=tools/call status=200 elapsed_ms=12 bytes=20481 upstream=crm-primary\n";
const JSON: &str = r#"{"items":[{"sku":"AB-1029","quantity":12,"price":1980,"updated_at":"2026-04-01T00:00:00Z"},{"sku":"CD-3310","quantity":3,"price":24800,"status":"shipped"}],"next":null}"#;
const CODE: &str = "fn total(items: &[Item]) -> u64 {\n    items.iter().map(|item| item.price * item.quantity).sum()\n}\n";

/// Messages of about 2 KB: 55 % prose, the rest evenly split.
fn traffic() -> Vec<String> {
    (0..64)
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
        .collect()
}

fn scan(criterion: &mut Criterion) {
    let messages = traffic();
    let bytes: usize = messages.iter().map(String::len).sum();
    let mut group = criterion.benchmark_group("scan");
    group.throughput(Throughput::Bytes(bytes as u64));
    for (name, scanner) in [
        ("without_names", Scanner::without_names()),
        ("with_names", Scanner::new()),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                messages
                    .iter()
                    .map(|text| scanner.scan(text).len())
                    .sum::<usize>()
            });
        });
    }
    group.finish();
}

/// A million customers: making the dictionary of them, loading it as it is stored, and scanning with it.
fn dictionary(criterion: &mut Criterion) {
    let words: Vec<String> = (0..1_000_000)
        .map(|n| format!("顧客第{n:07}号株式会社"))
        .collect();
    let make =
        || Terms::new(words.iter().map(|word| (Kind::Customer, word.as_str()))).unwrap_or_default();
    let terms = Arc::new(make());
    let packed = terms.pack();
    let scanner = Scanner::without_names().with_terms(&terms);
    let messages = traffic();
    let bytes: usize = messages.iter().map(String::len).sum();
    let mut group = criterion.benchmark_group("dictionary_of_a_million");
    group.sample_size(10);
    group.bench_function("make", |bencher| bencher.iter(make));
    group.bench_function("load", |bencher| {
        bencher.iter(|| Terms::unpack(&packed).map(|terms| terms.len()));
    });
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function("scan_without_names", |bencher| {
        bencher.iter(|| {
            messages
                .iter()
                .map(|text| scanner.scan(text).len())
                .sum::<usize>()
        });
    });
    group.finish();
}

/// What inspection adds to the slowest of a hundred calls with a body of 20 kB: JSON with people in it, which is read,
/// covered and written again. The mean says nothing about that, so that every body is timed by itself.
fn latency(_: &mut Criterion) {
    const BODIES: usize = 3_000;
    let row = r#"{"氏名":"佐々木 健一","電話":"090-1234-5678","住所":"東京都千代田区丸の内1-2-3","備考":"本日の会議では、来期の販売計画と新製品の発売時期について話し合いました。","updated_at":"2026-04-01T00:00:00Z"}"#;
    let rows = vec![row; 20_480 / row.len()].join(",");
    let body = format!("[{rows}]");
    for (name, scanner) in [
        ("without_names", Scanner::without_names()),
        ("with_names", Scanner::new()),
    ] {
        let mut times: Vec<Duration> = (0..BODIES)
            .map(|_| {
                let began = Instant::now();
                let mut value: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
                let found = scanner.mask_json(&mut value).len();
                assert!(found > 0 && value.to_string().len() > 10_000);
                began.elapsed()
            })
            .collect();
        times.sort_unstable();
        let at = |share: usize| {
            times
                .get(BODIES * share / 1_000)
                .copied()
                .unwrap_or_default()
        };
        println!(
            "body_of_20_kb/{name}: {} bytes, p50 {:?}, p99 {:?}, p99.9 {:?}",
            body.len(),
            at(500),
            at(990),
            at(999),
        );
    }
}

criterion_group!(benches, scan, latency, dictionary);
criterion_main!(benches);
