//! `portcullis test`.

use crate::common::{Folder, Runs};
use portcullis_tests::{guests, root};
use snapbox::str;
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

const TEST: [&str; 2] = ["test", "mcp-tools.wasm"];

#[test]
fn counts_the_instructions_of_a_case() {
    let folder = folder();
    folder.run(&TEST).is(str![[r#"
exit 0
-- stdout
ok     denies-a-path-outside-its-folder [INSTRUCTIONS] instructions, 192 KiB
1 of 1 case decided as expected; most instructions: [INSTRUCTIONS] (denies-a-path-outside-its-folder)
"#]]);
    let instructions = || {
        let cases = folder.run(&[&TEST[..], &["--format", "json"]].concat());
        let cases = cases.json();
        assert_eq!(cases[0]["case"], "denies-a-path-outside-its-folder");
        assert_eq!(cases[0]["passed"], true);
        cases[0]["instructions"].as_u64().unwrap()
    };
    let counted = instructions();
    assert!(counted > 1000, "{counted}");
    assert_eq!(counted, instructions());
    for (most, code) in [(counted, 0), (counted - 1, 5)] {
        let most = ["--max-instructions", &most.to_string()];
        folder.run(&[&TEST[..], &most].concat()).exits(code);
    }
}

#[test]
fn reports_each_difference_from_the_expectation() {
    let folder = folder();
    folder.replace(EXPECTED, "decision = \"deny\"", "decision = \"permit\"");
    folder.run(&TEST).is(str![[r#"
exit 5
-- stdout
failed denies-a-path-outside-its-folder [INSTRUCTIONS] instructions, 192 KiB
       A file elsewhere
       decision: expected permit, found deny
       the host's detail: plugin `mcp-tools` denies, and no other can overrule it: see its reasons
0 of 1 case decided as expected; most instructions: [INSTRUCTIONS] (denies-a-path-outside-its-folder)
"#]]);
    // A denial has no grant.
    folder.replace(
        EXPECTED,
        "decision = \"permit\"",
        "remaining-uses = 1\ndecision = \"deny\"",
    );
    folder.run(&TEST).is(str![[r#"
exit 5
-- stdout
failed denies-a-path-outside-its-folder [INSTRUCTIONS] instructions, 192 KiB
       A file elsewhere
       remaining-uses: expected a grant, found none
       the host's detail: plugin `mcp-tools` denies, and no other can overrule it: see its reasons
0 of 1 case decided as expected; most instructions: [INSTRUCTIONS] (denies-a-path-outside-its-folder)
"#]]);
}

#[test]
fn refuses_invalid_cases_at_their_place() {
    let folder = folder();
    let mut runs = Runs::default();
    for command in [
        "test mcp-tools.wasm --only nothing",
        "test mcp-tools.wasm --cases elsewhere",
        "test missing.wasm",
        // A folder that is not a crate, with the cases of another folder.
        "test cases --cases cases",
    ] {
        let arguments: Vec<_> = command.split(' ').collect();
        runs.add(command, folder.run(&arguments));
    }
    folder.replace(EXPECTED, "decision =", "dicision =");
    runs.add("a misspelt key", folder.run(&TEST));
    folder.replace(EXPECTED, "dicision = \"deny\"", "decision = \"deny");
    runs.add("invalid TOML", folder.run(&TEST));
    folder.replace(EXPECTED, "decision = \"deny", "decision = \"deny\"");
    folder.write("cases/settings.toml", "tools = 3\n");
    runs.add("invalid settings", folder.run(&TEST));
    folder.remove("cases/settings.toml");
    runs.add("no settings", folder.run(&TEST));
    folder.replace(REQUEST, "{", "{,");
    runs.add("an invalid request", folder.run(&TEST));
    runs.is(snapbox::file!["test/invalid.txt"]);
}

#[test]
fn stops_an_endless_configure() {
    let folder = folder();
    folder.write(
        "hostile.wasm",
        guests::component("tests/guests/hostile").unwrap(),
    );
    folder.write("cases/settings.toml", "behaviour = \"configure-loop\"\n");
    folder.run(&["test", "hostile.wasm"]).is(str![[r#"
exit 3
-- stderr
error: case `denies-a-path-outside-its-folder`: its `configure` did not finish: it ran 5000000000 instructions, the most that loading takes while they are counted: look for a loop in it, or let it do less
"#]]);
}

#[test]
fn reports_every_missing_key_of_an_expectation() {
    let folder = folder();
    crate::common::each(
        [
            "",
            "about = \"x\"\nreasons = []\n",
            "about = \"x\"\nreasons = []\ncause = \"permitted\"\n",
            // The key has another type or spelling.
            "about = 1\n",
            "About = \"x\"\n",
        ],
        |expected| {
            folder.write(EXPECTED, expected);
            folder.run(&TEST)
        },
    )
    .is(snapbox::file![
        "test/reports-every-missing-key-of-an-expectation.txt"
    ]);
}

#[test]
fn builds_a_crate_and_escapes_names_of_cases() {
    let folder = folder();
    let copied = folder.path().join("cases/an\u{1b}[31m-odd-name");
    fs::create_dir(&copied).unwrap();
    for file in ["request.json", "expected.toml"] {
        let from = root().join("plugins/mcp-tools/cases/denies-a-path-outside-its-folder");
        fs::copy(from.join(file), copied.join(file)).unwrap();
    }
    let plugin = root().join("plugins/mcp-tools").display().to_string();
    let mut ran = folder.run(&["test", &plugin, "--cases", "cases"]);
    // Cargo's output on the build.
    ran.err.clear();
    ran.is(str![[r#"
exit 0
-- stdout
ok     an�[31m-odd-name [INSTRUCTIONS] instructions, 192 KiB
ok     denies-a-path-outside-its-folder [INSTRUCTIONS] instructions, 192 KiB
2 of 2 cases decided as expected; most instructions: [INSTRUCTIONS] (denies-a-path-outside-its-folder)
"#]]);
}
