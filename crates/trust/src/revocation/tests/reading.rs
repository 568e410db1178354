//! Reading a list: its lines, its age, and other files in its place.

use super::*;
use crate::waiting::until;

#[test]
fn a_token_in_the_list_is_found_and_goes_no_further() {
    let file = file("tokens");
    let token = "ghp_abcdefghijklmnop1234";
    let leaked = Revoked {
        reason: format!("leaked: {token}"),
        ..revoked("0123456789abcdef0123456789abcdef")
    };
    append(&file, Some(leaked), NOW).unwrap();
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(!written.contains(token), "{written}");
    let followed = Revocations::follow(&file, Duration::from_secs(60)).unwrap();
    assert_eq!(
        followed.lines_with_tokens(),
        [0_usize; 0],
        "an id in hexadecimal digits is no token"
    );
    // An operator wrote the token into the file by hand.
    let by_hand = format!(
        "{{\"epoch\":2,\"at\":\"{NOW}\",\"kind\":\"credential\",\"id\":\"a\",\"reason\":\"see {token}\",\"by\":\"alice\"}}\n"
    );
    std::fs::write(&file, written + &by_hand).unwrap();
    followed.refresh();
    assert_eq!(followed.lines_with_tokens(), [2]);
    let known = followed.now_known();
    let found = known.find(Revocable::Credential, "a").unwrap();
    assert!(
        found.reason.starts_with("see ") && !found.reason.contains(token),
        "{}",
        found.reason
    );
    std::fs::remove_file(file).unwrap();
}

#[test]
fn a_list_is_stale_when_nothing_says_otherwise() {
    let file = file("stale");
    append(&file, None, NOW).unwrap();
    let followed = Revocations::follow(&file, Duration::from_secs(60)).unwrap();
    let known = followed.now_known();
    assert!(
        known
            .unreliable(NOW.plus(Duration::from_secs(60)))
            .is_none()
    );
    assert!(
        known
            .unreliable(NOW.plus(Duration::from_secs(61)))
            .is_some()
    );
    drop(known);
    append(&file, None, NOW.plus(Duration::from_secs(50))).unwrap();
    followed.refresh();
    assert!(
        followed
            .now_known()
            .unreliable(NOW.plus(Duration::from_secs(61)))
            .is_none()
    );
    std::fs::remove_file(file).unwrap();
}

#[test]
fn a_list_without_a_line_end_is_not_relied_on() {
    let file = file("unended");
    append(&file, None, NOW).unwrap();
    let whole = std::fs::read_to_string(&file).unwrap();
    let line = format!(
        "{{\"epoch\":1,\"at\":\"{NOW}\",\"kind\":\"credential\",\"id\":\"a\",\"reason\":\"leaked\",\"by\":\"alice\"}}"
    );
    let followed = Revocations::follow(&file, Duration::from_secs(60)).unwrap();
    let after = |content: String| {
        std::fs::write(&file, content).unwrap();
        followed.refresh();
        followed.now_known().unreliable(NOW)
    };
    // A line that only lacks its end is an error at once.
    let why = after(format!("{whole}{line}")).unwrap();
    assert!(why.contains("line 2") && why.contains("line end"), "{why}");
    assert!(append(&file, None, NOW).is_err());
    let follow = Revocations::follow(&file, Duration::from_secs(60));
    assert!(matches!(follow, Err(ListError::Line { line: 2, .. })));
    // An incomplete line is ignored for a second.
    assert_eq!(after(format!("{whole}{}", &line[..20])), None);
    until("the incomplete line is an error", || {
        followed.refresh();
        followed.now_known().unreliable(NOW).is_some()
    });
    assert_eq!(after(format!("{whole}{line}\n")), None);
    assert!(
        followed
            .now_known()
            .find(Revocable::Credential, "a")
            .is_some()
    );
    std::fs::remove_file(file).unwrap();
}

#[cfg(unix)]
#[test]
fn what_is_not_a_file_in_the_place_of_the_list_is_a_deny_at_once() {
    let file = file("fifo");
    append(&file, None, NOW).unwrap();
    let whole = std::fs::read(&file).unwrap();
    let followed = Revocations::follow(&file, Duration::from_secs(60)).unwrap();
    let run = |program: &str, arguments: &[&std::ffi::OsStr]| {
        let run = std::process::Command::new(program).args(arguments).status();
        assert!(run.unwrap().success(), "{program}");
    };
    let beside = file.with_extension("fifo");
    run("mkfifo", &[beside.as_os_str()]);
    let fifo = || run("mkfifo", &[file.as_os_str()]);
    let link = || std::os::unix::fs::symlink(&beside, &file).unwrap();
    let folder = || std::fs::create_dir(&file).unwrap();
    let socket = || drop(std::os::unix::net::UnixListener::bind(&file).unwrap());
    let cases: [(&dyn Fn(), &str); 4] = [
        (&fifo, "it is a fifo"),
        (&link, "it is a fifo"),
        (&folder, "it is a folder"),
        (&socket, "it is a socket"),
    ];
    for (make, expected) in cases {
        std::fs::remove_file(&file).unwrap();
        make();
        followed.refresh();
        let why = followed.unreliable().unwrap().to_string();
        assert!(why.contains(expected), "{why}");
        assert!(why.contains(&file.display().to_string()), "{why}");
        let began = Revocations::follow(&file, Duration::from_secs(60)).map(drop);
        assert!(began.unwrap_err().to_string().contains(expected));
        let added = append(&file, None, NOW).unwrap_err().to_string();
        assert!(added.contains(expected), "{added}");
        let _ = std::fs::remove_file(&file);
        let _ = std::fs::remove_dir(&file);
        std::fs::write(&file, &whole).unwrap();
        followed.refresh();
        assert_eq!(followed.unreliable(), None, "{expected}");
    }
    std::fs::remove_file(beside).unwrap();
    std::fs::remove_file(file).unwrap();
}

#[test]
fn a_line_that_no_request_can_match_is_none_of_a_list() {
    let file = file("unmatched");
    let line = |kind: &str, id: &str| {
        format!(
            "{{\"epoch\":1,\"at\":\"{NOW}\",\"kind\":\"{kind}\",\"id\":\"{id}\",\"reason\":\"r\",\"by\":\"b\"}}\n"
        )
    };
    let follow = |content: String| {
        std::fs::write(&file, content).unwrap();
        Revocations::follow(&file, Duration::from_secs(60)).map(drop)
    };
    for (kind, id) in [
        ("principal", "spiffe://acme.example/a/"),
        ("principal", " spiffe://acme.example/a"),
        ("principal", "spiffe://acme.example/*"),
        ("principal", "spiffe://acme.example"),
        ("plugin", "sha256:12"),
        ("credential", ""),
    ] {
        let refused = follow(line(kind, id)).unwrap_err().to_string();
        assert!(
            refused.contains("line 1 of the revocation list"),
            "{refused}"
        );
        assert!(refused.contains("no request could match it"), "{refused}");
        assert!(!refused.contains("nothing is revoked"), "{refused}");
    }
    for (kind, id) in [
        ("principal", "SPIFFE://acme.example/a"),
        ("plugin", &"AB".repeat(32)),
        ("credential", "01:02:AB"),
        ("intent", "int-1"),
    ] {
        assert_eq!(follow(line(kind, id)), Ok(()), "{kind} {id}");
    }
    std::fs::remove_file(file).unwrap();
}

#[test]
fn a_line_that_cannot_be_read_says_what_to_do() {
    let file = file("riddles");
    let whole = format!("{{\"epoch\":0,\"at\":\"{NOW}\"}}\n");
    for (content, expected) in [
        (
            format!("{whole}\n"),
            "line 2 of the revocation list: it is blank: remove it",
        ),
        (format!("{whole}garbage\n"), "it is not JSON"),
        (format!("{whole}{{\"epoch\":0\n"), "it is not JSON"),
        (format!("\u{feff}{whole}"), "byte order mark"),
        (
            whole.replace("\"at\"", "\"ta\""),
            "it is no line of a list (unknown field `ta`",
        ),
    ] {
        std::fs::write(&file, content).unwrap();
        let refused = Revocations::follow(&file, Duration::from_secs(60)).map(drop);
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
        assert!(!refused.contains("at line 1"), "{refused}");
    }
    std::fs::write(&file, [whole.as_bytes(), b"\xff\n"].concat()).unwrap();
    let refused = Revocations::follow(&file, Duration::from_secs(60)).map(drop);
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.contains("line 2 of the revocation list: it is not UTF-8"),
        "{refused}"
    );
    std::fs::remove_file(file).unwrap();
}

#[test]
fn refuses_a_list_that_is_none() {
    let file = file("none");
    std::fs::write(&file, "").unwrap();
    let follow = || {
        Revocations::follow(&file, Duration::from_secs(60))
            .map(|_| ())
            .unwrap_err()
    };
    assert_eq!(follow(), ListError::Empty);
    std::fs::write(
        &file,
        "{\"epoch\":0,\"at\":\"2026-11-22T09:00:00Z\",\"knid\":\"x\"}\n",
    )
    .unwrap();
    assert!(matches!(follow(), ListError::Line { line: 1, .. }));
    std::fs::write(&file, "{\"epoch\":0,\"at\":\"2099-01-01T00:00:00Z\"}\n").unwrap();
    assert!(matches!(follow(), ListError::Line { line: 1, .. }));
    std::fs::remove_file(file).unwrap();
}
