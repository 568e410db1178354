//! Reads the bounds of a host's load: `[in-flight]` and `[quarantine]`.

use super::set;
use crate::in_flight::{InFlight, MAX_IN_FLIGHT, MAX_OF_INTEGRATION};
use crate::quarantine::QuarantineRule;
use portcullis_model::document::Section;
use portcullis_sandbox::MAX_CONCURRENT_DECISIONS;
use std::time::Duration;

/// Bounds of a host's load.
pub(super) struct Load {
    pub(super) max: u32,
    /// Maximum of integrations without one of their own.
    pub(super) per_integration: u32,
    pub(super) quarantine: QuarantineRule,
}

/// Reads `[in-flight]` and `[quarantine]`.
pub(super) fn load(root: &mut Section<'_, '_>) -> Load {
    let mut load = Load {
        max: MAX_IN_FLIGHT,
        per_integration: MAX_OF_INTEGRATION,
        quarantine: QuarantineRule::default(),
    };
    if let Some(mut section) = root.section("in-flight") {
        set(&mut load.max, decisions(&mut section, "max"));
        set(
            &mut load.per_integration,
            decisions(&mut section, "per-integration"),
        );
        section.end();
    }
    if let Some(mut section) = root.section("quarantine") {
        let rule = &mut load.quarantine;
        let faults = section.integer("faults", 0..=1000);
        set(
            &mut rule.faults,
            faults.and_then(|it| u32::try_from(it).ok()),
        );
        let range = Duration::from_millis(10)..=Duration::from_secs(24 * 60 * 60);
        let place = section.place_of("backoff");
        set(
            &mut rule.backoff,
            section.duration("backoff", range.clone()),
        );
        set(
            &mut rule.max_backoff,
            section.duration("max-backoff", range),
        );
        if rule.backoff > rule.max_backoff {
            section.source().error(
                place,
                format!(
                    "`backoff` is at most `max-backoff`, which is {:?}: lower one or raise the other",
                    rule.max_backoff
                ),
            );
        }
        section.end();
    }
    load
}

/// Reads the `max-in-flight` of an integration.
pub(super) fn of_integration(section: &mut Section<'_, '_>) -> Option<InFlight> {
    decisions(section, "max-in-flight").map(InFlight::new)
}

/// Reads a maximum number of decisions in flight.
fn decisions(section: &mut Section<'_, '_>, key: &'static str) -> Option<u32> {
    let most = usize::try_from(MAX_CONCURRENT_DECISIONS).unwrap_or(usize::MAX);
    let decisions = section.integer(key, 1..=most)?;
    u32::try_from(decisions).ok()
}
