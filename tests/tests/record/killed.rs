//! Decisions of a process that is killed again and again.

use super::{BUDGET, config};
use portcullis_host::Intents;
use portcullis_host::log::{self, DecisionLog, Event, LogOptions};
use portcullis_host::state::EmbeddedState;
use portcullis_host::state::State as _;
use std::collections::HashSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const TIMES: usize = 50;

/// The possible causes in the output.
const OUTCOMES: [&str; 2] = [" permitted", " intent-used-up"];

#[test]
fn what_was_given_is_recorded_and_what_was_spent_is_spent_after_the_process_was_killed() {
    let folder = TempDir::new().unwrap();
    config(folder.path());
    let mut given = Vec::new();
    for time in 0..TIMES {
        let mut decider = Command::new(env!("CARGO_BIN_EXE_decider"))
            .arg(folder.path().join("portcullis.toml"))
            .arg(format!("run{time}"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(decider.stdout.take().unwrap());
        // Killed while it works, after a different number of decisions each time.
        let mut line = String::new();
        for _ in 0..(20 + 2 * time) {
            line.clear();
            if lines.read_line(&mut line).unwrap() == 0 {
                panic!("it stopped by itself, after {given:?}");
            }
            given.push(line.trim_end().to_owned());
        }
        decider.kill().unwrap();
        decider.wait().unwrap();
        for line in lines.lines() {
            // Lines that were printed before the kill count, except for a truncated last line.
            given.push(line.unwrap());
        }
        let is_whole = |line: &String| OUTCOMES.iter().any(|outcome| line.ends_with(outcome));
        if !given.last().is_some_and(is_whole) {
            given.pop();
        }
        assert!(given.iter().all(is_whole), "{given:?}");
    }
    // Opening the log removes a line that the kill truncated.
    let path = folder.path().join("decisions.jsonl");
    drop(DecisionLog::open(LogOptions::new(&path)).unwrap());
    let verified = log::verify(&path).unwrap();
    let (mut recorded, mut permits, mut issued, mut continued) = (HashSet::new(), 0, 0, 0);
    log::read(&path, |_, _, _, entry| {
        match entry.event {
            Event::Decision(decided) => {
                let credential = decided.request.pointer("/subject/properties/credential-id");
                let credential = credential.unwrap().as_str().unwrap();
                recorded.insert(format!("{credential} {}", decided.cause().unwrap()));
                permits += u64::from(decided.is_permit());
            }
            Event::Issuance(_) => issued += 1,
            Event::Continuation { .. } | Event::Seal(_) | Event::Opening(_) => continued += 1,
            other => panic!("nothing is revoked or reported: {other:?}"),
        }
        Ok(())
    })
    .unwrap();
    let others = issued + continued;
    assert_eq!(verified.entries, recorded.len() as u64 + others);
    assert_eq!(issued, TIMES as u64, "each time the intent begins to count");
    for line in &given {
        assert!(
            recorded.contains(line),
            "{line} was given and is not in the log"
        );
    }
    // A use that was spent without a given decision is lost, and none was given twice.
    let intents = Intents::default();
    let intent = fs::read(folder.path().join("intents/int-1.json")).unwrap();
    let digest = intents.insert(&intent).unwrap().digest();
    let state = EmbeddedState::open(folder.path().join("state.redb"), Duration::from_secs(60));
    let spent = state.unwrap().spent(&format!("intent {digest}")).unwrap();
    assert!(
        permits <= spent && spent <= BUDGET,
        "{permits} permits, {spent} spent"
    );
    let refused = given.iter().filter(|line| line.ends_with(OUTCOMES[1]));
    assert!(refused.count() > 0, "the budget was never used up");
}
