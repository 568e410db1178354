//! The life of a server: its start, its checkpoints and its end.

use crate::client::{get, post};
use crate::setting::{EVALUATION, Folder, PATIENCE, evaluation, local, until};
use portcullis_host::{Timestamp, revocation};
use portcullis_server::settings::{Address, Settings};
use portcullis_server::{Options, Server};
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A request whose body is sent in two parts.
fn in_parts() -> (String, String) {
    let body = evaluation("alice", "read", "record-1").to_string();
    let (first, rest) = body.split_at(10);
    let head = format!(
        "POST {EVALUATION} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{first}",
        body.len()
    );
    (head, rest.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_ends_requests_in_flight_and_loses_no_decision() {
    let folder = Folder::with("");
    let mut running = folder.serve().await;
    let Address::Tcp(address) = running.addresses[0].clone() else {
        panic!()
    };
    let (head, rest) = in_parts();
    let mut in_flight = TcpStream::connect(address).await.unwrap();
    in_flight.write_all(head.as_bytes()).await.unwrap();
    let idle = TcpStream::connect(address).await.unwrap();
    // The server has the first part when it decides another request that was sent later.
    let asked = evaluation("alice", "read", "record-2");
    assert!(running.send(post(EVALUATION, &asked)).await.decision());
    running.begin_to_stop();
    until("no connection is accepted", || async {
        TcpStream::connect(address).await.is_err()
    })
    .await;
    in_flight.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, in_flight.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("\"decision\":true"), "{answer}");
    drop(idle);
    assert!(running.stop().await);
    assert_eq!(folder.logged("decision").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_waits_no_longer_than_it_may() {
    let folder = Folder::with("[serve]\nshutdown-timeout = \"300ms\"");
    let running = folder.serve().await;
    let Address::Tcp(address) = running.addresses[0].clone() else {
        panic!()
    };
    let mut in_flight = TcpStream::connect(address).await.unwrap();
    in_flight.write_all(in_parts().0.as_bytes()).await.unwrap();
    let asked = evaluation("alice", "read", "record-2");
    assert!(running.send(post(EVALUATION, &asked)).await.decision());
    assert!(!running.stop().await, "the request has not ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_has_the_limit_that_is_in_force_when_it_begins() {
    // Longer than the test waits for the end.
    let folder = Folder::with("[serve]\nshutdown-timeout = \"1h\"");
    let running = folder.serve().await;
    let Address::Tcp(address) = running.addresses[0].clone() else {
        panic!()
    };
    let mut in_flight = TcpStream::connect(address).await.unwrap();
    in_flight.write_all(in_parts().0.as_bytes()).await.unwrap();
    let config = folder.read("portcullis.toml");
    folder.write("portcullis.toml", config.replace("\"1h\"", "\"50ms\""));
    let reloaded = running.admin(post("/reload", &json!({}))).await;
    assert_eq!(reloaded.json()["changed"], true, "{}", reloaded.text());
    assert!(!running.stop().await, "the request has not ended");
}

/// A connection on which a request was answered, and which stays open.
async fn kept(address: &Address, path: &str) -> TcpStream {
    let Address::Tcp(address) = address else {
        panic!("{address}")
    };
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_has_stopped_leaves_its_log_to_the_next() {
    let folder = Folder::with("[serve]\nshutdown-timeout = \"50ms\"");
    for round in 0..20 {
        // The last server still has connections, a request that never ends, and a reload.
        let running = folder.serve().await;
        let discovery = "/.well-known/authzen-configuration";
        let _kept = kept(&running.addresses[0], discovery).await;
        let _watched = kept(running.addresses.last().unwrap(), "/readyz").await;
        let Address::Tcp(address) = running.addresses[0].clone() else {
            panic!()
        };
        let mut in_flight = TcpStream::connect(address).await.unwrap();
        in_flight.write_all(in_parts().0.as_bytes()).await.unwrap();
        let control = running.control.clone();
        let reload = tokio::spawn(async move { control.reload().await });
        let asked = evaluation("alice", "read", "record-1");
        assert!(running.send(post(EVALUATION, &asked)).await.decision());
        assert!(!running.stop().await, "round {round}");
        // A handle to the server holds its decision point as long as it is there.
        let _ = reload.await.unwrap();
    }
    assert_eq!(folder.logged("decision").len(), 20);
}

#[tokio::test]
async fn the_admin_listener_answers_while_no_other_task_has_a_turn() {
    let folder = Folder::with("");
    let running = folder.serve().await;
    // The server has begun. The runtime of this test has one thread, which the loop below never gives back.
    running.admin(get("/livez")).await;
    let Address::Tcp(address) = running.addresses.last().unwrap() else {
        panic!()
    };
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    for path in ["/livez", "/readyz", "/metrics", "/status"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = [0; 65_536];
        let length = stream.read(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]);
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
    }
    assert!(running.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_owns_the_list_writes_its_checkpoints() {
    let folder = Folder::with("");
    let list = folder.path().join("revocations.jsonl");
    let long_ago = Timestamp::from_millis(Timestamp::now().as_millis() - 3_600_000);
    revocation::append(&list, None, long_ago).unwrap();
    folder.configure(
        "revocation = { path = \"revocations.jsonl\", max-staleness = \"1m\" }\n[serve]\ncheckpoint-every = \"1s\"",
    );
    let running = folder.serve().await;
    // The first is written at once, so that the list of a host that was down becomes current.
    until("the list is current", || async {
        let asked = evaluation("alice", "read", "record-1");
        running.send(post(EVALUATION, &asked)).await.decision()
    })
    .await;
    until("two more checkpoints", || async {
        folder.read("revocations.jsonl").lines().count() >= 4
    })
    .await;
    let status = running.status().await;
    assert!(
        status["server"]["checkpoint"]
            .as_str()
            .unwrap()
            .starts_with("written at "),
        "{status}"
    );
    // A list that was cut is not made current.
    let whole = folder.read("revocations.jsonl");
    let cut = whole.lines().next().unwrap().to_owned() + "\n";
    std::fs::write(&list, &cut).unwrap();
    until("the failure is shown", || async {
        let status = running.status().await;
        status["server"]["checkpoint"]
            .as_str()
            .unwrap()
            .starts_with("not written")
    })
    .await;
    assert!(
        running
            .said()
            .iter()
            .any(|it| it.contains("no checkpoint is written"))
    );
    assert_eq!(folder.read("revocations.jsonl"), cut);
}

#[tokio::test(flavor = "multi_thread")]
async fn listeners_that_others_can_reach_need_tls_and_enforcement_points() {
    let bind = |settings: Settings| async {
        let pdp = portcullis_host::Pdp::builder().build().unwrap();
        Server::bind(Options::new(pdp, settings)).await.map(|_| ())
    };
    let open: Address = "0.0.0.0:0".parse().unwrap();
    let settings = Settings::default().listen([local()]).admin(None);
    assert!(bind(settings.clone()).await.is_ok());
    let error = bind(settings.clone().listen([local(), open.clone()]))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("[[serve.pep]]"), "{error}");
    let error = bind(settings.admin(Some(open))).await.unwrap_err();
    assert!(error.to_string().contains("admin-token-file"), "{error}");
    assert!(Duration::from_secs(30) <= PATIENCE);
}
