//! The log and the state on a full disk.

use portcullis_host::log::{self, DecisionLog, Durability, LogOptions};
use portcullis_host::state::EmbeddedState;
use portcullis_host::{
    Cause, Integration, Pdp, Principal, Request, RequestLimits, Resource, Timestamp,
};
use portcullis_tests::guests;
use portcullis_tests::small_disk::SmallDisk;
use serde_json::json;
use std::fs;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

fn request() -> Request {
    let principal = Principal {
        id: "agent-x".into(),
        ..Principal::default()
    };
    Request::builder("x", principal, "a", Resource::default())
        .build(&RequestLimits::default())
        .unwrap()
}

#[test]
fn a_full_disk_denies_and_recovers_by_itself() {
    let test = "a_full_disk_denies_and_recovers_by_itself";
    let Some(disk) = SmallDisk::mount("256k", test) else {
        return;
    };
    let path = disk.path("decisions.jsonl");
    let plugin = guests::hostile(json!({ "behaviour": "permit" }), guests::patient());
    let pdp = Pdp::builder()
        .integration(Integration::new("x").plugin(plugin))
        .log(DecisionLog::open(LogOptions::new(&path)).unwrap())
        .build()
        .unwrap();
    let request = request();
    let mut permits = 0;
    for _ in 0..3 {
        let decision = pdp.evaluate(&request);
        assert!(decision.is_permit(), "{}", decision.detail());
        permits += 1;
        disk.fill();
        while pdp.evaluate(&request).is_permit() {
            permits += 1;
        }
        for _ in 0..3 {
            assert_eq!(pdp.evaluate(&request).cause(), Cause::NotRecorded);
        }
        disk.make_room();
    }
    assert!(pdp.evaluate(&request).is_permit());
    drop(pdp);
    assert_eq!(
        log::verify(&path).unwrap().entries,
        permits + 1,
        "and none but those that were given"
    );
}

#[test]
fn an_archive_on_a_full_disk_leaves_no_half_of_a_record() {
    let test = "an_archive_on_a_full_disk_leaves_no_half_of_a_record";
    let Some(disk) = SmallDisk::mount("1m", test) else {
        return;
    };
    let away = TempDir::new().unwrap();
    let path = disk.path("decisions.jsonl");
    let options = LogOptions {
        durability: Durability::Buffered,
        max_file_bytes: 1,
        ..LogOptions::new(&path)
    };
    let plugin = guests::hostile(json!({ "behaviour": "permit" }), guests::patient());
    let pdp = Pdp::builder()
        .integration(Integration::new("x").plugin(plugin))
        .log(DecisionLog::open(options).unwrap())
        .build()
        .unwrap();
    let request = request();
    for _ in 0..25 {
        assert!(pdp.evaluate(&request).is_permit());
    }
    drop(pdp);
    // A full archive keeps no part of a copy.
    let Some(full) = SmallDisk::mount("64k", test) else {
        return;
    };
    full.fill();
    assert!(log::archive(&path, &full.path("away"), 0).is_err());
    assert_eq!(fs::read_dir(full.path("away")).unwrap().count(), 0);
    drop(full);
    let record = disk.path("decisions.jsonl.archived");
    let mut failed = 0;
    // One file at a time: each removed file frees space.
    for keep in (0..24).rev() {
        disk.fill();
        if log::archive(&path, away.path(), keep).is_err() {
            failed += 1;
            let records = fs::read(&record).unwrap_or_default();
            assert!(records.is_empty() || records.ends_with(b"\n"));
            log::verify(&path).unwrap();
        }
        disk.make_room();
        log::archive(&path, away.path(), keep).unwrap();
        log::verify_with_archive(&path, away.path()).unwrap();
    }
    assert!(failed > 0, "there was always room");
}

#[test]
fn on_a_full_disk_nothing_is_spent_and_nothing_given_and_then_it_goes_on() {
    let test = "on_a_full_disk_nothing_is_spent_and_nothing_given_and_then_it_goes_on";
    let Some(disk) = SmallDisk::mount("16m", test) else {
        return;
    };
    let plugin = guests::hostile(json!({ "behaviour": "permit" }), guests::patient());
    let open =
        || Arc::new(EmbeddedState::open(disk.path("state.redb"), Duration::from_secs(60)).unwrap());
    let pdp = Pdp::builder()
        .integration(
            Integration::new("x")
                .single_use_credentials()
                .plugin(plugin),
        )
        .state(open())
        .build()
        .unwrap();
    let mut next = 0;
    let mut ask = |credential: Option<u64>| {
        let number = credential.unwrap_or_else(|| {
            next += 1;
            next
        });
        let principal = Principal {
            id: "agent-x".into(),
            // Long, so that the file grows.
            credential_id: format!("{number:0>2000}"),
            credential_expires_at: Some(Timestamp::now().plus(Duration::from_secs(3600))),
            ..Principal::default()
        };
        let request = Request::builder("x", principal, "a", Resource::default())
            .build(&RequestLimits::default())
            .unwrap();
        (number, pdp.evaluate(&request).cause())
    };
    let mut used = Vec::new();
    for _ in 0..2 {
        disk.fill();
        let refused = loop {
            match ask(None) {
                (number, Cause::Permitted) => used.push(number),
                (number, cause) => {
                    assert_eq!(cause, Cause::StateUnavailable);
                    break number;
                }
            }
            assert!(used.len() < 20_000, "the disk was never full");
        };
        disk.make_room();
        // A refused request spends nothing.
        assert_eq!(ask(Some(refused)).1, Cause::Permitted);
        used.push(refused);
    }
    for number in used.iter().rev().take(50) {
        assert_eq!(ask(Some(*number)).1, Cause::CredentialReplayed);
    }
}
