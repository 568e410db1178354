//! Spellings of a resource's name.

use super::{anything, call, denies, folder, permits};
use crate::common::{Runs, each};
use serde_json::json;
use snapbox::str;

/// A2 and A4 of the list, and related inputs.
#[test]
fn denials_match_every_spelling_of_a_resource() {
    let denied = json!([{ "integration": "scm", "action": "**", "resource": "acme/payroll" }]);
    let folder = folder("", anything("acme/*"), denied);
    for name in [
        "acme/payroll",
        "acme/%2e%2e",
        "acme/..%2fother%2frepo",
        "acme/..\\other",
        "acme/..?x=",
        "acme/..#",
        "acme/..;x",
        "acme/payroll%20",
        "acme/p%61yroll",
        "acme/payroll?x",
        "acme/payroll\0",
        "acme/Payroll",
        "ACME/payroll",
        "acme/payroll ",
        "acme/payroll.",
        "acme//payroll",
        "acme/payroll/",
        "acme/x/../payroll",
        "acme\\payroll",
        "acme/\u{ff50}ayroll",
        "acme\u{ff0f}payroll",
        "acme/pay\u{200b}roll",
        "acme/payroll\u{202e}",
        "acme/payroll:main",
        "acme/payroll@sha256:abc",
        "acme/payroll@main",
        "acme:x/payroll",
        "acme/payroll\u{1680}",
        "acme/pa\u{327}\u{301}yroll",
        "acme/*",
        "acme/%252e%252e",
        "acme/\u{2025}",
        "acme/payroll\n",
        "acme/pay\u{ad}roll",
        "acme/payroll\u{9b}",
    ] {
        denies(&folder, &call("read", name, json!({})));
    }
    for name in [
        "acme/billing",
        "acme/billing@sha256:abc",
        "acme/billing:main",
        "acme/.github",
        "acme/payroll-archive",
        "acme/größe",
    ] {
        permits(&folder, &call("read", name, json!({})));
    }
}

/// A4: the integration declares how its names compare, and every check uses that.
#[test]
fn names_compare_as_the_integration_declares() {
    let denied = json!([{ "integration": "scm", "action": "**", "resource": "acme/Payroll" }]);
    let names = "names = { case = \"insensitive\", drop-suffix = \".git\" }\n";
    let folder = folder(names, anything("Acme/*"), denied);
    for name in [
        "acme/payroll",
        "ACME/PAYROLL",
        "acme/payroll.git",
        "acme/Payroll.GIT",
        "other/x",
        "acme/.git",
    ] {
        denies(&folder, &call("read", name, json!({})));
    }
    for name in ["acme/billing", "ACME/Billing.git"] {
        permits(&folder, &call("read", name, json!({})));
    }
    folder.run(&["check"]).exits(0);
    each(
        [
            "case = \"ignore\"",
            "drop-suffix = \"*\"",
            "drop-suffix = \"l\"",
            "drop-suffix = \".git \"",
            "drop-suffix = \"\\u200b\"",
        ],
        |names| {
            folder.write("wrong.toml", format!("[[integration]]\nname = \"scm\"\nnames = {{ {names} }}\n[[integration.plugin]]\ncomponent = \"permits.wasm\"\nsettings = {{ behaviour = \"permit\" }}\n"));
            folder.run(&["check", "wrong.toml"])
        },
    )
    .is(snapbox::file!["names.txt"]);
}

/// A4: a denial matches a name with and without the suffix, in any case, before a tag and in each segment.
#[test]
fn denials_match_names_with_and_without_the_dropped_suffix() {
    let names = "names = { drop-suffix = \".git\" }\n";
    for (denied, caught) in [
        (
            "acme/payroll",
            [
                "acme/payroll.GIT",
                "acme/payroll.gIt.git",
                "acme/payroll.git:main",
            ],
        ),
        (
            "acme/secret/**",
            ["acme/secret.git/x", "acme/secret/x", "acme/Secret.Git:v1/x"],
        ),
        (
            "acme/payroll.g*",
            ["acme/payroll.git", "acme/payroll", "acme/payroll.github"],
        ),
        (
            "acme/payroll.git/**",
            ["acme/payroll/x", "acme/payroll.GIT/x", "acme/payroll.git/y"],
        ),
    ] {
        let denied = json!([{ "integration": "scm", "action": "**", "resource": denied }]);
        let folder = folder(names, anything("**"), denied);
        for name in caught {
            denies(&folder, &call("read", name, json!({})));
        }
        for name in ["acme/billing.git", "acme/payrolls", "acme/secrets.git/x"] {
            permits(&folder, &call("read", name, json!({})));
        }
    }
}

/// A denial names the problem of an ambiguous name, and the remedy.
#[test]
fn a_denial_explains_why_a_name_is_ambiguous() {
    let unrelated = json!([{ "integration": "scm", "action": "**", "resource": "zzz" }]);
    let mut runs = Runs::default();
    for (denied, what) in [(unrelated, "with a denial"), (json!([]), "without denials")] {
        let folder = folder("", anything("**"), denied);
        for name in [
            "b/folder/",
            "Report #3.pdf",
            "50% off.pdf",
            "Acme Inc./x",
            "user#1234",
            "s3://b/k",
            "cafe\u{301}",
        ] {
            let ran = folder.evaluate(&call("read", name, json!({})));
            runs.add(format!("{name}, {what}"), ran);
        }
        permits(&folder, &call("read", "Report no. 3.pdf", json!({})));
    }
    runs.is(snapbox::file!["ambiguous.txt"]);
    // The suggested remedy works.
    let folder = folder("", anything("Report #3.pdf"), json!([]));
    permits(&folder, &call("read", "Report #3.pdf", json!({})));
    folder
        .evaluate(&call("read", "Report #4.pdf", json!({})))
        .exits(2);
}

#[test]
fn a_denial_of_a_plain_name_does_not_mention_ambiguity() {
    let folder = folder("", anything("acme/*"), json!([]));
    folder
        .evaluate(&call("read", "other/x", json!({})))
        .is(str![[r#"
exit 2
-- stdout
DENY  scm: read on other/x  [DURATION]
  cause     outside-intent
  to change call `scm: read other/x` is outside intent `int-1`: its resource `other/x` is not `acme/*`; the intent allows `scm: ** acme/*` with any arguments, minus its denials; have another intent approved, or request less
-- stderr
[intents]: warning: intent `int-1`: `/allows/0`: `"arguments": "open"` allows any arguments: list the arguments that a call needs, as in `"arguments": {"required":[]}`
"#]]);
}
