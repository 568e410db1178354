//! Files that are no state, states of older formats, and flipped bits.

use super::super::checksums::{opened, sealed};
use super::super::database::{ENDS, INTENTS_BEFORE, SPENT_BEFORE};
use super::*;

#[cfg(unix)]
#[test]
fn what_is_not_a_file_is_refused_in_the_place_of_a_state_and_its_marks() {
    let file = file("fifo");
    for place in [file.clone(), marks_of(&file)] {
        let made = std::process::Command::new("mkfifo").arg(&place).status();
        assert!(made.unwrap().success());
        match reopen(&file) {
            Err(error) => {
                let error = error.to_string();
                assert!(error.contains("redb") && error.contains("fifo"), "{error}");
            }
            Ok(state) => {
                let lacks = state.lacks().unwrap().to_string();
                assert!(lacks.contains("a fifo"), "{lacks}");
                let refused = state.accept(|_| Ok(())).unwrap_err().to_string();
                assert!(refused.contains("marks") && refused.contains("remove it"));
            }
        }
        std::fs::remove_file(&place).unwrap();
    }
    // A folder is refused as well; a link to a state is accepted.
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    let refused = reopen(&file).unwrap_err().to_string();
    assert!(refused.contains("a folder"), "{refused}");
    std::fs::remove_dir(&file).unwrap();
    let linked = file.with_extension("linked");
    std::os::unix::fs::symlink(&linked, &file).unwrap();
    assert!(reopen(&file).unwrap().spend(&[one("a", 1)], NOW).is_ok());
    std::fs::remove_file(linked).unwrap();
    remove(&file);
}

#[test]
fn what_was_spent_without_checksums_is_still_spent() {
    let file = file("before");
    let database = Database::create(&file).unwrap();
    let writing = database.begin_write().unwrap();
    let until = NOW.plus(Duration::from_secs(60)).as_millis();
    let mut spent = writing.open_table(SPENT_BEFORE).unwrap();
    spent.insert("a", (1, until)).unwrap();
    drop(spent);
    let mut ends = writing.open_table(ENDS).unwrap();
    ends.insert((until, "a"), ()).unwrap();
    drop(ends);
    let mut intents = writing.open_table(INTENTS_BEFORE).unwrap();
    intents.insert("int-1", b"{}".as_slice()).unwrap();
    drop(intents);
    writing.commit().unwrap();
    drop(database);
    for _ in 0..2 {
        let state = reopen(&file).unwrap();
        assert_eq!(state.spent("a"), Ok(1));
        assert_eq!(state.kept_intents(), Ok(vec![b"{}".to_vec()]));
    }
    remove(&file);
}

#[test]
fn no_flipped_bit_is_taken_for_what_was_spent() {
    let file = file("flipped");
    let state = reopen(&file).unwrap();
    let spent: Vec<_> = (0..60).map(|number| format!("intent {number}")).collect();
    for key in &spent {
        state.spend(&[one(key, 3)], NOW).unwrap();
    }
    state.keep_intent("int-1", b"{\"max-uses\":2}").unwrap();
    drop(state);
    let (whole, marks) = (
        std::fs::read(&file).unwrap(),
        std::fs::read(marks_of(&file)).unwrap(),
    );
    // Half of the places are anywhere, and half of them where bytes are not zero.
    let used: Vec<_> = (0..whole.len())
        .filter(|place| whole[*place] != 0)
        .collect();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % below as u64).unwrap()
    };
    let (mut damaged, mut unharmed, mut lacking) = (0, 0, 0);
    for flip in 0..400 {
        let place = match flip % 2 {
            0 => next(whole.len()),
            _ => used[next(used.len())],
        };
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << next(8);
        std::fs::write(&file, bytes).unwrap();
        std::fs::write(marks_of(&file), &marks).unwrap();
        match reopen(&file) {
            Err(error @ StateError::Damaged { .. }) => {
                assert!(error.to_string().contains("flipped"), "{error}");
                damaged += 1;
            }
            Err(error) => panic!("{error}"),
            Ok(state) if state.lacks().is_some() => lacking += 1,
            Ok(state) => {
                for key in &spent {
                    assert_eq!(state.spent(key), Ok(1), "byte {place}");
                }
                let kept = state.kept_intents().unwrap();
                assert_eq!(kept, [b"{\"max-uses\":2}".to_vec()], "byte {place}");
                unharmed += 1;
            }
        }
    }
    assert!(
        damaged > 10,
        "{damaged} damaged, {lacking} older, {unharmed} unharmed"
    );
    // Every occurrence of a record, because any copy of its page may be the current one.
    for (record, mask) in [(&b"intent 59"[..], 1), (b"intent 3", 2), (b"max-uses", 4)] {
        let mut bytes = whole.clone();
        for place in 0..whole.len() - record.len() {
            if whole[place..].starts_with(record) {
                bytes[place] ^= mask;
            }
        }
        assert_ne!(bytes, whole);
        std::fs::write(&file, bytes).unwrap();
        std::fs::write(marks_of(&file), &marks).unwrap();
        assert!(matches!(reopen(&file), Err(StateError::Damaged { .. })));
    }
    remove(&file);
}

#[test]
fn a_bit_that_flips_under_a_running_host_is_not_taken_for_what_was_spent() {
    let spent = sealed("a", 7, 9);
    assert!(opened("a", spent).is_ok());
    for bit in 0..64 {
        for (key, flipped) in [
            ("a", (spent.0 ^ 1 << bit, spent.1, spent.2)),
            ("a", (spent.0, spent.1 ^ 1 << bit, spent.2)),
            ("a", (spent.0, spent.1, spent.2 ^ 1 << bit)),
            ("b", spent),
        ] {
            assert!(matches!(opened(key, flipped), Err(Failure::Damaged(_))));
        }
    }
}
