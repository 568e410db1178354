//! Obligations of permits and of denies.

use crate::setting::{AGENT, Gateway, Setting, bearer, empty};
use http::StatusCode;
use portcullis_host::{Integration, Live};
use portcullis_http::{Decided, Mapper, Obligations, PortcullisLayer};
use portcullis_tests::guests;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;
use tower::ServiceExt as _;

#[derive(Debug, Deserialize)]
struct Notification {
    to: String,
    body: String,
}

/// A gateway whose plugin behaves as its setting says.
fn gateway(setting: &Setting, behaviour: &str, obligations: Obligations) -> Gateway {
    let settings = json!({ "behaviour": behaviour });
    let plugin = guests::hostile(settings, guests::patient());
    let integration = Integration::new("hostile")
        .obligations(["notification"])
        .plugin(plugin);
    let live = Live::fixed(setting.pdp(integration));
    let mapper = Mapper::builder().integration("hostile").build().unwrap();
    Gateway::new(PortcullisLayer::new(live, mapper, bearer()).obligations(obligations))
}

/// Handlers that note each notification, and then return `result`.
fn noting(result: Result<(), &'static str>) -> (Obligations, Arc<Mutex<Vec<String>>>) {
    let noted = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&noted);
    let notify = move |it: Notification, of: Decided| {
        let text = format!("{} {} {}", of.principal().id, it.to, it.body.trim());
        list.lock().unwrap().push(text);
        async move { result }
    };
    (Obligations::new().handle("notification", notify), noted)
}

#[tokio::test]
async fn a_permit_goes_ahead_after_its_obligations() {
    let setting = Setting::new();
    let (obligations, noted) = noting(Ok(()));
    let gateway = gateway(&setting, "oblige", obligations);
    let answer = gateway.answer(empty(setting.get("/a"))).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(gateway.calls(), 1);
    let noted = noted.lock().unwrap();
    assert!(
        noted[0].starts_with(&format!("{AGENT} owner ")),
        "{noted:?}"
    );
    assert!(setting.lines("outcome").is_empty());
}

#[tokio::test]
async fn an_obligation_that_fails_stops_the_call_and_is_recorded() {
    #[derive(Deserialize)]
    struct Other {
        #[serde(rename = "recipient")]
        _recipient: String,
    }
    let fails = noting(Err("no mail server")).0;
    let of_another_form =
        Obligations::new().handle("notification", |_: Other, _| async { Ok::<_, &str>(()) });
    for (obligations, why) in [(fails, "no mail server"), (of_another_form, "recipient")] {
        let setting = Setting::new();
        let gateway = gateway(&setting, "oblige", obligations);
        let answer = gateway.answer(empty(setting.get("/a"))).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert!(!answer.json().to_string().contains(why));
        assert_eq!(gateway.calls(), 0);
        let outcomes = setting.lines("outcome");
        assert_eq!(outcomes.len(), 1);
        assert_eq!(outcomes[0]["call"], "not-made");
        assert_eq!(outcomes[0]["obligation"], "notification");
        assert_eq!(outcomes[0]["decision"], setting.lines("decision")[0]["id"]);
        let detail = outcomes[0]["detail"].as_str().unwrap();
        assert!(detail.contains(why), "{detail}");
    }
}

#[tokio::test]
async fn an_obligation_without_a_handler_is_a_deny() {
    let other = Obligations::new().handle("log-full", |_: Value, _| async { Ok::<_, &str>(()) });
    for obligations in [Obligations::new(), other] {
        let setting = Setting::new();
        let gateway = gateway(&setting, "oblige", obligations);
        let answer = gateway.answer(empty(setting.get("/a"))).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert_eq!(gateway.calls(), 0);
        let line = setting.lines("decision").remove(0).to_string();
        assert!(line.contains("unsupported-obligation"), "{line}");
    }
}

#[tokio::test]
async fn the_known_obligations_of_a_deny_are_carried_out() {
    for result in [Ok(()), Err("no mail server")] {
        let setting = Setting::new();
        let (obligations, noted) = noting(result);
        let gateway = gateway(&setting, "deny-and-oblige", obligations);
        let answer = gateway.answer(empty(setting.get("/a"))).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert_eq!(gateway.calls(), 0);
        assert_eq!(noted.lock().unwrap().len(), 1);
        let outcomes = setting.lines("outcome");
        assert_eq!(outcomes.len(), usize::from(result.is_err()));
    }
    let setting = Setting::new();
    let gateway = gateway(&setting, "deny-and-oblige", Obligations::new());
    let answer = gateway.answer(empty(setting.get("/a"))).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(setting.lines("outcome").is_empty());
}

#[tokio::test]
async fn a_call_that_is_abandoned_before_it_is_made_is_recorded_as_such() {
    let setting = Setting::new();
    let begun = Arc::new(Notify::new());
    let signal = Arc::clone(&begun);
    let endless = move |_: Notification, _: Decided| {
        signal.notify_one();
        std::future::pending::<Result<(), &str>>()
    };
    let obligations = Obligations::new().handle("notification", endless);
    let gateway = gateway(&setting, "oblige", obligations);
    let call = gateway.app.clone().oneshot(empty(setting.get("/a")));
    tokio::select! {
        response = call => panic!("the obligation never ends, and the response is {response:?}"),
        () = begun.notified() => {}
    }
    assert_eq!(gateway.calls(), 0);
    let outcomes = setting.lines("outcome");
    assert_eq!(outcomes.len(), 1);
    assert_eq!(outcomes[0]["call"], "not-made");
    assert_eq!(outcomes[0]["decision"], setting.lines("decision")[0]["id"]);
}
