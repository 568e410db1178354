//! Rules of every state, held by the state in a file and by the state on JetStream.

use crate::common::{one, server};
use portcullis_model::timestamp::Timestamp;
use portcullis_trust::state::{EmbeddedState, Seen, SpendError, State, StateError, Use};
use std::time::Duration;

const WINDOW: Duration = Duration::from_secs(60);

/// Runs `rule` on both states.
fn both(rule: impl Fn(&dyn State)) {
    rule(&EmbeddedState::in_memory(WINDOW));
    if let Some(server) = server() {
        let mut options = server.options();
        options.clone_window = WINDOW;
        let state = portcullis_fleet::JetStreamState::open(&options).unwrap();
        rule(&state);
    }
}

#[test]
fn spends_all_or_none_and_never_beyond_the_limit() {
    both(|state| {
        let now = Timestamp::now();
        assert_eq!(state.spent("a"), Ok(0));
        assert_eq!(state.spend(&[one("a", 2), one("b", 9)], now), Ok(()));
        assert_eq!((state.spent("a"), state.spent("b")), (Ok(1), Ok(1)));
        assert_eq!(state.spend(&[one("a", 2)], now), Ok(()));
        for uses in [
            [one("b", 9), one("a", 2)],
            [one("a", 2), one("b", 9)],
            [one("c", 9), one("a", 1)],
        ] {
            let refused = state.spend(&uses, now);
            assert_eq!(refused, Err(SpendError::UsedUp("a".into())));
        }
        assert_eq!((state.spent("a"), state.spent("b")), (Ok(2), Ok(1)));
        assert_eq!(state.spent("c"), Ok(0));
        assert_eq!(state.spend(&[one("a", 3)], now), Ok(()), "a higher limit");
    });
}

#[test]
fn the_same_resource_twice_in_one_decision_is_two_uses() {
    both(|state| {
        let now = Timestamp::now();
        let twice = [one("a", 3), one("a", 3)];
        assert_eq!(state.spend(&twice, now), Ok(()));
        assert_eq!(state.spent("a"), Ok(2));
        let refused = state.spend(&twice, now);
        assert_eq!(refused, Err(SpendError::UsedUp("a".into())));
        assert_eq!(state.spent("a"), Ok(2));
    });
}

#[test]
fn a_decision_without_uses_spends_nothing() {
    both(|state| assert_eq!(state.spend(&[], Timestamp::now()), Ok(())));
}

#[test]
fn the_last_use_is_spent_once_however_many_try() {
    both(|state| {
        let spent: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let spend = || state.spend(&[one("a", 17)], Timestamp::now());
                        (0..10).filter(|_| spend().is_ok()).count()
                    })
                })
                .collect();
            threads.into_iter().map(|it| it.join().unwrap()).sum()
        });
        assert_eq!((spent, state.spent("a")), (17, Ok(17)));
    });
}

#[test]
fn uses_are_given_back_once_for_a_decision_and_not_below_zero() {
    both(|state| {
        let now = Timestamp::now();
        let uses = [one("a", 2), one("b", 2)];
        state.spend(&uses, now).unwrap();
        state.spend(&uses[..1], now).unwrap();
        assert_eq!(state.give_back("decision 1", &uses, now), Ok(true));
        assert_eq!(state.give_back("decision 1", &uses, now), Ok(false));
        assert_eq!((state.spent("a"), state.spent("b")), (Ok(1), Ok(0)));
        assert_eq!(state.give_back("decision 2", &uses, now), Ok(true));
        assert_eq!((state.spent("a"), state.spent("b")), (Ok(0), Ok(0)));
        assert_eq!(state.spend(&uses, now), Ok(()));
        let never_spent = [one("c", 1)];
        assert_eq!(state.give_back("decision 3", &never_spent, now), Ok(true));
        assert_eq!(state.spent("c"), Ok(0));
    });
}

#[test]
fn a_use_given_back_can_be_spent_again() {
    both(|state| {
        let now = Timestamp::now();
        let use_of = [one("a", 1)];
        state.spend(&use_of, now).unwrap();
        assert!(state.spend(&use_of, now).is_err());
        state.give_back("decision", &use_of, now).unwrap();
        assert_eq!(state.spend(&use_of, now), Ok(()));
        assert!(state.spend(&use_of, now).is_err());
    });
}

fn seen<'a>(credential: &'a str, instance: &'a str, now: Timestamp) -> Seen<'a> {
    Seen {
        principal: "spiffe://acme.example/a",
        credential,
        instance,
        now,
        expires_at: None,
        notes: true,
    }
}

#[test]
fn a_credential_of_two_instances_is_denied_for_both() {
    both(|state| {
        let now = Timestamp::now();
        let after = |seconds| now.plus(Duration::from_secs(seconds));
        let look = |seen: Seen<'_>| state.seen_elsewhere(&seen).unwrap();
        assert_eq!(look(seen("jti", "pod-1", now)), None);
        let dry = Seen {
            notes: false,
            ..seen("jti", "pod-2", after(5))
        };
        assert_eq!(look(dry), Some("pod-1".into()));
        let again = look(seen("jti", "pod-1", after(5)));
        assert_eq!(again, None, "a dry run leaves no trace");
        assert_eq!(look(seen("jti", "pod-2", after(10))), Some("pod-1".into()));
        assert_eq!(look(seen("jti", "pod-1", after(20))), Some("pod-2".into()));
        let later = look(seen("jti", "pod-1", after(200)));
        assert_eq!(later, None, "it was not presented for the window");
        assert_eq!(look(seen("jti", "pod-2", after(400))), None);
        assert_eq!(look(seen("jti", "pod-1", after(401))), Some("pod-2".into()));
    });
}

#[test]
fn two_principals_may_call_their_credentials_alike() {
    both(|state| {
        let now = Timestamp::now();
        let ours = seen("jti", "pod-1", now);
        let theirs = Seen {
            principal: "spiffe://other.example/a",
            instance: "pod-9",
            ..ours
        };
        for presented in [&ours, &theirs, &ours, &theirs] {
            assert_eq!(state.seen_elsewhere(presented), Ok(None));
        }
        let other = seen("jti-2", "pod-2", now);
        assert_eq!(state.seen_elsewhere(&other), Ok(None));
    });
}

#[test]
fn a_mark_never_goes_back() {
    both(|state| {
        assert_eq!(state.raise_mark("a", 0), Ok(0));
        assert_eq!(state.raise_mark("a", 7), Ok(7));
        assert_eq!(state.raise_mark("a", 3), Ok(7));
        assert_eq!(state.raise_mark("a", 0), Ok(7));
        assert_eq!(state.raise_mark("a", 8), Ok(8));
        assert_eq!(state.raise_mark("b", 0), Ok(0));
    });
}

#[test]
fn intents_are_kept_as_they_are_in_the_order_of_their_ids() {
    both(|state| {
        assert_eq!(state.kept_intents(), Ok(Vec::new()));
        state.keep_intent("b", b"second").unwrap();
        state.keep_intent("a", &[0, 255, 10]).unwrap();
        state.keep_intent("b", b"second").unwrap();
        let kept = vec![vec![0, 255, 10], b"second".to_vec()];
        assert_eq!(state.kept_intents(), Ok(kept));
        state.keep_intent("b", b"replaced").unwrap();
        assert_eq!(state.kept_intents().unwrap()[1], b"replaced");
    });
}

#[test]
fn a_state_has_a_mark_that_advances_with_each_use() {
    both(|state| {
        let now = Timestamp::now();
        state.spend(&[one("a", 9)], now).unwrap();
        let Some(first) = state.mark() else {
            // A state in memory cannot be replaced by an older one.
            return;
        };
        state.spend(&[one("a", 9)], now).unwrap();
        let second = state.mark().unwrap();
        assert_eq!(first.generation, second.generation);
        assert!(first.generation.is_empty() || first.changes < second.changes);
    });
}

#[test]
fn a_distrusted_state_counts_nothing() {
    both(|state| {
        let now = Timestamp::now();
        state.spend(&[one("a", 9)], now).unwrap();
        state.distrust("the log says so");
        let lacks = |error: &StateError| matches!(error, StateError::Lacks { .. });
        assert!(lacks(&state.spent("a").unwrap_err()));
        let Err(SpendError::State(error)) = state.spend(&[one("b", 9)], now) else {
            panic!("it spends");
        };
        assert!(lacks(&error), "{error}");
        assert!(lacks(&state.raise_mark("m", 0).unwrap_err()));
        let uses: [Use; 1] = [one("a", 9)];
        assert!(lacks(&state.give_back("d", &uses, now).unwrap_err()));
    });
}
