//! Enforcement points: who may ask, about which integrations, and what they may vouch for.

pub(crate) mod connections;
pub(crate) mod domain;

use crate::client::{self, post, with};
use crate::setting::{EVALUATION, EVALUATIONS, Folder, Running, evaluation};
use domain::Domain;
use http::StatusCode;
use portcullis_host::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const OTHER_TOKEN: &str = "fedcba9876543210fedcba9876543210";
const WORKLOAD: &str = "spiffe://acme.example/agent";

fn bearer(
    token: &str,
    request: http::Request<http_body_util::Full<bytes::Bytes>>,
) -> http::Request<http_body_util::Full<bytes::Bytes>> {
    with(request, "authorization", &format!("Bearer {token}"))
}

/// A server with the enforcement point `trusted`, and `narrow`, which may vouch for `facts`.
async fn serve(domain: &Domain, facts: &str) -> (Folder, Running) {
    let folder = Folder::with("");
    let trust = domain.configure(&folder);
    folder.write("trusted.token", TOKEN);
    folder.write("narrow.token", format!("{OTHER_TOKEN}\n"));
    folder.configure(&format!(
        r#"{trust}
[serve]
[[serve.pep]]
id = "trusted"
token-file = "trusted.token"
integrations = ["*"]
vouches-for = ["principal", "instance", "posture", "origins"]
[[serve.pep]]
id = "narrow"
token-file = "narrow.token"
integrations = ["records"]
vouches-for = [{facts}]
"#
    ));
    let running = folder.serve().await;
    (folder, running)
}

/// An evaluation about the workload.
fn of_workload() -> Value {
    evaluation(WORKLOAD, "read", "record-1")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_caller_gets_no_decision() {
    let domain = Domain::new();
    let (folder, running) = serve(&domain, "").await;
    let asked = of_workload();
    let unknown = [
        post(EVALUATION, &asked),
        bearer("", post(EVALUATION, &asked)),
        bearer(&TOKEN[..31], post(EVALUATION, &asked)),
        bearer(&format!("{TOKEN}x"), post(EVALUATION, &asked)),
        bearer(&TOKEN.to_uppercase(), post(EVALUATION, &asked)),
        with(post(EVALUATION, &asked), "authorization", TOKEN),
        with(
            post(EVALUATION, &asked),
            "authorization",
            &format!("Basic {TOKEN}"),
        ),
        bearer(OTHER_TOKEN, bearer("x", post(EVALUATIONS, &asked))),
    ];
    let count = unknown.len();
    for request in unknown {
        let answer = running.send(request).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}", answer.text());
        assert!(!answer.text().contains(TOKEN));
    }
    assert!(folder.logged("decision").is_empty());
    assert_eq!(folder.logged("refused").len(), count);
    let known = bearer(TOKEN, post(EVALUATION, &asked));
    assert!(running.send(known).await.decision());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_enforcement_points_every_local_caller_is_one() {
    let folder = Folder::with("");
    let running = folder.serve().await;
    let asked = of_workload();
    assert!(running.send(post(EVALUATION, &asked)).await.decision());
    // A client may send a token that is not needed.
    assert!(
        running
            .send(bearer("x", post(EVALUATION, &asked)))
            .await
            .decision()
    );
    assert!(
        running
            .notices
            .iter()
            .any(|it| it.contains("[[serve.pep]]")),
        "{:?}",
        running.notices
    );
    // A web page in a browser of this machine is none.
    let page = with(post(EVALUATION, &asked), "origin", "http://127.0.0.1");
    assert_eq!(running.send(page).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enforcement_point_asks_only_about_its_integrations() {
    let domain = Domain::new();
    let (folder, running) = serve(&domain, "\"principal\"").await;
    let mut elsewhere = of_workload();
    elsewhere["context"] = json!({ "integration": "payroll" });
    let refused = running
        .send(bearer(OTHER_TOKEN, post(EVALUATION, &elsewhere)))
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text().contains("`payroll`"), "{}", refused.text());
    // The other one may ask, and is told that there is none.
    let asked = running
        .send(bearer(TOKEN, post(EVALUATION, &elsewhere)))
        .await;
    assert!(!asked.decision());
    assert_eq!(asked.json()["context"]["cause"], "unknown-integration");
    let own = running
        .send(bearer(OTHER_TOKEN, post(EVALUATION, &of_workload())))
        .await;
    assert!(own.decision());
    let line = &folder.logged("refused")[0];
    assert_eq!(line["integration"], "payroll");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fact_that_an_enforcement_point_may_not_vouch_for_is_refused_with_its_place() {
    let domain = Domain::new();
    let facts = [
        ("principal", "/context/session-path", json!("machine")),
        ("instance", "/subject/properties/instance", json!("pod-1")),
        (
            "instance",
            "/subject/properties/workload-digest",
            json!("sha256:aa"),
        ),
        (
            "posture",
            "/resource/properties/posture",
            json!({ "health": "healthy" }),
        ),
        (
            "origins",
            "/context/argument-origins",
            json!([{ "path": "/x", "origin": "user" }]),
        ),
    ];
    for (fact, pointer, value) in facts {
        let (place, key) = pointer.rsplit_once('/').unwrap();
        let mut asked = of_workload();
        asked["context"] = json!({});
        asked["subject"]["properties"] = json!({});
        asked["resource"]["properties"] = json!({});
        asked["action"]["properties"] = json!({ "x": 1 });
        asked.pointer_mut(place).unwrap()[key] = value;
        let others = ["principal", "instance", "posture", "origins"];
        let others = others.into_iter().filter(|other| *other != fact);
        let others: Vec<_> = others.map(|other| format!("\"{other}\"")).collect();
        let (folder, running) = serve(&domain, &others.join(", ")).await;
        let token = domain.token(WORKLOAD, "jti-1");
        let credential = |request| with(request, "portcullis-credential", &token);
        let narrow = bearer(OTHER_TOKEN, credential(post(EVALUATION, &asked)));
        let refused = running.send(narrow).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{pointer}");
        assert!(
            refused.text().contains(&format!("`{pointer}`")),
            "{}",
            refused.text()
        );
        assert!(
            refused.text().contains(&format!("`{fact}`")),
            "{}",
            refused.text()
        );
        assert!(folder.logged("decision").is_empty());
        // One that may state it gets a decision.
        let trusted = bearer(TOKEN, credential(post(EVALUATION, &asked)));
        assert!(running.send(trusted).await.decision(), "{pointer}");
        // In a batch, the evaluation is a denial, and the others are decided.
        let batch = json!({ "evaluations": [asked, of_workload()] });
        let batch = bearer(OTHER_TOKEN, credential(post(EVALUATIONS, &batch)));
        assert_eq!(running.send(batch).await.decisions(), [false, true]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_principal_comes_from_its_credential_where_the_enforcement_point_may_not_vouch() {
    let domain = Domain::new();
    let (folder, running) = serve(&domain, "").await;
    let own = domain.token(WORKLOAD, "jti-1");
    let narrow = |asked: &Value, token: &str| {
        let request = with(post(EVALUATION, asked), "portcullis-credential", token);
        bearer(OTHER_TOKEN, request)
    };
    for scheme in ["", "Bearer ", "bearer "] {
        let token = format!("{scheme}{own}");
        let answer = running.send(narrow(&of_workload(), &token)).await;
        assert!(answer.decision(), "{}", answer.text());
    }
    let recorded = folder.logged("decision").pop().unwrap();
    let subject = &recorded["request"]["subject"];
    assert_eq!(subject["properties"]["credential-id"], "jti-1");
    assert_eq!(subject["properties"]["attestation"], "jwt-svid");
    assert!(
        !folder.read("decisions.jsonl").contains(&own),
        "the log has the token"
    );
    // Without the credential, its word does not count.
    let refused = running
        .send(bearer(OTHER_TOKEN, post(EVALUATION, &of_workload())))
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    // The statements have to agree with the credential.
    let stated = |properties: Value| {
        let mut asked = of_workload();
        asked["subject"]["properties"] = properties;
        asked
    };
    let agrees = stated(json!({ "credential-id": "jti-1", "attestation": "jwt-svid" }));
    assert!(running.send(narrow(&agrees, &own)).await.decision());
    let mut of_another = of_workload();
    of_another["subject"]["id"] = json!("spiffe://acme.example/lead");
    for disagrees in [
        of_another,
        stated(json!({ "credential-id": "jti-2" })),
        stated(json!({ "attestation": "proof-of-possession" })),
        stated(json!({ "credential-expires-at": "2099-01-01T00:00:00Z" })),
        stated(json!({ "owner": "team@acme.example" })),
        stated(json!({ "environment": "prod" })),
        stated(json!({ "delegated-by": ["spiffe://acme.example/lead"] })),
        stated(json!({ "role": "admin" })),
    ] {
        let answer = running.send(narrow(&disagrees, &own)).await;
        assert_eq!(
            answer.status,
            StatusCode::FORBIDDEN,
            "{disagrees}: {}",
            answer.text()
        );
        assert!(answer.text().contains("`/subject/"), "{}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_credential_of_a_workload_is_a_denial_and_no_failure_of_the_caller() {
    let domain = Domain::new();
    let (folder, running) = serve(&domain, "\"principal\"").await;
    let other = Domain::new();
    let forged = other.token(WORKLOAD, "jti-1");
    let mut tampered = domain.token(WORKLOAD, "jti-1");
    tampered.truncate(tampered.len() - 4);
    for token in [forged.as_str(), tampered.as_str(), "x", ""] {
        for pep in [TOKEN, OTHER_TOKEN] {
            // The trusted one may vouch for the principal; a credential that it passes has to be valid still.
            let request = with(
                post(EVALUATION, &of_workload()),
                "portcullis-credential",
                token,
            );
            let answer = running.send(bearer(pep, request)).await;
            assert!(!answer.decision(), "{token}");
            assert_eq!(answer.json()["context"]["error"]["status"], 401);
            assert!(!answer.text().contains("eyJ"), "{}", answer.text());
        }
    }
    assert!(folder.logged("decision").is_empty());
    assert_eq!(folder.logged("refused").len(), 8);
    let found = with(
        post("/access/v1/search/action", &of_workload()),
        "portcullis-credential",
        &forged,
    );
    let found = running.send(bearer(TOKEN, found)).await.json();
    assert_eq!(found["results"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_statement_about_a_neighbours_credential_changes_nothing_for_the_neighbour() {
    let domain = Domain::new();
    let (folder, running) = serve(&domain, "\"principal\"").await;
    let from = |instance: &str, credential: &str| {
        let mut asked = of_workload();
        asked["subject"]["properties"] = json!({
            "credential-id": credential, "instance": instance, "attestation": "jwt-svid",
            "credential-expires-at": Timestamp::now().plus(Duration::from_secs(600)),
        });
        asked
    };
    let trusted = |asked: Value| running.send(bearer(TOKEN, post(EVALUATION, &asked)));
    assert!(trusted(from("pod-1", "jti-1")).await.decision());
    // The narrow one may not vouch for an instance, so it cannot make the credential look copied.
    for path in [EVALUATION, EVALUATIONS] {
        let request = bearer(OTHER_TOKEN, post(path, &from("pod-2", "jti-1")));
        assert_eq!(running.send(request).await.status, StatusCode::FORBIDDEN);
    }
    assert!(trusted(from("pod-1", "jti-1")).await.decision());
    // The same statement of one that may make it counts: the refusal above is not without effect.
    let copied = trusted(from("pod-2", "jti-1")).await;
    assert!(!copied.decision());
    assert_eq!(copied.json()["context"]["cause"], "credential-cloned");
    assert_eq!(folder.logged("decision").len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_callers_cannot_fill_the_log() {
    let domain = Domain::new();
    let (folder, running) = serve(&domain, "").await;
    let begin = std::time::Instant::now();
    for _ in 0..60 {
        let answer = running.send(post(EVALUATION, &of_workload())).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    let seconds = usize::try_from(begin.elapsed().as_secs()).unwrap() + 1;
    let recorded = folder.logged("refused").len();
    assert!(recorded <= 10 * seconds, "{recorded} in {seconds} s");
    let metrics = running.admin(client::get("/metrics")).await.text();
    let not_recorded = 60 - recorded;
    let line = format!("portcullis_unrecorded_refusals_total {not_recorded}\n");
    assert!(metrics.contains(&line), "{line}{metrics}");
    assert!(metrics.contains("portcullis_refused_requests_total{kind=\"unknown-caller\"} 60\n"));
}
