//! Checks of the revocation list, before and after the plugins.

use super::{Admission, Checks, Requirement};
use portcullis_model::cause::{Cause, Refusal};
use portcullis_model::inputs::{Inputs, Sources};
use portcullis_model::trace::{Conclusion, Trace};
use portcullis_trust::intent::{find_revoked, revoked_in};
use portcullis_trust::revocation::{Known, Revocable};

impl<T: Trace> Checks<'_, '_, T> {
    pub(super) fn revocation(&mut self) -> Result<(), Refusal> {
        const NAME: &str = "revocation";
        let Some(known) = self.on.known(false) else {
            self.skip(NAME, || "no list is configured".to_owned());
            return Ok(());
        };
        let seen = known.seen();
        let (as_of, epoch) = (seen.as_of, seen.epoch);
        self.inputs.revocation = Some(seen);
        let finding = || {
            let as_of = as_of.map_or("never".to_owned(), |as_of| as_of.to_string());
            format!("the list of {as_of}, epoch {epoch}")
        };
        match self.on.refuse_listed(&known) {
            Some(refusal) => self.stop(NAME, finding, refusal),
            None => {
                self.pass(NAME, Requirement::Revocation, finding);
                Ok(())
            }
        }
    }
}

impl Admission<'_> {
    /// Checks the revocation list again, if it has changed since the first check.
    pub(crate) fn revoked_since(
        &self,
        inputs: &mut Inputs,
        trace: &mut impl Trace,
    ) -> Option<Refusal> {
        let known = self.known(true)?;
        let before = inputs.revocation.as_ref().map_or(0, |seen| seen.epoch);
        if before == known.epoch() && known.unreliable(self.now).is_none() {
            return None;
        }
        let refused = self.refuse_listed(&known);
        let conclusion = match refused {
            Some(_) => Conclusion::Stop,
            None => Conclusion::Pass,
        };
        trace.check(
            || "revocation, again".to_owned(),
            conclusion,
            || {
                let now = known.epoch();
                format!("the list went from epoch {before} to {now} meanwhile")
            },
        );
        if refused.is_some() {
            inputs.revocation_again = Some(known.seen());
        }
        refused
    }

    /// Refuses what the list revokes, and every request if the list is unreliable.
    fn refuse_listed(&self, known: &Known<'_>) -> Option<Refusal> {
        match known.unreliable(self.now) {
            Some(why) => Some((Cause::RevocationStale, why)),
            None => self.find_revoked(known),
        }
    }

    fn find_revoked(&self, known: &Known<'_>) -> Option<Refusal> {
        let principal = self.request.principal();
        let credential = Some(&principal.credential_id).filter(|id| !id.is_empty());
        let intent = self.request.intent().map(|intent| &intent.id);
        let named = std::iter::once((Revocable::Principal, &principal.id))
            .chain(
                principal
                    .delegated_by
                    .iter()
                    .map(|id| (Revocable::Principal, id)),
            )
            .chain(credential.map(|id| (Revocable::Credential, id)))
            .chain(intent.map(|id| (Revocable::Intent, id)))
            .chain([(Revocable::Integration, &self.integration.name)]);
        for (kind, id) in named {
            let found = match kind {
                Revocable::Credential => known.find_credential(id, &principal.id),
                _ => known.find(kind, id),
            };
            if let Some(revoked) = found {
                return Some((
                    Cause::Revoked,
                    format!("`{id}` was revoked by {}: {}", revoked.by, revoked.reason),
                ));
            }
        }
        let chain = self.chain.ok().flatten();
        // Without `[intents]`, the chain was not checked in the original decision either.
        let carried = self.intents.is_some()
            && self
                .request
                .intent()
                .is_some_and(|intent| !intent.documents.is_empty());
        let found = match (chain, self.sources) {
            (Some(chain), _) => revoked_in(chain, known),
            // The log lacks the documents that a request carried, but names the intents of the chain.
            (None, Sources::Recorded(inputs, _)) if carried => {
                let mut seen = inputs.intents.iter();
                seen.find_map(|it| find_revoked(&it.id, &it.principal, &it.approved_by, known))
            }
            (None, _) => None,
        };
        if let Some((id, revoked)) = found {
            return Some((
                Cause::Revoked,
                format!(
                    "`{id}`, on which the intent depends, was revoked by {}: {}",
                    revoked.by, revoked.reason
                ),
            ));
        }
        self.integration.plugins.iter().find_map(|plugin| {
            let revoked = known.find(Revocable::Plugin, plugin.digest_text())?;
            let name = &plugin.manifest().name;
            Some((
                Cause::Revoked,
                format!(
                    "plugin `{name}` was revoked by {}: {}",
                    revoked.by, revoked.reason
                ),
            ))
        })
    }
}
