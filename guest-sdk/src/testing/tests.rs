use super::*;
use crate::{Constraint, Effect, Operator, PrincipalKind, Request, needs};
use serde_json::json;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// A policy that answers by a function, with a manifest of its own.
macro_rules! answers {
    ($policy:ident, $manifest:ident, $toml:literal, $($field:ident),*) => {
        enum $manifest {}

        impl crate::Manifest for $manifest {
            const TOML: &'static str = concat!(
                "name = \"p\"\nversion = \"0\"\ndescription = \"\"\ncontract = \"0.2.0\"\n",
                $toml
            );
        }

        $(impl needs::$field for $manifest {})*

        #[derive(Clone, Copy)]
        struct $policy(fn(&Request<$manifest>) -> Verdict);

        impl Policy for $policy {
            type Manifest = $manifest;
            type Settings = serde_json::Value;

            fn new(_: Self::Settings) -> Result<Self, Vec<SettingsError>> {
                Ok(Self(|_| Verdict::not_applicable()))
            }

            fn evaluate(&self, request: &Request<$manifest>) -> Verdict {
                self.0(request)
            }
        }

        impl $policy {
            fn plugin(self) -> Plugin<Self> {
                Plugin {
                    policy: self,
                    manifest: Manifest::parse($manifest::TOML).unwrap(),
                }
            }
        }
    };
}

answers!(
    Answers,
    AnswersManifest,
    "needs = []\nobligations = [\"notification\"]\n[reasons]\nx = \"\"\n",
);

answers!(
    Reads,
    ReadsManifest,
    "needs = [\"action.arguments.branch\", \"context.ticket\", \"principal.type\"]\n[reasons]\nread = \"\"\n",
    PrincipalType
);

#[test]
fn a_verdict_that_a_host_would_refuse_fails_the_test() {
    let good = Answers(|_| {
        Verdict::permit()
            .because("x", "")
            .oblige("notification", json!({ "to": "owner", "body": "x" }))
    });
    assert_eq!(
        good.plugin().evaluate(request("a")).effect(),
        Effect::Permit
    );
    let asked = Answers(|_| Verdict::deny().because("x", "").requestable());
    assert!(asked.plugin().evaluate(request("a")).is_requestable());
    let refused: [fn(&Request<AnswersManifest>) -> Verdict; 11] = [
        |_| {
            Verdict::permit()
                .because("x", "")
                .oblige("notification", json!({ "to": "owner" }))
        },
        |_| Verdict::permit(),
        |_| Verdict::deny().because("two words", ""),
        |_| Verdict::deny().because("undeclared", ""),
        |_| Verdict::permit().because("x", "").requestable(),
        |_| {
            Verdict::permit()
                .because("x", "")
                .oblige("step-up", json!({}))
        },
        |_| {
            Verdict::permit()
                .because("x", "")
                .oblige("notification", json!(1))
        },
        |_| Verdict::deny().advise("two words", json!({})),
        |_| Verdict::permit().because("x", "").at_most(0),
        |_| {
            Verdict::permit()
                .because("x", "")
                .expires_in(Duration::from_micros(500))
        },
        |_| {
            let other = Constraint::new("/a", Operator::Equals, json!(1)).unwrap();
            Verdict::permit().because("x", "").only_if(other)
        },
    ];
    for (index, answers) in refused.into_iter().enumerate() {
        let plugin = Answers(answers).plugin();
        let run = AssertUnwindSafe(|| plugin.evaluate(request("a")));
        assert!(catch_unwind(run).is_err(), "{index}");
    }
}

#[test]
fn only_listed_items_of_open_lists_are_passed() {
    let tell = Reads(|request| Verdict::deny().because("read", format!("{request:?}")));
    let call = request("a")
        .arguments(json!({ "branch": "main", "force": true }))
        .principal("spiffe://a.example/x", PrincipalKind::Agent)
        .context("ticket", Value::Text("T-1".to_owned()))
        .context("secret", Value::Text("s3cret".to_owned()));
    let verdict = tell.plugin().evaluate(call);
    let told = &verdict.reasons()[0].message;
    assert!(
        told.contains(r#"arguments: "{\"branch\":\"main\"}""#),
        "{told}"
    );
    assert!(told.contains("T-1") && !told.contains("s3cret"), "{told}");
    assert!(told.contains(r#"name: "type""#), "{told}");
}

#[test]
fn a_listed_item_is_read_by_its_constant() {
    const BRANCH: needs::Name<ReadsManifest, needs::Argument> = needs::Name::listed("branch");
    const TICKET: needs::Name<ReadsManifest, needs::Circumstance> = needs::Name::listed("ticket");
    let read = Reads(|request| match request.argument::<String>(BRANCH) {
        Ok(Some(branch)) => {
            let ticket = request.context(TICKET).and_then(Value::as_text);
            Verdict::deny().because("read", format!("{branch} {ticket:?}"))
        }
        Ok(None) => Verdict::not_applicable(),
        Err(error) => error.into(),
    });
    let ask = |arguments| read.plugin().evaluate(request("a").arguments(arguments));
    assert_eq!(
        ask(json!({ "branch": "fix" })).reasons()[0].message,
        "fix None"
    );
    assert_eq!(ask(json!({})).effect(), Effect::NotApplicable);
    let wrong = ask(json!({ "branch": 1 }));
    assert_eq!(wrong.reasons()[0].fields, ["/action/arguments/branch"]);
    assert!(wrong.has_reason("arguments-invalid"));
}

#[test]
fn a_packed_request_is_unpacked() {
    // (integration, principal, intent, action, resource, now, context) in postcard's encoding.
    let packed = [
        &b"\x02gh"[..],
        b"\x04a/id\x01\0\0\0\0\0\0\0",
        b"\0",
        b"\x04push\x02\x02{}\x01\x03/to\0\x01\x04user\x01\x02{}\0",
        b"\x01r\x01i\0\0\0",
        b"\x01\x07",
        b"\x01\x01k\0\x01v",
    ]
    .concat();
    let fields = crate::packed::request(packed.clone()).unwrap();
    assert_eq!(fields.integration, "gh");
    assert_eq!(fields.principal.kind, PrincipalKind::Agent);
    assert_eq!(fields.action.origins, [ArgumentOrigin::new("/to", "user")]);
    assert_eq!(fields.action.input_responses.as_deref(), Some("{}"));
    assert_eq!(fields.now, Some(Timestamp::from_millis(7)));
    assert_eq!(fields.context[0].value, Value::Text("v".to_owned()));
    assert!(crate::packed::request(packed[1..].to_vec()).is_err());
    assert!(crate::packed::request([&packed[..], b"\0"].concat()).is_err());
}
