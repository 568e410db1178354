//! `portcullis serve` and `portcullis status`.

use crate::common::{Folder, Request};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{io, thread};

/// Bound on everything that has to happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running `portcullis serve`.
struct Serving {
    child: Child,
    /// Addresses of the listener for decisions and of the admin listener.
    decisions: String,
    admin: String,
    said: Arc<Mutex<Vec<String>>>,
}

impl Serving {
    fn start(folder: &Folder) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .current_dir(folder.path())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        let mut addresses = Vec::new();
        while addresses.len() < 2 {
            let Some(Ok(line)) = lines.next() else {
                panic!("no address: {said:?}")
            };
            if let Some(address) = line.strip_prefix("listening on http://") {
                addresses.push(address.to_owned());
            }
            said.push(line);
        }
        let said = Arc::new(Mutex::new(said));
        let heard = Arc::clone(&said);
        // Later messages are read, so that the server never waits for their reader.
        thread::spawn(move || {
            lines
                .map_while(Result::ok)
                .for_each(|line| heard.lock().unwrap().push(line));
        });
        let mut addresses = addresses.into_iter();
        Self {
            child,
            decisions: addresses.next().unwrap(),
            admin: addresses.next().unwrap(),
            said,
        }
    }

    /// Sends a signal.
    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([name, &id])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits until a message has that text.
    fn says(&self, text: &str) {
        let begin = Instant::now();
        while !self
            .said
            .lock()
            .unwrap()
            .iter()
            .any(|line| line.contains(text))
        {
            assert!(
                begin.elapsed() < PATIENCE,
                "never: {text}: {:?}",
                self.said.lock().unwrap()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn ends(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
        let _ = self.child.kill();
    }
}

/// Asks for a decision; an error if the server ended the connection.
fn ask(address: &str, request: &Request) -> io::Result<Value> {
    let body = request.to_string();
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "POST /access/v1/evaluation HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    let (head, body) = response
        .split_once("\r\n\r\n")
        .ok_or(io::ErrorKind::UnexpectedEof)?;
    assert!(head.starts_with("HTTP/1.1 200"), "{response}");
    Ok(serde_json::from_str(body)?)
}

fn read() -> Request {
    Request::new("files", "read").arguments(&json!({ "path": "/w/a" }))
}

#[test]
fn a_terminated_server_has_recorded_every_decision_that_it_returned() {
    let folder = Folder::with_plugins();
    folder.configure("log = { path = \"decisions.jsonl\" }");
    let serving = Serving::start(&folder);
    let returned = Mutex::new(BTreeSet::new());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                // Until the server accepts no connection any more.
                while let Ok(decision) = ask(&serving.decisions, &read()) {
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
    let serving = Serving::start(&folder);
    serving.says("no `[[serve.pep]]` is configured");
    let admin = format!("http://{}", serving.admin);
    let status = || folder.run(&["status", "--admin", &admin, "--format", "json"]);
    let before = status().exits(0).json();
    let digest = &before["host"]["integrations"][0]["plugins"][0]["digest"];
    assert!(digest.as_str().unwrap().starts_with("sha256:"), "{before}");
    let denied = Request::new("files", "read").arguments(&json!({ "path": "/v/a" }));
    assert_eq!(ask(&serving.decisions, &denied).unwrap()["decision"], false);
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
    assert_eq!(ask(&serving.decisions, &denied).unwrap()["decision"], true);
    assert_ne!(
        status().exits(0).json()["host"]["digest"],
        before["host"]["digest"]
    );
    // A bad one is refused, and shown; the one before decides.
    folder.replace("portcullis.toml", "name = \"files\"", "nam = \"files\"");
    serving.signal("-HUP");
    serving.says("the configuration is not reloaded");
    assert_eq!(ask(&serving.decisions, &denied).unwrap()["decision"], true);
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
    let serving = Serving::start(&folder);
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
