//! The log and its head while a host writes them: moved, cut or replaced files.

use super::*;

#[test]
fn lines_behind_the_head_are_kept_and_their_number_is_recorded() {
    let folder = Folder::new("behind");
    let head = folder.0.join("decisions.jsonl.head");
    let log = DecisionLog::open(options(&folder.log())).unwrap();
    record(&log, 1).unwrap();
    let before = fs::read(&head).unwrap();
    (2..=3).for_each(|n| record(&log, n).unwrap());
    drop(log);
    // As if the host had been killed before it wrote the head.
    fs::write(&head, before).unwrap();
    assert_eq!(verify(&folder.log()).unwrap().behind_head, 2);
    drop(DecisionLog::open(options(&folder.log())).unwrap());
    let mut continued = Vec::new();
    read(&folder.log(), |_, _, _, entry| {
        if let Event::Continuation { behind_head } = entry.event {
            continued.push((entry.sequence, behind_head));
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(continued, [(4, 2)]);
    assert_eq!(verify(&folder.log()).unwrap().behind_head, 0);
}

#[cfg(unix)]
#[test]
fn nothing_is_recorded_in_a_log_that_is_not_in_its_place() {
    use std::os::unix::fs::symlink;
    let aside = |folder: &Folder| folder.0.join("aside");
    type Change = fn(&Folder, &Path);
    let changes: [(&str, bool, Change); 11] = [
        ("removed", false, |folder, _| {
            fs::remove_file(folder.log()).unwrap();
        }),
        ("renamed", true, |folder, aside| {
            fs::rename(folder.log(), aside).unwrap();
        }),
        ("truncated", false, |folder, _| {
            drop(fs::File::create(folder.log()).unwrap());
        }),
        ("cut", false, |folder, _| {
            let file = fs::OpenOptions::new()
                .write(true)
                .open(folder.log())
                .unwrap();
            file.set_len(20).unwrap();
        }),
        ("replaced by a copy", true, |folder, aside| {
            fs::rename(folder.log(), aside).unwrap();
            fs::copy(aside, folder.log()).unwrap();
        }),
        ("replaced by an empty file", true, |folder, aside| {
            fs::rename(folder.log(), aside).unwrap();
            fs::write(folder.log(), "").unwrap();
        }),
        ("a link to itself", true, |folder, aside| {
            fs::rename(folder.log(), aside).unwrap();
            symlink(aside, folder.log()).unwrap();
        }),
        ("a link to nothing", true, |folder, aside| {
            fs::rename(folder.log(), aside).unwrap();
            symlink("/dev/null", folder.log()).unwrap();
        }),
        ("a folder", true, |folder, aside| {
            fs::rename(folder.log(), aside).unwrap();
            fs::create_dir(folder.log()).unwrap();
        }),
        ("its head removed", false, |folder, _| {
            fs::remove_file(folder.0.join("decisions.jsonl.head")).unwrap();
        }),
        ("the whole folder removed", false, |folder, _| {
            fs::remove_dir_all(&folder.0).unwrap();
        }),
    ];
    for durability in [Durability::Fsync, Durability::Buffered] {
        for (what, comes_back, change) in &changes {
            let folder = Folder::new("in-place");
            let log = DecisionLog::open(LogOptions {
                durability,
                ..options(&folder.log())
            })
            .unwrap();
            (0..3).for_each(|n| record(&log, n).unwrap());
            change(&folder, &aside(&folder));
            for n in 3..5 {
                let refused = record(&log, n).unwrap_err();
                assert!(
                    matches!(refused, LogError::NotInPlace { .. }),
                    "{what}: {refused}"
                );
            }
            if *comes_back {
                // The operator restores the same file: the log continues without a restart.
                let _ = fs::remove_file(folder.log());
                let _ = fs::remove_dir(folder.log());
                fs::rename(aside(&folder), folder.log()).unwrap();
                record(&log, 5).unwrap();
                assert_eq!(decisions(&folder.log()), 4, "{what}");
            }
            drop(log);
        }
    }
    // Bytes that another program added are removed, and the chain continues.
    let folder = Folder::new("in-place-lengthened");
    let log = DecisionLog::open(options(&folder.log())).unwrap();
    record(&log, 0).unwrap();
    let mut file = fs::OpenOptions::new()
        .append(true)
        .open(folder.log())
        .unwrap();
    std::io::Write::write_all(&mut file, b"x\n").unwrap();
    assert!(matches!(record(&log, 1), Err(LogError::NotInPlace { .. })));
    record(&log, 2).unwrap();
    assert_eq!(decisions(&folder.log()), 2);
    // The next file is started at the path of the log, and no other file is renamed.
    let folder = Folder::new("in-place-rotated");
    let log = DecisionLog::open(LogOptions {
        max_file_bytes: 1,
        ..options(&folder.log())
    })
    .unwrap();
    (0..3).for_each(|n| record(&log, n).unwrap());
    fs::rename(folder.log(), aside(&folder)).unwrap();
    fs::write(folder.log(), "precious").unwrap();
    assert!(record(&log, 3).is_err());
    assert_eq!(fs::read_to_string(folder.log()).unwrap(), "precious");
}

#[test]
fn what_is_written_next_does_not_make_up_for_what_was_cut() {
    for durability in [Durability::Fsync, Durability::Buffered] {
        for cut in [
            "a line",
            "three lines",
            "one byte",
            "forty bytes",
            "nothing",
        ] {
            let folder = Folder::new("cut-while-idle");
            let options = LogOptions {
                durability,
                ..options(&folder.log())
            };
            let log = DecisionLog::open(options.clone()).unwrap();
            (0..5).for_each(|n| record(&log, n).unwrap());
            let whole = fs::read(folder.log()).unwrap();
            let lines: Vec<_> = whole.split_inclusive(|byte| *byte == b'\n').collect();
            let bytes = match cut {
                "a line" => lines[4].len(),
                "three lines" => lines[2..].concat().len(),
                "one byte" => 1,
                "forty bytes" => 40,
                _ => 0,
            };
            if bytes == 0 {
                record(&log, 5).unwrap();
                assert_eq!(decisions(&folder.log()), 6);
                continue;
            }
            set_len(&folder.log(), whole.len() - bytes);
            for n in 5..8 {
                let refused = record(&log, n).unwrap_err();
                assert!(matches!(refused, LogError::NotInPlace { .. }), "{cut}");
            }
            let left = &whole[..whole.len() - bytes];
            assert_eq!(
                fs::read(folder.log()).unwrap(),
                left,
                "{cut}: it is not touched"
            );
            assert!(verify(&folder.log()).is_err(), "{cut}");
            // Restored bytes are verified only when a host starts.
            fs::write(folder.log(), &whole).unwrap();
            assert!(record(&log, 8).is_err(), "{cut}");
            drop(log);
            set_len(&folder.log(), left.len());
            let refused = DecisionLog::open(options.clone()).unwrap_err();
            assert!(
                matches!(refused, LogError::NotALog { .. }),
                "{cut}: {refused}"
            );
            fs::write(folder.log(), &whole).unwrap();
            record(&DecisionLog::open(options).unwrap(), 9).unwrap();
            assert_eq!(decisions(&folder.log()), 6, "{cut}");
        }
    }
}

#[test]
fn a_head_that_was_changed_while_the_host_runs_denies_once_and_is_written_anew() {
    let folder = Folder::new("head-length");
    let log = DecisionLog::open(options(&folder.log())).unwrap();
    let mut recorded = 0;
    for change in ["x", "two\nlines\n", "cut", "emptied", "none"] {
        record(&log, 0).unwrap();
        recorded += 1;
        let whole = fs::read(head_of(&folder)).unwrap();
        match change {
            "none" => {}
            "cut" => set_len(&head_of(&folder), 30),
            "emptied" => set_len(&head_of(&folder), 0),
            added => fs::write(head_of(&folder), [&whole, added.as_bytes()].concat()).unwrap(),
        }
        if change != "none" {
            let refused = record(&log, 1).unwrap_err().to_string();
            assert!(refused.contains("decisions.jsonl.head"), "{refused}");
        }
        assert_eq!(fs::read(head_of(&folder)).unwrap(), whole, "{change}");
        assert_eq!(decisions(&folder.log()), recorded);
    }
    drop(log);
    // A head of another form is damaged; a well-formed head that differs is named as a possible cause.
    let whole = fs::read_to_string(head_of(&folder)).unwrap();
    fs::write(head_of(&folder), format!("{whole}x")).unwrap();
    assert!(matches!(verify(&folder.log()), Err(Corrupt::NoHead(_))));
    let other = crate::log::files::Head::text(recorded, &crate::log::files::hash(b"other"));
    fs::write(head_of(&folder), other).unwrap();
    let broken = verify(&folder.log()).unwrap_err().to_string();
    let refused = DecisionLog::open(options(&folder.log())).unwrap_err();
    for said in [broken, refused.to_string()] {
        assert!(said.contains("or the head beside the log"), "{said}");
        assert!(
            said.contains("move the log away and begin a new one"),
            "{said}"
        );
    }
    fs::write(head_of(&folder), whole).unwrap();
    drop(DecisionLog::open(options(&folder.log())).unwrap());
}

#[test]
fn whether_a_host_starts_can_be_told_without_a_host() {
    let folder = Folder::new("told");
    let log = DecisionLog::open(options(&folder.log())).unwrap();
    (1..=4).for_each(|n| record(&log, n).unwrap());
    can_be_continued(&folder.log()).expect("a host runs");
    drop(log);
    let whole = fs::read_to_string(folder.log()).unwrap();
    let head = fs::read_to_string(head_of(&folder)).unwrap();
    let lines: Vec<_> = whole.split_inclusive('\n').collect();
    let first = lines[..3].concat();
    let edited = whole.replacen("\"n\":4", "\"n\":5", 1);
    let version = first.clone() + &lines[3].replacen("\"v\":2", "\"v\":3", 1);
    let earlier =
        crate::log::files::Head::text(3, &crate::log::files::hash(lines[2].trim_end().as_bytes()));
    for (what, log, head, goes_on) in [
        ("whole", Some(whole.clone()), Some(&*head), true),
        ("nothing", None, None, true),
        (
            "an unended line",
            Some(format!("{whole}{{\"v\"")),
            Some(&head),
            true,
        ),
        (
            "a line behind the head",
            Some(whole.clone()),
            Some(&earlier),
            true,
        ),
        ("cut", Some(first.clone()), Some(&head), false),
        ("the last edited", Some(edited), Some(&head), false),
        (
            "garbage",
            Some(format!("{first}hello\n")),
            Some(&head),
            false,
        ),
        ("version 3", Some(version), Some(&head), false),
        ("emptied", Some(String::new()), Some(&head), false),
        ("the latest removed", None, Some(&head), false),
        ("no head", Some(whole.clone()), None, false),
        (
            "a damaged head",
            Some(whole.clone()),
            Some("hello\n"),
            false,
        ),
    ] {
        for (file, text) in [(folder.log(), log.as_deref()), (head_of(&folder), head)] {
            let _ = fs::remove_file(&file);
            if let Some(text) = text {
                fs::write(file, text).unwrap();
            }
        }
        let told = can_be_continued(&folder.log());
        assert_eq!(told.is_ok(), goes_on, "{what}: {told:?}");
        if let Err(told) = told {
            let remedy = "move the log away and begin a new one";
            assert!(told.to_string().contains(remedy), "{what}: {told}");
        }
        let opened = DecisionLog::open(options(&folder.log()));
        assert_eq!(opened.is_ok(), goes_on, "{what}");
    }
}
