//! The intents of a decision point: accepts, restores and judges them.

use super::{Parts, Pdp};
use crate::integration::Integration;
use crate::log::Issued;
use crate::session::{LedgerLimits, Session};
use portcullis_contract::name::alike_key;
use portcullis_contract::{Constraint, excerpt, similar};
use portcullis_model::digest::Digest;
use portcullis_model::document::Problem;
use portcullis_model::request::Request;
use portcullis_model::timestamp::{CLOCK_LEEWAY, Timestamp};
use portcullis_trust::intent::{
    Chain, IntentError, StoredIntent, digest_of_words, member_to_write, unverified_intent,
};
use portcullis_trust::state::StateError;
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

impl Pdp {
    /// Digest of the user's words that an intent counts for, if it is known and bound to words.
    ///
    /// A session on it may be opened with these words alone, see [`digest_of_words`].
    pub fn words_of_intent(&self, id: &str) -> Option<Digest> {
        let chain = self.intents()?.chain(id)?;
        chain.last()?.said
    }

    /// The request with the origins of its arguments, as [`Session::with_origins`] computes them.
    ///
    /// If its intent is bound to other words of the user than the session has, all origins are unknown.
    pub fn in_session(&self, session: &Session, request: &Request) -> Request {
        let bound = request
            .intent()
            .and_then(|intent| self.words_of_intent(&intent.id));
        match bound.is_some_and(|bound| session.has_other_words(bound)) {
            false => session.with_origins(request),
            true => Session::open("", None, None, LedgerLimits::default()).with_origins(request),
        }
    }

    /// Reason why a session with those words may not be opened on an intent, for the operator. Without words, it may.
    pub fn refuses_words(&self, intent: &str, said: &[&str]) -> Option<String> {
        let bound = self.words_of_intent(intent)?;
        let is_for_them = said.is_empty() || bound == digest_of_words(said.iter().copied());
        (!is_for_them).then(|| {
            format!(
                "intent `{}` was approved for other words of the user: have one approved for these",
                excerpt(intent)
            )
        })
    }

    /// Accepts an intent that was approved while the host runs.
    ///
    /// `document` is a signed JWT, or JSON if intents need not be signed. The host stores the intent in the
    /// state, if there is one, and records it in the log.
    ///
    /// # Errors
    ///
    /// [`IntentError`] if the document is not a valid intent, exceeds its parent, or cannot be stored or
    /// recorded. In the last case, it is in force from now on; submit it again, so that it is in force after
    /// a restart too.
    pub fn import_intent(&self, document: &[u8]) -> Result<Arc<StoredIntent>, IntentError> {
        let intent = self.put_in_force(document)?;
        if let Some(state) = &self.inner.parts.state {
            state
                .keep_intent(&intent.id, document)
                .map_err(|error| IntentError::NotKept(error.to_string()))?;
        }
        self.record_imported(&intent)?;
        Ok(intent)
    }

    /// Accepts an intent that another host stored in the state that both use.
    pub(super) fn accept_shared_intent(&self, document: &[u8]) -> Result<(), IntentError> {
        let intent = self.put_in_force(document)?;
        self.record_imported(&intent)
    }

    fn put_in_force(&self, document: &[u8]) -> Result<Arc<StoredIntent>, IntentError> {
        let Some(rule) = &self.inner.parts.intents else {
            return Err(IntentError::NotKept(
                "no intents are configured: add `[intents]`".to_owned(),
            ));
        };
        let now = Timestamp::now();
        rule.intents.insert_if(document, |chain| {
            let parts = &self.inner.parts;
            match parts.against(&self.inner.integrations, chain, now) {
                None => Ok(()),
                Some(error) => Err(error),
            }
        })
    }

    fn record_imported(&self, intent: &StoredIntent) -> Result<(), IntentError> {
        let Some(log) = &self.inner.parts.log else {
            return Ok(());
        };
        log.record_issued(&[Issued::of(intent)], Timestamp::now())
            .map_err(|error| IntentError::NotKept(error.to_string()))
    }
}

impl Parts {
    /// Restores the intents in the state, and notes those no longer valid.
    ///
    /// An intent becomes invalid if, for example, the operator withdraws the key of an approver.
    pub(super) fn take_up_what_was_kept(&mut self) -> Result<(), StateError> {
        let (Some(rule), Some(state)) = (&self.intents, &self.state) else {
            return Ok(());
        };
        let kept = state.kept_intents()?.into_iter();
        let named = kept.map(|document| (name_in(&document), document));
        for (name, error) in rule.intents.insert_all(named.collect()) {
            let message = format!(
                "imported intent `{}` is no longer valid: {error}",
                excerpt(&name)
            );
            self.notices
                .push(Problem::warning(Path::new("[state]"), message));
        }
        Ok(())
    }

    /// Notes errors in the known intents, and warnings for their approvers.
    ///
    /// `also_named` are names of integrations that are configured, and may be unusable.
    pub(super) fn note_intents(
        &mut self,
        integrations: &HashMap<String, Integration>,
        also_named: &[String],
    ) {
        let noted = self.intent_problems(integrations, also_named);
        self.notices.extend(noted);
    }

    /// Errors in the intents that are known now, and warnings for their approvers.
    pub(super) fn intent_problems(
        &self,
        integrations: &HashMap<String, Integration>,
        also_named: &[String],
    ) -> Vec<Problem> {
        let Some(rule) = &self.intents else {
            return Vec::new();
        };
        let chains = rule.intents.chains();
        let mut noted = Vec::new();
        let place = Path::new("[intents]");
        for chain in &chains {
            let Some(intent) = chain.last() else { continue };
            // The approval time is checked against the clock when a request is decided.
            let against = self.against(integrations, chain, Timestamp::from_millis(u64::MAX));
            match &against {
                None => {}
                Some(error) => {
                    let is_slip = matches!(
                        error,
                        IntentError::ArgumentsUnsaid { .. } | IntentError::DeniesInVain { .. }
                    );
                    noted.push(match is_slip {
                        true => Problem::refused(place, error.to_string()),
                        false => Problem::warning(place, error.to_string()),
                    });
                }
            }
            let denied = intent.denies.iter().map(|it| ("denies", &it.integration));
            let allowed = intent.allows.iter().map(|it| ("allows", &it.integration));
            for (does, name) in allowed.chain(denied) {
                let message = match meant(integrations, name) {
                    Some(meant) if meant == name || does == "denies" => continue,
                    Some(meant) => format!("write `{meant}`"),
                    None if also_named.contains(name) => continue,
                    None => match similar(name, integrations.keys().map(String::as_str)) {
                        Some(meant) => {
                            format!("the clause has no effect: did you mean `{meant}`?")
                        }
                        None => "the clause has no effect".to_owned(),
                    },
                };
                let message = format!(
                    "intent `{}` {does} actions of `{name}`, but no integration has that name: {message}",
                    intent.id
                );
                noted.push(Problem::warning(place, message));
            }
            let unconstrained = intent.allows.iter().enumerate().filter_map(|(at, allowance)| {
                let acts = integrations
                    .get(&allowance.integration)?
                    .acts(&allowance.action)?;
                allowance.takes_any_values().then(|| {
                    format!(
                        "`/allows/{at}`: the listed arguments may have any values, and {acts}: add `constraints`"
                    )
                })
            });
            // The refusal of missing `arguments` says all that the warning about them would.
            let warnings = match against {
                Some(IntentError::ArgumentsUnsaid { .. }) => intent.warnings_of_stated(),
                _ => intent.warnings(),
            };
            for warning in warnings.into_iter().chain(unconstrained) {
                let message = format!("intent `{}`: {warning}", intent.id);
                noted.push(Problem::warning(place, message));
            }
        }
        noted
    }

    /// Returns the reason to reject the last intent of a chain, if any.
    ///
    /// The reasons are:
    /// - it was approved in the future,
    /// - it does not state the arguments of an action that does more than read,
    /// - it denies an integration by another spelling of its name,
    /// - it passes on a permission that its delegator is not registered for.
    pub(super) fn against(
        &self,
        integrations: &HashMap<String, Integration>,
        chain: &Chain,
        now: Timestamp,
    ) -> Option<IntentError> {
        let (intent, delegated_by) = chain.split_last()?;
        if intent.approved_at > now.plus(CLOCK_LEEWAY) {
            return Some(IntentError::FromTheFuture {
                id: intent.id.clone(),
                at: intent.approved_at,
            });
        }
        let unsaid = intent.allows.iter().find_map(|allowance| {
            let integration = integrations.get(&allowance.integration)?;
            let acts = integration.acts(&allowance.action)?;
            let known = allowance.constraints.iter().map(Constraint::path);
            allowance
                .arguments
                .is_none()
                .then(|| IntentError::ArgumentsUnsaid {
                    id: intent.id.clone(),
                    allowance: allowance.to_string(),
                    acts,
                    write: member_to_write(known),
                })
        });
        if unsaid.is_some() {
            return unsaid;
        }
        let in_vain = intent.denies.iter().find_map(|denial| {
            let meant = meant(integrations, &denial.integration)?;
            (*meant != denial.integration).then(|| IntentError::DeniesInVain {
                id: intent.id.clone(),
                named: denial.integration.clone(),
                meant: meant.clone(),
            })
        });
        if in_vain.is_some() {
            return in_vain;
        }
        let registry = self.registry.as_ref()?;
        let registry = match registry.get() {
            Ok(registry) => registry,
            Err(_) if delegated_by.is_empty() => return None,
            Err(error) => return Some(IntentError::NotKept(error.to_string())),
        };
        delegated_by.iter().find_map(|parent| {
            let delegator = registry.get(&parent.principal)?;
            let mut allowances = intent.allows.iter();
            let beyond = allowances.find(|it| !delegator.may_use(&it.integration))?;
            Some(IntentError::DelegatorNotRegistered {
                id: intent.id.clone(),
                delegator: parent.principal.clone(),
                integration: beyond.integration.clone(),
            })
        })
    }
}

/// The integration called `name`, or else one with a similar spelling.
fn meant<'a>(integrations: &'a HashMap<String, Integration>, name: &str) -> Option<&'a String> {
    let exact = integrations.get_key_value(name).map(|(known, _)| known);
    exact.or_else(|| {
        let wanted = alike_key(name);
        integrations.keys().find(|known| alike_key(known) == wanted)
    })
}

/// Returns the id that a document, possibly not a valid intent, claims.
fn name_in(document: &[u8]) -> String {
    let text = String::from_utf8_lossy(document);
    let json = match text.trim_start().starts_with('{') {
        true => text.into_owned(),
        false => unverified_intent(text.trim()).unwrap_or_default(),
    };
    let intent: Value = serde_json::from_str(&json).unwrap_or_default();
    let id = intent.get("id").and_then(Value::as_str);
    id.unwrap_or("without an id").to_owned()
}
