//! The proposals that plugins may use, with a runtime that has all of its default features.
//!
//! A gateway that uses wasmtime itself makes Cargo build it with garbage collection, threads, exceptions,
//! async components and text, for the host too. Plugins still may not use these features.

use portcullis_host::{
    LoadError, PagemapScan, Plugin, PluginLimits, PluginSource, engine_settings, inspect,
};
use portcullis_tests::proposals::{ACCEPTED, REFUSED, REFUSED_TYPES, with_module, with_type};
use wasmtime::component::Component;
use wasmtime::{Config, Engine};

#[test]
fn the_runtime_of_this_process_has_what_plugins_may_not_use() {
    let mut config = Config::new();
    config.shared_memory(true);
    let gateway = Engine::new(&config).unwrap();
    for proposal in ["memory64", "threads", "gc", "exceptions", "tail-call", "relaxed-simd"] {
        let (_, fields) = REFUSED.iter().find(|(name, _)| *name == proposal).unwrap();
        Component::from_binary(&gateway, &with_module(fields)).expect(proposal);
    }
    Component::new(&gateway, "(component)").expect("text");
}

#[test]
fn plugins_may_use_no_more() {
    let host = Engine::new(&engine_settings(PagemapScan::Off)).unwrap();
    let modules = REFUSED.map(|(name, fields)| (name, with_module(fields)));
    let types = REFUSED_TYPES.map(|(name, definition)| (name, with_type(definition)));
    for (name, component) in modules.into_iter().chain(types) {
        let refusal = Plugin::load(&PluginSource::new(&*component).compile_in_process()).unwrap_err();
        let LoadError::Proposals(names) = &refusal else {
            panic!("{name}: {refusal}");
        };
        assert!(names.iter().any(|it| it == name), "{name}: {names:?}");
        let inspection = inspect(&component, &PluginLimits::default());
        assert_eq!(inspection.refusals.first(), Some(&refusal));
        // The host adds a memory to plugins that it resets.
        let compiled = Component::from_binary(&host, &component);
        assert_eq!(compiled.is_ok(), name == "multi-memory", "{name}");
    }
    for fields in ACCEPTED {
        Plugin::load(&PluginSource::new(with_module(fields)).compile_in_process()).expect(fields);
    }
}

#[test]
fn text_is_no_plugin() {
    let text = "(component)";
    let refusal = Plugin::load(&PluginSource::new(text).compile_in_process()).unwrap_err();
    assert!(matches!(refusal, LoadError::NotWasm(_)), "{refusal}");
}
