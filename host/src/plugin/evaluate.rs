//! One decision of one plugin.

use super::instance::Instance;
use super::wire::{self, Lists};
use super::{Fault, Lane, LoadError, Plugin, Verdict, lane};
use crate::Timestamp;
use crate::admission::Facts;
use crate::clock::{Ticking, tick_for_a_decision};
use crate::request::Request;
use portcullis_contract::ActionClass;
use std::time::{Duration, Instant};

/// What came of asking one plugin.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// The plugin's verdict, or what it did wrong.
    pub outcome: Result<Verdict, Fault>,
    /// The wall clock that it took.
    pub time: Duration,
    /// The most linear memory that it had, in bytes.
    pub peak_memory_bytes: usize,
    /// How many WebAssembly instructions it ran, where they are counted
    /// ([`PluginSource::metered`](crate::PluginSource::metered)); the same for the same request.
    pub instructions: Option<u64>,
}

/// What one call took.
#[derive(Default)]
struct Taken {
    peak_memory_bytes: usize,
    instructions: Option<u64>,
}

/// What a plugin is asked.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) request: &'a Request,
    /// What is known of the principal, its intent and the destination.
    pub(crate) facts: &'a Facts<'a>,
    pub(crate) class: ActionClass,
    pub(crate) now: Timestamp,
}

impl Plugin {
    /// Has the plugin judge `request` in a fresh instance.
    ///
    /// The plugin may use at most [`PluginLimits::deadline`](crate::PluginLimits::deadline) of wall
    /// clock, counted from instantiation, and the memory, tables and output that its limits allow.
    /// It is passed the fields that its manifest asks for, and no others.
    pub fn evaluate(&self, request: &Request, class: ActionClass, now: Timestamp) -> Evaluation {
        self.evaluate_in(Lane::Fresh, request, class, now)
    }

    /// As [`Plugin::evaluate`], in an instance of `lane`.
    pub fn evaluate_in(
        &self,
        lane: Lane,
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
        self.answer(question, lane)
    }

    /// Has the plugin answer `question` in an instance of `lane`.
    pub(crate) fn answer(&self, question: Question<'_>, lane: Lane) -> Evaluation {
        let entry = &self.entry;
        self.judge(question, |call| match lane {
            // Whatever comes of it, the instance goes when this returns.
            Lane::Fresh => call(&mut Instance::new(entry)?),
            Lane::Restored => {
                let mut taken = lane::take(entry)?;
                let verdict = call(&mut taken.instance)?;
                taken.put_back();
                Ok(verdict)
            }
        })
    }

    /// Packs the question, and has `run` call an instance with it.
    fn judge(
        &self,
        question: Question<'_>,
        run: impl FnOnce(&mut Call<'_>) -> Result<Verdict, Fault>,
    ) -> Evaluation {
        let started = Instant::now();
        let mut taken = Taken::default();
        let outcome = self.pass(question, run, &mut taken);
        Evaluation {
            outcome,
            time: started.elapsed(),
            peak_memory_bytes: taken.peak_memory_bytes,
            instructions: taken.instructions,
        }
    }

    fn pass(
        &self,
        question: Question<'_>,
        run: impl FnOnce(&mut Call<'_>) -> Result<Verdict, Fault>,
        taken: &mut Taken,
    ) -> Result<Verdict, Fault> {
        let needs = self.manifest.fields();
        let lists = Lists::of(question.request, question.facts, needs);
        let attributes = lists.attributes();
        let passed = wire::request(&question, needs, &lists, &attributes);
        tick_for_a_decision().map_err(|error| Fault::Sandbox(error.to_string()))?;
        run(&mut |instance| {
            let before = instance.instructions();
            // However long it took to come here, the clock ticks for as long as the call may take.
            tick_for_a_decision().map_err(|error| Fault::Sandbox(error.to_string()))?;
            let verdict = instance.call(&passed);
            taken.peak_memory_bytes = instance.peak_memory_bytes();
            let after = instance.instructions();
            taken.instructions = after.zip(before).map(|(after, before)| after - before);
            Verdict::accept(verdict?, &self.manifest)
        })
    }
}

/// Calls an instance with the question, and holds its answer to the contract.
type Call<'a> = dyn FnMut(&mut Instance) -> Result<Verdict, Fault> + 'a;

/// Makes an instance, so that it cannot fail for the first time when a decision is due.
pub(super) fn rehearse(plugin: &Plugin) -> Result<(), LoadError> {
    let _ticking = Ticking::start()?;
    Instance::new(&plugin.entry)
        .map(drop)
        .map_err(LoadError::Instantiate)
}
