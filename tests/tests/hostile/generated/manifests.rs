//! Manifests that lie, are damaged, or are too much to read.

use super::postcard::{DENY, Verdict, answering, reason};
use crate::frame::{Form, Made, encoded, module};
use portcullis_build::componentize;
use portcullis_contract::MANIFEST_SECTION;
use portcullis_tests::raw::MANIFEST;
use wasm_encoder::{CustomSection, Encode as _, Section as _};

/// No manifest.
pub(crate) fn missing() -> Made {
    Made::File(harmless())
}

/// Two manifests.
pub(crate) fn twice() -> Made {
    Made::File(
        [
            harmless(),
            section(MANIFEST.as_bytes()),
            section(MANIFEST.as_bytes()),
        ]
        .concat(),
    )
}

/// A manifest that ends before its section does.
pub(crate) fn cut_short() -> Made {
    let mut bytes = [harmless(), section(MANIFEST.as_bytes())].concat();
    bytes.truncate(bytes.len() - 20);
    Made::File(bytes)
}

/// Half a manifest, in a section of its size.
pub(crate) fn half() -> Made {
    let half = MANIFEST.len() / 2;
    with(MANIFEST.get(..half).unwrap_or_default())
}

/// An empty manifest.
pub(crate) fn empty() -> Made {
    with("")
}

/// A manifest that is not UTF-8.
pub(crate) fn not_utf_8() -> Made {
    Made::File([harmless(), section(b"name = \"\xff\"")].concat())
}

/// A manifest in JSON.
pub(crate) fn in_json() -> Made {
    with(r#"{ "name": "raw", "version": "0.1.0" }"#)
}

/// A manifest that commands a terminal where a key belongs.
pub(crate) fn that_commands_a_terminal() -> Made {
    with(&format!("\"\\u001b[2J\\u202e\" = 1\n{MANIFEST}"))
}

/// Raw control characters in a manifest.
pub(crate) fn of_control_characters() -> Made {
    with(&format!("\u{1b}[2J = 1\n{MANIFEST}"))
}

/// A manifest of another contract.
pub(crate) fn of_another_contract() -> Made {
    changed("contract = \"0.2.0\"", "contract = \"9.9.9\"")
}

/// A manifest whose contract commands a terminal.
pub(crate) fn of_a_contract_that_commands_a_terminal() -> Made {
    changed("contract = \"0.2.0\"", "contract = \"\\u001b[2J\"")
}

/// A field that no request has.
pub(crate) fn needs_of_an_unknown_field() -> Made {
    changed("needs = []", "needs = [\"principal.password\"]")
}

/// All fields of a request, which the plugin does not use.
pub(crate) fn needs_that_it_does_not_use() -> Made {
    changed(
        "needs = []",
        "needs = [\"principal.id\", \"principal.attributes\", \"action.name\", \"action.arguments\", \"resource.id\", \"resource.attributes\", \"context\", \"intent.id\", \"now\"]",
    )
}

/// 3,000 items of the context, each of which is searched for in a request.
pub(crate) fn needs_of_three_thousand_items() -> Made {
    let needs: Vec<_> = (0..3000)
        .map(|index| format!("\"context.c{index}\""))
        .collect();
    changed("needs = []", &format!("needs = [{}]", needs.join(",")))
}

/// The same field 4,000 times.
pub(crate) fn needs_of_one_field_many_times() -> Made {
    changed(
        "needs = []",
        &format!("needs = [{}]", "\"action.name\",".repeat(4000)),
    )
}

/// 3,000 fields that no request has, each of which is a problem.
pub(crate) fn of_three_thousand_problems() -> Made {
    let needs: Vec<_> = (0..3000).map(|index| format!("\"x{index}\"")).collect();
    changed("needs = []", &format!("needs = [{}]", needs.join(",")))
}

/// A key that commands a terminal among the reasons.
pub(crate) fn reason_that_commands_a_terminal() -> Made {
    changed("\"*\" =", "\"\\u001b[2J\" =")
}

/// A manifest whose reasons are not those of the plugin.
pub(crate) fn reasons_of_another_plugin() -> Made {
    let verdict = Verdict {
        effect: DENY,
        reasons: vec![reason("a", "")],
        ..Verdict::default()
    };
    let text = module(&answering(&verdict.bytes()), Form::Packed);
    let component = encoded(&text, Form::Packed);
    let manifest = MANIFEST.replace("\"*\" =", "\"b\" =");
    Made::File(componentize(&component, &manifest).expect("a component"))
}

/// 4,000 reasons.
pub(crate) fn reasons_of_four_thousand() -> Made {
    let reasons: String = (0..4000)
        .map(|index| format!("r{index} = \"\"\n"))
        .collect();
    with(&format!("{MANIFEST}{reasons}"))
}

/// A name with control characters.
pub(crate) fn name_that_commands_a_terminal() -> Made {
    changed("\"raw\"", "\"\\u001b[2J\\n\"")
}

/// A name of the host's own.
pub(crate) fn name_of_the_host() -> Made {
    changed("\"raw\"", "\"host-tier\"")
}

/// A name of 60,000 letters.
pub(crate) fn name_of_sixty_thousand_letters() -> Made {
    changed("\"raw\"", &format!("\"{}\"", "a".repeat(60_000)))
}

/// A version with control characters, which each decision names.
pub(crate) fn version_that_commands_a_terminal() -> Made {
    changed("\"0.1.0\"", "\"0.1\\u001b[2J\\u202e\\n\"")
}

/// A version of 60,000 letters, which each decision names.
pub(crate) fn version_of_sixty_thousand_letters() -> Made {
    changed("\"0.1.0\"", &format!("\"{}\"", "1".repeat(60_000)))
}

/// A description with control characters.
pub(crate) fn description_that_commands_a_terminal() -> Made {
    changed("A guest", "A \\u001b[2J\\n")
}

/// An obligation in another spelling.
pub(crate) fn obligation_in_another_spelling() -> Made {
    changed("needs = []", "needs = []\nobligations = [\"step_up\"]")
}

/// A key that no manifest has.
pub(crate) fn unknown_key() -> Made {
    with(&format!("trusted = true\n{MANIFEST}"))
}

/// A manifest of ten megabytes.
pub(crate) fn of_ten_megabytes() -> Made {
    with(&format!("{MANIFEST}# {}", "a".repeat(10_000_000)))
}

/// A manifest with a byte more than is read.
pub(crate) fn one_byte_too_large() -> Made {
    let comment = 64 * 1024 - MANIFEST.len();
    with(&format!("{MANIFEST}#{}", "a".repeat(comment)))
}

/// Keys within tables within keys.
pub(crate) fn nested_deep() -> Made {
    let keys = "a.".repeat(78);
    let deep = format!("{}1{}", format!("{{ {keys}a = ").repeat(79), "}".repeat(79));
    with(&format!("settings = {deep}\n{MANIFEST}"))
}

/// Lists in lists.
pub(crate) fn lists_nested_deep() -> Made {
    with(&format!(
        "settings = {}{}\n{MANIFEST}",
        "[".repeat(30_000),
        "]".repeat(30_000)
    ))
}

/// A manifest in the core module only.
pub(crate) fn in_the_core_module() -> Made {
    let module = module(
        "(@custom \"portcullis:manifest\" \"name = 'inner'\")",
        Form::Packed,
    );
    Made::File(encoded(&module, Form::Packed))
}

/// A manifest in an inner component only.
pub(crate) fn in_an_inner_component() -> Made {
    let mut inner = b"\0asm\x0d\0\x01\0".to_vec();
    inner.extend(section(MANIFEST.as_bytes()));
    let mut bytes = harmless();
    let mut component = wasm_encoder::Component::new();
    component.section(&wasm_encoder::RawSection {
        id: 4,
        data: &inner,
    });
    bytes.extend(component.finish().iter().skip(8));
    Made::File(bytes)
}

/// A policy without a manifest.
fn harmless() -> Vec<u8> {
    encoded(&module("", Form::Packed), Form::Packed)
}

fn with(manifest: &str) -> Made {
    Made::File([harmless(), section(manifest.as_bytes())].concat())
}

fn changed(from: &str, to: &str) -> Made {
    let manifest = MANIFEST.replacen(from, to, 1);
    assert_ne!(manifest, MANIFEST);
    with(&manifest)
}

fn section(data: &[u8]) -> Vec<u8> {
    let section = CustomSection {
        name: MANIFEST_SECTION.into(),
        data: data.into(),
    };
    let mut bytes = vec![section.id()];
    section.encode(&mut bytes);
    bytes
}
