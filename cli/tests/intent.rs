//! `portcullis intent`: an approval, from its draft to its end.

mod common;

use common::Folder;
use portcullis_host::Cause;
use serde_json::{Value, json};
use std::fs;

const LEAD: &str = "spiffe://acme.example/agent/lead";
const HELPER: &str = "spiffe://acme.example/agent/helper";
const ALICE: &str = "--approver=alice@acme.example=alice.json";

/// Creates a folder whose configuration accepts only intents that alice signs or the lead delegates.
fn folder() -> Folder {
    let folder = Folder::with_plugins();
    for who in ["alice", "lead"] {
        let (private, public) = (format!("{who}.pem"), format!("{who}.json"));
        let made = folder.run(&[
            "intent",
            "key",
            "--private",
            &private,
            "--public",
            &public,
            "--key-id",
            who,
        ]);
        assert_eq!(made.code, 0, "{}", made.err);
    }
    let sections = r#"
[revocation]
path = "revocations.jsonl"
max-staleness = "1h"

[intents]
path = "intents"
required-for = ["agent"]
approvers = { "alice@acme.example" = "alice.json" }
delegators = { "spiffe://acme.example/agent/lead" = "lead.json" }
access-requests = { endpoint = "https://approvals.acme.example/requests", template = "intent" }

[state]
path = "state.redb"

[log]
path = "decisions.jsonl"
"#;
    folder.configure(sections);
    fs::create_dir(folder.path().join("intents")).unwrap();
    assert_eq!(folder.run(&["revoke", "--checkpoint"]).code, 0);
    folder
}

fn request(principal: &str, path: &str, intent: Option<&Value>) -> String {
    let mut request = json!({
        "subject": { "type": "agent", "id": principal },
        "action": { "name": "read", "properties": { "path": path } },
        "resource": { "type": "mcp-server", "id": "files" },
        "context": { "integration": "files" },
    });
    if let Some(intent) = intent {
        request["context"]["intent"] = intent.clone();
    }
    request.to_string()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Drafts an intent, and signs it into the folder of intents.
fn approved(folder: &Folder, flags: &[&str], key: &str, name: &str) -> Value {
    let mut arguments = vec!["intent"];
    arguments.extend(flags);
    arguments.extend(["--output", name]);
    let drafted = folder.run(&arguments);
    assert_eq!(drafted.code, 0, "{}", drafted.err);
    let signed = format!("intents/{}", name.replace(".json", ".jwt"));
    let signing = folder.run(&[
        "intent",
        "sign",
        name,
        "--key",
        &format!("{key}.pem"),
        "--key-id",
        key,
        "--output",
        &signed,
    ]);
    assert_eq!(signing.code, 0, "{}", signing.err);
    json(&fs::read_to_string(folder.path().join(name)).unwrap())
}

#[test]
fn an_approval_goes_from_draft_to_signature_to_delegation_to_its_end() {
    let folder = folder();
    let flags = [
        "draft",
        "--principal",
        LEAD,
        "--allow",
        "files",
        "read",
        "files",
        "--required-argument",
        "/path",
        "--purpose",
        "look it up",
        "--approver",
        "alice@acme.example",
        "--for",
        "1h",
        "--max-uses",
        "10",
    ];
    let root = approved(&folder, &flags, "alice", "root.json");
    let flags = [
        "narrow",
        "intents/root.jwt",
        "--to",
        HELPER,
        "--for",
        "10m",
        "--max-uses",
        "50",
    ];
    let child = approved(&folder, &flags, "lead", "child.json");
    assert_eq!(child["max-uses"], 10, "never more than the intent");
    assert_eq!(child["approved-by"]["who"], LEAD);

    let delegator = format!("--delegator={LEAD}=lead.json");
    let shown = folder.run(&[
        "intent", "verify", "intents", ALICE, &delegator, "--format", "json",
    ]);
    assert_eq!(shown.code, 0, "{}", shown.out);
    let shown = json(&shown.out);
    assert_eq!(
        shown["intents"][1]["chain"],
        json!([root["id"], child["id"]])
    );

    let ask = |principal: &str, path: &str, intent: &Value| {
        folder
            .run_with(
                &["evaluate", "--format", "json"],
                &request(principal, path, Some(intent)),
            )
            .out
    };
    let named = json!({ "id": child["id"] });
    let config = fs::read_to_string(folder.path().join("portcullis.toml")).unwrap();
    folder.write(
        "portcullis.toml",
        config
            .replace("[state]", "# [state]")
            .replace("path = \"state.redb\"", ""),
    );
    let uncounted = folder.run(&["check"]);
    assert_eq!(uncounted.code, 3, "{}", uncounted.err);
    assert!(uncounted.err.contains("add `[state]`"), "{}", uncounted.err);
    folder.write("portcullis.toml", config);
    let permitted = json(&ask(HELPER, "/w/a", &named));
    assert_eq!(
        permitted["context"]["grant"]["remaining-uses"], 1,
        "{permitted}"
    );
    let other = json(&ask(LEAD, "/w/a", &named));
    assert_eq!(other["context"]["cause"], "intent-of-another");

    folder.write("request.json", request(HELPER, "/w/a", Some(&named)));
    let explained = |file: &str| {
        let id = child["id"].as_str().unwrap();
        folder.run(&[
            "intent",
            "explain",
            id,
            "intents",
            ALICE,
            &delegator,
            "--request",
            file,
        ])
    };
    let within = explained("request.json");
    assert_eq!(within.code, 0, "{}", within.err);
    assert!(within.out.contains("delegated as"), "{}", within.out);
    folder.write(
        "request.json",
        request(HELPER, "/w/a", Some(&named))
            .replace("\"integration\":\"files\"", "\"integration\":\"mails\""),
    );
    let outside = explained("request.json");
    assert_eq!(outside.code, 2);
    assert!(
        outside.out.contains(" no the integration is mails"),
        "{}",
        outside.out
    );

    // A part of the delegated access may be delegated further, but nothing beyond it.
    let narrow = |resource: &str| {
        folder.run(&[
            "intent",
            "narrow",
            "intents/root.jwt",
            "--to",
            HELPER,
            "--allow",
            "files",
            "read",
            resource,
        ])
    };
    assert_eq!(narrow("files").code, 0);
    let wider = narrow("**");
    assert_eq!((wider.code, wider.out.as_str()), (3, ""));
    assert!(wider.err.contains("is not narrower"), "{}", wider.err);
    let nobody = folder.run(&["intent", "narrow", "intents/root.jwt", "--to", "helper"]);
    assert_eq!(nobody.code, 3, "who acts has a SPIFFE ID");

    let closed = folder.run(&[
        "intent",
        "close",
        root["id"].as_str().unwrap(),
        "--by",
        LEAD,
    ]);
    assert_eq!(closed.code, 0, "{}", closed.err);
    let after = json(&ask(HELPER, "/w/a", &named));
    assert_eq!(
        after["context"]["cause"], "revoked",
        "its ancestor is closed"
    );
}

#[test]
fn an_intent_that_nobody_signed_who_may_is_none() {
    let folder = folder();
    let draft = |name: &str| {
        let drafted = folder.run(&[
            "intent",
            "draft",
            "--principal",
            HELPER,
            "--allow",
            "files",
            "*",
            "**",
            "--optional-argument",
            "/path",
            "--purpose",
            "p",
            "--approver",
            name,
            "--output",
            "draft.json",
        ]);
        assert_eq!(drafted.code, 0, "{}", drafted.err);
    };
    let refusal = |file: &str| {
        // The intent is not accepted, and the host starts without it.
        let checked = folder.run(&["check"]);
        assert_eq!(checked.code, 0, "{}", checked.err);
        assert!(checked.err.contains("does not count"), "{}", checked.err);
        fs::remove_file(folder.path().join(file)).unwrap();
        checked.err
    };
    let sign = |key: &str| {
        let signed = folder.run(&[
            "intent",
            "sign",
            "draft.json",
            "--key",
            &format!("{key}.pem"),
            "--output",
            "intents/x.jwt",
        ]);
        assert_eq!(signed.code, 0, "{}", signed.err);
    };
    draft("alice@acme.example");
    fs::copy(
        folder.path().join("draft.json"),
        folder.path().join("intents/x.json"),
    )
    .unwrap();
    assert!(refusal("intents/x.json").contains("is not signed"));
    sign("lead");
    assert!(refusal("intents/x.jwt").contains("signature is invalid"));
    draft("mallory@acme.example");
    sign("alice");
    assert!(refusal("intents/x.jwt").contains("not among the approvers"));
    // A delegator cannot approve an intent without a parent.
    draft(LEAD);
    sign("lead");
    assert!(refusal("intents/x.jwt").contains("not among the approvers"));
    draft("alice@acme.example");
    sign("alice");
    assert_eq!(folder.run(&["check"]).code, 0);

    let token = fs::read_to_string(folder.path().join("intents/x.jwt")).unwrap();
    let [head, claims, signature] = token.trim().split('.').collect::<Vec<_>>()[..] else {
        panic!("{token}");
    };
    let (before, after) = claims.split_at(claims.len() / 2);
    folder.write(
        "intents/x.jwt",
        format!("{head}.{before}AAAA{after}.{signature}"),
    );
    assert!(refusal("intents/x.jwt").contains("x.jwt"));

    let missing = folder.run(&["intent", "sign", "none.json", "--key", "alice.pem"]);
    assert_eq!(missing.code, 1);
    let no_key = folder.run(&["intent", "sign", "draft.json", "--key", "alice.json"]);
    assert_eq!(no_key.code, 3);
    assert!(
        no_key.err.contains("no private key in PEM"),
        "{}",
        no_key.err
    );
    let again = folder.run(&[
        "intent",
        "key",
        "--private",
        "alice.pem",
        "--public",
        "new.json",
    ]);
    assert_eq!(again.code, 1, "a key is never written over");
    assert!(!folder.path().join("new.json").exists());
}

#[test]
fn a_denial_says_how_to_ask_and_what_is_approved_is_that_and_no_more() {
    let folder = folder();
    let pdp = portcullis_host::Pdp::from_file(folder.path().join("portcullis.toml")).unwrap();
    let decide = |request: &str| {
        let decision = pdp.evaluate_authzen(request.as_bytes());
        serde_json::to_value(&decision).unwrap()
    };
    let denied = decide(&request(HELPER, "/w/a", None));
    let context = &denied["context"];
    assert_eq!(
        (&denied["decision"], &context["cause"]),
        (&json!(false), &json!("intent-missing"))
    );
    assert_eq!(
        context["access_request"]["endpoint"],
        "https://approvals.acme.example/requests"
    );
    assert!(context["access_request"]["expires_at"].is_string());
    assert_eq!(
        (
            &context["access_request"]["approvers"],
            &context["access_request"]["approval"]
        ),
        (
            &json!(["alice@acme.example"]),
            &json!({
                "integration": "files", "action": "read", "resource": "files",
                "arguments": [{ "path": "/path", "value": "/w/a", "origins": ["unknown"] }],
                "arguments_digest": portcullis_host::Digest::of(br#"{"path":"/w/a"}"#).to_string(),
            })
        )
    );
    let evaluation = context["evaluation_id"].as_str().unwrap();

    let flags = [
        "draft",
        "--evaluation",
        evaluation,
        "--log",
        "decisions.jsonl",
        "--purpose",
        "asked for",
        "--approver",
        "alice@acme.example",
    ];
    let any = folder.run(&[&["intent"], &flags[..], &["--any-arguments"]].concat());
    let any = json(&any.out)["allows"][0].clone();
    assert_eq!(
        (&any["constraints"], &any["arguments"]),
        (&json!([]), &json!("open"))
    );
    let intent = approved(&folder, &flags, "alice", "asked.json");
    let signed = fs::read(folder.path().join("intents/asked.jwt")).unwrap();
    pdp.import_intent(&signed).unwrap();
    let named = json!({ "id": intent["id"] });
    assert_eq!(
        decide(&request(HELPER, "/w/a", Some(&named)))["decision"],
        true
    );
    // The intent applies from then on: an earlier denial is still denied in a replay.
    let replayed = folder.run(&["replay", "decisions.jsonl"]);
    assert_eq!(replayed.code, 0, "{} {}", replayed.out, replayed.err);
    let more = decide(&request(HELPER, "/w/b", Some(&named)));
    assert_eq!(more["context"]["cause"], "outside-intent");
    assert!(more["context"]["evaluation_id"].is_string());
    let mut extra = json(&request(HELPER, "/w/a", Some(&named)));
    extra["action"]["properties"]["mode"] = json!("delete-all");
    let extra = decide(&extra.to_string());
    assert_eq!(
        extra["context"]["cause"], "outside-intent",
        "an argument more is another call"
    );
    let mut star = json(&request(HELPER, "/w/a", None));
    star["resource"]["id"] = json!("**");
    let star = decide(&star.to_string());
    let star = star["context"]["evaluation_id"].as_str().unwrap();
    let drafted = folder.run(&[
        "intent",
        "draft",
        "--evaluation",
        star,
        "--log",
        "decisions.jsonl",
        "--purpose",
        "p",
        "--approver",
        "alice@acme.example",
    ]);
    assert_eq!((drafted.code, drafted.out.as_str()), (3, ""));
    assert!(drafted.err.contains("pattern"), "{}", drafted.err);

    // A request can also carry it, and then no folder is needed.
    let token = String::from_utf8(signed).unwrap();
    let carried = json!({ "id": intent["id"], "documents": [token.trim()] });
    assert_eq!(
        decide(&request(HELPER, "/w/a", Some(&carried)))["decision"],
        true
    );
    let other = json!({ "id": "int-other", "documents": [token.trim()] });
    let other = decide(&request(HELPER, "/w/a", Some(&other)));
    assert_eq!(other["context"]["cause"], "intent-invalid");
    let unsigned = fs::read_to_string(folder.path().join("asked.json")).unwrap();
    let unsigned = json!({ "id": intent["id"], "documents": [unsigned] });
    let unsigned = decide(&request(HELPER, "/w/a", Some(&unsigned)));
    assert_eq!(unsigned["context"]["cause"], "intent-invalid");

    let unknown = folder.run(&[
        "intent",
        "draft",
        "--evaluation",
        "eval-0",
        "--log",
        "decisions.jsonl",
        "--purpose",
        "p",
        "--approver",
        "alice@acme.example",
    ]);
    assert_eq!(unknown.code, 3);
    assert!(unknown.err.contains("eval-0"), "{}", unknown.err);
}

#[test]
fn what_was_named_before_it_was_approved_is_unknown_in_a_replay() {
    let folder = folder();
    let pdp = portcullis_host::Pdp::from_file(folder.path().join("portcullis.toml")).unwrap();
    let drafted = folder.run(&[
        "intent",
        "draft",
        "--principal",
        HELPER,
        "--allow",
        "files",
        "read",
        "files",
        "--required-argument",
        "/path",
        "--purpose",
        "p",
        "--approver",
        "alice@acme.example",
        "--output",
        "int.json",
    ]);
    assert_eq!(drafted.code, 0, "{}", drafted.err);
    let intent = json(&fs::read_to_string(folder.path().join("int.json")).unwrap());
    let named = request(HELPER, "/w/a", Some(&json!({ "id": intent["id"] })));
    let cause = || pdp.evaluate_authzen(named.as_bytes()).cause();
    assert_eq!(cause(), Cause::IntentUnknown);
    let key = fs::read(folder.path().join("alice.pem")).unwrap();
    let signed = portcullis_host::sign(intent.to_string().as_bytes(), &key, Some("alice"), None);
    pdp.import_intent(signed.unwrap().as_bytes()).unwrap();
    assert_eq!(cause(), Cause::Permitted);
    drop(pdp);
    let replayed = folder.run(&["replay", "decisions.jsonl"]);
    assert_eq!(replayed.code, 0, "{} {}", replayed.out, replayed.err);
    assert!(replayed.err.contains("0 different"), "{}", replayed.err);
}

#[test]
fn what_is_taken_up_says_which_arguments_there_may_be_and_is_not_from_the_future() {
    let folder = folder();
    let pdp = portcullis_host::Pdp::from_file(folder.path().join("portcullis.toml")).unwrap();
    let key = fs::read(folder.path().join("alice.pem")).unwrap();
    let now = portcullis_host::Timestamp::from_millis(
        portcullis_host::Timestamp::now().as_millis() / 1000 * 1000,
    );
    let later = |seconds| now.plus(std::time::Duration::from_secs(seconds));
    let take_up = |id: &str, at: portcullis_host::Timestamp, arguments: Option<Value>| {
        let mut intent = json!({
            "id": id, "purpose": "p", "principal": HELPER,
            "approved-by": { "who": "alice@acme.example", "at": at },
            "issued-at": now, "expires-at": later(3600),
            "allows": [{ "integration": "files", "action": "read", "resource": "files" }],
        });
        if let Some(arguments) = arguments {
            intent["allows"][0]["arguments"] = arguments;
        }
        let signed =
            portcullis_host::sign(intent.to_string().as_bytes(), &key, Some("alice"), None);
        let taken = pdp.import_intent(signed.unwrap().as_bytes());
        taken.map(|_| ()).map_err(|error| error.to_string())
    };
    let unsaid = take_up("int-1", now, None).unwrap_err();
    assert!(
        unsaid.contains("\"arguments\": {\"required\":[]}"),
        "{unsaid}"
    );
    let future = take_up("int-2", later(60), Some(json!({ "required": ["/path"] }))).unwrap_err();
    assert!(future.contains("in the future"), "{future}");
    for (id, arguments) in [
        ("int-3", json!({ "required": ["/path"] })),
        ("int-4", json!("open")),
    ] {
        assert_eq!(take_up(id, now, Some(arguments)), Ok(()));
    }
    assert_eq!(
        pdp.intents().unwrap().len(),
        2,
        "what is refused does not count"
    );
}

#[test]
fn what_is_only_observed_spends_nothing_that_is_enforced() {
    let folder = folder();
    let config = fs::read_to_string(folder.path().join("portcullis.toml")).unwrap();
    let observed = config.replace("name = \"files\"", "name = \"files\"\nmode = \"observe\"");
    let flags = [
        "draft",
        "--principal",
        HELPER,
        "--allow",
        "files",
        "read",
        "files",
        "--required-argument",
        "/path",
        "--purpose",
        "p",
        "--approver",
        "alice@acme.example",
        "--max-uses",
        "1",
    ];
    let intent = approved(&folder, &flags, "alice", "once.json");
    let named = request(HELPER, "/w/a", Some(&json!({ "id": intent["id"] })));
    let causes = |config: &str| {
        folder.write("portcullis.toml", config);
        let pdp = portcullis_host::Pdp::from_file(folder.path().join("portcullis.toml")).unwrap();
        [(); 2].map(|()| pdp.evaluate_authzen(named.as_bytes()).cause())
    };
    let once = [Cause::Permitted, Cause::IntentUsedUp];
    assert_eq!(causes(&observed), once, "as it would be enforced");
    assert_eq!(causes(&config), once, "and it is");
}

#[test]
fn what_was_taken_up_and_does_not_count_any_more_is_noticed() {
    let folder = folder();
    let file = folder.path().join("portcullis.toml");
    let flags = [
        "draft",
        "--principal",
        HELPER,
        "--allow",
        "files",
        "read",
        "files",
        "--required-argument",
        "/path",
        "--purpose",
        "p",
        "--approver",
        "alice@acme.example",
    ];
    let intent = approved(&folder, &flags, "alice", "kept.json");
    let id = intent["id"].as_str().unwrap();
    let signed = folder.path().join("intents/kept.jwt");
    let token = fs::read(&signed).unwrap();
    fs::remove_file(signed).unwrap();
    let pdp = portcullis_host::Pdp::from_file(&file).unwrap();
    pdp.import_intent(&token).unwrap();
    drop(pdp);
    let noticed = || {
        let pdp = portcullis_host::Pdp::from_file(&file).unwrap();
        let notices: Vec<_> = pdp.notices().iter().map(ToString::to_string).collect();
        let known = pdp.intents().unwrap().chain(id).is_some();
        (
            known,
            notices
                .iter()
                .any(|it| it.contains(id) && it.contains("is no longer valid")),
        )
    };
    assert_eq!(noticed(), (true, false));
    for file in ["alice.pem", "alice.json"] {
        fs::remove_file(folder.path().join(file)).unwrap();
    }
    let key = ["--private", "alice.pem", "--public", "alice.json"];
    let another = folder.run(&[&["intent", "key", "--key-id", "alice"], &key[..]].concat());
    assert_eq!(another.code, 0, "{}", another.err);
    assert_eq!(noticed(), (false, true));
}

#[test]
fn an_exception_that_a_request_carries_is_counted() {
    let folder = folder();
    let now = portcullis_host::Timestamp::from_millis(
        portcullis_host::Timestamp::now().as_millis() / 1000 * 1000,
    );
    let intent = json!({
        "id": "int-carried", "purpose": "p", "principal": HELPER,
        "approved-by": { "who": "alice@acme.example", "at": now },
        "issued-at": now, "expires-at": now.plus(std::time::Duration::from_secs(3600)),
        "allows": [{
            "integration": "files", "action": "read", "resource": "files",
            "arguments": { "required": ["/path"] },
        }],
        "exception": { "owner": "bob@acme.example", "waives": ["environment", "destination"] },
    });
    let key = fs::read(folder.path().join("alice.pem")).unwrap();
    let signed = portcullis_host::sign(intent.to_string().as_bytes(), &key, Some("alice"), None);
    let carried = json!({ "id": "int-carried", "documents": [signed.unwrap()] });
    let pdp = portcullis_host::Pdp::from_file(folder.path().join("portcullis.toml")).unwrap();
    let request = request(HELPER, "/w/a", Some(&carried));
    for _ in 0..2 {
        assert!(pdp.evaluate_authzen(request.as_bytes()).is_permit());
    }
    drop(pdp);
    let report = [
        "posture",
        "report",
        "--log",
        "decisions.jsonl",
        "--format",
        "json",
    ];
    let report = folder.run(&report);
    assert_eq!(report.code, 0, "{}", report.err);
    let report = json(&report.out);
    let exceptions = report.pointer("/inventory/exceptions").unwrap();
    assert_eq!(exceptions.as_array().unwrap().len(), 1, "{exceptions}");
    assert_eq!(
        (
            &exceptions[0]["of"],
            &exceptions[0]["owner"],
            &exceptions[0]["waives"]
        ),
        (
            &json!("int-carried"),
            &json!("bob@acme.example"),
            &json!(["environment", "destination"])
        )
    );
}

/// Returns an approved intent, the signed chain with a delegated one, and a request that carries both.
fn carried(folder: &Folder) -> (Value, [String; 2], String) {
    let flags = [
        "draft",
        "--principal",
        LEAD,
        "--allow",
        "files",
        "read",
        "files",
        "--required-argument",
        "/path",
        "--purpose",
        "look it up",
        "--approver",
        "alice@acme.example",
    ];
    let root = approved(folder, &flags, "alice", "root.json");
    let flags = ["narrow", "intents/root.jwt", "--to", HELPER, "--for", "10m"];
    let child = approved(folder, &flags, "lead", "child.json");
    let documents = ["root", "child"].map(|name| {
        let file = folder.path().join(format!("intents/{name}.jwt"));
        fs::read_to_string(file).unwrap().trim().to_owned()
    });
    let carried = json!({ "id": child["id"], "documents": documents });
    (root, documents, request(HELPER, "/w/a", Some(&carried)))
}

#[test]
fn what_a_request_carries_is_recorded_as_a_digest_and_ends_with_what_it_hangs_on() {
    let folder = folder();
    let (root, documents, request) = carried(&folder);
    let pdp = portcullis_host::Pdp::from_file(folder.path().join("portcullis.toml")).unwrap();
    assert!(pdp.evaluate_authzen(request.as_bytes()).is_permit());
    drop(pdp);

    let log = fs::read_to_string(folder.path().join("decisions.jsonl")).unwrap();
    for document in &documents {
        let digest = portcullis_host::Digest::of(document.as_bytes()).to_string();
        assert!(!log.contains(document) && log.contains(&digest), "{log}");
    }
    let replayed = folder.run(&["replay", "decisions.jsonl"]);
    assert_eq!(replayed.code, 0, "{}", replayed.out);
    assert!(
        replayed.err.contains("0 different") && replayed.err.contains("1 not decided again"),
        "{}",
        replayed.err
    );
    let id = root["id"].as_str().unwrap();
    let revoked = ["revoke", "intent", id, "--reason", "over", "--by", "alice"];
    assert_eq!(folder.run(&revoked).code, 0);
    let verify = ["revoke", "verify", "--log", "decisions.jsonl", "--format"];
    let verified = folder.run(&[&verify[..], &["json"]].concat());
    let verified = &json(&verified.out)[0];
    assert_eq!(
        (
            &verified["permits"],
            &verified["denied"],
            &verified["denied-otherwise"]
        ),
        (&json!(1), &json!(1), &json!(0))
    );
}

#[test]
fn what_was_carried_before_ends_at_once_with_what_it_hangs_on() {
    let folder = folder();
    let (root, _, request) = carried(&folder);
    let pdp = portcullis_host::Pdp::from_file(folder.path().join("portcullis.toml")).unwrap();
    let cause = || pdp.evaluate_authzen(request.as_bytes()).cause();
    assert_eq!([cause(), cause()], [Cause::Permitted; 2]);
    let id = root["id"].as_str().unwrap();
    let revoked = ["revoke", "intent", id, "--reason", "over", "--by", "alice"];
    assert_eq!(folder.run(&revoked).code, 0);
    pdp.revocations().unwrap().refresh();
    assert_eq!(cause(), Cause::Revoked);
}

#[test]
fn an_intent_is_narrowed_to_what_was_used_of_it() {
    let folder = folder();
    let flags = [
        "draft",
        "--principal",
        LEAD,
        "--allow",
        "files",
        "*",
        "**",
        "--allow",
        "mails",
        "*",
        "**",
        "--required-argument",
        "/path",
        "--purpose",
        "anything",
        "--approver",
        "alice@acme.example",
    ];
    let wide = approved(&folder, &flags, "alice", "wide.json");
    let narrow = || {
        folder.run(&[
            "intent",
            "narrow",
            "intents/wide.jwt",
            "--log",
            "decisions.jsonl",
        ])
    };
    {
        let pdp = portcullis_host::Pdp::from_file(folder.path().join("portcullis.toml")).unwrap();
        let unused = narrow();
        assert_eq!(unused.code, 3);
        assert!(unused.err.contains("close it"), "{}", unused.err);
        let named = json!({ "id": wide["id"] });
        for _ in 0..2 {
            let request = request(LEAD, "/w/a", Some(&named));
            assert!(pdp.evaluate_authzen(request.as_bytes()).is_permit());
        }
    }
    let whole = narrow();
    assert_eq!(whole.code, 0, "{}", whole.err);
    let narrowed = json(&whole.out);
    assert_eq!(
        narrowed["allows"],
        json!([{
            "integration": "files", "action": "read", "resource": "files",
            "arguments": { "required": ["/path"], "optional": [] },
        }])
    );
    assert_ne!(narrowed["id"], wide["id"]);
    assert!(whole.err.contains("intent close"), "{}", whole.err);

    // An allowance with a maximum of uses is not split, because each part would count separately.
    let mut counted = json(&fs::read_to_string(folder.path().join("wide.json")).unwrap());
    counted["allows"][0]["max-uses"] = json!(9);
    folder.write("wide.json", counted.to_string());
    let unused = folder.run(&["intent", "narrow", "wide.json", "--log", "decisions.jsonl"]);
    assert_eq!(unused.code, 3, "it is another intent, which nobody used");
}

#[test]
fn shows_what_was_approved_and_refuses_what_goes_beyond_it() {
    let folder = Folder::new();
    let intent = |id: &str, principal: &str, by: &str, action: &str| {
        json!({
            "id": id, "purpose": "p", "principal": principal,
            "approved-by": { "who": by, "at": "2026-11-22T09:00:00Z" },
            "issued-at": "2026-11-22T09:00:00Z", "expires-at": "2026-11-22T10:00:00Z",
            "allows": [{ "integration": "github", "action": action, "resource": "acme/*" }],
        })
    };
    folder.write(
        "intents/root.json",
        intent("int-1", "spiffe://a.example/a", "alice", "issues.*").to_string(),
    );
    let verify = || -> (i32, Value) {
        let ran = folder.run(&["intent", "verify", "intents", "--format", "json"]);
        (ran.code, json(&ran.out))
    };
    let (code, shown) = verify();
    assert_eq!(code, 0);
    let digest = shown["intents"][0]["digest"].clone();

    let mut child = intent(
        "int-2",
        "spiffe://a.example/b",
        "spiffe://a.example/a",
        "issues.create",
    );
    child["parent"] = json!({ "id": "int-1", "digest": digest });
    folder.write("intents/child.json", child.to_string());
    let (code, shown) = verify();
    assert_eq!(code, 0);
    assert_eq!(shown["intents"][1]["chain"], json!(["int-1", "int-2"]));

    child["id"] = json!("int-3");
    child["allows"][0]["action"] = json!("*");
    folder.write("intents/wider.json", child.to_string());
    let ran = folder.run(&["intent", "verify", "intents"]);
    assert_eq!(ran.code, 3);
    assert!(
        ran.err.contains("wider.json") && ran.err.contains("goes beyond its parent"),
        "{}",
        ran.err
    );
    assert!(
        ran.out.contains("int-2 for spiffe://a.example/b"),
        "{}",
        ran.out
    );
    assert_eq!(folder.run(&["intent", "verify", "none"]).code, 1);
}

#[test]
fn a_draft_from_a_denial_leaves_out_headers_that_differ_in_each_call() {
    let folder = folder();
    let pdp = portcullis_host::Pdp::from_file(folder.path().join("portcullis.toml")).unwrap();
    let call = |trace: &str, accept: &str, intent: Option<&Value>| {
        let mut call = json(&request(HELPER, "/w/a", intent));
        call["action"]["properties"]["headers"] = json!({
            "accept": accept, "traceparent": trace, "Date": trace, "authorization": format!("Bearer {trace}"),
        });
        let decision = pdp.evaluate_authzen(call.to_string().as_bytes());
        serde_json::to_value(&decision).unwrap()
    };
    let denied = call("one", "text/html", None);
    let evaluation = denied["context"]["evaluation_id"].as_str().unwrap();
    let flags = [
        "draft",
        "--evaluation",
        evaluation,
        "--log",
        "decisions.jsonl",
        "--purpose",
        "asked for",
        "--approver",
        "alice@acme.example",
    ];
    let drafted = folder.run(&[&["intent"], &flags[..]].concat());
    assert_eq!(drafted.code, 0, "{}", drafted.err);
    assert_eq!(
        drafted.err,
        "these headers differ in each call, so they may have any value, or be missing: `/headers/Date`, `/headers/authorization`, `/headers/traceparent`\n"
    );
    let allowance = json(&drafted.out)["allows"][0].clone();
    assert_eq!(
        allowance["arguments"],
        json!({
            "required": ["/headers/accept", "/path"],
            "optional": ["/headers/Date", "/headers/authorization", "/headers/traceparent"],
        })
    );
    let intent = approved(&folder, &flags, "alice", "asked.json");
    pdp.import_intent(&fs::read(folder.path().join("intents/asked.jwt")).unwrap())
        .unwrap();
    let named = json!({ "id": intent["id"] });
    let cause = |decision: Value| decision["context"]["cause"].clone();
    assert_eq!(cause(call("two", "text/html", Some(&named))), "permitted");
    assert_eq!(
        cause(call("two", "text/plain", Some(&named))),
        "outside-intent"
    );
}

#[test]
fn an_intent_is_explained_for_every_format_of_a_request() {
    let folder = Folder::new();
    let intent = json!({
        "id": "int-1", "purpose": "p", "principal": HELPER,
        "approved-by": { "who": "alice@acme.example", "at": "2026-01-01T00:00:00Z" },
        "issued-at": "2026-01-01T00:00:00Z", "expires-at": "2099-01-01T00:00:00Z",
        "allows": [{ "integration": "files", "action": "read", "resource": "files", "arguments": { "required": ["/path"] } }],
    });
    folder.write("intents/int-1.json", intent.to_string());
    let named = json!({ "id": "int-1" });
    folder.write("authzen.json", request(HELPER, "/w/a", Some(&named)));
    let call = json!({
        "integration": "files", "principal": { "id": HELPER, "kind": "agent" }, "intent": named,
        "message": {
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": "read", "arguments": { "path": "/w/a" } },
        },
    });
    folder.write("mcp.json", call.to_string());
    let explain = |more: &[&str]| folder.run(&[&["intent", "explain", "int-1"], more].concat());
    let authzen = explain(&["--request", "authzen.json"]);
    assert_eq!(
        (authzen.code, authzen.err.as_str()),
        (0, ""),
        "{}",
        authzen.out
    );
    for more in [
        &["--request", "mcp.json"][..],
        &["--request", "mcp.json", "--from", "mcp"],
    ] {
        let mcp = explain(more);
        assert_eq!(
            (mcp.code, mcp.out, mcp.err),
            (0, authzen.out.clone(), String::new())
        );
    }
    let wrong = explain(&["--request", "mcp.json", "--from", "authzen"]);
    assert_eq!(wrong.code, 3);
    assert!(
        wrong.err.starts_with("error: mcp.json: `/"),
        "{}",
        wrong.err
    );
}
