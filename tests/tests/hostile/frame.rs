//! Makes components of guests, each of which states only what is hostile in it.

use portcullis_build::componentize;
use portcullis_tests::{guests, raw};
use std::fmt;
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

/// A guest before it is a component.
pub(crate) enum Made {
    /// Fields of a core module in WebAssembly text, or a whole component. See [`module`].
    Fields(String),
    /// As `Fields`, and so large that it is made in one form only.
    Bomb(String),
    /// A whole file.
    File(Vec<u8>),
    /// The guest in `tests/guests/hostile`, with this behaviour.
    Sdk(&'static str),
}

/// Form of a guest, which decides how the host calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// It takes a request as the record of the contract.
    Typed,
    /// It takes a request packed, and is called as a core module.
    Packed,
    /// It takes a request packed, and has a function that is called after each answer.
    Through,
    /// The file as it is.
    Whole,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Typed => "typed",
            Self::Packed => "packed",
            Self::Through => "packed, through its component",
            Self::Whole => "whole",
        })
    }
}

impl Made {
    /// Its components, one for each form that it has.
    pub(crate) fn components(self) -> Vec<(Form, Vec<u8>)> {
        match self {
            Self::File(bytes) => vec![(Form::Whole, bytes)],
            Self::Sdk(_) => {
                let component = guests::component("tests/guests/hostile");
                vec![(Form::Whole, component.expect("the hostile guest builds"))]
            }
            Self::Fields(text) if is_component(&text) => {
                let component = wat::parse_str(&text).expect("a component in text form");
                vec![(Form::Whole, with_manifest(&component))]
            }
            Self::Fields(fields) => [Form::Typed, Form::Packed, Form::Through]
                .into_iter()
                .filter(|form| has_form(&fields, *form))
                .map(|form| (form, component(&module(&fields, form), form)))
                .collect(),
            Self::Bomb(fields) => {
                let form = Form::Packed;
                vec![(form, component(&module(&fields, form), form))]
            }
        }
    }

    /// The behaviour that its settings select, if it has settings.
    pub(crate) fn behaviour(&self) -> Option<&'static str> {
        match self {
            Self::Sdk(behaviour) => Some(behaviour),
            _ => None,
        }
    }
}

fn is_component(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.starts_with(";;"));
    lines.any(|line| line.starts_with("(component"))
}

fn has_form(fields: &str, form: Form) -> bool {
    let has = |function: &str| fields.contains(&format!("(func {function} "));
    match form {
        Form::Typed => !has("$evaluate-packed"),
        Form::Packed => !has("$evaluate-typed") && !fields.contains("(func $post-return"),
        Form::Through => !has("$evaluate-typed"),
        Form::Whole => false,
    }
}

/// Returns a core module in text form with `fields` and the parts of a policy that they do not define.
///
/// Fields may define `$memory`, `$realloc`, `$configure`, `$evaluate` (without parameters, for all forms),
/// `$evaluate-packed`, `$evaluate-typed`, `$post-return` and `$post-return-of-configure`.
///
/// `$clean` and `$stale` are the addresses of the verdicts `not-applicable` and `deny`. The frame's data is at
/// 1024 to 1151, and its heap begins at 65536; `configure` answers from address 0.
pub(crate) fn module(fields: &str, form: Form) -> String {
    let typed = form == Form::Typed;
    let interface = interface(form);
    let has = |field: &str| {
        fields.contains(&format!("({field} ")) || fields.contains(&format!("({field})"))
    };
    let mut module = format!("(module\n{fields}\n(export \"memory\" (memory $memory))\n");
    let mut add = |text: &str| {
        module.push_str(text);
        module.push('\n');
    };
    if !has("memory $memory") {
        add("(memory $memory 2)");
    }
    match typed {
        true => add(
            r#"(global $clean i32 (i32.const 1024)) (global $stale i32 (i32.const 1088))
               (data (i32.const 1024) "\02") (data (i32.const 1088) "\01")"#,
        ),
        false => add(
            r#"(global $clean i32 (i32.const 1024)) (global $stale i32 (i32.const 1032))
               (data (i32.const 1024) "\40\04\00\00\06\00\00\00\48\04\00\00\06\00\00\00")
               (data (i32.const 1088) "\02\00\00\00\00\00\00\00\01\00\00\00\00\00")"#,
        ),
    }
    if !has("func $realloc") {
        add(r"(global $next (mut i32) (i32.const 65536))
              (func $realloc (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
                (global.set $next (i32.add (local.get $at) (local.get 3)))
                (local.get $at))");
    }
    add("(export \"cabi_realloc\" (func $realloc))");
    if !has("func $configure") {
        add("(func $configure (param i32 i32) (result i32) (i32.const 0))");
    }
    add(&format!(
        "(export \"{interface}#configure\" (func $configure))"
    ));
    let own = match typed {
        true => "$evaluate-typed",
        false => "$evaluate-packed",
    };
    match has(&format!("func {own}")) {
        true => add(&format!("(export \"{interface}#evaluate\" (func {own}))")),
        false => {
            if !has("func $evaluate") {
                add("(func $evaluate (result i32) (global.get $clean))");
            }
            let parameters = match typed {
                true => "i32",
                false => "i32 i32",
            };
            add(&format!(
                "(func (export \"{interface}#evaluate\") (param {parameters}) (result i32) (call $evaluate))"
            ));
        }
    }
    let post_return = has("func $post-return");
    if form == Form::Through && !post_return {
        add("(func $post-return (param i32))");
    }
    if form == Form::Through || post_return {
        add(&format!(
            "(export \"cabi_post_{interface}#evaluate\" (func $post-return))"
        ));
    }
    if has("func $post-return-of-configure") {
        add(&format!(
            "(export \"cabi_post_{interface}#configure\" (func $post-return-of-configure))"
        ));
    }
    add(")");
    module
}

fn interface(form: Form) -> &'static str {
    match form {
        Form::Typed => "portcullis:policy/policy@0.2.0",
        _ => "portcullis:policy/packed-policy@0.2.0",
    }
}

/// Returns a policy component with the core module `text`.
///
/// Unlike `portcullis build`, it leaves functions that are called after an answer.
pub(crate) fn component(text: &str, form: Form) -> Vec<u8> {
    with_manifest(&encoded(text, form))
}

/// As [`component`], without a manifest.
pub(crate) fn encoded(text: &str, form: Form) -> Vec<u8> {
    let mut module = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"));
    let mut wit = Resolve::default();
    let package = wit
        .push_str("policy.wit", include_str!("../../../wit/policy.wit"))
        .expect("the contract");
    let world = match form {
        Form::Typed => "policy-plugin",
        _ => "packed-policy-plugin",
    };
    let world = wit
        .select_world(&[package], Some(world))
        .expect("the contract's world");
    wit_component::embed_component_metadata(&mut module, &wit, world, StringEncoding::UTF8)
        .expect("the module takes the contract");
    ComponentEncoder::default()
        .module(&module)
        .and_then(|mut encoder| encoder.encode())
        .expect("the module has the contract's shape")
}

/// Returns `component` with a manifest that declares every reason.
fn with_manifest(component: &[u8]) -> Vec<u8> {
    let manifest = raw::MANIFEST.replace(
        "needs = []",
        "needs = []\nobligations = [\"notification\", \"step-up\"]",
    );
    componentize(component, &manifest).expect("a component")
}
