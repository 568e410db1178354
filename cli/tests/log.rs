//! `portcullis log` and `portcullis replay`.

mod common;

use common::{Folder, request};
use portcullis_host::log::{CallOutcome, Refused};
use portcullis_host::{Pdp, Request, RequestLimits};
use serde_json::Value;

/// Creates a folder with a log of four requests.
fn recorded() -> Folder {
    let folder = Folder::with_plugins();
    let config = std::fs::read_to_string(folder.path().join("portcullis.toml")).unwrap();
    let log = "\nlog = { path = \"decisions.jsonl\" }\n[[integration]]";
    folder.write(
        "portcullis.toml",
        config.replacen("\n[[integration]]", log, 1),
    );
    let pdp = Pdp::from_file(folder.path().join("portcullis.toml")).unwrap();
    for path in ["/w/a", "/w/b", "/etc/x", "/w/c"] {
        let json = request("files", "read", path);
        let request = Request::from_authzen(json.as_bytes(), &RequestLimits::default()).unwrap();
        let _recorded = pdp.evaluate(&request);
    }
    folder
}

#[test]
fn verify_says_whether_a_log_is_whole_and_where_it_is_not() {
    let folder = recorded();
    let whole = folder.run(&["log", "verify", "decisions.jsonl"]);
    assert_eq!(whole.code, 0, "{}", whole.out);
    assert!(whole.out.starts_with("whole 4 entries"), "{}", whole.out);
    let json = folder.run(&["log", "verify", "decisions.jsonl", "--format", "json"]);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(
        (json["whole"].clone(), json["entries"].clone()),
        (true.into(), 4.into())
    );

    let log = std::fs::read_to_string(folder.path().join("decisions.jsonl")).unwrap();
    folder.write("decisions.jsonl", log.replacen("/w/b", "/w/z", 1));
    let edited = folder.run(&["log", "verify", "decisions.jsonl"]);
    assert_eq!(edited.code, 3);
    assert!(
        edited.out.contains("decisions.jsonl:3: it does not follow"),
        "{}",
        edited.out
    );
    assert_eq!(folder.run(&["log", "verify", "none.jsonl"]).code, 1);
    folder.write("decisions.jsonl", log);
    let head = json["head"].as_str().unwrap();
    let kept = |head: &str| {
        folder
            .run(&["log", "verify", "decisions.jsonl", "--head", head])
            .code
    };
    assert_eq!((kept(head), kept(&head.replace('a', "b"))), (0, 3));
}

#[test]
fn query_prints_the_lines_that_are_asked_for() {
    let folder = recorded();
    let count = |more: &[&str]| {
        let mut arguments = vec!["log", "query", "decisions.jsonl"];
        arguments.extend_from_slice(more);
        let ran = folder.run(&arguments);
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.out
            .lines()
            .inspect(|line| assert!(serde_json::from_str::<Value>(line).is_ok()))
            .count()
    };
    assert_eq!(count(&[]), 4);
    assert_eq!(count(&["--decision", "permit"]), 3);
    assert_eq!(count(&["--cause", "plugin-denied"]), 1);
    assert_eq!(
        count(&[
            "--principal",
            "spiffe://a.example/x",
            "--integration",
            "files"
        ]),
        4
    );
    for nothing in [
        ["--principal", "spiffe://a.example/y"],
        ["--integration", "mails"],
        ["--credential", "jti-1"],
        ["--intent", "int-1"],
        ["--id", "none"],
        ["--evaluation", "none"],
        ["--trace", "none"],
        ["--event", "seal"],
        ["--event", "issuance"],
        ["--event", "continuation"],
        ["--sequence", "5"],
    ] {
        assert_eq!(count(&nothing), 0, "{nothing:?}");
    }
    assert_eq!(count(&["--event", "decision", "--sequence", "4"]), 1);
}

#[test]
fn a_log_that_was_cut_is_not_replayed() {
    let folder = recorded();
    let log = std::fs::read_to_string(folder.path().join("decisions.jsonl")).unwrap();
    let cut: Vec<_> = log.lines().take(2).collect();
    folder.write("decisions.jsonl", cut.join("\n") + "\n");
    let refused = folder.run(&["replay", "decisions.jsonl"]);
    assert_eq!((refused.code, refused.out.as_str()), (3, ""));
    assert!(
        refused.err.contains("lines at its end are gone"),
        "{}",
        refused.err
    );
}

#[test]
fn replay_lists_apart_what_depended_on_the_machine() {
    let folder = recorded();
    let pdp = Pdp::from_file(folder.path().join("portcullis.toml")).unwrap();
    let json = request("looping", "a", "/w");
    assert_eq!(
        pdp.evaluate_authzen(json.as_bytes()).cause().as_str(),
        "plugin-deadline"
    );
    drop(pdp);
    let config = std::fs::read_to_string(folder.path().join("portcullis.toml")).unwrap();
    folder.write(
        "faster.toml",
        config.replace("behaviour = \"loop\"", "behaviour = \"permit\""),
    );
    for (config, listed) in [
        ("portcullis.toml", "plugin-deadline -> plugin-deadline"),
        ("faster.toml", "plugin-deadline -> permitted"),
    ] {
        let ran = folder.run(&["replay", "decisions.jsonl", "--config", config]);
        assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
        let counted = "4 the same, 0 different, 1 that depend on the machine";
        assert!(ran.err.contains(counted), "{}", ran.err);
        assert!(ran.out.contains(listed), "{}", ran.out);
    }
}

#[test]
fn replay_lists_what_would_now_be_decided_differently() {
    let folder = recorded();
    let same = folder.run(&["replay", "decisions.jsonl"]);
    assert_eq!(same.code, 0, "{}{}", same.out, same.err);
    assert!(same.err.contains("4 the same, 0 different"), "{}", same.err);
    assert_eq!(same.out, "");

    let config = std::fs::read_to_string(folder.path().join("portcullis.toml")).unwrap();
    folder.write(
        "other.toml",
        config.replace("value = \"/w\"", "value = \"/etc\""),
    );
    let other = folder.run(&["replay", "decisions.jsonl", "--config", "other.toml"]);
    assert_eq!(other.code, 5);
    // Decisions that changed alike are one line, and new permits come first.
    assert_eq!(other.out.lines().count(), 2, "{}", other.out);
    assert!(
        other.out.lines().next().unwrap().contains("deny -> permit"),
        "{}",
        other.out
    );
    assert!(other.out.contains("lines 1, 2, 4: r"), "{}", other.out);
    let json = folder.run(&[
        "replay",
        "decisions.jsonl",
        "--config",
        "other.toml",
        "--format",
        "json",
    ]);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(
        (&json["different"], &json["changes"][1]["count"]),
        (&4.into(), &3.into())
    );
    assert_eq!(json["changes"][0]["turn"], "deny-to-permit");
    let exact = folder.run(&[
        "replay",
        "decisions.jsonl",
        "--config",
        "other.toml",
        "--exact",
    ]);
    assert_eq!(
        (exact.code, exact.out.lines().count()),
        (5, 4),
        "{}",
        exact.out
    );
    assert!(
        other.err.contains("0 the same, 4 different"),
        "{}",
        other.err
    );
    assert!(
        other.out.contains("permitted -> plugin-denied"),
        "{}",
        other.out
    );
    assert!(
        other.out.contains("plugin-denied -> permitted"),
        "{}",
        other.out
    );
    // If the cause is unchanged, the line names the parts that differ.
    folder.write(
        "shorter.toml",
        config.replace(
            "name = \"files\"",
            "name = \"files\"\nmax-grant-ttl = \"1m\"",
        ),
    );
    let shorter = folder.run(&["replay", "decisions.jsonl", "--config", "shorter.toml"]);
    assert!(
        shorter.out.contains("(at /context/grant/expires-at)"),
        "{}",
        shorter.out
    );
}

#[test]
fn a_new_version_of_a_plugin_that_decides_the_same_has_no_differences() {
    let folder = recorded();
    let config = std::fs::read_to_string(folder.path().join("portcullis.toml")).unwrap();
    // Other settings give another digest and other messages, but the same decisions.
    folder.write(
        "newer.toml",
        config.replace(
            "[{ tool = \"read\"",
            "[{ tool = \"other\" }, { tool = \"read\"",
        ),
    );
    let newer = ["replay", "decisions.jsonl", "--config", "newer.toml"];
    let ran = folder.run(&newer);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.err);
    assert!(ran.err.contains("4 the same, 0 different"), "{}", ran.err);
    let mut exact = newer.to_vec();
    exact.push("--exact");
    let ran = folder.run(&exact);
    assert_eq!((ran.code, ran.out.lines().count()), (5, 4), "{}", ran.out);
}

#[test]
fn decisions_are_found_by_id_with_what_the_gateway_reported_of_them() {
    let folder = recorded();
    let file = folder.path().join("decisions.jsonl");
    let pdp = Pdp::from_file(folder.path().join("portcullis.toml")).unwrap();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let json = request("files", "read", "/w/d");
    let json = json.replace(
        "\"context\":{",
        &format!("\"context\":{{\"traceparent\":\"00-{trace}-00f067aa0ba902b7-01\","),
    );
    let decision = pdp.evaluate_authzen(json.as_bytes());
    let outcome = CallOutcome::not_made("no mail server").obligation("notification");
    pdp.record_outcome(&decision, &outcome).unwrap();
    let refused = Refused::authentication("expired").claimed_principal("spiffe://a.example/x");
    let refused = pdp.record_refused(&refused).unwrap();
    drop(pdp);
    let query = |more: &[&str]| {
        let arguments = [&["log", "query", "decisions.jsonl"], more].concat();
        let ran = folder.run(&arguments);
        assert_eq!(ran.code, 0, "{}", ran.err);
        let lines = ran.out.lines();
        let kinds = lines.map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            line["event"].as_str().unwrap().to_owned()
        });
        kinds.collect::<Vec<_>>()
    };
    let id = decision.id().unwrap();
    let response = serde_json::to_value(&decision).unwrap();
    assert_eq!(response["context"]["id"], id);
    assert_eq!(query(&["--id", id]), ["decision", "outcome"]);
    assert_eq!(query(&["--trace", trace]), ["decision"]);
    assert_eq!(query(&["--id", &refused]), ["refused"]);
    assert_eq!(
        query(&["--event", "refused", "--principal", "spiffe://a.example/x"]),
        ["refused"]
    );
    assert_eq!(query(&["--event", "outcome"]), ["outcome"]);
    assert!(query(&["--id", "none"]).is_empty());
    let ran = folder.run(&["replay", "decisions.jsonl"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("2 reports"), "{}", ran.err);
    assert!(file.exists());
}

#[test]
fn an_edit_of_any_kind_is_an_invalid_log_at_its_line() {
    let folder = recorded();
    let whole = std::fs::read(folder.path().join("decisions.jsonl")).unwrap();
    let lines: Vec<_> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let text = String::from_utf8(lines[1].to_vec()).unwrap();
    for changed in [
        text.replacen("/w/b", "/w/z", 1).into_bytes(),
        [&lines[1][..40], b"\xff", &lines[1][40..]].concat(),
        [&lines[1][..40], b"\0", &lines[1][40..]].concat(),
        text.replace('\n', "\r\n").into_bytes(),
        [b"\xef\xbb\xbf", lines[1]].concat(),
        [b"\n", lines[1]].concat(),
        text.replacen("\"v\":2", "\"v\":3", 1).into_bytes(),
        text.replacen("\"sequence\":2", "\"sequence\":18446744073709551615", 1)
            .into_bytes(),
    ] {
        folder.write(
            "decisions.jsonl",
            [lines[0], &changed, lines[2], lines[3]].concat(),
        );
        for command in [
            ["log", "verify", "decisions.jsonl"],
            ["log", "query", "decisions.jsonl"],
        ] {
            let ran = folder.run(&command);
            let said = format!("{}{}", ran.out, ran.err);
            if command[1] == "verify" {
                assert_eq!(ran.code, 3, "{said}");
                let at = [2, 3].map(|line| format!("decisions.jsonl:{line}: "));
                assert!(at.iter().any(|at| said.contains(at)), "{said}");
            }
            assert!(!said.contains("panicked"), "{said}");
        }
    }
    // The host reports the error as well, and does not panic.
    let last = String::from_utf8(lines[3].to_vec()).unwrap();
    let last = last.replacen("\"sequence\":4", "\"sequence\":18446744073709551615", 1);
    folder.write(
        "decisions.jsonl",
        [lines[0], lines[1], lines[2], last.as_bytes()].concat(),
    );
    let error = Pdp::from_file(folder.path().join("portcullis.toml")).unwrap_err();
    assert!(
        error.to_string().contains("18446744073709551615"),
        "{error}"
    );
}

#[test]
fn nothing_that_a_log_has_commands_the_terminal() {
    let folder = recorded();
    // Only an edit can write raw control characters: the host escapes them.
    let log = std::fs::read_to_string(folder.path().join("decisions.jsonl")).unwrap();
    let edited = log.replacen("/w/c", "/w/\u{202e}\u{9b}31mc", 1);
    folder.write("decisions.jsonl", &edited);
    for command in [
        &["log", "query", "decisions.jsonl"][..],
        &["log", "verify", "decisions.jsonl"],
        &["log", "verify", "decisions.jsonl", "--format", "json"],
        &["replay", "decisions.jsonl"],
        &["posture", "report", "--log", "decisions.jsonl"],
        &[
            "posture",
            "report",
            "--log",
            "decisions.jsonl",
            "--format",
            "json",
        ],
    ] {
        let ran = folder.run(command);
        let said = format!("{}{}", ran.out, ran.err);
        let hidden = ['\u{202e}', '\u{9b}', '\u{1b}', '\r'];
        assert!(!said.contains(hidden), "{command:?}: {said:?}");
    }
    let query = folder.run(&["log", "query", "decisions.jsonl", "--sequence", "4"]);
    let line: Value = serde_json::from_str(&query.out).unwrap();
    assert_eq!(
        line["request"]["action"]["properties"]["path"],
        "/w/\u{202e}\u{9b}31mc"
    );
}

#[cfg(unix)]
#[test]
fn check_warns_of_a_log_that_others_can_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = recorded();
    let check = || folder.run(&["check", "portcullis.toml"]);
    let good = check();
    assert!(
        !good.err.contains("has mode") && !good.out.contains("has mode"),
        "{}{}",
        good.out,
        good.err
    );
    let head = folder.path().join("decisions.jsonl.head");
    std::fs::set_permissions(head, std::fs::Permissions::from_mode(0o644)).unwrap();
    let wide = check();
    let said = format!("{}{}", wide.out, wide.err);
    assert!(
        said.contains("decisions.jsonl.head: warning: it has mode 0644"),
        "{said}"
    );
}

#[test]
fn archived_files_are_verified_with_their_folder() {
    let folder = with_sealed_files();
    let none = folder.run(&["log", "archive", "decisions.jsonl"]);
    assert_eq!(none.code, 1, "it says where: {}", none.err);
    let moved = folder.run(&[
        "log",
        "archive",
        "decisions.jsonl",
        "--to",
        "away",
        "--keep",
        "1",
    ]);
    assert_eq!(moved.code, 0, "{}", moved.err);
    assert!(moved.err.contains("file 1, lines 1 to"), "{}", moved.err);
    let verify = |more: &[&str]| {
        let ran = folder.run(
            &[
                &["log", "verify", "decisions.jsonl", "--format", "json"],
                more,
            ]
            .concat(),
        );
        let json: Value = serde_json::from_str(&ran.out).unwrap();
        (ran.code, json["first"].as_u64())
    };
    let (code, first) = verify(&[]);
    assert!(code == 0 && first > Some(1), "{first:?}");
    assert_eq!(verify(&["--archive", "away"]), (0, Some(1)));
    assert_eq!(folder.run(&["replay", "decisions.jsonl"]).code, 0);
    // A missing file that is not recorded as archived is reported by name.
    let sealed = (2..9).map(|n| format!("decisions.{n:06}.jsonl"));
    let sealed = sealed
        .map(|name| folder.path().join(name))
        .find(|file| file.exists())
        .unwrap();
    std::fs::remove_file(&sealed).unwrap();
    let missing = folder.run(&["log", "verify", "decisions.jsonl"]);
    assert_eq!(missing.code, 3);
    let name = sealed.file_name().unwrap().to_str().unwrap();
    assert!(missing.out.contains(name), "{}", missing.out);
    assert_eq!(
        folder
            .run(&["log", "archive", "decisions.jsonl", "--accept-missing"])
            .code,
        0
    );
    assert_eq!(verify(&[]).0, 0);
}

/// Creates a folder whose log has several sealed files.
fn with_sealed_files() -> Folder {
    let folder = Folder::with_plugins();
    folder.configure("log = { path = \"decisions.jsonl\", max-file-bytes = 65536 }");
    let pdp = Pdp::from_file(folder.path().join("portcullis.toml")).unwrap();
    let path = "x".repeat(4000);
    for _ in 0..40 {
        let _recorded = pdp.evaluate_authzen(request("files", "read", &path).as_bytes());
    }
    drop(pdp);
    folder
}

#[test]
fn an_archive_is_verified_only_with_all_that_is_on_record() {
    let folder = with_sealed_files();
    let archive = ["log", "archive", "decisions.jsonl", "--to", "away"];
    assert_eq!(folder.run(&archive).code, 0);
    let verify = |more: &[&str]| {
        let ran = folder.run(&[&["log", "verify", "decisions.jsonl"], more].concat());
        (ran.code, format!("{}{}", ran.out, ran.err))
    };
    assert_eq!(verify(&["--archive", "away"]).0, 0);
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    let (code, said) = verify(&["--archive", "empty"]);
    assert!(
        code == 3 && said.contains("empty/decisions.000001.jsonl"),
        "{said}"
    );
    let (code, said) = verify(&["--archive", "gone"]);
    assert!(code == 1 && said.contains("cannot read gone"), "{said}");
    let first = folder.path().join("away/decisions.000001.jsonl");
    std::fs::remove_file(&first).unwrap();
    let (code, said) = verify(&["--archive", "away"]);
    assert!(code == 3 && said.contains("recorded as archived"), "{said}");
    let (code, said) = verify(&[]);
    assert!(
        code == 0 && said.contains("archived or accepted as missing"),
        "{said}"
    );
}

#[test]
fn a_head_that_was_kept_is_not_called_cut_because_its_line_was_archived() {
    let folder = with_sealed_files();
    let mut heads = Vec::new();
    portcullis_host::log::read(&folder.path().join("decisions.jsonl"), |_, _, line, _| {
        let head = portcullis_host::Digest::of(line.as_bytes()).to_string();
        heads.push(head.trim_start_matches("sha256:").to_owned());
        Ok(())
    })
    .unwrap();
    let archive = ["log", "archive", "decisions.jsonl", "--to", "away"];
    assert_eq!(folder.run(&archive).code, 0);
    let verify = |head: &str, more: &[&str]| {
        let arguments = ["log", "verify", "decisions.jsonl", "--head", head];
        let ran = folder.run(&[&arguments, more].concat());
        (ran.code, ran.out)
    };
    let with_archive = ["--archive", "away"];
    let last = heads.last().unwrap();
    for head in [&heads[0], &heads[1], last] {
        assert_eq!(verify(head, &with_archive).0, 0);
    }
    assert_eq!(verify(last, &[]).0, 0);
    let (code, said) = verify(&heads[1], &[]);
    assert!(code == 1 && said.contains("add `--archive`"), "{said}");
    assert!(!said.contains("broken"), "{said}");
    let record = std::fs::read_to_string(folder.path().join("decisions.jsonl.archived")).unwrap();
    for record in record.lines() {
        let record: Value = serde_json::from_str(record).unwrap();
        assert_eq!(verify(record["hash"].as_str().unwrap(), &[]).0, 0);
    }
    let (code, said) = verify(&"0".repeat(64), &with_archive);
    assert!(
        code == 3 && said.contains("recreated or truncated"),
        "{said}"
    );
}

#[test]
fn check_refuses_a_log_that_a_host_does_not_start_with_and_says_what_to_do() {
    let folder = recorded();
    let log = folder.path().join("decisions.jsonl");
    let head = folder.path().join("decisions.jsonl.head");
    let (whole, kept) = (std::fs::read(&log).unwrap(), std::fs::read(&head).unwrap());
    let text = String::from_utf8(whole.clone()).unwrap();
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    let starts = || Pdp::from_file(folder.path().join("portcullis.toml")).is_ok();
    let check = || {
        let ran = folder.run(&["check", "portcullis.toml"]);
        (ran.code, format!("{}{}", ran.out, ran.err))
    };
    for changed in [
        lines[..2].concat(),
        lines[..3].concat() + &lines[3].replacen("/w/c", "/w/z", 1),
        lines[..3].concat() + "hello\n",
        lines[..3].concat() + &lines[3].replacen("\"v\":2", "\"v\":3", 1),
        String::new(),
    ] {
        folder.write("decisions.jsonl", &changed);
        let (code, said) = check();
        assert!(code == 3 && !said.contains("usable"), "{said}");
        let remedy = "restore the file, or move the log away and begin a new one";
        assert!(
            said.contains(remedy) && said.contains("decisions.jsonl: "),
            "{said}"
        );
        assert!(!starts());
    }
    std::fs::remove_file(&log).unwrap();
    assert_eq!(check().0, 3, "the latest is gone");
    for command in [
        &["log", "verify", "decisions.jsonl"][..],
        &["log", "query", "decisions.jsonl"],
        &["replay", "decisions.jsonl"],
        &["posture", "report", "--log", "decisions.jsonl"],
    ] {
        let ran = folder.run(command);
        assert_eq!(ran.code, 3, "{command:?}: {}{}", ran.out, ran.err);
    }
    std::fs::write(&log, &whole).unwrap();
    std::fs::remove_file(&head).unwrap();
    assert_eq!(check().0, 3, "the head is gone");
    std::fs::write(&head, kept).unwrap();
    let (code, said) = check();
    assert!(code == 0 && said.contains("usable"), "{said}");
    // The host removes a line that a crash truncated.
    std::fs::write(&log, text.clone() + "{\"v\":2").unwrap();
    assert_eq!(check().0, 0);
    assert!(starts());
}

#[test]
fn what_is_no_log_is_not_archived_and_nothing_is_made() {
    let folder = recorded();
    let ran = folder.run(&["log", "archive", "nolog.jsonl", "--to", "elsewhere"]);
    assert!(
        ran.code == 1 && ran.err.contains("nolog.jsonl"),
        "{}",
        ran.err
    );
    let accepted = folder.run(&["log", "archive", "nolog.jsonl", "--accept-missing"]);
    assert_eq!(accepted.code, 1);
    for name in ["elsewhere", "nolog.jsonl.archiving", "nolog.jsonl"] {
        assert!(!folder.path().join(name).exists(), "{name}");
    }
    // A file with a higher number than the latest file expects is reported by name.
    folder.write("decisions.000020.jsonl", "");
    let stray = folder.run(&["log", "archive", "decisions.jsonl", "--to", "elsewhere"]);
    assert_eq!(stray.code, 1);
    assert!(
        stray.err.contains("decisions.000020.jsonl"),
        "{}",
        stray.err
    );
    std::fs::remove_file(folder.path().join("decisions.000020.jsonl")).unwrap();
    let ran = folder.run(&["log", "archive", "decisions.jsonl", "--to", "elsewhere"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
}

#[test]
fn a_turn_of_the_effect_is_not_told_again_as_another_grant() {
    let folder = recorded();
    let config = std::fs::read_to_string(folder.path().join("portcullis.toml")).unwrap();
    folder.write(
        "other.toml",
        config.replace("value = \"/w\"", "value = \"/etc\""),
    );
    let ran = folder.run(&["replay", "decisions.jsonl", "--config", "other.toml"]);
    assert_eq!((ran.code, ran.out.lines().count()), (5, 2), "{}", ran.out);
    for line in ran.out.lines() {
        assert!(
            !line.contains("another") && !line.contains("(at "),
            "{line}"
        );
    }
}
