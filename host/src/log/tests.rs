use super::*;
use crate::RequestLimits;
use portcullis_model::cause::Cause;
use portcullis_model::request::{Principal, Resource};
use serde_json::json;
use std::fs;
use std::path::Path;

const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("portcullis-log-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn log(&self) -> PathBuf {
        self.0.join("decisions.jsonl")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn request(n: u32) -> Request {
    Request::builder(
        "x",
        Principal {
            id: "agent-x".into(),
            ..Principal::default()
        },
        "a",
        Resource::default(),
    )
    .arguments(json!({ "n": n, "password": "hunter2" }))
    .build(&RequestLimits::default())
    .unwrap()
}

fn record(log: &DecisionLog, n: u32) -> Result<(), LogError> {
    let repeats = "`/password` is `hunter2`";
    let decision = Decision::deny(Cause::PluginDenied, repeats).named();
    log.record(&request(n), &decision, NOW)
}

fn agent() -> Principal {
    Principal {
        id: "agent-x".into(),
        ..Principal::default()
    }
}

/// Number of decisions in an intact log.
fn decisions(path: &Path) -> u64 {
    verify(path).unwrap();
    let mut decisions = 0;
    read(path, |_, _, _, entry| {
        decisions += u64::from(matches!(entry.event, Event::Decision(_)));
        Ok(())
    })
    .unwrap();
    decisions
}

fn options(path: &Path) -> LogOptions {
    LogOptions {
        mask: Mask::new(["/password"]).unwrap(),
        ..LogOptions::new(path)
    }
}

#[test]
fn a_log_is_continued_where_it_ended() {
    let folder = Folder::new("continued");
    for _ in 0..3 {
        let log = DecisionLog::open(options(&folder.log())).unwrap();
        (0..5).for_each(|n| record(&log, n).unwrap());
    }
    assert_eq!(verify(&folder.log()).unwrap().entries, 15);
    let text = fs::read_to_string(folder.log()).unwrap();
    assert!(!text.contains("hunter2"));
    assert_eq!(text.matches("\"masked\":true").count(), 15);
}

#[test]
fn what_is_masked_of_any_part_of_a_request_is_not_written() {
    let principal = Principal {
        id: "agent-x".into(),
        attributes: vec![("email".into(), json!("hunter2-a"))],
        ..Principal::default()
    };
    let resource = Resource {
        id: "hunter2-b".into(),
        attributes: vec![("title".into(), json!({ "text": "hunter2-c" }))],
        ..Resource::default()
    };
    let request = Request::builder("x", principal, "a", resource)
        .arguments(json!({ "text": "hunter2-d", "context": { "ticket": "hunter2-e" } }))
        .context("ticket", json!("hunter2-f"))
        .build(&RequestLimits::default())
        .unwrap();
    let everything = Mask::new([
        "/subject/properties/email",
        "/resource/id",
        "/resource/properties/title/text",
        "/action/properties/text",
        "/context/ticket",
    ]);
    for (mask, left) in [(everything.unwrap(), 0), (Mask::default(), 6)] {
        let folder = Folder::new("parts");
        let options = LogOptions {
            mask,
            ..LogOptions::new(folder.log())
        };
        let log = DecisionLog::open(options).unwrap();
        let decision = Decision::deny(Cause::PluginDenied, "").named();
        log.record(&request, &decision, NOW).unwrap();
        let text = fs::read_to_string(folder.log()).unwrap();
        assert_eq!(text.matches("hunter2").count(), left, "{text}");
        let masked = format!("\"masked\":{}", left == 0);
        assert!(text.contains(&masked), "{text}");
        read(&folder.log(), |_, _, _, entry| {
            let Event::Decision(decided) = entry.event else {
                panic!("it is a decision");
            };
            assert_eq!(decided.request().is_some(), left > 0);
            assert!(decided.request_as_written().is_some());
            Ok(())
        })
        .unwrap();
    }
}

#[test]
fn of_a_request_that_cannot_be_read_nothing_is_kept() {
    let folder = Folder::new("unreadable");
    let log = DecisionLog::open(options(&folder.log())).unwrap();
    let error = crate::json::Error::Number {
        at: "/card".into(),
        number: "4111111111111111111".into(),
    };
    log.record_unreadable(b"{", &Decision::invalid(&error).named(), NOW)
        .unwrap();
    let text = fs::read_to_string(folder.log()).unwrap();
    assert!(
        text.contains("invalid-request") && !text.contains("4111"),
        "{text}"
    );
    assert_eq!(verify(&folder.log()).unwrap().entries, 1);
}

#[test]
fn decisions_made_at_the_same_time_are_all_recorded() {
    let folder = Folder::new("together");
    let log = DecisionLog::open(options(&folder.log())).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let log = &log;
            scope.spawn(move || (0..50).for_each(|n| record(log, thread * 1000 + n).unwrap()));
        }
    });
    assert_eq!(verify(&folder.log()).unwrap().entries, 400);
}

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
        &files::hash(last.as_bytes()),
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
        &files::hash(f.as_bytes()),
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
fn a_log_has_one_writer() {
    let folder = Folder::new("locked");
    let log = DecisionLog::open(options(&folder.log())).unwrap();
    record(&log, 1).unwrap();
    assert!(matches!(
        DecisionLog::open(options(&folder.log())),
        Err(LogError::NotALog { .. })
    ));
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
        "nobody can tell where it ended"
    );
    fs::write(folder.0.join("decisions.jsonl.head"), head).unwrap();
    record(&open().unwrap(), 4).unwrap();
    assert_eq!(verify(&folder.log()).unwrap().entries, 4);
}

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

/// A log of several sealed files, and its options.
fn sealed(name: &str) -> (Folder, LogOptions) {
    let folder = Folder::new(name);
    let options = LogOptions {
        max_file_bytes: 2000,
        ..options(&folder.log())
    };
    let log = DecisionLog::open(options.clone()).unwrap();
    (0..30).for_each(|n| record(&log, n).unwrap());
    drop(log);
    assert!(folder.0.join("decisions.000004.jsonl").exists());
    (folder, options)
}

#[test]
fn after_files_are_archived_the_log_is_verified_from_the_last_seal_on() {
    let (folder, options) = sealed("archived");
    let all = verify(&folder.log()).unwrap();
    let away = folder.0.join("away");
    // The host keeps writing.
    let log = DecisionLog::open(options.clone()).unwrap();
    let moved = archive(&folder.log(), &away, 2).unwrap();
    assert!(!moved.is_empty() && moved[0].file == 1);
    (30..50).for_each(|n| record(&log, n).unwrap());
    drop(log);
    assert!(!folder.0.join("decisions.000001.jsonl").exists());
    let rest = verify(&folder.log()).unwrap();
    assert_eq!(rest.first, moved.last().unwrap().last + 1);
    assert!(rest.entries > all.entries);
    // With the archive, all lines are verified.
    assert_eq!(verify_with_archive(&folder.log(), &away).unwrap().first, 1);
    // Archive the rest too; then the host starts from the record alone.
    archive(&folder.log(), &away, 0).unwrap();
    assert!(archive(&folder.log(), &away, 0).unwrap().is_empty());
    for _ in 0..2 {
        let log = DecisionLog::open(options.clone()).unwrap();
        record(&log, 50).unwrap();
    }
    assert!(verify(&folder.log()).unwrap().first > rest.first);
    assert_eq!(verify_with_archive(&folder.log(), &away).unwrap().first, 1);
    // An edit of an archived file is found only if the archive is read.
    let first = away.join("decisions.000001.jsonl");
    let text = fs::read_to_string(&first).unwrap();
    fs::write(&first, text.replacen("plugin-denied", "permitted", 1)).unwrap();
    verify(&folder.log()).unwrap();
    let broken = verify_with_archive(&folder.log(), &away).unwrap_err();
    assert!(matches!(broken, Corrupt::Line { line: 2, .. }), "{broken}");
    fs::write(&first, text).unwrap();
    // Restored beside the log, the files are read again.
    for file in fs::read_dir(&away).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), folder.0.join(file.file_name())).unwrap();
    }
    assert_eq!(verify(&folder.log()).unwrap().first, 1);
}

#[test]
fn an_archive_loses_nothing() {
    let (folder, _) = sealed("archive-safe");
    let away = folder.0.join("away");
    assert!(matches!(
        archive(&folder.log(), &folder.0, 0),
        Err(ArchiveError::File { .. })
    ));
    let first = folder.0.join("decisions.000001.jsonl");
    let text = fs::read_to_string(&first).unwrap();
    // A file that fails verification is not moved.
    fs::write(&first, text.replacen("plugin-denied", "permitted", 1)).unwrap();
    assert!(matches!(
        archive(&folder.log(), &away, 0),
        Err(ArchiveError::Corrupt(_))
    ));
    fs::write(&first, &text).unwrap();
    // Another file of that name is not overwritten.
    fs::write(away.join("decisions.000001.jsonl"), "other").unwrap();
    assert!(matches!(
        archive(&folder.log(), &away, 0),
        Err(ArchiveError::File { .. })
    ));
    assert_eq!(
        fs::read_to_string(away.join("decisions.000001.jsonl")).unwrap(),
        "other"
    );
    fs::remove_file(away.join("decisions.000001.jsonl")).unwrap();
    // An interrupted archive continues: after the copy, and after the record.
    fs::copy(&first, away.join("decisions.000001.jsonl")).unwrap();
    let keep = chain_of(&folder).len() - 1;
    archive(&folder.log(), &away, keep).unwrap();
    fs::write(&first, &text).unwrap();
    assert_eq!(verify(&folder.log()).unwrap().first, 1);
    assert!(archive(&folder.log(), &away, keep).unwrap().is_empty());
    assert!(!first.exists());
    // Records must follow from each other, as lines do.
    let record = folder.0.join("decisions.jsonl.archived");
    let whole = fs::read_to_string(&record).unwrap();
    let twice = format!("{whole}{whole}");
    let hash = whole.replacen("\"hash\":\"", "\"hash\":\"0", 1);
    for wrong in [
        "",
        "hello\n",
        &twice,
        &hash,
        &whole.replacen("\"v\":1", "\"v\":2", 1),
    ] {
        fs::write(&record, wrong).unwrap();
        assert!(verify(&folder.log()).is_err(), "{wrong}");
    }
    fs::write(&record, whole).unwrap();
    verify(&folder.log()).unwrap();
}

#[test]
fn a_host_starts_where_the_oldest_files_are_gone_and_says_so_only_where_they_were_not_archived() {
    let (folder, options) = sealed("by-hand");
    for number in 1..=2 {
        fs::remove_file(folder.0.join(format!("decisions.{number:06}.jsonl"))).unwrap();
    }
    let log = DecisionLog::open(options).unwrap();
    record(&log, 1).unwrap();
    assert!(matches!(verify(&folder.log()), Err(Corrupt::Missing(files)) if files.len() == 2));
    let accepted = accept_missing(&folder.log()).unwrap().unwrap();
    assert_eq!((accepted.file, accepted.digest), (2, None));
    assert_eq!(verify(&folder.log()).unwrap().first, accepted.last + 1);
    assert_eq!(accept_missing(&folder.log()).unwrap(), None);
    // A missing file in the middle is not accepted.
    fs::remove_file(folder.0.join("decisions.000004.jsonl")).unwrap();
    assert_eq!(accept_missing(&folder.log()).unwrap(), None);
    assert!(matches!(verify(&folder.log()), Err(Corrupt::Missing(_))));
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
    let at_seal = format!("{:020} {}\n", entry.sequence, files::hash(seal.as_bytes()));
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

fn chain_of(folder: &Folder) -> Vec<PathBuf> {
    (1..)
        .map(|number| files::numbered(&folder.log(), number))
        .take_while(|file| file.exists())
        .collect()
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
        let head = format!("{highest} {}\n", files::hash(last.as_bytes()));
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

#[cfg(unix)]
#[test]
fn what_was_decided_is_for_the_hosts_user_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let (folder, _) = sealed("modes");
    archive(&folder.log(), &folder.0.join("away"), 1).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for file in fs::read_dir(&folder.0).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(
            mode(&path),
            if path.is_dir() { 0o700 } else { 0o600 },
            "{}",
            path.display()
        );
    }
    assert_eq!(mode(&folder.0.join("away/decisions.000001.jsonl")), 0o600);
    // A link is refused, because the next file would be started beside it.
    let link = folder.0.join("link.jsonl");
    std::os::unix::fs::symlink(folder.log(), &link).unwrap();
    assert!(matches!(
        DecisionLog::open(options(&link)),
        Err(LogError::NotALog { .. })
    ));
}

#[test]
fn every_decision_has_an_id_of_its_own_and_its_trace() {
    let folder = Folder::new("ids");
    let log = DecisionLog::open(options(&folder.log())).unwrap();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let mut ids = Vec::new();
    for traceparent in [
        Some(format!("00-{trace}-00f067aa0ba902b7-01")),
        Some("client's own".into()),
        None,
    ] {
        let builder = Request::builder("x", agent(), "a", Resource::default());
        let builder = match traceparent {
            Some(traceparent) => builder.traceparent(traceparent),
            None => builder,
        };
        let request = builder.build(&RequestLimits::default()).unwrap();
        let decision = Decision::deny(Cause::PluginDenied, "").named();
        log.record(&request, &decision, NOW).unwrap();
        ids.push(decision.id().unwrap().to_owned());
    }
    let (mut found, mut traces) = (Vec::new(), Vec::new());
    read(&folder.log(), |_, _, _, entry| {
        let Event::Decision(decided) = entry.event else {
            panic!("it is a decision");
        };
        found.push(decided.id.clone());
        traces.push(decided.trace_id.clone());
        assert!(decided.request().is_some());
        Ok(())
    })
    .unwrap();
    assert_eq!(found, ids);
    assert_eq!(traces, [Some(trace.to_owned()), None, None]);
    assert!(ids.is_sorted() && ids.windows(2).all(|two| two[0] != two[1]));
}

#[test]
fn nothing_in_a_line_commands_a_terminal() {
    let folder = Folder::new("printable");
    let log = DecisionLog::open(options(&folder.log())).unwrap();
    let id = "a\u{1b}[2J\u{9b}\u{202e}\r\n\u{200b}é";
    let resource = Resource {
        id: id.into(),
        ..Resource::default()
    };
    let request = Request::builder("x", agent(), "a", resource);
    let Ok(request) = request.build(&RequestLimits::default()) else {
        // Such an id is refused.
        return;
    };
    log.record(
        &request,
        &Decision::deny(Cause::PluginDenied, id).named(),
        NOW,
    )
    .unwrap();
    let text = fs::read_to_string(folder.log()).unwrap();
    assert_eq!(
        portcullis_contract::printable(text.trim_end()),
        text.trim_end()
    );
    read(&folder.log(), |_, _, _, entry| {
        let Event::Decision(decided) = entry.event else {
            panic!("it is a decision");
        };
        assert_eq!(decided.request.pointer("/resource/id"), Some(&json!(id)));
        Ok(())
    })
    .unwrap();
}

fn head_of(folder: &Folder) -> PathBuf {
    folder.0.join("decisions.jsonl.head")
}

fn set_len(file: &Path, bytes: usize) {
    let file = fs::OpenOptions::new().write(true).open(file).unwrap();
    file.set_len(bytes as u64).unwrap();
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
    let other = files::Head::text(recorded, &files::hash(b"other"));
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
    let earlier = files::Head::text(3, &files::hash(lines[2].trim_end().as_bytes()));
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
fn where_there_is_no_log_nothing_is_archived_and_nothing_is_made() {
    let folder = Folder::new("no-log");
    let away = folder.0.join("away");
    assert!(archive(&folder.log(), &away, 0).is_err());
    assert!(accept_missing(&folder.log()).is_err());
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0);
}

#[test]
fn a_file_of_a_higher_number_is_named_as_none_of_the_log() {
    let (folder, _) = sealed("stray");
    let away = folder.0.join("away");
    for number in [20, 400, 999_999] {
        let stray = files::numbered(&folder.log(), number);
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

#[test]
fn with_the_archive_everything_that_is_on_record_has_to_be_there() {
    let (folder, _) = sealed("archive-all");
    let away = folder.0.join("away");
    archive(&folder.log(), &away, 0).unwrap();
    assert_eq!(verify_with_archive(&folder.log(), &away).unwrap().first, 1);
    for number in [1, 2, 3] {
        let file = away.join(files::name_of(&files::numbered(&folder.log(), number)));
        fs::rename(&file, folder.0.join("aside")).unwrap();
        match verify_with_archive(&folder.log(), &away) {
            Err(Corrupt::NotInArchive(missing)) => assert_eq!(missing, std::slice::from_ref(&file)),
            other => panic!("{other:?}"),
        }
        fs::rename(folder.0.join("aside"), file).unwrap();
    }
    let (empty, gone) = (folder.0.join("empty"), folder.0.join("gone"));
    fs::create_dir(&empty).unwrap();
    assert!(matches!(
        verify_with_archive(&folder.log(), &empty),
        Err(Corrupt::NotInArchive(files)) if files.len() > 3
    ));
    assert!(matches!(
        verify_with_archive(&folder.log(), &gone),
        Err(Corrupt::Read { file, .. }) if file == gone
    ));
    // Without the archive, none of its files is needed.
    assert!(verify(&folder.log()).unwrap().first > 1);
}

#[test]
fn only_what_was_accepted_as_missing_may_be_missing_in_an_archive() {
    let (folder, _) = sealed("archive-gap");
    let away = folder.0.join("away");
    let keep = chain_of(&folder).len() - 1;
    archive(&folder.log(), &away, keep).unwrap();
    let second = files::numbered(&folder.log(), 2);
    let text = fs::read(&second).unwrap();
    fs::remove_file(&second).unwrap();
    let gap = accept_missing(&folder.log()).unwrap().unwrap();
    archive(&folder.log(), &away, 0).unwrap();
    let verified = verify_with_archive(&folder.log(), &away).unwrap();
    assert_eq!(verified.first, 1);
    assert_eq!(verified.not_read, [(gap.first, gap.last)]);
    // Lines before the gap are verified.
    let first = away.join("decisions.000001.jsonl");
    let whole = fs::read_to_string(&first).unwrap();
    let edited = whole.replacen("plugin-denied", "permitted", 1);
    for tampered in [edited, whole.lines().next().unwrap().to_owned() + "\n"] {
        fs::write(&first, tampered).unwrap();
        let broken = verify_with_archive(&folder.log(), &away);
        assert!(matches!(broken, Err(Corrupt::Line { file, .. }) if file == first));
    }
    fs::write(&first, whole).unwrap();
    // The missing file is read once it is restored.
    fs::write(&second, text).unwrap();
    let verified = verify_with_archive(&folder.log(), &away).unwrap();
    assert_eq!((verified.first, verified.not_read), (1, Vec::new()));
}

#[test]
fn a_head_that_was_kept_is_found_in_what_is_read_and_in_the_record_of_the_archive() {
    let (folder, _) = sealed("kept-head");
    let mut heads = Vec::new();
    read(&folder.log(), |_, _, line, entry| {
        let is_seal = matches!(entry.event, Event::Seal(_));
        heads.push((files::hash(line.as_bytes()), is_seal));
        Ok(())
    })
    .unwrap();
    let away = folder.0.join("away");
    archive(&folder.log(), &away, 0).unwrap();
    let rest = verify(&folder.log()).unwrap();
    for (sequence, (head, is_seal)) in (1..).zip(&heads) {
        let found = verify_with_head(&folder.log(), Some(&away), Some(head)).unwrap();
        assert_eq!(found.has_head, Some(true));
        let found = verify_with_head(&folder.log(), None, Some(head)).unwrap();
        let is_there = *is_seal || sequence >= rest.first;
        assert_eq!(found.has_head, Some(is_there), "line {sequence}");
        assert_eq!(found.not_read, [(1, rest.first - 1)]);
    }
    for other in ["", files::BEGINNING, &files::hash(b"other")] {
        let found = verify_with_head(&folder.log(), Some(&away), Some(other)).unwrap();
        assert_eq!((found.has_head, found.not_read), (Some(false), Vec::new()));
    }
    assert_eq!(rest.has_head, None);
}

#[test]
fn a_record_of_the_archive_that_was_cut_off_is_written_again() {
    let (folder, _) = sealed("record-cut");
    let away = folder.0.join("away");
    let first = folder.0.join("decisions.000001.jsonl");
    let text = fs::read(&first).unwrap();
    let keep = chain_of(&folder).len() - 1;
    archive(&folder.log(), &away, keep).unwrap();
    let record = folder.0.join("decisions.jsonl.archived");
    let whole = fs::read(&record).unwrap();
    // Nothing is removed before the record is complete and on disk.
    for left in [0, 1, whole.len() / 2, whole.len() - 1] {
        fs::write(&record, &whole[..left]).unwrap();
        fs::write(&first, &text).unwrap();
        assert_eq!(verify(&folder.log()).unwrap().first, 1);
        assert_eq!(archive(&folder.log(), &away, keep).unwrap().len(), 1);
        assert!(!first.exists());
        let again = fs::read_to_string(&record).unwrap();
        assert_eq!(again.matches('\n').count(), 1, "{again}");
        assert!(verify(&folder.log()).unwrap().first > 1);
    }
    // If the file is gone too, it is missing.
    fs::write(&record, &whole[..whole.len() - 1]).unwrap();
    assert!(matches!(verify(&folder.log()), Err(Corrupt::Missing(_))));
    fs::write(&record, whole).unwrap();
    verify_with_archive(&folder.log(), &away).unwrap();
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
        assert!(broken.contains("4 lines were recorded"), "{broken}");
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
