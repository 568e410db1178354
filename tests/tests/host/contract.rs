//! There is one contract: its copies do not drift, and its descriptions are true.

use portcullis_contract::CONTRACT_VERSION;
use portcullis_tests::{guests, root};
use std::collections::BTreeSet;
use std::fs;

#[test]
fn the_vendored_copies_of_the_contract_are_its_copies() {
    let source = fs::read_to_string(root().join("wit/policy.wit")).unwrap();
    for copy in ["crates/sandbox/wit/policy.wit", "guest-sdk/wit/policy.wit"] {
        let copied = fs::read_to_string(root().join(copy)).unwrap();
        assert!(
            copied == source,
            "{copy} has drifted: run `cargo xtask wit`"
        );
    }
    assert!(source.contains(&format!("package portcullis:policy@{CONTRACT_VERSION};")));
}

#[test]
fn every_item_of_the_contract_is_documented_and_gated() {
    let source = fs::read_to_string(root().join("wit/policy.wit")).unwrap();
    let items = [
        "interface ",
        "type ",
        "record ",
        "variant ",
        "enum ",
        "world ",
        "use ",
        "export ",
    ];
    let mut previous = "";
    for line in source.lines().map(str::trim) {
        let item = items.iter().any(|item| line.starts_with(item)) || line.contains(": func(");
        if item {
            assert!(previous.starts_with("@since"), "`{line}` has no @since");
        }
        // The documentation of a member is directly above it, and that of an item is above its gate.
        let member = line.ends_with(',') && !line.starts_with("///");
        let gate_of_documented = line.starts_with("@since")
            && (previous.starts_with("///") || previous.ends_with(['{', ';']));
        if member {
            assert!(previous.starts_with("///"), "`{line}` has no documentation");
        }
        assert!(
            !line.starts_with("@since") || gate_of_documented,
            "after `{previous}`"
        );
        previous = line;
    }
}

#[test]
fn the_schema_of_a_plugin_knows_the_settings_of_its_cases() {
    for plugin in guests::PLUGINS {
        let folder = root().join("plugins").join(plugin);
        let manifest = fs::read_to_string(folder.join("plugin.toml")).unwrap();
        let manifest = portcullis_contract::Manifest::parse(&manifest).unwrap();
        let described: BTreeSet<_> = manifest.settings["properties"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        let settings = fs::read_to_string(folder.join("cases/settings.toml")).unwrap();
        let settings: toml::Table = toml::from_str(&settings).unwrap();
        for key in settings.keys() {
            assert!(
                described.contains(key),
                "{plugin}: the schema has no `{key}`"
            );
        }
    }
}
