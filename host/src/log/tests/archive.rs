//! Sealed files that are moved to an archive.

use super::*;

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
fn where_there_is_no_log_nothing_is_archived_and_nothing_is_made() {
    let folder = Folder::new("no-log");
    let away = folder.0.join("away");
    assert!(archive(&folder.log(), &away, 0).is_err());
    assert!(accept_missing(&folder.log()).is_err());
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0);
}

#[test]
fn with_the_archive_everything_that_is_on_record_has_to_be_there() {
    let (folder, _) = sealed("archive-all");
    let away = folder.0.join("away");
    archive(&folder.log(), &away, 0).unwrap();
    assert_eq!(verify_with_archive(&folder.log(), &away).unwrap().first, 1);
    for number in [1, 2, 3] {
        let file = away.join(crate::log::files::name_of(&crate::log::files::numbered(
            &folder.log(),
            number,
        )));
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
        Err(Corrupt::Archive { folder, .. }) if folder == gone
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
    let second = crate::log::files::numbered(&folder.log(), 2);
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
        heads.push((crate::log::files::hash(line.as_bytes()), is_seal));
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
    for other in [
        "",
        crate::log::files::BEGINNING,
        &crate::log::files::hash(b"other"),
    ] {
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
