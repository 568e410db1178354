//! `portcullis serve` and `portcullis status`.

use crate::common::{Folder, PATIENCE, Request, Serving};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use std::{io, thread};

fn read() -> Request {
    Request::new("files", "read").arguments(&json!({ "path": "/w/a" }))
}

#[test]
fn a_terminated_server_has_recorded_every_decision_that_it_returned() {
    let folder = Folder::with_plugins();
    folder.configure("log = { path = \"decisions.jsonl\" }");
    let serving = Serving::start(&folder, &[]);
    let returned = Mutex::new(BTreeSet::new());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                // Until the server accepts no connection any more.
                while let Ok(decision) = serving.try_ask(&read()) {
                    assert_eq!(decision["decision"], true, "{decision}");
                    let id = decision["context"]["id"].as_str().unwrap().to_owned();
                    returned.lock().unwrap().insert(id);
                }
            });
        }
        let begin = Instant::now();
        while returned.lock().unwrap().len() < 100 {
            assert!(begin.elapsed() < PATIENCE);
            thread::sleep(Duration::from_millis(5));
        }
        serving.signal("-TERM");
    });
    assert!(serving.ends().success());
    let log = folder.read("decisions.jsonl");
    let recorded: BTreeSet<_> = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter_map(|line| Some(line["id"].as_str()?.to_owned()))
        .collect();
    let returned = returned.into_inner().unwrap();
    assert!(returned.len() >= 100);
    assert!(returned.is_subset(&recorded));
    folder.run(&["log", "verify", "decisions.jsonl"]).exits(0);
}

#[test]
fn a_hangup_reloads_and_the_status_shows_what_is_loaded() {
    let folder = Folder::with_plugins();
    let serving = Serving::start(&folder, &[]);
    serving.says("no `[[serve.pep]]` is configured");
    let admin = format!("http://{}", serving.admin);
    let status = || folder.run(&["status", "--admin", &admin, "--format", "json"]);
    let before = status().exits(0).json();
    let digest = &before["host"]["integrations"][0]["plugins"][0]["digest"];
    assert!(digest.as_str().unwrap().starts_with("sha256:"), "{before}");
    let denied = Request::new("files", "read").arguments(&json!({ "path": "/v/a" }));
    assert_eq!(serving.ask(&denied)["decision"], false);
    let text = folder.run(&["status", "--admin", &admin]);
    text.exits(0);
    for shown in [
        "ready since",
        "files: mcp-tools",
        "deny plugin-denied",
        "local by",
    ] {
        assert!(text.out.contains(shown), "{shown}: {}", text.out);
    }
    // A good change, on request.
    folder.replace("portcullis.toml", "value = \"/w\"", "value = \"/v\"");
    serving.signal("-HUP");
    serving.says("the configuration is reloaded");
    assert_eq!(serving.ask(&denied)["decision"], true);
    assert_ne!(
        status().exits(0).json()["host"]["digest"],
        before["host"]["digest"]
    );
    // A bad one is refused, and shown; the one before decides.
    folder.replace("portcullis.toml", "name = \"files\"", "nam = \"files\"");
    serving.signal("-HUP");
    serving.says("the configuration is not reloaded");
    assert_eq!(serving.ask(&denied)["decision"], true);
    let refused = folder.run(&["status", "--admin", &admin]);
    refused.exits(5);
    assert!(
        refused.out.contains("a configuration was refused"),
        "{}",
        refused.out
    );
    assert!(refused.out.contains("portcullis.toml"), "{}", refused.out);
    serving.signal("-INT");
    assert!(serving.ends().success());
    let none = folder.run(&["status", "--admin", &admin]);
    none.exits(1);
    assert!(
        none.err.contains("start it with `portcullis serve`"),
        "{}",
        none.err
    );
}

/// Reads a request, and answers 401.
fn refuse(stream: TcpStream) -> io::Result<()> {
    let mut lines = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        lines.read_line(&mut line)?;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(bytes) = line.strip_prefix("content-length: ") {
            length = bytes.parse().unwrap();
        }
    }
    lines.read_exact(&mut vec![0; length])?;
    let answer = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    lines.into_inner().write_all(answer.as_bytes())
}

#[test]
fn a_log_that_is_not_shipped_fails_the_status_and_no_probe() {
    let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", receiver.local_addr().unwrap());
    thread::spawn(move || {
        for stream in receiver.incoming() {
            // A connection that ends early is one of a server that ends.
            let _ = stream.and_then(refuse);
        }
    });
    let folder = Folder::with_plugins();
    folder.configure(&format!(
        "log = {{ path = \"decisions.jsonl\" }}\n[serve.ship]\nurl = \"{url}\"\nformat = \"jsonl\""
    ));
    let serving = Serving::start(&folder, &[]);
    serving.says("nothing is shipped until the settings are reloaded");
    let admin = format!("http://{}", serving.admin);
    let status = folder.run(&["status", "--admin", &admin]);
    status.exits(5);
    for shown in ["ready since", "stopped", "answers 401 Unauthorized"] {
        assert!(status.out.contains(shown), "{shown}: {}", status.out);
    }
    folder
        .run(&["status", "--admin", &admin, "--ready"])
        .exits(0);
    serving.signal("-TERM");
    assert!(serving.ends().success());
}

#[test]
fn a_server_with_a_bad_configuration_does_not_start_and_names_all_problems() {
    let folder = Folder::with_plugins();
    folder.configure("log = { path = \"none/decisions.jsonl\" }\n[serve]\nlisen = \"127.0.0.1:1\"");
    for arguments in [vec!["serve"], vec!["check"]] {
        let ran = folder.run(&arguments);
        ran.exits(3);
        for problem in ["there is no `lisen` here", "the log's folder none"] {
            assert!(ran.err.contains(problem), "{ran}");
        }
    }
    folder.replace("portcullis.toml", "none/decisions", "decisions");
    folder.replace(
        "portcullis.toml",
        "lisen = \"127.0.0.1:1\"",
        "listen = \"0.0.0.0:0\"",
    );
    let open = folder.run(&["serve"]);
    open.exits(3);
    assert!(
        open.err.contains("which other machines can reach"),
        "{open}"
    );
    folder.replace("portcullis.toml", "0.0.0.0:0", "127.0.0.1:0");
    folder.run(&["check"]).exits(0);
    let open = folder.run(&["serve", "--listen", "0.0.0.0:0"]);
    open.exits(1);
    assert!(
        open.err.contains("which other machines can reach"),
        "{open}"
    );
}
