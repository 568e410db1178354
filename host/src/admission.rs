//! What the host itself holds a request to, before any plugin is asked and after: no policy may waive
//! it.

use crate::Timestamp;
use crate::cause::{Cause, Refusal};
use crate::combine::tighter;
use crate::integration::Integration;
use crate::intent::{Chain, Intents, StoredIntent, revoked_in};
use crate::plugin::Obligation;
use crate::posture::{Judged, Otherwise};
use crate::registry::Registry;
use crate::request::Request;
use crate::revocation::{Known, Revocable, Revocations};
use crate::trace::{Conclusion, Trace};
use portcullis_contract::{ActionClass, Constraint, PrincipalKind, excerpt};
use serde_json::json;

/// A request, and everything that it is held to.
pub(crate) struct Admission<'a> {
    pub(crate) registry: Option<&'a Registry>,
    pub(crate) revocations: Option<&'a Revocations>,
    pub(crate) intents: Option<&'a IntentRule>,
    /// The intent that the request names, if it is known, with those that it was delegated by.
    pub(crate) chain: Option<&'a Chain>,
    pub(crate) request: &'a Request,
    pub(crate) integration: &'a Integration,
    pub(crate) class: ActionClass,
    pub(crate) now: Timestamp,
}

/// A request that plugins may be asked about.
pub(crate) struct Admitted<'a> {
    pub(crate) facts: Facts<'a>,
    /// What a permit obliges to, whatever plugins say.
    pub(crate) step_up: Option<Obligation>,
    /// What a grant never exceeds.
    pub(crate) ceiling: Ceiling,
    /// How far the revocation list was known.
    pub(crate) epoch: u64,
}

/// Who needs an intent, and where it is looked up.
#[derive(Debug, Clone)]
pub(crate) struct IntentRule {
    pub(crate) intents: Intents,
    pub(crate) required_for: Vec<PrincipalKind>,
}

/// What a grant never exceeds: what is left of the credential, the intent and its ancestors.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ceiling {
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) remaining_uses: Option<u64>,
    pub(crate) constraints: Vec<Constraint>,
}

/// What is known of an intent: what was approved, or else what the request states.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IntentFacts<'a> {
    pub(crate) id: &'a str,
    pub(crate) purpose: &'a str,
    pub(crate) approved_by: &'a str,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) remaining_uses: Option<u64>,
}

/// What is known of a principal and its intent: what the registry and the approval say, or else what
/// the request states.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) intent: Option<IntentFacts<'a>>,
    pub(crate) kind: PrincipalKind,
    pub(crate) owner: &'a str,
    pub(crate) purpose: &'a str,
    pub(crate) environment: &'a str,
}

impl<'a> Facts<'a> {
    pub(crate) fn stated(request: &'a Request) -> Self {
        let principal = request.principal();
        Self {
            intent: request.intent().map(|intent| IntentFacts {
                id: &intent.id,
                purpose: &intent.purpose,
                approved_by: &intent.approved_by,
                expires_at: intent.expires_at,
                remaining_uses: intent.remaining_uses,
            }),
            kind: principal.kind,
            owner: &principal.owner,
            purpose: &principal.purpose,
            environment: &principal.environment,
        }
    }
}

impl<'a> Admission<'a> {
    /// Takes every check in order, and stops at the first that the request does not pass.
    pub(crate) fn admit(&self, trace: &mut impl Trace) -> Result<Admitted<'a>, Refusal> {
        let mut facts = self.registry(trace)?;
        self.environment(&facts, trace)?;
        self.credential(trace)?;
        let epoch = self.revocation(trace)?;
        let mut ceiling = Ceiling {
            expires_at: self.request.principal().credential_expires_at,
            ..Ceiling::default()
        };
        match self.intents {
            Some(rule) => {
                facts.intent = self.approved(rule, &facts, &mut ceiling, trace)?;
                // What the gateway knows besides, such as uses that it counted, only narrows.
                if facts.intent.is_some() {
                    self.stated_intent("intent, as stated", &mut ceiling, trace)?;
                }
            }
            None => self.stated_intent("intent", &mut ceiling, trace)?,
        }
        let step_up = self.posture(trace)?;
        Ok(Admitted {
            facts,
            step_up,
            ceiling,
            epoch,
        })
    }

    /// How far the revocation list is known; 0 if there is none.
    pub(crate) fn epoch(&self) -> u64 {
        self.revocations
            .map_or(0, |revocations| revocations.now_known().epoch())
    }

    /// Looks at the revocation list again, if it has grown since.
    pub(crate) fn revoked_since(
        &self,
        admitted: &Admitted<'_>,
        trace: &mut impl Trace,
    ) -> Option<Refusal> {
        let known = self.revocations?.now_known();
        if known.epoch() == admitted.epoch && known.unreliable(self.now).is_none() {
            return None;
        }
        let refused = self.refuse_listed(&known);
        note(trace, "revocation, again", refused.is_some(), || {
            format!(
                "the list went from epoch {} to {} meanwhile",
                admitted.epoch,
                known.epoch()
            )
        });
        refused
    }

    fn registry(&self, trace: &mut impl Trace) -> Result<Facts<'a>, Refusal> {
        let principal = self.request.principal();
        let Some(registry) = self.registry else {
            skip(trace, "registry", || "none is configured".to_owned());
            return Ok(Facts::stated(self.request));
        };
        let id = &principal.id;
        let Some(identity) = registry.get(id) else {
            note(trace, "registry", true, || format!("`{id}` is not in it"));
            return Err((
                Cause::PrincipalUnregistered,
                format!(
                    "`{id}` is not registered: have it registered with an owner, a purpose and an end"
                ),
            ));
        };
        let path = self.request.session_path;
        let refused = identity.refuse(principal, self.request.integration(), path, self.now);
        note(trace, "registry", refused.is_some(), || {
            format!(
                "`{id}` is registered until {} by {}, for {}, in {}",
                identity.expires,
                identity.owner,
                identity.integrations.join(", "),
                identity.environment
            )
        });
        match refused {
            Some(refusal) => Err(refusal),
            None => Ok(Facts {
                kind: identity.kind,
                owner: &identity.owner,
                purpose: &identity.purpose,
                environment: &identity.environment,
                ..Facts::stated(self.request)
            }),
        }
    }

    fn environment(&self, facts: &Facts<'_>, trace: &mut impl Trace) -> Result<(), Refusal> {
        let (from, to) = (
            facts.environment,
            self.request.resource().environment.as_str(),
        );
        if from.is_empty() || to.is_empty() {
            skip(trace, "environment", || {
                "the principal's or the resource's is not known".to_owned()
            });
            return Ok(());
        }
        let crosses = from != to && !self.integration.cross_environment;
        note(trace, "environment", crosses, || {
            format!("from `{from}` to `{to}`")
        });
        if crosses {
            return Err((
                Cause::EnvironmentCrossed,
                format!(
                    "a principal of `{from}` acts on a resource of `{to}`: use one of `{to}`, or set `cross-environment` for the integration"
                ),
            ));
        }
        Ok(())
    }

    fn credential(&self, trace: &mut impl Trace) -> Result<(), Refusal> {
        let Some(at) = self.request.principal().credential_expires_at else {
            skip(trace, "credential", || {
                "the request does not say when it expires".to_owned()
            });
            return Ok(());
        };
        let now = self.now;
        note(trace, "credential", at <= now, || {
            format!("it expires at {at}, and it is {now}")
        });
        if at <= now {
            return Err((
                Cause::CredentialExpired,
                format!("the credential expired at {at}: present a fresh one"),
            ));
        }
        Ok(())
    }

    /// Gives the epoch of the list that was looked at.
    fn revocation(&self, trace: &mut impl Trace) -> Result<u64, Refusal> {
        let Some(revocations) = self.revocations else {
            skip(trace, "revocation", || "no list is configured".to_owned());
            return Ok(0);
        };
        let known = revocations.now_known();
        let refused = self.refuse_listed(&known);
        note(trace, "revocation", refused.is_some(), || {
            let as_of = known
                .as_of()
                .map_or("never".to_owned(), |as_of| as_of.to_string());
            format!("the list of {as_of}, epoch {}", known.epoch())
        });
        match refused {
            Some(refusal) => Err(refusal),
            None => Ok(known.epoch()),
        }
    }

    /// Refuses what the list revokes, and everything where the list cannot be relied on.
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
            if let Some(revoked) = known.find(kind, id) {
                return Some((
                    Cause::Revoked,
                    format!("`{id}` was revoked by {}: {}", revoked.by, revoked.reason),
                ));
            }
        }
        if let Some((id, revoked)) = self.chain.and_then(|chain| revoked_in(chain, known)) {
            return Some((
                Cause::Revoked,
                format!(
                    "`{id}`, which the intent hangs on, was revoked by {}: {}",
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

    /// Holds the request to the intent that was approved, and to each that it was delegated from.
    fn approved(
        &self,
        rule: &IntentRule,
        facts: &Facts<'_>,
        ceiling: &mut Ceiling,
        trace: &mut impl Trace,
    ) -> Result<Option<IntentFacts<'a>>, Refusal> {
        let Some(named) = self.request.intent() else {
            // Who is not known to be something else is taken for what needs one.
            let needs = rule.required_for.contains(&facts.kind)
                || facts.kind == PrincipalKind::Unspecified && !rule.required_for.is_empty();
            if !needs {
                skip(trace, "intent", || {
                    "the request names none, and needs none".to_owned()
                });
                return Ok(None);
            }
            note(trace, "intent", true, || {
                "the request names none".to_owned()
            });
            let detail = "the request names no intent: have one approved, and name it".to_owned();
            return Err((Cause::IntentMissing, detail));
        };
        let refused = self.refuse_intent(&named.id, ceiling);
        note(trace, "intent", refused.is_some(), || match self.chain {
            None => format!("`{}` is not known", named.id),
            Some(chain) => chain
                .iter()
                .map(|intent| {
                    let (id, by, until) = (&intent.id, &intent.approved_by, intent.expires_at);
                    format!("`{id}`, approved by {by} until {until}")
                })
                .collect::<Vec<_>>()
                .join("; delegated as "),
        });
        match refused {
            Some(refusal) => Err(refusal),
            None => Ok(self
                .chain
                .and_then(|chain| chain.last())
                .map(|intent| IntentFacts {
                    id: &intent.id,
                    purpose: &intent.purpose,
                    approved_by: &intent.approved_by,
                    expires_at: ceiling.expires_at,
                    remaining_uses: None,
                })),
        }
    }

    fn refuse_intent(&self, id: &str, ceiling: &mut Ceiling) -> Option<Refusal> {
        let Some(intent) = self.chain.and_then(|chain| chain.last()) else {
            let detail =
                format!("nobody knows an intent `{id}`: have it approved, or name another one");
            return Some((Cause::IntentUnknown, detail));
        };
        let principal = &self.request.principal().id;
        if intent.principal != *principal {
            let detail = format!(
                "intent `{id}` was approved for `{}`, not for `{principal}`",
                intent.principal
            );
            return Some((Cause::IntentOfAnother, detail));
        }
        for intent in self.chain.iter().flat_map(|chain| chain.iter()) {
            let (id, now) = (&intent.id, self.now);
            if now < intent.issued_at {
                let detail = format!(
                    "intent `{id}` holds from {}, and it is {now}",
                    intent.issued_at
                );
                return Some((Cause::IntentNotYet, detail));
            }
            if intent.expires_at <= now {
                let detail = format!(
                    "intent `{id}` expired at {}: have a new one approved",
                    intent.expires_at
                );
                return Some((Cause::IntentExpired, detail));
            }
            let Some(allowance) = intent.allowance_for(self.request) else {
                return Some((Cause::OutsideIntent, outside(intent, self.request)));
            };
            ceiling
                .constraints
                .extend_from_slice(&allowance.constraints);
            ceiling.expires_at = tighter(ceiling.expires_at, Some(intent.expires_at));
        }
        None
    }

    /// Holds the request to what it states of its intent, where nobody else knows of it.
    fn stated_intent(
        &self,
        check: &'static str,
        ceiling: &mut Ceiling,
        trace: &mut impl Trace,
    ) -> Result<(), Refusal> {
        let Some(intent) = self.request.intent() else {
            skip(trace, check, || "the request names none".to_owned());
            return Ok(());
        };
        let now = self.now;
        let over = intent.expires_at.filter(|at| *at <= now);
        let used_up = intent.remaining_uses == Some(0);
        note(trace, check, over.is_some() || used_up, || {
            let until = intent.expires_at.map(|at| format!("until {at}"));
            let uses = intent.remaining_uses.map(|uses| format!("for {uses} uses"));
            let bounds: Vec<_> = [until, uses].into_iter().flatten().collect();
            match bounds.join(" and ").as_str() {
                "" => format!("`{}`, without an end", intent.id),
                bounds => format!("`{}`, {bounds}, and it is {now}", intent.id),
            }
        });
        let id = &intent.id;
        if let Some(at) = over {
            let detail = format!("intent `{id}` expired at {at}: have a new one approved");
            return Err((Cause::IntentExpired, detail));
        }
        if used_up {
            let detail = format!("intent `{id}` has no use left: have a new one approved");
            return Err((Cause::IntentUsedUp, detail));
        }
        ceiling.expires_at = tighter(ceiling.expires_at, intent.expires_at);
        ceiling.remaining_uses = intent.remaining_uses;
        Ok(())
    }

    /// Gives what a permit obliges to for the destination's sake.
    fn posture(&self, trace: &mut impl Trace) -> Result<Option<Obligation>, Refusal> {
        let Some(rule) = self.integration.posture else {
            skip(trace, "posture", || {
                "the integration asks for none".to_owned()
            });
            return Ok(None);
        };
        match rule.judge(self.class, self.request.resource(), self.now) {
            Judged::DoesNotMatter => {
                skip(trace, "posture", || "the action only reads".to_owned());
                Ok(None)
            }
            Judged::Well => {
                note(trace, "posture", false, || {
                    "the destination was seen to be well".to_owned()
                });
                Ok(None)
            }
            Judged::Amiss(Otherwise::Deny, what) => {
                note(trace, "posture", true, || what.clone());
                let detail = format!("{what}: have it looked at, and pass on what was seen");
                Err((Cause::PostureAmiss, detail))
            }
            Judged::Amiss(Otherwise::StepUp, what) => {
                note(trace, "posture", false, || {
                    format!("{what}, so a permit obliges to a step-up")
                });
                Ok(Some(Obligation {
                    id: "host:posture".to_owned(),
                    kind: "step-up".to_owned(),
                    properties: json!({ "reason": what }),
                }))
            }
        }
    }
}

/// What an intent allows that the request is not.
fn outside(intent: &StoredIntent, request: &Request) -> String {
    let id = &intent.id;
    let asked = format!(
        "`{}: {} {}`",
        request.integration(),
        excerpt(request.action()),
        excerpt(&request.resource().id)
    );
    let allows: Vec<_> = intent
        .allows
        .iter()
        .take(3)
        .map(ToString::to_string)
        .collect();
    let more = if intent.allows.len() > allows.len() {
        ", and more"
    } else {
        ""
    };
    format!(
        "{asked}, as it is called, is not what intent `{id}` allows: it allows {}{more}, less what it denies; have another one approved, or ask for less",
        allows.join(", ")
    )
}

fn note(
    trace: &mut impl Trace,
    name: &'static str,
    stops: bool,
    evidence: impl FnOnce() -> String,
) {
    let conclusion = if stops {
        Conclusion::Stop
    } else {
        Conclusion::Pass
    };
    trace.check(|| name.to_owned(), conclusion, evidence);
}

fn skip(trace: &mut impl Trace, name: &'static str, why: impl FnOnce() -> String) {
    trace.check(|| name.to_owned(), Conclusion::NotApplicable, why);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RequestLimits;
    use crate::request::{Principal, Resource};
    use crate::revocation::{Revoked, append};
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

    #[test]
    fn what_is_revoked_while_plugins_run_is_revoked() {
        let file =
            std::env::temp_dir().join(format!("portcullis-meanwhile-{}.jsonl", std::process::id()));
        let _ = std::fs::remove_file(&file);
        append(&file, None, NOW).unwrap();
        let revocations = Revocations::follow(&file, Duration::from_secs(60)).unwrap();
        let principal = Principal {
            id: "spiffe://acme.example/a".into(),
            credential_id: "jti-1".into(),
            ..Principal::default()
        };
        let request = Request::builder("x", principal, "a", Resource::default())
            .build(&RequestLimits::default())
            .unwrap();
        let integration = Integration::new("x");
        let admission = Admission {
            registry: None,
            revocations: Some(&revocations),
            intents: None,
            chain: None,
            request: &request,
            integration: &integration,
            class: ActionClass::Write,
            now: NOW,
        };
        let revoke = |id: &str| {
            let revoked = Revoked {
                kind: Revocable::Credential,
                id: id.into(),
                reason: "leaked".into(),
                by: "alice".into(),
            };
            append(&file, Some(revoked), NOW).unwrap();
            revocations.refresh();
        };
        let admitted = admission.admit(&mut ()).ok().unwrap();
        assert!(admission.revoked_since(&admitted, &mut ()).is_none());
        revoke("jti-2");
        assert!(
            admission.revoked_since(&admitted, &mut ()).is_none(),
            "somebody else's"
        );
        revoke("jti-1");
        let (cause, _) = admission.revoked_since(&admitted, &mut ()).unwrap();
        assert_eq!(cause, Cause::Revoked);
        assert!(admission.admit(&mut ()).is_err());
        std::fs::remove_file(file).unwrap();
    }
}
