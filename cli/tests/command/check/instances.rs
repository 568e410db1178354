//! Instances of plugins, and how they are reset.

use super::{COUNTING, check, with_line};
use crate::common::{Folder, Ran, Request, each};
use snapbox::str;

#[test]
fn accepts_fresh_and_reset_instances() {
    let folder = Folder::with_plugins();
    each(
        ["", "instances = \"fresh\"", "instances = \"reset\""],
        |line| check(&folder, with_line(line)),
    )
    .is(str![[r##"
#
exit 0
-- stdout
pagemap-scan is off, the default: with it, wasmtime before 50 does not reset pages that are in swap
usable checked.toml: 1 integration, 1 plugin
-- stderr
checked.toml:5:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`

# instances = "fresh"
exit 0
-- stdout
pagemap-scan is off, the default: with it, wasmtime before 50 does not reset pages that are in swap
usable checked.toml: 1 integration, 1 plugin
-- stderr
checked.toml:5:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`

# instances = "reset"
exit 0
-- stdout
pagemap-scan is off, the default: with it, wasmtime before 50 does not reset pages that are in swap
usable checked.toml: 1 integration, 1 plugin
-- stderr
checked.toml:5:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
"##]]);
}

#[test]
fn refuses_renamed_keys_with_the_new_name() {
    let folder = Folder::with_plugins();
    each(
        [
            "lane = \"warm\"",
            "lane = \"restored\"",
            "lane-uses = 3",
            "instances = \"fresh\"\nlane-uses = 3",
            "trust = \"vendor\"",
            "posture = { max-age = \"5m\" }",
            "destination = { max-age = \"5m\", amiss = [\"legacy\"] }",
            "lanes = \"fresh\"",
        ],
        |line| check(&folder, with_line(line)),
    )
    .is(snapbox::file!["renamed-keys.txt"]);
}

#[test]
fn refuses_other_instances() {
    let folder = Folder::with_plugins();
    each(
        [
            "\"fast\"",
            "\"restored\"",
            "\"Reset\"",
            "\"fresh \"",
            "\"\"",
            "true",
            "[\"fresh\"]",
        ],
        |value| check(&folder, with_line(&format!("instances = {value}"))),
    )
    .is(snapbox::file!["other-instances.txt"]);
}

/// Checks a configuration with `engine` as its `[engine]` table.
fn check_engine(folder: &Folder, engine: &str) -> Ran {
    check(folder, format!("[engine]\n{engine}\n\n{COUNTING}"))
}

#[test]
fn pagemap_scan_is_off_by_default() {
    let folder = Folder::with_plugins();
    each(
        [
            "",
            "pagemap-scan = \"off\"",
            "pagemap-scan = \"auto\"",
            "pagemap-scan = \"No-Swap\"",
            "pagemap-scan = true",
            "pagemap_scan = \"no-swap\"",
            "pagemap-scan = \"\"",
        ],
        |engine| check_engine(&folder, engine),
    )
    .is(snapbox::file!["pagemap-scan.txt"]);
    let json = folder.run(&["check", "--format", "json"]).json();
    assert_eq!(json["pagemap-scan"]["on"], false);
}

#[cfg(target_os = "linux")]
#[test]
fn refuses_no_swap_on_a_host_with_swap() {
    let folder = Folder::with_plugins();
    let no_swap = || check_engine(&folder, "pagemap-scan = \"no-swap\"");
    match portcullis_tests::swap::Swap::on(std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))) {
        Err(error) => println!("skipped: no swap can be made here: {error:#}"),
        Ok(swap) => {
            let ran = no_swap();
            // A host may have other swap as well.
            let said = format!(
                "checked.toml:2:16: error: this host has swap, `{}`",
                swap.file().display()
            );
            assert!(ran.exits(3).err.contains(&said), "{ran}");
            // By default, swap does not matter.
            check_engine(&folder, "").exits(0);
        }
    }
    if std::fs::read_to_string("/proc/swaps").is_ok_and(|it| it.lines().count() > 1) {
        println!("skipped: there is swap");
        return;
    }
    let ran = no_swap();
    // It depends on the kernel.
    let on = "pagemap-scan is on: the configuration says that this host has no swap\n";
    let off = "pagemap-scan is off, although it is configured: this kernel does not support it";
    let out = &ran.exits(0).out;
    assert!(out.contains(on) || out.contains(off), "{ran}");
}

/// Adds a deadline that a busy machine does not reach by chance.
fn patient(configuration: &str) -> String {
    configuration.replace("settings =", "limits = { deadline = \"5s\" }\nsettings =")
}

#[test]
fn every_mode_decides_each_request_as_the_first() {
    let folder = Folder::with_plugins();
    for line in ["", "instances = \"fresh\"", "instances = \"reset\""] {
        folder.write("portcullis.toml", patient(&with_line(line)));
        let pdp = folder.host();
        for _ in 0..4 {
            let decision = Request::new("x", "a").decide(&pdp);
            let reason = decision.reasons().first();
            let code = reason.map(|reason| reason.code.as_str());
            assert_eq!(code, Some("call-1"), "{line}: {}", decision.detail());
        }
    }
}

#[test]
fn configures_self_checks_of_resets_for_the_whole_host() {
    let folder = Folder::with_plugins();
    let reset = patient(&with_line("instances = \"reset\""));
    let passed = |engine: &str| {
        folder.write("portcullis.toml", format!("{engine}\n{reset}"));
        let pdp = folder.host();
        for _ in 0..6 {
            let decision = Request::new("x", "a").decide(&pdp);
            assert!(decision.plugins().iter().all(|it| !it.reset_failed));
            let record = serde_json::to_string(&decision).unwrap();
            assert!(!record.contains("reset-failed"), "{record}");
        }
        assert!(pdp.reset_failures().is_empty());
        pdp.integration("x").unwrap().plugins()[0].reset_checks_passed()
    };
    for (engine, checks) in [
        ("", 1),
        ("[engine]\ncheck-resets-every = 0", 0),
        ("[engine]\ncheck-resets-every = 1", 6),
        ("[engine]\ncheck-resets-every = 4", 2),
    ] {
        assert_eq!(passed(engine), checks, "{engine}");
    }
    each(["-1", "1.5", "\"often\"", "2000000000"], |value| {
        check_engine(&folder, &format!("check-resets-every = {value}"))
    })
    .is(str![[r##"
# -1
exit 3
-- stderr
checked.toml:2:22: error: `check-resets-every` is a whole number from 0 to 1073741824, not this integer
checked.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`

# 1.5
exit 3
-- stderr
checked.toml:2:22: error: `check-resets-every` is a whole number from 0 to 1073741824, not this float
checked.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`

# "often"
exit 3
-- stderr
checked.toml:2:22: error: `check-resets-every` is a whole number from 0 to 1073741824, not this string
checked.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`

# 2000000000
exit 3
-- stderr
checked.toml:2:22: error: `check-resets-every` is a whole number from 0 to 1073741824, not this integer
checked.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
"##]]);
}

#[test]
fn warns_of_a_plugin_whose_instances_cannot_be_reset() {
    let folder = Folder::with_plugins();
    let typed = portcullis_tests::guests::component("tests/guests/echo-typed").unwrap();
    folder.write("typed.wasm", typed);
    let packed = with_line("instances = \"reset\"");
    let typed = packed
        .replace("hostile.wasm", "typed.wasm")
        .replace("behaviour = \"count\"", "");
    each([packed, typed], |configuration| {
        check(&folder, configuration)
    })
    .is(str![[r##"
# [[integration]]
# name = "x"
# instances = "reset"
# [[integration.plugin]]
# component = "hostile.wasm"
# settings = { behaviour = "count" }
exit 0
-- stdout
pagemap-scan is off, the default: with it, wasmtime before 50 does not reset pages that are in swap
usable checked.toml: 1 integration, 1 plugin
-- stderr
checked.toml:5:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`

# [[integration]]
# name = "x"
# instances = "reset"
# [[integration.plugin]]
# component = "typed.wasm"
# settings = {  }
exit 0
-- stdout
pagemap-scan is off, the default: with it, wasmtime before 50 does not reset pages that are in swap
usable checked.toml: 1 integration, 1 plugin
-- stderr
checked.toml:5:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:5:13: warning: instances of plugin `typed.wasm` cannot be reset, so it decides as with `instances = "fresh"`: write it with portcullis-sdk
"##]]);
}
