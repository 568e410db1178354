use super::*;
use portcullis_contract::ArgumentOrigin;
use serde_json::json;

fn whole() -> Value {
    json!({
        "subject": {
            "type": "agent", "id": "spiffe://acme.example/agent",
            "properties": {
                "owner": "team@acme.example", "environment": "prod", "attestation": "jwt-svid",
                "credential-expires-at": "2026-11-22T10:00:00Z",
                "delegated-by": ["spiffe://acme.example/boss"], "team": "payments"
            }
        },
        "action": { "name": "issues.create", "properties": { "title": "x" } },
        "resource": {
            "type": "repository", "id": "acme/billing",
            "properties": { "environment": "prod", "posture": { "exposure": "internet", "legacy": true } }
        },
        "context": {
            "integration": "github",
            "intent": { "id": "int-1", "purpose": "p", "expires-at": "2026-11-22T10:00:00Z" },
            "argument-origins": [{ "path": "/title", "origin": "tool:mail" }],
            "supported_obligations": ["notification"],
            "ticket": "T-1"
        },
        "ignored": 1
    })
}

fn parse(value: &Value) -> Result<Request, json::Error> {
    Request::from_authzen(value.to_string().as_bytes(), &RequestLimits::default())
}

#[test]
fn every_part_finds_its_place() {
    let request = parse(&whole()).unwrap();
    assert_eq!(request.integration(), "github");
    assert_eq!(request.principal().kind, PrincipalKind::Agent);
    assert_eq!(
        request.principal().attributes,
        [("team".into(), json!("payments"))]
    );
    assert_eq!(request.arguments(), &json!({ "title": "x" }));
    assert_eq!(request.resource().posture.unwrap().legacy, Some(true));
    assert_eq!(request.intent().unwrap().id, "int-1");
    assert_eq!(
        request.origins,
        [ArgumentOrigin::new("/title", "tool:mail")]
    );
    assert_eq!(request.supported_obligations.unwrap(), ["notification"]);
    assert_eq!(request.context, [("ticket".into(), json!("T-1"))]);
}

#[test]
fn the_type_of_a_subject_survives_as_it_was_sent() {
    for (sent, kind, type_name) in [
        ("agent", PrincipalKind::Agent, ""),
        ("user", PrincipalKind::Human, "user"),
        ("User", PrincipalKind::Unspecified, "User"),
        (
            "Acme::Team::User",
            PrincipalKind::Unspecified,
            "Acme::Team::User",
        ),
        ("unspecified", PrincipalKind::Unspecified, ""),
    ] {
        let mut value = whole();
        value["subject"]["type"] = json!(sent);
        let request = parse(&value).unwrap();
        let principal = request.principal();
        assert_eq!(
            (principal.kind, principal.type_name.as_str()),
            (kind, type_name)
        );
        let written = request.to_authzen();
        assert_eq!(written["subject"]["type"], sent);
        assert_eq!(parse(&written), Ok(request));
    }
    let mut forged = whole();
    forged["subject"]["properties"]["type"] = json!("Admin");
    assert!(
        matches!(parse(&forged), Err(json::Error::Unknown { at, .. }) if at == "/subject/properties/type")
    );
    let mut both = Principal {
        kind: PrincipalKind::Agent,
        type_name: "User".to_owned(),
        ..Principal::default()
    };
    assert!(settle_type(&mut both).is_err());
}

#[test]
fn what_is_written_reads_as_the_same_request() {
    let mut value = whole();
    value["subject"]["properties"]["credential-id"] = json!("jti-1");
    value["subject"]["properties"]["credential-issued-at"] = json!("2026-11-22T09:00:00Z");
    value["subject"]["properties"]["instance"] = json!("pod-1");
    value["subject"]["properties"]["workload-digest"] = json!("sha256:1");
    value["context"]["intent"]["documents"] = json!(["a", "b"]);
    value["context"]["session-path"] = json!("machine");
    let request = parse(&value).unwrap();
    assert_eq!(parse(&request.to_authzen()), Ok(request));
    let least = json!({
        "subject": { "type": "x", "id": "a" }, "action": { "name": "b" },
        "resource": { "type": "c", "id": "d" }, "context": { "integration": "e" },
    });
    let request = parse(&least).unwrap();
    assert_eq!(parse(&request.to_authzen()), Ok(request));
}

#[test]
fn says_where_a_member_is_missing_or_wrong() {
    let mandatory = [
        "/subject",
        "/subject/type",
        "/subject/id",
        "/action",
        "/action/name",
        "/resource",
        "/resource/type",
        "/resource/id",
        "/context/integration",
    ];
    for pointer in mandatory {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let mut missing = whole();
        missing
            .pointer_mut(parent)
            .unwrap()
            .as_object_mut()
            .unwrap()
            .remove(key);
        assert!(
            matches!(parse(&missing), Err(json::Error::Missing { at, .. }) if at == pointer),
            "{pointer}"
        );
    }
    let typed = [
        "/subject/id",
        "/subject/properties/attestation",
        "/subject/properties/delegated-by",
        "/subject/properties/delegated-by/0",
        "/subject/properties/credential-expires-at",
        "/action/properties",
        "/resource/properties",
        "/resource/properties/posture/exposure",
        "/context/intent",
        "/context/intent/expires-at",
        "/context/argument-origins/0/origin",
        "/context/supported_obligations",
    ];
    for pointer in typed {
        let mut wrong = whole();
        *wrong.pointer_mut(pointer).unwrap() = json!(7);
        let Err(json::Error::Unexpected { at, .. }) = parse(&wrong) else {
            panic!("{pointer} is not refused");
        };
        assert!(pointer.starts_with(&at), "{pointer}: {at}");
    }
}

#[test]
fn a_word_is_text_and_no_object_of_that_name() {
    for (pointer, word) in [
        ("/subject/properties/attestation", "x509-svid"),
        ("/resource/properties/posture/health", "healthy"),
        ("/resource/properties/posture/exposure", "internal"),
        ("/context/session-path", "machine"),
    ] {
        let (object, key) = pointer.rsplit_once('/').unwrap();
        let with = |value: Value| {
            let mut changed = whole();
            changed.pointer_mut(object).unwrap()[key] = value;
            parse(&changed)
        };
        assert!(with(json!(word)).is_ok(), "{pointer}");
        for other in [json!({ word: null }), json!({ word: {} }), json!([word])] {
            let Err(json::Error::Unexpected { at, .. }) = with(other) else {
                panic!("{pointer} is not refused");
            };
            assert_eq!(at, pointer);
        }
    }
}

#[test]
fn an_attribute_that_was_meant_to_be_a_member_is_refused() {
    for (object, key) in [
        ("/subject/properties", "credential_expires_at"),
        ("/subject/properties", "Delegated-By"),
        ("/resource/properties", "Posture"),
        ("/context", "supported-obligations"),
        ("/context", "argument_origins"),
    ] {
        let mut wrong = whole();
        // With both spellings, the keys would be refused as alike.
        let (parent, members) = object.rsplit_once('/').unwrap();
        let meant = key.to_lowercase();
        let holder = wrong.pointer_mut(parent).unwrap()[members].as_object_mut();
        holder.unwrap().remove(&meant);
        wrong.pointer_mut(object).unwrap()[key] = json!("2000-01-01T00:00:00Z");
        let pointer = format!("{object}/{key}");
        assert!(
            matches!(parse(&wrong), Err(json::Error::Unknown { at, .. }) if at == pointer),
            "{key}"
        );
    }
}

#[test]
fn an_argument_has_one_stated_origin() {
    let mut wrong = whole();
    wrong["context"]["argument-origins"] =
        json!([{ "path": "/to", "origin": "tool:mail" }, { "path": "/to", "origin": "user" }]);
    let at = "/context/argument-origins/1/path".to_owned();
    assert_eq!(parse(&wrong), Err(json::Error::DuplicateKey { at }));
}

#[test]
fn a_misspelt_member_of_our_own_is_not_overlooked() {
    let mut wrong = whole();
    wrong["context"]["intent"]["expires"] = json!("2026-11-22T10:00:00Z");
    assert!(
        matches!(parse(&wrong), Err(json::Error::Unknown { at, .. }) if at == "/context/intent/expires")
    );
}

#[test]
fn a_batch_is_pointed_to_the_call_for_it() {
    let mut batch = whole();
    batch["evaluations"] = json!([{ "resource": { "type": "repository", "id": "acme/payroll" } }]);
    let Err(json::Error::NotHere { at, why }) = parse(&batch) else {
        panic!("a batch is not one request");
    };
    assert_eq!(at, "/evaluations");
    assert!(why.contains("Request::batch_from_authzen"));
    let limits = RequestLimits::default();
    let read = |batch: &Value| {
        let json = batch.to_string();
        Request::batch_from_authzen(json.as_bytes(), &DefaultIntegrations::default(), &limits)
    };
    batch["evaluations"] = json!([
        {},
        { "resource": { "type": "repository", "id": "acme/payroll" } },
        { "action": { "name": "repos.delete" }, "context": { "integration": "other" } },
        { "subject": { "type": "agent" } },
        { "evaluations": [{}] },
        "x",
    ]);
    let requests = read(&batch).unwrap();
    assert_eq!(requests[0], parse(&whole()));
    let second = requests[1].as_ref().unwrap();
    assert_eq!(second.resource().id, "acme/payroll");
    assert_eq!(second.action(), "issues.create");
    let third = requests[2].as_ref().unwrap();
    assert_eq!(
        (third.action(), third.integration()),
        ("repos.delete", "other")
    );
    assert!(third.intent().is_none(), "a context is replaced as a whole");
    assert!(requests[3..].iter().all(Result::is_err));
    batch["evaluations"] = json!([]);
    assert_eq!(read(&batch).unwrap(), [parse(&whole())]);
    batch["evaluations"] = json!({ "1": {} });
    assert!(read(&batch).is_err());
    for odd in [json!({ "1": {} }), json!(null), json!("x"), json!([{}])] {
        batch["evaluations"] = odd;
        assert!(matches!(parse(&batch), Err(json::Error::NotHere { .. })));
    }
    batch["Evaluations"] = json!([]);
    assert!(parse(&batch).is_err());
    batch.as_object_mut().unwrap().remove("Evaluations");
    // The standard treats an empty list as absent.
    let mut single = whole();
    single["evaluations"] = json!([]);
    single["options"] = json!({ "evaluations_semantic": "execute_all" });
    assert_eq!(parse(&single), parse(&whole()));
}

#[test]
fn unknown_members_are_ignored_unless_another_reader_knows_them() {
    let mut later = whole();
    later["futureField"] = json!({ "nested": true });
    later["message"] = json!({ "jsonrpc": "2.0" });
    later["subject"]["identity"] = json!("x");
    later["action"]["method"] = json!("POST");
    later["resource"]["ownerID"] = json!("y");
    assert_eq!(parse(&later), parse(&whole()));
    for (pointer, value) in [
        ("/Subject", json!({})),
        ("/ACTION", json!({ "name": "repos.delete" })),
        ("/re source", json!({})),
        ("/intent", json!({ "id": "int-1" })),
        ("/integration", json!("other")),
        ("/argument_origins", json!([])),
        ("/subject/ID", json!("spiffe://acme.example/lead")),
        ("/subject/Properties", json!({})),
        ("/subject/delegated-by", json!([])),
        ("/subject/attestation", json!("none")),
        ("/action/Name", json!("repos.delete")),
        ("/action/\u{ff50}roperties", json!({})),
        ("/action/arguments", json!({ "force": true })),
        ("/resource/_id", json!("acme/payroll")),
        ("/resource/posture", json!({})),
        ("/resource/environment", json!("prod")),
        ("/resource/Environment", json!(["prod"])),
        ("/subject/environment", json!("dev")),
        ("/subject/owner", json!("team@acme.example")),
        ("/subject/purpose", json!("x")),
        ("/subject/instance", json!("pod-1")),
    ] {
        let mut wrong = whole();
        let (object, key) = pointer.rsplit_once('/').unwrap();
        wrong.pointer_mut(object).unwrap()[key] = value;
        match parse(&wrong) {
            Err(json::Error::AlikeKeys { .. } | json::Error::Unknown { .. }) => {}
            other => panic!("{pointer}: {other:?}"),
        }
    }
}

#[test]
fn ordinary_properties_never_void_a_request() {
    let mut ordinary = whole();
    ordinary["subject"]["properties"] = json!({
        "id": 7, "kind": "employee", "purpose": ["a", "b"], "owner": { "id": "x" },
        "environment": null, "instance": 3, "role": "admin",
    });
    ordinary["resource"]["properties"] = json!({
        "id": "x", "kind": "todo", "environment": 7, "posture": "good", "ownerID": "y",
    });
    let request = parse(&ordinary).unwrap();
    // The host reads none of them as its own members.
    let principal = request.principal();
    for text in [
        &principal.purpose,
        &principal.owner,
        &principal.environment,
        &principal.instance,
        &request.resource().environment,
    ] {
        assert_eq!(text, "");
    }
    assert_eq!(request.resource().posture, None);
    assert_eq!(principal.id, "spiffe://acme.example/agent");
    assert_eq!(principal.kind, PrincipalKind::Agent);
    assert_eq!(principal.attributes.len(), 7);
    assert_eq!(request.resource().attributes.len(), 5);
    // The recorded form reads as the same request.
    assert_eq!(parse(&request.to_authzen()), Ok(request));
    // Members that only Portcullis defines are never ordinary.
    for (key, value) in [
        ("delegated-by", json!("x")),
        ("credential-id", json!(7)),
        ("attestation", json!("strong")),
        ("intent", json!("int-1")),
        ("Owner", json!("x")),
    ] {
        let mut wrong = whole();
        wrong["subject"]["properties"]
            .as_object_mut()
            .unwrap()
            .remove("owner");
        wrong["subject"]["properties"][key] = value;
        assert!(parse(&wrong).is_err(), "{key}");
    }
}

#[test]
fn a_request_that_names_no_integration_is_for_the_default_one() {
    let limits = RequestLimits::default();
    let defaults = DefaultIntegrations::default()
        .any("todo")
        .resource_type("route", "gateway");
    let read =
        |value: &Value| Request::from_authzen_for(value.to_string().as_bytes(), &defaults, &limits);
    let mut plain = json!({
        "subject": { "type": "user", "id": "rick@the-citadel.com" },
        "action": { "name": "can_read_todos" },
        "resource": { "type": "todo", "id": "todo-1" },
    });
    assert_eq!(read(&plain).unwrap().integration(), "todo");
    plain["context"] = json!({ "time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1" });
    assert_eq!(read(&plain).unwrap().integration(), "todo");
    plain["resource"]["type"] = json!("route");
    assert_eq!(read(&plain).unwrap().integration(), "gateway");
    plain["context"]["integration"] = json!("github");
    assert_eq!(read(&plain).unwrap().integration(), "github");
    for wrong in [json!(7), json!(null), json!("")] {
        plain["context"]["integration"] = wrong;
        assert!(read(&plain).is_err());
    }
    plain.as_object_mut().unwrap().remove("context");
    assert!(
        matches!(parse(&plain), Err(json::Error::Missing { at, .. }) if at == "/context/integration")
    );
}
