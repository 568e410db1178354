//! Sizes of batches, and answers of receivers.

use super::*;
use crate::receiver::Got;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_too_large_for_the_receiver_is_divided_down_to_one_line() {
    let receiver = Receiver::start();
    receiver.limit(40_000);
    let (folder, running) = stopped(&receiver, "", "").await;
    let properties = |length: usize| json!({ "text": "x".repeat(length) });
    decide_with(&running, 6, &properties(15_000)).await;
    folder.write("logs.token", NEW);
    all_arrive(&receiver, &folder, &running).await;
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
    all_arrive(&receiver, &folder, &running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_above_the_bounds_of_a_batch_is_a_batch_of_its_own() {
    let receiver = Receiver::start();
    let (folder, running) = stopped(&receiver, "", "max-bytes = 4096").await;
    decide_with(&running, 2, &json!({ "text": "x".repeat(50_000) })).await;
    decide(&running, 5).await;
    folder.write("logs.token", NEW);
    all_arrive(&receiver, &folder, &running).await;
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
                all_arrive(&receiver, &folder, &running).await;
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
    all_arrive(&receiver, &folder, &running).await;
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
