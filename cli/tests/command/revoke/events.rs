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
    take("https://other.example").is(str![[r#"
exit 3
-- stderr
error: set.jwt: the event is meant for another receiver than `https://other.example` (`aud`)
"#]]);
    take("https://gateway.a.example").is(str![[r#"
exit 0
-- stdout
{"epoch":1,"at":"[TIME]","kind":"credential","id":"jti-1","reason":"session-revoked","by":"https://idp.a.example","domains":["a.example"],"event":"https://idp.a.example set"}
-- stderr
set.jwt: revoked, epoch 1
"#]]);
    take("https://gateway.a.example").is(str![[r#"
exit 0
-- stderr
set.jwt: it is on the list already
"#]]);
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
    take("1", "jti-b", &[]).is(str![[r#"
exit 5
-- stdout
{"epoch":1,"at":"[TIME]","kind":"credential","id":"jti-b","reason":"session-revoked","by":"https://idp.a.example","domains":["a.example"],"event":"https://idp.a.example 1"}
-- stderr
1.jwt: revoked, epoch 1
error: 1.jwt: it is revoked, but its ids are unknown to the configuration and the log, for the trust domains of the issuer: verify that hosts receive these ids, or give `--unknown`
"#]]);
    // No request had it.
    take("2", "jti-c", &[]).is(str![[r#"
exit 5
-- stdout
{"epoch":2,"at":"[TIME]","kind":"credential","id":"jti-c","reason":"session-revoked","by":"https://idp.a.example","domains":["a.example"],"event":"https://idp.a.example 2"}
-- stderr
2.jwt: revoked, epoch 2
error: 2.jwt: it is revoked, but its ids are unknown to the configuration and the log, for the trust domains of the issuer: verify that hosts receive these ids, or give `--unknown`
"#]]);
    take("3", "jti-d", &["--unknown"]).exits(0);
    take("4", "jti-a", &[]).exits(0);
    // The same event after a lift.
    revoke(&folder, "credential", "jti-a", &["--lift"]).exits(0);
    take("4", "jti-a", &[]).is(str![[r#"
exit 5
-- stderr
error: 4.jwt: the event revoked `jti-a` before, but it was lifted at epoch 5: an event does not revoke it again; to revoke it, use `portcullis revoke`
"#]]);
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
