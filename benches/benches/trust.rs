//! The cost of trust.
//!
//! It measures the verification of a signature, with and without the cache of verified tokens, and the
//! spending of a counted use.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use portcullis_benches::key::{KEY_ID, Key};
use portcullis_host::identity::{Bundles, Verifier};
use portcullis_host::state::{EmbeddedState, State as _, Use};
use portcullis_host::{Intents, Signatures, Timestamp};
use serde_json::json;
use std::hint::black_box;
use std::time::Duration;

const AUDIENCE: &str = "https://gateway.acme.example";

fn token(key: &Key) -> String {
    let now = Timestamp::now().as_millis() / 1000;
    let claims = json!({
        "sub": "spiffe://acme.example/ns/payments/agent/reconciler", "aud": [AUDIENCE],
        "iat": now, "exp": now + 3000, "jti": "jti-17",
    });
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some(KEY_ID.to_owned());
    let key = EncodingKey::from_ec_pem(key.pem()).unwrap();
    jsonwebtoken::encode(&header, &claims, &key).unwrap()
}

fn intent(key: &Key) -> String {
    let now = Timestamp::from_millis(Timestamp::now().as_millis() / 1000 * 1000);
    key.sign(&json!({
        "id": "int-1", "purpose": "p", "principal": "spiffe://acme.example/a",
        "approved-by": { "who": "alice", "at": now },
        "issued-at": now, "expires-at": now.plus(Duration::from_secs(3600)),
        "allows": [{ "integration": "x", "action": "a", "resource": "r", "arguments": "open" }],
    }))
}

fn trust(c: &mut Criterion) {
    let folder = std::env::temp_dir().join(format!("portcullis-trust-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let key = Key::generate();
    let bundle = folder.join("bundle.json");
    key.publish(&bundle, "jwt-svid");
    let token = token(&key);
    let verifier = || {
        let bundles = Bundles::from_files([("acme.example", &bundle)]).unwrap();
        Verifier::new(bundles, AUDIENCE)
    };

    let mut group = c.benchmark_group("a JWT-SVID");
    group.bench_function("verified for the first time", |b| {
        b.iter_batched(
            verifier,
            |verifier| {
                black_box(verifier.verify(&token).unwrap());
                verifier
            },
            BatchSize::SmallInput,
        );
    });
    let known = verifier();
    known.verify(&token).unwrap();
    group.bench_function("verified before", |b| {
        b.iter(|| black_box(known.verify(&token).unwrap()));
    });
    group.finish();

    let signed = intent(&key);
    // The same key, published with the `use` of a signature.
    let approver = folder.join("approver.json");
    key.publish(&approver, "sig");
    let mut group = c.benchmark_group("a signed intent");
    group.bench_function("taken up", |b| {
        let signatures = || {
            let signatures = Signatures::default().approver("alice", &approver).unwrap();
            Intents::signed(signatures)
        };
        b.iter_batched(
            signatures,
            |intents| {
                intents.insert(signed.as_bytes()).unwrap();
                intents
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();

    let mut group = c.benchmark_group("a use");
    let state = EmbeddedState::open(folder.join("state.redb"), Duration::from_secs(60)).unwrap();
    let now = Timestamp::now();
    let one = [Use {
        key: "intent".to_owned(),
        limit: u64::MAX,
        until: now.plus(Duration::from_secs(3600)),
    }];
    group.bench_function("looked up", |b| {
        b.iter(|| black_box(state.spent("intent").unwrap()));
    });
    group.bench_function("spent, on disk", |b| {
        b.iter(|| state.spend(&one, now).unwrap());
    });
    group.finish();
    std::fs::remove_dir_all(folder).unwrap();
}

criterion_group!(benches, trust);
criterion_main!(benches);
