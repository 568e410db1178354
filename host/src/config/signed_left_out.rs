//! Signers and issuers, in a build without the feature `identity`: a configuration that has them is refused.

use super::left_out;
use crate::pdp::{Pdp, PdpBuilder};
use portcullis_model::document::{Section, Source};
use portcullis_trust::intent::Intents;
use portcullis_trust::revocation::{ListError, Revocations};
use portcullis_trust::state::State;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const FEATURE: &str = "identity";

/// Verification of credentials. A build without the feature `identity` has none.
pub(super) enum Verification {}

impl Verification {
    pub(super) fn warn_of_sequences(&self, _: &Source<'_>) {
        match *self {}
    }

    pub(super) fn is_newer_than(&self, _: &dyn State) -> Result<(), String> {
        match *self {}
    }

    pub(super) fn add_to(self, _: PdpBuilder, _: Option<Arc<dyn State>>) -> PdpBuilder {
        match self {}
    }
}

pub(super) fn are_valid(_: &Pdp) -> Result<(), String> {
    Ok(())
}

pub(super) fn are_not_older(_: &Pdp, _: &Pdp) -> Result<(), String> {
    Ok(())
}

/// Issuers of security events. A build without the feature `identity` has none.
pub(super) enum EventIssuers {}

pub(super) fn add_issuers(_: PdpBuilder, issuers: EventIssuers) -> PdpBuilder {
    match issuers {}
}

/// Signers, key and event issuers of a revocation list: none.
pub(super) struct ForList {
    pub(super) signed: SignedList,
    pub(super) events: Option<EventIssuers>,
}

/// A list that need not be signed.
pub(super) struct SignedList;

impl SignedList {
    pub(super) fn follow(
        self,
        file: &Path,
        max_staleness: Duration,
    ) -> Result<Revocations, ListError> {
        Revocations::follow(file, max_staleness)
    }
}

/// Refuses the signers, the key and the event issuers of `[revocation]`.
pub(super) fn for_list(section: &mut Section<'_, '_>, _: &Path) -> Option<ForList> {
    let refused = left_out(section, &["signers", "key", "events"], FEATURE);
    (!refused).then_some(ForList {
        signed: SignedList,
        events: None,
    })
}

/// Refuses the signers of `[intents]`.
pub(super) fn intents(section: &mut Section<'_, '_>, _: &Path) -> (Intents, bool) {
    let refused = left_out(section, &["audience", "approvers", "delegators"], FEATURE);
    (Intents::default(), !refused)
}

/// Refuses `[trust-domains]` and `[credentials]`.
pub(super) fn verifier(root: &mut Section<'_, '_>, _: &Path) -> Option<Option<Verification>> {
    left_out(root, &["trust-domains", "credentials"], FEATURE).then_some(None)
}
