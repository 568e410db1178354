//! Two servers of decisions with one budget, on a real nats-server.

#[path = "../../../crates/fleet/tests/fleet/common/server.rs"]
#[allow(dead_code, reason = "this test uses a part of it")]
mod nats;

use portcullis_host::Timestamp;
use portcullis_host::log::{self, DecisionLog, Event, LogOptions};
use portcullis_tests::guests;
use serde_json::{Value, json};
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// The budget of the intent.
const BUDGET: u64 = 1000;

/// Number of callers of each host.
const CALLERS: usize = 4;

/// Number of times that each host is killed in a run.
const KILLS: u64 = 3;

/// Number of runs, unless this variable has another one.
const RUNS: (&str, usize) = ("PORTCULLIS_FLEET_RUNS", 2);

/// Creates the configuration of a host, and returns its path.
fn configure(folder: &Path, nats: &str) -> PathBuf {
    let component = guests::component("tests/guests/hostile").unwrap();
    fs::write(folder.join("hostile.wasm"), component).unwrap();
    let config = folder.join("portcullis.toml");
    let cache = concat!(env!("CARGO_TARGET_TMPDIR"), "/compiled");
    fs::write(
        &config,
        format!(
            r#"
limits = {{ deadline = "5s" }}
cache = {{ path = {cache:?} }}
intents = {{ path = "intents" }}
log = {{ path = "decisions.jsonl" }}

[state]
nats = "{nats}"
bucket = "fleet"

[[integration]]
name = "x"
[[integration.plugin]]
component = "hostile.wasm"
settings = {{ behaviour = "permit" }}
"#
        ),
    )
    .unwrap();
    fs::create_dir(folder.join("intents")).unwrap();
    config
}

/// The intent with the budget, which begins at `now`.
fn intent(now: Timestamp) -> String {
    json!({
        "id": "int-1", "purpose": "p", "principal": "spiffe://acme.example/a", "max-uses": BUDGET,
        "approved-by": { "who": "alice@acme.example", "at": now },
        "issued-at": now, "expires-at": now.plus(Duration::from_secs(3600)),
        "allows": [{ "integration": "x", "action": "a", "resource": "**", "arguments": "open" }],
    })
    .to_string()
}

/// A running `portcullis serve`.
struct Serving {
    child: Child,
    address: String,
}

impl Serving {
    fn start(config: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--admin",
                "127.0.0.1:0",
                "--config",
            ])
            .arg(config)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let address = loop {
            let mut line = String::new();
            let read = lines.read_line(&mut line).unwrap();
            assert!(read > 0, "it does not start: {said}");
            if let Some(address) = line.trim_end().strip_prefix("listening on http://") {
                break address.to_owned();
            }
            said.push_str(&line);
        };
        // Later messages are read, so that the server never waits for their reader.
        std::thread::spawn(move || io::copy(&mut lines, &mut io::sink()));
        Self { child, address }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks for a decision; an error if the server ended the connection.
fn ask(address: &str) -> io::Result<Value> {
    let body = json!({
        "subject": { "type": "agent", "id": "spiffe://acme.example/a" },
        "action": { "name": "a" },
        "resource": { "type": "t", "id": "r" },
        "context": { "integration": "x", "intent": { "id": "int-1" } },
    })
    .to_string();
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

/// Number of permits in the log of a host.
fn recorded(folder: &Path) -> u64 {
    let path = folder.join("decisions.jsonl");
    // Opening the log removes a line that a kill truncated.
    drop(DecisionLog::open(LogOptions::new(&path)).unwrap());
    log::verify(&path).unwrap();
    let mut permits = 0;
    log::read(&path, |_, _, _, entry| {
        if let Event::Decision(decided) = entry.event {
            permits += u64::from(decided.is_permit());
        }
        Ok(())
    })
    .unwrap();
    permits
}

/// Two hosts spend the budget while each of them, and the server with `kills_nats`, is killed.
fn run(kills_nats: bool) {
    let Some(mut server) = nats::server() else {
        return;
    };
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let now = Timestamp::now();
    let configs = folders.each_ref().map(|folder| {
        let config = configure(folder.path(), &server.url());
        fs::write(folder.path().join("intents/int-1.json"), intent(now)).unwrap();
        config
    });
    let hosts = configs.each_ref().map(|config| {
        let serving = Serving::start(config);
        (Mutex::new(serving.address.clone()), Mutex::new(serving))
    });
    let (returned, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for (address, _) in &hosts {
            for _ in 0..CALLERS {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        let address = address.lock().unwrap().clone();
                        let Ok(decision) = ask(&address) else {
                            std::thread::yield_now();
                            continue;
                        };
                        if decision["decision"] == true {
                            returned.fetch_add(1, Ordering::Relaxed);
                        } else if decision["context"]["cause"] == "intent-used-up" {
                            is_over.store(true, Ordering::Relaxed);
                        }
                    }
                });
            }
        }
        let part = BUDGET / (2 * KILLS + 2);
        for kill in 0..2 * KILLS {
            nats::until("uses are spent", || {
                let is_due = returned.load(Ordering::Relaxed) >= part * (kill + 1);
                (is_due || is_over.load(Ordering::Relaxed)).then_some(())
            });
            let at = usize::try_from(kill % 2).unwrap();
            let (address, serving) = &hosts[at];
            let mut serving = serving.lock().unwrap();
            serving.kill();
            if kills_nats {
                server.kill();
                server.start();
            }
            *serving = Serving::start(&configs[at]);
            address.lock().unwrap().clone_from(&serving.address);
        }
    });
    drop(hosts);
    let recorded = folders.each_ref().map(|folder| recorded(folder.path()));
    let permits: u64 = recorded.iter().sum();
    let returned = returned.into_inner();
    eprintln!("{permits} permits in both logs, {returned} returned, of {BUDGET} uses");
    assert!(permits <= BUDGET, "{permits} permits of {BUDGET} uses");
    assert!(
        returned <= permits,
        "{returned} returned, {permits} recorded"
    );
    // A use is lost only if its host or the server was killed while it was spent.
    let lost = 2 * KILLS * 2 * CALLERS as u64;
    assert!(permits >= BUDGET - lost, "{permits} permits");
    assert!(recorded.iter().all(|permits| *permits > 0));
}

#[test]
fn two_servers_never_exceed_a_budget_while_they_are_killed() {
    let (name, default) = RUNS;
    let runs = std::env::var(name).ok().and_then(|runs| runs.parse().ok());
    for _ in 0..runs.unwrap_or(default) {
        run(false);
    }
}

#[test]
fn two_servers_never_exceed_a_budget_while_nats_is_killed_too() {
    run(true);
}

/// Runs the command on a configuration.
fn portcullis(verb: &[&str], config: &Path) -> (String, Option<i32>) {
    let ran = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(verb)
        .arg("--config")
        .arg(config)
        .output()
        .unwrap();
    let text = [ran.stdout, ran.stderr].map(|text| String::from_utf8(text).unwrap());
    (text.concat(), ran.status.code())
}

#[test]
fn check_states_what_survives_a_crash_and_a_server_that_is_gone_is_a_warning() {
    let Some(mut server) = nats::server() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let config = configure(folder.path(), &server.url());
    let (before, exit) = portcullis(&["check"], &config);
    assert_eq!(exit, Some(0), "{before}");
    drop(Serving::start(&config));
    let text = fs::read_to_string(&config).unwrap();
    let monitored = format!("[state]\nmonitor = \"{}\"", server.monitor());
    fs::write(&config, text.replace("[state]", &monitored)).unwrap();
    let (stated, exit) = portcullis(&["check"], &config);
    assert_eq!(exit, Some(0), "{stated}");
    assert!(stated.contains("`sync_interval` is 2 min"), "{stated}");
    server.kill();
    let (gone, exit) = portcullis(&["check"], &config);
    assert_eq!(exit, Some(0), "{gone}");
    assert!(
        gone.contains("warning: cannot use the state in nats://"),
        "{gone}"
    );
    let started = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
            "--config",
        ])
        .arg(&config)
        .output()
        .unwrap();
    assert_eq!(started.status.code(), Some(3));
    let said = String::from_utf8(started.stderr).unwrap();
    assert!(said.contains("cannot connect"), "{said}");
}

#[test]
fn a_bucket_in_place_of_the_recorded_one_denies_until_it_is_accepted() {
    let Some(mut server) = nats::server() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let config = configure(folder.path(), &server.url());
    let intents = folder.path().join("intents/int-1.json");
    fs::write(intents, intent(Timestamp::now())).unwrap();
    let cause = |serving: &Serving| {
        let decision = ask(&serving.address).unwrap();
        match decision["decision"] == true {
            true => "permitted".to_owned(),
            false => decision["context"]["cause"].as_str().unwrap().to_owned(),
        }
    };
    let serving = Serving::start(&config);
    for _ in 0..3 {
        assert_eq!(cause(&serving), "permitted");
    }
    drop(serving);
    let again = Serving::start(&config);
    assert_eq!(cause(&again), "permitted", "the same bucket");
    drop(again);
    server.kill();
    fs::remove_dir_all(server.store()).unwrap();
    server.start();
    let other = Serving::start(&config);
    assert_eq!(cause(&other), "state-unavailable");
    drop(other);
    let (checked, _) = portcullis(&["check"], &config);
    assert!(checked.contains("state accept state"), "{checked}");
    let accept = [
        "state",
        "accept",
        "state",
        "--by",
        "alice",
        "--reason",
        "new server",
    ];
    let (accepted, exit) = portcullis(&accept, &config);
    assert_eq!(exit, Some(0), "{accepted}");
    let accepted = Serving::start(&config);
    assert_eq!(cause(&accepted), "permitted");
}

#[test]
fn keys_of_a_shared_state_are_checked() {
    let Some(server) = nats::server() else { return };
    let folder = tempfile::tempdir().unwrap();
    let config = configure(folder.path(), &server.url());
    let text = fs::read_to_string(&config).unwrap();
    for (line, why) in [
        (
            "path = \"state.redb\"",
            "either in a file (`path`) or shared (`nats`)",
        ),
        (
            "tls = { certificate = \"a.pem\" }",
            "write both `certificate` and `key`",
        ),
        (
            "revocations = \"both\"",
            "`revocations` is `publish` or `follow`",
        ),
        ("revocations = \"follow\"", "add `[revocation]`"),
        ("replicas = 0", "replicas"),
        ("timeout = \"1h\"", "timeout"),
        ("cluster = \"a\"", "cluster"),
    ] {
        fs::write(
            &config,
            text.replace("[state]", &format!("[state]\n{line}")),
        )
        .unwrap();
        let (said, exit) = portcullis(&["check"], &config);
        assert_eq!(exit, Some(3), "{line}: {said}");
        assert!(said.contains(why), "{line}: {said}");
    }
    fs::write(&config, text.replace("\"fleet\"", "\"a.b\"")).unwrap();
    let (said, exit) = portcullis(&["check"], &config);
    assert_eq!(exit, Some(3));
    assert!(said.contains("letters, digits"), "{said}");
}
