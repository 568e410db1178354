//! Lines that were changed, removed or cut off.

use super::*;

#[test]
fn finds_any_edit_removal_reordering_addition_or_truncation_and_says_where() {
    let folder = Folder::new("tampered");
    let log = DecisionLog::open(options(&folder.log())).unwrap();
    (0..6).for_each(|n| record(&log, n).unwrap());
    drop(log);
    let whole = fs::read_to_string(folder.log()).unwrap();
    let lines: Vec<_> = whole.lines().collect();
    let broken_at = |lines: &[&str]| {
        fs::write(folder.log(), lines.join("\n") + "\n").unwrap();
        match verify(&folder.log()) {
            Ok(_) => None,
            Err(Corrupt::Line { line, .. }) => Some(line),
            Err(Corrupt::Truncated {
                found, recorded: 6, ..
            }) => Some(usize::try_from(found).unwrap() + 1),
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!(broken_at(&lines), None);
    let edited = lines[2].replace("plugin-denied", "permitted");
    let [a, b, c, d, e, f] = lines[..] else {
        panic!("six lines")
    };
    let last = f.replace("plugin-denied", "permitted");
    let next = last.replace("\"sequence\":6", "\"sequence\":7").replace(
        &f[f.find("\"previous\":\"").unwrap() + 12..][..64],
        &crate::log::files::hash(last.as_bytes()),
    );
    for (what, tampered, at) in [
        ("an edit", vec![a, b, &edited, d, e, f], 4),
        ("an edit of the last", vec![a, b, c, d, e, &last], 6),
        ("a removal", vec![a, b, d, e, f], 3),
        ("a reordering", vec![a, c, b, d, e, f], 2),
        ("a repetition", vec![a, b, b, c, d, e, f], 3),
        ("a truncation", vec![a, b, c], 4),
        ("a removal at the beginning", vec![b, c, d, e, f], 1),
        ("something else", vec![a, b, "hello", d, e, f], 3),
        (
            "a forged last one, with one that follows",
            vec![a, b, c, d, e, &last, &next],
            6,
        ),
    ] {
        assert_eq!(broken_at(&tampered), Some(at), "{what}");
    }
    // Lines behind the head are counted: they were recorded since, or added.
    fs::write(folder.log(), &whole).unwrap();
    let more = f.replace("\"sequence\":6", "\"sequence\":7").replace(
        &f[f.find("\"previous\":\"").unwrap() + 12..][..64],
        &crate::log::files::hash(f.as_bytes()),
    );
    fs::write(folder.log(), format!("{whole}{more}\n")).unwrap();
    assert_eq!(verify(&folder.log()).unwrap().behind_head, 1);
    fs::rename(
        folder.0.join("decisions.jsonl.head"),
        folder.0.join("aside"),
    )
    .unwrap();
    assert!(matches!(verify(&folder.log()), Err(Corrupt::NoHead { .. })));
    fs::rename(
        folder.0.join("aside"),
        folder.0.join("decisions.jsonl.head"),
    )
    .unwrap();

    fs::write(folder.log(), lines[..3].join("\n") + "\n").unwrap();
    let refused = DecisionLog::open(options(&folder.log())).unwrap_err();
    assert!(matches!(refused, LogError::NotALog { .. }), "{refused}");
}

#[test]
fn what_somebody_was_cut_off_while_writing_is_removed() {
    let folder = Folder::new("cut");
    let log = DecisionLog::open(options(&folder.log())).unwrap();
    record(&log, 1).unwrap();
    drop(log);
    let whole = fs::read_to_string(folder.log()).unwrap();
    fs::write(folder.log(), format!("{whole}{{\"sequence\":2,\"prev")).unwrap();
    assert!(verify(&folder.log()).is_err());
    let log = DecisionLog::open(options(&folder.log())).unwrap();
    record(&log, 2).unwrap();
    assert_eq!(verify(&folder.log()).unwrap().entries, 2);
}

#[test]
fn a_log_whose_end_was_changed_is_not_continued() {
    let folder = Folder::new("changed-end");
    let open = || DecisionLog::open(options(&folder.log()));
    let log = open().unwrap();
    (1..=3).for_each(|n| record(&log, n).unwrap());
    drop(log);
    let whole = fs::read_to_string(folder.log()).unwrap();
    let head = fs::read_to_string(folder.0.join("decisions.jsonl.head")).unwrap();
    // The last line, forged with the right hash of the line before it.
    fs::write(folder.log(), whole.replacen("\"n\":3", "\"n\":4", 1)).unwrap();
    assert!(matches!(open(), Err(LogError::NotALog { .. })));
    fs::write(folder.log(), &whole).unwrap();
    fs::remove_file(folder.0.join("decisions.jsonl.head")).unwrap();
    assert!(
        matches!(open(), Err(LogError::NotALog { .. })),
        "no head tells where it ended"
    );
    fs::write(folder.0.join("decisions.jsonl.head"), head).unwrap();
    record(&open().unwrap(), 4).unwrap();
    assert_eq!(verify(&folder.log()).unwrap().entries, 4);
}

#[test]
fn a_line_in_another_form_is_named_by_its_place() {
    let folder = Folder::new("forms");
    let log = DecisionLog::open(options(&folder.log())).unwrap();
    (0..4).for_each(|n| record(&log, n).unwrap());
    drop(log);
    let whole = fs::read(folder.log()).unwrap();
    let lines: Vec<_> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let third = String::from_utf8(lines[2].to_vec()).unwrap();
    for (tampered, said) in [
        (third.replacen("plugin", "pl\0gin", 1).into_bytes(), "NUL"),
        (third.trim_end().to_owned().into_bytes(), "no line of a log"),
        (third.replace('\n', "\r\n").into_bytes(), "carriage return"),
        (b"\n".to_vec(), "empty"),
        ([b"\xef\xbb\xbf", lines[2]].concat(), "byte order mark"),
        ([b"{\"\xff", &lines[2][2..]].concat(), "not UTF-8"),
        (
            third.replacen("\"v\":2", "\"v\":3", 1).into_bytes(),
            "version `3`",
        ),
        (third.replacen("\"v\":2,", "", 1).into_bytes(), "no version"),
        (
            third
                .replacen("\"sequence\":3", "\"sequence\":18446744073709551615", 1)
                .into_bytes(),
            "3 is expected",
        ),
    ] {
        fs::write(
            folder.log(),
            [lines[0], lines[1], &tampered, lines[3]].concat(),
        )
        .unwrap();
        match verify(&folder.log()) {
            Err(Corrupt::Line {
                line: 3, message, ..
            }) => assert!(message.contains(said), "{message}"),
            other => panic!("{said}: {other:?}"),
        }
    }
    // The last line is cut off: several bytes, and only its line end.
    for cut in [9, 1] {
        fs::write(folder.log(), &whole[..whole.len() - cut]).unwrap();
        assert!(
            matches!(verify(&folder.log()), Err(Corrupt::Line { line: 4, message, .. }) if message.contains("cut off"))
        );
    }
    fs::write(folder.log(), &whole).unwrap();
    assert_eq!(decisions(&folder.log()), 4);
}

#[test]
fn a_log_whose_number_is_the_last_is_an_error_and_no_panic() {
    let folder = Folder::new("exhausted");
    let log = DecisionLog::open(options(&folder.log())).unwrap();
    (0..2).for_each(|n| record(&log, n).unwrap());
    drop(log);
    let whole = fs::read_to_string(folder.log()).unwrap();
    for highest in [u64::MAX, u64::MAX - 1] {
        let edited = whole.replace("\"sequence\":2", &format!("\"sequence\":{highest}"));
        let last = edited.lines().last().unwrap().to_owned();
        fs::write(folder.log(), &edited).unwrap();
        let head = format!("{highest} {}\n", crate::log::files::hash(last.as_bytes()));
        fs::write(folder.0.join("decisions.jsonl.head"), head).unwrap();
        match DecisionLog::open(options(&folder.log())) {
            Ok(log) => {
                record(&log, 1).unwrap();
                assert!(matches!(record(&log, 2), Err(LogError::Exhausted(_))));
            }
            Err(error) => assert!(error.to_string().contains("edited"), "{error}"),
        }
        assert!(matches!(
            verify(&folder.log()),
            Err(Corrupt::Line { line: 2, .. })
        ));
    }
}

#[test]
fn a_cut_off_line_is_a_crashs_only_if_it_was_not_recorded() {
    let folder = Folder::new("cut-off");
    let log = DecisionLog::open(options(&folder.log())).unwrap();
    (0..4).for_each(|n| record(&log, n).unwrap());
    drop(log);
    let whole = fs::read(folder.log()).unwrap();
    for cut in [1, 9, 100] {
        fs::write(folder.log(), &whole[..whole.len() - cut]).unwrap();
        let broken = verify(&folder.log()).unwrap_err();
        assert!(matches!(broken, Corrupt::Line { line: 4, .. }), "{broken}");
        let broken = broken.to_string();
        assert!(broken.contains("the log had 4 lines"), "{broken}");
        assert!(DecisionLog::open(options(&folder.log())).is_err());
    }
    fs::write(folder.log(), [&whole, &b"{\"v\":2,"[..]].concat()).unwrap();
    let broken = verify(&folder.log()).unwrap_err();
    assert!(
        matches!(broken, Corrupt::CutOff { line: 5, .. }),
        "{broken}"
    );
    drop(DecisionLog::open(options(&folder.log())).unwrap());
    assert_eq!(decisions(&folder.log()), 4);
}
