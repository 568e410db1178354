//! The refusals of plugins when they are loaded, with their reasons.

use portcullis_host::{
    Digest, Fault, GrowingPart, LoadError, Plugin, PluginLimits, PluginSource, inspect,
};
use portcullis_tests::{guests, raw};
use serde_json::json;
use std::time::Duration;

fn load(bytes: &[u8]) -> Result<Plugin, LoadError> {
    Plugin::load(&PluginSource::new(bytes).compile_in_process())
}

fn refusal(bytes: &[u8]) -> LoadError {
    load(bytes).expect_err("it is refused")
}

fn refused_hostile(behaviour: &str, limits: PluginLimits) -> LoadError {
    let component = guests::component("tests/guests/hostile").unwrap();
    let settings = json!({ "behaviour": behaviour });
    Plugin::load(
        &PluginSource::new(component)
            .compile_in_process()
            .settings(settings)
            .limits(limits),
    )
    .expect_err("it is refused")
}

/// Returns a component that exports the contract's interfaces at `version`, with other function types.
fn lookalike(version: &str) -> Vec<u8> {
    let component = wat::parse_str(format!(
        r#"(component
          (core module $m (func (export "f")))
          (core instance $i (instantiate $m))
          (func $f (canon lift (core func $i "f")))
          (instance $types)
          (instance $policy (export "configure" (func $f)) (export "evaluate" (func $f)))
          (export "portcullis:policy/types@{version}" (instance $types))
          (export "portcullis:policy/policy@{version}" (instance $policy)))"#
    ))
    .unwrap();
    portcullis_build::componentize(&component, raw::MANIFEST).unwrap()
}

#[test]
fn loads_a_component_of_the_contract() {
    let component = raw::component(&raw::answering(""));
    assert!(
        inspect(&component, &PluginLimits::default())
            .refusals
            .is_empty()
    );
    assert_eq!(load(&component).unwrap().manifest().name, "raw");
}

#[test]
fn refuses_a_component_that_imports_wasi() {
    let component = wat::parse_str(
        r#"(component
          (import "wasi:cli/environment@0.2.0" (instance
            (export "initial-cwd" (func (result (option string)))))))"#,
    )
    .unwrap();
    let refusal = refusal(&component);
    assert_eq!(
        refusal,
        LoadError::Imports(vec!["wasi:cli/environment@0.2.0".into()])
    );
    assert!(refusal.to_string().contains("imports nothing"), "{refusal}");
}

#[test]
fn refuses_a_file_that_is_cut_short_wherever_it_is_cut() {
    let whole = raw::component(&raw::answering(""));
    for length in [8, 9, whole.len() / 4, whole.len() / 2, whole.len() - 1] {
        let refusal = refusal(&whole[..length]);
        assert!(
            matches!(
                refusal,
                LoadError::Malformed { .. } | LoadError::OtherWorld { .. } | LoadError::NoManifest
            ),
            "{length}: {refusal:?}"
        );
    }
    assert!(matches!(
        refusal(&whole[..whole.len() / 2]),
        LoadError::Malformed { .. }
    ));
    assert!(matches!(refusal(&whole[..3]), LoadError::NotWasm(_)));
}

#[test]
fn refuses_files_of_other_kinds_and_says_what_they_are() {
    for (bytes, what) in [
        (&b"hello"[..], "a text file"),
        (b"", "an empty file"),
        (b"\x7fELF\x02", "a native program"),
        (
            b"(component)",
            "a component in text form; translate it with `wasm-tools parse`",
        ),
        (b"\xff\xfe\x00", "some other binary file"),
    ] {
        assert_eq!(refusal(bytes), LoadError::NotWasm(what.into()));
    }
}

#[test]
fn refuses_a_component_of_another_world() {
    let component = wat::parse_str(r#"(component (instance $i) (export "a:b/c" (instance $i)))"#);
    let refusal = refusal(&component.unwrap());
    assert!(
        matches!(&refusal, LoadError::OtherWorld { exports, .. } if exports == &["a:b/c"]),
        "{refusal:?}"
    );
}

#[test]
fn refuses_another_version_of_the_contract() {
    assert_eq!(
        refusal(&lookalike("0.1.0")),
        LoadError::OtherContract("0.1.0".into())
    );
    assert_eq!(
        LoadError::OtherContract("0.1.0".into()).to_string(),
        "it is written against contract 0.1.0, and this host runs plugins of contract 0.2.0: write `contract = \"0.2.0\"` in plugin.toml, declare its reason codes under `[reasons]`, and rebuild it with `portcullis build` and portcullis-sdk 0.3"
    );
}

#[test]
fn refuses_a_component_without_a_manifest_or_with_a_bad_one() {
    let with = |manifest: &str| {
        let component = raw::component(&raw::answering(""));
        portcullis_build::componentize(&component, manifest).unwrap()
    };
    assert!(matches!(refusal(&with("name = 1")), LoadError::Manifest(_)));
    let mut twice = raw::component(&raw::answering(""));
    let manifest = portcullis_build::componentize(b"\0asm\x0d\0\x01\0", raw::MANIFEST).unwrap();
    twice.extend_from_slice(&manifest[8..]);
    assert_eq!(refusal(&twice), LoadError::ManyManifests);
    let none = lookalike_without_manifest();
    assert_eq!(refusal(&none), LoadError::NoManifest);
}

fn lookalike_without_manifest() -> Vec<u8> {
    let with = lookalike("0.2.0");
    let manifest = portcullis_build::componentize(b"\0asm\x0d\0\x01\0", raw::MANIFEST).unwrap();
    with[..with.len() - (manifest.len() - 8)].to_vec()
}

#[test]
fn refuses_another_file_than_the_pinned_one() {
    let component = raw::component(&raw::answering(""));
    let pinned = Digest::of(&component);
    let source = |bytes: &[u8]| PluginSource::new(bytes).compile_in_process().digest(pinned);
    assert!(Plugin::load(&source(&component)).is_ok());
    let mut other = component;
    other.push(0);
    let found = Digest::of(&other);
    assert_eq!(
        Plugin::load(&source(&other)).unwrap_err(),
        LoadError::Digest { pinned, found }
    );
}

#[test]
fn a_manifest_nested_beyond_any_stack_is_refused() {
    let keys = "a.".repeat(78);
    let deep = format!("{}1{}", format!("{{ {keys}a = ").repeat(79), "}".repeat(79));
    let manifest = format!("settings = {deep}\n{}", raw::MANIFEST);
    let component = raw::component(&raw::answering(""));
    let component = portcullis_build::componentize(&component, &manifest).unwrap();
    // The smallest stack of a gateway's thread.
    let run = move || assert!(matches!(refusal(&component), LoadError::Manifest(_)));
    std::thread::Builder::new()
        .stack_size(1 << 20)
        .spawn(run)
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn refuses_a_file_beyond_its_limit() {
    let component = raw::component(&raw::answering(""));
    let limits = |component_bytes| PluginLimits {
        component_bytes,
        ..PluginLimits::default()
    };
    let source = |limit| {
        PluginSource::new(&*component)
            .compile_in_process()
            .limits(limits(limit))
    };
    assert!(Plugin::load(&source(component.len())).is_ok());
    let refusal = Plugin::load(&source(component.len() - 1)).unwrap_err();
    assert!(matches!(refusal, LoadError::TooLarge { .. }));
}

#[test]
fn refuses_settings_that_the_plugin_refuses() {
    let LoadError::Settings(errors) = refused_hostile("configure-refuse", PluginLimits::default())
    else {
        panic!("the settings are refused");
    };
    assert_eq!(
        (errors[0].path.as_str(), errors[0].message.as_str()),
        ("/behaviour", "not this one")
    );
    assert!(matches!(
        refused_hostile("no-such", PluginLimits::default()),
        LoadError::Settings(_)
    ));
}

#[test]
fn refuses_a_plugin_that_cannot_be_configured() {
    let panicked = refused_hostile("configure-panic", PluginLimits::default());
    assert!(
        matches!(panicked, LoadError::Configure(Fault::Trap(_))),
        "{panicked:?}"
    );
    let limits = PluginLimits {
        configure_deadline: Duration::from_millis(20),
        ..PluginLimits::default()
    };
    let late = refused_hostile("configure-loop", limits);
    assert_eq!(
        late.to_string(),
        "its `configure` did not finish: it ran longer than its `configure-deadline` of 20ms: look for a loop in it, or raise `configure-deadline` in `limits`"
    );
}

#[test]
fn counted_instructions_end_a_plugin_that_does_not_finish_loading() {
    let patient = PluginLimits {
        configure_deadline: Duration::from_secs(600),
        deadline: Duration::from_secs(600),
        ..PluginLimits::default()
    };
    let metered = |bytes: Vec<u8>, behaviour: &str| {
        let settings = json!({ "behaviour": behaviour });
        let source = PluginSource::new(bytes)
            .compile_in_process()
            .settings(settings)
            .limits(patient);
        Plugin::load(&source.metered())
    };
    let hostile = || guests::component("tests/guests/hostile").unwrap();
    let bound = "it ran 5000000000 instructions, the most that loading takes while they are counted: look for a loop in it, or let it do less";
    assert_eq!(
        metered(hostile(), "configure-loop")
            .unwrap_err()
            .to_string(),
        format!("its `configure` did not finish: {bound}")
    );
    let module = raw::answering("").replacen(
        "(func (export",
        "(func $forever (loop (br 0))) (start $forever) (func (export",
        1,
    );
    assert_eq!(
        metered(raw::component(&module), "")
            .unwrap_err()
            .to_string(),
        format!("its start function did not finish: {bound}")
    );
    let panicked = metered(hostile(), "configure-panic").unwrap_err();
    assert!(
        matches!(panicked, LoadError::Configure(Fault::Trap(_))),
        "{panicked:?}"
    );
    // A loop in a decision is no matter of loading.
    assert!(metered(hostile(), "loop").is_ok());
}

#[test]
fn refuses_a_memory_or_a_table_that_begins_beyond_its_limit() {
    let with = |declaration: &str| {
        load(&raw::component(&raw::module(
            declaration,
            "(i32.const 1024)",
        )))
    };
    assert!(with("(table 4096 funcref)").is_ok());
    assert!(matches!(
        with("(table 4097 funcref)").unwrap_err(),
        LoadError::BeginsBeyond {
            part: GrowingPart::Table,
            found: 4097,
            limit: 4096
        }
    ));
    let memory = |pages: u32| {
        let module = raw::answering("").replace("\"memory\") 2", &format!("\"memory\") {pages}"));
        load(&raw::component(&module))
    };
    assert!(memory(256).is_ok());
    assert!(matches!(
        memory(257).unwrap_err(),
        LoadError::BeginsBeyond {
            part: GrowingPart::Memory,
            found: 16_842_752,
            limit: 16_777_216
        }
    ));
    // Its size is named, whatever it is.
    let of_4_gib = memory(65_536).unwrap_err().to_string();
    assert_eq!(
        of_4_gib,
        "its memory begins with 4294967296 bytes, and `memory-bytes` in its `limits` is 16777216: build it with a smaller memory, or raise `memory-bytes`, to at most 67108864"
    );
    let source = PluginSource::new(raw::component(
        &raw::answering("").replace("\"memory\") 2", "\"memory\") 257"),
    ));
    let limits = PluginLimits {
        memory_bytes: 257 << 16,
        ..PluginLimits::default()
    };
    assert!(Plugin::load(&source.limits(limits).compile_in_process()).is_ok());
}

#[test]
fn refuses_a_memory_without_room_for_the_snapshot() {
    let memory = |declared: &str| {
        let module =
            raw::answering("").replace("\"memory\") 2", &format!("\"memory\") {declared}"));
        load(&raw::component(&module))
    };
    for (declared, maximum) in [("2 2", 131_072), ("3 3", 196_608)] {
        let error = memory(declared).unwrap_err();
        assert_eq!(error, LoadError::CannotGrow { maximum });
        let text = error.to_string();
        assert!(
            text.contains(&maximum.to_string()) && text.contains("`memory-bytes`"),
            "{text}"
        );
    }
    for declared in ["2 4", "2 1024", "2"] {
        assert!(memory(declared).is_ok(), "{declared}");
    }
}
