use super::*;
use crate::RequestLimits;
use crate::cause::Cause;
use crate::request::{Principal, Resource};
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
    let mut decision = Decision::deny(Cause::PluginDenied, repeats);
    log.record(&request(n), &mut decision, NOW)
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
        let mut decision = Decision::deny(Cause::PluginDenied, "");
        log.record(&request, &mut decision, NOW).unwrap();
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
    let error = crate::RequestError::Number {
        at: "/card".into(),
        number: "4111111111111111111".into(),
    };
    log.record_unreadable(b"{", &Decision::invalid(&error), NOW)
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
    assert_eq!(verify(&folder.log()).unwrap().entries, 40);
    assert!(folder.0.join("decisions.000003.jsonl").exists());
    fs::remove_file(folder.0.join("decisions.000001.jsonl")).unwrap();
    // Without the first file the others are not found; what is left does not begin at the beginning.
    assert!(matches!(
        verify(&folder.log()),
        Err(Broken::Line { line: 1, .. })
    ));
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
    assert_eq!(verify(&folder.log()).unwrap().entries, u64::from(FILES));

    // What is gone is gone, whoever writes.
    let some = folder.0.join("decisions.000500.jsonl");
    fs::rename(&some, folder.0.join("aside")).unwrap();
    assert!(matches!(verify(&folder.log()), Err(Broken::Line { .. })));
    fs::rename(folder.0.join("aside"), &some).unwrap();
    fs::rename(folder.log(), folder.0.join("aside")).unwrap();
    assert!(matches!(verify(&folder.log()), Err(Broken::Read { .. })));
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
            Err(Broken::Line { line, .. }) => Some(line),
            Err(Broken::Truncated {
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
        &chain::hash(last.as_bytes()),
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
    // What lies behind the head is told: it was recorded since, or added.
    fs::write(folder.log(), &whole).unwrap();
    let more = f.replace("\"sequence\":6", "\"sequence\":7").replace(
        &f[f.find("\"previous\":\"").unwrap() + 12..][..64],
        &chain::hash(f.as_bytes()),
    );
    fs::write(folder.log(), format!("{whole}{more}\n")).unwrap();
    assert_eq!(verify(&folder.log()).unwrap().behind_head, 1);
    fs::rename(
        folder.0.join("decisions.jsonl.head"),
        folder.0.join("aside"),
    )
    .unwrap();
    assert!(matches!(verify(&folder.log()), Err(Broken::NoHead { .. })));
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
    // The last line, written anew by somebody who knows the hash before it.
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
    // As if it had been killed before it wrote the head.
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
