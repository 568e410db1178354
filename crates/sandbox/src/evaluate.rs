//! Evaluates a request in an instance of one plugin.

use crate::clock::{Ticking, tick_for_a_decision};
use crate::fault::Fault;
#[cfg(feature = "reset")]
use crate::held;
use crate::instance::Instance;
use crate::instances::Instances;
use crate::load_error::LoadError;
use crate::plugin::Plugin;
use crate::question::Question;
use crate::verdict;
use crate::wire::{self, Lists};
use crate::{processor, stack};
use portcullis_contract::ActionClass;
use portcullis_model::facts::Facts;
use portcullis_model::request::Request;
use portcullis_model::timestamp::Timestamp;
use portcullis_model::verdict::Verdict;
use std::time::{Duration, Instant};

/// Result of evaluating one plugin.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// The plugin's verdict, or its fault.
    pub outcome: Result<Verdict, Fault>,
    /// Wall-clock time of the evaluation, of both calls if the host was busy.
    pub time: Duration,
    /// Peak linear memory, in bytes.
    pub peak_memory_bytes: usize,
    /// Number of WebAssembly instructions executed, if they are counted.
    ///
    /// It is the same for the same request. See
    /// [`PluginSource::metered`](crate::load::PluginSource::metered).
    pub instructions: Option<u64>,
    /// True if a self-check found that a reset was not complete, in this evaluation or before.
    ///
    /// This outcome is that of a fresh instance, and so are all later ones. Earlier outcomes, since the last
    /// self-check that passed on the same thread, are in doubt: replay those decisions.
    pub reset_failed: bool,
}

/// Resources that one call used.
#[derive(Default)]
struct Taken {
    peak_memory_bytes: usize,
    instructions: Option<u64>,
}

impl Plugin {
    /// Evaluates `request` in a fresh instance.
    ///
    /// The plugin may use at most
    /// [`PluginLimits::deadline`](portcullis_model::limits::PluginLimits::deadline) of wall clock, counted
    /// from instantiation, and the memory, tables and output that its limits allow. It receives only the
    /// fields that its manifest asks for.
    pub fn evaluate(&self, request: &Request, class: ActionClass, now: Timestamp) -> Evaluation {
        self.evaluate_in(Instances::Fresh, request, class, now)
    }

    /// As [`Plugin::evaluate`], in an instance of `instances`.
    pub fn evaluate_in(
        &self,
        instances: Instances,
        request: &Request,
        class: ActionClass,
        now: Timestamp,
    ) -> Evaluation {
        let facts = Facts::stated(request);
        let question = Question {
            request,
            facts: &facts,
            class,
            now,
        };
        self.answer(question, instances)
    }

    /// Answers `question` in an instance of `instances`.
    pub fn answer(&self, question: Question<'_>, instances: Instances) -> Evaluation {
        let entry = &self.entry;
        self.judge(question, |call| match instances {
            // The instance is dropped when this returns, whatever the result.
            Instances::Fresh => call(&mut Instance::new(entry)?),
            #[cfg(feature = "reset")]
            Instances::Reset => {
                let mut taken = held::take(entry, &self.places)?;
                let verdict = call(&mut taken.instance)?;
                match taken.put_back(entry, &self.places) {
                    true => Ok(verdict),
                    // The instance may have kept something of an earlier decision.
                    false => call(&mut Instance::new(entry)?),
                }
            }
        })
    }

    /// Packs the question, and lets `run` call an instance with it.
    ///
    /// A deadline counts wall clock, so a thread without a processor misses it through no fault of the plugin. If
    /// little of it was spent on a processor, the plugin is called once more.
    fn judge(
        &self,
        question: Question<'_>,
        run: impl Fn(&mut Call<'_>) -> Result<Verdict, Fault>,
    ) -> Evaluation {
        let started = Instant::now();
        let deadline = self.limits().deadline;
        let mut taken = Taken::default();
        let before = processor::reading(started, deadline);
        let pass = |taken: &mut Taken| stack::for_decision(|| self.pass(question, &run, taken));
        let mut outcome = pass(&mut taken);
        if matches!(outcome, Err(Fault::Deadline)) && before.has_used_little(deadline) {
            let before = processor::reading(Instant::now(), deadline);
            outcome = pass(&mut taken);
            if matches!(outcome, Err(Fault::Deadline)) && before.has_used_little(deadline) {
                outcome = Err(Fault::HostBusy);
            }
        }
        Evaluation {
            outcome,
            time: started.elapsed(),
            peak_memory_bytes: taken.peak_memory_bytes,
            instructions: taken.instructions,
            #[cfg(feature = "reset")]
            reset_failed: self.places.failed(),
            #[cfg(not(feature = "reset"))]
            reset_failed: false,
        }
    }

    fn pass(
        &self,
        question: Question<'_>,
        run: impl Fn(&mut Call<'_>) -> Result<Verdict, Fault>,
        taken: &mut Taken,
    ) -> Result<Verdict, Fault> {
        let needs = self.manifest.fields();
        let lists = Lists::of(question.request, question.facts, needs);
        let records = lists.records();
        let passed = wire::request(&question, needs, &lists, &records);
        tick_for_a_decision().map_err(|error| Fault::Sandbox(error.to_string()))?;
        run(&mut |instance| {
            let before = instance.instructions();
            // However late the call starts, the clock ticks for as long as it may run.
            tick_for_a_decision().map_err(|error| Fault::Sandbox(error.to_string()))?;
            let verdict = instance.call(&passed);
            taken.peak_memory_bytes = instance.peak_memory_bytes();
            let after = instance.instructions();
            taken.instructions = after.zip(before).map(|(after, before)| after - before);
            verdict::accept(verdict?, &self.manifest)
        })
    }
}

/// Calls an instance with the question, and checks its answer against the contract.
type Call<'a> = dyn FnMut(&mut Instance) -> Result<Verdict, Fault> + 'a;

/// Makes an instance, so that it first fails at load time, if ever.
pub(crate) fn rehearse(plugin: &Plugin) -> Result<(), LoadError> {
    let _ticking = Ticking::start()?;
    Instance::new(&plugin.entry)
        .map(drop)
        .map_err(LoadError::Instantiate)
}
