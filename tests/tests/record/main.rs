//! Decisions are recorded before they are released.
//!
//! Whatever happens to the process or the disk, the log has every decision that was given, and a replay
//! decides each the same way.

#[cfg(target_os = "linux")]
mod full_disk;
mod killed;
mod replayed;
mod reports;
mod round_trip;

use portcullis_host::Timestamp;
use portcullis_tests::guests;
use serde_json::json;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Maximum uses of the intent, fewer than the number of requests.
const BUDGET: u64 = 2000;

fn config(folder: &Path) {
    let component = guests::component("tests/guests/hostile").unwrap();
    fs::write(folder.join("hostile.wasm"), component).unwrap();
    fs::write(
        folder.join("portcullis.toml"),
        r#"
limits = { deadline = "5s" }
state = { path = "state.redb" }
intents = { path = "intents" }
log = { path = "decisions.jsonl", max-file-bytes = 65536 }

[[integration]]
name = "x"
[[integration.plugin]]
component = "hostile.wasm"
settings = { behaviour = "permit" }
"#,
    )
    .unwrap();
    fs::create_dir(folder.join("intents")).unwrap();
    let now = Timestamp::now();
    let intent = json!({
        "id": "int-1", "purpose": "p", "principal": "spiffe://acme.example/a", "max-uses": BUDGET,
        "approved-by": { "who": "alice@acme.example", "at": now },
        "issued-at": now, "expires-at": now.plus(Duration::from_secs(3600)),
        "allows": [{ "integration": "x", "action": "a", "resource": "**", "arguments": "open" }],
    });
    fs::write(folder.join("intents/int-1.json"), intent.to_string()).unwrap();
}
