//! A revocation list that is older than the log, the state or the marks say.

use super::{LIST, LOG, LOG_MARKS, STATE, ask, checkpoint, copies, folder, revoke, says, start};
use portcullis_host::Cause;
use portcullis_host::config::{self, Accepts};
use portcullis_host::log::{self, Event};
use std::fs;

#[test]
fn an_older_revocation_list_is_stale_after_a_restart() {
    for sections in [LOG, STATE, "", &format!("{LOG}{STATE}")] {
        let folder = folder(sections);
        let folder = folder.path();
        let list = folder.join("revocations.jsonl");
        let older = fs::read(&list).unwrap();
        {
            let pdp = start(folder);
            assert_eq!(ask(&pdp, "jti-1", None), Cause::Permitted);
            revoke(folder, "jti-1");
            pdp.revocations().unwrap().refresh();
            assert_eq!(ask(&pdp, "jti-1", None), Cause::Revoked);
        }
        let latest = fs::read(&list).unwrap();
        assert_eq!(ask(&start(folder), "jti-1", None), Cause::Revoked);
        let stale = || {
            for credential in ["jti-1", "jti-2"] {
                let pdp = start(folder);
                assert!(!pdp.notices().is_empty());
                let cause = ask(&pdp, credential, None);
                assert_eq!(cause, Cause::RevocationStale, "{sections:?}");
            }
            // A dry run reports the same.
            let checked = config::check(&folder.join("portcullis.toml"));
            assert!(says(&checked, "revocation list"));
        };
        // An older list, with a current checkpoint.
        fs::write(&list, &older).unwrap();
        checkpoint(folder);
        stale();
        // A list as long as before, with another revocation.
        fs::write(&list, &older).unwrap();
        revoke(folder, "jti-9");
        stale();
        // A longer list, without the missing revocation.
        revoke(folder, "jti-10");
        stale();
        // A new, empty list.
        fs::write(&list, "").unwrap();
        checkpoint(folder);
        stale();
        // The latest list restored.
        fs::write(&list, &latest).unwrap();
        let pdp = start(folder);
        assert_eq!(ask(&pdp, "jti-1", None), Cause::Revoked);
        assert_eq!(ask(&pdp, "jti-2", None), Cause::Permitted);
        drop(pdp);
        // The older list accepted.
        fs::write(&list, &older).unwrap();
        let file = folder.join("portcullis.toml");
        let accepted = config::accept(&file, Accepts::List, "alice", "begun anew").unwrap();
        assert_eq!(accepted.list.unwrap().epoch, 0);
        assert_eq!(ask(&start(folder), "jti-1", None), Cause::Permitted);
        if sections.contains("log") {
            let mut recorded = 0;
            log::read(&folder.join("decisions.jsonl"), |_, _, _, entry| {
                recorded +=
                    u32::from(matches!(&entry.event, Event::Accepted(it) if it.by == "alice"));
                Ok(())
            })
            .unwrap();
            assert_eq!(recorded, 1);
        }
    }
}

#[test]
fn a_log_whose_marks_are_gone_says_itself_how_far_the_list_went() {
    let folder = folder(LOG);
    let folder = folder.path();
    let list = folder.join("revocations.jsonl");
    let older = fs::read(&list).unwrap();
    {
        let pdp = start(folder);
        revoke(folder, "jti-1");
        pdp.revocations().unwrap().refresh();
        assert_eq!(ask(&pdp, "jti-1", None), Cause::Revoked);
    }
    fs::write(&list, &older).unwrap();
    for marks in [None, Some("nonsense"), Some("")] {
        let file = folder.join("decisions.jsonl.marks");
        match marks {
            None => fs::remove_file(&file).unwrap(),
            Some(text) => fs::write(&file, text).unwrap(),
        }
        assert_eq!(ask(&start(folder), "jti-1", None), Cause::RevocationStale);
    }
}

#[test]
fn an_older_list_is_stale_whatever_was_revoked_since_and_whatever_marks_are_gone() {
    let both = format!("{LOG}{STATE}");
    for (sections, keeps_marks) in [
        // Only the lines of the log have the last epoch of the list.
        (LOG, false),
        // The log's marks are as old as the list.
        (LOG, true),
        // The state has marks of its own, and the log's are missing.
        (&*both, false),
        (&*both, true),
    ] {
        let folder = folder(sections);
        let folder = folder.path();
        drop(start(folder));
        let restore = copies(folder, &[LIST, LOG_MARKS]);
        {
            let pdp = start(folder);
            assert_eq!(ask(&pdp, "jti-1", None), Cause::Permitted);
            revoke(folder, "jti-1");
            pdp.revocations().unwrap().refresh();
            assert_eq!(ask(&pdp, "jti-1", None), Cause::Revoked);
        }
        let latest = fs::read(folder.join(LIST)).unwrap();
        let marks = |keep: bool| {
            if !keep {
                fs::remove_file(folder.join(LOG_MARKS)).unwrap();
            }
        };
        restore();
        marks(keeps_marks);
        for other in ["jti-8", "jti-9"] {
            // First as many revocations as were known, and then more.
            revoke(folder, other);
            let pdp = start(folder);
            let cause = ask(&pdp, "jti-1", None);
            assert_eq!(cause, Cause::RevocationStale, "{sections:?} {other}");
            assert!(!pdp.notices().is_empty());
            drop(pdp);
            let checked = config::check(&folder.join("portcullis.toml"));
            assert!(says(&checked, "revocation list"));
        }
        // The right list is accepted, whatever marks there are.
        fs::write(folder.join(LIST), latest).unwrap();
        marks(false);
        revoke(folder, "jti-7");
        let pdp = start(folder);
        assert_eq!(ask(&pdp, "jti-1", None), Cause::Revoked);
        assert_eq!(ask(&pdp, "jti-2", None), Cause::Permitted);
    }
}

#[test]
fn what_was_revoked_while_no_host_ran_is_in_the_log_once() {
    let folder = folder(LOG);
    let folder = folder.path();
    let recorded = || {
        let mut recorded = Vec::new();
        log::read(&folder.join("decisions.jsonl"), |_, _, _, entry| {
            if let Event::Revocation {
                epoch,
                revoked: Some(revoked),
                ..
            } = entry.event
            {
                recorded.push((epoch, revoked.id));
            }
            Ok(())
        })
        .unwrap();
        recorded
    };
    let is = |epoch: u64, id: &str| (epoch, id.to_owned());
    revoke(folder, "jti-1");
    drop(start(folder));
    assert_eq!(recorded(), [is(1, "jti-1")]);
    drop(start(folder));
    assert_eq!(recorded().len(), 1);
    {
        let pdp = start(folder);
        revoke(folder, "jti-2");
        pdp.revocations().unwrap().refresh();
    }
    revoke(folder, "jti-3");
    checkpoint(folder);
    let expected = [is(1, "jti-1"), is(2, "jti-2"), is(3, "jti-3")];
    for _ in 0..2 {
        drop(start(folder));
        assert_eq!(recorded(), expected);
    }
    // A list that an operator accepted is also recorded in the log.
    fs::write(folder.join(LIST), "").unwrap();
    revoke(folder, "jti-9");
    drop(start(folder));
    assert_eq!(recorded(), expected, "it does not count");
    let file = folder.join("portcullis.toml");
    config::accept(&file, Accepts::List, "alice", "begun anew").unwrap();
    drop(start(folder));
    assert_eq!(recorded().last(), Some(&is(1, "jti-9")));
}

#[test]
fn damaged_marks_make_the_list_stale_until_it_is_accepted() {
    for (sections, marks) in [("", "revocations.jsonl.marks"), (STATE, "state.redb.marks")] {
        let folder = folder(sections);
        let folder = folder.path();
        let (marks, config) = (folder.join(marks), folder.join("portcullis.toml"));
        let older = fs::read(folder.join(LIST)).unwrap();
        revoke(folder, "jti-1");
        assert_eq!(ask(&start(folder), "jti-1", None), Cause::Revoked);
        let latest = fs::read(folder.join(LIST)).unwrap();
        let kept = fs::read(&marks).unwrap();
        let (short, long) = (b"x".to_vec(), vec![b'x'; 4096]);
        for damaged in [&short, &long, &kept[1..].to_vec()] {
            for list in [&older, &latest] {
                fs::write(folder.join(LIST), list).unwrap();
                fs::write(&marks, damaged).unwrap();
                let cause = ask(&start(folder), "jti-1", None);
                assert_eq!(cause, Cause::RevocationStale, "{sections:?}");
                let checked = config::check(&config);
                assert!(says(&checked, "state accept list"));
            }
            config::accept(&config, Accepts::List, "alice", "the latest").unwrap();
            assert_eq!(ask(&start(folder), "jti-1", None), Cause::Revoked);
            assert_eq!(ask(&start(folder), "jti-2", None), Cause::Permitted);
        }
        // A folder in place of the marks is reported, and is removed by hand.
        fs::remove_file(&marks).unwrap();
        fs::create_dir(&marks).unwrap();
        assert_eq!(ask(&start(folder), "jti-1", None), Cause::RevocationStale);
        let refused = config::accept(&config, Accepts::List, "alice", "the latest");
        let refused = refused.unwrap_err().to_string();
        assert!(
            refused.contains(".marks") && refused.contains("remove it"),
            "{refused}"
        );
        fs::remove_dir(&marks).unwrap();
        // Without marks, the state itself has the last epoch of the list.
        fs::write(folder.join(LIST), &older).unwrap();
        let expected = match sections {
            STATE => Cause::RevocationStale,
            _ => Cause::Permitted,
        };
        assert_eq!(ask(&start(folder), "jti-1", None), expected);
    }
}
