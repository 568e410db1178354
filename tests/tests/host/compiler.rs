//! Plugins are compiled in a child process, and whatever happens to that is an error of loading.

#![cfg(target_os = "linux")]

use portcullis_host::{
    ActionClass, CodeSource, CompiledCache, CompilerError, Effect, LoadError, Plugin, PluginLimits,
    PluginSource, Timestamp,
};
use portcullis_tests::{guests, raw, requests};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const COMPILER: &str = env!("CARGO_BIN_EXE_compiler");

fn source(behaviour: &str) -> PluginSource {
    PluginSource::new(guests::component("tests/guests/hostile").unwrap())
        .settings(json!({ "behaviour": behaviour }))
        .limits(guests::patient())
        .compile_with(COMPILER)
}

fn effect(plugin: &Plugin) -> Effect {
    let request = requests::request("x", "a", "r");
    let evaluation = plugin.evaluate(&request, ActionClass::Read, Timestamp::now());
    evaluation.outcome.unwrap().effect
}

/// A program that is started instead of the compiler: a shell script.
fn script(folder: &Path, text: &str) -> PathBuf {
    let file = folder.join("compiler.sh");
    fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o700)).unwrap();
    file
}

/// The error of loading with a program that is a shell script.
fn with_script(text: &str) -> CompilerError {
    let folder = tempfile::tempdir().unwrap();
    let source = source("permit").compile_with(script(folder.path(), text));
    match Plugin::load(&source).unwrap_err() {
        LoadError::Compiler(error) => error,
        error => panic!("{error}"),
    }
}

#[test]
fn a_plugin_decides_as_if_it_was_compiled_in_this_process() {
    let plugin = Plugin::load(&source("permit")).unwrap();
    assert_eq!(*plugin.code_source(), CodeSource::Compiled);
    assert_eq!(effect(&plugin), Effect::Permit);
    let resettable = Plugin::load(&source("permit").resettable()).unwrap();
    assert!(resettable.is_resettable());
    let metered = Plugin::load(&source("permit").metered()).unwrap();
    assert_eq!(effect(&metered), Effect::Permit);
}

#[test]
fn code_from_the_child_is_cached() {
    let folder = tempfile::tempdir().unwrap();
    let cache = CompiledCache::open(folder.path().join("cache")).unwrap();
    for origin in [CodeSource::Compiled, CodeSource::Cached] {
        let plugin = Plugin::load(&source("permit").cache(cache.clone())).unwrap();
        assert_eq!(*plugin.code_source(), origin);
        assert_eq!(effect(&plugin), Effect::Permit);
    }
}

#[test]
fn every_refusal_is_the_same_as_in_this_process() {
    let valid = guests::component("tests/guests/hostile").unwrap();
    let memory64 = wat::parse_str("(component (core module (memory i64 1)))").unwrap();
    let mut no_name = raw::packed(r"\01\00\00\00\00\00");
    let name = b"name = \"raw\"";
    let at = no_name
        .windows(name.len())
        .position(|it| it == name)
        .unwrap();
    no_name[at..at + name.len()].copy_from_slice(b"name = 12345");
    let sources = [
        PluginSource::new("hello"),
        PluginSource::new(&valid[..valid.len() / 2]),
        PluginSource::new(memory64),
        PluginSource::new(wat::parse_str("(component)").unwrap()),
        PluginSource::new(wat::parse_str("(module)").unwrap()),
        PluginSource::new(no_name),
        source("configure-refuse"),
        source("configure-panic"),
        source("unknown"),
        PluginSource::new(&*valid).settings(json!([])),
        source("configure-loop").limits(PluginLimits {
            configure_deadline: Duration::from_millis(20),
            ..PluginLimits::default()
        }),
    ];
    for (index, source) in sources.into_iter().enumerate() {
        let inside = Plugin::load(&source.clone().compile_in_process()).unwrap_err();
        let outside = Plugin::load(&source.compile_with(COMPILER)).unwrap_err();
        assert_eq!(outside, inside, "{index}");
    }
}

#[test]
fn a_program_compiles_in_children_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plugin.wasm");
    fs::write(&file, raw::packed(r"\01\00\00\00\00\00")).unwrap();
    let ran = Command::new(COMPILER).arg(&file).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "loaded raw\n");
}

#[test]
fn a_process_without_a_program_says_what_to_do() {
    let source = PluginSource::new(raw::packed(r"\01\00\00\00\00\00"));
    let error = Plugin::load(&source).unwrap_err();
    assert_eq!(error, LoadError::Compiler(CompilerError::NoProgram));
    assert!(
        error
            .to_string()
            .contains("`portcullis_host::compile_if_asked()`")
    );
}

#[test]
fn the_death_of_the_child_is_an_error() {
    let CompilerError::Died(how) = with_script("kill -9 $$") else {
        panic!("it died");
    };
    assert!(how.contains("signal: 9"), "{how}");
    let CompilerError::Died(how) = with_script("echo 'no more' >&2; exit 7") else {
        panic!("it died");
    };
    assert_eq!(how, "exit status: 7: no more");
    assert_eq!(
        with_script("echo 'memory allocation of 8 bytes failed' >&2; kill -6 $$"),
        CompilerError::Memory(guests::patient().load_memory_bytes)
    );
}

#[test]
fn a_child_that_stops_is_killed_at_its_deadline() {
    for text in [
        "kill -STOP $$",
        "exec sleep 600",
        "cat > /dev/null; exec sleep 600",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let limits = PluginLimits {
            load_deadline: Duration::from_millis(300),
            ..guests::patient()
        };
        let source = source("permit")
            .limits(limits)
            .compile_with(script(folder.path(), text));
        let started = Instant::now();
        let error = Plugin::load(&source).unwrap_err();
        assert_eq!(
            error,
            LoadError::Compiler(CompilerError::Deadline(limits.load_deadline)),
            "{text}"
        );
        // Far less than the 600 seconds, on any machine.
        assert!(started.elapsed() < Duration::from_secs(60), "{text}");
    }
}

#[test]
fn an_answer_that_is_damaged_is_an_error() {
    // The answer of the compiler, with its last byte replaced, cut off, or something before it.
    let damaged =
        |change: &str| with_script(&format!("{COMPILER} --portcullis-compile-plugin {change}"));
    assert!(matches!(
        damaged("| (cat; printf x) | tail -c +2"),
        CompilerError::Answer(_)
    ));
    assert!(matches!(damaged("| head -c 1000"), CompilerError::Died(_)));
    assert!(matches!(
        damaged("| (printf noise; cat)"),
        CompilerError::Answer(_)
    ));
    assert!(matches!(
        with_script("cat > /dev/null"),
        CompilerError::Died(_)
    ));
    assert!(matches!(
        with_script("head -c 100000 /dev/zero | tr '\\0' x"),
        CompilerError::Answer(_)
    ));
}

#[test]
fn the_child_has_no_environment_and_no_open_files() {
    let folder = tempfile::tempdir().unwrap();
    let seen = folder.path().join("seen");
    let text = format!(
        "env > {seen:?}; ls /proc/self/fd | wc -l >> {seen:?}; exec {COMPILER} --portcullis-compile-plugin"
    );
    let source = source("permit").compile_with(script(folder.path(), &text));
    // An open file that a program could inherit.
    let inherited = fs::File::open("/dev/null").unwrap();
    assert_eq!(effect(&Plugin::load(&source).unwrap()), Effect::Permit);
    drop(inherited);
    let seen = fs::read_to_string(seen).unwrap();
    let names: Vec<_> = seen
        .lines()
        .filter_map(|line| Some(line.split_once('=')?.0))
        .filter(|name| !matches!(*name, "PWD" | "OLDPWD" | "SHLVL" | "_"))
        .collect();
    assert_eq!(names, ["RAYON_NUM_THREADS"], "{seen}");
}

#[test]
fn the_child_has_limits_of_time_and_memory() {
    // 20,000 functions of some size: more than a second of compiling, and more than 64 MiB.
    let functions: String = (0..20_000)
        .map(|index| {
            format!(
                "(func (param i32) (result i32) (i32.add (i32.mul (local.get 0) (i32.const {index})) (i32.load (local.get 0))))"
            )
        })
        .collect();
    let module = raw::packed_module(&functions, "(i32.const 1000)");
    let component = raw::packed_component(&module, "");
    let load = |limits: PluginLimits| {
        let source = PluginSource::new(&*component)
            .limits(limits)
            .compile_with(COMPILER);
        Plugin::load(&source).map(drop)
    };
    let little_time = PluginLimits {
        load_deadline: Duration::from_millis(100),
        ..guests::patient()
    };
    assert_eq!(
        load(little_time),
        Err(LoadError::Compiler(CompilerError::Deadline(
            little_time.load_deadline
        )))
    );
    let little_memory = PluginLimits {
        load_memory_bytes: 64 * 1024 * 1024,
        load_deadline: Duration::from_secs(120),
        ..guests::patient()
    };
    let error = load(little_memory).unwrap_err();
    assert_eq!(
        error,
        LoadError::Compiler(CompilerError::Memory(little_memory.load_memory_bytes))
    );
    let enough = PluginLimits {
        load_deadline: Duration::from_secs(120),
        load_memory_bytes: 2 << 30,
        ..guests::patient()
    };
    assert_eq!(load(enough), Ok(()));
}
