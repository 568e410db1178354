//! Guests in a process of their own, because they may end that process or are measured there.

use crate::frame::Form;
use crate::guest::Guest;
use crate::neighbours::{self, HOSTILE, NOW};
use crate::{aftermath, expected, generated, run};
use portcullis_host::{ActionClass, Plugin, PluginLimits, PluginSource, inspect};
use serde_json::json;
use std::process::{Command, ExitCode};
use std::time::Instant;
use std::{env, fs, thread};

/// Runs the guest that the next argument names on a small stack.
const ON_A_SMALL_STACK: &str = "--on-a-small-stack";

/// Measures the guests that the next arguments name, or those of a group.
const MEASURE: &str = "--measure";

/// As [`MEASURE`], for guests in their full size.
const MEASURE_IN_FULL: &str = "--measure-in-full";

/// Measures the process before and after all guests.
const AFTERMATH: &str = "--aftermath";

/// Program that compiles a plugin when it is asked.
const COMPILER: &str = env!("CARGO_BIN_EXE_compiler");

/// Size of a small stack in bytes: less than a plugin may use by itself.
pub(crate) const SMALL_STACK: usize = 256 * 1024;

/// Does what the arguments ask of a child process, if they do.
pub(crate) fn asked() -> Option<ExitCode> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [ON_A_SMALL_STACK, name] => Some(small_stack(name)),
        [AFTERMATH] => Some(aftermath::print()),
        [MEASURE, name] => Some(measure_named(name, MEASURE)),
        [MEASURE_IN_FULL, name] => {
            generated::in_full();
            Some(measure_named(name, MEASURE_IN_FULL))
        }
        _ => None,
    }
}

/// Runs `guest` on a small stack, in a process of its own, which an overflow would end.
pub(crate) fn on_a_small_stack(guest: Guest) -> Result<(), String> {
    let child = this_program(&[ON_A_SMALL_STACK, guest.name()])?;
    match child.status.success() {
        true => Ok(()),
        false => Err(format!(
            "{}: {}",
            child.status,
            String::from_utf8_lossy(&child.stderr)
        )),
    }
}

fn this_program(arguments: &[&str]) -> Result<std::process::Output, String> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| error.to_string())
}

fn small_stack(name: &str) -> ExitCode {
    let Some(guest) = Guest::named(name) else {
        return ExitCode::FAILURE;
    };
    let expected = expected::expected(guest);
    for (form, component) in guest.made().components() {
        let source = PluginSource::new(component)
            .compile_in_process()
            .limits(run::limits(&expected));
        let judged = thread::Builder::new()
            .stack_size(SMALL_STACK)
            .spawn(move || run::ends_as_expected(&source, form, &expected))
            .map(thread::JoinHandle::join);
        match judged {
            Ok(Ok(Ok(()))) => {}
            other => {
                eprintln!("{form}: {other:?}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// Prints the cost of `guest`: bytes, seconds of inspecting, and seconds and MiB of loading, by a child and here.
fn measure(guest: Guest) {
    let expected = expected::expected(guest);
    for (form, component) in guest.made().components() {
        if !matches!(form, Form::Packed | Form::Whole) {
            continue;
        }
        let bytes = component.len();
        let started = Instant::now();
        let refusals = inspect(&component, &PluginLimits::default()).refusals.len();
        let inspected = started.elapsed();
        let source = PluginSource::new(component)
            .limits(run::limits(&expected))
            .settings(json!({}))
            .resettable();
        // First, because a child's peak is at least the memory of this process when it starts.
        let started = Instant::now();
        let by_child = Plugin::load(&source.clone().compile_with(COMPILER)).map(drop);
        let (child_took, child_peak) = (started.elapsed(), peak_of_children_mib());
        // The engine reserves its pool when the first plugin is loaded.
        let warm = portcullis_tests::raw::packed(r"\02\00\00\00\00\00");
        let _ = Plugin::load(&PluginSource::new(warm).compile_in_process());
        let before = peak_kib();
        let started = Instant::now();
        let loaded = Plugin::load(&source.compile_in_process());
        let took = started.elapsed();
        let end = match &loaded {
            Ok(plugin) => {
                let request = neighbours::request(HOSTILE);
                let evaluation = plugin.evaluate(&request, ActionClass::Read, NOW);
                format!("{:?}", evaluation.outcome.map(|verdict| verdict.effect))
            }
            Err(error) => format!("{error:?}"),
        };
        let end: String = end.chars().take(60).collect();
        let agree = match (by_child.is_ok(), loaded.is_ok()) {
            (by_child, here) if by_child == here => "",
            _ => " (the child ends otherwise)",
        };
        println!(
            "{} | {bytes} | {:.2} ({refusals} refusals) | {:.2} | {child_peak} | {:.2} | {} | {end}{agree}",
            guest.name(),
            inspected.as_secs_f64(),
            child_took.as_secs_f64(),
            took.as_secs_f64(),
            (peak_kib() - before) / 1024,
        );
    }
}

fn measure_named(name: &str, how: &str) -> ExitCode {
    match Guest::named(name) {
        Some(guest) => {
            measure(guest);
            ExitCode::SUCCESS
        }
        None => measure_group(name, how),
    }
}

fn measure_group(group: &str, how: &str) -> ExitCode {
    println!(
        "guest | bytes | inspect, s | in a child, s | its peak, MiB | in process, s | more peak, MiB | end"
    );
    for guest in Guest::ALL.into_iter().filter(|it| it.group() == group) {
        match this_program(&[how, guest.name()]) {
            Ok(child) if child.status.success() => {
                print!("{}", String::from_utf8_lossy(&child.stdout));
            }
            other => println!("{} | {other:?}", guest.name()),
        }
    }
    ExitCode::SUCCESS
}

/// Peak of the resident memory of this process in KiB.
fn peak_kib() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|it| it.parse().ok()).unwrap_or_default()
}

/// Largest peak of the resident memory of a child process that ended, in MiB.
fn peak_of_children_mib() -> i64 {
    // SAFETY: a `rusage` of zeros is valid, and the pointer is to one.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage);
        usage
    };
    usage.ru_maxrss / 1024
}
