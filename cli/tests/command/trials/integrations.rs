//! Spellings of integrations, destinations and types of resources.

use super::{anything, call, configure, denies, folder, permits};
use crate::common::{Request, Runs, each};
use serde_json::json;

/// A6: a denial with a misspelt integration would deny nothing, so it is refused.
#[test]
fn refuses_a_denial_of_a_misspelt_integration() {
    let denied = |integration: &str| json!([{ "integration": integration, "action": "**", "resource": "acme/payroll" }]);
    let mut runs = Runs::default();
    for other in ["SCM", "Scm", "sCm", "scm ", "*"] {
        let folder = folder("", anything("**"), denied(other));
        runs.add(format!("{other:?}"), folder.run(&["check"]));
        denies(&folder, &call("read", "acme/payroll", json!({})));
    }
    let folder = folder("", anything("**"), denied("mail"));
    runs.add("\"mail\"", folder.run(&["check"]));
    runs.is(snapbox::file!["integrations.txt"]);
    permits(&folder, &call("read", "acme/billing", json!({})));
}

/// A4: a compromised destination is found by every name that a denial of its id matches.
#[test]
fn finds_a_destination_in_every_spelling() {
    let rule =
        "destination = { max-age = \"5m\", weaknesses = [\"legacy\"], otherwise = \"deny\" }\n";
    let names = "names = { case = \"insensitive\", drop-suffix = \".git\" }\n";
    let healthy = |resource: &str| {
        let posture = json!({
            "exposure": "internal", "health": "healthy", "legacy": false,
            "observed-at": portcullis_host::Timestamp::now(),
        });
        call("read", resource, json!({})).set("/resource/properties/posture", posture)
    };
    let sighting =
        |id: &str| json!({ "destinations": [{ "id": id, "health": "compromised" }] }).to_string();
    let mut runs = Runs::default();
    for (declared, id) in [(names, "acme/payroll.git"), ("", "acme/payroll")] {
        let folder = folder(&format!("{rule}{declared}"), anything("**"), json!([]));
        configure(&folder, "[destinations]\npath = \"posture.json\"");
        folder.write("posture.json", sighting(id));
        for name in [
            id,
            "acme/payroll",
            "Acme/Payroll",
            "acme/payroll:main",
            "/acme/payroll",
        ] {
            denies(&folder, &healthy(name));
        }
        permits(&folder, &healthy("acme/billing"));
        permits(&folder, &healthy("acme/payroll-archive"));
        for wrong in ["acme/payroll ", "acme//payroll", "acme/%70ayroll", "acme/*"] {
            folder.write("posture.json", sighting(wrong));
            runs.add(format!("{declared}{wrong:?}"), folder.run(&["check"]));
        }
    }
    runs.is(snapbox::file!["destinations.txt"]);
}

/// A default for all other types does not apply to a listed type in another spelling.
#[test]
fn refuses_other_spellings_of_a_type() {
    let folder = folder("", anything("**"), json!([]));
    let lax = "\n[[integration]]\nname = \"lax\"\n[[integration.plugin]]\ncomponent = \"permits.wasm\"\nsettings = { behaviour = \"permit\" }\n";
    configure(
        &folder,
        "[authzen]\nintegration = \"lax\"\nby-resource-type = { repository = \"scm\" }\n",
    );
    let config = folder.read("portcullis.toml");
    folder.write("portcullis.toml", config + lax);
    let typed = |of: &str| {
        let request = Request::new("scm", "read").without("/context");
        let alice = request
            .set("/subject/type", "user")
            .principal("alice@acme.example");
        alice.resource("acme/billing").set("/resource/type", of)
    };
    each(
        ["repository", "Repository", "todo", "Acme::Repository"],
        |of| folder.evaluate(&typed(of)),
    )
    .is(snapbox::file!["types.txt"]);
    for of in [
        "",
        "repository ",
        "repository\u{200b}",
        "\u{ff52}epository",
        "reposi\0tory",
    ] {
        denies(&folder, &typed(of));
    }
}
