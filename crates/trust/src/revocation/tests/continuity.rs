//! A list that was changed, replaced or put back is unreliable.

use super::*;

#[test]
fn a_list_that_was_tampered_with_is_not_relied_on() {
    let file = file("tampered");
    append(&file, None, NOW).unwrap();
    append(&file, Some(revoked("a")), NOW).unwrap();
    let whole = std::fs::read_to_string(&file).unwrap();
    let followed = Revocations::follow(&file, Duration::from_secs(60)).unwrap();
    let after = |content: &str| {
        std::fs::write(&file, content).unwrap();
        followed.refresh();
        followed.now_known().unreliable(NOW)
    };
    assert!(
        after(whole.lines().next().unwrap())
            .unwrap()
            .contains("only ever added")
    );
    let gap = whole.clone()
        + &whole
            .lines()
            .last()
            .unwrap()
            .replace("\"epoch\":1", "\"epoch\":3")
        + "\n";
    assert!(after(&gap).unwrap().contains("line 3"));
    assert!(
        after(&format!("{whole}not json\n"))
            .unwrap()
            .contains("line 3")
    );
    // Known revocations stay known, even if the file changes.
    assert!(
        followed
            .now_known()
            .find(Revocable::Credential, "a")
            .is_some()
    );
    assert_eq!(
        after(&whole),
        None,
        "and it is relied on again once it is mended"
    );
    // A file that replaces the list is used if it begins with the content that was read.
    let moved = |content: &str| {
        let beside = file.with_extension("beside");
        std::fs::write(&beside, content).unwrap();
        std::fs::rename(beside, &file).unwrap();
        followed.refresh();
        followed.now_known().unreliable(NOW)
    };
    assert_eq!(moved(&whole), None);
    let other = whole.replace("\"a\"", "\"b\"");
    assert_eq!(other.len(), whole.len());
    assert!(moved(&other).unwrap().contains("only ever added"));
    assert_eq!(moved(&whole), None);
    // A line that is still being written is ignored.
    assert_eq!(after(&format!("{whole}{{\"epoch\"")), None);
    std::fs::remove_file(&file).unwrap();
    followed.refresh();
    assert!(
        followed
            .now_known()
            .unreliable(NOW)
            .unwrap()
            .contains("cannot read")
    );
}

#[test]
fn a_list_that_was_replaced_in_place_is_not_relied_on() {
    let file = file("replaced");
    append(&file, None, NOW).unwrap();
    append(&file, Some(revoked("a")), NOW).unwrap();
    let followed = Revocations::follow(&file, Duration::from_secs(60)).unwrap();
    let whole = std::fs::read_to_string(&file).unwrap();
    let modified = std::fs::metadata(&file).unwrap().modified().unwrap();
    let after = |content: &str| {
        std::fs::write(&file, content).unwrap();
        let open = std::fs::File::options().write(true).open(&file).unwrap();
        open.set_modified(modified).unwrap();
        followed.refresh();
        followed.now_known().unreliable(NOW)
    };
    let other = whole.replace("\"a\"", "\"b\"");
    assert_eq!(other.len(), whole.len());
    assert!(after(&other).unwrap().contains("only ever added"));
    assert_eq!(after(&whole), None);
    // The same for longer lists.
    let more = whole.lines().last().unwrap();
    let more = more.replace("\"epoch\":1", "\"epoch\":2");
    let longer = |whole: &str| format!("{whole}{more}\n");
    assert!(after(&longer(&other)).unwrap().contains("only ever added"));
    assert_eq!(after(&longer(&whole)), None);
    std::fs::remove_file(file).unwrap();
}

#[test]
fn a_list_that_went_back_is_not_relied_on() {
    let file = file("back");
    append(&file, None, NOW).unwrap();
    let older = std::fs::read_to_string(&file).unwrap();
    append(&file, Some(revoked("a")), NOW).unwrap();
    append(&file, None, NOW).unwrap();
    let whole = std::fs::read_to_string(&file).unwrap();
    let start = |content: &str, mark: Option<&ListMark>| {
        std::fs::write(&file, content).unwrap();
        let followed = Revocations::follow(&file, Duration::from_secs(60)).unwrap();
        if let Some(mark) = mark {
            followed.hold_to(mark);
        }
        followed
    };
    let mark = start(&whole, None).mark().unwrap();
    assert_eq!(mark.epoch, 1);
    assert_eq!(start(&whole, Some(&mark)).unreliable(), None);
    // An older list, and a list with as many changes but another revocation.
    let behind = start(&older, Some(&mark));
    assert_eq!(
        behind.unreliable(),
        Some(ListError::Behind { found: 0, known: 1 })
    );
    assert!(behind.mark().is_none());
    let other = whole.replace("\"a\"", "\"b\"");
    assert_eq!(
        start(&other, Some(&mark)).unreliable(),
        Some(ListError::Another(1))
    );
    append(&file, Some(revoked("c")), NOW).unwrap();
    let longer = std::fs::read_to_string(&file).unwrap();
    assert_eq!(
        start(&longer, Some(&mark)).unreliable(),
        Some(ListError::Another(1)),
        "nor one that went farther"
    );
    // If only the number of changes is known, it alone is compared.
    let number = ListMark {
        digest: None,
        ..mark
    };
    assert_eq!(start(&other, Some(&number)).unreliable(), None);
    assert!(start(&older, Some(&number)).unreliable().is_some());
    // After the right list is restored, it is reliable.
    std::fs::write(&file, &whole).unwrap();
    behind.refresh();
    assert_eq!(behind.unreliable(), None);
    std::fs::remove_file(file).unwrap();
}

#[test]
fn nothing_is_added_to_an_older_list() {
    let file = file("older");
    append(&file, None, NOW).unwrap();
    let older = std::fs::read_to_string(&file).unwrap();
    append(&file, Some(revoked("a")), NOW).unwrap();
    let whole = std::fs::read_to_string(&file).unwrap();
    let follow = || Revocations::follow(&file, Duration::from_secs(60)).unwrap();
    let mark = follow().mark().unwrap();
    let open = || {
        let opening = Opening {
            floor: Some(mark.clone()),
            ..Opening::default()
        };
        ListWriter::open_as(&file, opening)
    };
    let event = Event {
        id: "idp set-1".to_owned(),
        revoked: vec![revoked("e")],
        domains: vec!["a.example".to_owned()],
        left_out: Vec::new(),
    };
    for (content, expected) in [
        (older, ListError::Behind { found: 0, known: 1 }),
        (whole.replace("\"a\"", "\"b\""), ListError::Another(1)),
    ] {
        std::fs::write(&file, &content).unwrap();
        assert_eq!(open().map(drop), Err(expected.clone()));
        let followed = follow();
        followed.hold_to(&mark);
        assert_eq!(followed.accept(&event), Err(expected));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), content);
    }
    std::fs::remove_file(&file).unwrap();
    let gone = open().map(drop);
    assert_eq!(gone, Err(ListError::Behind { found: 0, known: 1 }));
    assert!(!file.exists(), "no list is begun in its place");
    // Lines are appended to the latest list.
    std::fs::write(&file, &whole).unwrap();
    assert_eq!(open().unwrap().revoke(revoked("c"), NOW).unwrap().epoch, 2);
    let followed = follow();
    followed.hold_to(&mark);
    assert_eq!(followed.accept(&event).unwrap().len(), 1);
    std::fs::remove_file(file).unwrap();
}

#[test]
fn a_list_that_could_not_be_read_again_is_still_held_to_what_is_known() {
    let file = file("unread");
    append(&file, None, NOW).unwrap();
    append(&file, Some(revoked("a")), NOW).unwrap();
    let followed = Revocations::follow(&file, Duration::from_secs(60)).unwrap();
    let right = followed.mark().unwrap();
    drop(followed);
    assert_eq!(right.epoch, 1);
    let known = ListMark::new(1, Some("of another list".to_owned()));
    append(&file, Some(revoked("b")), NOW).unwrap();
    let whole = std::fs::read_to_string(&file).unwrap();
    let number = ListMark::new(3, None);
    for (mark, expected) in [
        (&known, Some(ListError::Another(1))),
        (&right, None),
        (&number, Some(ListError::Behind { found: 2, known: 3 })),
    ] {
        std::fs::write(&file, &whole).unwrap();
        let followed = Revocations::follow(&file, Duration::from_secs(60)).unwrap();
        std::fs::remove_file(&file).unwrap();
        followed.hold_to(mark);
        followed.refresh();
        assert!(followed.unreliable().is_some(), "it is not there");
        std::fs::write(&file, &whole).unwrap();
        followed.refresh();
        assert_eq!(followed.unreliable(), expected, "{mark:?}");
    }
    std::fs::remove_file(file).unwrap();
}
