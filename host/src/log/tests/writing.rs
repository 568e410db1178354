//! Lines as they are written: their ids, their order, and text that is left out.

use super::*;

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
fn a_log_has_one_writer() {
    let folder = Folder::new("locked");
    let log = DecisionLog::open(options(&folder.log())).unwrap();
    record(&log, 1).unwrap();
    assert!(matches!(
        DecisionLog::open(options(&folder.log())),
        Err(LogError::NotALog { .. })
    ));
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
