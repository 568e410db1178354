//! What it costs to believe somebody: verifying a signature, with and without the tokens that were
//! verified kept in mind, and spending a use that a budget counts.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use p256::ecdsa::SigningKey;
use p256::pkcs8::{EncodePrivateKey as _, LineEnding};
use portcullis_host::identity::{Bundles, Verifier};
use portcullis_host::state::{EmbeddedState, State as _, Use};
use portcullis_host::{Intents, Signatures, Timestamp};
use serde_json::json;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Duration;

const AUDIENCE: &str = "https://gateway.acme.example";

/// A P-256 key: its public part in a JWKS, its private part in PEM.
struct Key {
    jwks: PathBuf,
    pem: String,
}

impl Key {
    fn new(folder: &Path, seed: u8) -> Self {
        let key = SigningKey::from_slice(&[seed; 32]).unwrap();
        let pem = key.to_pkcs8_pem(LineEnding::LF).unwrap().to_string();
        let encoding = EncodingKey::from_ec_pem(pem.as_bytes()).unwrap();
        let jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&encoding, Algorithm::ES256).unwrap();
        let mut jwk = serde_json::to_value(jwk).unwrap();
        jwk["kid"] = json!("k");
        jwk["use"] = json!("jwt-svid");
        let jwks = folder.join(format!("{seed}.json"));
        std::fs::write(&jwks, json!({ "keys": [jwk] }).to_string()).unwrap();
        Self { jwks, pem }
    }

    fn token(&self) -> String {
        let now = Timestamp::now().as_millis() / 1000;
        let claims = json!({
            "sub": "spiffe://acme.example/ns/payments/agent/reconciler", "aud": [AUDIENCE],
            "iat": now, "exp": now + 3000, "jti": "jti-17",
        });
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some("k".to_owned());
        let key = EncodingKey::from_ec_pem(self.pem.as_bytes()).unwrap();
        jsonwebtoken::encode(&header, &claims, &key).unwrap()
    }

    fn intent(&self) -> String {
        let now = Timestamp::from_millis(Timestamp::now().as_millis() / 1000 * 1000);
        let intent = json!({
            "id": "int-1", "purpose": "p", "principal": "spiffe://acme.example/a",
            "approved-by": { "who": "alice", "at": now },
            "issued-at": now, "expires-at": now.plus(Duration::from_secs(3600)),
            "allows": [{ "integration": "x", "action": "a", "resource": "r", "arguments": "open" }],
        });
        portcullis_host::sign(
            intent.to_string().as_bytes(),
            self.pem.as_bytes(),
            Some("k"),
            None,
        )
        .unwrap()
    }
}

fn trust(c: &mut Criterion) {
    let folder = std::env::temp_dir().join(format!("portcullis-trust-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let key = Key::new(&folder, 7);
    let token = key.token();
    let verifier = || {
        let bundles = Bundles::from_files([("acme.example", &key.jwks)]).unwrap();
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

    let signed = key.intent();
    // The same key, published for what it is used for here.
    let approver = folder.join("approver.json");
    let jwks = std::fs::read_to_string(&key.jwks).unwrap();
    std::fs::write(&approver, jwks.replace("jwt-svid", "sig")).unwrap();
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
