//! Servers that are killed, hang, lose changes or are replaced: never more uses than the limit, and never a hang.

use crate::common::{PATIENCE, Server, copy, one, server, spends, until, until_it_answers};
use portcullis_fleet::JetStreamState;
use portcullis_model::timestamp::Timestamp;
use portcullis_trust::state::shared::SharedState as _;
use portcullis_trust::state::{SpendError, State as _, StateError, Use};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

/// Runs `call` on a thread, and fails the test if it hangs.
fn in_time<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(call()));
    receiver.recv_timeout(PATIENCE).expect("the call hangs")
}

fn lacks<T>(result: Result<T, StateError>) -> bool {
    matches!(result, Err(StateError::Lacks { .. }))
}

fn is_state_error<T>(result: &Result<T, SpendError>) -> bool {
    matches!(result, Err(SpendError::State(_)))
}

#[test]
fn two_hosts_spend_exactly_the_limit() {
    let Some(server) = server() else { return };
    let states = [server.open(), server.open()];
    let spent: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = states
            .iter()
            .chain(&states)
            .map(|state| scope.spawn(|| (0..300).filter(|_| spends(state, "a", 1000)).count()))
            .collect();
        threads.into_iter().map(|it| it.join().unwrap()).sum()
    });
    assert_eq!((spent, states[0].spent("a")), (1000, Ok(1000)));
    assert!(!spends(&states[1], "a", 1000));
}

#[test]
fn hosts_that_spend_several_budgets_at_once_exceed_none() {
    let Some(server) = server() else { return };
    let states = [server.open(), server.open()];
    let pairs = [["a", "b"], ["b", "c"], ["c", "a"], ["c", "b"]];
    let limit = 60;
    let spent: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = pairs
            .iter()
            .enumerate()
            .map(|(at, pair)| {
                let state = &states[at % 2];
                scope.spawn(move || {
                    let uses = pair.map(|key| one(key, limit));
                    let spend = || state.spend(&uses, Timestamp::now());
                    (0..50).filter(|_| spend().is_ok()).count() as u64
                })
            })
            .collect();
        threads.into_iter().map(|it| it.join().unwrap()).sum()
    });
    let counts = ["a", "b", "c"].map(|key| states[0].spent(key).unwrap());
    assert!(counts.iter().all(|count| *count <= limit), "{counts:?}");
    // Each permit spent two, and what a refused one had spent was returned.
    assert_eq!(counts.iter().sum::<u64>(), 2 * spent);
}

/// Spends from `threads` threads until the limit is reached, and counts the permits.
fn spend_all(states: &[JetStreamState], limit: u64, spent: &AtomicU64) {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for state in states.iter().chain(states) {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    match state.spend(&[one("a", limit)], Timestamp::now()) {
                        Ok(()) => drop(spent.fetch_add(1, Ordering::Relaxed)),
                        Err(SpendError::UsedUp(_)) => is_over.store(true, Ordering::Relaxed),
                        Err(SpendError::State(_)) => std::thread::yield_now(),
                    }
                }
            });
        }
    });
}

#[test]
fn a_server_that_is_killed_again_and_again_gives_no_use_twice() {
    let Some(mut server) = server() else { return };
    let states = [server.open(), server.open()];
    let (limit, spent) = (1000, AtomicU64::new(0));
    std::thread::scope(|scope| {
        let spending = scope.spawn(|| spend_all(&states, limit, &spent));
        for kill in 1..=8 {
            let next = kill * 100;
            until("uses are spent", || {
                let is_due = spent.load(Ordering::Relaxed) >= next || spending.is_finished();
                is_due.then_some(())
            });
            server.kill();
            server.start();
        }
        spending.join().unwrap();
    });
    let spent = spent.into_inner();
    assert!(spent <= limit, "{spent} permits of {limit} uses");
    // A use whose confirmation was lost counts as spent.
    assert!(spent > 800, "only {spent} permits");
    until_it_answers(&states[0]);
    assert_eq!(states[0].spent("a"), Ok(limit));
    assert!(states.iter().all(|state| state.lacks().is_none()));
}

/// Name of the variable that makes this program a host: the URL of a server.
const HOST: &str = "PORTCULLIS_FLEET_TEST_HOST";

/// The process of a host, which prints a line for each permit after it spent the use.
#[test]
fn host_process() {
    let Ok(url) = std::env::var(HOST) else { return };
    let options = portcullis_trust::state::shared::SharedOptions::new(vec![url], "test");
    let state = JetStreamState::open(&options).unwrap();
    let mut out = std::io::stdout();
    writeln!(out, "\nopen").unwrap();
    out.flush().unwrap();
    while spends(&state, "a", 1000) {
        // One write, so that a killed process leaves whole lines.
        out.write_all(b"spent\n").unwrap();
        out.flush().unwrap();
    }
}

/// A host in a process of its own.
fn host(server: &Server) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "faults::host_process", "--nocapture", "--quiet"])
        .env(HOST, server.url())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn hosts_that_are_killed_again_and_again_never_exceed_the_budget() {
    let Some(server) = server() else { return };
    let permits = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for kill_after in [90, 170, 40, 130, u64::MAX] {
                    let mut child = host(&server);
                    let out = BufReader::new(child.stdout.take().unwrap());
                    let mut own = 0;
                    for line in out.lines() {
                        if line.unwrap() == "spent" {
                            permits.fetch_add(1, Ordering::Relaxed);
                            own += 1;
                        }
                        if own == kill_after {
                            child.kill().unwrap();
                        }
                    }
                    child.wait().unwrap();
                }
            });
        }
    });
    let permits = permits.into_inner();
    assert!(permits <= 1000, "{permits} permits of 1,000 uses");
    // A killed process loses at most the use that it just spent.
    assert!(permits >= 1000 - 8, "{permits}");
    assert_eq!(server.open().spent("a"), Ok(1000));
}

#[test]
fn an_unreachable_server_is_an_error_and_the_state_recovers_by_itself() {
    let Some(mut server) = server() else { return };
    let state = std::sync::Arc::new(server.open());
    assert!(spends(&state, "a", 5));
    server.kill();
    let asked = std::sync::Arc::clone(&state);
    let errors = in_time(move || {
        let now = Timestamp::now();
        let uses: [Use; 1] = [one("a", 5)];
        let spent = asked.spend(&uses, now);
        [
            is_state_error(&spent),
            asked.spent("a").is_err(),
            asked.give_back("d", &uses, now).is_err(),
            asked.raise_mark("m", 1).is_err(),
            asked.keep_intent("i", b"x").is_err(),
            asked.kept_intents().is_err(),
        ]
    });
    assert_eq!(errors, [true; 6]);
    server.start();
    until_it_answers(&state);
    // The spending was not confirmed: it counts, or it never reached the server.
    let spent = state.spent("a").unwrap();
    assert!((1..=2).contains(&spent), "{spent}");
    assert!(spends(&state, "a", 5));
    assert!(state.lacks().is_none());
}

#[test]
fn a_server_that_hangs_is_an_error_and_does_not_hang_its_callers() {
    let Some(server) = server() else { return };
    let mut options = server.options();
    options.timeout = Duration::from_millis(300);
    let state = std::sync::Arc::new(JetStreamState::open(&options).unwrap());
    assert!(spends(&state, "a", 5));
    server.freeze();
    let asked = std::sync::Arc::clone(&state);
    let (first, later) = in_time(move || {
        let first = asked.spend(&[one("a", 5)], Timestamp::now());
        // With the connection known to be bad, nothing waits any more.
        let later = (0..100).filter(|_| spends(&asked, "a", 5)).count();
        (first, later)
    });
    assert!(is_state_error(&first), "{first:?}");
    assert_eq!(later, 0);
    server.thaw();
    until_it_answers(&state);
    let spent = state.spent("a").unwrap();
    assert!((1..=2).contains(&spent), "{spent}: one was sent, no other");
    assert!(spends(&state, "a", 5));
}

#[test]
fn without_a_server_no_state_opens() {
    let Some(mut server) = server() else { return };
    server.kill();
    let options = server.options();
    let opened = in_time(move || JetStreamState::open(&options));
    let error = opened.unwrap_err();
    assert!(matches!(error, StateError::Store { .. }));
    let text = error.to_string();
    assert!(
        text.contains("cannot connect") && text.contains("127.0.0.1"),
        "{text}"
    );
}

#[test]
fn a_dry_run_creates_nothing() {
    let Some(server) = server() else { return };
    let look = || JetStreamState::look_into(&server.options()).unwrap();
    assert!(look().is_none());
    assert!(look().is_none(), "the first look created something");
    let state = server.open();
    assert!(spends(&state, "a", 5));
    assert_eq!(look().unwrap().spent("a"), Ok(1));
}

#[test]
fn a_server_that_lost_changes_is_not_relied_on() {
    let Some(mut server) = server() else { return };
    let state = server.open();
    assert!(spends(&state, "a", 3));
    // What the disk has if the server loses power later.
    server.kill();
    let backup = tempfile::tempdir().unwrap();
    copy(&server.store(), backup.path());
    server.start();
    until_it_answers(&state);
    assert!(spends(&state, "a", 3) && spends(&state, "a", 3));
    let known = state.mark().unwrap();
    server.kill();
    std::fs::remove_dir_all(server.store()).unwrap();
    copy(backup.path(), &server.store());
    server.start();
    until("the loss is noticed", || state.lacks());
    assert!(!spends(&state, "a", 3) && !spends(&state, "new", 3));
    assert!(lacks(state.spent("a")));
    // A host that starts now is told by its log.
    let later = server.open();
    let why = later.mark().unwrap().falls_short_of(&known).unwrap();
    later.distrust(&why);
    assert!(lacks(later.spent("a")));
}

#[test]
fn a_bucket_that_was_created_again_is_not_relied_on() {
    let Some(mut server) = server() else { return };
    let state = server.open();
    for _ in 0..3 {
        assert!(spends(&state, "a", 3));
    }
    let known = state.mark().unwrap();
    server.kill();
    std::fs::remove_dir_all(server.store()).unwrap();
    server.start();
    let again = server.open();
    for _ in 0..20 {
        assert!(spends(&again, "b", 99));
    }
    until("it is noticed", || state.lacks());
    assert!(!spends(&state, "a", 3));
    assert!(again.mark().unwrap().falls_short_of(&known).is_some());
}

#[test]
fn a_server_that_only_stopped_is_relied_on() {
    let Some(mut server) = server() else { return };
    let state = server.open();
    assert!(spends(&state, "a", 3) && spends(&state, "a", 3));
    let known = state.mark().unwrap();
    server.kill();
    server.start();
    until_it_answers(&state);
    assert_eq!(state.spent("a"), Ok(2));
    let later = server.open();
    assert_eq!(later.mark().unwrap().falls_short_of(&known), None);
    assert_eq!(later.spent("a"), Ok(2));
    assert!(spends(&later, "a", 3) && !spends(&later, "a", 3));
}

#[test]
fn a_use_that_ended_long_ago_is_refused_because_its_count_may_be_deleted() {
    let Some(server) = server() else { return };
    let state = server.open();
    let now = Timestamp::now();
    let ended = |key: &str, seconds_ago: u64| Use {
        until: Timestamp::from_millis(now.as_millis() - seconds_ago * 1000),
        ..one(key, 1)
    };
    assert_eq!(state.spend(&[ended("just now", 2)], now), Ok(()));
    let refused = state.spend(&[ended("long ago", 130)], now);
    assert!(matches!(
        refused,
        Err(SpendError::State(StateError::Forgotten { .. }))
    ));
    // The count of the first is still there.
    let again = state.spend(&[ended("just now", 2)], now);
    assert_eq!(again, Err(SpendError::UsedUp("just now".into())));
}

#[test]
fn a_host_whose_clock_is_wrong_counts_nothing() {
    let Some(server) = server() else { return };
    let state = server.open();
    let day = Duration::from_secs(24 * 60 * 60);
    let now = Timestamp::now();
    let tomorrow = state.spend(&[one("a", 1)], now.plus(day));
    assert!(is_state_error(&tomorrow));
    let yesterday = Timestamp::from_millis(now.as_millis() - 86_400_000);
    let refused = state.spend(&[one("a", 1)], yesterday);
    assert!(refused.unwrap_err().to_string().contains("clock"));
    assert_eq!(state.spend(&[one("a", 1)], now), Ok(()));
}

#[test]
fn a_presentation_is_deleted_by_the_server_after_its_window() {
    use portcullis_trust::state::Seen;
    let Some(server) = server() else { return };
    let mut options = server.options();
    options.clone_window = Duration::from_secs(1);
    let state = JetStreamState::open(&options).unwrap();
    let seen = |credential| Seen {
        principal: "spiffe://acme.example/a",
        credential,
        instance: "pod-1",
        now: Timestamp::now(),
        expires_at: None,
        notes: true,
    };
    assert_eq!(state.seen_elsewhere(&seen("jti-1")), Ok(None));
    assert!(spends(&state, "a", 3));
    let messages = |stream: &str| {
        let streams = crate::common::report(&server, "jsz?streams=true");
        let details = streams["account_details"][0]["stream_detail"].as_array();
        let named = details?.iter().find(|it| it["name"] == stream)?;
        named["state"]["messages"].as_u64()
    };
    assert_eq!(messages("KV_test-seen"), Some(1));
    until("it is deleted", || {
        (messages("KV_test-seen") == Some(0)).then_some(())
    });
    assert_eq!(
        messages("KV_test"),
        Some(2),
        "the name of the bucket, and a count"
    );
}

#[test]
fn the_statement_names_the_servers_own_setting() {
    let Some(server) = server() else { return };
    let mut options = server.options();
    let unknown = JetStreamState::open(&options).unwrap().durability();
    assert!(unknown.contains("is unknown"), "{unknown}");
    options.monitor = Some(server.monitor());
    let stated = JetStreamState::open(&options).unwrap().durability();
    assert!(stated.contains("`sync_interval` is 2 min"), "{stated}");
    assert!(
        stated.contains("nats-server 2.15.1, 1 copy in a file"),
        "{stated}"
    );
    let always = crate::common::server_with(crate::common::Settings {
        jetstream: "sync_interval: always".to_owned(),
        ..crate::common::Settings::default()
    });
    let always = always.unwrap();
    let mut options = always.options();
    options.monitor = Some(always.monitor());
    let stated = JetStreamState::open(&options).unwrap().durability();
    assert!(stated.contains("`sync_interval` is `always`"), "{stated}");
    // The address of another server says nothing about this one.
    options.monitor = Some(server.monitor());
    let stated = JetStreamState::open(&options).unwrap().durability();
    assert!(stated.contains("another server"), "{stated}");
}
