//! Requests of AuthZEN's interoperability events and its certification, as sent.
//!
//! The enforcement point does not know Portcullis, so a default integration is configured. The shapes follow
//! `interop/` and `certification/` of <https://github.com/openid/authzen> (2026).

use super::*;
use serde_json::json;

const USERS: [(&str, char); 5] = [
    ("rick@the-citadel.com", 'A'),
    ("morty@the-citadel.com", 'E'),
    ("summer@the-smiths.com", 'I'),
    ("beth@the-smiths.com", 'M'),
    ("jerry@the-smiths.com", 'Q'),
];

/// Subject id of a user at the identity provider of the events.
fn subject_of(letter: char) -> String {
    format!("CiRmZD{letter}2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs")
}

/// Accesses of a user in the todo application: action, resource type, resource id and owner.
fn todos(user: &str) -> Vec<(&'static str, &'static str, String, Option<String>)> {
    let rick = "rick@the-citadel.com";
    let other = if user == rick {
        "morty@the-citadel.com"
    } else {
        user
    };
    let todo = "7240d0db-8ff0-41ec-98b2-34a096273b9f";
    let mut all = vec![
        (
            "can_read_user",
            "user",
            "beth@the-smiths.com".to_owned(),
            None,
        ),
        ("can_read_user", "user", user.to_owned(), None),
        ("can_read_todos", "todo", "todo-1".to_owned(), None),
        ("can_create_todo", "todo", "todo-1".to_owned(), None),
    ];
    for action in ["can_update_todo", "can_delete_todo"] {
        for owner in [rick, other] {
            all.push((action, "todo", todo.to_owned(), Some(owner.to_owned())));
        }
    }
    all
}

/// Evaluations of the todo application and of the API gateways.
///
/// The todo application follows drafts 1.0 (three times) and 1.1.
fn interop() -> Vec<Value> {
    let mut all = Vec::new();
    for (user, letter) in USERS {
        let subject = subject_of(letter);
        for (action, resource_type, id, owner) in todos(user) {
            let mut resource = json!({ "type": resource_type, "id": id });
            let mut early = resource.clone();
            match &owner {
                Some(owner) => {
                    early["ownerID"] = json!(owner);
                    resource["properties"] = json!({ "ownerID": owner });
                }
                None if resource_type == "user" => early["userID"] = json!(subject),
                None => {}
            }
            for _ in 0..3 {
                all.push(json!({
                    "subject": { "type": "user", "id": user, "identity": subject },
                    "action": { "name": action },
                    "resource": early,
                }));
            }
            all.push(json!({
                "subject": { "type": "user", "id": subject },
                "action": { "name": action },
                "resource": resource,
            }));
        }
        for (method, route) in [
            ("GET", "/users/{userId}"),
            ("GET", "/todos"),
            ("POST", "/todos"),
            ("PUT", "/todos/{todoId}"),
            ("DELETE", "/todos/{todoId}"),
        ] {
            all.push(json!({
                "subject": { "type": "identity", "id": subject },
                "action": { "name": method },
                "resource": { "type": "route", "id": route },
            }));
        }
    }
    all
}

fn read(evaluation: &Value) -> Result<Request, json::Error> {
    let defaults = DefaultIntegrations::default()
        .any("todo")
        .resource_type("route", "gateway");
    let json = evaluation.to_string();
    Request::from_authzen_for(json.as_bytes(), &defaults, &RequestLimits::default())
}

#[test]
fn every_request_of_the_interoperability_events_reads_as_sent() {
    let all = interop();
    assert_eq!(all.len(), 185);
    for evaluation in all {
        let request = read(&evaluation).unwrap_or_else(|error| panic!("{evaluation}: {error}"));
        let is_route = evaluation["resource"]["type"] == "route";
        let integration = if is_route { "gateway" } else { "todo" };
        assert_eq!(request.integration(), integration);
        assert_eq!(request.principal().id, evaluation["subject"]["id"]);
        assert_eq!(request.action(), evaluation["action"]["name"]);
        assert_eq!(request.resource().id, evaluation["resource"]["id"]);
        let owner = evaluation["resource"]["properties"].get("ownerID");
        let attributes = &request.resource().attributes;
        assert_eq!(attributes.first().map(|(_, value)| value), owner);
        assert_eq!(read(&request.to_authzen()), Ok(request));
    }
}

#[test]
fn the_identity_providers_requests_read_as_sent() {
    for (user, role, balance) in [
        ("alice", "manager", 110),
        ("bob", "editor", 60),
        ("carol", "contractor", 0),
    ] {
        let request = read(&json!({
            "subject": { "type": "user", "id": user, "properties": { "role": role, "balance": balance } },
            "resource": { "type": "application", "id": "DemoApp" },
            "action": { "name": "issue" },
        }));
        let attributes = request.unwrap().principal().attributes.clone();
        assert_eq!(
            attributes,
            [
                ("balance".into(), json!(balance)),
                ("role".into(), json!(role))
            ]
        );
    }
    // An AuthZEN search is not an evaluation: its resource has no id.
    let search = json!({
        "subject": { "type": "user", "id": "alice" }, "action": { "name": "delete" }, "resource": { "type": "record" },
    });
    assert!(matches!(read(&search), Err(json::Error::Missing { at, .. }) if at == "/resource/id"));
}

#[test]
fn the_certifications_requests_are_taken_and_refused_as_it_asks() {
    let alice = json!({ "type": "user", "id": "alice" });
    let read_it = json!({ "name": "read" });
    let record = json!({ "type": "record", "id": "record-1" });
    let whole = json!({ "subject": alice, "action": read_it, "resource": record });
    let with = |pointer: &str, value: Value| {
        let mut changed = whole.clone();
        let (object, key) = pointer.rsplit_once('/').unwrap();
        changed.pointer_mut(object).unwrap()[key] = value;
        changed
    };
    for taken in [
        whole.clone(),
        with(
            "/context",
            json!({ "time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1" }),
        ),
        with("/resource/properties", json!({ "status": "archived" })),
        with("/subject/properties", json!({ "role": "admin" })),
        with(
            "/subject/properties",
            json!({ "department": "Sales", "role": "manager" }),
        ),
        with("/action/properties", json!({ "soft": true })),
        with("/action/properties", json!({ "method": "GET" })),
        with(
            "/resource/properties",
            json!({ "status": "active", "owner": "bob" }),
        ),
        with("/futureField", json!({ "nested": true })),
        with("/foo", json!("bar")),
        with("/evaluations", json!([])),
    ] {
        assert!(read(&taken).is_ok(), "{taken}: {:?}", read(&taken));
    }
    for refused in [
        with("/subject", json!(null)),
        with("/subject", json!("alice")),
        with("/subject", json!({ "id": "alice" })),
        with("/subject", json!({ "type": "user" })),
        with("/action", json!({})),
        with("/action/name", json!(123)),
        with("/resource", json!({ "id": "record-1" })),
        with("/resource", json!({ "type": "record" })),
        with(
            "/evaluations",
            json!([{ "resource": { "type": "record", "id": "record-2" } }]),
        ),
    ] {
        assert!(read(&refused).is_err(), "{refused}");
    }
    for missing in ["subject", "action", "resource"] {
        let mut refused = whole.clone();
        refused.as_object_mut().unwrap().remove(missing);
        assert!(matches!(read(&refused), Err(json::Error::Missing { .. })));
    }
    for body in ["", "{", "[]"] {
        let defaults = DefaultIntegrations::default().any("todo");
        let read = Request::from_authzen_for(body.as_bytes(), &defaults, &RequestLimits::default());
        assert!(read.is_err());
    }
}
