//! Many hostile plugins in one process, and neighbours that decide among them.

use crate::expected::expected;
use crate::frame::Form;
use crate::guest::Guest;
use crate::neighbours::{self, HOSTILE, NOW};
use crate::outcome::Outcome;
use crate::run;
use libtest_mimic::Trial;
use portcullis_host::{
    ActionClass, Cause, CompiledCache, Fault, Instances, Integration, Pdp, Plugin, PluginSource,
};
use portcullis_tests::memory::resident_kib;
use portcullis_tests::{guests, raw};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use tempfile::TempDir;

/// Hostile plugins in one decision point.
const OTHERS: usize = 99;

/// Threads on which a plugin runs to its deadline.
const THREADS: usize = 8;

/// A test for each way to share a process.
pub(crate) fn trials() -> Vec<Trial> {
    let trial = |name: &str, run: fn() -> Result<(), String>| {
        Trial::test(name, move || run().map_err(Into::into))
    };
    vec![
        trial("beside::ninety-nine-others", ninety_nine_others),
        trial("beside::loops-on-eight-threads", loops_on_eight_threads),
        trial(
            "beside::dropped-plugins-leave-no-memory",
            dropped_plugins_leave_no_memory,
        ),
    ]
}

/// Plugins that are loaded one after another.
const IN_TURN: usize = 300;

/// Growth of the resident memory at most, in KiB, with as few sandboxes as `main` asks for.
const KEPT_KIB: usize = 10 * 1024;

/// Plugins are loaded, decide and are dropped, one after another, as by a host that reloads its configuration.
fn dropped_plugins_leave_no_memory() -> Result<(), String> {
    let folder = TempDir::new().map_err(|error| error.to_string())?;
    let cache = CompiledCache::open(folder.path().join("cache"));
    let cache = cache.map_err(|error| error.to_string())?;
    let sdk = guests::component("tests/guests/echo").map_err(|error| format!("{error:#}"))?;
    for component in [sdk, raw::packed(r"\02\00\00\00\00\00")] {
        let source = PluginSource::new(component)
            .compile_in_process()
            .cache(cache.clone());
        let load_and_drop = |count: usize| -> Result<(), String> {
            for _ in 0..count {
                let plugin = Plugin::load(&source).map_err(|error| error.to_string())?;
                let request = neighbours::request(HOSTILE);
                let evaluation = plugin.evaluate(&request, ActionClass::Read, NOW);
                evaluation.outcome.map_err(|fault| fault.to_string())?;
            }
            Ok(())
        };
        load_and_drop(IN_TURN / 10)?;
        let before = resident_kib().unwrap_or_default();
        load_and_drop(IN_TURN)?;
        let grown = resident_kib().unwrap_or_default().saturating_sub(before);
        if grown > KEPT_KIB {
            return Err(format!("{IN_TURN} dropped plugins keep {grown} KiB"));
        }
    }
    Ok(())
}

/// Loads the packed form of `guest`.
fn load(guest: Guest) -> Result<Plugin, String> {
    let components = guest.made().components();
    let packed = components
        .into_iter()
        .find(|(form, _)| *form == Form::Packed);
    let (_, component) = packed.ok_or_else(|| format!("{} is not packed", guest.name()))?;
    let source = PluginSource::new(component)
        .compile_in_process()
        .limits(run::limits(&expected(guest)));
    Plugin::load(&source.resettable().check_resets_every(1)).map_err(|error| error.to_string())
}

/// One decision point has 99 hostile plugins, each in an integration of its own.
fn ninety_nine_others() -> Result<(), String> {
    let groups = [
        "answers", "growth", "realloc", "state", "texts", "traps", "verdicts",
    ];
    let guests: Vec<_> = Guest::ALL
        .into_iter()
        .filter(|guest| groups.contains(&guest.group()))
        .filter(|guest| !matches!(expected(*guest).outcome, Outcome::Refused(..)))
        .filter_map(|guest| Some((guest, load(guest).ok()?)))
        .take(OTHERS)
        .collect();
    if guests.len() != OTHERS {
        return Err(format!("{} hostile plugins", guests.len()));
    }
    let mut builder = Pdp::builder();
    let mut names = Vec::new();
    for (index, (guest, plugin)) in guests.into_iter().enumerate() {
        let name = format!("hostile-{index}");
        let instances = match index % 2 {
            0 => Instances::Fresh,
            _ => Instances::Reset,
        };
        let integration = Integration::new(name.as_str()).instances(instances);
        builder = builder.integration(integration.plugin(plugin));
        names.push((name, expected(guest).outcome));
    }
    let pdp = builder.build().map_err(|error| error.to_string())?;
    for (name, outcome) in names.iter().chain(&names) {
        let decision = pdp.evaluate_at(&neighbours::request(name), NOW);
        let as_expected = match outcome {
            Outcome::Decides(_, cause) => decision.cause() == *cause,
            _ => matches!(decision.cause(), Cause::PluginFaulted(_)),
        };
        if !as_expected {
            return Err(format!("{name}: {}", decision.cause()));
        }
        neighbours::unharmed()?;
    }
    Ok(())
}

/// A plugin runs to its deadline on eight threads, while the neighbours decide.
fn loops_on_eight_threads() -> Result<(), String> {
    let looping = load(Guest::LoopsEvaluate)?;
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    let mut ends = Vec::new();
                    while !done.load(Ordering::Relaxed) {
                        let request = neighbours::request(HOSTILE);
                        let evaluation = looping.evaluate(&request, ActionClass::Read, NOW);
                        ends.push(evaluation.outcome.err());
                    }
                    ends
                })
            })
            .collect();
        let unharmed = (0..20).try_for_each(|_| neighbours::unharmed());
        done.store(true, Ordering::Relaxed);
        for looped in threads {
            let ends = looped.join().map_err(|_| "a thread panicked".to_owned())?;
            // Eight threads on few processors may each have too little of one.
            let is_ended =
                |end: &Option<Fault>| matches!(end, Some(Fault::Deadline | Fault::HostBusy));
            if !ends.iter().all(is_ended) {
                return Err(format!("{ends:?}"));
            }
        }
        unharmed
    })
}
