//! A state that is missing, older or another one lacks earlier counts.

use super::*;

fn is_lacking<T: std::fmt::Debug>(result: Result<T, StateError>) -> bool {
    matches!(result, Err(StateError::Lacks { .. }))
}

#[test]
fn a_state_that_is_gone_or_older_counts_nothing_until_it_is_accepted() {
    let file = file("lacking");
    reopen(&file).unwrap().spend(&[one("a", 2)], NOW).unwrap();
    let older = std::fs::read(&file).unwrap();
    reopen(&file).unwrap().spend(&[one("a", 2)], NOW).unwrap();
    let latest = std::fs::read(&file).unwrap();
    for (put, why) in [
        (None, "missing"),
        (Some(Vec::new()), "missing"),
        (Some(older), "older copy"),
    ] {
        match &put {
            None => std::fs::remove_file(&file).unwrap(),
            Some(bytes) => std::fs::write(&file, bytes).unwrap(),
        }
        for _ in 0..2 {
            // Opening it again does not change that.
            let state = reopen(&file).unwrap();
            let lacks = state.lacks().unwrap().to_string();
            assert!(lacks.contains(why), "{lacks}");
            assert!(lacks.contains("portcullis state accept"), "{lacks}");
            assert!(is_lacking(state.spent("a")));
            let refused = state.spend(&[one("b", 1)], NOW);
            assert!(matches!(
                refused,
                Err(SpendError::State(StateError::Lacks { .. }))
            ));
            assert_eq!(state.kept_intents(), Ok(Vec::new()), "they do not count");
        }
        std::fs::write(&file, &latest).unwrap();
        assert_eq!(
            reopen(&file).unwrap().spent("a"),
            Ok(2),
            "the latest is back"
        );
    }
    // Another state in its place.
    let other = self::file("lacking-other");
    drop(reopen(&other).unwrap());
    std::fs::copy(&other, &file).unwrap();
    assert!(is_lacking(reopen(&file).unwrap().spent("a")));
    remove(&other);
    // With damaged marks, earlier counts are unknown.
    std::fs::write(&file, &latest).unwrap();
    let marks = std::fs::read(marks_of(&file)).unwrap();
    std::fs::write(marks_of(&file), b"nonsense").unwrap();
    assert!(is_lacking(reopen(&file).unwrap().spent("a")));
    std::fs::write(marks_of(&file), &marks).unwrap();
    assert_eq!(reopen(&file).unwrap().spent("a"), Ok(2));
    // After acceptance it counts from there, and the state before is another one.
    std::fs::remove_file(&file).unwrap();
    let state = reopen(&file).unwrap();
    // If `record` refuses, the state is unchanged.
    let refused = state.accept(|_| Err("the disk is full".to_owned()));
    assert!(refused.unwrap_err().to_string().contains("disk is full"));
    assert!(is_lacking(state.spent("a")));
    state.accept(|_| Ok(())).unwrap();
    assert_eq!(state.spent("a"), Ok(0));
    state.spend(&[one("a", 2)], NOW).unwrap();
    drop(state);
    assert_eq!(reopen(&file).unwrap().spent("a"), Ok(1));
    std::fs::write(&file, &latest).unwrap();
    assert!(is_lacking(reopen(&file).unwrap().spent("a")));
    remove(&file);
}

#[test]
fn a_state_that_counted_and_has_no_marks_counts_nothing_unless_the_log_knows_it() {
    let file = file("no-marks");
    reopen(&file).unwrap().spend(&[one("a", 2)], NOW).unwrap();
    std::fs::remove_file(marks_of(&file)).unwrap();
    let state = reopen(&file).unwrap();
    let lacks = state.lacks().unwrap().to_string();
    assert!(lacks.contains("file of marks"), "{lacks}");
    assert!(is_lacking(state.spent("a")));
    // Its mark is not stored before the log confirms it.
    state.remember().unwrap();
    assert!(!marks_of(&file).exists());
    state.vouch();
    state.remember().unwrap();
    assert_eq!(state.spent("a"), Ok(1));
    drop(state);
    assert_eq!(reopen(&file).unwrap().spent("a"), Ok(1));
    // A contradiction in the log takes precedence over everything else.
    std::fs::remove_file(marks_of(&file)).unwrap();
    let state = reopen(&file).unwrap();
    state.distrust("the log says more");
    state.vouch();
    assert!(is_lacking(state.spent("a")));
    drop(state);
    // A state that never counted anything needs no marks.
    remove(&file);
    drop(reopen(&file).unwrap());
    assert_eq!(reopen(&file).unwrap().spent("a"), Ok(0));
    remove(&file);
}

#[test]
fn how_far_the_list_went_is_in_the_state_as_well_as_beside_it() {
    let file = file("list");
    let list = |epoch| ListMark::new(epoch, Some(format!("digest {epoch}")));
    let state = reopen(&file).unwrap();
    assert_eq!(state.list_seen(), None);
    state.note_list(&list(2));
    state.note_list(&list(1));
    drop(state);
    std::fs::remove_file(marks_of(&file)).unwrap();
    let state = reopen(&file).unwrap();
    assert_eq!(state.list_seen(), Some(list(2)));
    assert_eq!(state.list_is_lost(), None);
    drop(state);
    // Damaged marks may have belonged to a longer list.
    std::fs::write(marks_of(&file), "x").unwrap();
    let state = reopen(&file).unwrap();
    assert!(state.list_is_lost().unwrap().contains("is damaged"));
    // Accepting the state does not accept the list.
    state.accept(|_| Ok(())).unwrap();
    drop(state);
    let state = reopen(&file).unwrap();
    assert!(state.lacks().is_none() && state.list_is_lost().is_some());
    // A dry run beside that host reports the same.
    let dry = EmbeddedState::beside_host(&file, Duration::from_secs(60));
    assert!(dry.lacks().is_none() && dry.list_is_lost().is_some());
    state.accept_list(&list(1), || Ok(())).unwrap();
    drop(state);
    let state = reopen(&file).unwrap();
    assert_eq!(state.list_seen(), Some(list(1)));
    assert_eq!(state.list_is_lost(), None);
    // The mark applies beside a host that has the state open, and in place of a missing state.
    for state in [
        EmbeddedState::beside_host(&file, Duration::from_secs(60)),
        EmbeddedState::in_place_of(&file, Duration::from_secs(60)),
    ] {
        assert_eq!(state.list_seen(), Some(list(1)));
    }
    remove(&file);
}

#[test]
fn a_state_that_is_gone_is_named_in_a_dry_run() {
    let file = file("named");
    reopen(&file).unwrap().spend(&[one("a", 2)], NOW).unwrap();
    std::fs::remove_file(&file).unwrap();
    let state = EmbeddedState::in_place_of(&file, Duration::from_secs(60));
    let lacks = state.lacks().unwrap().to_string();
    let named = format!("the state in {} lacks", file.display());
    assert!(
        lacks.contains(&named) && lacks.contains("missing"),
        "{lacks}"
    );
    assert!(!file.exists());
    remove(&file);
}
