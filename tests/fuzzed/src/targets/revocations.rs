//! Revocation lists.
//!
//! The input is a list in the place of [`LIST`], of which the host has used every line.
//!
//! - The host relies on it only if it begins with those lines, byte for byte.
//! - What was revoked is then still revoked, unless a later line lifts it.

use super::log::ended;
use crate::Read;
use crate::members::expect_printable;
use portcullis_host::Timestamp;
use portcullis_host::revocation::{ListMark, Revocable, Revocations};
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

/// A list with a revocation of each kind, one that is lifted, and a checkpoint.
pub const LIST: &str = r#"{"epoch":0,"at":"2026-11-22T09:00:00Z"}
{"epoch":1,"at":"2026-11-22T09:00:00Z","kind":"credential","id":"jti-17","reason":"leaked","by":"alice"}
{"epoch":2,"at":"2026-11-22T09:01:00Z","kind":"principal","id":"spiffe://acme.example/agent/fixer","reason":"left","by":"alice"}
{"epoch":3,"at":"2026-11-22T09:02:00Z","kind":"intent","id":"int-1","reason":"done","by":"alice"}
{"epoch":4,"at":"2026-11-22T09:02:00Z","lift":true,"kind":"intent","id":"int-1","reason":"mistake","by":"bob"}
{"epoch":5,"at":"2026-11-22T09:03:00Z","kind":"integration","id":"github","reason":"breach","by":"bob"}
{"epoch":6,"at":"2026-11-22T09:03:00Z","kind":"principal","id":"spiffe://acme.example/agent/old","reason":"event","by":"idp","event":"e-1","domains":["acme.example"]}
{"epoch":6,"at":"2026-11-22T09:04:00Z"}
"#;

/// Ids that [`LIST`] revokes.
const REVOKED: [(Revocable, &str); 4] = [
    (Revocable::Credential, "jti-17"),
    (Revocable::Principal, "spiffe://acme.example/agent/fixer"),
    (Revocable::Integration, "github"),
    (Revocable::Principal, "spiffe://acme.example/agent/old"),
];

/// So long that no list of the test is stale.
const PATIENT: Duration = Duration::from_secs(1000 * 365 * 24 * 3600);

/// The mark of [`LIST`].
static MARK: LazyLock<ListMark> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("revocations.jsonl");
    follow(&file, LIST.as_bytes()).mark().expect("a mark")
});

pub(super) fn run(input: &[u8]) -> Read {
    let text = ended(input);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("revocations.jsonl");
    // As a host that starts with it, and knows the mark.
    std::fs::write(&file, &text).expect("a file");
    let read = match Revocations::follow(&file, PATIENT) {
        Ok(list) => {
            list.hold_to(&MARK);
            let last_change = LIST.trim_end().rfind('\n').map_or(0, |at| at + 1);
            expect_nothing_unrevoked(&list, &text, &LIST.as_bytes()[..last_change])
        }
        Err(error) => {
            expect_printable(&error.to_string());
            Read::Refused
        }
    };
    // As a host that has used the list before.
    let list = follow(&file, LIST.as_bytes());
    std::fs::write(&file, &text).expect("a file");
    list.refresh();
    let again = expect_nothing_unrevoked(&list, &text, LIST.as_bytes());
    match (read, again) {
        (Read::Refused, Read::Refused) => Read::Refused,
        _ => Read::Accepted,
    }
}

fn follow(file: &Path, list: &[u8]) -> Revocations {
    std::fs::write(file, list).expect("a file");
    Revocations::follow(file, PATIENT).expect("a list")
}

/// Panics if the host relies on a list that does not begin with `known`, or that revokes less.
fn expect_nothing_unrevoked(list: &Revocations, text: &[u8], known: &[u8]) -> Read {
    let now = list.now_known();
    if let Some(why) = now.unreliable(Timestamp::now()) {
        expect_printable(&why);
        assert!(text != known, "the list itself is not relied on: {why}");
        return Read::Refused;
    }
    assert!(text.starts_with(known), "another list is relied on");
    let lifted = list.lifted();
    for (kind, id) in REVOKED {
        let is_lifted = lifted
            .iter()
            .any(|(_, at, one)| *at > 6 && one.kind == kind && one.id == id);
        let is_revoked = match kind {
            Revocable::Credential => now.find_credential(id, "spiffe://acme.example/a").is_some(),
            _ => now.find(kind, id).is_some(),
        };
        assert!(is_revoked || is_lifted, "{id} is no longer revoked");
    }
    Read::Accepted
}
