//! The decision log at a receiver: in order, at least once, and beside the decisions.

mod answers;
mod cursors;

use crate::client::{get, post};
use crate::receiver::{Receiver, Reply};
use crate::setting::{EVALUATION, Folder, Running, evaluation, until};
use http::StatusCode;
use portcullis_server::{AdminUrl, ask};
use serde_json::{Value, json};
use std::fs;

/// `[serve.ship]` with that receiver, in small batches.
fn ship(receiver: &Receiver, format: &str, rest: &str) -> String {
    format!(
        "[serve.ship]\nurl = \"{}/log\"\nformat = \"{format}\"\ninterval = \"20ms\"\nmax-lines = 3\n{rest}\n",
        receiver.url()
    )
}

/// Makes so many decisions, all of them permits.
async fn decide(running: &Running, count: usize) {
    decide_with(running, count, &json!({})).await;
}

async fn decide_with(running: &Running, count: usize, properties: &Value) {
    for _ in 0..count {
        let mut asked = evaluation("alice", "read", "record-1");
        asked["action"]["properties"] = properties.clone();
        assert!(running.send(post(EVALUATION, &asked)).await.decision());
    }
}

/// All lines of the log, in order.
fn written(folder: &Folder) -> Vec<String> {
    let mut files: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with("decisions.0") && name.ends_with(".jsonl")
        })
        .collect();
    files.sort();
    files.push(folder.path().join("decisions.jsonl"));
    let texts = files.iter().map(|file| fs::read_to_string(file).unwrap());
    texts
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// Waits until the receiver has every line of the log and the server knows that it has, and compares the lines.
async fn all_arrive(receiver: &Receiver, folder: &Folder, running: &Running) {
    until("every line arrives", || async {
        receiver.lines().len() >= written(folder).len()
    })
    .await;
    assert_eq!(receiver.lines(), written(folder));
    // The server notes the answer after the receiver gave it.
    until("every line is confirmed", || async {
        state(running).await["confirmed"] == written(folder).len()
    })
    .await;
}

async fn state(running: &Running) -> Value {
    running.status().await["server"]["ship"].clone()
}

async fn metrics(running: &Running) -> String {
    running.admin(get("/metrics")).await.text()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_arrives_once_and_in_order_over_batches_and_files() {
    let receiver = Receiver::start();
    let folder = Folder::with(&ship(&receiver, "jsonl", ""));
    // The least that is accepted, so that the log has several files.
    let small = folder.read("portcullis.toml").replace(
        "durability = \"buffered\"",
        "durability = \"buffered\", max-file-bytes = 65536",
    );
    folder.write("portcullis.toml", small);
    let running = folder.serve().await;
    let long = json!({ "text": "x".repeat(20_000) });
    decide_with(&running, 12, &long).await;
    all_arrive(&receiver, &folder, &running).await;
    assert!(folder.path().join("decisions.000002.jsonl").exists());
    let mut next = 1;
    for got in receiver.got() {
        assert_eq!(got.path, "/log");
        assert_eq!(got.header("content-type"), "application/x-ndjson");
        let number = |name: &str| got.header(name).parse::<u64>().unwrap();
        let (first, last) = (
            number("portcullis-log-first"),
            number("portcullis-log-last"),
        );
        assert_eq!(first, next);
        assert_eq!(last - first + 1, got.lines().len() as u64);
        assert!(last - first < 3);
        next = last + 1;
    }
    let state = state(&running).await;
    assert_eq!(state["behind"], 0);
    assert_eq!(state["stopped"], false);
    let metrics = metrics(&running).await;
    let shipped = format!("portcullis_shipped_lines_total {}", written(&folder).len());
    assert!(metrics.contains(&shipped), "{metrics}");
    assert!(
        metrics.contains("portcullis_unshipped_lines 0"),
        "{metrics}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ended_before_the_answer_sends_the_same_batch_again() {
    let receiver = Receiver::start();
    // The server does not wait for the answer before it ends.
    let rest = "name = \"pdp-1\"\ntimeout = \"300s\"";
    let folder = Folder::with(&ship(&receiver, "jsonl", rest));
    let running = folder.serve().await;
    decide(&running, 2).await;
    all_arrive(&receiver, &folder, &running).await;
    let before = receiver.got().len();
    // The receiver has the batch, and the server never learns that.
    receiver.reply([Reply::Never]);
    decide(&running, 1).await;
    until("the batch is sent", || async {
        receiver.got().len() > before
    })
    .await;
    assert!(running.stop().await);
    let unanswered = receiver.got()[before].clone();
    assert_eq!(unanswered.status, None);
    let running = folder.serve().await;
    decide(&running, 1).await;
    all_arrive(&receiver, &folder, &running).await;
    let again = receiver.got()[before + 1].clone();
    for name in ["portcullis-log-first", "portcullis-log-name"] {
        assert_eq!(again.header(name), unanswered.header(name));
    }
    assert_eq!(again.header("portcullis-log-name"), "pdp-1");
    assert!(again.body.starts_with(&unanswered.body));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_of_the_receiver_is_tried_again_with_the_same_lines() {
    let receiver = Receiver::start();
    let in_a_second = Reply::Header(StatusCode::TOO_MANY_REQUESTS, "retry-after", "1".to_owned());
    receiver.reply([
        Reply::Status(StatusCode::INTERNAL_SERVER_ERROR),
        in_a_second,
    ]);
    let folder = Folder::with(&ship(&receiver, "jsonl", ""));
    let running = folder.serve().await;
    decide(&running, 1).await;
    all_arrive(&receiver, &folder, &running).await;
    let got = receiver.got();
    let statuses: Vec<_> = got.iter().map(|got| got.status.unwrap().as_u16()).collect();
    assert_eq!(statuses[..3], [500, 429, 200]);
    let first = |index: usize| got[index].header("portcullis-log-first");
    assert_eq!([first(0), first(1), first(2)], ["1"; 3]);
    until("the end of the failure is said", || async {
        let said = running.said().join("\n");
        said.contains("the decision log is shipped again")
    })
    .await;
    let said = running.said().join("\n");
    assert!(
        said.contains("answers 500") && said.contains("answers 429"),
        "{said}"
    );
    let metrics = metrics(&running).await;
    let failures = "portcullis_ship_failures_total{reason=\"unavailable\"} 2";
    assert!(metrics.contains(failures), "{metrics}");
    assert_eq!(state(&running).await.get("problem"), None);
}

const OLD: &str = "an-old-token";
const NEW: &str = "a-new-token";

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_stops_shipping_until_the_settings_are_read_again() {
    let receiver = Receiver::start();
    receiver.require(NEW);
    let folder = Folder::with("");
    folder.write("logs.token", OLD);
    folder.configure(&ship(&receiver, "jsonl", "token-file = \"logs.token\""));
    let running = folder.serve().await;
    until("it stops", || async {
        state(&running).await["stopped"] == true
    })
    .await;
    let refused = receiver.got().len();
    decide(&running, 3).await;
    let state_now = state(&running).await;
    let problem = state_now["problem"].as_str().unwrap();
    assert!(problem.contains("answers 401"), "{problem}");
    assert!(problem.contains("(withheld) is unknown"), "{problem}");
    assert_eq!(state_now["confirmed"], 0);
    assert!(!is_as_meant(&running).await);
    assert!(running.admin(get("/readyz")).await.status.is_success());
    assert!(
        metrics(&running)
            .await
            .contains("portcullis_ship_stopped 1")
    );
    let said = running.said().join("\n");
    assert!(said.contains("nothing is shipped until"), "{said}");
    assert_eq!(receiver.got().len(), refused, "nothing was sent since");
    assert!(!folder.path().join("decisions.jsonl.shipped").exists());
    // An operator who asks for a reload has it tried again.
    let reloaded = running.admin(post("/reload", &json!({}))).await;
    assert_eq!(reloaded.status, StatusCode::OK, "{}", reloaded.text());
    until("it is tried once more", || async {
        receiver.got().len() == refused + 1
    })
    .await;
    folder.write("logs.token", NEW);
    all_arrive(&receiver, &folder, &running).await;
    for text in [
        running.said().join("\n"),
        running.status().await.to_string(),
        metrics(&running).await,
    ] {
        assert!(!text.contains(OLD) && !text.contains(NEW), "{text}");
    }
    assert!(
        metrics(&running)
            .await
            .contains("portcullis_ship_stopped 0")
    );
    assert!(is_as_meant(&running).await);
}

/// The result of `portcullis status`.
async fn is_as_meant(running: &Running) -> bool {
    let url = AdminUrl::of(running.addresses.last().unwrap(), false);
    ask(&url, None, None).await.unwrap().is_as_meant()
}

/// A server with other settings of the log, whose shipping has stopped: the receiver knows [`NEW`] alone.
async fn stopped(receiver: &Receiver, log: &str, rest: &str) -> (Folder, Running) {
    receiver.require(NEW);
    let folder = Folder::with("");
    folder.write("logs.token", OLD);
    let rest = format!("token-file = \"logs.token\"\n{rest}");
    let settings = ship(receiver, "jsonl", &rest).replace("max-lines = 3", "max-lines = 100");
    folder.configure(&settings);
    let durability = "durability = \"buffered\"";
    let log = format!("{durability}, {log}");
    let text = folder.read("portcullis.toml");
    folder.write(
        "portcullis.toml",
        text.replace(durability, log.trim_end_matches(", ")),
    );
    let running = folder.serve().await;
    until("it stops", || async {
        state(&running).await["stopped"] == true
    })
    .await;
    (folder, running)
}

#[tokio::test(flavor = "multi_thread")]
async fn other_refusals_stop_too_and_no_redirect_is_followed() {
    let elsewhere = Receiver::start();
    let redirect = |status| Reply::Header(status, "location", elsewhere.url());
    for reply in [
        Reply::Status(StatusCode::BAD_REQUEST),
        Reply::Status(StatusCode::NOT_FOUND),
        redirect(StatusCode::FOUND),
        redirect(StatusCode::SEE_OTHER),
        redirect(StatusCode::TEMPORARY_REDIRECT),
        redirect(StatusCode::PERMANENT_REDIRECT),
    ] {
        let receiver = Receiver::start();
        receiver.reply([reply.clone()]);
        let folder = Folder::with(&ship(&receiver, "jsonl", ""));
        let running = folder.serve().await;
        until("it stops", || async {
            state(&running).await["stopped"] == true
        })
        .await;
        decide(&running, 1).await;
        assert_eq!(receiver.got().len(), 1, "{reply:?}");
    }
    assert!(elsewhere.got().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_go_on_without_the_receiver_which_gets_them_later() {
    let receiver = Receiver::start();
    let folder = Folder::with(&ship(&receiver, "jsonl", "timeout = \"1s\""));
    let running = folder.serve().await;
    decide(&running, 1).await;
    all_arrive(&receiver, &folder, &running).await;
    let (address, before) = (receiver.address, receiver.lines());
    drop(receiver);
    decide(&running, 5).await;
    until("the failure is noticed", || async {
        state(&running).await["problem"].is_string()
    })
    .await;
    let state_now = state(&running).await;
    assert_eq!(state_now["stopped"], false);
    assert_eq!(state_now["confirmed"], before.len());
    decide(&running, 5).await;
    let mut again = None;
    until("the receiver is back", || {
        again = again.take().or_else(|| Receiver::on(address).ok());
        std::future::ready(again.is_some())
    })
    .await;
    let receiver = again.unwrap();
    until("the rest arrives", || async {
        before.len() + receiver.lines().len() >= written(&folder).len()
    })
    .await;
    assert_eq!([before, receiver.lines()].concat(), written(&folder));
    assert!(running.admin(get("/readyz")).await.status.is_success());
}
