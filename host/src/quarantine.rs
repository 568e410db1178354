//! Takes plugins that fault repeatedly out of use, and tries them again.
//!
//! Only faults in a row count: one answer of the plugin, a deny too, begins the count anew. So requests that a
//! plugin cannot handle do not take it away from the requests that it can. A quarantined plugin is not called.
//! After a backoff, one request is the probe: the plugin is called for it, and its answer ends the quarantine. A
//! fault doubles the backoff.

use portcullis_model::fault_kind::FaultKind;
use portcullis_model::timestamp::Timestamp;
use portcullis_sandbox::{Evaluation, Fault};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Rule for the quarantine of plugins (`[quarantine]`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuarantineRule {
    /// Number of faults in a row after which a plugin is quarantined; 0 for never. 5 by default.
    pub faults: u32,
    /// Time until the first probe. One second by default.
    pub backoff: Duration,
    /// Maximum time between two probes: each failed probe doubles it up to this. One minute by default.
    pub max_backoff: Duration,
}

impl Default for QuarantineRule {
    fn default() -> Self {
        Self {
            faults: 5,
            backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(60),
        }
    }
}

/// A plugin in quarantine, see [`Pdp::quarantined`](crate::Pdp::quarantined).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Quarantined {
    /// Name of the integration.
    pub integration: String,
    /// Name of the plugin.
    pub plugin: String,
    /// Time of the fault that began the quarantine.
    pub since: Timestamp,
    /// Number of faults in a row, probes included.
    pub faults: u32,
    /// Kind of the last fault.
    pub fault: FaultKind,
    /// Time from which on a request is a probe.
    pub until: Timestamp,
}

/// Faults of one plugin in one integration.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    in_a_row: AtomicU32,
    is_out: AtomicBool,
    quarantine: Mutex<Option<Quarantine>>,
}

#[derive(Debug)]
struct Quarantine {
    since: Timestamp,
    fault: FaultKind,
    backoff: Duration,
    /// Time of the next probe.
    probe_at: Instant,
    until: Timestamp,
    is_probed: bool,
}

/// Change of a plugin's quarantine that an evaluation brought about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    Begun,
    Ended,
}

impl Faults {
    /// Calls the plugin with `call`, unless it is quarantined.
    ///
    /// Returns its evaluation, and how that changed the quarantine.
    pub(crate) fn ask(
        &self,
        rule: &QuarantineRule,
        call: impl FnOnce() -> Evaluation,
    ) -> (Evaluation, Option<Turn>) {
        let probe = match self.is_out.load(Ordering::Acquire) {
            false => None,
            true => match self.probe(Instant::now()) {
                Ok(probe) => probe,
                Err(fault) => return (not_called(fault), None),
            },
        };
        let evaluation = call();
        let turn = match probe {
            None => self.note(rule, &evaluation),
            Some(probe) => probe.judge(rule, &evaluation),
        };
        (evaluation, turn)
    }

    /// As [`Faults::ask`], for a dry run: it counts no fault, and is no probe.
    pub(crate) fn ask_dry(&self, call: impl FnOnce() -> Evaluation) -> Evaluation {
        let (quarantine, now) = (self.locked(), Instant::now());
        match &*quarantine {
            Some(out) if now < out.probe_at => not_called(self.fault(out, now)),
            _ => {
                drop(quarantine);
                call()
            }
        }
    }

    /// The quarantine as it is now.
    pub(crate) fn quarantined(&self, integration: &str, plugin: &str) -> Option<Quarantined> {
        let quarantine = self.locked();
        let out = quarantine.as_ref()?;
        Some(Quarantined {
            integration: integration.to_owned(),
            plugin: plugin.to_owned(),
            since: out.since,
            faults: self.in_a_row.load(Ordering::Relaxed),
            fault: out.fault,
            until: out.until,
        })
    }

    /// Ends the quarantine; false if there was none.
    pub(crate) fn release(&self) -> bool {
        let mut quarantine = self.locked();
        self.in_a_row.store(0, Ordering::Relaxed);
        self.is_out.store(false, Ordering::Release);
        quarantine.take().is_some()
    }

    /// Counts a fault of the plugin in use, or begins the count anew.
    fn note(&self, rule: &QuarantineRule, evaluation: &Evaluation) -> Option<Turn> {
        let fault = match &evaluation.outcome {
            Err(fault) if fault.kind().is_of_plugin() => fault.kind(),
            // The host's load says nothing about the plugin.
            Err(_) => return None,
            Ok(_) => {
                // Written only if needed, so that processors do not contend for it.
                if self.in_a_row.load(Ordering::Relaxed) != 0 {
                    self.in_a_row.store(0, Ordering::Relaxed);
                }
                return None;
            }
        };
        let faults = self.in_a_row.load(Ordering::Relaxed).saturating_add(1);
        self.in_a_row.store(faults, Ordering::Relaxed);
        if rule.faults == 0 || faults < rule.faults {
            return None;
        }
        let mut quarantine = self.locked();
        // Another thread may have begun it.
        if quarantine.is_some() {
            return None;
        }
        *quarantine = Some(Quarantine::begin(fault, rule));
        self.is_out.store(true, Ordering::Release);
        Some(Turn::Begun)
    }

    /// Begins a probe if one is due; `None` if the quarantine has ended meanwhile.
    fn probe(&self, now: Instant) -> Result<Option<Probe<'_>>, Fault> {
        let mut quarantine = self.locked();
        let Some(out) = quarantine.as_mut() else {
            return Ok(None);
        };
        if out.is_probed || now < out.probe_at {
            return Err(self.fault(out, now));
        }
        out.is_probed = true;
        Ok(Some(Probe {
            record: self,
            is_judged: false,
        }))
    }

    fn fault(&self, out: &Quarantine, now: Instant) -> Fault {
        Fault::Quarantined {
            faults: self.in_a_row.load(Ordering::Relaxed),
            retry_in: out.probe_at.saturating_duration_since(now),
        }
    }

    fn locked(&self) -> MutexGuard<'_, Option<Quarantine>> {
        // Each change under the lock is complete.
        self.quarantine
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Quarantine {
    fn begin(fault: FaultKind, rule: &QuarantineRule) -> Self {
        let mut begun = Self {
            since: Timestamp::now(),
            fault,
            backoff: rule.backoff.min(rule.max_backoff),
            probe_at: Instant::now(),
            until: Timestamp::now(),
            is_probed: false,
        };
        begun.wait();
        begun
    }

    fn wait(&mut self) {
        let millis = u64::try_from(self.backoff.as_millis()).unwrap_or(u64::MAX);
        self.probe_at = Instant::now() + self.backoff;
        self.until = Timestamp::from_millis(Timestamp::now().as_millis().saturating_add(millis));
        self.is_probed = false;
    }
}

/// The one request that calls a quarantined plugin.
struct Probe<'a> {
    record: &'a Faults,
    is_judged: bool,
}

impl Probe<'_> {
    fn judge(mut self, rule: &QuarantineRule, evaluation: &Evaluation) -> Option<Turn> {
        self.is_judged = true;
        match &evaluation.outcome {
            Ok(_) => self.record.release().then_some(Turn::Ended),
            Err(fault) if fault.kind().is_of_plugin() => {
                let mut quarantine = self.record.locked();
                self.record.in_a_row.fetch_add(1, Ordering::Relaxed);
                if let Some(out) = quarantine.as_mut() {
                    out.fault = fault.kind();
                    out.backoff = out.backoff.saturating_mul(2).min(rule.max_backoff);
                    out.wait();
                }
                None
            }
            // The probe did not reach the plugin.
            Err(_) => {
                self.is_judged = false;
                None
            }
        }
    }
}

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        if !self.is_judged
            && let Some(out) = self.record.locked().as_mut()
        {
            out.is_probed = false;
        }
    }
}

/// Evaluation of a plugin that was not called.
fn not_called(fault: Fault) -> Evaluation {
    Evaluation {
        outcome: Err(fault),
        time: Duration::ZERO,
        peak_memory_bytes: 0,
        instructions: None,
        reset_failed: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_model::verdict::{Effect, Narrowing, Verdict};
    use std::sync::Barrier;
    use std::thread;

    const RULE: QuarantineRule = QuarantineRule {
        faults: 3,
        backoff: Duration::from_millis(20),
        max_backoff: Duration::from_millis(50),
    };

    fn answered() -> Evaluation {
        let verdict = Verdict {
            effect: Effect::Deny,
            reasons: vec![],
            obligations: vec![],
            advice: vec![],
            narrowing: Narrowing::default(),
            requestable: false,
        };
        Evaluation {
            outcome: Ok(verdict),
            ..not_called(Fault::Deadline)
        }
    }

    fn faulted(record: &Faults, fault: Fault) -> Option<Turn> {
        record.ask(&RULE, || not_called(fault)).1
    }

    fn is_called(record: &Faults) -> bool {
        let mut is_called = false;
        record.ask(&RULE, || {
            is_called = true;
            answered()
        });
        is_called
    }

    /// Moves the next probe to now.
    fn pass_backoff(record: &Faults) {
        record.locked().as_mut().unwrap().probe_at = Instant::now();
    }

    fn backoff(record: &Faults) -> Duration {
        record.locked().as_ref().unwrap().backoff
    }

    #[test]
    fn faults_in_a_row_begin_a_quarantine() {
        let record = Faults::default();
        let faults = [
            Fault::Trap("x".into()),
            Fault::Deadline,
            Fault::OutputTooLarge,
        ];
        let turns = faults.map(|fault| faulted(&record, fault));
        assert_eq!(turns, [None, None, Some(Turn::Begun)]);
        assert!(!is_called(&record));
        let out = record.quarantined("i", "p").unwrap();
        assert_eq!((out.faults, out.fault), (3, FaultKind::OutputTooLarge));
        assert!(out.until > out.since);
    }

    #[test]
    fn an_answer_begins_the_count_anew() {
        let record = Faults::default();
        for _ in 0..5 {
            assert_eq!(faulted(&record, Fault::Deadline), None);
            assert_eq!(faulted(&record, Fault::Deadline), None);
            assert!(is_called(&record));
        }
        assert_eq!(record.quarantined("i", "p"), None);
    }

    #[test]
    fn faults_of_the_host_do_not_count() {
        let record = Faults::default();
        for fault in [
            Fault::Overloaded,
            Fault::HostBusy,
            Fault::Sandbox("x".into()),
        ] {
            for _ in 0..3 {
                assert_eq!(faulted(&record, fault.clone()), None);
            }
        }
        assert!(is_called(&record));
    }

    #[test]
    fn an_answered_probe_ends_the_quarantine() {
        let record = Faults::default();
        for _ in 0..3 {
            faulted(&record, Fault::Deadline);
        }
        pass_backoff(&record);
        let (_, turn) = record.ask(&RULE, answered);
        assert_eq!(turn, Some(Turn::Ended));
        assert!(is_called(&record));
        assert_eq!(faulted(&record, Fault::Deadline), None);
    }

    #[test]
    fn each_failed_probe_doubles_the_backoff_up_to_its_maximum() {
        let record = Faults::default();
        for _ in 0..3 {
            faulted(&record, Fault::Deadline);
        }
        let mut backoffs = vec![backoff(&record)];
        for _ in 0..3 {
            pass_backoff(&record);
            assert_eq!(faulted(&record, Fault::Deadline), None);
            backoffs.push(backoff(&record));
        }
        assert_eq!(backoffs, [20, 40, 50, 50].map(Duration::from_millis));
        assert_eq!(record.quarantined("i", "p").unwrap().faults, 6);
    }

    #[test]
    fn a_probe_that_does_not_reach_the_plugin_is_repeated_at_once() {
        let record = Faults::default();
        for _ in 0..3 {
            faulted(&record, Fault::Deadline);
        }
        pass_backoff(&record);
        faulted(&record, Fault::Overloaded);
        assert_eq!(backoff(&record), RULE.backoff);
        assert!(is_called(&record));
    }

    #[test]
    fn a_panic_during_a_probe_leaves_the_next_probe() {
        let record = Faults::default();
        for _ in 0..3 {
            faulted(&record, Fault::Deadline);
        }
        pass_backoff(&record);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            record.ask(&RULE, || std::panic::resume_unwind(Box::new(())))
        }));
        assert!(panicked.is_err());
        assert!(is_called(&record));
    }

    #[test]
    fn one_request_at_a_time_is_the_probe() {
        let record = Faults::default();
        for _ in 0..3 {
            faulted(&record, Fault::Deadline);
        }
        pass_backoff(&record);
        let (begun, end) = (Barrier::new(2), Barrier::new(2));
        thread::scope(|scope| {
            scope.spawn(|| {
                record.ask(&RULE, || {
                    begun.wait();
                    end.wait();
                    answered()
                })
            });
            begun.wait();
            assert!(!is_called(&record));
            end.wait();
        });
        assert!(is_called(&record));
    }

    #[test]
    fn an_operator_ends_a_quarantine() {
        let record = Faults::default();
        assert!(!record.release());
        for _ in 0..3 {
            faulted(&record, Fault::Deadline);
        }
        assert!(record.release());
        assert!(is_called(&record));
    }

    #[test]
    fn no_number_of_faults_quarantines_where_it_is_turned_off() {
        let record = Faults::default();
        let off = QuarantineRule { faults: 0, ..RULE };
        for _ in 0..20 {
            let (_, turn) = record.ask(&off, || not_called(Fault::Deadline));
            assert_eq!(turn, None);
        }
    }

    #[test]
    fn a_dry_run_counts_no_fault_and_is_no_probe() {
        let record = Faults::default();
        for _ in 0..5 {
            record.ask_dry(|| not_called(Fault::Deadline));
        }
        assert!(is_called(&record));
        for _ in 0..3 {
            faulted(&record, Fault::Deadline);
        }
        let dry = record.ask_dry(answered);
        assert_eq!(dry.outcome.unwrap_err().kind(), FaultKind::Quarantined);
        pass_backoff(&record);
        assert!(record.ask_dry(answered).outcome.is_ok());
        assert!(record.quarantined("i", "p").is_some());
    }
}
