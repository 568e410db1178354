//! One decision, one instance.

use super::bindings::exports::portcullis::policy::types as wire_types;
use super::wire::{self, Lists};
use super::{Fault, Plugin, Verdict, sandbox};
use crate::Timestamp;
use crate::admission::Facts;
use crate::engine::Ticking;
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
}

impl Plugin {
    /// Has the plugin judge `request` in a fresh instance.
    ///
    /// The plugin may use at most [`PluginLimits::deadline`](crate::PluginLimits::deadline) of wall
    /// clock, counted from instantiation, and the memory, tables and output that its limits allow.
    /// It is passed the fields that its manifest asks for, and no others.
    pub fn evaluate(&self, request: &Request, class: ActionClass, now: Timestamp) -> Evaluation {
        self.evaluate_as(request, &Facts::stated(request), class, now)
    }

    /// As [`Plugin::evaluate`], where more is known of the principal than the request states.
    pub(crate) fn evaluate_as(
        &self,
        request: &Request,
        facts: &Facts<'_>,
        class: ActionClass,
        now: Timestamp,
    ) -> Evaluation {
        let started = Instant::now();
        let mut peak_memory_bytes = 0;
        let outcome = self.run(request, facts, class, now, &mut peak_memory_bytes);
        Evaluation {
            outcome: outcome.and_then(|verdict| Verdict::accept(verdict, &self.manifest)),
            time: started.elapsed(),
            peak_memory_bytes,
        }
    }

    fn run(
        &self,
        request: &Request,
        facts: &Facts<'_>,
        class: ActionClass,
        now: Timestamp,
        peak_memory_bytes: &mut usize,
    ) -> Result<wire_types::Verdict, Fault> {
        let needs = self.manifest.fields();
        let lists = Lists::of(request, needs);
        let attributes = lists.attributes();
        let request = wire::request(request, facts, class, now, needs, &lists, &attributes);

        let _ticking =
            Ticking::start(self.engine).map_err(|error| Fault::Sandbox(error.to_string()))?;
        let mut store = sandbox::store(self.engine, &self.limits);
        sandbox::start_clock(&mut store, self.limits.deadline);
        let evaluate = self
            .entry
            .instance
            .instantiate(&mut store)
            .and_then(|instance| {
                instance.get_typed_func::<(&wire_types::Request<'_>,), (wire_types::Verdict,)>(
                    &mut store,
                    self.entry.evaluate,
                )
            })
            .map_err(|error| Fault::at_instantiation(&error))?;
        let verdict = evaluate.call(&mut store, (&request,));
        *peak_memory_bytes = store.data().peak_memory_bytes;
        // Whatever went wrong, the instance goes with the store.
        match verdict {
            Ok((verdict,)) => Ok(verdict),
            Err(error) => Err(Fault::from_error(&error)),
        }
    }
}

/// Makes an instance and looks at the type of `evaluate`, so that neither can fail for the first
/// time when a decision is due.
pub(super) fn rehearse(plugin: &Plugin) -> Result<(), super::LoadError> {
    let _ticking = Ticking::start(plugin.engine)?;
    let mut store = sandbox::store(plugin.engine, &plugin.limits);
    sandbox::start_clock(&mut store, plugin.limits.deadline);
    let instance = plugin
        .entry
        .instance
        .instantiate(&mut store)
        .map_err(|error| super::LoadError::Instantiate(Fault::at_instantiation(&error)))?;
    instance
        .get_typed_func::<(&wire_types::Request<'_>,), (wire_types::Verdict,)>(
            &mut store,
            plugin.entry.evaluate,
        )
        .map_err(|error| super::LoadError::Signature(super::load::text_of(&error)))?;
    Ok(())
}
