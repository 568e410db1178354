//! Load and repeated faults: a busy host, decisions in flight, and plugins in quarantine.

use portcullis_host::log::{self, DecisionLog, Event, LogOptions};
use portcullis_host::{
    ActionClass, Decision, Evaluation, Fault, FaultKind, Integration, Pdp, Plugin, PluginLimits,
    PluginSource, QuarantineRule, Request, Timestamp,
};
use portcullis_tests::{guests, raw, requests};
use serde_json::json;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

fn request(integration: &str, id: &str) -> Request {
    requests::request(integration, "read", id)
}

/// A plugin that denies each request, and traps on a resource with a long id.
fn traps_on_long_ids() -> Plugin {
    let verdict = r#"(data (i32.const 1024) "\01\00\00\00\00\00")
        (data (i32.const 1000) "\00\04\00\00\06")"#;
    let body = "(if (i32.gt_u (local.get 1) (i32.const 900)) (then unreachable)) (i32.const 1000)";
    let module = raw::packed_module(verdict, body);
    let component = raw::packed_component(&module, "\"resource.id\"");
    Plugin::load(
        &PluginSource::new(component)
            .compile_in_process()
            .limits(guests::patient()),
    )
    .unwrap()
}

/// The lines of the log about load, each as its event and its integration.
fn lines(log: &Path) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    log::read(log, |_, _, _, entry| {
        match entry.event {
            Event::Quarantine(it) => lines.push(("quarantine", it.integration)),
            Event::Release(it) => lines.push((
                match it.by_operator {
                    true => "released by the operator",
                    false => "released by a probe",
                },
                it.integration,
            )),
            Event::Overload(it) => lines.push((
                "overload",
                format!("{:?} {} of {}", it.integration, it.denied, it.max_in_flight),
            )),
            _ => {}
        }
        Ok(())
    })
    .unwrap();
    lines
}

#[test]
fn a_plugin_that_faults_repeatedly_is_quarantined_until_a_probe_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("decisions.jsonl");
    let backoff = Duration::from_millis(300);
    let pdp = Pdp::builder()
        .integration(Integration::new("a").plugin(traps_on_long_ids()))
        .integration(Integration::new("b").plugin(traps_on_long_ids()))
        .quarantine(QuarantineRule {
            faults: 3,
            backoff,
            max_backoff: backoff,
        })
        .log(DecisionLog::open(LogOptions::new(&log)).unwrap())
        .build()
        .unwrap();
    let good = request("a", "read");
    let bad = request("a", &"x".repeat(1000));
    let cause = |request: &Request| pdp.evaluate(request).cause().as_str();

    // A request that the plugin can answer begins the count anew.
    for request in [&bad, &bad, &good, &bad, &bad] {
        cause(request);
    }
    assert_eq!(cause(&good), "plugin-denied");
    assert_eq!(
        [&bad, &bad, &bad].map(cause),
        ["plugin-trap", "plugin-trap", "plugin-trap"]
    );
    let quarantined_at = Instant::now();
    let decision = pdp.evaluate(&good);
    if quarantined_at.elapsed() < backoff {
        assert_eq!(decision.cause().as_str(), "plugin-quarantined");
        assert!(decision.cause().is_retryable());
        let [out] = &pdp.quarantined()[..] else {
            panic!("one plugin is quarantined");
        };
        assert_eq!(
            (out.integration.as_str(), out.plugin.as_str()),
            ("a", "raw")
        );
        assert_eq!((out.faults, out.fault), (3, FaultKind::Trap));
    }
    // Its neighbour decides as before, although it is the same plugin.
    assert_eq!(cause(&request("b", "r")), "plugin-denied");

    thread::sleep(backoff);
    assert_eq!(cause(&bad), "plugin-trap", "the probe fails");
    thread::sleep(backoff);
    assert_eq!(cause(&good), "plugin-denied", "the probe succeeds");
    assert_eq!(cause(&good), "plugin-denied");
    assert!(pdp.quarantined().is_empty());

    for _ in 0..3 {
        cause(&bad);
    }
    assert_eq!(pdp.release("b"), Vec::<String>::new());
    assert_eq!(pdp.release("a"), ["raw"]);
    assert_eq!(cause(&good), "plugin-denied");
    drop(pdp);
    assert_eq!(
        lines(&log),
        [
            ("quarantine", "a".to_owned()),
            ("released by a probe", "a".to_owned()),
            ("quarantine", "a".to_owned()),
            ("released by the operator", "a".to_owned()),
        ]
    );
}

/// A plugin that runs until its deadline of a second.
fn looping() -> Plugin {
    let limits = PluginLimits {
        deadline: Duration::from_secs(1),
        ..PluginLimits::default()
    };
    guests::hostile(json!({ "behaviour": "loop" }), limits)
}

/// Two threads ask `slow` at the same time. Returns the decision of the one that was refused, and of its next
/// request, for `quick`, while the other is still in flight.
fn refused_of_two(pdp: &Pdp) -> [Decision; 2] {
    let ask = || {
        [
            pdp.evaluate(&request("slow", "r")),
            pdp.evaluate(&request("quick", "r")),
        ]
    };
    let both =
        thread::scope(|scope| [scope.spawn(ask), scope.spawn(ask)].map(|it| it.join().unwrap()));
    let mut refused: Vec<_> = both
        .into_iter()
        .filter(|[slow, _]| slow.cause().as_str() == "overloaded")
        .collect();
    assert_eq!(refused.len(), 1, "{refused:?}");
    refused.remove(0)
}

#[test]
fn decisions_beyond_the_maximum_of_an_integration_are_denied_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("decisions.jsonl");
    let pdp = Pdp::builder()
        .integration(Integration::new("slow").plugin(looping()).max_in_flight(1))
        .integration(Integration::new("quick").plugin(traps_on_long_ids()))
        .max_in_flight(2)
        .log(DecisionLog::open(LogOptions::new(&log)).unwrap())
        .build()
        .unwrap();
    let [refused, next] = refused_of_two(&pdp);
    assert!(
        refused.detail().contains("`max-in-flight`"),
        "{}",
        refused.detail()
    );
    assert!(refused.cause().is_retryable());
    // The other integration has room, and so has the host: one more.
    assert_eq!(next.cause().as_str(), "plugin-denied");
    let _recorded = pdp.evaluate(&request("slow", "r"));
    drop(pdp);
    assert_eq!(
        lines(&log),
        [("overload", "Some(\"slow\") 1 of 1".to_owned())]
    );
}

#[test]
fn decisions_beyond_the_maximum_of_the_host_are_denied_at_once() {
    let pdp = Pdp::builder()
        .integration(Integration::new("slow").plugin(looping()))
        .integration(Integration::new("quick").plugin(traps_on_long_ids()))
        .max_in_flight(1)
        .build()
        .unwrap();
    let [refused, next] = refused_of_two(&pdp);
    assert!(
        refused.detail().contains("`[in-flight]`"),
        "{}",
        refused.detail()
    );
    assert_eq!(next.cause().as_str(), "overloaded");
    assert_eq!(
        pdp.evaluate(&request("quick", "r")).cause().as_str(),
        "plugin-denied"
    );
}

/// A busy host, as its threads see it: a signal handler that sleeps takes the processor away.
#[cfg(target_os = "linux")]
mod busy {
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    const DEADLINE: Duration = Duration::from_millis(200);
    /// Nanoseconds for which the handler sleeps.
    static SLEEP: AtomicU64 = AtomicU64::new(0);

    extern "C" fn sleep(_: libc::c_int) {
        let time = libc::timespec {
            tv_sec: 0,
            tv_nsec: SLEEP.load(Ordering::Relaxed).try_into().unwrap_or(0),
        };
        // SAFETY: `nanosleep` may be called in a signal handler, and both pointers are valid.
        unsafe { libc::nanosleep(&raw const time, std::ptr::null_mut()) };
    }

    /// Runs `work` while its thread gets a signal each `pause`.
    fn interrupted<T>(pause: Duration, work: impl FnOnce() -> T) -> T {
        SLEEP.store(
            u64::try_from((DEADLINE * 2).as_nanos()).unwrap(),
            Ordering::Relaxed,
        );
        // SAFETY: the handler calls only `nanosleep`; the structure is initialised as the manual says.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = sleep as extern "C" fn(libc::c_int) as libc::sighandler_t;
            action.sa_flags = libc::SA_RESTART;
            libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut());
        }
        let is_done = AtomicBool::new(false);
        // SAFETY: it has no preconditions.
        let worker = unsafe { libc::pthread_self() };
        thread::scope(|scope| {
            scope.spawn(|| {
                while !is_done.load(Ordering::Relaxed) {
                    // SAFETY: the worker waits for this thread, so it exists.
                    unsafe { libc::pthread_kill(worker, libc::SIGUSR1) };
                    thread::sleep(pause);
                }
            });
            let done = work();
            is_done.store(true, Ordering::Relaxed);
            done
        })
    }

    /// A plugin that works for some ten milliseconds, less than a quarter of the deadline, and denies.
    fn working(deadline: Duration) -> Plugin {
        let verdict = r#"(data (i32.const 1024) "\01\00\00\00\00\00")
            (data (i32.const 1000) "\00\04\00\00\06")"#;
        let body = "(local $left i32) (local.set $left (i32.const 40000000))
            (loop $again
              (local.set $left (i32.sub (local.get $left) (i32.const 1)))
              (br_if $again (local.get $left)))
            (i32.const 1000)";
        let component = raw::packed_component(&raw::packed_module(verdict, body), "");
        let limits = PluginLimits {
            deadline,
            ..PluginLimits::default()
        };
        Plugin::load(
            &PluginSource::new(component)
                .compile_in_process()
                .limits(limits),
        )
        .unwrap()
    }

    fn ask(plugin: &Plugin) -> Evaluation {
        plugin.evaluate(&request("x", "read"), ActionClass::Read, Timestamp::now())
    }

    #[test]
    fn a_plugin_is_called_again_if_the_host_was_busy() {
        let plugin = working(DEADLINE);
        // Each signal costs twice the deadline; between two, there is time for a decision.
        let evaluations: Vec<_> = interrupted(DEADLINE * 5, || {
            let mut evaluations = Vec::new();
            let started = Instant::now();
            while started.elapsed() < DEADLINE * 12 {
                evaluations.push(ask(&plugin));
            }
            evaluations
        });
        let faults: Vec<_> = evaluations
            .iter()
            .filter_map(|it| it.outcome.as_ref().err())
            .filter(|fault| **fault != Fault::HostBusy)
            .collect();
        assert!(faults.is_empty(), "{faults:?}");
        let late = evaluations.iter().filter(|it| it.time > DEADLINE);
        let again = late.filter(|it| it.outcome.is_ok()).count();
        assert!(again > 0, "no decision was interrupted and then made");
    }

    #[test]
    fn a_host_that_stays_busy_is_no_fault_of_the_plugin() {
        let plugin = working(DEADLINE);
        let evaluation = interrupted(DEADLINE * 2 + Duration::from_millis(1), || ask(&plugin));
        assert_eq!(evaluation.outcome.unwrap_err(), Fault::HostBusy);
        assert!(!FaultKind::HostBusy.is_of_plugin());
        // Without the load, it answers.
        assert!(ask(&plugin).outcome.is_ok());
    }

    #[test]
    fn a_plugin_that_loops_is_at_fault() {
        let limits = PluginLimits {
            deadline: DEADLINE,
            ..PluginLimits::default()
        };
        let looping = guests::hostile(json!({ "behaviour": "loop" }), limits);
        assert_eq!(ask(&looping).outcome.unwrap_err(), Fault::Deadline);
    }
}

/// A quota of processor time of a fifth, as the process sees it: it is stopped for 80 of each 100 ms.
///
/// `PORTCULLIS_BUSY_REQUESTS` sets the number of requests.
#[cfg(target_os = "linux")]
#[test]
fn a_quota_of_processor_time_is_no_fault_of_a_plugin() {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};

    let requests = std::env::var("PORTCULLIS_BUSY_REQUESTS").unwrap_or("50000".to_owned());
    let folder = tempfile::tempdir().unwrap();
    let component = folder.path().join("plugin.wasm");
    std::fs::write(
        &component,
        raw::named("healthy", &[0, 1, 2, b'o', b'k', 0, 0, 0, 0, 0, 0]),
    )
    .unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_asker"))
        .arg(&component)
        .arg(&requests)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let process = libc::pid_t::try_from(child.id()).unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    let signal = |signal| {
        // SAFETY: the child has not been waited for, so the process is still this one.
        unsafe { libc::kill(process, signal) };
    };
    while child.try_wait().unwrap().is_none() {
        signal(libc::SIGSTOP);
        thread::sleep(Duration::from_millis(80));
        signal(libc::SIGCONT);
        thread::sleep(Duration::from_millis(20));
    }
    let causes = lines.next().unwrap().unwrap();
    println!("{requests} requests: {causes}");
    let causes: std::collections::BTreeMap<String, u64> = serde_json::from_str(&causes).unwrap();
    assert!(!causes.contains_key("plugin-deadline"), "{causes:?}");
    assert!(causes["permitted"] > 0);
}
