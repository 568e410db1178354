//! Bounds the load of a decision point: decisions in flight, and plugins that fault repeatedly.

use super::Pdp;
use crate::decision::Decision;
use crate::in_flight::{InFlight, Place};
use crate::integration::Integration;
use crate::log::{Overloaded, Released};
use crate::quarantine::{Faults, Quarantined, Turn};
use portcullis_model::cause::Cause;
use portcullis_model::count::counted;
use portcullis_model::fault_kind::FaultKind;
use portcullis_model::inputs::Sources;
use portcullis_model::timestamp::Timestamp;
use portcullis_sandbox::{Evaluation, Plugin, Question};

/// A decision in flight, in the decision point and in its integration.
pub(super) struct Admitted<'a> {
    _of_host: Place<'a>,
    _of_integration: Option<Place<'a>>,
}

impl Pdp {
    /// Plugins that are quarantined now, sorted by integration and plugin.
    ///
    /// Show them to the operator. See [`QuarantineRule`](crate::QuarantineRule).
    pub fn quarantined(&self) -> Vec<Quarantined> {
        let mut all: Vec<_> = self
            .inner
            .integrations
            .values()
            .flat_map(|integration| {
                integration.with_faults().filter_map(|(plugin, faults)| {
                    faults.quarantined(&integration.name, &plugin.manifest().name)
                })
            })
            .collect();
        all.sort_by(|a, b| (&a.integration, &a.plugin).cmp(&(&b.integration, &b.plugin)));
        all
    }

    /// Ends the quarantine of the plugins of an integration, for an operator.
    ///
    /// Returns the names of the plugins that were quarantined. The log records each.
    pub fn release(&self, integration: &str) -> Vec<String> {
        let Some(integration) = self.integration(integration) else {
            return Vec::new();
        };
        let mut released = Vec::new();
        for (plugin, faults) in integration.with_faults() {
            if faults.release() {
                let name = &plugin.manifest().name;
                self.record_released(integration, name, true);
                released.push(name.clone());
            }
        }
        released
    }

    /// Makes the decision one in flight.
    ///
    /// # Errors
    ///
    /// The deny, if too many decisions are in flight. It is not recorded: that would be a queue.
    pub(super) fn enter<'a>(
        &'a self,
        integration: Option<&'a Integration>,
    ) -> Result<Admitted<'a>, Box<Decision>> {
        let of_host = &self.inner.parts.in_flight;
        let Some(host_place) = of_host.enter() else {
            let most = of_host.most();
            let detail = format!(
                "this host has its maximum of {} in flight: call it from fewer threads, or raise `max` in `[in-flight]`",
                counted(most, "decision")
            );
            return Err(Box::new(self.overloaded(integration, detail)));
        };
        self.record_overload(of_host, None);
        let of_integration = match integration {
            None => None,
            Some(integration) => {
                let Some(place) = integration.in_flight.enter() else {
                    let (name, most) = (&integration.name, integration.in_flight.most());
                    let detail = format!(
                        "integration `{name}` has its maximum of {} in flight: send it fewer requests at a time, or raise its `max-in-flight`",
                        counted(most, "decision")
                    );
                    return Err(Box::new(self.overloaded(Some(integration), detail)));
                };
                self.record_overload(&integration.in_flight, Some(&integration.name));
                Some(place)
            }
        };
        Ok(Admitted {
            _of_host: host_place,
            _of_integration: of_integration,
        })
    }

    /// Asks a plugin of the integration, unless it is quarantined.
    pub(super) fn ask(
        &self,
        integration: &Integration,
        (plugin, faults): (&Plugin, &Faults),
        question: Question<'_>,
        sources: Sources<'_>,
    ) -> Evaluation {
        let call = || plugin.answer(question, integration.instances);
        let (evaluation, turn) = match sources {
            Sources::Recorded(..) => (call(), None),
            Sources::DryRun => (faults.ask_dry(call), None),
            Sources::Live => faults.ask(&self.inner.parts.quarantine, call),
        };
        let name = &plugin.manifest().name;
        match turn {
            None => {}
            Some(Turn::Ended) => self.record_released(integration, name, false),
            Some(Turn::Begun) => {
                let quarantined = faults.quarantined(&integration.name, name);
                if let (Some(log), Some(quarantined)) = (&self.inner.parts.log, quarantined) {
                    // Ignored: decisions that cannot be recorded are denied in any case.
                    let _ = log.record_quarantined(&quarantined, Timestamp::now());
                }
            }
        }
        evaluation
    }

    fn overloaded(&self, integration: Option<&Integration>, detail: String) -> Decision {
        let mode = integration.map_or(self.mode_of_unknown(), |it| it.mode);
        Decision::deny(Cause::PluginFaulted(FaultKind::Overloaded), detail).in_mode(mode)
    }

    fn record_released(&self, integration: &Integration, plugin: &str, by_operator: bool) {
        if let Some(log) = &self.inner.parts.log {
            let released = Released {
                integration: integration.name.clone(),
                plugin: plugin.to_owned(),
                by_operator,
            };
            // Ignored: decisions that cannot be recorded are denied in any case.
            let _ = log.record_released(&released, Timestamp::now());
        }
    }

    /// Records how many requests were denied at once before this one.
    fn record_overload(&self, in_flight: &InFlight, integration: Option<&str>) {
        let denied = in_flight.take_refused();
        if denied == 0 {
            return;
        }
        if let Some(log) = &self.inner.parts.log {
            let overloaded = Overloaded {
                integration: integration.map(str::to_owned),
                denied,
                max_in_flight: in_flight.most(),
            };
            if log
                .record_overloaded(&overloaded, Timestamp::now())
                .is_err()
            {
                in_flight.put_back_refused(denied);
            }
        }
    }
}
