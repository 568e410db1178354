//! The admin listener: health, status, metrics, and who may use it.

use crate::client::{get, post, with};
use crate::setting::{EVALUATION, Folder, evaluation, local};
use http::{Method, StatusCode, header};
use portcullis_host::Timestamp;
use portcullis_host::revocation;
use serde_json::json;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn the_status_shows_what_is_loaded_and_the_last_decisions_without_arguments() {
    let folder = Folder::with("");
    let running = folder.serve().await;
    let mut asked = evaluation("alice", "delete", "record-1");
    asked["action"]["properties"] = json!({ "soft": false, "reason": "s3cret-argument" });
    let decided = running.send(post(EVALUATION, &asked)).await.json();
    let asked = evaluation("alice", "read", "record-1");
    running.send(post(EVALUATION, &asked)).await;
    let status = running.status().await;
    let plugin = &status["host"]["integrations"][0]["plugins"][0];
    assert_eq!(plugin["name"], "records");
    assert!(plugin["digest"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!(status["server"]["listeners"], json!(running.urls));
    assert_eq!(status["server"]["peps"][0]["id"], "local");
    let decisions = status["server"]["decisions"].as_array().unwrap();
    assert_eq!(decisions.len(), 2);
    let (last, first) = (&decisions[0], &decisions[1]);
    assert_eq!(
        (&last["decision"], &last["cause"]),
        (&json!(true), &json!("permitted"))
    );
    assert_eq!(first["decision"], false);
    assert_eq!(first["cause"], "plugin-denied");
    assert_eq!(first["reasons"], json!(["records: final"]));
    assert_eq!(first["id"], decided["context"]["id"]);
    assert_eq!(first["principal"], "alice");
    assert_eq!(first["resource"], "record record-1");
    assert_eq!(status["server"]["latency"]["decisions"], 2);
    let page = running.admin(get("/")).await;
    for text in [status.to_string(), page.text()] {
        assert!(!text.contains("s3cret-argument"));
        // Nor the message of the plugin, which could repeat one.
        assert!(!text.contains("could not be restored"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_needs_no_script_and_may_load_nothing_from_elsewhere() {
    let folder = Folder::with("");
    let running = folder.serve().await;
    let mut hostile = evaluation("alice", "read", "x");
    hostile["resource"]["id"] = json!("<script>alert(1)</script>\" onload=\"x");
    running.send(post(EVALUATION, &hostile)).await;
    let page = running.admin(get("/")).await;
    assert_eq!(page.status, StatusCode::OK);
    let policy = page.headers[header::CONTENT_SECURITY_POLICY]
        .to_str()
        .unwrap();
    assert!(policy.contains("default-src 'none'"), "{policy}");
    assert!(
        !policy.contains("unsafe") && !policy.contains("script-src"),
        "{policy}"
    );
    let text = page.text();
    assert!(!text.contains("<script"), "{text}");
    assert!(!text.contains("onload=\"x"), "{text}");
    assert!(text.contains("&lt;script&gt;"), "{text}");
    assert!(text.contains("<html lang=\"en\">") && text.contains("name=\"viewport\""));
    // The page may load its own style sheet, which has both themes.
    let style = running.admin(get("/style.css")).await;
    assert_eq!(
        style.headers[header::CONTENT_TYPE],
        "text/css; charset=utf-8"
    );
    assert!(style.text().contains("prefers-color-scheme: dark"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_at_first_what_is_loaded_and_what_was_denied() {
    let folder = Folder::with("");
    let running = folder.serve().await;
    let page = async || running.admin(get("/")).await.text();
    let before = page().await;
    assert!(before.contains("none since the start"), "{before}");
    assert!(!before.contains("Denied, and why"), "{before}");
    let mut denied = evaluation("alice", "delete", "record-1");
    denied["action"]["properties"] = json!({ "soft": false });
    running.send(post(EVALUATION, &denied)).await;
    running.send(post(EVALUATION, &denied)).await;
    let permitted = evaluation("alice", "read", "record-1");
    running.send(post(EVALUATION, &permitted)).await;
    let after = page().await;
    assert!(
        after.contains("<title>Ready: Portcullis</title>"),
        "{after}"
    );
    assert!(after.contains("1 permit, 2 denies"), "{after}");
    let status = running.status().await;
    assert!(after.contains(status["host"]["digest"].as_str().unwrap()));
    // The two denies are one group, and the permit is none.
    let (_, groups) = after.split_once("Denied, and why").unwrap();
    let (groups, _) = groups.split_once("</table>").unwrap();
    assert!(groups.contains("<b>2</b>"), "{groups}");
    assert_eq!(groups.matches("<tr>").count(), 2, "{groups}");
    assert!(
        groups.contains("plugin-denied") && groups.contains("records: final"),
        "{groups}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_that_the_log_masks_is_not_in_the_status() {
    let folder = Folder::with("");
    let config = folder.read("portcullis.toml");
    let masked = config.replace(
        "\"buffered\" }",
        "\"buffered\", mask = [\"/resource/id\"] }",
    );
    assert_ne!(config, masked);
    folder.write("portcullis.toml", masked);
    let running = folder.serve().await;
    let asked = evaluation("alice", "read", "record-of-a-patient");
    assert!(running.send(post(EVALUATION, &asked)).await.decision());
    let status = running.status().await;
    assert_eq!(
        status["server"]["decisions"][0]["resource"],
        "record (masked)"
    );
    assert!(!running.admin(get("/")).await.text().contains("patient"));
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_have_bounded_labels() {
    let folder = Folder::with("");
    let running = folder.serve().await;
    for index in 0..5 {
        let mut asked = evaluation("alice", "read", &format!("record-{index}"));
        asked["context"] = json!({ "integration": format!("invented-{index}") });
        running.send(post(EVALUATION, &asked)).await;
        running.send(get(&format!("/invented/{index}"))).await;
    }
    let asked = evaluation("alice", "read", "record-1");
    assert!(running.send(post(EVALUATION, &asked)).await.decision());
    running.send(post(EVALUATION, &json!({}))).await;
    let metrics = running.admin(get("/metrics")).await.text();
    for line in [
        "portcullis_decisions_total{integration=\"records\",effect=\"permit\",cause=\"permitted\"} 1",
        "portcullis_decisions_total{integration=\"unknown\",effect=\"deny\",cause=\"unknown-integration\"} 5",
        "portcullis_refused_requests_total{kind=\"malformed\"} 1",
        "portcullis_requests_total{route=\"/access/v1/evaluation\",status=\"400\"} 1",
        "portcullis_requests_total{route=\"other\",status=\"404\"} 5",
        "portcullis_decision_time_seconds_count 6",
        "portcullis_ready 1",
    ] {
        assert!(metrics.contains(line), "{line}:\n{metrics}");
    }
    for text in ["invented", "alice", "record-1"] {
        assert!(!metrics.contains(text), "{metrics}");
    }
    assert!(metrics.ends_with("# EOF\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_not_ready_while_its_revocation_list_is_stale_and_says_so() {
    let folder = Folder::with("");
    let list = folder.path().join("revocations.jsonl");
    let then = Timestamp::from_millis(Timestamp::now().as_millis() - 60_000);
    revocation::append(&list, None, then).unwrap();
    folder.configure("revocation = { path = \"revocations.jsonl\", max-staleness = \"30s\" }");
    let running = folder.serve().await;
    let ready = running.admin(get("/readyz")).await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(ready.text().contains("revocation list"), "{}", ready.text());
    assert_eq!(running.admin(get("/livez")).await.status, StatusCode::OK);
    let asked = evaluation("alice", "read", "record-1");
    let denied = running.send(post(EVALUATION, &asked)).await;
    assert_eq!(denied.json()["context"]["cause"], "revocation-stale");
    assert!(running.admin(get("/")).await.text().contains("Not ready"));
    revocation::append(&list, None, Timestamp::now()).unwrap();
    crate::setting::until("the server is ready again", || async {
        running.admin(get("/readyz")).await.status == StatusCode::OK
    })
    .await;
    assert!(running.send(post(EVALUATION, &asked)).await.decision());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_page_reaches_nothing_of_the_admin_listener() {
    let folder = Folder::with("");
    let running = folder.serve().await;
    let named = |host: &'static str, path| {
        let mut request = get(path);
        request.headers_mut().insert("host", host.parse().unwrap());
        request
    };
    for path in ["/", "/status", "/metrics"] {
        assert_eq!(
            running.admin(named("localhost:8182", path)).await.status,
            StatusCode::OK
        );
        // A name of the attacker that was bound to 127.0.0.1.
        let rebound = running.admin(named("evil.example:8182", path)).await;
        assert_eq!(rebound.status, StatusCode::FORBIDDEN, "{path}");
    }
    let reload = || post("/reload", &json!({}));
    assert_eq!(running.admin(reload()).await.status, StatusCode::OK);
    let page = with(reload(), "origin", "https://evil.example");
    assert_eq!(running.admin(page).await.status, StatusCode::FORBIDDEN);
    // A link changes nothing.
    let mut link = reload();
    *link.method_mut() = Method::GET;
    assert_eq!(
        running.admin(link).await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
    // Decisions and administration are on listeners of their own.
    let asked = evaluation("alice", "read", "record-1");
    assert_eq!(
        running.admin(post(EVALUATION, &asked)).await.status,
        StatusCode::NOT_FOUND
    );
    for path in ["/status", "/metrics", "/readyz", "/reload"] {
        assert_eq!(running.send(get(path)).await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_token_only_health_is_for_every_caller() {
    let token = "0123456789abcdef0123456789abcdef";
    let folder = Folder::with("");
    folder.write("admin.token", token);
    let list = folder.path().join("revocations.jsonl");
    let then = Timestamp::from_millis(Timestamp::now().as_millis() - 60_000);
    revocation::append(&list, None, then).unwrap();
    folder.configure(
        "revocation = { path = \"revocations.jsonl\", max-staleness = \"30s\" }\n[serve]\nadmin-token-file = \"admin.token\"",
    );
    let running = folder.serve().await;
    let bearer = |token: &str, request| with(request, "authorization", &format!("Bearer {token}"));
    for path in ["/", "/status", "/metrics"] {
        assert_eq!(
            running.admin(get(path)).await.status,
            StatusCode::UNAUTHORIZED
        );
        let wrong = running.admin(bearer(&token[1..], get(path))).await;
        assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
        assert_eq!(
            running.admin(bearer(token, get(path))).await.status,
            StatusCode::OK
        );
    }
    let reload = post("/reload", &json!({}));
    assert_eq!(running.admin(reload).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(running.admin(get("/livez")).await.status, StatusCode::OK);
    // The reasons name files and identities.
    let ready = running.admin(get("/readyz")).await;
    assert_eq!(
        (ready.status, ready.text()),
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n".to_owned())
    );
    let ready = running.admin(bearer(token, get("/readyz"))).await;
    assert!(ready.text().contains("revocation list"), "{}", ready.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_ends_a_quarantine() {
    let folder = Folder::with("");
    let hostile = portcullis_tests::guests::component("tests/guests/hostile").unwrap();
    folder.write("hostile.wasm", hostile);
    let config = folder.read("portcullis.toml");
    folder.write(
        "portcullis.toml",
        format!(
            "quarantine = {{ faults = 2, backoff = \"1h\", max-backoff = \"1h\" }}\n{config}\n[[integration]]\nname = \"panicking\"\n[[integration.plugin]]\ncomponent = \"hostile.wasm\"\nsettings = {{ behaviour = \"panic\" }}\n"
        ),
    );
    let running = folder.serve().await;
    let mut asked = evaluation("alice", "read", "record-1");
    asked["context"] = json!({ "integration": "panicking" });
    let cause = || async {
        let answer = running.send(post(EVALUATION, &asked)).await;
        answer.json()["context"]["cause"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    for expected in ["plugin-trap", "plugin-trap", "plugin-quarantined"] {
        assert_eq!(cause().await, expected);
    }
    let release = |name: &str| post(&format!("/quarantine/{name}/release"), &json!({}));
    assert_eq!(
        running.admin(release("records")).await.json()["released"],
        json!([])
    );
    assert_eq!(
        running.admin(release("unknown")).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(cause().await, "plugin-quarantined");
    assert_eq!(
        running.admin(release("panicking")).await.json()["released"],
        json!(["hostile"])
    );
    assert_eq!(cause().await, "plugin-trap");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_is_asked_for_as_the_command_does() {
    let folder = Folder::with("");
    let running = folder.serve().await;
    let admin = running.addresses.last().unwrap();
    let url = portcullis_server::AdminUrl::of(admin, false);
    let status = portcullis_server::ask(&url, None, None).await.unwrap();
    assert!(status.is_as_meant());
    assert_eq!(status.host.integrations[0].name, "records");
    // The listener for decisions has no status, and a port without a server answers nothing.
    let decisions = portcullis_server::AdminUrl::of(&running.addresses[0], false);
    let refused = portcullis_server::ask(&decisions, None, None)
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("404"), "{refused}");
    let unused = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let unused = format!("http://{unused}").parse().unwrap();
    let none = portcullis_server::ask(&unused, None, None)
        .await
        .unwrap_err();
    assert!(none.to_string().contains("portcullis serve"), "{none}");
    let socket = folder.path().join("admin.sock");
    let at_socket = portcullis_server::settings::Address::Unix(socket.clone());
    let options = portcullis_server::Options::new(
        portcullis_host::Pdp::builder().build().unwrap(),
        portcullis_server::settings::Settings::default()
            .listen([local()])
            .admin(Some(at_socket.clone())),
    );
    let server = portcullis_server::Server::bind(options).await.unwrap();
    let task = tokio::spawn(server.run(std::future::pending()));
    let url = portcullis_server::AdminUrl::of(&at_socket, false);
    let status = portcullis_server::ask(&url, None, None).await.unwrap();
    assert_eq!(status.server.listeners.len(), 2);
    assert_eq!(status.server.latency.decisions, 0);
    assert!(Duration::ZERO < Duration::from_secs(status.host.started.as_millis() / 1000));
    task.abort();
}
