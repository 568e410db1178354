//! Guests from WebAssembly text, which can break the contract in ways that the SDK cannot.

use portcullis_build::componentize;
use wit_component::StringEncoding;
use wit_parser::Resolve;

/// A manifest that lists no fields.
pub const MANIFEST: &str = "name = \"raw\"\nversion = \"0.1.0\"\ndescription = \"A guest in WebAssembly text\"\ncontract = \"0.2.0\"\nneeds = []\n[reasons]\n\"*\" = \"Any code\"\n";

/// Returns a policy component with the core module `text`.
///
/// # Panics
///
/// If the text is not a module of the contract's shape.
pub fn component(text: &str) -> Vec<u8> {
    of_world(text, "policy-plugin", MANIFEST)
}

/// Returns a policy component for packed requests that answers each with the bytes of `data`.
///
/// # Panics
///
/// If `data` is not the content of a text in WebAssembly's text format.
pub fn packed(data: &str) -> Vec<u8> {
    let length = wat::parse_str(format!(
        "(module (memory 1) (data (i32.const 0) \"{data}\"))"
    ))
    .map(|_| data.matches('\\').count())
    .expect("bytes, each as `\\` and two digits");
    let more = format!(
        "(data (i32.const 1024) \"{data}\") (data (i32.const 1000) \"\\00\\04\\00\\00\\{length:02x}\")"
    );
    packed_component(&packed_module(&more, "(i32.const 1000)"), "")
}

/// Returns a policy component called `name` that answers each packed request with the bytes of `verdict`.
///
/// # Panics
///
/// If there are more than 127 bytes.
pub fn named(name: &str, verdict: &[u8]) -> Vec<u8> {
    assert!(verdict.len() < 128, "the length has one byte");
    let escaped: String = verdict.iter().map(|byte| format!("\\{byte:02x}")).collect();
    let length = verdict.len();
    let more = format!(
        "(data (i32.const 1024) \"{escaped}\") (data (i32.const 1000) \"\\00\\04\\00\\00\\{length:02x}\")"
    );
    of_name(name, &packed_module(&more, "(i32.const 1000)"))
}

/// Returns a policy component called `name` that traps on each packed request.
pub fn trapping(name: &str) -> Vec<u8> {
    of_name(name, &packed_module("", "unreachable"))
}

fn of_name(name: &str, module: &str) -> Vec<u8> {
    let manifest = MANIFEST.replace("\"raw\"", &format!("\"{name}\""));
    of_world(module, "packed-policy-plugin", &manifest)
}

/// As [`module`], for packed requests.
pub fn packed_module(more: &str, body: &str) -> String {
    module(more, body)
        .replace("policy/policy@", "policy/packed-policy@")
        // A block is passed as its address and its length.
        .replace("#evaluate\") (param i32)", "#evaluate\") (param i32 i32)")
}

/// As [`component`], for packed requests, with `needs` in the manifest.
///
/// # Panics
///
/// If the text is not a module of the contract's shape.
pub fn packed_component(text: &str, needs: &str) -> Vec<u8> {
    let manifest = MANIFEST.replace("needs = []", &format!("needs = [{needs}]"));
    of_world(text, "packed-policy-plugin", &manifest)
}

fn of_world(text: &str, world: &str, manifest: &str) -> Vec<u8> {
    let mut module = wat::parse_str(text).expect("a module");
    let mut wit = Resolve::default();
    let package = wit
        .push_str("policy.wit", include_str!("../../wit/policy.wit"))
        .expect("the contract");
    let world = wit
        .select_world(&[package], Some(world))
        .expect("the contract's world");
    wit_component::embed_component_metadata(&mut module, &wit, world, StringEncoding::UTF8)
        .expect("the module takes the contract");
    componentize(&module, manifest).expect("the module has the contract's shape")
}

/// Returns a core module that accepts any settings and answers every request with `data`.
///
/// The bytes are at address 1024, and have the layout of a verdict in the canonical ABI.
pub fn answering(data: &str) -> String {
    module(
        &format!("(data (i32.const 1024) \"{data}\")"),
        "(i32.const 1024)",
    )
}

/// Returns a core module that accepts any settings. `evaluate` runs `body`, which returns an address.
pub fn module(more: &str, body: &str) -> String {
    format!(
        r#"(module
  (memory (export "memory") 2)
  (global $next (mut i32) (i32.const 65536))
  {more}
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (func (export "portcullis:policy/policy@0.2.0#configure") (param i32 i32) (result i32)
    (i32.const 0))
  (func (export "portcullis:policy/policy@0.2.0#evaluate") (param i32) (result i32)
    {body}))"#
    )
}
