mod asks;
mod chains;
mod folder;

use super::*;
use portcullis_model::limits::RequestLimits;
use portcullis_model::request::{Principal, Resource};
use serde_json::Value;
use serde_json::json;

const WRITE: ActionClass = ActionClass::Write;

fn whole() -> Value {
    json!({
        "id": "int-1", "purpose": "p", "principal": "spiffe://acme.example/a",
        "approved-by": { "who": "alice@acme.example", "at": "2026-11-22T08:55:00Z" },
        "issued-at": "2026-11-22T09:00:00Z", "expires-at": "2026-11-22T10:00:00Z",
        "allows": [{
            "integration": "github", "action": "issues.*", "resource": "acme/*",
            "arguments": { "required": ["/labels"], "optional": ["/title"] },
            "constraints": [{ "path": "/labels", "op": "subset-of", "value": ["a", "b"] }]
        }],
        "denies": [{ "integration": "github", "action": "issues.delete", "resource": "**" }]
    })
}

fn intent(value: &Value) -> StoredIntent {
    StoredIntent::from_json(value.to_string().as_bytes()).unwrap()
}

fn request(action: &str, resource: &str, arguments: Value) -> Request {
    let resource = Resource {
        id: resource.to_owned(),
        ..Resource::default()
    };
    Request::builder(
        "github",
        Principal {
            id: "agent-x".into(),
            ..Principal::default()
        },
        action,
        resource,
    )
    .arguments(arguments)
    .build(&RequestLimits::default())
    .unwrap()
}

#[test]
fn allows_what_an_allowance_includes_and_no_denial_does() {
    let intent = intent(&whole());
    let labels = json!({ "labels": ["a"] });
    assert!(
        intent
            .allowance_for(&request("issues.create", "acme/x", labels.clone()), WRITE)
            .is_some()
    );
    for (action, resource, arguments) in [
        ("issues.delete", "acme/x", labels.clone()),
        ("repos.delete", "acme/x", labels.clone()),
        ("issues.create", "other/x", labels),
        ("issues.create", "acme/x", json!({ "labels": ["c"] })),
        ("issues.create", "acme/x", json!({})),
    ] {
        assert!(
            intent
                .allowance_for(&request(action, resource, arguments), WRITE)
                .is_none(),
            "{action}"
        );
    }
}

#[test]
fn a_call_has_the_arguments_that_are_allowed_and_no_others() {
    let mut value = whole();
    let allowed = |value: &Value, class: ActionClass, arguments: Value| {
        let request = request("issues.create", "acme/x", arguments);
        intent(value).allowance_for(&request, class).is_some()
    };
    let labels = json!({ "labels": ["a"] });
    let more = json!({ "labels": ["a"], "bcc": ["mallory"] });
    let title = json!({ "labels": ["a"], "title": { "any": "thing" } });
    assert!(allowed(&value, WRITE, labels.clone()));
    assert!(allowed(&value, WRITE, title));
    for class in [WRITE, ActionClass::Read, ActionClass::Unclassified] {
        assert!(!allowed(&value, class, more.clone()));
        let other_case = json!({ "labels": ["a"], "Title": "t" });
        assert!(!allowed(&value, class, other_case));
    }
    // Constrained arguments need not be listed, and do not permit unlisted ones.
    value["allows"][0]["arguments"] = json!({});
    assert!(allowed(&value, WRITE, labels.clone()));
    assert!(!allowed(&value, WRITE, more.clone()));
    value["allows"][0]["arguments"] = json!("open");
    assert!(allowed(&value, WRITE, more.clone()));
    assert!(intent(&value).warnings()[0].contains("any arguments"));
    // An allowance without `arguments` permits reads.
    value["allows"][0]
        .as_object_mut()
        .unwrap()
        .remove("arguments");
    assert!(allowed(&value, ActionClass::Read, more));
    for class in [
        ActionClass::Unclassified,
        WRITE,
        ActionClass::Destructive,
        ActionClass::Exfiltration,
        ActionClass::Admin,
    ] {
        assert!(!allowed(&value, class, labels.clone()), "{class:?}");
    }
    assert!(intent(&value).warnings()[0].contains("`arguments` is missing"));
}

#[test]
fn constraints_that_every_argument_or_none_meets_are_refused() {
    let with = |constraints: Value| {
        let mut value = whole();
        value["allows"][0]["constraints"] = constraints;
        StoredIntent::from_json(value.to_string().as_bytes())
    };
    let one =
        |path: &str, op: &str, value: Value| json!({ "path": path, "op": op, "value": value });
    for refused in [
        json!([one("/labels", "under", json!(""))]),
        json!([one("/labels", "prefix", json!(""))]),
        json!([one("/labels", "under", json!("/workspace/**"))]),
        json!([one("/labels", "one-of", json!([]))]),
        json!([one("/labels", "subset-of", json!([]))]),
        json!([one("/labels", "origin-is", json!([]))]),
        json!([one("/labels", "origin-is", json!(["usr"]))]),
        json!([one("/labels", "min-length", json!(0))]),
        json!([one("/labels/", "equals", json!(1))]),
        json!([one("labels", "equals", json!(1))]),
        json!([one("/la~bels", "equals", json!(1))]),
        json!([
            one("/labels", "at-least", json!(5)),
            one("/labels", "at-most", json!(4))
        ]),
        json!([
            one("/labels", "min-length", json!(5)),
            one("/labels", "max-length", json!(4))
        ]),
        json!([
            one("/labels", "equals", json!("a")),
            one("/labels", "prefix", json!("b"))
        ]),
        json!([
            one("/labels", "at-least", json!(5)),
            one("/labels", "prefix", json!("b"))
        ]),
        json!([
            one("/labels", "under", json!("/a")),
            one("/labels", "under", json!("/b"))
        ]),
    ] {
        let error = with(refused.clone()).unwrap_err().to_string();
        assert!(
            error.contains("/allows/0/constraints"),
            "{refused}: {error}"
        );
    }
    for accepted in [
        json!([one("/labels", "under", json!("/"))]),
        json!([one("/labels", "equals", json!([]))]),
        json!([one("/labels", "max-length", json!(0))]),
        json!([
            one("/labels", "at-least", json!(5)),
            one("/labels", "at-most", json!(5))
        ]),
        json!([
            one("/labels", "under", json!("/a")),
            one("/labels", "under", json!("/a/b"))
        ]),
        json!([
            one("/labels", "at-least", json!(5)),
            one("/title", "at-most", json!(4))
        ]),
    ] {
        assert!(with(accepted.clone()).is_ok(), "{accepted}");
    }
    let under_root = with(json!([one("/labels", "under", json!("/"))])).unwrap();
    assert!(under_root.warnings()[0].contains("absolute path"));
}

#[test]
fn a_denial_is_not_escaped_by_another_spelling() {
    let mut value = whole();
    value["allows"][0]["resource"] = json!("https://api.acme.example/v1");
    value["allows"][0]["constraints"] = json!([]);
    value["allows"][0]["arguments"] = json!({});
    let intent = intent(&value);
    let url = |action| request(action, "https://api.acme.example/v1", json!({}));
    assert!(intent.allowance_for(&url("issues.create"), WRITE).is_some());
    assert!(
        intent.allowance_for(&url("issues.delete"), WRITE).is_none(),
        "`**` denies it"
    );
}

#[test]
fn the_digest_is_that_of_the_meaning() {
    let spaced = serde_json::to_string_pretty(&whole()).unwrap();
    let spaced = StoredIntent::from_json(spaced.as_bytes()).unwrap();
    assert_eq!(spaced.digest(), intent(&whole()).digest());
    let mut other = whole();
    other["expires-at"] = json!("2026-11-22T10:00:01Z");
    assert_ne!(intent(&other).digest(), spaced.digest());
}

#[test]
fn a_delegated_intent_is_within_its_parent_in_every_dimension() {
    let parent = intent(&whole());
    let mut child = whole();
    child["principal"] = json!("spiffe://acme.example/b");
    child["approved-by"]["who"] = json!("spiffe://acme.example/a");
    child["allows"][0]["action"] = json!("issues.create");
    child["allows"][0]["constraints"][0]["value"] = json!(["a"]);
    assert_eq!(intent(&child).is_within(&parent), Ok(()));
    for (pointer, value, widening) in [
        ("/approved-by/who", json!("mallory"), "delegate"),
        ("/expires-at", json!("2026-11-22T11:00:00Z"), "valid from"),
        ("/issued-at", json!("2026-11-22T08:00:00Z"), "valid from"),
        ("/allows/0/action", json!("*"), "allows"),
        ("/allows/0/resource", json!("**"), "allows"),
        ("/allows/0/integration", json!("bank"), "allows"),
        ("/allows/0/constraints", json!([]), "allows"),
        ("/allows/0/constraints/0/value", json!(["a", "c"]), "allows"),
        ("/allows/0/arguments", json!("open"), "allows"),
        (
            "/allows/0/arguments",
            json!({ "required": ["/labels", "/bcc"] }),
            "allows",
        ),
        (
            "/allows/0/arguments",
            json!({ "optional": ["/title", "/body"] }),
            "allows",
        ),
        ("/denies", json!([]), "denies"),
        ("/denies/0/resource", json!("acme/*"), "denies"),
    ] {
        let mut wider = child.clone();
        *wider.pointer_mut(pointer).unwrap() = value;
        let error = intent(&wider).is_within(&parent).unwrap_err().to_string();
        assert!(error.contains(widening), "{pointer}: {error}");
    }
}

#[test]
fn says_where_an_intent_is_none() {
    for (pointer, value) in [
        ("/approved-by/who", json!("spiffe://acme.example/a")),
        ("/expires-at", json!("2026-11-22T09:00:00Z")),
        ("/approved-by/who", json!(" ")),
        ("/approved-by/at", json!("2026-11-23T09:00:00Z")),
        ("/principal", json!("")),
        ("/allows/0/resource", json!("x".repeat(600))),
        ("/allows/0/constraints/0/value", json!(vec!["a"; 600])),
        ("/allows", json!([])),
        ("/allows/0/action", json!("a**")),
        ("/allows/0/action", json!("^delete")),
        ("/allows/0/action", json!("delete_[a-z]*")),
        ("/allows/0/action", json!("{get,set}")),
        ("/allows/0/action", json!("issues create")),
        ("/allows/0/resource", json!("acme/{a,b}")),
        ("/allows/0/resource", json!("^acme/.*")),
        ("/allows/0/resource", json!("users/:id")),
        ("/denies/0/action", json!("^delete")),
        ("/denies/0/resource", json!("acme/[a-z]*")),
        ("/id", json!("kid ")),
        ("/id", json!("a\u{200b}b")),
        ("/approved-by/who", json!(" alice@acme.example")),
        ("/allows/0/arguments", json!("any")),
        ("/allows/0/arguments", json!(["/labels"])),
        ("/allows/0/arguments", json!(null)),
        ("/allows/0/arguments/required", json!(["labels"])),
        ("/allows/0/arguments/required", json!([""])),
        ("/allows/0/arguments/required", json!(["/labels/"])),
        ("/allows/0/arguments/required", json!(["/*"])),
        ("/allows/0/arguments/required", json!("/labels")),
        (
            "/allows/0/arguments",
            json!({ "required": ["/a"], "optional": ["/a"] }),
        ),
        (
            "/allows/0/arguments",
            json!({ "required": ["/a"], "optional": ["/a/b"] }),
        ),
        ("/allows/0/arguments", json!({ "requires": ["/a"] })),
        (
            "/allows/0/constraints/0",
            json!({ "path": "/a", "op": "matches", "value": ".*" }),
        ),
        ("/denies/0/integration", json!(1)),
        ("/denies/0/integration", json!("scm ")),
        ("/denies/0/integration", json!("*")),
        ("/allows/0/integration", json!("git hub")),
        ("/denies/0/resource", json!("./acme/payroll")),
        ("/denies/0/resource", json!("acme//payroll")),
        ("/denies/0/resource", json!("https://acme.example/payroll")),
        ("/denies/0/resource", json!("acme/payroll#main")),
        ("/denies/0/resource", json!("acme/<repo>")),
        ("/denies/0/resource", json!("Acme Inc.")),
        ("/denies/0/action", json!("delete//x")),
        ("/denies/0/action", json!("delete_.*")),
        ("/allows/0/action", json!("server:delete_*")),
    ] {
        let mut wrong = whole();
        *wrong.pointer_mut(pointer).unwrap() = value;
        let error = StoredIntent::from_json(wrong.to_string().as_bytes()).unwrap_err();
        let place = pointer.trim_end_matches("/0/constraints/0/value");
        let place = place.trim_end_matches("/required");
        assert!(error.to_string().contains(place), "{pointer}: {error}");
    }
    for (pointer, value) in [
        ("/max-uses", json!(0)),
        ("/max-uses", json!("3")),
        ("/exception", json!({ "owner": "", "waives": ["posture"] })),
        ("/exception", json!({ "owner": "a", "waives": [] })),
        (
            "/exception",
            json!({ "owner": "a", "waives": ["registry"] }),
        ),
        ("/exception", json!({ "waives": ["posture"] })),
        ("/misspelt", json!(1)),
    ] {
        let mut wrong = whole();
        wrong[&pointer[1..]] = value;
        let error = StoredIntent::from_json(wrong.to_string().as_bytes()).unwrap_err();
        assert!(error.to_string().contains(pointer), "{pointer}: {error}");
    }
}

#[test]
fn uses_and_exceptions_are_within_the_parents() {
    let with = |members: &[(&str, Value)], allowance: Value| {
        let mut value = whole();
        for (name, member) in members {
            value[*name] = member.clone();
        }
        value["allows"][0]["max-uses"] = allowance;
        value
    };
    let child = |mut value: Value| {
        value["principal"] = json!("spiffe://acme.example/b");
        value["approved-by"]["who"] = json!("spiffe://acme.example/a");
        intent(&value)
    };
    let exception = |waives: &[&str]| json!({ "owner": "bob", "waives": waives });
    let parent = [
        ("max-uses", json!(5)),
        ("exception", exception(&["posture"])),
    ];
    let parent = intent(&with(&parent, json!(3)));
    let within = child(with(
        &[
            ("max-uses", json!(5)),
            ("exception", exception(&["posture"])),
        ],
        json!(3),
    ));
    assert_eq!(within.is_within(&parent), Ok(()));
    let fewer = child(with(&[("max-uses", json!(1))], json!(1)));
    assert_eq!(fewer.is_within(&parent), Ok(()));
    let mut unbounded = with(&[("max-uses", json!(5))], json!(3));
    unbounded["allows"][0]
        .as_object_mut()
        .unwrap()
        .remove("max-uses");
    let another_owner = with(
        &[
            ("max-uses", json!(5)),
            (
                "exception",
                json!({ "owner": "mallory", "waives": ["posture"] }),
            ),
        ],
        json!(3),
    );
    for wider in [
        with(&[("max-uses", json!(6))], json!(3)),
        with(&[], json!(3)),
        with(&[("max-uses", json!(5))], json!(4)),
        unbounded,
        another_owner,
        with(
            &[
                ("max-uses", json!(5)),
                ("exception", exception(&["environment"])),
            ],
            json!(3),
        ),
    ] {
        assert!(child(wider.clone()).is_within(&parent).is_err(), "{wider}");
    }
}

#[test]
fn what_a_denial_may_be_meant_as_is_said() {
    let warnings = |resource: &str| {
        let mut value = whole();
        value["denies"][0]["resource"] = json!(resource);
        intent(&value).warnings()
    };
    for resource in [
        "acme/pay.*",
        "acme/payroll,acme/billing",
        "acme/$repo",
        "git@github.com:acme/payroll.git",
    ] {
        let said = warnings(resource);
        assert!(
            said.iter()
                .any(|it| it.contains("`/denies/0/resource`") && it.contains(resource)),
            "{said:?}"
        );
    }
    for resource in ["acme/payroll", "acme/**", "docs/Report (final), v2.pdf"] {
        let said = warnings(resource);
        assert!(!said.iter().any(|it| it.contains("/denies")), "{said:?}");
    }
}

#[test]
fn an_allowance_may_spell_out_a_name_that_ends_with_a_dot() {
    let mut value = whole();
    value["allows"][0]["resource"] = json!("acme/Acme Inc.");
    let intent = intent(&value);
    assert_eq!(intent.allows[0].resource.as_str(), "acme/Acme Inc.");
}

/// The remedy is at the end of a message.
#[test]
fn a_constraint_is_refused_with_the_whole_message() {
    let mut value = whole();
    value["allows"][0]["constraints"][0] =
        json!({ "path": "/labels", "op": "under", "value": "/workspace/../etc" });
    let error = StoredIntent::from_json(value.to_string().as_bytes()).unwrap_err();
    let error = error.to_string();
    let whole = "`under` needs a path or URL without empty, `.` or `..` segments to compare with, not `\"/workspace/../etc\"`";
    assert!(error.contains(whole), "{error}");
}

#[test]
fn a_pointer_is_no_deeper_than_the_host_can_walk() {
    let deep = |bytes: usize| "/a".repeat(bytes / 2);
    let with = |path: &str, listed: &str| {
        let mut value = whole();
        value["allows"][0]["constraints"] = json!([{ "path": path, "op": "at-most", "value": 1 }]);
        value["allows"][0]["arguments"] = json!({ "required": [], "optional": [listed] });
        StoredIntent::from_json(value.to_string().as_bytes()).map_err(|error| error.to_string())
    };
    let read = with(&deep(512), &"/b".repeat(256)).unwrap();
    assert!(read.memory_bytes() > 512 * size_of::<String>());
    for (path, listed) in [
        (deep(514), "/b".to_owned()),
        (deep(40_000), "/b".to_owned()),
        (deep(2), "/b".repeat(257)),
    ] {
        let error = with(&path, &listed).unwrap_err();
        assert!(error.contains("at most 512 bytes"), "{error}");
    }
}

#[test]
fn messages_are_printable_whatever_an_intent_holds() {
    let hostile = "x\u{7f}\u{202e}y";
    let mut parent = whole();
    parent["exception"] = json!({ "owner": format!("{hostile}a"), "waives": ["posture"] });
    let mut child = parent.clone();
    child["approved-by"]["who"] = json!("spiffe://acme.example/a");
    child["principal"] = json!("spiffe://acme.example/b");
    child["exception"]["owner"] = json!(format!("{hostile}b"));
    child["allows"][0]["constraints"] = json!([
        { "path": format!("/{hostile}"), "op": "equals", "value": hostile },
        { "path": "/labels", "op": "subset-of", "value": ["a", "b"] },
    ]);
    let (parent, mut child) = (intent(&parent), intent(&child));
    let of_owner = child.is_within(&parent).unwrap_err().to_string();
    child.exception = None;
    child.allows[0].max_uses = Some(1);
    let mut narrow = parent;
    narrow.exception = None;
    narrow.allows[0].max_uses = Some(0);
    let of_allowance = child.is_within(&narrow).unwrap_err().to_string();
    for message in [of_owner, of_allowance, child.allows[0].to_string()] {
        assert!(message.contains('x') && message.contains('y'), "{message}");
        assert_eq!(message, printable(&message));
    }
}
