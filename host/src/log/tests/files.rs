//! Full files, the next file, and the numbers in their names.

use super::*;

#[test]
fn full_files_are_numbered_and_the_chain_goes_on() {
    let folder = Folder::new("rotated");
    let options = LogOptions {
        max_file_bytes: 2000,
        ..options(&folder.log())
    };
    for _ in 0..2 {
        let log = DecisionLog::open(options.clone()).unwrap();
        (0..20).for_each(|n| record(&log, n).unwrap());
    }
    assert_eq!(decisions(&folder.log()), 40);
    assert!(folder.0.join("decisions.000003.jsonl").exists());
    // Missing files are named, at the beginning and in the middle.
    for number in ["000001", "000002"] {
        let file = folder.0.join(format!("decisions.{number}.jsonl"));
        fs::rename(&file, folder.0.join("aside")).unwrap();
        let broken = verify(&folder.log()).unwrap_err();
        match &broken {
            Corrupt::Missing(missing) => assert_eq!(missing, std::slice::from_ref(&file)),
            other => panic!("{other}"),
        }
        fs::rename(folder.0.join("aside"), &file).unwrap();
    }
    assert_eq!(decisions(&folder.log()), 40);
}

#[test]
fn a_log_whose_next_file_is_begun_while_it_is_read_is_whole() {
    const FILES: u32 = 1000;
    let folder = Folder::new("rotating");
    let options = LogOptions {
        durability: Durability::Buffered,
        max_file_bytes: 1,
        ..options(&folder.log())
    };
    let log = DecisionLog::open(options).unwrap();
    record(&log, 0).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| (1..FILES).for_each(|n| record(&log, n).unwrap()));
        while !writer.is_finished() {
            verify(&folder.log()).unwrap();
        }
    });
    assert_eq!(decisions(&folder.log()), u64::from(FILES));

    // A missing file is detected while a host writes.
    let some = folder.0.join("decisions.000500.jsonl");
    fs::rename(&some, folder.0.join("aside")).unwrap();
    assert!(
        matches!(verify(&folder.log()), Err(Corrupt::Missing(files)) if files == [some.clone()])
    );
    fs::rename(folder.0.join("aside"), &some).unwrap();
    fs::rename(folder.log(), folder.0.join("aside")).unwrap();
    assert!(matches!(verify(&folder.log()), Err(Corrupt::NoLatest(_))));
}

#[test]
fn a_host_that_stopped_while_it_began_the_next_file_goes_on() {
    let (folder, options) = sealed("between");
    let latest = fs::read_to_string(folder.log()).unwrap();
    let head = fs::read_to_string(folder.0.join("decisions.jsonl.head")).unwrap();
    let newest = chain_of(&folder).pop().unwrap();
    let seal = fs::read_to_string(&newest)
        .unwrap()
        .lines()
        .last()
        .unwrap()
        .to_owned();
    let entry: Entry = serde_json::from_str(&seal).unwrap();
    let at_seal = format!(
        "{:020} {}\n",
        entry.sequence,
        crate::log::files::hash(seal.as_bytes())
    );
    // Stopped after the seal, after the rename, and after the new file was created.
    for state in 0..3 {
        fs::write(folder.0.join("decisions.jsonl.head"), &at_seal).unwrap();
        match state {
            0 => fs::rename(&newest, folder.log()).unwrap(),
            1 => fs::remove_file(folder.log()).unwrap(),
            _ => fs::write(folder.log(), "").unwrap(),
        }
        drop(DecisionLog::open(options.clone()).unwrap());
        assert_eq!(verify(&folder.log()).unwrap().entries, entry.sequence + 1);
        assert_eq!(chain_of(&folder).last(), Some(&newest));
    }
    // Lines recorded behind the seal must still be there.
    fs::write(folder.0.join("decisions.jsonl.head"), &head).unwrap();
    fs::write(folder.log(), "").unwrap();
    assert!(matches!(
        DecisionLog::open(options.clone()),
        Err(LogError::NotALog { .. })
    ));
    fs::write(folder.log(), latest).unwrap();
    drop(DecisionLog::open(options).unwrap());
}

#[test]
fn a_start_reads_the_end_of_the_latest_file_and_nothing_else() {
    let (folder, options) = sealed("start");
    for file in chain_of(&folder) {
        fs::write(file, "not read").unwrap();
    }
    let log = DecisionLog::open(LogOptions {
        max_file_bytes: u64::MAX,
        ..options.clone()
    })
    .unwrap();
    (0..10).for_each(|n| record(&log, n).unwrap());
    drop(log);
    // Only the first line of the latest file, and the lines from the head on, are read.
    let text = fs::read_to_string(folder.log()).unwrap();
    let mut lines: Vec<_> = text.lines().collect();
    for line in 1..lines.len() - 1 {
        lines[line] = "not read either";
    }
    fs::write(folder.log(), lines.join("\n") + "\n").unwrap();
    let log = DecisionLog::open(options).unwrap();
    record(&log, 11).unwrap();
    assert!(verify(&folder.log()).is_err());
}

#[test]
fn what_a_log_says_of_its_files_is_held_against_them() {
    let (folder, _) = sealed("seals");
    let first = folder.0.join("decisions.000001.jsonl");
    let second = folder.0.join("decisions.000002.jsonl");
    let text = fs::read_to_string(&first).unwrap();
    let unsealed: Vec<_> = text.lines().take(text.lines().count() - 1).collect();
    for (what, tampered) in [
        ("no seal", unsealed.join("\n") + "\n"),
        ("a line behind it", format!("{text}{}\n", unsealed[0])),
        ("cut in the middle", text[..text.len() - 9].to_owned()),
        ("without its last line end", text.trim_end().to_owned()),
        ("another file", fs::read_to_string(&second).unwrap()),
    ] {
        fs::write(&first, tampered).unwrap();
        assert!(
            matches!(verify(&folder.log()), Err(Corrupt::Line { .. })),
            "{what}"
        );
    }
    fs::write(&first, text).unwrap();
    verify(&folder.log()).unwrap();
}

#[test]
fn a_log_without_its_latest_file_is_broken_and_one_that_never_was_is_not_there() {
    let (folder, _) = sealed("no-latest");
    fs::remove_file(folder.log()).unwrap();
    assert!(matches!(verify(&folder.log()), Err(Corrupt::NoLatest(_))));
    let read = read(&folder.log(), |_, _, _, _| Ok(()));
    assert!(matches!(read, Err(Corrupt::NoLatest(_))));
    let away = folder.0.join("away");
    assert!(matches!(
        archive(&folder.log(), &away, 0),
        Err(ArchiveError::Corrupt(Corrupt::NoLatest(_)))
    ));
    let folder = Folder::new("never");
    assert!(matches!(verify(&folder.log()), Err(Corrupt::Read { .. })));
    fs::write(head_of(&folder), "").unwrap();
    assert!(matches!(verify(&folder.log()), Err(Corrupt::NoLatest(_))));
}

#[test]
fn a_file_of_a_higher_number_is_named_as_none_of_the_log() {
    let (folder, _) = sealed("stray");
    let away = folder.0.join("away");
    for number in [20, 400, 999_999] {
        let stray = crate::log::files::numbered(&folder.log(), number);
        fs::write(&stray, "").unwrap();
        for refused in [
            archive(&folder.log(), &away, 0).map(|_| ()),
            accept_missing(&folder.log()).map(|_| ()),
        ] {
            let refused = refused.unwrap_err().to_string();
            assert!(refused.contains(&*stray.to_string_lossy()), "{refused}");
            assert!(refused.contains("no sealed file of this log"), "{refused}");
        }
        fs::remove_file(stray).unwrap();
    }
    assert!(!archive(&folder.log(), &away, 0).unwrap().is_empty());
}
