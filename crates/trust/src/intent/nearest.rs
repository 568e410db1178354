//! The allowance of an intent that is nearest to a request, to explain a denial.

use super::arguments;
use super::{Allowance, Arguments, StoredIntent};
use portcullis_contract::{ActionClass, Constraint};
use portcullis_model::request::Request;
use std::cmp::Reverse;

/// An allowance, and the parts of it that a request does not meet.
#[derive(Debug)]
pub struct Nearest<'i> {
    /// The allowance.
    pub allowance: &'i Allowance,
    /// True if the request is for its integration.
    pub has_integration: bool,
    /// True if it allows the action.
    pub has_action: bool,
    /// True if it allows the resource.
    pub has_resource: bool,
    /// True if the request has the arguments that it lists, and no others.
    pub has_arguments: bool,
    /// True if the request has no answers to questions of the server, or the arguments are open.
    pub has_allowed_answers: bool,
    /// The constraints that the arguments do not meet.
    pub unmet: Vec<&'i Constraint>,
}

impl<'i> Nearest<'i> {
    fn of(allowance: &'i Allowance, request: &Request, class: ActionClass) -> Self {
        let differ = match &allowance.arguments {
            Some(Arguments::Only(known)) => known.differ(request.arguments()),
            Some(Arguments::Open) | None => None,
        };
        let may_be_unsaid = allowance.arguments.is_some() || arguments::may_be_unsaid(class);
        let meets =
            |constraint: &&Constraint| constraint.met_by(request.arguments(), request.origins());
        Self {
            allowance,
            has_integration: allowance.integration == request.integration(),
            has_action: allowance.action.matches(request.action()),
            has_resource: request.resource_matches(&allowance.resource),
            has_arguments: may_be_unsaid && differ.is_none(),
            has_allowed_answers: request.round_trip().is_empty()
                || allowance.arguments == Some(Arguments::Open),
            unmet: allowance
                .constraints
                .iter()
                .filter(|constraint| !meets(constraint))
                .collect(),
        }
    }

    /// The first `most` arguments of the request that are not among those that it lists, as JSON Pointers, and the
    /// number of further ones.
    pub fn unlisted(&self, request: &Request, most: usize) -> (Vec<String>, usize) {
        match &self.allowance.arguments {
            Some(Arguments::Only(known)) => known.unlisted(request.arguments(), most),
            Some(Arguments::Open) | None => (Vec::new(), 0),
        }
    }

    /// True if approval of values may be requested, after which the allowance would include the request.
    ///
    /// All that it does not meet are constraints on arguments that it lists under `asks`, and their values stand in no
    /// text that the user did not lead to. `None` if the allowance has no `asks`.
    pub fn may_be_asked(&self, request: &Request) -> Option<bool> {
        let asks = self.allowance.asks.as_ref()?;
        let is_answer = self.has_arguments && self.has_allowed_answers && !self.unmet.is_empty();
        let may_ask = |unmet: &&Constraint| {
            let origins = request.origins();
            asks.iter().any(|path| path == unmet.path())
                && unmet.accepts_approved()
                && unmet.refused_part(request.arguments(), origins).is_none()
                && request.arguments().pointer(unmet.path()).is_some()
                && is_open_to_question(&origins.stated(unmet.path()))
        };
        Some(self.is_about_it() && is_answer && self.unmet.iter().all(may_ask))
    }

    /// True if the allowance is about the action and the resource of the request, whatever its arguments.
    pub fn is_about_it(&self) -> bool {
        self.has_integration && self.has_action && self.has_resource
    }
}

/// True unless a value stands in a text that neither the user nor a text that they named led to.
///
/// Such a text may be an attacker's, who would have the approver persuaded.
fn is_open_to_question(origins: &[&str]) -> bool {
    let may_ask = |origin: &&str| {
        let text = origin
            .strip_prefix("tool:")
            .and_then(|it| it.split_once('~'));
        text.is_none_or(|(_, place)| ["named", "reached"].iter().any(|it| place.starts_with(it)))
    };
    origins.iter().all(may_ask)
}

impl StoredIntent {
    /// Allowances in the order of their nearness to `request`, whose action is of `class`.
    ///
    /// The integration counts first, then the action, the resource, and the number of unmet constraints.
    pub fn nearest(&self, request: &Request, class: ActionClass) -> Vec<Nearest<'_>> {
        let allows = self.allows.iter();
        let mut all: Vec<_> = allows
            .map(|allowance| Nearest::of(allowance, request, class))
            .collect();
        all.sort_by_key(|it| {
            let unmet = it.unmet.len()
                + usize::from(!it.has_arguments)
                + usize::from(!it.has_allowed_answers);
            Reverse((
                it.has_integration,
                it.has_action,
                it.has_resource,
                Reverse(unmet),
            ))
        });
        all
    }
}
