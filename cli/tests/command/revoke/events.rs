//! `portcullis revoke event`: security events of an identity provider.

use super::{recording, revoke, session_revoked, sign_event, with};
use crate::common::{Ran, Runs};
use serde_json::json;
use snapbox::str;

#[test]
fn applies_an_event_once() {
    let folder = recording();
    session_revoked(&folder, "set", "jti-1");
    let take = |audience: &str| {
        let event = ["revoke", "event", "set.jwt", "--audience", audience];
        let issuer = ["--issuer", "https://idp.a.example=idp.json"];
        folder.run(&[&event[..], &issuer].concat())
    };
    take("https://other.example").is(str![""]);
    take("https://gateway.a.example").is(str![""]);
    take("https://gateway.a.example").is(str![""]);
    folder.evaluate(&with("jti-1")).exits(2);
}

#[test]
fn refuses_an_event_about_a_credential_of_another_domain() {
    let folder = recording();
    {
        let pdp = folder.host();
        let other = with("jti-b").principal("spiffe://b.example/x");
        let _recorded = other.decide(&pdp);
        let _recorded = with("jti-a").decide(&pdp);
    }
    let take = |jti: &str, credential: &str, more: &[&str]| -> Ran {
        session_revoked(&folder, jti, credential);
        let file = format!("{jti}.jwt");
        folder.run(&[&["revoke", "event", &file][..], more].concat())
    };
    take("1", "jti-b", &[]).is(str![""]);
    // No request had it.
    take("2", "jti-c", &[]).is(str![""]);
    take("3", "jti-d", &["--unknown"]).exits(0);
    take("4", "jti-a", &[]).exits(0);
    // The same event after a lift.
    revoke(&folder, "credential", "jti-a", &["--lift"]).exits(0);
    take("4", "jti-a", &[]).is(str![""]);
}

#[test]
fn applies_an_event_or_reports_how_to_act_on_it() {
    let folder = recording();
    let uri = |id: &str| json!({ "format": "uri", "uri": id });
    let (disabled, purged) = (
        "risc/event-type/account-disabled",
        "risc/event-type/account-purged",
    );
    let take = |jti: &str, kind: &str, subject: &serde_json::Value| {
        sign_event(&folder, "event", jti, kind, subject);
        folder.run(&["revoke", "event", "event.jwt"])
    };
    let mut runs = Runs::default();
    // The configuration's issuers are trusted.
    runs.add("", take("1", disabled, &uri("spiffe://a.example/boss")));
    folder.evaluate(&with("jti-1")).exits(2);
    runs.add(
        "the subject is outside of the issuer's domains",
        take("2", disabled, &uri("spiffe://b.example/x")),
    );
    runs.add(
        "the operator has to decide",
        take(
            "3",
            "caep/event-type/credential-change",
            &uri("spiffe://a.example/x"),
        ),
    );
    let email = json!({ "format": "email", "email": "x@a.example" });
    runs.add("the subject is no SPIFFE ID", take("4", purged, &email));
    for name in ["another event with the same `jti`", "the same event again"] {
        runs.add(name, take("1", disabled, &uri("spiffe://a.example/x")));
    }
    runs.add(
        "nothing is revoked",
        take(
            "5",
            "caep/event-type/session-established",
            &uri("spiffe://a.example/x"),
        ),
    );
    runs.is(snapbox::file!["events.txt"]);
}

#[test]
fn refuses_issuers_without_domains() {
    let folder = recording();
    let config = folder.read("portcullis.toml");
    let new = "{ key = \"idp.json\", domains = [\"a.example\"] }";
    let mut runs = Runs::default();
    for old in [
        "\"idp.json\"",
        "{ key = \"idp.json\" }",
        "{ key = \"idp.json\", domains = [] }",
        "{ key = \"idp.json\", domains = [\"*\"] }",
        "{ key = \"idp.json\", domains = [\"spiffe://a.example\"] }",
        "{ key = \"idp.json\", domain = [\"a.example\"] }",
    ] {
        folder.write("portcullis.toml", config.replace(new, old));
        runs.add(old, folder.run(&["check"]));
    }
    runs.is(snapbox::file!["issuers.txt"]);
}
