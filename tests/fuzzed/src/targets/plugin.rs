//! Plugins whose bytes and sections are changed.
//!
//! The input states changes of a plugin that is valid: of bytes, of whole sections, and of sections of its core
//! module. The result keeps the properties of the target `component`. An input whose first byte is 0 changes
//! `plugins/mcp-tools`, which takes long and is left out in a fuzzer; others change small guests.

use super::component::judge;
use crate::sections::Sections;
use crate::{IN_FUZZER, Read};
use arbitrary::{Result, Unstructured};
use portcullis_tests::{guests, raw};
use serde_json::json;
use std::sync::LazyLock;
use std::sync::atomic::Ordering;

/// Id of the section of a component that holds a core module.
const MODULE: u8 = 1;
/// Maximum number of changes of one input.
const MOST_CHANGES: usize = 6;

/// Small guests, with and without a loop, that take requests packed or in records.
static SMALL: LazyLock<[Vec<u8>; 3]> = LazyLock::new(|| {
    let permit = r#"(data (i32.const 1024) "\00\01\01a\00\00\00\00\00\00") (data (i32.const 1000) "\00\04\00\00\0a")"#;
    let sum = "(local $i i32) (local $sum i32)
      (loop $again
        (local.set $sum (i32.add (local.get $sum) (i32.load8_u (local.get $i))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $i) (i32.const 2000))))
      (i32.store8 (i32.const 1027) (i32.add (i32.const 97) (i32.rem_u (local.get $sum) (i32.const 26))))
      (i32.const 1000)";
    [
        raw::packed_component(&raw::packed_module(permit, "(i32.const 1000)"), ""),
        raw::packed_component(
            &raw::packed_module(permit, sum),
            "\"action.name\", \"resource.id\"",
        ),
        raw::component(&raw::answering(r"\01\00\00\00\00\00")),
    ]
});

static LARGE: LazyLock<Vec<u8>> =
    LazyLock::new(|| guests::plugin("mcp-tools").expect("the plugin builds"));

pub(super) fn run(input: &[u8]) -> Read {
    let mut choices = Unstructured::new(input);
    let (base, settings) = match choices.arbitrary::<u8>() {
        // Cargo builds it, and in a fuzzer's environment it would be instrumented.
        Ok(0) if IN_FUZZER.load(Ordering::Relaxed) => return Read::Refused,
        Ok(0) => (&*LARGE, json!({ "tools": [{ "tool": "issues.create" }] })),
        Ok(choice) => (&SMALL[usize::from(choice) % SMALL.len()], json!({})),
        Err(_) => return Read::Refused,
    };
    let mut component = base.clone();
    for _ in 0..MOST_CHANGES {
        if choices.is_empty() || change(&mut component, &mut choices).is_err() {
            break;
        }
    }
    judge(&component, settings)
}

/// Makes one change of the component.
fn change(component: &mut Vec<u8>, choices: &mut Unstructured<'_>) -> Result<()> {
    let choice: u8 = choices.arbitrary()?;
    match choice % 4 {
        0 => change_bytes(component, choices),
        1 => change_sections(component, choices),
        _ => {
            let Some(mut outer) = Sections::of(component) else {
                return Ok(());
            };
            let Some((_, module)) = outer.list.iter_mut().find(|(id, _)| *id == MODULE) else {
                return Ok(());
            };
            match choice % 4 {
                2 => change_bytes(module, choices)?,
                _ => change_sections(module, choices)?,
            }
            *component = outer.joined();
            Ok(())
        }
    }
}

/// Changes a byte, or removes or repeats some.
fn change_bytes(bytes: &mut Vec<u8>, choices: &mut Unstructured<'_>) -> Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    let at = choices.choose_index(bytes.len())?;
    match choices.int_in_range(0..=7)? {
        0..=3 => bytes[at] ^= 1 << choices.int_in_range(0..=7)?,
        4 | 5 => bytes[at] = choices.arbitrary()?,
        6 => drop(bytes.remove(at)),
        _ => bytes.insert(at, choices.arbitrary()?),
    }
    Ok(())
}

/// Removes, repeats, swaps or edits sections.
fn change_sections(binary: &mut Vec<u8>, choices: &mut Unstructured<'_>) -> Result<()> {
    let Some(mut sections) = Sections::of(binary).filter(|it| !it.list.is_empty()) else {
        return Ok(());
    };
    let count = sections.list.len();
    let (one, other) = (choices.choose_index(count)?, choices.choose_index(count)?);
    match choices.int_in_range(0..=4)? {
        0 => drop(sections.list.remove(one)),
        1 => {
            let repeated = sections.list[one].clone();
            sections.list.insert(other, repeated);
        }
        2 => sections.list.swap(one, other),
        3 => sections.list[one].0 = choices.int_in_range(0..=13)?,
        _ => change_bytes(&mut sections.list[one].1, choices)?,
    }
    *binary = sections.joined();
    Ok(())
}
