//! `portcullis test`.

mod common;

use common::Folder;
use portcullis_tests::{guests, root};
use serde_json::Value;
use std::fs;

/// Creates a folder with the component of mcp-tools and one of its cases, with shared settings.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("mcp-tools.wasm", guests::plugin("mcp-tools").unwrap());
    let cases = root().join("plugins/mcp-tools/cases");
    for file in [
        "settings.toml",
        "denies-a-path-outside-its-folder/request.json",
        "denies-a-path-outside-its-folder/expected.toml",
    ] {
        folder.write(
            &format!("cases/{file}"),
            fs::read(cases.join(file)).unwrap(),
        );
    }
    folder
}

const EXPECTED: &str = "cases/denies-a-path-outside-its-folder/expected.toml";
const REQUEST: &str = "cases/denies-a-path-outside-its-folder/request.json";

fn replace(folder: &Folder, file: &str, from: &str, to: &str) {
    let before = fs::read_to_string(folder.path().join(file)).unwrap();
    let after = before.replace(from, to);
    assert_ne!(before, after, "{from}");
    folder.write(file, after);
}

#[test]
fn a_case_that_is_decided_as_it_says_passes_and_its_instructions_are_counted() {
    let folder = folder();
    let ran = folder.run(&["test", "mcp-tools.wasm"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("1 of 1 cases"), "{}", ran.out);
    let instructions = || {
        let ran = folder.run(&["test", "mcp-tools.wasm", "--format", "json"]);
        let tried: Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(tried[0]["case"], "denies-a-path-outside-its-folder");
        assert_eq!(tried[0]["passed"], true);
        tried[0]["instructions"].as_u64().unwrap()
    };
    let counted = instructions();
    assert!(counted > 1000, "{counted}");
    assert_eq!(counted, instructions());
    for (most, code) in [(counted, 0), (counted - 1, 5)] {
        let most = most.to_string();
        let ran = folder.run(&["test", "mcp-tools.wasm", "--max-instructions", &most]);
        assert_eq!(ran.code, code, "{}", ran.out);
    }
}

#[test]
fn a_case_that_is_decided_otherwise_fails_and_says_how() {
    let folder = folder();
    replace(
        &folder,
        EXPECTED,
        "decision = \"deny\"",
        "decision = \"permit\"",
    );
    let ran = folder.run(&["test", "mcp-tools.wasm"]);
    assert_eq!(ran.code, 5, "{}{}", ran.out, ran.err);
    assert!(
        ran.out.contains("decision: expected permit, found deny"),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("0 of 1 cases"), "{}", ran.out);
}

#[test]
fn what_is_no_case_is_refused_with_its_place() {
    let folder = folder();
    let refused = |arguments: &[&str], said: &str| {
        let ran = folder.run(arguments);
        assert_eq!(ran.code, 3, "{}{}", ran.out, ran.err);
        assert!(ran.err.contains(said), "{}", ran.err);
    };
    let failed = |arguments: &[&str], said: &str| {
        let ran = folder.run(arguments);
        assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
        assert!(ran.err.contains(said), "{}", ran.err);
    };
    failed(
        &["test", "mcp-tools.wasm", "--only", "nothing"],
        "there is no matching case",
    );
    failed(
        &["test", "mcp-tools.wasm", "--cases", "elsewhere"],
        "--cases",
    );
    failed(&["test", "missing.wasm"], "missing.wasm");
    // A folder that is not a crate, with the cases of another folder.
    refused(&["test", "cases", "--cases", "cases"], "plugin.toml");
    replace(&folder, EXPECTED, "decision =", "dicision =");
    let place = format!("{EXPECTED}:2:1: ");
    refused(&["test", "mcp-tools.wasm"], &place);
    replace(&folder, EXPECTED, "dicision =", "decision =");
    replace(
        &folder,
        EXPECTED,
        "decision = \"deny\"",
        "decision = \"deny",
    );
    refused(&["test", "mcp-tools.wasm"], &format!("{EXPECTED}:2:"));
    replace(
        &folder,
        EXPECTED,
        "decision = \"deny",
        "decision = \"deny\"",
    );
    folder.write("cases/settings.toml", "tools = 3\n");
    refused(&["test", "mcp-tools.wasm"], "tools");
    fs::remove_file(folder.path().join("cases/settings.toml")).unwrap();
    refused(&["test", "mcp-tools.wasm"], "settings.toml");
    replace(&folder, REQUEST, "{", "{,");
    refused(&["test", "mcp-tools.wasm"], REQUEST);
}

#[test]
fn a_loop_in_configure_ends_by_the_bound_of_instructions() {
    let folder = folder();
    folder.write(
        "hostile.wasm",
        guests::component("tests/guests/hostile").unwrap(),
    );
    folder.write("cases/settings.toml", "behaviour = \"configure-loop\"\n");
    let ran = folder.run(&["test", "hostile.wasm"]);
    assert_eq!(
        (ran.code, ran.out.as_str(), ran.err.as_str()),
        (
            3,
            "",
            "error: case `denies-a-path-outside-its-folder`: its `configure` did not finish: it ran 5000000000 instructions, the most that loading takes while they are counted: look for a loop in it, or let it do less\n"
        )
    );
}

#[test]
fn every_missing_key_of_an_expectation_is_reported_at_once() {
    let folder = folder();
    let said = |expected: &str| {
        folder.write(EXPECTED, expected);
        let ran = folder.run(&["test", "mcp-tools.wasm"]);
        assert_eq!((ran.code, ran.out.as_str()), (3, ""));
        ran.err
    };
    let missing = |line: usize, keys: &str| {
        format!(
            "error: {EXPECTED}:{line}:1: {keys}; a case needs `about`, `decision`, `cause` and `reasons`\n"
        )
    };
    assert_eq!(
        said(""),
        missing(1, "`about`, `decision`, `cause` and `reasons` are missing")
    );
    assert_eq!(
        said("about = \"x\"\nreasons = []\n"),
        missing(3, "`decision` and `cause` are missing")
    );
    assert_eq!(
        said("about = \"x\"\nreasons = []\ncause = \"permitted\"\n"),
        missing(4, "`decision` is missing")
    );
    // The key is there, with another type or in another spelling.
    assert!(said("about = 1\n").starts_with(&format!("error: {EXPECTED}:1:9: ")));
    assert!(said("About = \"x\"\n").starts_with(&format!("error: {EXPECTED}:1:1: ")));
}

#[test]
fn what_is_expected_of_a_grant_that_is_not_given_fails() {
    let folder = folder();
    replace(
        &folder,
        EXPECTED,
        "decision =",
        "remaining-uses = 1\ndecision =",
    );
    let ran = folder.run(&["test", "mcp-tools.wasm"]);
    assert_eq!(ran.code, 5, "{}{}", ran.out, ran.err);
    assert!(
        ran.out
            .contains("remaining-uses: expected a grant, found none"),
        "{}",
        ran.out
    );
}

#[test]
fn a_crate_is_built_and_a_name_commands_no_terminal() {
    let folder = folder();
    let copied = folder.path().join("cases/an\u{1b}[31m-odd-name");
    fs::create_dir(&copied).unwrap();
    for file in ["request.json", "expected.toml"] {
        let from = root().join("plugins/mcp-tools/cases/denies-a-path-outside-its-folder");
        fs::copy(from.join(file), copied.join(file)).unwrap();
    }
    let plugin = root().join("plugins/mcp-tools").display().to_string();
    let ran = folder.run(&["test", &plugin, "--cases", "cases"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("2 of 2 cases"), "{}", ran.out);
    assert!(!ran.out.contains('\u{1b}'), "{}", ran.out);
}
