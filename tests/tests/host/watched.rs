//! Files that change while a host runs: the host reads them, and no decision does.

use portcullis_host::config::check;
use portcullis_host::log::{self, DecisionLog, Event, LogOptions};
use portcullis_host::revocation::{self, Revocable, Revoked};
use portcullis_host::{
    Cause, FollowedRegistry, Integration, Intent, Intents, ListAsOf, Pdp, PdpBuilder, Principal,
    PrincipalKind, Request, RequestLimits, Resource, Revocations, Timestamp,
};
use portcullis_tests::guests;
use serde_json::json;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const AGENT: &str = "spiffe://acme.example/a";
const HOUR: Duration = Duration::from_secs(3600);

/// A folder with a registry, a folder of intents and a revocation list.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(TempDir::new().unwrap());
        files.write("registry.toml", identity(AGENT));
        fs::create_dir(files.at("intents")).unwrap();
        files.write("intents/int-1.json", intent("int-1"));
        revocation::append(&files.at("revocations.jsonl"), None, Timestamp::now()).unwrap();
        files
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: impl ToString) {
        let beside = self.at("beside");
        fs::write(&beside, text.to_string()).unwrap();
        fs::rename(beside, self.at(name)).unwrap();
    }

    fn builder(&self) -> PdpBuilder {
        let (registry, problems) = FollowedRegistry::follow(&self.at("registry.toml"));
        assert!(problems.is_empty(), "{problems:?}");
        let intents = Intents::default();
        let refused = intents.follow_folder(&self.at("intents")).unwrap();
        assert!(refused.is_empty(), "{refused:?}");
        let plugin = guests::hostile(json!({ "behaviour": "permit" }), guests::patient());
        Pdp::builder()
            .integration(Integration::new("x").plugin(plugin))
            .registry(registry)
            .intents(intents, [PrincipalKind::Agent])
            .revocations(Revocations::follow(&self.at("revocations.jsonl"), HOUR).unwrap())
    }

    fn revoke(&self, id: &str) {
        let revoked = Revoked {
            kind: Revocable::Credential,
            id: id.into(),
            reason: "it leaked".into(),
            by: "alice@acme.example".into(),
        };
        let list = self.at("revocations.jsonl");
        revocation::append(&list, Some(revoked), Timestamp::now()).unwrap();
    }
}

fn identity(id: &str) -> String {
    format!(
        "[[identity]]\nid = \"{id}\"\nkind = \"agent\"\nowner = \"team@acme.example\"\npurpose = \"p\"\nenvironment = \"prod\"\nexpires = 2099-01-01T00:00:00Z\nmax-credential-lifetime = \"15m\"\nintegrations = [\"x\"]\n"
    )
}

fn intent(id: &str) -> String {
    json!({
        "id": id, "purpose": "p", "principal": AGENT,
        "approved-by": { "who": "alice@acme.example", "at": "2026-01-01T00:00:00Z" },
        "issued-at": "2026-01-01T00:00:00Z", "expires-at": "2099-01-01T00:00:00Z",
        "allows": [{ "integration": "x", "action": "a", "resource": "r", "arguments": {} }],
    })
    .to_string()
}

fn request(intent: &str, credential: &str) -> Request {
    let now = Timestamp::now();
    let principal = Principal {
        id: AGENT.into(),
        credential_id: credential.into(),
        credential_issued_at: Some(now),
        credential_expires_at: Some(now.plus(Duration::from_secs(60))),
        ..Principal::default()
    };
    let resource = Resource {
        id: "r".into(),
        ..Resource::default()
    };
    Request::builder("x", principal, "a", resource)
        .intent(Intent {
            id: intent.into(),
            ..Intent::default()
        })
        .build(&RequestLimits::default())
        .unwrap()
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let given_up = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < given_up, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_host_sees_changed_files_by_itself() {
    let files = Files::new();
    let often = Duration::from_millis(2);
    let pdp = files.builder().poll_interval(often).build().unwrap();
    let cause = |intent: &str, jti: &str| pdp.evaluate(&request(intent, jti)).cause();
    assert_eq!(cause("int-1", "jti-1"), Cause::Permitted);

    files.revoke("jti-2");
    until("a revocation", || cause("int-1", "jti-2") == Cause::Revoked);
    assert_eq!(cause("int-1", "jti-1"), Cause::Permitted);

    assert_eq!(cause("int-2", "jti-1"), Cause::IntentUnknown);
    files.write("intents/int-2.json", intent("int-2"));
    until("an intent", || cause("int-2", "jti-1") == Cause::Permitted);
    fs::remove_file(files.at("intents/int-1.json")).unwrap();
    until("its end", || {
        cause("int-1", "jti-1") == Cause::IntentUnknown
    });

    files.write("registry.toml", identity("spiffe://acme.example/b"));
    let unregistered = || cause("int-2", "jti-1") == Cause::PrincipalUnregistered;
    until("a registration that ends", unregistered);
    files.write("registry.toml", identity(AGENT));
    until("a registration", || {
        cause("int-2", "jti-1") == Cause::Permitted
    });

    // Two files at once, one of them truncated.
    fs::write(files.at("revocations.jsonl"), "").unwrap();
    files.write("registry.toml", "not toml");
    until("both", || pdp.file_problems().len() == 2);
    assert_ne!(cause("int-2", "jti-1"), Cause::Permitted);
}

#[test]
fn no_decision_reads_a_file() {
    let files = Files::new();
    // The watcher never takes its turn.
    let pdp = files.builder().poll_interval(HOUR).build().unwrap();
    let cause = || pdp.evaluate(&request("int-1", "jti-1")).cause();
    let file = |name: &str| fs::remove_file(files.at(name)).unwrap();
    ["registry.toml", "intents/int-1.json", "revocations.jsonl"]
        .into_iter()
        .for_each(file);
    fs::create_dir(files.at("registry.toml")).unwrap();
    for _ in 0..3 {
        assert_eq!(cause(), Cause::Permitted);
    }
    assert_eq!(pdp.file_problems(), []);
    pdp.refresh();
    assert_eq!(cause(), Cause::PrincipalUnregistered);
    let problems = pdp.file_problems();
    assert_eq!(problems.len(), 1, "an empty folder is valid: {problems:?}");
    fs::remove_dir(files.at("registry.toml")).unwrap();
    files.write("registry.toml", identity(AGENT));
    pdp.refresh();
    assert_eq!(cause(), Cause::RevocationStale);
}

#[test]
fn an_added_intent_that_denies_in_vain_is_reported() {
    let files = Files::new();
    let pdp = files.builder().poll_interval(HOUR).build().unwrap();
    let denies = |integration: &str| {
        let mut json: serde_json::Value = serde_json::from_str(&intent("int-2")).unwrap();
        json["denies"] = json!([{ "integration": integration, "action": "*", "resource": "**" }]);
        json
    };
    files.write("intents/int-2.json", denies("x"));
    pdp.refresh();
    assert_eq!(pdp.file_problems(), []);
    files.write("intents/int-2.json", denies("X"));
    pdp.refresh();
    let problems = pdp.file_problems();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].message.contains("int-2"), "{problems:?}");
}

#[test]
fn a_fifo_in_the_place_of_a_file_keeps_neither_decisions_nor_other_files() {
    let files = Files::new();
    let often = Duration::from_millis(2);
    let pdp = files.builder().poll_interval(often).build().unwrap();
    let cause = |intent: &str| pdp.evaluate(&request(intent, "jti-1")).cause();
    fs::remove_file(files.at("registry.toml")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(files.at("registry.toml"))
        .status();
    assert!(made.unwrap().success());
    files.write("intents/int-2.json", intent("int-2"));
    let unregistered = || cause("int-1") == Cause::PrincipalUnregistered;
    until("the registry is unusable", unregistered);
    until("the other file", || {
        pdp.intents().unwrap().chain("int-2").is_some()
    });
    let problems = pdp.file_problems();
    assert!(problems[0].message.contains("it is a fifo"), "{problems:?}");
}

#[test]
fn a_denial_for_an_invalid_registry_is_decided_the_same_again() {
    let files = Files::new();
    let pdp = files.builder().poll_interval(HOUR).build().unwrap();
    let request = request("int-1", "jti-1");
    let now = Timestamp::now();
    let permitted = pdp.evaluate_at(&request, now);
    assert_eq!(permitted.cause(), Cause::Permitted);
    files.write("registry.toml", "[[identity]]");
    pdp.refresh();
    let denied = pdp.evaluate_at(&request, now);
    assert_eq!(denied.cause(), Cause::PrincipalUnregistered);
    assert!(
        denied.detail().contains("registry.toml"),
        "{}",
        denied.detail()
    );
    assert!(pdp.registry().unwrap().get(AGENT).is_some(), "for reports");
    files.write("registry.toml", identity(AGENT));
    pdp.refresh();
    for decision in [permitted, denied] {
        let again = pdp.evaluate_again(&request, now, decision.inputs(), ListAsOf::Then);
        assert_eq!(again.cause(), decision.cause());
        assert_eq!(again.detail(), decision.detail());
    }
}

#[test]
fn an_intent_that_is_added_to_the_folder_is_on_record() {
    let files = Files::new();
    let path = files.at("decisions.jsonl");
    let log = DecisionLog::open(LogOptions::new(&path)).unwrap();
    let pdp = files
        .builder()
        .poll_interval(HOUR)
        .log(log)
        .build()
        .unwrap();
    files.write("intents/int-2.json", intent("int-2"));
    pdp.refresh();
    pdp.refresh();
    drop(pdp);
    let mut issued = Vec::new();
    log::read(&path, |_, _, _, entry| {
        if let Event::Issuance(one) = entry.event {
            issued.push(one.intent);
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(issued, ["int-1", "int-2"]);
}

#[test]
fn a_dry_run_sees_the_files_as_they_are_when_it_is_read() {
    let files = Files::new();
    let component = guests::component("tests/guests/hostile").unwrap();
    fs::write(files.at("hostile.wasm"), component).unwrap();
    files.write(
        "portcullis.toml",
        "limits = { deadline = \"5s\" }\nregistry = { path = \"registry.toml\" }\nintents = { path = \"intents\" }\nrevocation = { path = \"revocations.jsonl\", max-staleness = \"1h\" }\n[[integration]]\nname = \"x\"\n[[integration.plugin]]\ncomponent = \"hostile.wasm\"\nsettings = { behaviour = \"permit\" }\n",
    );
    let check = || {
        let checked = check(&files.at("portcullis.toml"));
        checked
            .pdp
            .unwrap_or_else(|| panic!("{:?}", checked.problems))
    };
    let cause = |pdp: &Pdp, intent: &str| {
        let request = request(intent, "jti-1");
        pdp.evaluate_at(&request, Timestamp::now()).cause()
    };
    let before = check();
    files.write("intents/int-2.json", intent("int-2"));
    files.revoke("jti-1");
    assert_eq!(cause(&check(), "int-2"), Cause::Revoked);
    assert_eq!(cause(&before, "int-1"), Cause::Permitted);
    assert_eq!(cause(&before, "int-2"), Cause::IntentUnknown);
    before.refresh();
    assert_eq!(cause(&before, "int-2"), Cause::Revoked);
}
