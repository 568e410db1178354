//! Actions that a principal could take, for lists of tools.

use super::decide::MAX_STEPS;
use super::{Pdp, caught};
use portcullis_contract::work::Budget;
use portcullis_contract::{Constraint, Operator};
use portcullis_model::cause::Cause;
use portcullis_model::inputs::Sources;
use portcullis_model::request::Request;
use portcullis_model::timestamp::Timestamp;
use portcullis_trust::intent::{Nearest, StoredIntent};
use serde_json::Value;
use std::collections::BTreeSet;

/// An argument whose value an intent does not accept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnmetArgument {
    /// Its place, a JSON Pointer into the arguments.
    pub path: String,
    /// Actions whose results have a field that the intent accepts a value of, sorted.
    pub reads: Vec<String>,
}

impl UnmetArgument {
    fn of(constraint: &Constraint) -> Self {
        let mut reads = BTreeSet::new();
        let operator = constraint.operator();
        add_reads(operator, constraint.operand(), &mut reads);
        Self {
            path: constraint.path().to_owned(),
            reads: reads.into_iter().collect(),
        }
    }
}

/// Adds the actions of the origins that an operand accepts.
fn add_reads(operator: Operator, operand: &Value, reads: &mut BTreeSet<String>) {
    match (operator, operand) {
        (Operator::OriginIs, Value::Array(origins)) => {
            let origins = origins.iter().filter_map(Value::as_str);
            let fields = origins.filter_map(|it| it.strip_prefix("tool:")?.split_once('#'));
            reads.extend(
                fields
                    .map(|(action, _)| action.to_owned())
                    .filter(|it| it != "*"),
            );
        }
        (_, Value::Array(alternatives)) => {
            for alternative in alternatives {
                add_nested(alternative, reads);
            }
        }
        (_, nested) => add_nested(nested, reads),
    }
}

fn add_nested(nested: &Value, reads: &mut BTreeSet<String>) {
    let operator = nested.get("op").cloned();
    let operator = operator.and_then(|op| serde_json::from_value::<Operator>(op).ok());
    if let (Some(operator), Some(operand)) = (operator, nested.get("value")) {
        add_reads(operator, operand, reads);
    }
}

impl Pdp {
    /// True if a request like `request` with other arguments could be permitted now.
    ///
    /// For lists that an agent sees: an action that neither its identity nor its intent allows, or that no plugin
    /// judges, is not worth a place there. It is a dry run, and no permit: each call is decided for itself.
    pub fn could_permit(&self, request: &Request) -> bool {
        let request = &*self.named(request);
        let now = Timestamp::now();
        let decision = caught(|| self.decide(request, now, Sources::DryRun, &mut ()));
        match decision.cause() {
            Cause::Permitted
            | Cause::PluginDenied
            | Cause::Indeterminate
            | Cause::ConstraintUnmet
            | Cause::AnswersNotJudged
            | Cause::UnsupportedObligation
            | Cause::TooComplex => true,
            Cause::OutsideIntent => self.is_about_its_intent(request, now),
            _ => false,
        }
    }

    /// Arguments for whose values a request is outside its intents.
    ///
    /// For the text of a denial: they are those of the allowance that is nearest to the request.
    pub fn unmet_arguments(&self, request: &Request) -> Vec<UnmetArgument> {
        let request = &*self.named(request);
        self.of_nearest(request, Timestamp::now(), |intents| {
            let unmet = intents.iter().filter(|(_, nearest)| nearest.is_about_it());
            let unmet = unmet.flat_map(|(_, nearest)| nearest.unmet.iter());
            unmet
                .map(|constraint| UnmetArgument::of(constraint))
                .collect()
        })
        .unwrap_or_default()
    }

    /// True if each intent of the request has an allowance for the action and the resource, and denies neither.
    fn is_about_its_intent(&self, request: &Request, now: Timestamp) -> bool {
        self.of_nearest(request, now, |intents| {
            intents
                .iter()
                .all(|(intent, nearest)| !intent.denies(request) && nearest.is_about_it())
        })
        .unwrap_or_default()
    }

    /// Looks at the intents of a request, each with its allowance that is nearest to it.
    fn of_nearest<T>(
        &self,
        request: &Request,
        now: Timestamp,
        look: impl FnOnce(&[(&StoredIntent, Nearest<'_>)]) -> T,
    ) -> Option<T> {
        let class = self
            .integration(request.integration())?
            .class_of(request.action());
        let _budget = Budget::begin(MAX_STEPS);
        let chain = self.chain(request, now, Sources::DryRun).ok()??;
        let nearest: Option<Vec<_>> = chain
            .iter()
            .map(|intent| {
                let nearest = intent.nearest(request, class).into_iter().next();
                Some((&**intent, nearest?))
            })
            .collect();
        nearest.map(|nearest| look(&nearest))
    }
}
