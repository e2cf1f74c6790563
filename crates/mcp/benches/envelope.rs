//! What reading and writing envelopes costs.

#![allow(clippy::unwrap_used, missing_docs, reason = "benchmark")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sekimori_domain::ids::ConnectorName;
use sekimori_mcp::envelope::{self, Id, Message, Reply};
use sekimori_mcp::raw_object::RawObject;
use sekimori_mcp::translate::{CacheHint, result_to_modern};
use sekimori_mcp::uris::UriRewriter;

const CALL: &str = r#"{"jsonrpc":"2.0","id":"1b2c","method":"tools/call","params":{"name":"crm__find_customer","arguments":{"query":"東京都","limit":10,"exact":false},"_meta":{"progressToken":7,"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;

fn answer(bytes: usize) -> String {
    let text = "x".repeat(bytes);
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"result":{{"content":[{{"type":"text","text":"{text}"}}],"resultType":"complete"}}}}"#
    )
}

fn reading(c: &mut Criterion) {
    let mut group = c.benchmark_group("envelope");
    for (name, text) in [
        ("read call", CALL.to_owned()),
        ("read 64 B result", answer(64)),
        ("read 100 KB result", answer(100 * 1024)),
    ] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| envelope::parse(black_box(text.as_bytes())));
        });
    }
    group.finish();
}

fn relaying(c: &mut Criterion) {
    let Ok(Message::Request { params, .. }) = envelope::parse_one(CALL.as_bytes()) else {
        return;
    };
    let params = params.unwrap();
    c.bench_function("rename a call and write it", |b| {
        b.iter(|| {
            let mut object = RawObject::from_raw(black_box(&params)).unwrap();
            object.set_str("name", "find_customer");
            object.edit_meta(|meta| {
                meta.remove("progressToken");
            });
            envelope::request(&Id::number(7), "tools/call", Some(&object.to_raw()))
        });
    });

    let Ok(Message::Response {
        reply: Reply::Result(result),
        ..
    }) = envelope::parse_one(answer(1024).as_bytes())
    else {
        return;
    };
    let connector = ConnectorName::new("crm").unwrap();
    let hint = CacheHint {
        ttl_ms: 0,
        public: false,
    };
    c.bench_function("relay a 1 KB result", |b| {
        b.iter(|| {
            let rewritten = UriRewriter::new(&connector).result("tools/call", black_box(&result));
            let result = rewritten.as_deref().unwrap_or(&result);
            let modern = result_to_modern("tools/call", result, None, hint);
            envelope::response_bytes(Some(&Id::number(7)), &Reply::Result(modern))
        });
    });
}

criterion_group!(benches, reading, relaying);
criterion_main!(benches);
