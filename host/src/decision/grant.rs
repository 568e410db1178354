//! The [`Grant`] of a permit, and the only function that makes one.

use super::consulted::Consulted;
use super::{Decision, Outcome};
use crate::admission::Ceiling;
use crate::combine::{Combined, CombinedEffect, tighter};
use crate::integration::Integration;
use crate::unmet::found_instead;
use portcullis_contract::{Constraint, printable};
use portcullis_model::cause::{Cause, Refusal};
use portcullis_model::count::counted;
use portcullis_model::inputs::Inputs;
use portcullis_model::request::Request;
use portcullis_model::timestamp::Timestamp;
use portcullis_model::trace::{Conclusion, Trace};
use portcullis_model::verdict::{Effect, Narrowing, Obligation};
use portcullis_sandbox::Fault;
use serde::Serialize;

/// Bounds of a permit: its expiry, remaining uses and constraints.
///
/// It holds only for the same principal, action, resource, arguments and answers to the server's questions.
/// Only the host makes a grant, so its existence proves a permit.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Grant {
    expires_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining_uses: Option<u64>,
    constraints: Vec<Constraint>,
}

impl Grant {
    /// Time at which the grant expires.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// Number of uses left, this call included. `None` if unlimited.
    pub fn remaining_uses(&self) -> Option<u64> {
        self.remaining_uses
    }

    /// Constraints that the arguments must meet.
    pub fn constraints(&self) -> &[Constraint] {
        &self.constraints
    }
}

/// Makes the decision from the plugins' combined answer.
///
/// INVARIANT (one door): only this function makes a [`Grant`], and so only this function permits a
/// request.
pub(crate) fn accept(
    combined: Combined,
    plugins: Vec<Consulted>,
    request: &Request,
    integration: &Integration,
    ceiling: Ceiling,
    now: Timestamp,
    trace: &mut impl Trace,
) -> Decision {
    let Combined {
        effect,
        reasons,
        mut obligations,
        mut advice,
        narrowing,
        requestable,
    } = combined;
    let (outcome, cause, detail) = match effect {
        CombinedEffect::Permit => {
            match grant(
                narrowing,
                &obligations,
                request,
                integration,
                ceiling,
                now,
                trace,
            ) {
                Ok(grant) => (Outcome::Permit(grant), Cause::Permitted, String::new()),
                Err((cause, detail)) => {
                    // The gateway must not carry out a permit's obligations for a denied call.
                    obligations.clear();
                    advice.clear();
                    (Outcome::Deny, cause, detail)
                }
            }
        }
        other => {
            let (cause, detail) = refusal(other, &plugins, request);
            (Outcome::Deny, cause, detail)
        }
    };
    Decision {
        outcome,
        mode: integration.mode,
        inputs: Inputs::default(),
        uses: Vec::new(),
        access_request: None,
        requestable,
        id: None,
        cause,
        detail: printable(&detail),
        reasons,
        obligations,
        advice,
        plugins,
        candidate: None,
    }
}

/// Computes the grant of a permit, or the reason to refuse it.
pub(super) fn grant(
    narrowing: Narrowing,
    obligations: &[Obligation],
    request: &Request,
    integration: &Integration,
    ceiling: Ceiling,
    now: Timestamp,
    trace: &mut impl Trace,
) -> Result<Grant, Refusal> {
    let unknown = obligations
        .iter()
        .find(|obligation| !integration.can_fulfil(&obligation.kind, request));
    trace.check(
        || "obligations".to_owned(),
        conclusion(obligations.len(), unknown),
        || match obligations {
            [] => "the permit has none".to_owned(),
            obligations => {
                let kinds: Vec<_> = obligations
                    .iter()
                    .map(|o| format!("`{}`", o.kind))
                    .collect();
                format!("the permit obliges to {}", kinds.join(", "))
            }
        },
    );
    if let Some(unknown) = unknown {
        return Err((
            Cause::UnsupportedObligation,
            format!(
                "the permit obliges to `{}`, which the enforcement point does not support: once it does, list it under `obligations` of the integration, or in the request's `supported_obligations`",
                unknown.kind
            ),
        ));
    }
    let mut constraints = narrowing.constraints;
    // Admission already checked the request against these, for each intent of its chain.
    constraints.extend(ceiling.constraints);
    let unmet = constraints
        .iter()
        .find(|constraint| !constraint.met_by(request.arguments(), request.origins()));
    trace.check(
        || "constraints".to_owned(),
        conclusion(constraints.len(), unmet),
        || match constraints.as_slice() {
            [] => "the permit has none".to_owned(),
            constraints => {
                let texts: Vec<_> = constraints.iter().map(|c| format!("`{c}`")).collect();
                format!("the permit holds for {}", texts.join(", "))
            }
        },
    );
    if let Some(unmet) = unmet {
        return Err((
            Cause::ConstraintUnmet,
            format!(
                "the permit holds only for `{unmet}`, which the arguments do not meet: {}",
                found_instead(unmet, request)
            ),
        ));
    }
    let most = integration.grant_ttl();
    let lifetime = narrowing.lifetime.map_or(most, |own| own.min(most));
    let expires_at = ceiling
        .expires_at
        .map_or(now.plus(lifetime), |most| most.min(now.plus(lifetime)));
    let remaining_uses = tighter(narrowing.max_uses.map(u64::from), ceiling.remaining_uses);
    let empty = expires_at <= now || remaining_uses == Some(0);
    let concluded = if empty {
        Conclusion::Stop
    } else {
        Conclusion::Pass
    };
    trace.check(
        || "grant".to_owned(),
        concluded,
        || {
            let uses = remaining_uses.map(|uses| counted(uses, "use"));
            let uses = uses.unwrap_or_else(|| "any number of uses".to_owned());
            format!("until {expires_at}, for {uses}")
        },
    );
    if empty {
        return Err((
            Cause::EmptyGrant,
            "the grant has no time or no use left: check `max-grant-ttl` and the grants of the plugins".to_owned(),
        ));
    }
    Ok(Grant {
        expires_at,
        remaining_uses,
        constraints,
    })
}

fn conclusion<T>(looked_at: usize, stopped: Option<T>) -> Conclusion {
    match (looked_at, stopped) {
        (_, Some(_)) => Conclusion::Stop,
        (0, None) => Conclusion::NotApplicable,
        (_, None) => Conclusion::Pass,
    }
}

fn refusal(effect: CombinedEffect, plugins: &[Consulted], request: &Request) -> Refusal {
    let of = |wanted: &dyn Fn(&Result<Effect, Fault>) -> bool| {
        plugins
            .iter()
            .find(|plugin| wanted(&plugin.outcome))
            .map_or("", |plugin| plugin.name.as_str())
    };
    match effect {
        CombinedEffect::Deny => {
            let name = of(&|outcome| *outcome == Ok(Effect::Deny));
            let detail =
                format!("plugin `{name}` denies, and no other can overrule it: see its reasons");
            (Cause::PluginDenied, detail)
        }
        CombinedEffect::Faulted(kind) => {
            let fault = plugins
                .iter()
                .find_map(|plugin| Some((&plugin.name, plugin.outcome.as_ref().err()?)));
            let detail = match fault {
                Some((name, fault)) => format!("plugin `{name}` did not decide: {fault}"),
                None => "a plugin did not decide".to_owned(),
            };
            (Cause::PluginFaulted(kind), detail)
        }
        CombinedEffect::Indeterminate => {
            let name = of(&|outcome| *outcome == Ok(Effect::Indeterminate));
            let detail = format!("plugin `{name}` lacks an input that it needs: see its reasons");
            (Cause::Indeterminate, detail)
        }
        CombinedEffect::NotApplicable | CombinedEffect::Permit => (
            Cause::NotApplicable,
            format!(
                "no plugin of `{}` has a rule for this request: add one if it should be allowed",
                request.integration()
            ),
        ),
    }
}
