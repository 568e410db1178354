//! Bounds on requests and connections.

use crate::client::{post, post_as};
use crate::setting::{EVALUATION, EVALUATIONS, Folder, PATIENCE, Running, evaluation};
use http::StatusCode;
use portcullis_server::settings::Address;
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Limits that a test reaches at once.
const TIGHT: &str = r#"
request = { max-bytes = 2000 }
[serve]
max-connections = 4
max-header-bytes = 8192
max-evaluations = 3
header-timeout = "300ms"
request-timeout = "600ms"
idle-timeout = "900ms"
"#;

async fn connect(running: &Running) -> TcpStream {
    match &running.addresses[0] {
        Address::Tcp(address) => TcpStream::connect(address).await.unwrap(),
        other => panic!("{other}"),
    }
}

/// All that the server sends until it closes the connection, which it has to.
async fn until_closed(mut stream: TcpStream) -> String {
    let mut received = Vec::new();
    // A reset closes the connection too.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut received))
        .await
        .expect("the server closes the connection");
    String::from_utf8_lossy(&received).into_owned()
}

async fn serves(running: &Running) {
    let asked = evaluation("alice", "read", "record-1");
    assert!(running.send(post(EVALUATION, &asked)).await.decision());
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_senders_are_cut_and_others_are_served() {
    let folder = Folder::with(TIGHT);
    let running = folder.serve().await;
    // Nothing at all; a part of the headers; a part of the body; a part of a request after a whole one.
    let silent = connect(&running).await;
    let mut headers = connect(&running).await;
    headers
        .write_all(b"POST /access/v1/evaluation HTTP/1.1\r\nHost: a\r\n")
        .await
        .unwrap();
    let mut body = connect(&running).await;
    body.write_all(
        b"POST /access/v1/evaluation HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
    )
    .await
    .unwrap();
    serves(&running).await;
    let (silent, headers, body) = tokio::join!(
        until_closed(silent),
        until_closed(headers),
        until_closed(body)
    );
    assert_eq!(silent, "");
    assert!(
        headers.is_empty() || headers.starts_with("HTTP/1.1 408"),
        "{headers}"
    );
    assert!(body.starts_with("HTTP/1.1 408"), "{body}");
    let mut second = connect(&running).await;
    second
        .write_all(b"GET /.well-known/authzen-configuration HTTP/1.1\r\nHost: a\r\n\r\nGET /")
        .await
        .unwrap();
    let second = until_closed(second).await;
    assert!(second.starts_with("HTTP/1.1 200"), "{second}");
    serves(&running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_connections_than_the_maximum_wait_and_are_served_later() {
    let folder = Folder::with(TIGHT);
    let running = folder.serve().await;
    let mut held = Vec::new();
    for _ in 0..12 {
        held.push(connect(&running).await);
    }
    // Each of them is cut in time, and then there is room.
    serves(&running).await;
    for one in held {
        until_closed(one).await;
    }
    serves(&running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_refused() {
    let folder = Folder::with(TIGHT);
    let running = folder.serve().await;
    let with_note = |bytes: usize| {
        let mut asked = evaluation("alice", "read", "record-1");
        asked["context"] = json!({ "note": "x".repeat(bytes) });
        asked
    };
    for path in [EVALUATION, EVALUATIONS] {
        assert!(running.send(post(path, &with_note(1500))).await.decision());
        let answer = running.send(post(path, &with_note(2000))).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert!(answer.text().contains("max-bytes"), "{}", answer.text());
    }
    // Without a length, too.
    let mut chunked = connect(&running).await;
    chunked
        .write_all(b"POST /access/v1/evaluation HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    for _ in 0..10 {
        // The server may have closed the connection already.
        let _ = chunked
            .write_all(format!("190\r\n{}\r\n", "x".repeat(400)).as_bytes())
            .await;
    }
    let answer = until_closed(chunked).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    let mut headers = connect(&running).await;
    let long = format!(
        "POST /access/v1/evaluation HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n",
        "x".repeat(20_000)
    );
    let _ = headers.write_all(long.as_bytes()).await;
    let answer = until_closed(headers).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let read = json!({ "action": { "name": "read" } });
    let batch = |evaluations: Vec<_>| {
        json!({
            "subject": { "type": "user", "id": "alice" },
            "resource": { "type": "record", "id": "record-1" },
            "evaluations": evaluations,
        })
    };
    let answer = running
        .send(post(EVALUATIONS, &batch(vec![read.clone(); 3])))
        .await;
    assert_eq!(answer.decisions(), [true; 3]);
    let answer = running.send(post(EVALUATIONS, &batch(vec![read; 4]))).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    let deep = format!("{}1{}", "[".repeat(500), "]".repeat(500));
    let answer = running
        .send(post_as(EVALUATION, "application/json", deep))
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    serves(&running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_not_http_end_their_connection_only() {
    let folder = Folder::with(TIGHT);
    let running = folder.serve().await;
    let garbage: [&[u8]; 7] = [
        b"\0\0\0\0\0\0\0\0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET\r\n\r\n",
        b"POST /access/v1/evaluation HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"POST /access/v1/evaluation HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ];
    for bytes in garbage {
        let mut stream = connect(&running).await;
        stream.write_all(bytes).await.unwrap();
        let answer = until_closed(stream).await;
        assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
        serves(&running).await;
    }
    // A caller that leaves in the middle, many times.
    for _ in 0..50 {
        let mut stream = connect(&running).await;
        stream
            .write_all(b"POST /access/v1/evaluation HTTP/1.1\r\nHost: a\r\nContent-Le")
            .await
            .unwrap();
        drop(stream);
    }
    timeout(PATIENCE, serves(&running)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_closed_when_it_is_old_and_between_requests() {
    let folder = Folder::with("[serve]\nmax-connection-age = \"1s\"");
    let running = folder.serve().await;
    let mut stream = connect(&running).await;
    let request = b"GET /.well-known/authzen-configuration HTTP/1.1\r\nHost: a\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut buffer = [0; 4096];
    let read = timeout(Duration::from_secs(10), stream.read(&mut buffer))
        .await
        .unwrap()
        .unwrap();
    assert!(String::from_utf8_lossy(&buffer[..read]).starts_with("HTTP/1.1 200"));
    assert_eq!(until_closed(stream).await, "");
    serves(&running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_searches_than_run_at_a_time_are_refused_and_decisions_are_made_meanwhile() {
    let mut sections = "quarantine = { faults = 0 }\n[serve]\n".to_owned();
    for index in 0..300 {
        sections.push_str(&format!(
            "[[serve.resource]]\ntype = \"record\"\nid = \"record-{index}\"\n"
        ));
    }
    let folder = Folder::with(&sections);
    let hostile = portcullis_tests::guests::component("tests/guests/hostile").unwrap();
    folder.write("hostile.wasm", hostile);
    let config = folder.read("portcullis.toml");
    let looping = "[[integration]]\nname = \"looping\"\n[[integration.plugin]]\ncomponent = \"hostile.wasm\"\nlimits = { deadline = \"20ms\" }\nsettings = { behaviour = \"loop\" }\n";
    folder.write("portcullis.toml", format!("{config}\n{looping}"));
    let running = folder.serve().await;
    let asked = json!({
        "subject": { "type": "user", "id": "alice" },
        "action": { "name": "read" },
        "resource": { "type": "record" },
        "context": { "integration": "looping" },
    });
    let search = || running.send(post("/access/v1/search/resource", &asked));
    let ((one, two), (three, ())) =
        tokio::join!(async { tokio::join!(search(), search()) }, async {
            tokio::join!(search(), serves(&running))
        },);
    let mut statuses = [one.status, two.status, three.status];
    statuses.sort();
    assert_eq!(
        statuses,
        [
            StatusCode::OK,
            StatusCode::OK,
            StatusCode::SERVICE_UNAVAILABLE
        ]
    );
    let all = [one, two, three];
    let busy = all
        .iter()
        .find(|it| it.status == StatusCode::SERVICE_UNAVAILABLE);
    assert!(busy.unwrap().headers.contains_key("retry-after"));
}
