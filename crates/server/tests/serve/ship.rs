//! The decision log at a receiver: in order, at least once, and beside the decisions.

use crate::client::{get, post};
use crate::receiver::{Got, Receiver, Reply};
use crate::setting::{EVALUATION, Folder, Running, evaluation, until};
use http::StatusCode;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use portcullis_host::log::archive;
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

/// Waits until the receiver has every line of the log, and compares them.
async fn all_arrive(receiver: &Receiver, folder: &Folder) {
    until("every line arrives", || async {
        receiver.lines().len() >= written(folder).len()
    })
    .await;
    assert_eq!(receiver.lines(), written(folder));
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
    all_arrive(&receiver, &folder).await;
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
    assert_eq!(state["confirmed"], written(&folder).len());
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
    all_arrive(&receiver, &folder).await;
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
    all_arrive(&receiver, &folder).await;
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
    all_arrive(&receiver, &folder).await;
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
    all_arrive(&receiver, &folder).await;
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
    all_arrive(&receiver, &folder).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_replaced_or_cut_is_named_and_not_shipped() {
    let receiver = Receiver::start();
    let folder = Folder::with(&ship(&receiver, "jsonl", ""));
    let running = folder.serve().await;
    decide(&running, 3).await;
    all_arrive(&receiver, &folder).await;
    assert!(running.stop().await);
    let before = receiver.got().len();
    // Another log, which is longer in the end than the one that was shipped.
    for suffix in ["", ".head"] {
        fs::remove_file(folder.path().join(format!("decisions.jsonl{suffix}"))).unwrap();
    }
    let running = folder.serve().await;
    until("it is named", || async {
        let problem = state(&running).await["problem"].clone();
        problem
            .as_str()
            .is_some_and(|it| it.contains("lines at its end are gone"))
    })
    .await;
    decide(&running, 6).await;
    // The pause grows with each failure, and a reload begins it anew.
    running.admin(post("/reload", &json!({}))).await;
    until("it is still named", || async {
        let problem = state(&running).await["problem"].clone();
        problem
            .as_str()
            .is_some_and(|it| it.contains("that was read before"))
    })
    .await;
    let state_now = state(&running).await;
    let problem = state_now["problem"].as_str().unwrap();
    assert!(problem.contains("decisions.jsonl.shipped"), "{problem}");
    assert_eq!(receiver.got().len(), before);
    // Without the file, the operator accepts that the other log is shipped from its beginning.
    fs::remove_file(folder.path().join("decisions.jsonl.shipped")).unwrap();
    running.admin(post("/reload", &json!({}))).await;
    let count = written(&folder).len();
    until("the other log arrives", || async {
        let lines: usize = receiver.got()[before..]
            .iter()
            .map(|got| got.lines().len())
            .sum();
        lines >= count
    })
    .await;
    let got = receiver.got();
    let lines: Vec<_> = got[before..].iter().flat_map(|got| got.lines()).collect();
    assert_eq!(lines, written(&folder));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_cursor_ships_nothing() {
    let receiver = Receiver::start();
    let folder = Folder::with(&ship(&receiver, "jsonl", "cursor = \"logs.cursor\""));
    let running = folder.serve().await;
    decide(&running, 1).await;
    all_arrive(&receiver, &folder).await;
    assert!(running.stop().await);
    assert!(!folder.path().join("decisions.jsonl.shipped").exists());
    let whole = folder.read("logs.cursor");
    let before = receiver.got().len();
    for damaged in [
        "",
        "{}",
        &whole[..whole.len() - 1],
        &whole.replace("\"line\"", "\"lime\""),
        &format!("{}{}", " ".repeat(5000), whole),
    ] {
        folder.write("logs.cursor", damaged);
        let running = folder.serve().await;
        until("it is named", || async {
            let problem = state(&running).await["problem"].clone();
            problem
                .as_str()
                .is_some_and(|it| it.contains("logs.cursor is damaged"))
        })
        .await;
        decide(&running, 1).await;
        assert!(running.stop().await);
    }
    // Bytes that are no text, and a position that no log has.
    let other = whole.replace("\"sequence\":", "\"sequence\":18446744073709551");
    for (damaged, said) in [
        (&b"\xff\xfe"[..], "logs.cursor is damaged"),
        (other.as_bytes(), "lines at its end are gone"),
    ] {
        assert_ne!(damaged, whole.as_bytes());
        folder.write("logs.cursor", damaged);
        let running = folder.serve().await;
        until("it is named", || async {
            let problem = state(&running).await["problem"].clone();
            problem.as_str().is_some_and(|it| it.contains(said))
        })
        .await;
        assert!(running.stop().await);
    }
    assert_eq!(receiver.got().len(), before);
    folder.write("logs.cursor", whole);
    let _running = folder.serve().await;
    all_arrive(&receiver, &folder).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_with_the_cursor_of_another_host_ship_nothing_and_lose_nothing() {
    let receivers = [Receiver::start(), Receiver::start()];
    let shared = tempfile::tempdir().unwrap();
    let cursor = format!("cursor = {:?}", shared.path().join("logs.cursor"));
    let folders = receivers
        .each_ref()
        .map(|receiver| Folder::with(&ship(receiver, "jsonl", &cursor)));
    let first = folders[0].serve().await;
    decide(&first, 2).await;
    all_arrive(&receivers[0], &folders[0]).await;
    let second = folders[1].serve().await;
    decide(&second, 5).await;
    until("it is named", || async {
        let problem = state(&second).await["problem"].clone();
        problem
            .as_str()
            .is_some_and(|it| it.contains("logs.cursor"))
    })
    .await;
    decide(&first, 2).await;
    all_arrive(&receivers[0], &folders[0]).await;
    assert!(receivers[1].got().is_empty());
    folders[1].configure(&ship(&receivers[1], "jsonl", ""));
    second.admin(post("/reload", &json!({}))).await;
    all_arrive(&receivers[1], &folders[1]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_were_archived_before_they_were_shipped_arrive_in_order() {
    let receiver = Receiver::start();
    let small = "max-file-bytes = 65536";
    let (folder, running) = stopped(&receiver, small, "").await;
    // Without a cursor, shipping begins with the first line that was not archived.
    folder.write("logs.token", NEW);
    all_arrive(&receiver, &folder).await;
    folder.write("logs.token", OLD);
    running.admin(post("/reload", &json!({}))).await;
    decide(&running, 1).await;
    until("it stops", || async {
        state(&running).await["stopped"] == true
    })
    .await;
    let long = json!({ "text": "x".repeat(20_000) });
    decide_with(&running, 12, &long).await;
    let all = written(&folder);
    let to = folder.path().join("archive");
    fs::create_dir(&to).unwrap();
    archive(&folder.path().join("decisions.jsonl"), &to, 0).unwrap();
    assert!(!folder.path().join("decisions.000001.jsonl").exists());
    folder.write("logs.token", NEW);
    running.admin(post("/reload", &json!({}))).await;
    until("every line arrives", || async {
        receiver.lines().len() >= all.len()
    })
    .await;
    assert_eq!(receiver.lines()[..all.len()], all);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_too_large_for_the_receiver_is_divided_down_to_one_line() {
    let receiver = Receiver::start();
    receiver.limit(40_000);
    let (folder, running) = stopped(&receiver, "", "").await;
    let properties = |length: usize| json!({ "text": "x".repeat(length) });
    decide_with(&running, 6, &properties(15_000)).await;
    folder.write("logs.token", NEW);
    all_arrive(&receiver, &folder).await;
    let too_large = |got: &Got| got.status == Some(StatusCode::PAYLOAD_TOO_LARGE);
    assert!(receiver.got().iter().any(too_large));
    decide(&running, 1).await;
    decide_with(&running, 1, &properties(50_000)).await;
    decide(&running, 1).await;
    until("it stops", || async {
        state(&running).await["stopped"] == true
    })
    .await;
    let state_now = state(&running).await;
    let large = written(&folder)
        .iter()
        .position(|line| line.len() > 40_000)
        .unwrap();
    assert_eq!(state_now["confirmed"], large);
    assert_eq!(receiver.lines(), written(&folder)[..large]);
    let problem = state_now["problem"].as_str().unwrap();
    let said = format!("line {} alone has", large + 1);
    assert!(problem.contains(&said), "{problem}");
    receiver.limit(usize::MAX);
    running.admin(post("/reload", &json!({}))).await;
    all_arrive(&receiver, &folder).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_above_the_bounds_of_a_batch_is_a_batch_of_its_own() {
    let receiver = Receiver::start();
    let (folder, running) = stopped(&receiver, "", "max-bytes = 4096").await;
    decide_with(&running, 2, &json!({ "text": "x".repeat(50_000) })).await;
    decide(&running, 5).await;
    folder.write("logs.token", NEW);
    all_arrive(&receiver, &folder).await;
    let got = receiver.got();
    for got in &got {
        assert!(got.body.len() <= 4096 || got.lines().len() == 1);
    }
    assert!(got.iter().any(|got| got.lines().len() > 1));
    assert!(got.iter().any(|got| got.body.len() > 50_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_counts_whatever_the_size_of_its_body() {
    for (format, stops) in [("jsonl", false), ("otlp", true)] {
        for reply in [
            Reply::Endless,
            Reply::Body(StatusCode::OK, "x".repeat(10_000_000)),
        ] {
            let receiver = Receiver::start();
            receiver.reply([reply]);
            let folder = Folder::with(&ship(&receiver, format, ""));
            let running = folder.serve().await;
            decide(&running, 2).await;
            if !stops {
                all_arrive(&receiver, &folder).await;
                continue;
            }
            until("it stops", || async {
                state(&running).await["stopped"] == true
            })
            .await;
            let problem = state(&running).await["problem"].clone();
            let problem = problem.as_str().unwrap();
            assert!(problem.contains("65536 bytes or more"), "{problem}");
            assert_eq!(receiver.got().len(), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_end_in_time_confirms_nothing() {
    let receiver = Receiver::start();
    receiver.reply([Reply::Slow, Reply::Never]);
    let folder = Folder::with(&ship(&receiver, "jsonl", "timeout = \"200ms\""));
    let running = folder.serve().await;
    decide(&running, 1).await;
    all_arrive(&receiver, &folder).await;
    let got = receiver.got();
    let first = |index: usize| got[index].header("portcullis-log-first");
    assert_eq!([first(0), first(1), first(2)], ["1"; 3]);
    let said = running.said().join("\n");
    assert!(said.contains("no answer within 200ms"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_log_records_of_otlp() {
    let receiver = Receiver::start();
    let folder = Folder::with(&ship(&receiver, "otlp", "name = \"pdp-1\""));
    let running = folder.serve().await;
    decide(&running, 4).await;
    let sent = || {
        let got = receiver.got();
        let taken = got.iter().filter(|got| got.status == Some(StatusCode::OK));
        taken
            .map(|got| {
                assert_eq!(got.header("content-type"), "application/json");
                serde_json::from_slice::<ExportLogsServiceRequest>(&got.body).unwrap()
            })
            .flat_map(|request| request.resource_logs)
            .collect::<Vec<_>>()
    };
    let records = || {
        let scopes = sent().into_iter().flat_map(|sent| sent.scope_logs);
        scopes
            .flat_map(|scope| scope.log_records)
            .collect::<Vec<_>>()
    };
    until("every line arrives", || async {
        records().len() >= written(&folder).len()
    })
    .await;
    let written = written(&folder);
    let attributes = sent()[0].resource.clone().unwrap().attributes;
    let named = attributes.into_iter().map(|it| {
        let value = it.value.unwrap().value.unwrap();
        (it.key, value)
    });
    assert_eq!(
        named.collect::<Vec<_>>(),
        [
            (
                "service.name".to_owned(),
                Any::StringValue("portcullis".to_owned())
            ),
            (
                "service.instance.id".to_owned(),
                Any::StringValue("pdp-1".to_owned())
            ),
        ]
    );
    for (index, (record, line)) in records().into_iter().zip(written).enumerate() {
        let parsed: Value = serde_json::from_str(&line).unwrap();
        let event = parsed["event"].as_str().unwrap();
        assert_eq!(record.event_name, format!("portcullis.{event}"));
        assert_eq!(record.body.unwrap().value, Some(Any::StringValue(line)));
        assert!(record.time_unix_nano > 1_700_000_000_000_000_000);
        assert_eq!(record.severity_number, 9);
        let number = i64::try_from(index).unwrap() + 1;
        assert_eq!(record.attributes[0].key, "portcullis.log.sequence");
        assert_eq!(
            record.attributes[0].value.clone().unwrap().value,
            Some(Any::IntValue(number))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_that_rejects_records_is_a_refusal() {
    let receiver = Receiver::start();
    let message = format!("too old{}", "!".repeat(10_000));
    let partial = json!({ "rejectedLogRecords": "1", "errorMessage": message });
    let partial = json!({ "partialSuccess": partial }).to_string();
    receiver.reply([Reply::Body(StatusCode::OK, partial)]);
    let folder = Folder::with(&ship(&receiver, "otlp", ""));
    let running = folder.serve().await;
    until("it stops", || async {
        state(&running).await["stopped"] == true
    })
    .await;
    let state_now = state(&running).await;
    let problem = state_now["problem"].as_str().unwrap();
    assert!(
        problem.contains("rejected 1 line of a batch") && problem.contains("too old"),
        "{problem}"
    );
    assert!(problem.len() < 300, "{problem}");
    assert_eq!(state_now["confirmed"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_with_tls_is_trusted_by_the_configured_authorities_alone() {
    // The receiver is another server of decisions, which has TLS: it answers 404, over the connection.
    let issue = || rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (known, other) = (issue(), issue());
    let with_tls = Folder::with("");
    with_tls.write("server.pem", known.cert.pem());
    with_tls.write("server.key", known.signing_key.serialize_pem());
    with_tls.configure("[serve.tls]\ncertificate = \"server.pem\"\nkey = \"server.key\"");
    let receiver = with_tls.serve().await;
    for (authority, said) in [(&known, "answers 404"), (&other, "certificate")] {
        let folder = Folder::with("");
        folder.write("ca.pem", authority.cert.pem());
        folder.configure(&format!(
            "[serve.ship]\nurl = \"{}/nowhere\"\nformat = \"jsonl\"\nauthorities = \"ca.pem\"",
            receiver.urls[0].replace("https", "HTTPS")
        ));
        let running = folder.serve().await;
        until(said, || async {
            let problem = state(&running).await["problem"].clone();
            problem.as_str().is_some_and(|it| it.contains(said))
        })
        .await;
    }
}
