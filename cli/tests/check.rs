//! `portcullis check`: every error at once, with file and line.

mod common;

use common::Folder;
use portcullis_host::Digest;

#[test]
fn a_usable_configuration_is_said_to_be_usable() {
    let folder = Folder::with_plugins();
    let ran = folder.run(&["check"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(
        ran.out,
        "usable portcullis.toml: 3 integrations, 3 plugins\npagemap-scan is off, the default: with it, wasmtime before 50 does not reset pages that are in swap\n"
    );
    assert_eq!(ran.err.matches("not pinned").count(), 3);
}

#[test]
fn a_pinned_plugin_is_held_to_its_digest() {
    let folder = Folder::with_plugins();
    let component = std::fs::read(folder.path().join("hostile.wasm")).unwrap();
    let with = |digest: &str| {
        folder.write(
            "pinned.toml",
            format!("[[integration]]\nname = \"x\"\n[[integration.plugin]]\ncomponent = \"hostile.wasm\"\nsettings = {{ behaviour = \"permit\" }}\ndigest = \"{digest}\"\n"),
        );
        folder.run(&["check", "pinned.toml"])
    };
    let right = with(&Digest::of(&component).to_string());
    assert_eq!((right.code, right.err.as_str()), (0, ""));
    let wrong = with(&Digest::of(b"").to_string());
    assert_eq!(wrong.code, 3);
    assert!(
        wrong.err.starts_with("pinned.toml:6:10: error:"),
        "{}",
        wrong.err
    );
    assert!(wrong.err.contains("is pinned"), "{}", wrong.err);
}

#[test]
fn every_error_is_reported_at_its_place() {
    let folder = Folder::with_plugins();
    folder.write("text.wasm", "hello");
    folder.write(
        "bad.toml",
        r#"[limits]
deadline = "fast"
memory-bytes = 1
fuel = 7

[request]
max-depth = 0

[[integration]]
name = "a"
max-grant-ttl = 5
[integration.actions]
read = "reading"
[[integration.plugin]]
component = "none.wasm"
[[integration.plugin]]
component = "text.wasm"
digset = "x"

[[integration]]
[[integration.plugin]]
component = "mcp-tools.wasm"
digest = "md5:1"
[[integration.plugin]]
component = "mcp-tools.wasm"
[integration.plugin.settings]
deny = ["x**"]
[[integration.plugin]]
component = "mcp-tools.wasm"
[integration.plugin.settings]
tools = [
  { tool = "a" },
  { tool = "b", lifetime = 3 },
]

[[integration]]
name = "empty"
"#,
    );
    let ran = folder.run(&["check", "bad.toml"]);
    assert_eq!(ran.code, 3);
    assert_eq!(ran.out, "");
    let errors: Vec<_> = ran
        .err
        .lines()
        .filter(|line| line.contains(" error: "))
        .collect();
    let expected = [
        (2, 12, "`deadline` is a time"),
        (3, 16, "`memory-bytes` is a whole number from 65536"),
        (4, 1, "there is no `fuel` here"),
        (7, 13, "`max-depth` is a whole number"),
        (11, 17, "`max-grant-ttl` is a time"),
        (13, 8, "the class of `read` is one of"),
        (15, 13, "cannot read none.wasm"),
        (17, 13, "found a text file, not a WebAssembly component"),
        (18, 1, "there is no `digset` here"),
        (20, 1, "`name` is missing here"),
        (23, 10, "`md5:1` is not a digest"),
        (27, 9, "settings, `/deny/0`: "),
        (
            33,
            28,
            "settings, `/tools/1/lifetime`: the plugin has no such setting",
        ),
        (36, 1, "has no `[[integration.plugin]]`"),
    ];
    for ((line, column, message), error) in expected.iter().zip(&errors) {
        let place = format!("bad.toml:{line}:{column}: error: ");
        assert!(
            error.starts_with(&place) && error.contains(message),
            "{place}{message}: {error}"
        );
    }
    assert_eq!(errors.len(), expected.len(), "{}", ran.err);
    let json = folder.run(&["check", "bad.toml", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(report["usable"], false);
    let errors = report["problems"].as_array().unwrap();
    assert_eq!(
        errors.iter().filter(|p| p["severity"] == "error").count(),
        expected.len()
    );
}

#[test]
fn a_syntax_error_is_reported_at_its_place() {
    let folder = Folder::new();
    folder.write("bad.toml", "[limits\ndeadline = \"1ms\"\nx = = 1\n");
    let ran = folder.run(&["check", "bad.toml"]);
    assert_eq!(ran.code, 3);
    assert!(ran.err.contains("bad.toml:1:"), "{}", ran.err);
    assert!(ran.err.contains("bad.toml:3:"), "{}", ran.err);
    assert!(
        folder
            .run(&["check", "none.toml"])
            .err
            .starts_with("none.toml: error: cannot be read")
    );
}

#[test]
fn names_that_would_be_ambiguous_are_refused() {
    let folder = Folder::with_plugins();
    let integration = "[[integration]]\nname = \"x\"\n";
    let plugin = "[[integration.plugin]]\ncomponent = \"hostile.wasm\"\nsettings = { behaviour = \"permit\" }\n";
    folder.write(
        "twice.toml",
        format!("{integration}{plugin}{integration}{plugin}"),
    );
    let ran = folder.run(&["check", "twice.toml"]);
    assert!(
        ran.err.contains(
            "twice.toml:6:1: error: two integrations are called `x`: give each a name of its own"
        ),
        "{}",
        ran.err
    );
    folder.write("plugins.toml", format!("{integration}{plugin}{plugin}"));
    let ran = folder.run(&["check", "plugins.toml"]);
    assert!(
        ran.err.contains("another plugin called `hostile`"),
        "{}",
        ran.err
    );
}

const PERMITTING: &str = "[[integration]]\nname = \"x\"\n[[integration.plugin]]\ncomponent = \"hostile.wasm\"\nsettings = { behaviour = \"count\" }\n";

/// Returns a configuration whose integration has `line`.
fn with_line(line: &str) -> String {
    PERMITTING.replace("name = \"x\"", &format!("name = \"x\"\n{line}"))
}

#[test]
fn instances_are_fresh_or_reset_and_old_keys_are_refused_with_the_new_one() {
    let folder = Folder::with_plugins();
    let check = |line: &str| {
        folder.write("instances.toml", with_line(line));
        folder.run(&["check", "instances.toml"])
    };
    for line in ["", "instances = \"fresh\"", "instances = \"reset\""] {
        let ran = check(line);
        assert_eq!(ran.code, 0, "{line}: {}", ran.err);
        assert!(!ran.err.contains("`instances"), "{line}: {}", ran.err);
    }
    for (line, said) in [
        (
            "lane = \"warm\"",
            "3:1: error: `lane` is called `instances`",
        ),
        (
            "lane = \"restored\"",
            "3:1: error: `lane` is called `instances`",
        ),
        (
            "lane-uses = 3",
            "3:1: error: `lane-uses` is no longer accepted",
        ),
        (
            "instances = \"fresh\"\nlane-uses = 3",
            "4:1: error: `lane-uses` is",
        ),
        (
            "trust = \"vendor\"",
            "3:1: error: `trust` of an integration is called `tier`",
        ),
        (
            "posture = { max-age = \"5m\" }",
            "3:1: error: `posture` of an integration is called `destination`",
        ),
        (
            "destination = { max-age = \"5m\", amiss = [\"legacy\"] }",
            "error: `amiss` is called `weaknesses`",
        ),
    ] {
        let ran = check(line);
        assert_eq!(ran.code, 3, "{line}: {}", ran.err);
        assert!(ran.err.contains(said), "{line}: {}", ran.err);
        assert!(!ran.err.contains("there is no"), "{line}: {}", ran.err);
    }
    for value in [
        "\"fast\"",
        "\"restored\"",
        "\"Reset\"",
        "\"fresh \"",
        "\"\"",
        "true",
        "[\"fresh\"]",
    ] {
        let ran = check(&format!("instances = {value}"));
        assert_eq!(ran.code, 3, "{value}: {}", ran.err);
        assert!(ran.err.contains("`instances` is "), "{value}: {}", ran.err);
    }
    let ran = check("lanes = \"fresh\"");
    assert!(ran.err.contains("there is no `lanes` here"), "{}", ran.err);
}

/// The one annotated configuration, which the documentation shows.
const ANNOTATED: &str = include_str!("../../host/src/config/portcullis.toml");

#[test]
fn every_key_of_the_annotated_configuration_is_one_that_there_is() {
    let folder = Folder::new();
    folder.write("portcullis.toml", ANNOTATED);
    let ran = folder.run(&["check"]);
    assert_eq!(ran.code, 3, "{}", ran.err);
    // Only the files that it names are missing.
    let mut problems = ran.err.lines().filter(|line| line.contains("error:"));
    assert!(
        problems.clone().count() > 5 && problems.all(|line| line.contains("No such file")),
        "{}",
        ran.err
    );
    let page = std::fs::read_to_string(portcullis_tests::root().join("docs/operating.md"));
    assert!(
        page.unwrap().contains(ANNOTATED),
        "docs/operating.md shows another one"
    );
}

#[test]
fn sections_that_were_renamed_are_refused_with_the_new_name() {
    let folder = Folder::with_plugins();
    for (section, said) in [
        (
            "[trust]\n\"acme.example\" = \"a.json\"",
            "error: `[trust]` is called `[trust-domains]`",
        ),
        (
            "[posture]\npath = \"p.json\"",
            "error: `[posture]` is called `[destinations]`",
        ),
        (
            "[evidence]\nwrite = [\"registry\"]",
            "error: `[evidence]` is called `[required-checks]`",
        ),
    ] {
        folder.write("old.toml", format!("{section}\n{PERMITTING}"));
        let ran = folder.run(&["check", "old.toml"]);
        assert_eq!(ran.code, 3, "{section}: {}", ran.err);
        assert!(ran.err.contains(said), "{section}: {}", ran.err);
        assert!(!ran.err.contains("there is no"), "{section}: {}", ran.err);
    }
}

/// Checks a configuration with `engine` as its `[engine]` table.
fn check_engine(folder: &Folder, engine: &str) -> common::Ran {
    folder.write("engine.toml", format!("[engine]\n{engine}\n\n{PERMITTING}"));
    folder.run(&["check", "engine.toml"])
}

#[test]
fn the_scan_is_off_unless_the_operator_says_that_there_is_no_swap() {
    let folder = Folder::with_plugins();
    for engine in ["", "pagemap-scan = \"off\""] {
        let ran = check_engine(&folder, engine);
        assert_eq!(ran.code, 0, "{engine}: {}", ran.err);
        let said = "pagemap-scan is off, the default";
        assert!(ran.out.contains(said), "{engine}: {}", ran.out);
    }
    for engine in [
        "pagemap-scan = \"auto\"",
        "pagemap-scan = \"No-Swap\"",
        "pagemap-scan = true",
        "pagemap_scan = \"no-swap\"",
        "pagemap-scan = \"\"",
    ] {
        let ran = check_engine(&folder, engine);
        assert_eq!(ran.code, 3, "{engine}: {}", ran.err);
        let at = "engine.toml:2:";
        assert!(ran.err.contains(at), "{engine}: {}", ran.err);
    }
    let auto = check_engine(&folder, "pagemap-scan = \"auto\"");
    assert!(auto.err.contains("`no-swap` where the host has no swap"));
    folder.write("engine.toml", PERMITTING);
    let json = folder.run(&["check", "engine.toml", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["pagemap-scan"]["on"], false);
}

#[cfg(target_os = "linux")]
#[test]
fn a_host_with_swap_is_not_taken_for_one_without() {
    let folder = Folder::with_plugins();
    let no_swap = || check_engine(&folder, "pagemap-scan = \"no-swap\"");
    match portcullis_tests::swap::Swap::on(std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))) {
        Err(error) => println!("skipped: no swap can be made here: {error:#}"),
        Ok(swap) => {
            let ran = no_swap();
            assert_eq!(ran.code, 3, "{}", ran.out);
            let said = format!(
                "engine.toml:2:16: error: this host has swap, `{}`",
                swap.file().display()
            );
            assert!(ran.err.contains(&said), "{}", ran.err);
            // By default, swap does not matter.
            let ran = check_engine(&folder, "");
            assert_eq!(ran.code, 0, "{}", ran.err);
        }
    }
    if std::fs::read_to_string("/proc/swaps").is_ok_and(|it| it.lines().count() > 1) {
        println!("skipped: there is swap");
        return;
    }
    let ran = no_swap();
    assert_eq!(ran.code, 0, "{}", ran.err);
    let on = "pagemap-scan is on: the configuration says that this host has no swap\n";
    let off = "pagemap-scan is off, although it is configured: this kernel does not support it";
    assert!(ran.out.contains(on) || ran.out.contains(off), "{}", ran.out);
}

#[test]
fn every_mode_decides_each_request_as_the_first() {
    let folder = Folder::with_plugins();
    for lane in ["", "instances = \"fresh\"", "instances = \"reset\""] {
        // A busy machine must not reach the deadline by chance.
        let patient = "limits = { deadline = \"5s\" }\nsettings =";
        folder.write(
            "instances.toml",
            with_line(lane).replace("settings =", patient),
        );
        let pdp = portcullis_host::Pdp::from_file(folder.path().join("instances.toml")).unwrap();
        for _ in 0..4 {
            let asked = common::request("x", "a", "/");
            let decision = pdp.evaluate_authzen(asked.as_bytes());
            let reason = decision.reasons().first();
            let code = reason.map(|reason| reason.code.as_str());
            assert_eq!(code, Some("call-1"), "{lane}: {}", decision.detail());
        }
    }
}

#[test]
fn self_checks_of_resets_are_configured_for_the_whole_host() {
    let folder = Folder::with_plugins();
    let reset = with_line("instances = \"reset\"")
        .replace("settings =", "limits = { deadline = \"5s\" }\nsettings =");
    let passed = |engine: &str| {
        folder.write("engine.toml", format!("{engine}\n{reset}"));
        let pdp = portcullis_host::Pdp::from_file(folder.path().join("engine.toml")).unwrap();
        for _ in 0..6 {
            let decision = pdp.evaluate_authzen(common::request("x", "a", "/").as_bytes());
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
    for value in ["-1", "1.5", "\"often\"", "2000000000"] {
        folder.write(
            "engine.toml",
            format!("[engine]\ncheck-resets-every = {value}\n{reset}"),
        );
        let ran = folder.run(&["check", "engine.toml"]);
        assert_eq!(ran.code, 3, "{value}: {}", ran.err);
        assert!(
            ran.err.contains("`check-resets-every` is a whole number"),
            "{}",
            ran.err
        );
    }
}

#[test]
fn a_plugin_whose_instances_cannot_be_reset_is_pointed_out() {
    let folder = Folder::with_plugins();
    let typed = portcullis_tests::guests::component("tests/guests/echo-typed").unwrap();
    folder.write("typed.wasm", typed);
    let reset = with_line("instances = \"reset\"");
    folder.write("packed.toml", &reset);
    let typed = reset
        .replace("hostile.wasm", "typed.wasm")
        .replace("behaviour = \"count\"", "");
    folder.write("typed.toml", typed);
    for (file, warned) in [("packed.toml", false), ("typed.toml", true)] {
        let ran = folder.run(&["check", file]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        let warning = "warning: instances of plugin `typed.wasm` cannot be reset";
        assert_eq!(ran.err.contains(warning), warned, "{}", ran.err);
    }
}

#[cfg(unix)]
#[test]
fn processes_that_begin_at_once_share_a_cache() {
    let folder = Folder::with_plugins();
    folder.write(
        "cached.toml",
        format!("[cache]\npath = \"compiled\"\n\n{PERMITTING}"),
    );
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..3 {
                    let ran = folder.run(&["check", "cached.toml"]);
                    assert_eq!(ran.code, 0, "{}", ran.err);
                    assert!(!ran.err.contains("not taken from the cache"), "{}", ran.err);
                }
            });
        }
    });
    let left = std::fs::read_dir(folder.path().join("compiled")).unwrap();
    assert_eq!(left.count(), 2, "the key and the entry");
}

#[cfg(unix)]
#[test]
fn a_cache_is_used_reported_on_and_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::with_plugins();
    folder.write(
        "cached.toml",
        format!("[cache]\npath = \"compiled\"\n\n{PERMITTING}"),
    );
    let origin = || {
        let pdp = portcullis_host::Pdp::from_file(folder.path().join("cached.toml")).unwrap();
        let origin = pdp.integrations()[0].plugins()[0].code_source().clone();
        let damaged =
            |notice: &portcullis_host::config::Problem| notice.message.contains("damaged");
        (origin, pdp.notices().iter().any(damaged))
    };
    use portcullis_host::CodeSource;
    assert_eq!(origin(), (CodeSource::Compiled, false));
    assert_eq!(origin(), (CodeSource::Cached, false));
    let compiled = folder.path().join("compiled");
    let entry = std::fs::read_dir(&compiled)
        .unwrap()
        .map(|file| file.unwrap().path())
        .find(|file| file.extension().is_some())
        .unwrap();
    let mut bytes = std::fs::read(&entry).unwrap();
    bytes[1000] ^= 1;
    std::fs::write(&entry, &bytes).unwrap();
    let ran = folder.run(&["check", "cached.toml"]);
    assert_eq!(ran.code, 0);
    assert!(ran.err.contains("is damaged"), "{}", ran.err);
    std::fs::write(&entry, &bytes).unwrap();
    assert!(matches!(origin(), (CodeSource::NotCached(_), true)));

    std::fs::set_permissions(&compiled, std::fs::Permissions::from_mode(0o755)).unwrap();
    let ran = folder.run(&["check", "cached.toml"]);
    assert_eq!(ran.code, 3);
    assert!(ran.err.contains("cached.toml:2:8: error:"), "{}", ran.err);
    assert!(ran.err.contains("mode 0755"), "{}", ran.err);
}

/// A13: a denial or revocation of one integration does not apply to another one.
#[test]
fn two_names_of_integrations_that_differ_in_case_are_refused() {
    let folder = Folder::with_plugins();
    let check = |names: &[&str]| {
        let integrations: Vec<_> = names
            .iter()
            .map(|name| {
                format!(
                    "[[integration]]\nname = \"{name}\"\n[[integration.plugin]]\ncomponent = \"hostile.wasm\"\nsettings = {{ behaviour = \"permit\" }}\n"
                )
            })
            .collect();
        folder.write("named.toml", integrations.concat());
        folder.run(&["check", "named.toml"])
    };
    for other in ["SCM", "Scm", "\u{17f}cm"] {
        let ran = check(&["scm", other]);
        assert_eq!(ran.code, 3, "{other} {}", ran.err);
    }
    let ran = check(&["scm", "SCM"]);
    let message = "named.toml:6:1: error: the names of integrations `scm` and `SCM` differ only in letter case";
    assert!(ran.err.contains(message), "{}", ran.err);
    assert!(
        check(&["scm", "scm"])
            .err
            .contains("two integrations are called `scm`")
    );
    assert_eq!(check(&["scm", "scm-2", "SCM_2"]).code, 0);
}

#[test]
fn a_type_of_resources_is_listed_once_and_as_requests_send_it() {
    let folder = Folder::with_plugins();
    let check = |types: &str| {
        let config = format!(
            "authzen = {{ integration = \"x\", by-resource-type = {{ {types} }} }}\n[[integration]]\nname = \"x\"\n[[integration.plugin]]\ncomponent = \"hostile.wasm\"\nsettings = {{ behaviour = \"permit\" }}\n"
        );
        folder.write("types.toml", config);
        folder.run(&["check", "types.toml"])
    };
    for (types, message) in [
        (
            r#"repository = "x", Repository = "x""#,
            "in different case or spelling: write it once",
        ),
        (r#""repository " = "x""#, "no request has the type"),
        (r#""" = "x""#, "no request has the type"),
        (r#""\u200b" = "x""#, "no request has the type"),
        (r#""\uFF52epository" = "x""#, "no request has the type"),
    ] {
        let ran = check(types);
        assert_eq!(ran.code, 3, "{types} {}", ran.err);
        assert!(ran.err.contains(message), "{types} {}", ran.err);
    }
    let ran = check(r#"repository = "x", "Acme::Team" = "x", "data set" = "x""#);
    assert_eq!(ran.code, 0, "{}", ran.err);
}

const IDENTITY: &str = r#"
[[identity]]
id = "spiffe://a.example/agent/x"
kind = "agent"
owner = "team@a.example"
purpose = "p"
environment = "prod"
expires = 2099-01-01T00:00:00Z
max-credential-lifetime = "1h"
integrations = ["x"]
"#;

/// Returns an intent with these allowances.
fn intent(id: &str, allows: &serde_json::Value) -> String {
    serde_json::json!({
        "id": id, "purpose": "p", "principal": "spiffe://a.example/agent/x",
        "approved-by": { "who": "alice@a.example", "at": "2026-01-01T00:00:00Z" },
        "issued-at": "2026-01-01T00:00:00Z", "expires-at": "2099-01-01T00:00:00Z",
        "allows": allows,
    })
    .to_string()
}

#[test]
fn the_mistakes_of_all_files_are_reported_in_one_round() {
    let folder = Folder::with_plugins();
    folder.write(
        "registry.toml",
        IDENTITY
            .replace("kind = \"agent\"", "kind = \"robot\"\nowner_ = 1")
            .replace("owner = \"team@a.example\"\n", ""),
    );
    folder.write("posture.json", "{ \"destinations\": 1 }");
    folder.write("intents/a.json", "{ \"id\": 1 }");
    folder.write(
        "intents/b.json",
        intent("int-b", &serde_json::json!([{ "integration": "githbu", "action": "*", "resource": "**", "arguments": {} }, { "integration": "lost", "action": "*", "resource": "**", "arguments": {} }])),
    );
    folder.write("bundle.json", "{}");
    folder.write("key.json", "{}");
    // A component whose manifest is misspelt, which no tool would build.
    let mut misspelt = std::fs::read(folder.path().join("hostile.wasm")).unwrap();
    let (from, to) = (b"\"action.name\"", b"\"action.nmae\"");
    let begins: Vec<_> = (0..misspelt.len() - from.len())
        .filter(|at| misspelt[*at..].starts_with(from))
        .collect();
    for at in begins {
        misspelt[at..at + to.len()].copy_from_slice(to);
    }
    folder.write("misspelt.wasm", misspelt);
    folder.write(
        "bad.toml",
        r#"[engine]
scan = 1
[limits]
deadline = "fast"
[registry]
path = "registry.toml"
[revocation]
path = "none.jsonl"
max-staleness = "5 parsecs"
key = "none.pem"
signers = { "a" = "key.json", "b" = "none.json" }
[intents]
path = "intents"
required-for = ["robot"]
audience = 5
[destinations]
path = "posture.json"
[trust-domains]
"a.example" = "bundle.json"
"b.example" = "none.json"
[credentials]
audience = "https://a.example"
[log]
path = "lost/decisions.jsonl"
mask = ["x", "/action/name"]
mask-headers = ["a b"]
[authzen]
integration = "y"
[[integration]]
name = "github"
obligations = ["step_up"]
mode = "dry"
[[integration.plugin]]
component = "none.wasm"
[[integration]]
name = "lost"
[[integration.plugin]]
component = "misspelt.wasm"
"#,
    );
    let ran = folder.run(&["check", "--config", "bad.toml"]);
    assert_eq!((ran.code, ran.out.as_str()), (3, ""));
    let problems: Vec<_> = ran
        .err
        .lines()
        .filter(|line| !line.contains("not pinned"))
        .collect();
    let places = [
        "bad.toml:2:1: error: there is no `scan` here",
        "bad.toml:4:12: error: `deadline` is a time",
        "bad.toml:9:17: error: `max-staleness` is a time",
        "bad.toml:10:7: error: none.pem: cannot be read",
        "bad.toml:11:19: error: ",
        "bad.toml:11:37: error: ",
        "bad.toml:12:1: error: under `required-for`, `robot` is no kind",
        "bad.toml:15:12: error: `audience` is text",
        "bad.toml:17:8: error: posture.json: ",
        "bad.toml:19:15: error: ",
        "bad.toml:20:15: error: ",
        "bad.toml:24:8: error: the log's folder lost cannot be used: ",
        "bad.toml:23:1: error: under `mask`, ",
        "bad.toml:23:1: error: under `mask`, ",
        "bad.toml:23:1: error: under `mask-headers`, ",
        "bad.toml:28:15: error: the default integration `y` does not exist",
        "bad.toml:31:15: error: under `obligations`, `step_up` is called `step-up`",
        "bad.toml:32:8: error: `mode` is",
        "bad.toml:34:13: error: cannot read none.wasm",
        "bad.toml:38:13: error: plugin `misspelt.wasm`: its manifest is not valid: line ",
        "[intents]: warning: intent `int-b` allows actions of `githbu`, but no integration has that name: the clause has no effect: did you mean `github`?",
        "intents/a.json: refused: ",
        "registry.toml:2:1: error: `owner` is missing here",
        "registry.toml:4:8: error: `kind` is one of",
        "registry.toml:5:1: error: there is no `owner_` here",
    ];
    for place in places {
        let count = places.iter().filter(|it| **it == place).count();
        let found = problems.iter().filter(|it| it.starts_with(place)).count();
        assert_eq!(found, count, "{place}\n{}", ran.err);
    }
    assert_eq!(problems.len(), places.len(), "{}", ran.err);
}

#[test]
fn what_no_host_would_use_is_pointed_out_with_what_may_be_meant() {
    let folder = Folder::with_plugins();
    let check = |sections: &str, line: &str| {
        folder.write("near.toml", format!("{sections}\n{}", with_line(line)));
        let ran = folder.run(&["check", "near.toml"]);
        let problems = ran.err.lines().filter(|line| !line.contains("not pinned"));
        let problems: Vec<_> = problems.map(|it| format!("{it}\n")).collect();
        (ran.code, problems.concat())
    };
    let used = (0, String::new());
    // Obligations.
    assert_eq!(
        check("", "obligations = [\"notification\", \"log-full\", \"x\"]"),
        used
    );
    assert_eq!(
        check("", "obligations = [\"notificaton\"]"),
        (0, "near.toml:4:15: warning: under `obligations`, no plugin issues `notificaton`: did you mean `notification`? A permit with an obligation that is not listed is denied\n".to_owned())
    );
    // The registry.
    let registry = "[registry]\npath = \"registry.toml\"";
    folder.write("registry.toml", IDENTITY);
    assert_eq!(check(registry, ""), used);
    folder.write(
        "registry.toml",
        IDENTITY.replace("[\"x\"]", "[\"x\", \"elsewhere\"]"),
    );
    assert_eq!(
        check(registry, ""),
        (0, "registry.toml:2:1: warning: `integrations` of `spiffe://a.example/agent/x` has `elsewhere`, but no integration here has that name: correct it, unless another host has it\n".to_owned())
    );
    folder.write("registry.toml", IDENTITY.replace("[\"x\"]", "[\"githbu\"]"));
    let github = check(registry, "").1;
    assert!(
        github.ends_with("correct it, unless another host has it\n"),
        "{github}"
    );
    let renamed = with_line("").replace("name = \"x\"", "name = \"github\"");
    folder.write("near.toml", format!("{registry}\n{renamed}"));
    let ran = folder.run(&["check", "near.toml"]);
    let meant = "has `githbu`, but no integration here has that name: did you mean `github`?\n";
    assert!(ran.err.ends_with(meant), "{}", ran.err);
    // Intents.
    let allows = |integration: &str,
                  arguments: serde_json::Value,
                  constraints: serde_json::Value| {
        let allows = serde_json::json!([{ "integration": integration, "action": "write", "resource": "a", "arguments": arguments, "constraints": constraints }]);
        folder.write("intents/a.json", intent("int-1", &allows));
    };
    let intents = format!("[intents]\npath = \"intents\"\n{renamed}");
    let of_intents = || {
        folder.write("near.toml", &intents);
        let ran = folder.run(&["check", "--config", "near.toml"]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        let lines = ran.err.lines().filter(|line| !line.contains("not pinned"));
        lines.map(|it| format!("{it}\n")).collect::<String>()
    };
    let to = serde_json::json!({ "required": ["/to"] });
    let only_bob = serde_json::json!([{ "path": "/to", "op": "one-of", "value": ["bob"] }]);
    allows("github", to.clone(), only_bob.clone());
    assert_eq!(of_intents(), "");
    allows("github", serde_json::json!({}), serde_json::json!([]));
    assert_eq!(of_intents(), "");
    allows("github", to.clone(), serde_json::json!([]));
    assert_eq!(
        of_intents(),
        "[intents]: warning: intent `int-1`: `/allows/0`: the listed arguments may have any values, and no action that `write` matches is classified under `[integration.actions]`: add `constraints`\n"
    );
    allows("gihtub", to.clone(), only_bob.clone());
    assert_eq!(
        of_intents(),
        "[intents]: warning: intent `int-1` allows actions of `gihtub`, but no integration has that name: the clause has no effect: did you mean `github`?\n"
    );
    allows("payroll", to, only_bob);
    assert_eq!(
        of_intents(),
        "[intents]: warning: intent `int-1` allows actions of `payroll`, but no integration has that name: the clause has no effect\n"
    );
}

#[test]
fn a_log_that_no_host_could_write_is_reported() {
    let folder = Folder::with_plugins();
    let check = |path: &str| {
        let log = format!("[log]\npath = \"{path}\"\n{PERMITTING}");
        folder.write("logged.toml", log);
        folder.run(&["check", "logged.toml"])
    };
    let ran = check("decisions.jsonl");
    assert_eq!(ran.code, 0, "{}", ran.err);
    for (path, said) in [
        (
            "lost/decisions.jsonl",
            "logged.toml:2:8: error: the log's folder lost cannot be used: No such file or directory (os error 2): create it, because the host does not\n",
        ),
        (
            "hostile.wasm/decisions.jsonl",
            "logged.toml:2:8: error: the log's folder hostile.wasm is no folder\n",
        ),
    ] {
        let ran = check(path);
        assert_eq!(ran.code, 3, "{}", ran.err);
        assert!(ran.err.starts_with(said), "{}", ran.err);
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let closed = folder.path().join("closed");
        std::fs::create_dir(&closed).unwrap();
        std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o500)).unwrap();
        let can_write = std::fs::write(closed.join("x"), "").is_ok();
        let ran = check("closed/decisions.jsonl");
        let said = "logged.toml:2:8: warning: closed is not writable for this user: a host of this user would not start; change its owner or its mode\n";
        assert_eq!(ran.err.contains(said), !can_write, "{}", ran.err);
        assert_eq!(ran.code, 0, "{}", ran.err);
        std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o700)).unwrap();
    }
}

#[test]
fn the_configuration_is_named_in_one_way() {
    let folder = Folder::with_plugins();
    std::fs::rename(
        folder.path().join("portcullis.toml"),
        folder.path().join("other.toml"),
    )
    .unwrap();
    let missing = folder.run(&["check"]);
    assert_eq!(missing.code, 3);
    assert!(
        missing.err.starts_with("portcullis.toml: error: "),
        "{}",
        missing.err
    );
    let flag = folder.run(&["check", "--config", "other.toml"]);
    let positional = folder.run(&["check", "other.toml"]);
    assert_eq!(
        (flag.code, &flag.out, &flag.err),
        (0, &positional.out, &positional.err)
    );
    assert!(flag.out.starts_with("usable other.toml: "), "{}", flag.out);
    let both = folder.run(&["check", "other.toml", "--config", "other.toml"]);
    assert_eq!(both.code, 1);
    assert!(both.err.contains("cannot be used with"), "{}", both.err);
}
