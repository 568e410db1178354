//! Arguments for which approval may be requested.

use super::{intent, request, whole};
use crate::intent::StoredIntent;
use portcullis_contract::{ActionClass, ArgumentOrigin};
use portcullis_model::request::Request;
use serde_json::{Value, json};

/// An intent to pay, whose recipient is a word of the user's or was paid before.
fn pays(asks: Option<Value>) -> Value {
    let mut intent = whole();
    intent["allows"] = json!([{
        "integration": "github", "action": "pay", "resource": "**",
        "arguments": { "required": ["/to", "/amount"], "optional": ["/note"] },
        "constraints": [
            { "path": "/to", "op": "any-of", "value": [
                { "op": "one-of", "value": ["acc-1"] },
                { "op": "origin-is", "value": ["user~word", "tool:list#/*/to"] },
            ] },
            { "path": "/note", "op": "absent-or", "value": { "op": "parts-origin-is", "value": ["user"] } },
        ],
    }]);
    intent["denies"] = json!([]);
    if let Some(asks) = asks {
        intent["allows"][0]["asks"] = asks;
    }
    intent
}

fn pay(arguments: Value, origins: &[&str]) -> Request {
    let origins = ArgumentOrigin {
        origins: origins.iter().map(|it| (*it).to_owned()).collect(),
        ..ArgumentOrigin::new("/to", "unknown")
    };
    request("pay", "x", arguments).with_computed_origins(vec![origins])
}

fn may_be_asked(intent: &StoredIntent, request: &Request) -> Option<bool> {
    let nearest = intent.nearest(request, ActionClass::Write);
    nearest.first().and_then(|it| it.may_be_asked(request))
}

#[test]
fn approval_is_asked_for_a_value_that_no_text_of_others_has() {
    let intent = intent(&pays(Some(json!(["/to"]))));
    let to = json!({ "to": "acc-9", "amount": 1 });
    for (origins, may_ask) in [
        (&[][..], true),
        (&["tool:read~named"], true),
        (&["tool:read~named", "tool:get~reached/x"], true),
        (&["tool:other#/*/id"], true),
        (&["user"], true),
        (&["tool:list~/*/note"], false),
        (&["tool:read~named", "tool:list~/*/note"], false),
        (&["user", "tool:list~"], false),
    ] {
        let request = pay(to.clone(), origins);
        assert!(intent.allowance_for(&request, ActionClass::Write).is_none());
        assert_eq!(
            may_be_asked(&intent, &request),
            Some(may_ask),
            "{origins:?}"
        );
    }
    // Something else of the call is not within the intent either.
    for other in [
        json!({ "to": "acc-9" }),
        json!({ "to": "acc-9", "amount": 1, "cc": "x" }),
        json!({ "to": "acc-9", "amount": 1, "note": "see www.x.example" }),
    ] {
        let request = pay(other.clone(), &[]);
        assert_eq!(may_be_asked(&intent, &request), Some(false), "{other}");
    }
    // After the approval, the value is the user's word.
    assert!(
        intent
            .allowance_for(&pay(to, &["user~word"]), ActionClass::Write)
            .is_some()
    );
    let pinned = pay(json!({ "to": "acc-1", "amount": 1 }), &[]);
    assert!(intent.allowance_for(&pinned, ActionClass::Write).is_some());
}

#[test]
fn without_asks_the_configuration_decides() {
    let request = pay(json!({ "to": "acc-9", "amount": 1 }), &[]);
    assert_eq!(may_be_asked(&intent(&pays(None)), &request), None);
    assert_eq!(
        may_be_asked(&intent(&pays(Some(json!([])))), &request),
        Some(false)
    );
}

#[test]
fn only_a_constraint_that_accepts_the_users_word_can_be_asked_about() {
    for asks in [
        json!(["/note"]),
        json!(["/amount"]),
        json!(["/none"]),
        json!("/to"),
        json!([1]),
    ] {
        let text = pays(Some(asks.clone())).to_string();
        let error = StoredIntent::from_json(text.as_bytes())
            .unwrap_err()
            .to_string();
        assert!(error.contains("/allows/0/asks"), "{asks}: {error}");
    }
}

#[test]
fn a_delegated_allowance_asks_for_no_more_than_its_parents() {
    let parent = |asks: Option<Value>| intent(&pays(asks));
    let child = |asks: Option<Value>| {
        let mut child = pays(asks);
        child["parent"] = json!({ "id": "int-1", "digest": format!("sha256:{}", "0".repeat(64)) });
        intent(&child)
    };
    let to = || Some(json!(["/to"]));
    for (ours, theirs, within) in [
        (to(), to(), true),
        (Some(json!([])), to(), true),
        (to(), None, true),
        (None, None, true),
        (to(), Some(json!([])), false),
        (None, to(), false),
    ] {
        let found = child(ours.clone())
            .allows_no_more_than(&parent(theirs.clone()))
            .is_ok();
        assert_eq!(found, within, "{ours:?} {theirs:?}");
    }
}

#[test]
fn an_intent_may_be_bound_to_the_words_of_a_user() {
    use crate::intent::{AttenuationError, digest_of_words};
    let words = ["Pay the rent", " to Ann "];
    let mut bound = whole();
    bound["said"] = json!(digest_of_words(words).to_string());
    let parent = intent(&bound);
    assert!(parent.counts_for(words) && parent.counts_for(["Pay the rent\nto Ann\n"]));
    assert!(!parent.counts_for(["Pay the rent"]) && !parent.counts_for([]));
    let free = intent(&whole());
    assert!(free.counts_for(words) && free.counts_for([]));
    // What is delegated from it is bound to the same words.
    assert!(parent.allows_no_more_than(&parent).is_ok());
    assert!(parent.allows_no_more_than(&free).is_ok());
    assert!(matches!(
        free.allows_no_more_than(&parent),
        Err(AttenuationError::Said(_))
    ));
    let mut other = bound.clone();
    other["said"] = json!(digest_of_words(["Pay all"]).to_string());
    assert!(intent(&other).allows_no_more_than(&parent).is_err());
    for wrong in [json!("sha256:12"), json!(7), json!(null)] {
        bound["said"] = wrong;
        let read = StoredIntent::from_json(bound.to_string().as_bytes());
        assert!(read.unwrap_err().to_string().contains("`/said`"));
    }
}
