//! Cost of a session: taking down a result of 50 KB, and the origins of the values of a call.
//!
//! The goals are 200 µs and 30 µs.

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use portcullis_ledger::{Ledger, LedgerLimits};
use serde_json::{Value, json};

const SAID: &str =
    "Pay the rent for my flat as usual, and tell Ann (ann@example.com) about www.example.com";

/// Results of some 50 KB: mails, records with accounts and amounts, and the text of a page.
fn results() -> [(&'static str, Value); 3] {
    let words = "The quick brown fox jumps over the lazy dog, and so did all the others that day. ";
    let page = words.repeat(12) + "See www.example.com/more for 12.50 until 2026-11-28. ";
    let mails = (0..70).map(|index| {
        json!({
            "id": index, "from": format!("sender{index}@example.com"), "to": ["ann@example.com"],
            "subject": format!("Message {index}"), "body": words.repeat(7), "at": "2026-11-28T09:00:00Z",
        })
    });
    let records = (0..270).map(|index| {
        json!({
            "id": index, "sender": "DE89370400440532013000", "recipient": format!("CH93007620116238529{index:03}"),
            "amount": f64::from(index) * 1.5, "subject": format!("Rent for flat {index} in New York"), "date": "2026-11-28",
        })
    });
    [
        ("mails", mails.collect()),
        ("records", records.collect()),
        ("a page", Value::from(page.repeat(48))),
    ]
}

fn ledger(c: &mut Criterion) {
    let mut group = c.benchmark_group("ledger");
    let arguments = json!({
        "recipient": "CH93007620116238529017", "amount": 12.5, "date": "2026-11-28",
        "subject": "Rent for flat 7, see www.example.com",
    });
    for (name, result) in results() {
        let begin = || Ledger::new([SAID], LedgerLimits::default());
        let observe = |mut ledger: Ledger| {
            ledger.observe("list", &json!({ "n": 100 }), &result);
            ledger
        };
        group.bench_function(BenchmarkId::new("observe", name), |b| {
            b.iter_batched(begin, observe, BatchSize::SmallInput);
        });
        let seen = observe(begin());
        group.bench_function(BenchmarkId::new("origins", name), |b| {
            b.iter(|| seen.origins("send_money", &arguments, &[]));
        });
    }
    let mut full = Ledger::new([SAID], LedgerLimits::default());
    for (_, result) in results().iter().cycle().take(1000) {
        full.observe("list", &json!({}), result);
    }
    group.bench_function(BenchmarkId::new("origins", "1,000 results"), |b| {
        b.iter(|| full.origins("send_money", &arguments, &[]));
    });
    group.finish();
}

criterion_group!(benches, ledger);
criterion_main!(benches);
