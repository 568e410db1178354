//! The last decisions, for the status page.

use crate::connection::Caller;
use crate::settings::Settings;
use portcullis_host::{Decision, Request, Timestamp, excerpt, well_known_withheld};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The last decisions in memory, without arguments.
#[derive(Debug)]
pub(crate) struct Recent {
    most: usize,
    seen: Mutex<VecDeque<RecentDecision>>,
}

/// One decision, as the status page shows it.
///
/// It has no arguments and no message, since both can hold values that the log masks.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct RecentDecision {
    /// Time of the decision.
    pub at: Timestamp,
    /// Id of the decision, by which `portcullis log query --id` finds it.
    pub id: String,
    /// Name of the enforcement point.
    pub pep: String,
    /// Name of the integration.
    pub integration: String,
    /// Id of the principal.
    pub principal: String,
    /// Name of the action.
    pub action: String,
    /// Type and id of the resource; the id is left out if the log masks it.
    pub resource: String,
    /// True for a permit.
    pub decision: bool,
    /// Cause of the decision.
    pub cause: String,
    /// Codes of the plugins' reasons, each with its plugin.
    pub reasons: Vec<String>,
    /// Time of the decision with its record, in microseconds.
    pub micros: u64,
}

impl RecentDecision {
    pub(crate) fn of(
        caller: &Caller,
        request: &Request,
        decision: &Decision,
        took: Duration,
        settings: &Settings,
    ) -> Self {
        let shown = |text: &str| excerpt(&well_known_withheld(text));
        let resource = request.resource();
        let id = match settings.masks_resource_id {
            true => "(masked)".to_owned(),
            false => shown(&resource.id),
        };
        let reasons = decision.reasons().iter();
        Self {
            at: Timestamp::now(),
            id: decision.id().unwrap_or_default().to_owned(),
            pep: caller.pep().id.clone(),
            integration: shown(request.integration()),
            principal: shown(&request.principal().id),
            action: shown(request.action()),
            resource: match resource.kind.as_str() {
                "" => id,
                kind => format!("{} {id}", shown(kind)),
            },
            decision: decision.is_permit(),
            cause: decision.cause().as_str().to_owned(),
            reasons: reasons
                .map(|reason| format!("{}: {}", reason.plugin, excerpt(&reason.code)))
                .collect(),
            micros: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        }
    }
}

/// Times of the last decisions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Latency {
    /// Number of decisions that the times are of.
    pub decisions: usize,
    /// Median in microseconds.
    pub median_us: u64,
    /// 99th percentile in microseconds.
    pub p99_us: u64,
    /// Longest in microseconds.
    pub most_us: u64,
}

impl Recent {
    /// Keeps at most `most` decisions.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            seen: Mutex::default(),
        }
    }

    pub(crate) fn add(&self, seen: RecentDecision) {
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        while all.len() >= self.most.max(1) {
            all.pop_front();
        }
        if self.most > 0 {
            all.push_back(seen);
        }
    }

    /// The last decisions, newest first.
    pub(crate) fn newest_first(&self) -> Vec<RecentDecision> {
        let all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().rev().cloned().collect()
    }

    /// Times of the last decisions, with the record in the log.
    pub(crate) fn latency(&self) -> Latency {
        let mut times: Vec<_> = {
            let all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            all.iter().map(|seen| seen.micros).collect()
        };
        times.sort_unstable();
        let at = |hundredths: usize| {
            let rank = (times.len() * hundredths).div_ceil(100).saturating_sub(1);
            times.get(rank).copied().unwrap_or_default()
        };
        Latency {
            decisions: times.len(),
            median_us: at(50),
            p99_us: at(99),
            most_us: at(100),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(micros: u64) -> RecentDecision {
        RecentDecision {
            at: Timestamp::now(),
            id: micros.to_string(),
            pep: String::new(),
            integration: String::new(),
            principal: String::new(),
            action: String::new(),
            resource: String::new(),
            decision: true,
            cause: String::new(),
            reasons: Vec::new(),
            micros,
        }
    }

    #[test]
    fn only_the_last_decisions_are_kept() {
        let recent = Recent::new(3);
        for micros in 1..=5 {
            recent.add(decided(micros));
        }
        let ids: Vec<_> = recent.newest_first().into_iter().map(|it| it.id).collect();
        assert_eq!(ids, ["5", "4", "3"]);
        let none = Recent::new(0);
        none.add(decided(1));
        assert!(none.newest_first().is_empty());
    }

    #[test]
    fn the_times_are_those_of_the_kept_decisions() {
        let recent = Recent::new(100);
        assert_eq!(recent.latency(), Latency::default());
        for micros in (1..=200).rev() {
            recent.add(decided(micros));
        }
        let expected = Latency {
            decisions: 100,
            median_us: 50,
            p99_us: 99,
            most_us: 100,
        };
        assert_eq!(recent.latency(), expected);
    }
}
