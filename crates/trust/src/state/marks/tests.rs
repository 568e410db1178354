use super::*;

fn state(generation: &str, changes: u64) -> StateMark {
    StateMark {
        generation: generation.into(),
        changes,
    }
}

#[test]
fn marks_only_go_up_until_an_operator_accepts_others() {
    let folder = std::env::temp_dir().join(format!("portcullis-marks-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("x");
    let marks = || Marks::beside(&path, true).unwrap();
    assert_eq!(marks().kept(), Kept::default());
    marks().note_state(&state("a", 3)).unwrap();
    for lower in [state("a", 2), state("b", 9)] {
        marks().note_state(&lower).unwrap();
        assert_eq!(marks().kept().state, Some(state("a", 3)));
    }
    let list = |epoch| ListMark::new(epoch, Some("d".into()));
    marks().note_list(&list(2)).unwrap();
    marks().note_list(&list(1)).unwrap();
    assert_eq!(marks().kept().list, Some(list(2)));
    marks().accept(&Kept::of_state(state("b", 0))).unwrap();
    assert_eq!(marks().kept().state, Some(state("b", 0)));
    assert_eq!(marks().kept().list, Some(list(2)));
    // One flipped bit is noticed.
    let file = Marks::file(&path);
    let whole = std::fs::read(&file).unwrap();
    assert_eq!(whole.len(), LENGTH);
    for place in 0..100 {
        let mut flipped = whole.clone();
        flipped[place] ^= 1;
        std::fs::write(&file, flipped).unwrap();
        assert!(Marks::beside(&path, true).is_err(), "byte {place}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_digest_is_kept_beside_a_higher_number_without_one() {
    let with = |epoch, digest: &str| ListMark::new(epoch, Some(digest.to_owned()));
    let without = |epoch| ListMark::new(epoch, None);
    for (marks, epoch, fixed) in [
        (vec![without(1), with(1, "a")], 1, Some((1, "a"))),
        (vec![with(1, "a"), without(1)], 1, Some((1, "a"))),
        (vec![with(1, "a"), without(2)], 2, Some((1, "a"))),
        (vec![without(2), with(1, "a")], 2, Some((1, "a"))),
        (
            vec![with(1, "a"), without(3), with(2, "b")],
            3,
            Some((2, "b")),
        ),
        (
            vec![with(1, "a"), without(3), with(3, "c")],
            3,
            Some((3, "c")),
        ),
        (vec![with(2, "b"), with(1, "a")], 2, Some((2, "b"))),
        (vec![without(1), without(2)], 2, None),
    ] {
        let mut kept = Kept::default();
        for mark in &marks {
            ListMark::raise_known(&mut kept.list, mark);
            assert!(
                !ListMark::raise_known(&mut kept.list, mark),
                "it is known by now"
            );
        }
        let list = kept.list.unwrap();
        assert_eq!((list.epoch, list.fixed()), (epoch, fixed), "{marks:?}");
        let json = serde_json::to_string(&list).unwrap();
        assert_eq!(serde_json::from_str::<ListMark>(&json).unwrap(), list);
    }
}

#[test]
fn what_lines_say_from_the_last_on_is_what_they_say_from_the_first_on() {
    let state = |generation: &str, changes| LineMarks {
        state: Some(state(generation, changes)),
        ..LineMarks::default()
    };
    let accepts = |said: LineMarks| LineMarks {
        accepts: true,
        ..said
    };
    let lines = [
        state("a", 1),
        state("a", 3),
        state("b", 9),
        state("a", 2),
        accepts(state("c", 0)),
        state("c", 4),
        state("a", 7),
        LineMarks {
            list: Some(ListMark::new(5, Some("e".to_owned()))),
            has_all: Some(5),
            ..LineMarks::default()
        },
    ];
    for count in 0..=lines.len() {
        let mut stretches = vec![Stretch::default()];
        for said in lines[..count].iter().rev() {
            let said = LineMarks {
                sequence: 0,
                accepts: said.accepts,
                state: said.state.clone(),
                list: said.list.clone(),
                has_all: said.has_all,
            };
            let stretch = stretches.last_mut().unwrap();
            match said.accepts {
                true => {
                    stretch.accepted.state = said.state;
                    stretches.push(Stretch::default());
                }
                false => stretch.take(said),
            }
        }
        let mut kept = Kept::default();
        for stretch in stretches.iter().rev() {
            stretch.apply_to(&mut kept);
        }
        let known = kept.state.map(|state| (state.generation, state.changes));
        let expected = match count {
            0 => None,
            1 => Some(("a".to_owned(), 1)),
            2..=4 => Some(("a".to_owned(), 3)),
            5 => Some(("c".to_owned(), 0)),
            _ => Some(("c".to_owned(), 4)),
        };
        assert_eq!(known, expected, "{count}");
        assert_eq!(kept.recorded, (count == lines.len()).then_some(5));
    }
}

#[test]
fn the_longest_marks_fit_into_their_block() {
    let kept = Kept {
        state: Some(state(&"f".repeat(32), u64::MAX)),
        list: Some(ListMark {
            epoch: u64::MAX,
            digest: Some("f".repeat(64)),
            digest_epoch: Some(u64::MAX),
        }),
        log: Some(u64::MAX),
        recorded: Some(u64::MAX),
        list_is_lost: true,
    };
    let json = serde_json::to_string(&kept).unwrap();
    assert!(json.len() + SUM + 2 <= LENGTH, "{}", json.len());
    // Marks of an older host do not mention the log.
    let older = r#"{"state":{"generation":"g","changes":3},"list":{"epoch":1,"digest":"d"}}"#;
    let older: Kept = serde_json::from_str(older).unwrap();
    assert_eq!((older.log, older.recorded), (None, None));
    assert_eq!(older.list, Some(ListMark::new(1, Some("d".to_owned()))));
}

#[test]
fn damaged_marks_are_replaced_when_something_is_accepted_and_a_folder_is_named() {
    let folder = std::env::temp_dir().join(format!("portcullis-accept-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("x");
    let file = Marks::file(&path);
    let accepted = Kept::of_state(state("a", 0));
    let long = "x".repeat(2 * LENGTH);
    for damaged in ["x", "", &long] {
        std::fs::write(&file, damaged).unwrap();
        assert!(Marks::beside(&path, true).is_err());
        Marks::to_accept(&path).unwrap().accept(&accepted).unwrap();
        let kept = Marks::beside(&path, true).unwrap().kept();
        assert_eq!(kept.state, accepted.state);
        assert!(kept.list_is_lost, "no mark says how far the list went");
    }
    std::fs::remove_file(&file).unwrap();
    let marks = Marks::to_accept(&path).unwrap();
    assert!(!file.exists(), "nothing is written before it is accepted");
    marks.accept(&accepted).unwrap();
    assert!(!Marks::beside(&path, true).unwrap().kept().list_is_lost);
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    let error = Marks::to_accept(&path).unwrap_err();
    assert!(
        error.contains("x.marks") && error.contains("remove it"),
        "{error}"
    );
    std::fs::remove_dir_all(folder).unwrap();
}
