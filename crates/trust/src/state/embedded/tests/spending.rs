//! Spent uses, their ends, and marks that only rise.

use super::*;

#[test]
fn what_is_spent_is_spent_after_it_is_opened_again() {
    let file = file("spent");
    let window = Duration::from_secs(60);
    let state = EmbeddedState::open(&file, window).unwrap();
    state.spend(&[one("a", 2), one("b", 9)], NOW).unwrap();
    drop(state);
    let state = EmbeddedState::open(&file, window).unwrap();
    assert_eq!((state.spent("a"), state.spent("b")), (Ok(1), Ok(1)));
    state.spend(&[one("a", 2)], NOW).unwrap();
    assert_eq!(
        state.spend(&[one("b", 9), one("a", 2)], NOW),
        Err(SpendError::UsedUp("a".into()))
    );
    assert_eq!(state.spent("b"), Ok(1), "all or none");
    remove(&file);
}

#[test]
fn the_last_use_is_spent_once_however_many_try() {
    let file = file("race");
    let state = EmbeddedState::open(&file, Duration::from_secs(60)).unwrap();
    let spent = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    (0..10)
                        .filter(|_| state.spend(&[one("a", 17)], NOW).is_ok())
                        .count()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|t| t.join().unwrap())
            .sum::<usize>()
    });
    assert_eq!((spent, state.spent("a")), (17, Ok(17)));
    remove(&file);
}

#[test]
fn what_has_ended_is_forgotten_and_nothing_else() {
    let file = file("ended");
    let state = EmbeddedState::open(&file, Duration::from_secs(60)).unwrap();
    state.spend(&[one("a", 1)], NOW).unwrap();
    let longer = Use {
        until: NOW.plus(Duration::from_secs(600)),
        ..one("b", 1)
    };
    state.spend(&[longer], NOW).unwrap();
    state
        .spend(&[one("c", 1)], NOW.plus(Duration::from_secs(61)))
        .unwrap();
    assert_eq!((state.spent("a"), state.spent("b")), (Ok(0), Ok(1)));
    remove(&file);
}

#[test]
fn what_has_ended_stays_spent_when_the_clock_goes_back() {
    let file = file("clock");
    let state = reopen(&file).unwrap();
    state.spend(&[one("a", 1)], NOW).unwrap();
    let later = NOW.plus(Duration::from_secs(3600));
    let long = |key: &str| Use {
        until: later.plus(Duration::from_secs(60)),
        ..one(key, 1)
    };
    state.spend(&[long("b")], later).unwrap();
    assert_eq!(state.spent("a"), Ok(0), "it is forgotten");
    drop(state);
    let state = reopen(&file).unwrap();
    for key in ["a", "c"] {
        let refused = state.spend(&[one(key, 1)], NOW);
        assert!(matches!(
            refused,
            Err(SpendError::State(StateError::Forgotten { .. }))
        ));
    }
    state.spend(&[long("c")], NOW).unwrap();
    assert_eq!(
        state.spend(&[long("b")], NOW),
        Err(SpendError::UsedUp("b".into()))
    );
    remove(&file);
}

#[test]
fn a_mark_never_goes_back() {
    let file = file("mark");
    let open = || EmbeddedState::open(&file, Duration::from_secs(60)).unwrap();
    let state = open();
    assert_eq!(state.raise_mark("a", 0), Ok(0));
    assert_eq!(state.raise_mark("a", 7), Ok(7));
    assert_eq!(state.raise_mark("a", 3), Ok(7));
    drop(state);
    let state = open();
    assert_eq!(state.raise_mark("a", 0), Ok(7));
    assert_eq!(state.raise_mark("b", 0), Ok(0));
    drop(state);
    remove(&file);
}

#[test]
fn what_was_forgotten_is_not_given_out_again_when_the_clock_goes_back() {
    let file = file("back");
    let window = Duration::from_secs(60);
    let state = EmbeddedState::open(&file, window).unwrap();
    let ends = |key: &str, seconds| Use {
        until: NOW.plus(Duration::from_secs(seconds)),
        ..one(key, 1)
    };
    state.spend(&[ends("spent", 60)], NOW).unwrap();
    state.spend(&[ends("longer", 600)], NOW).unwrap();
    let later = NOW.plus(Duration::from_secs(61));
    state.spend(&[ends("later", 700)], later).unwrap();
    assert_eq!(state.spent("spent"), Ok(0), "it was forgotten");
    // The same after a restart.
    drop(state);
    let state = EmbeddedState::open(&file, window).unwrap();
    for (key, seconds) in [("spent", 60), ("of the same end", 60), ("sooner", 30)] {
        let again = state.spend(&[ends(key, seconds)], NOW);
        let forgotten = matches!(again, Err(SpendError::State(StateError::Forgotten { .. })));
        assert!(forgotten, "{key}: {again:?}");
    }
    let still = state.spend(&[ends("longer", 600)], NOW);
    assert_eq!(still, Err(SpendError::UsedUp("longer".into())));
    assert_eq!(state.spend(&[ends("another", 61)], NOW), Ok(()));
    remove(&file);
}
