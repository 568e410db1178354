//! Checks of the request against its approved intent.

use super::{Admission, Checks, Requirement};
use crate::combine::tighter;
use crate::unmet::found_instead;
use portcullis_contract::name::check_resource;
use portcullis_contract::{ActionClass, Pattern, PrincipalKind, excerpt};
use portcullis_model::cause::{Cause, Refusal};
use portcullis_model::count::counted;
use portcullis_model::facts::IntentFacts;
use portcullis_model::request::Request;
use portcullis_model::timestamp::{CLOCK_LEEWAY, Timestamp};
use portcullis_model::trace::{Conclusion, Trace};
use portcullis_trust::intent::{
    Allowance, Arguments, Chain, IntentError, Intents, Nearest, StoredIntent, member_to_write,
    members_of,
};
use portcullis_trust::registry::Identity;
use portcullis_trust::state::Use;

/// The known intents, and the kinds of principal that need one.
#[derive(Debug, Clone)]
pub(crate) struct IntentRule {
    pub(crate) intents: Intents,
    pub(crate) required_for: Vec<PrincipalKind>,
}

impl<T: Trace> Checks<'_, '_, T> {
    pub(super) fn intent(&mut self) -> Result<(), Refusal> {
        match self.on.intents {
            None => self.stated("intent"),
            Some(rule) => {
                if self.approved(rule)? {
                    // The gateway's own statement, such as uses that it counted, only narrows further.
                    self.stated("intent, as stated")?;
                }
                Ok(())
            }
        }
    }

    /// Checks the request against its approved intent and that intent's ancestors.
    ///
    /// Returns false if the request names no intent and needs none.
    fn approved(&mut self, rule: &IntentRule) -> Result<bool, Refusal> {
        const NAME: &str = "intent";
        let on = self.on;
        let Some(named) = on.request.intent() else {
            // A principal of unspecified kind is treated as one that needs an intent.
            let needs = rule.required_for.contains(&self.facts.kind)
                || self.facts.kind == PrincipalKind::Unspecified && !rule.required_for.is_empty();
            if !needs {
                self.skip(NAME, || {
                    "the request names no intent, and needs no intent".to_owned()
                });
                return Ok(false);
            }
            let detail = "the request names no intent: have one approved, and name it".to_owned();
            let finding = || "the request names no intent".to_owned();
            return self.stop(NAME, finding, (Cause::IntentMissing, detail));
        };
        let id = &named.id;
        let chain = match on.chain {
            Ok(Some(chain)) => chain,
            Ok(None) => {
                let detail =
                    format!("intent `{id}` is unknown: have it approved, or name another intent");
                let finding = || format!("`{id}` is not known");
                return self.stop(NAME, finding, (Cause::IntentUnknown, detail));
            }
            Err(error) => {
                let finding = || format!("`{}` is carried", excerpt(id));
                let refusal = match error {
                    IntentError::TooComplex => (Cause::TooComplex, error.to_string()),
                    _ => {
                        let detail = format!("carried intent is invalid: {error}");
                        (Cause::IntentInvalid, detail)
                    }
                };
                return self.stop(NAME, finding, refusal);
            }
        };
        let finding = || {
            chain
                .iter()
                .map(|intent| {
                    let (id, by, until) = (&intent.id, &intent.approved_by, intent.expires_at);
                    format!("`{id}`, approved by {by} until {until}")
                })
                .collect::<Vec<_>>()
                .join("; delegated as ")
        };
        if let Some(refusal) = on.outside(chain).or_else(|| on.unregistered(chain)) {
            let cause = refusal.0;
            let looked_at = || {
                let failed = match cause {
                    Cause::OutsideIntent => chain
                        .iter()
                        .find(|intent| intent.allowance_for(on.request, on.class).is_none())
                        .map_or_else(String::new, |intent| {
                            failed_clause(intent, on.request, on.class)
                        }),
                    Cause::IntentOfAnother => {
                        let (of, asks) = (chain.last(), &on.request.principal().id);
                        let of = of.map_or("", |intent| intent.principal.as_str());
                        format!("its principal is `{of}`, but `{asks}` asks")
                    }
                    Cause::IntentNotYet | Cause::IntentExpired => format!("it is {}", on.now),
                    _ => return finding(),
                };
                format!("{}; {failed}", finding())
            };
            return self.stop(NAME, looked_at, refusal);
        }
        self.pass(NAME, Requirement::Intent, finding);
        let left = self.budgets(chain)?;
        self.facts.intent = chain.last().map(|intent| IntentFacts {
            id: &intent.id,
            purpose: &intent.purpose,
            approved_by: &intent.approved_by,
            expires_at: self.ceiling.expires_at,
            remaining_uses: left,
        });
        Ok(true)
    }

    /// Checks that every intent and allowance used has a use left.
    ///
    /// It checks each intent of the chain. A permit spends one use of each. Returns the lowest number of uses
    /// left, this one included; `None` if uses are unlimited.
    fn budgets(&mut self, chain: &Chain) -> Result<Option<u64>, Refusal> {
        const NAME: &str = "intent, uses left";
        let mut counted = Vec::new();
        for intent in chain.iter() {
            let registered = self.on.usable_registry();
            let registered = registered.and_then(|it| it.get(&intent.principal));
            self.ceiling.expires_at =
                tighter(self.ceiling.expires_at, registered.map(Identity::ends));
            self.ceiling.expires_at = tighter(self.ceiling.expires_at, Some(intent.expires_at));
            if let Some(limit) = intent.max_uses {
                counted.push(self.left(NAME, intent, None, limit)?);
            }
            let allowance = self.allowance_with_uses(NAME, intent, &mut counted)?;
            self.ceiling
                .constraints
                .extend_from_slice(&allowance.constraints);
        }
        let Some(least) = counted.iter().map(|(_, left)| *left).min() else {
            return Ok(None);
        };
        let finding = || {
            let texts: Vec<_> = counted
                .iter()
                .map(|(one, left)| format!("{left} of {}", one.limit))
                .collect();
            format!("{} are left", texts.join(", "))
        };
        if least == 0 {
            let id = chain.last().map_or("", |intent| &intent.id);
            let detail = format!(
                "intent `{id}`, or one of its ancestors, has no use left: have a new one approved"
            );
            return self.stop(NAME, finding, (Cause::IntentUsedUp, detail));
        }
        self.pass(NAME, Requirement::Intent, finding);
        self.spends(counted.into_iter().map(|(one, _)| one));
        Ok(Some(least))
    }

    /// The first matching allowance with a use left, or else the last one.
    fn allowance_with_uses<'i>(
        &mut self,
        check: &'static str,
        intent: &'i StoredIntent,
        counted: &mut Vec<(Use, u64)>,
    ) -> Result<&'i Allowance, Refusal> {
        let mut last = None;
        for (index, allowance) in intent.allowances_for(self.on.request, self.on.class) {
            let Some(limit) = allowance.max_uses else {
                return Ok(allowance);
            };
            let left = self.left(check, intent, Some(index), limit)?;
            let has_left = left.1 > 0;
            last = Some((allowance, left));
            if has_left {
                break;
            }
        }
        match last {
            Some((allowance, left)) => {
                counted.push(left);
                Ok(allowance)
            }
            // Not reached: the request was checked against the chain, so each intent has an allowance.
            None => Err((
                Cause::OutsideIntent,
                outside(intent, self.on.request, self.on.class),
            )),
        }
    }

    fn left(
        &mut self,
        check: &'static str,
        intent: &StoredIntent,
        allowance: Option<usize>,
        limit: u64,
    ) -> Result<(Use, u64), Refusal> {
        let key = self.on.counted(intent.budget_key(allowance));
        let left = limit.saturating_sub(self.spent(check, &key)?);
        let one = Use {
            key,
            limit,
            until: intent.expires_at,
        };
        Ok((one, left))
    }

    /// Checks the expiry and the uses that the request states of its intent.
    fn stated(&mut self, check: &'static str) -> Result<(), Refusal> {
        let on = self.on;
        let Some(intent) = on.request.intent() else {
            self.skip(check, || "the request names no intent".to_owned());
            return Ok(());
        };
        let now = on.now;
        let finding = || {
            let until = intent.expires_at.map(|at| format!("until {at}"));
            let uses = intent.remaining_uses;
            let uses = uses.map(|uses| format!("for {}", counted(uses, "use")));
            let bounds: Vec<_> = [until, uses].into_iter().flatten().collect();
            match bounds.join(" and ").as_str() {
                "" => format!("`{}`, without an end", intent.id),
                bounds => format!("`{}`, {bounds}, and it is {now}", intent.id),
            }
        };
        let id = &intent.id;
        if let Some(at) = intent.expires_at.filter(|at| *at <= now) {
            let detail = format!("intent `{id}` expired at {at}: have a new one approved");
            return self.stop(check, finding, (Cause::IntentExpired, detail));
        }
        if intent.remaining_uses == Some(0) {
            let detail = format!("intent `{id}` has no use left: have a new one approved");
            return self.stop(check, finding, (Cause::IntentUsedUp, detail));
        }
        // A statement of the request does not prove an intent, so nothing is established.
        self.trace
            .check(|| check.to_owned(), Conclusion::Pass, finding);
        self.ceiling.expires_at = tighter(self.ceiling.expires_at, intent.expires_at);
        self.ceiling.remaining_uses = tighter(self.ceiling.remaining_uses, intent.remaining_uses);
        Ok(())
    }
}

impl Admission<'_> {
    /// Key under which a use is counted.
    ///
    /// Observed integrations count under separate keys, so that they use up nothing that is enforced.
    pub(super) fn counted(&self, key: String) -> String {
        match self.integration.is_observed() {
            true => format!("observed {key}"),
            false => key,
        }
    }

    /// Refuses a chain if a delegator is not registered for the integration.
    fn unregistered(&self, chain: &Chain) -> Option<Refusal> {
        let registry = self.usable_registry()?;
        let (_, delegated_by) = chain.split_last()?;
        delegated_by.iter().find_map(|intent| {
            let delegator = &intent.principal;
            let identity = registry.get(delegator);
            let integration = self.request.integration();
            if let Some(identity) = identity
                && identity.ends() > self.now
                && !identity.may_use(integration)
            {
                let detail = format!("`{delegator}`, which delegated the intent, is not registered for `{integration}`, so it cannot delegate it: add it to its `integrations`, if it should be");
                return Some((Cause::IntegrationNotRegistered, detail));
            }
            let ends = identity.map(Identity::ends);
            let detail = match ends {
                Some(ends) if ends > self.now => return None,
                Some(ends) => format!("the registration of `{delegator}`, which delegated the intent, expired at {ends}: have its owner renew it"),
                None => format!("`{delegator}`, which delegated the intent, is not registered: have it registered, or another intent approved"),
            };
            Some((Cause::PrincipalUnregistered, detail))
        })
    }

    /// Returns the reason why the chain does not allow the request, if any.
    ///
    /// Uses are checked separately.
    pub(super) fn outside(&self, chain: &Chain) -> Option<Refusal> {
        let named = self.request.intent().map_or("", |intent| &intent.id);
        let intent = chain.last()?;
        if intent.id != *named {
            let detail = format!(
                "the request names intent `{}`, but carries `{}`: name the carried intent",
                excerpt(named),
                excerpt(&intent.id)
            );
            return Some((Cause::IntentInvalid, detail));
        }
        let principal = &self.request.principal().id;
        if intent.principal != *principal {
            let detail = format!(
                "intent `{}` was approved for `{}`, not for `{principal}`",
                intent.id, intent.principal
            );
            return Some((Cause::IntentOfAnother, detail));
        }
        chain
            .iter()
            .find_map(|intent| outside_one(intent, self.request, self.class, self.now))
    }
}

fn outside_one(
    intent: &StoredIntent,
    request: &Request,
    class: ActionClass,
    now: Timestamp,
) -> Option<Refusal> {
    let id = &intent.id;
    if intent.approved_at > now.plus(CLOCK_LEEWAY) {
        let (at, by) = (intent.approved_at, &intent.approved_by);
        let detail = format!(
            "intent `{id}` was approved by `{by}` at {at}, but it is {now}: correct the approver's clock, or have it approved again"
        );
        return Some((Cause::IntentNotYet, detail));
    }
    if now < intent.issued_at {
        let from = intent.issued_at;
        let detail = format!("intent `{id}` is valid from {from}, but it is {now}");
        return Some((Cause::IntentNotYet, detail));
    }
    if intent.expires_at <= now {
        let at = intent.expires_at;
        let detail = format!("intent `{id}` expired at {at}: have a new one approved");
        return Some((Cause::IntentExpired, detail));
    }
    match intent.allowance_for(request, class) {
        Some(_) => None,
        None => Some((Cause::OutsideIntent, outside(intent, request, class))),
    }
}

/// Explains why the request is outside an intent, and lists what it allows, the nearest first.
fn outside(intent: &StoredIntent, request: &Request, class: ActionClass) -> String {
    let id = &intent.id;
    let asked = format!(
        "`{}: {} {}`",
        request.integration(),
        excerpt(request.action()),
        excerpt(&request.resource().id)
    );
    let nearest = intent.nearest(request, class);
    let allows = nearest.iter().take(3).map(|it| it.allowance.to_string());
    let allows: Vec<_> = allows.collect();
    let more = if intent.allows.len() > allows.len() {
        ", and more"
    } else {
        ""
    };
    let failed = failed_clause(intent, request, class);
    format!(
        "call {asked} is outside intent `{id}`: {failed}; the intent allows {}{more}, minus its denials; have another intent approved, or request less",
        allows.join(", ")
    )
}

/// Describes the clause of an intent that the request does not meet.
///
/// It is the denial that includes the request, or else what the nearest allowance does not admit.
fn failed_clause(intent: &StoredIntent, request: &Request, class: ActionClass) -> String {
    let ambiguous = ambiguous_name(request).unwrap_or_default();
    if let Some(denial) = intent.denies.iter().find(|it| it.includes(request)) {
        return format!("it denies {denial}{ambiguous}");
    }
    let nearest = intent.nearest(request, class);
    let nearest = nearest.first();
    nearest.map_or_else(String::new, |nearest| {
        what_differs(nearest, request, class, &ambiguous)
    })
}

/// Remedy for an ambiguous resource name, which two readers could read differently.
///
/// Such a name matches no wildcard, and every denial of the action includes it.
fn ambiguous_name(request: &Request) -> Option<String> {
    let id = &request.resource().id;
    let why = check_resource(id).err()?;
    let spelled_out = id.parse::<Pattern>();
    let otherwise = match spelled_out.is_ok_and(|pattern| pattern.matches(id)) {
        true => {
            "or name it in full in an allowance without wildcards, in an intent without denials of this action"
        }
        false => "because no allowance can name it",
    };
    Some(format!(
        "; the resource's name is ambiguous, so it matches no wildcard, but every denial of the action: {why}, {otherwise}"
    ))
}

/// Maximum number of unmet constraints that a denial describes.
const MAX_UNMET: usize = 3;

/// Describes the parts of an allowance that the request does not meet.
///
/// `ambiguous` is the remedy if the resource's name is ambiguous, and empty otherwise.
fn what_differs(
    nearest: &Nearest<'_>,
    request: &Request,
    class: ActionClass,
    ambiguous: &str,
) -> String {
    let Allowance {
        integration,
        action,
        resource,
        ..
    } = nearest.allowance;
    let is_not = |what: &str, asked: &str, allowed: &dyn std::fmt::Display| {
        format!("its {what} `{}` is not `{allowed}`", excerpt(asked))
    };
    if !nearest.has_integration {
        return is_not("integration", request.integration(), integration);
    }
    if !nearest.has_action {
        return is_not("action", request.action(), action);
    }
    if !nearest.has_resource {
        let text = is_not("resource", &request.resource().id, resource);
        return match resource.has_wildcard() {
            true => text + ambiguous,
            false => text,
        };
    }
    if !nearest.has_allowed_answers {
        return "the call answers questions of the server, which only an allowance with open arguments covers: have one approved with `\"arguments\": \"open\"`".to_owned();
    }
    if nearest.unmet.is_empty() {
        return other_arguments(nearest.allowance.arguments.as_ref(), request, class);
    }
    let unmet = nearest.unmet.iter().take(MAX_UNMET);
    let mut described: Vec<_> = unmet
        .map(|unmet| format!("`{unmet}`: {}", found_instead(unmet, request)))
        .collect();
    if nearest.unmet.len() > MAX_UNMET {
        described.push(format!(
            "{} more are not met",
            nearest.unmet.len() - MAX_UNMET
        ));
    }
    format!("its arguments do not meet {}", described.join("; "))
}

/// Describes how the request's arguments differ from those of an allowance.
fn other_arguments(arguments: Option<&Arguments>, request: &Request, class: ActionClass) -> String {
    let Some(arguments) = arguments else {
        let has = members_of(request.arguments());
        return format!(
            "the allowance has no `arguments`, so it allows only actions classified as `read`, but `{}` is {}: have it approved with {}",
            excerpt(request.action()),
            class.as_str(),
            member_to_write(has.iter().map(String::as_str))
        );
    };
    let other = arguments.other_than(request.arguments());
    other.unwrap_or_default()
}
