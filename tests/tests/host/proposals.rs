//! The proposals of WebAssembly that plugins may use.
//!
//! `inspect` reports the refusals of loading, and the engine refuses the same.

use portcullis_host::{
    LoadError, PagemapScan, Plugin, PluginLimits, PluginSource, engine_settings, inspect,
};
use portcullis_tests::proposals::{ACCEPTED, REFUSED, REFUSED_TYPES, with_module, with_type};
use wasmtime::Engine;
use wasmtime::component::Component;

#[test]
fn all_proposals_of_a_file_are_named() {
    let component = with_module("(memory i64 1) (tag) (func $f (return_call $f))");
    let refusal = Plugin::load(&PluginSource::new(component).compile_in_process()).unwrap_err();
    let LoadError::Proposals(mut names) = refusal else {
        panic!("{refusal}");
    };
    names.sort();
    assert_eq!(names, ["exceptions", "memory64", "tail-call"]);
}

#[test]
fn proposals_on_the_list_are_accepted() {
    for fields in ACCEPTED {
        let component = with_module(fields);
        let inspection = inspect(&component, &PluginLimits::default());
        assert_eq!(inspection.refusals, [], "{fields}");
        Plugin::load(&PluginSource::new(component).compile_in_process()).expect(fields);
    }
}

#[test]
fn the_engine_refuses_what_inspect_refuses() {
    let engine = Engine::new(&engine_settings(PagemapScan::Off)).unwrap();
    for (name, fields) in REFUSED {
        let compiled = Component::from_binary(&engine, &with_module(fields));
        // The host adds a memory to plugins that it resets.
        assert_eq!(compiled.is_ok(), name == "multi-memory", "{fields}");
    }
    for (_, definition) in REFUSED_TYPES {
        let compiled = Component::from_binary(&engine, &with_type(definition));
        assert!(compiled.is_err(), "{definition}");
    }
    for fields in ACCEPTED {
        Component::from_binary(&engine, &with_module(fields)).expect(fields);
    }
}
