//! Changes of the configuration while the server runs.

use crate::client::{get, post, send_tls, trusting, with};
use crate::setting::{EVALUATION, Folder, evaluation, until};
use http::StatusCode;
use serde_json::json;

const ONE: &str = "0123456789abcdef0123456789abcdef";
const TWO: &str = "fedcba9876543210fedcba9876543210";

fn peps(integrations: &str) -> String {
    format!(
        "[serve]\n[[serve.pep]]\nid = \"gateway\"\ntoken-file = \"gateway.token\"\nintegrations = [{integrations}]\nvouches-for = [\"principal\"]"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_policy_decides_the_next_request_without_a_restart() {
    let folder = Folder::with("");
    let running = folder.serve().await;
    let asked = evaluation("carol", "read", "record-1");
    assert!(!running.send(post(EVALUATION, &asked)).await.decision());
    let config = folder.read("portcullis.toml");
    folder.write(
        "portcullis.toml",
        config.replace("\"bob\"", "\"bob\", \"carol\""),
    );
    // Asked for, it is in force with the answer.
    let reloaded = running.admin(post("/reload", &json!({}))).await;
    assert_eq!(reloaded.status, StatusCode::OK, "{}", reloaded.text());
    assert_eq!(reloaded.json()["changed"], true);
    assert!(running.send(post(EVALUATION, &asked)).await.decision());
    // A change alone is noticed.
    folder.write("portcullis.toml", config);
    until("the change is in force", || async {
        !running.send(post(EVALUATION, &asked)).await.decision()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_with_an_error_anywhere_leaves_all_as_it_was() {
    let folder = Folder::with("");
    let running = folder.serve().await;
    let asked = evaluation("alice", "read", "record-1");
    let good = folder.read("portcullis.toml");
    for (name, bad) in [
        ("host", good.replace("readers = [", "readers = 1 # [")),
        (
            "serve",
            format!("serve = {{ listen = \"nowhere\" }}\n{good}"),
        ),
        (
            "both",
            format!("serve = {{ lisen = \"127.0.0.1:1\" }}\nbad = 1\n{good}"),
        ),
        ("toml", format!("{good}[")),
    ] {
        folder.write("portcullis.toml", bad);
        let answer = running.admin(post("/reload", &json!({}))).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{name}");
        let problems = answer.json()["problems"].to_string();
        assert!(problems.contains("portcullis.toml"), "{problems}");
        assert!(
            running.send(post(EVALUATION, &asked)).await.decision(),
            "{name}"
        );
    }
    folder.write("portcullis.toml", good);
    assert_eq!(
        running.admin(post("/reload", &json!({}))).await.status,
        StatusCode::OK
    );
    assert!(running.control.reload().await.is_ok());
    let metrics = running.admin(get("/metrics")).await.text();
    assert!(
        metrics.contains("portcullis_reloads_total{result=\"failed\"} 4"),
        "{metrics}"
    );
    assert!(
        metrics.contains("portcullis_reloads_total{result=\"succeeded\"} 2"),
        "{metrics}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn enforcement_points_change_with_the_configuration_and_with_their_tokens() {
    let folder = Folder::with("");
    folder.write("gateway.token", ONE);
    folder.configure(&peps("\"records\""));
    let running = folder.serve().await;
    let asked = evaluation("alice", "read", "record-1");
    let status = |token: &'static str| {
        let request = with(
            post(EVALUATION, &asked),
            "authorization",
            &format!("Bearer {token}"),
        );
        let answer = running.send(request);
        async { answer.await.status }
    };
    assert_eq!(status(ONE).await, StatusCode::OK);
    assert_eq!(status(TWO).await, StatusCode::UNAUTHORIZED);
    folder.write("gateway.token", TWO);
    until("the new token is known", || async {
        status(TWO).await == StatusCode::OK
    })
    .await;
    assert_eq!(status(ONE).await, StatusCode::UNAUTHORIZED);
    // A token that cannot be read changes nothing, and is shown.
    folder.write("gateway.token", "short");
    until("the problem is shown", || async {
        running.status().await["server"]["refused"]
            .to_string()
            .contains("gateway.token")
    })
    .await;
    assert_eq!(status(TWO).await, StatusCode::OK);
    folder.write("gateway.token", ONE);
    until("the first token is known again", || async {
        status(ONE).await == StatusCode::OK
    })
    .await;
    until("no problem is left", || async {
        running.status().await["server"]["refused"] == json!([])
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_would_open_the_bound_listeners_is_refused() {
    let folder = Folder::with("");
    folder.write("gateway.token", ONE);
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    folder.write("server.pem", certificate.cert.pem());
    folder.write("server.key", certificate.signing_key.serialize_pem());
    let tls = "[serve.tls]\ncertificate = \"server.pem\"\nkey = \"server.key\"\n";
    let with_peps = format!("{}\n{tls}", peps("\"records\"")).replace(
        "[serve]\n",
        "[serve]\nlisten = \"0.0.0.0:0\"\nadmin = \"127.0.0.1:0\"\n",
    );
    folder.configure(&with_peps);
    // The admin listener is local, and so without TLS.
    let running = folder.serve_with(|settings| settings).await;
    assert!(
        running.urls[0].starts_with("https://"),
        "{:?}",
        running.urls
    );
    assert!(running.urls[1].starts_with("http://"), "{:?}", running.urls);
    // Without enforcement points, the file is fine for its own listener, and not for the one that is bound.
    folder.configure("[serve]\nlisten = \"127.0.0.1:0\"");
    let error = running.control.reload().await.unwrap_err().join("\n");
    assert!(
        error.contains("0.0.0.0:0") && error.contains("[[serve.pep]]"),
        "{error}"
    );
    assert_eq!(running.status().await["server"]["peps"][0]["id"], "gateway");
    // A change of a listener is announced, and the rest is in force.
    let moved = with_peps
        .replace("0.0.0.0:0", "127.0.0.1:0")
        .replace("\"gateway\"", "\"moved\"");
    folder.configure(&moved);
    let notices = running.control.reload().await.unwrap().join("\n");
    assert!(notices.contains("`listen` changed"), "{notices}");
    assert_eq!(running.status().await["server"]["peps"][0]["id"], "moved");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_certificate_is_presented_to_the_next_connection() {
    let certificate = || rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (old, new) = (certificate(), certificate());
    let folder = Folder::with("");
    folder.write("server.pem", old.cert.pem());
    folder.write("server.key", old.signing_key.serialize_pem());
    folder.configure("[serve.tls]\ncertificate = \"server.pem\"\nkey = \"server.key\"");
    let running = folder.serve().await;
    let asked = evaluation("alice", "read", "record-1");
    let decided = |certificate: &rcgen::CertifiedKey<rcgen::KeyPair>| {
        let config = trusting(certificate.cert.der());
        let answer = send_tls(&running.addresses[0], config, post(EVALUATION, &asked));
        async { answer.await.is_ok_and(|answer| answer.decision()) }
    };
    assert!(decided(&old).await);
    assert!(!decided(&new).await);
    // Half of a replacement is not used.
    folder.write("server.pem", new.cert.pem());
    until("the problem is shown", || async {
        running.status().await["server"]["refused"]
            .to_string()
            .contains("cannot be used together")
    })
    .await;
    assert!(decided(&old).await);
    folder.write("server.key", new.signing_key.serialize_pem());
    until("the new certificate is presented", || decided(&new)).await;
    assert!(!decided(&old).await);
}
