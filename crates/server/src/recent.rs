//! The last decisions, for the status page.

use crate::pep::Caller;
use crate::settings::Settings;
use portcullis_host::{Decision, Request, Timestamp, excerpt, well_known_withheld};
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The last decisions in memory, without arguments.
#[derive(Debug)]
pub(crate) struct Recent {
    most: usize,
    seen: Mutex<VecDeque<Seen>>,
}

/// One decision, as the status page shows it.
///
/// It has no arguments and no message, since both can hold values that the log masks.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Seen {
    pub(crate) at: Timestamp,
    pub(crate) id: String,
    pub(crate) pep: String,
    pub(crate) integration: String,
    pub(crate) principal: String,
    pub(crate) action: String,
    pub(crate) resource: String,
    pub(crate) decision: bool,
    pub(crate) cause: &'static str,
    /// Codes of the plugins' reasons, each with its plugin.
    pub(crate) reasons: Vec<String>,
    pub(crate) micros: u64,
}

impl Seen {
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
            cause: decision.cause().as_str(),
            reasons: reasons
                .map(|reason| format!("{}: {}", reason.plugin, excerpt(&reason.code)))
                .collect(),
            micros: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        }
    }
}

/// Times of the last decisions.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Latency {
    /// Number of decisions that the times are of.
    pub(crate) decisions: usize,
    pub(crate) median_us: u64,
    pub(crate) p99_us: u64,
    pub(crate) most_us: u64,
}

impl Recent {
    /// Keeps at most `most` decisions.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            seen: Mutex::default(),
        }
    }

    pub(crate) fn add(&self, seen: Seen) {
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        while all.len() >= self.most.max(1) {
            all.pop_front();
        }
        if self.most > 0 {
            all.push_back(seen);
        }
    }

    /// The last decisions, newest first.
    pub(crate) fn newest_first(&self) -> Vec<Seen> {
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
