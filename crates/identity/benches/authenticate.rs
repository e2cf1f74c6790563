//! What authenticating a call costs: a token seen before (the usual case), a token seen for the first time,
//! and a service-account key; and a token of our own, with ten thousand revocations to compare with. The bound is
//! 30 µs of CPU for verification and revocation check together.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    dead_code,
    reason = "benchmark code, which shares a setting with the tests"
)]

#[path = "../tests/it/clock.rs"]
mod clock;
#[path = "../tests/it/gate.rs"]
mod gate;
#[path = "../tests/it/issuer.rs"]
mod issuer;
#[path = "../tests/it/own.rs"]
mod own;
#[path = "../tests/it/stores.rs"]
mod stores;

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use jsonwebtoken::Algorithm;
use sekimori_domain::clock::Clock;
use sekimori_domain::revocation::{Subject, SubjectKind};
use sekimori_identity::{NewAccount, SystemRandom, create_account, create_key};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::gate::{Gate, issuer_config};
use crate::issuer::{Issuer, SigningKey};
use crate::own::OwnGate;

fn access_tokens(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let _entered = runtime.enter();
    let mut group = criterion.benchmark_group("access_token");
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256] {
        let key = SigningKey::generate(algorithm, "k1");
        let issuer = runtime.block_on(Issuer::start(&[&key]));
        let gate = Gate::new(vec![issuer_config(&issuer.url)]);
        let token = key.sign(&gate.claims(&issuer.url, &json!({})));
        runtime.block_on(gate.try_token(&token)).unwrap();
        group.bench_function(format!("seen_before/{algorithm:?}"), |bencher| {
            bencher.iter(|| runtime.block_on(gate.try_token(black_box(&token))).unwrap());
        });
        group.bench_function(format!("first_seen/{algorithm:?}"), |bencher| {
            bencher.iter(|| {
                gate.authenticator.revoke_remembered();
                runtime.block_on(gate.try_token(black_box(&token))).unwrap()
            });
        });
    }
    group.finish();
}

fn service_key(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let _entered = runtime.enter();
    let gate = Gate::new(Vec::new());
    let (store, clock) = (&*gate.stores, &*gate.clock);
    let expires_at = clock.now() + Duration::from_hours(24);
    let account = NewAccount {
        name: "bench".to_owned(),
        owner: "bench".to_owned(),
        purpose: "measuring".to_owned(),
        groups: Vec::new(),
        scopes: Vec::new(),
        environments: Vec::new(),
        networks: vec!["192.0.2.0/24".parse().unwrap()],
        expires_at,
    };
    let text = runtime.block_on(async {
        create_account(store, clock, account).await.unwrap();
        let issued = create_key(store, clock, &SystemRandom, "bench", expires_at).await;
        issued.unwrap().text.reveal()
    });
    criterion.bench_function("service_key", |bencher| {
        bencher.iter(|| runtime.block_on(gate.try_token(black_box(&text))).unwrap());
    });
}

fn own_token(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let _entered = runtime.enter();
    let own = OwnGate::new();
    for some in 0..10 {
        let subjects: Vec<_> = (0..1_000)
            .map(|number| Subject::new(SubjectKind::Grant, format!("revoked-{some}-{number}")))
            .collect();
        runtime
            .block_on(own.gate.revocations.revoke(&subjects))
            .unwrap();
    }
    let token = own.token(&json!({}));
    let caller = runtime.block_on(own.gate.try_token(&token)).unwrap();
    let mut group = criterion.benchmark_group("own_token");
    group.bench_function("seen_before", |bencher| {
        bencher.iter(|| {
            runtime
                .block_on(own.gate.try_token(black_box(&token)))
                .unwrap()
        });
    });
    group.bench_function("first_seen", |bencher| {
        bencher.iter(|| {
            own.gate.authenticator.revoke_remembered();
            runtime
                .block_on(own.gate.try_token(black_box(&token)))
                .unwrap()
        });
    });
    group.bench_function("revocation_check_alone", |bencher| {
        bencher.iter(|| own.gate.revocations.check(black_box(&caller)).unwrap());
    });
    group.finish();
}

criterion_group!(benches, access_tokens, service_key, own_token);
criterion_main!(benches);
