//! A host that follows its configuration: what a reload changes, what it keeps, and what a wrong file does.

use portcullis_host::log::{self, Configured, Event};
use portcullis_host::revocation::{Revocable, Revoked, append};
use portcullis_host::{Live, Principal, Request, RequestLimits, Resource, Timestamp};
use portcullis_tests::{guests, memory, raw};
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PRINCIPAL: &str = "spiffe://acme.example/agent/fixer";

const REGISTRY: &str = r#"
[[identity]]
id = "spiffe://acme.example/agent/fixer"
kind = "agent"
owner = "team-a@acme.example"
purpose = "read files"
environment = "dev"
expires = 2099-01-01T00:00:00Z
max-credential-lifetime = "15m"
integrations = ["files"]
"#;

/// A folder with a configuration for the integration `files`.
struct Host {
    folder: TempDir,
}

impl Host {
    /// A host with these further sections, whose plugin permits the tool `read`.
    fn new(sections: &str) -> Self {
        let host = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let component = guests::plugin("mcp-tools").unwrap();
        fs::write(host.path("mcp-tools.wasm"), component).unwrap();
        host.configure(sections, "read");
        host
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        // As an editor does: the file is never half written.
        let beside = self.path("beside");
        fs::write(&beside, text).unwrap();
        fs::rename(beside, self.path(name)).unwrap();
    }

    fn configure(&self, sections: &str, tool: &str) {
        self.write("portcullis.toml", &configuration(sections, tool));
    }

    fn live(&self) -> Live {
        match Live::from_file(self.path("portcullis.toml")) {
            Ok(live) => live,
            Err(error) => panic!("{error}"),
        }
    }

    /// The configuration events of the log.
    fn configured(&self) -> Vec<Configured> {
        let mut found = Vec::new();
        log::read(&self.path("decisions.jsonl"), |_, _, _, entry| {
            if let Event::Configuration(configured) = entry.event {
                found.push(*configured);
            }
            Ok(())
        })
        .unwrap();
        found
    }

    fn decisions(&self) -> u64 {
        let mut found = 0;
        log::read(&self.path("decisions.jsonl"), |_, _, _, entry| {
            found += u64::from(matches!(entry.event, Event::Decision(_)));
            Ok(())
        })
        .unwrap();
        found
    }
}

fn configuration(sections: &str, tool: &str) -> String {
    format!(
        r#"{sections}
[engine]
compile = "in-process"

[limits]
deadline = "1s"

[[integration]]
name = "files"

[[integration.plugin]]
component = "mcp-tools.wasm"
settings = {{ tools = [{{ tool = "{tool}", only-arguments = [] }}] }}
"#
    )
}

const LOG: &str = "[log]\npath = \"decisions.jsonl\"\ndurability = \"buffered\"\n";

fn principal() -> Principal {
    Principal {
        id: PRINCIPAL.into(),
        credential_issued_at: Some(Timestamp::now()),
        credential_expires_at: Some(Timestamp::now().plus(Duration::from_secs(600))),
        ..Principal::default()
    }
}

fn request_of(principal: Principal, tool: &str) -> Request {
    let resource = Resource {
        kind: "mcp-server".into(),
        id: "files".into(),
        ..Resource::default()
    };
    let request = Request::builder("files", principal, tool, resource);
    request.build(&RequestLimits::default()).unwrap()
}

fn cause(live: &Live, tool: &str) -> String {
    let decision = live.evaluate(&request_of(principal(), tool));
    decision.cause().as_str().to_owned()
}

/// Waits until `is_so`; panics after a minute.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let given_up = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < given_up, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_changed_setting_takes_effect_by_itself_and_the_log_names_both_configurations() {
    let host = Host::new(LOG);
    let live = host.live();
    assert_eq!(cause(&live, "read"), "permitted");
    let before = live.status();
    host.configure(LOG, "write");
    until("the change is followed", || {
        cause(&live, "write") == "permitted"
    });
    assert_eq!(cause(&live, "read"), "not-applicable");
    let after = live.status();
    assert_eq!((before.reloads, after.reloads), (0, 1));
    assert_ne!(before.digest, after.digest);
    assert_eq!(after.refused, None);
    let events = host.configured();
    let digests: Vec<_> = events
        .iter()
        .map(|it| (it.before.clone(), Some(it.digest.clone())))
        .collect();
    assert_eq!(
        digests,
        [(None, before.digest.clone()), (before.digest, after.digest)]
    );
    let settings = |event: &Configured| event.plugins[0].settings_digest.clone();
    assert_ne!(settings(&events[0]), settings(&events[1]));
    log::verify(&host.path("decisions.jsonl")).unwrap();
}

#[test]
fn a_component_that_is_replaced_is_loaded() {
    let host = Host::new("");
    let live = host.live();
    assert_eq!(cause(&live, "read"), "permitted");
    let text = configuration("", "read").replace(
        "settings = { tools = [{ tool = \"read\", only-arguments = [] }] }",
        "",
    );
    fs::write(host.path("other.wasm"), raw::trapping("other")).unwrap();
    host.write(
        "portcullis.toml",
        &text.replace("mcp-tools.wasm", "other.wasm"),
    );
    live.reload().unwrap();
    assert_eq!(cause(&live, "read"), "plugin-trap");
    // The same configuration, and another component in the place of the first.
    fs::write(
        host.path("next.wasm"),
        raw::named("next", b"\x01\0\0\0\0\0"),
    )
    .unwrap();
    fs::rename(host.path("next.wasm"), host.path("other.wasm")).unwrap();
    until("the component is followed", || {
        live.status().integrations[0].plugins[0].name == "next"
    });
    assert_eq!(cause(&live, "read"), "plugin-denied");
}

#[test]
fn a_wrong_file_changes_nothing_and_is_shown_until_it_is_right() {
    let host = Host::new(LOG);
    let live = host.live();
    let good = configuration(LOG, "read");
    let wrong = [
        ("no TOML", "[log\n".to_owned(), "portcullis.toml:1"),
        (
            "an unknown key",
            good.replace("[engine]", "[engine]\nspeed = 3"),
            "speed",
        ),
        (
            "a missing component",
            good.replace("mcp-tools.wasm", "gone.wasm"),
            "gone.wasm",
        ),
        (
            "wrong settings",
            good.replace("tool = \"read\"", "tool = \"^read\""),
            "settings",
        ),
        ("no integration", LOG.to_owned(), "[[integration]]"),
        (
            "a registry that is missing",
            format!("[registry]\npath = \"none.toml\"\n{good}"),
            "none.toml",
        ),
        (
            "a log that cannot be opened",
            good.replace("decisions.jsonl", "no/such.jsonl"),
            "no",
        ),
    ];
    let before = live.status();
    for (what, text, named) in wrong {
        host.write("portcullis.toml", &text);
        let error = live.reload().expect_err(what).to_string();
        assert!(error.contains(named), "{what}: {error}");
        assert_eq!(cause(&live, "read"), "permitted", "{what}");
        let status = live.status();
        let refused = status.refused.expect(what);
        assert!(
            refused.problems.join("\n").contains(named),
            "{what}: {refused:?}"
        );
        assert_eq!(
            (status.digest, status.reloads),
            (before.digest.clone(), 0),
            "{what}"
        );
        let recorded = host.configured();
        let recorded = recorded.last().unwrap();
        assert!(
            recorded.refused.join("\n").contains(named),
            "{what}: {recorded:?}"
        );
        assert_eq!(recorded.before, before.digest, "{what}");
        // The same file is refused again, and recorded once.
        live.reload().unwrap_err();
        let events = host.configured().len();
        live.reload().unwrap_err();
        assert_eq!(host.configured().len(), events, "{what}");
    }
    host.write("portcullis.toml", &good);
    assert!(!live.reload().unwrap().changed, "it is the first again");
    assert_eq!(live.status().refused, None);
}

#[test]
fn a_component_that_was_missing_is_followed() {
    let host = Host::new("");
    let live = host.live();
    let text = configuration("", "write").replace("mcp-tools.wasm", "later.wasm");
    host.write("portcullis.toml", &text);
    until("the change is refused", || live.status().refused.is_some());
    assert_eq!(cause(&live, "read"), "permitted");
    fs::copy(host.path("mcp-tools.wasm"), host.path("later.wasm")).unwrap();
    until("the component is followed", || {
        cause(&live, "write") == "permitted"
    });
    assert_eq!(live.status().refused, None);
}

#[test]
fn an_identity_that_is_removed_is_denied_without_a_restart() {
    let sections = "[registry]\npath = \"registry.toml\"\n";
    let host = Host::new("");
    host.write("registry.toml", REGISTRY);
    host.configure(sections, "read");
    let live = host.live();
    assert_eq!(cause(&live, "read"), "permitted");
    assert_eq!(live.status().registry.unwrap().identities, 1);
    host.write("registry.toml", &REGISTRY.replace("fixer", "other"));
    until("the registry is followed", || {
        cause(&live, "read") == "principal-unregistered"
    });
    // Also in another file, which only the new configuration names.
    host.write("more.toml", REGISTRY);
    host.configure(&sections.replace("registry.toml", "more.toml"), "read");
    live.reload().unwrap();
    assert_eq!(cause(&live, "read"), "permitted");
    host.write("more.toml", &REGISTRY.replace("fixer", "third"));
    until("the new file is followed", || {
        cause(&live, "read") == "principal-unregistered"
    });
}

#[test]
fn what_was_seen_and_spent_outlives_a_reload() {
    let of_instance = |instance: &str| {
        request_of(
            Principal {
                credential_id: "jti-1".into(),
                instance: instance.into(),
                ..principal()
            },
            "read",
        )
    };
    let state = "[state]\npath = \"state.redb\"\n";
    for sections in ["", state] {
        let host = Host::new(sections);
        let live = host.live();
        assert!(live.evaluate(&of_instance("pod-1")).is_permit());
        host.configure(sections, "*");
        live.reload().unwrap();
        let decision = live.evaluate(&of_instance("pod-2"));
        assert_eq!(decision.cause().as_str(), "credential-cloned", "{sections}");
    }
    let once = format!("{state}{LOG}");
    let host = Host::new(&once);
    let text = configuration(&once, "read").replace(
        "name = \"files\"\n",
        "name = \"files\"\nsingle-use-credentials = true\n",
    );
    host.write("portcullis.toml", &text);
    let live = host.live();
    assert!(live.evaluate(&of_instance("pod-1")).is_permit());
    // The options of an open state change too.
    host.write(
        "portcullis.toml",
        &text.replace("state.redb\"", "state.redb\"\nclone-window = \"1h\""),
    );
    live.reload().unwrap();
    let decision = live.evaluate(&of_instance("pod-1"));
    assert_eq!(decision.cause().as_str(), "credential-replayed");
    log::verify(&host.path("decisions.jsonl")).unwrap();
}

#[test]
fn an_imported_intent_outlives_a_reload() {
    let intent = serde_json::json!({
        "id": "int-1",
        "principal": PRINCIPAL,
        "approved-by": { "who": "alice@acme.example", "at": "2026-11-01T00:00:00Z" },
        "issued-at": "2026-11-01T00:00:00Z",
        "expires-at": "2036-01-01T00:00:00Z",
        "purpose": "read a file",
        "allows": [{
            "integration": "files", "action": "read", "resource": "files", "arguments": {}
        }],
    });
    for more in ["", "[state]\npath = \"state.redb\"\n"] {
        let sections = format!("{more}[intents]\npath = \"intents\"\n");
        let host = Host::new("");
        fs::create_dir(host.path("intents")).unwrap();
        host.configure(&sections, "read");
        let live = host.live();
        live.pdp()
            .import_intent(intent.to_string().as_bytes())
            .unwrap();
        host.configure(&sections, "*");
        live.reload().unwrap();
        assert!(
            live.pdp().intents().unwrap().chain("int-1").is_some(),
            "{more}"
        );
    }
}

#[test]
fn a_plugin_in_quarantine_stays_there_unless_it_changes() {
    let quarantine = "[quarantine]\nfaults = 2\nbackoff = \"60s\"\n";
    let host = Host::new("");
    fs::write(host.path("bad.wasm"), raw::trapping("bad")).unwrap();
    let text = configuration(quarantine, "read")
        .replace("mcp-tools.wasm", "bad.wasm")
        .replace(
            "settings = { tools = [{ tool = \"read\", only-arguments = [] }] }",
            "",
        );
    host.write("portcullis.toml", &text);
    let live = host.live();
    for _ in 0..3 {
        cause(&live, "read");
    }
    assert_eq!(live.pdp().quarantined().len(), 1);
    host.write("portcullis.toml", &format!("{text}\n# another text\n"));
    assert!(live.reload().unwrap().changed);
    assert_eq!(cause(&live, "read"), "plugin-quarantined");
    assert!(
        live.status().integrations[0].plugins[0]
            .quarantined
            .is_some()
    );
    fs::write(host.path("bad.wasm"), raw::trapping("better")).unwrap();
    live.reload().unwrap();
    assert_eq!(live.pdp().quarantined(), []);
    assert_eq!(cause(&live, "read"), "plugin-trap");
}

#[test]
fn options_of_an_open_log_change_at_a_reload() {
    let host = Host::new(LOG);
    let live = host.live();
    let with_argument = || {
        let resource = Resource {
            kind: "mcp-server".into(),
            id: "files".into(),
            ..Resource::default()
        };
        let request = Request::builder("files", principal(), "read", resource);
        let arguments = serde_json::json!({ "secret-word": "open sesame" });
        request
            .arguments(arguments)
            .build(&RequestLimits::default())
            .unwrap()
    };
    let logged = || fs::read_to_string(host.path("decisions.jsonl")).unwrap();
    drop(live.evaluate(&with_argument()));
    assert_eq!(logged().matches("open sesame").count(), 1);
    let masked = LOG.replace("\"buffered\"\n", "\"fsync\"\nmask = [\"/secret-word\"]\n");
    host.configure(&masked, "read");
    live.reload().unwrap();
    drop(live.evaluate(&with_argument()));
    assert_eq!(logged().matches("open sesame").count(), 1);
    // Another file: the first is closed, so that another host can go on with it.
    host.configure(&LOG.replace("decisions", "other"), "read");
    live.reload().unwrap();
    drop(live.evaluate(&with_argument()));
    assert!(host.path("other.jsonl").exists());
    log::verify(&host.path("decisions.jsonl")).unwrap();
    log::verify(&host.path("other.jsonl")).unwrap();
    let elsewhere = host.path("elsewhere.toml");
    fs::write(&elsewhere, configuration(LOG, "read")).unwrap();
    portcullis_host::Pdp::from_file(&elsewhere).unwrap();
}

#[test]
fn a_list_that_is_rolled_back_is_not_believed_after_a_reload() {
    let sections = "[revocation]\npath = \"revocations.jsonl\"\nmax-staleness = \"1h\"\n";
    let host = Host::new("");
    host.configure(sections, "read");
    let list = host.path("revocations.jsonl");
    append(&list, None, Timestamp::now()).unwrap();
    let early = fs::read(&list).unwrap();
    let live = host.live();
    assert_eq!(cause(&live, "read"), "permitted");
    let revoked = Revoked {
        kind: Revocable::Principal,
        id: PRINCIPAL.into(),
        by: "ops".into(),
        reason: "test".into(),
    };
    append(&list, Some(revoked), Timestamp::now()).unwrap();
    until("the list is followed", || cause(&live, "read") == "revoked");
    live.reload().unwrap();
    assert_eq!(cause(&live, "read"), "revoked");
    fs::write(&list, early).unwrap();
    live.reload().unwrap();
    assert_eq!(cause(&live, "read"), "revocation-stale");
    assert_eq!(live.unready().len(), 1);
}

/// Number of reloads under load. `PORTCULLIS_RELOADS=1000` is the long form.
fn reloads() -> u64 {
    let stated = std::env::var("PORTCULLIS_RELOADS");
    stated.map_or(50, |text| text.parse().expect("a number"))
}

fn threads() -> usize {
    fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

#[test]
fn reloads_under_load_lose_no_decision() {
    // With a cache, as on a host that is reloaded often.
    let sections = format!("{LOG}[cache]\npath = \"compiled\"\n");
    let host = Host::new(&sections);
    let live = host.live();
    let (stop, decided) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    // Both configurations permit it.
                    let decision = live.evaluate(&request_of(principal(), "read"));
                    assert!(decision.is_permit(), "{}", decision.detail());
                    decided.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let mut first = None;
        for reload in 0..reloads() {
            host.configure(&sections, ["read", "re*"][usize::from(reload % 2 == 0)]);
            live.reload().unwrap();
            if reload == reloads() / 5 {
                first = Some((threads(), memory::resident_kib()));
            }
        }
        let last = (threads(), memory::resident_kib());
        stop.store(true, Ordering::Relaxed);
        let first = first.expect("at least one reload");
        println!(
            "{} reloads: (threads, resident KiB) {first:?} -> {last:?}",
            reloads()
        );
        // Other tests of this process start and end threads too.
        assert!(last.0 <= first.0 + 8, "{first:?} -> {last:?}");
    });
    assert_eq!(host.decisions(), decided.load(Ordering::Relaxed));
    log::verify(&host.path("decisions.jsonl")).unwrap();
    // The follower may have read the last file once more.
    assert!(live.status().reloads >= reloads());
}
