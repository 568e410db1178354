//! The demands of the AuthZEN certification: Basic, Batch, Discovery, and the searches for resources and actions.

use crate::client::{get, post, post_as, with};
use crate::setting::{EVALUATION, EVALUATIONS, Folder, Running, evaluation};
use http::{StatusCode, header};
use serde_json::{Value, json};

/// Resources that the search knows.
const RESOURCES: &str = r#"
[serve]
[[serve.resource]]
type = "record"
id = "record-1"
properties = { status = "active" }
[[serve.resource]]
type = "record"
id = "record-2"
properties = { status = "archived" }
[[serve.resource]]
type = "folder"
id = "folder-1"
"#;

async fn serve() -> (Folder, Running) {
    let folder = Folder::with(RESOURCES);
    let running = folder.serve().await;
    (folder, running)
}

/// The value with another one at `pointer`; `None` removes it.
fn changed(value: &Value, pointer: &str, to: Option<Value>) -> Value {
    let mut changed = value.clone();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = changed
        .pointer_mut(parent)
        .unwrap()
        .as_object_mut()
        .unwrap();
    match to {
        Some(to) => parent.insert(key.to_owned(), to),
        None => parent.remove(key),
    };
    changed
}

#[tokio::test(flavor = "multi_thread")]
async fn the_eight_decisions_of_the_fixture_are_those_that_it_demands() {
    let (_folder, running) = serve().await;
    let archived =
        json!({ "type": "record", "id": "record-2", "properties": { "status": "archived" } });
    let administrator = json!({ "type": "user", "id": "bob", "properties": { "role": "admin" } });
    let delete = |soft: bool| json!({ "name": "delete", "properties": { "soft": soft } });
    let simple = |subject, action| evaluation(subject, action, "record-1");
    let base = simple("alice", "write");
    for (rule, asked, expected) in [
        (1, simple("alice", "read"), true),
        (2, base.clone(), true),
        (3, simple("bob", "read"), true),
        (4, simple("bob", "write"), false),
        (
            5,
            changed(&base, "/resource", Some(archived.clone())),
            false,
        ),
        (
            6,
            changed(
                &changed(&base, "/resource", Some(archived)),
                "/subject",
                Some(administrator),
            ),
            true,
        ),
        (7, changed(&base, "/action", Some(delete(true))), true),
        (8, changed(&base, "/action", Some(delete(false))), false),
    ] {
        // A decision does not depend on how often it is asked for.
        for _ in 0..3 {
            let answer = running.send(post(EVALUATION, &asked)).await;
            assert_eq!(
                answer.decision(),
                expected,
                "rule {rule}: {}",
                answer.text()
            );
            assert_eq!(answer.headers[header::CONTENT_TYPE], "application/json");
            assert!(answer.json()["context"].is_object());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn context_further_properties_and_unknown_members_change_nothing() {
    let (_folder, running) = serve().await;
    let base = evaluation("alice", "read", "record-1");
    let time = json!({ "time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1" });
    let of_subject = json!({ "department": "Sales", "role": "manager" });
    for asked in [
        changed(&base, "/context", Some(time)),
        changed(&base, "/context", Some(json!({}))),
        changed(&base, "/subject/properties", Some(of_subject)),
        changed(
            &base,
            "/action/properties",
            Some(json!({ "method": "GET" })),
        ),
        changed(
            &base,
            "/resource/properties",
            Some(json!({ "status": "active", "owner": "bob" })),
        ),
        changed(&base, "/foo", Some(json!("bar"))),
        changed(&base, "/futureField", Some(json!({ "nested": true }))),
        changed(&base, "/subject/futureField", Some(json!(1))),
    ] {
        let answer = running.send(post(EVALUATION, &asked)).await;
        assert!(answer.decision(), "{asked}: {}", answer.text());
    }
    let as_utf8 = post_as(
        EVALUATION,
        "application/json; charset=utf-8",
        base.to_string(),
    );
    assert!(running.send(as_utf8).await.decision());
}

/// Paths of the members that an evaluation has to have.
const REQUIRED: [&str; 8] = [
    "/subject",
    "/subject/type",
    "/subject/id",
    "/action",
    "/action/name",
    "/resource",
    "/resource/type",
    "/resource/id",
];

#[tokio::test(flavor = "multi_thread")]
async fn each_malformed_request_is_a_bad_request_with_the_place() {
    let (folder, running) = serve().await;
    let base = evaluation("alice", "read", "record-1");
    let mut refused = 0;
    for pointer in REQUIRED {
        let wrong = [None, Some(json!(123)), Some(json!([])), Some(json!(true))];
        for wrong in wrong {
            let asked = changed(&base, pointer, wrong);
            let answer = running.send(post(EVALUATION, &asked)).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{asked}");
            assert!(
                answer.text().contains(&format!("`{pointer}`")),
                "{}",
                answer.text()
            );
            refused += 1;
        }
    }
    let whole = base.to_string();
    for (content_type, body) in [
        ("text/plain", whole.clone()),
        ("application/x-www-form-urlencoded", whole.clone()),
        ("application/jsonx", whole.clone()),
        ("application/json", String::new()),
        ("application/json", "{".to_owned()),
        ("application/json", "{ invalid }".to_owned()),
        ("application/json", "[]".to_owned()),
        ("application/json", "\"alice\"".to_owned()),
        ("application/json", format!("{whole} {whole}")),
        ("application/json", format!("\u{feff}{whole}")),
    ] {
        for path in [EVALUATION, EVALUATIONS] {
            let answer = running
                .send(post_as(path, content_type, body.clone()))
                .await;
            assert_eq!(
                answer.status,
                StatusCode::BAD_REQUEST,
                "{content_type} {body}"
            );
            assert!(!answer.body.is_empty());
        }
    }
    // The neighbour of all of them.
    assert!(running.send(post(EVALUATION, &base)).await.decision());
    // Each is in the log, as a deny that the host made, or as a request that it did not read.
    let unreadable = folder.logged("decision").into_iter();
    let unreadable = unreadable.filter(|line| line["request-digest"].is_string());
    assert!(
        unreadable.count() >= refused,
        "{}",
        folder.read("decisions.jsonl")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_is_echoed_and_not_needed() {
    let (_folder, running) = serve().await;
    let asked = evaluation("alice", "read", "record-1");
    for id in [
        "bfe9eb29-ab87-4ca3-be83-a1d5d8305716",
        "any text, as the standard says",
    ] {
        for request in [
            post(EVALUATION, &asked),
            post(EVALUATIONS, &asked),
            post(EVALUATION, &json!({})),
            post_as(EVALUATION, "text/plain", "x"),
            get("/.well-known/authzen-configuration"),
            get("/no/such/path"),
        ] {
            let answer = running.send(with(request, "x-request-id", id)).await;
            assert_eq!(answer.headers["x-request-id"], id);
        }
    }
    assert!(running.send(post(EVALUATION, &asked)).await.decision());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_has_a_decision_for_each_evaluation_in_order() {
    let (_folder, running) = serve().await;
    let batch = |body: Value| async {
        let body = body;
        let answer = running.send(post(EVALUATIONS, &body)).await;
        assert!(answer.json().get("decision").is_none(), "{}", answer.text());
        answer.decisions()
    };
    let alice = json!({ "type": "user", "id": "alice" });
    let bob = json!({ "type": "user", "id": "bob" });
    let record = |id: &str| json!({ "type": "record", "id": id });
    let archived =
        json!({ "type": "record", "id": "record-2", "properties": { "status": "archived" } });
    // The top level has what the evaluations leave out.
    let shared = json!({
        "subject": bob, "resource": record("record-1"),
        "evaluations": [{ "action": { "name": "read" } }, { "action": { "name": "write" } }],
    });
    assert_eq!(batch(shared).await, [true, false]);
    let per_resource = json!({
        "subject": alice, "action": { "name": "write" },
        "evaluations": [{ "resource": record("record-1") }, { "resource": archived }],
    });
    assert_eq!(batch(per_resource).await, [true, false]);
    let per_subject = json!({
        "action": { "name": "write" }, "resource": archived,
        "evaluations": [
            { "subject": alice },
            { "subject": { "type": "user", "id": "bob", "properties": { "role": "admin" } } },
        ],
    });
    assert_eq!(batch(per_subject).await, [false, true]);
    // Nothing is shared.
    let complete = json!({
        "evaluations": [
            evaluation("alice", "read", "record-1"),
            evaluation("bob", "write", "record-1"),
            evaluation("bob", "read", "record-1"),
        ],
    });
    assert_eq!(batch(complete).await, [true, false, true]);
    // An evaluation's own part replaces the shared one as a whole: the shared properties are gone.
    let replaced = json!({
        "subject": alice, "action": { "name": "write" }, "resource": archived,
        "evaluations": [{}, { "resource": record("record-2") }],
    });
    assert_eq!(batch(replaced).await, [false, true]);
    let contexts = json!({
        "subject": alice, "action": { "name": "read" },
        "context": { "time": "2025-06-27T18:03-07:00" },
        "evaluations": [
            { "resource": record("record-1") },
            { "resource": record("record-2"), "context": { "source": "batch-override" } },
        ],
    });
    assert_eq!(batch(contexts).await, [true, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_without_evaluations_is_one_evaluation() {
    let (_folder, running) = serve().await;
    let base = evaluation("alice", "read", "record-1");
    for asked in [
        base.clone(),
        changed(&base, "/evaluations", Some(json!([]))),
    ] {
        let answer = running.send(post(EVALUATIONS, &asked)).await;
        assert!(answer.decision());
        assert!(answer.json().get("evaluations").is_none());
    }
    let answer = running.send(post(EVALUATIONS, &json!({}))).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let not_a_list = changed(&base, "/evaluations", Some(json!({})));
    let answer = running.send(post(EVALUATIONS, &not_a_list)).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_evaluation_of_a_batch_is_a_denial_with_the_reason() {
    let (_folder, running) = serve().await;
    let asked = json!({
        "subject": { "type": "user", "id": "alice" }, "action": { "name": "read" },
        "evaluations": [
            { "resource": { "type": "record", "id": "record-1" } },
            {},
            "no evaluation",
            { "resource": { "type": "record" } },
            { "resource": { "type": "record", "id": "record-2" } },
        ],
    });
    let answer = running.send(post(EVALUATIONS, &asked)).await;
    assert_eq!(answer.decisions(), [true, false, false, false, true]);
    let error = &answer.json()["evaluations"][1]["context"]["error"];
    assert_eq!(error["status"], 400);
    assert!(
        error["message"].as_str().unwrap().contains("`/resource`"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_semantic_ends_the_batch_where_it_should() {
    let (folder, running) = serve().await;
    let read = json!({ "action": { "name": "read" } });
    let write = json!({ "action": { "name": "write" } });
    let asked = |semantic: Value, evaluations: Value| {
        json!({
            "subject": { "type": "user", "id": "bob" },
            "resource": { "type": "record", "id": "record-1" },
            "options": { "evaluations_semantic": semantic, "other": 1 },
            "evaluations": evaluations,
        })
    };
    for (semantic, evaluations, expected) in [
        (
            "execute_all",
            json!([read, write, read]),
            vec![true, false, true],
        ),
        (
            "deny_on_first_deny",
            json!([read, write, read]),
            vec![true, false],
        ),
        (
            "deny_on_first_deny",
            json!([read, {}, read]),
            vec![true, false],
        ),
        ("deny_on_first_deny", json!([read, read]), vec![true, true]),
        (
            "permit_on_first_permit",
            json!([write, read, read]),
            vec![false, true],
        ),
        (
            "permit_on_first_permit",
            json!([{}, read, read]),
            vec![false, true],
        ),
        (
            "permit_on_first_permit",
            json!([write, write]),
            vec![false, false],
        ),
    ] {
        let before = folder.logged("decision").len() + folder.logged("refused").len();
        let body = asked(json!(semantic), evaluations);
        let answer = running.send(post(EVALUATIONS, &body)).await;
        assert_eq!(answer.decisions(), expected, "{semantic}");
        // What follows the end is not decided either.
        let after = folder.logged("decision").len() + folder.logged("refused").len();
        assert_eq!(after - before, expected.len(), "{semantic}");
    }
    for unknown in [json!("execute_some"), json!(1), Value::Null] {
        let answer = running
            .send(post(EVALUATIONS, &asked(unknown, json!([read]))))
            .await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    }
    let mut options = asked(json!("execute_all"), json!([read]));
    options["options"] = json!("execute_all");
    let answer = running.send(post(EVALUATIONS, &options)).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metadata_names_the_endpoints_under_the_base_that_the_client_used() {
    let (_folder, running) = serve().await;
    let mut request = get("/.well-known/authzen-configuration");
    request
        .headers_mut()
        .insert("host", "pdp.acme.example:8181".parse().unwrap());
    let answer = running.send(request).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/json");
    let metadata = answer.json();
    let base = "http://pdp.acme.example:8181";
    assert_eq!(metadata["policy_decision_point"], base);
    for (name, path) in [
        ("access_evaluation_endpoint", EVALUATION),
        ("access_evaluations_endpoint", EVALUATIONS),
        ("search_resource_endpoint", "/access/v1/search/resource"),
        ("search_action_endpoint", "/access/v1/search/action"),
    ] {
        assert_eq!(metadata[name], format!("{base}{path}"));
    }
    // There is no search for subjects, so no endpoint is named for it.
    assert!(metadata.get("search_subject_endpoint").is_none());
    let unknown = post("/access/v1/search/subject", &json!({}));
    assert_eq!(running.send(unknown).await.status, StatusCode::NOT_FOUND);
    let configured = Folder::with("[serve]\nurl = \"https://pdp.acme.example/tenant/\"");
    let running = configured.serve().await;
    let metadata = running
        .send(get("/.well-known/authzen-configuration"))
        .await
        .json();
    assert_eq!(
        metadata["policy_decision_point"],
        "https://pdp.acme.example/tenant"
    );
}

async fn search(running: &Running, of: &str, body: Value) -> Vec<String> {
    let answer = running
        .send(post(&format!("/access/v1/search/{of}"), &body))
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let json = answer.json();
    assert_eq!(json["page"]["next_token"], "");
    let key = if of == "action" { "name" } else { "id" };
    let results = json["results"].as_array().unwrap();
    results
        .iter()
        .map(|it| it[key].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_for_resources_finds_those_that_the_subject_may_use() {
    let (folder, running) = serve().await;
    let alice = json!({ "type": "user", "id": "alice" });
    let administrator = json!({ "type": "user", "id": "bob", "properties": { "role": "admin" } });
    let asked = |subject: &Value, action: &str| json!({ "subject": subject, "action": { "name": action }, "resource": { "type": "record" } });
    assert_eq!(
        search(&running, "resource", asked(&alice, "read")).await,
        ["record-1", "record-2"]
    );
    assert_eq!(
        search(&running, "resource", asked(&alice, "write")).await,
        ["record-1"]
    );
    let found = search(&running, "resource", asked(&administrator, "write")).await;
    assert_eq!(found, ["record-1", "record-2"]);
    let stranger = json!({ "type": "user", "id": "nonexistent-user" });
    assert!(
        search(&running, "resource", asked(&stranger, "read"))
            .await
            .is_empty()
    );
    // An id is ignored, and so is a type that is not known.
    let mut with_id = asked(&alice, "write");
    with_id["resource"]["id"] = json!("record-9");
    assert_eq!(search(&running, "resource", with_id).await, ["record-1"]);
    let mut other = asked(&alice, "read");
    other["resource"]["type"] = json!("spaceship");
    assert!(search(&running, "resource", other).await.is_empty());
    // A search decides nothing.
    assert!(folder.logged("decision").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_for_actions_finds_those_that_the_subject_may_take() {
    let (_folder, running) = serve().await;
    let record = json!({ "type": "record", "id": "record-1" });
    let asked = |subject: Value| json!({ "subject": subject, "resource": record });
    let alice = json!({ "type": "user", "id": "alice" });
    assert_eq!(
        search(&running, "action", asked(alice.clone())).await,
        ["read", "write"]
    );
    let with_context =
        json!({ "subject": alice, "resource": record, "context": { "ip": "192.0.2.1" } });
    assert_eq!(
        search(&running, "action", with_context).await,
        ["read", "write"]
    );
    let bob = json!({ "type": "user", "id": "bob" });
    assert_eq!(search(&running, "action", asked(bob)).await, ["read"]);
    let administrator = json!({
        "subject": { "type": "user", "id": "bob", "properties": { "role": "admin" } },
        "resource": { "type": "record", "id": "record-2", "properties": { "status": "archived" } },
    });
    assert_eq!(
        search(&running, "action", administrator).await,
        ["read", "write"]
    );
    let stranger = json!({ "type": "user", "id": "nonexistent-user" });
    assert!(search(&running, "action", asked(stranger)).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_has_pages_and_refuses_what_it_cannot_read() {
    let (_folder, running) = serve().await;
    let base = json!({
        "subject": { "type": "user", "id": "alice" },
        "action": { "name": "read" },
        "resource": { "type": "record" },
    });
    let path = "/access/v1/search/resource";
    let paged = |page: Value| changed(&base, "/page", Some(page));
    let first = running
        .send(post(path, &paged(json!({ "limit": 1 }))))
        .await
        .json();
    assert_eq!(
        first["results"],
        json!([{ "type": "record", "id": "record-1" }])
    );
    let token = first["page"]["next_token"].as_str().unwrap();
    assert!(!token.is_empty());
    let rest = running
        .send(post(path, &paged(json!({ "token": token }))))
        .await
        .json();
    assert_eq!(
        rest["results"],
        json!([{ "type": "record", "id": "record-2" }])
    );
    assert_eq!(rest["page"]["next_token"], "");
    for pointer in [
        "/subject",
        "/subject/id",
        "/subject/type",
        "/action",
        "/action/name",
        "/resource",
        "/resource/type",
    ] {
        let answer = running
            .send(post(path, &changed(&base, pointer, None)))
            .await;
        assert_eq!(
            answer.status,
            StatusCode::BAD_REQUEST,
            "{pointer}: {}",
            answer.text()
        );
    }
    for page in [
        json!("1"),
        json!({ "limit": 0 }),
        json!({ "limit": "1" }),
        json!({ "token": "x" }),
        json!({ "token": 1 }),
    ] {
        let answer = running.send(post(path, &paged(page.clone()))).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{page}");
    }
    let no_resource = json!({ "subject": { "type": "user", "id": "alice" } });
    let answer = running
        .send(post("/access/v1/search/action", &no_resource))
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}
