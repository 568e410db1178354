//! Offers to request approval of a denied request.

use super::{AccessRequests, Pdp};
use crate::admission::Admission;
use crate::decision::{AccessRequest, Approval, ApprovalArgument, Decision};
use crate::log::without_credentials;
use portcullis_contract::{escape_key, excerpt, printable};
use portcullis_model::cause::Cause;
use portcullis_model::digest::Digest;
use portcullis_model::request::Request;
use portcullis_model::secret::well_known_withheld;
use portcullis_trust::intent::{Chain, Intents, Nearest, StoredIntent};
use serde_json::Value;

/// Maximum number of arguments that an approval shows.
const MAX_ARGUMENTS: usize = 16;

impl Pdp {
    /// Adds instructions for requesting approval to a deny that an approved intent could change.
    ///
    /// None are added if approvals are not configured, or if the action and the resource are not within the
    /// request's intent.
    pub(super) fn offered(&self, decision: Decision, denied: &Admission<'_>) -> Decision {
        match self.offer(&decision, denied) {
            Some(access_request) => decision.requestable(access_request),
            None => decision,
        }
    }

    fn offer(&self, decision: &Decision, denied: &Admission<'_>) -> Option<AccessRequest> {
        let how = self.inner.parts.access_requests.as_ref()?;
        let cause = decision.cause();
        // An approver would not see the answers to the server's questions.
        if !decision.is_requestable() || !denied.request.round_trip().is_empty() {
            return None;
        }
        let chain = denied.chain.ok().flatten();
        let may_ask = match chain.and_then(|chain| may_be_asked(chain, denied)) {
            Some(may_ask) => cause == Cause::OutsideIntent && may_ask,
            None => how.beyond_intent || chain.is_none_or(|chain| is_within(chain, denied)),
        };
        may_ask.then(|| self.access_request(how, cause, denied))
    }

    fn access_request(
        &self,
        how: &AccessRequests,
        cause: Cause,
        denied: &Admission<'_>,
    ) -> AccessRequest {
        let request = denied.request;
        let (arguments, arguments_left_out) = arguments(cause, denied);
        let approvers = self.intents().map_or_else(Vec::new, Intents::approvers);
        AccessRequest {
            endpoint: how.endpoint.clone(),
            template: how.template.clone(),
            // A principal cannot approve its own request.
            approvers: approvers
                .into_iter()
                .filter(|who| *who != request.principal().id)
                .map(str::to_owned)
                .collect(),
            approval: Approval {
                // The approver reads these, so they are made printable.
                integration: printable(request.integration()),
                action: request.action().to_owned(),
                resource: printable(&request.resource().id),
                arguments,
                arguments_left_out,
                arguments_digest: Digest::of(request.canonical_arguments().as_bytes()),
            },
            expires_at: denied.now.plus(how.valid_for),
        }
    }
}

/// True if each intent of the chain has an allowance of the action and the resource, and denies neither.
fn is_within(chain: &Chain, denied: &Admission<'_>) -> bool {
    chain.iter().all(|intent| {
        let nearest = intent.nearest(denied.request, denied.class);
        !intent.denies(denied.request) && nearest.first().is_some_and(Nearest::is_about_it)
    })
}

/// True if the intents of the chain let approval be requested. `None` if none of them has an opinion.
fn may_be_asked(chain: &Chain, denied: &Admission<'_>) -> Option<bool> {
    let has_asks = |intent: &&StoredIntent| intent.allows.iter().any(|it| it.asks.is_some());
    let opinions = chain
        .iter()
        .map(|it| &**it)
        .filter(has_asks)
        .filter_map(|intent| {
            let is_denied = intent.denies(denied.request);
            if !is_denied && intent.allowance_for(denied.request, denied.class).is_some() {
                return None;
            }
            let nearest = intent.nearest(denied.request, denied.class);
            let may_ask = nearest
                .iter()
                .any(|it| it.may_be_asked(denied.request) == Some(true));
            Some(!is_denied && may_ask)
        });
    opinions.reduce(|one, other| one && other)
}

/// The arguments that an approver has to know.
///
/// These are the arguments that the nearest allowance does not admit, or else all of them. The second value
/// counts those that are not listed.
fn arguments(cause: Cause, denied: &Admission<'_>) -> (Vec<ApprovalArgument>, usize) {
    let request = denied.request;
    let chain = denied.chain.ok().flatten();
    let outside = chain.into_iter().flat_map(|chain| chain.iter());
    let mut outside = outside.filter(|intent| {
        cause == Cause::OutsideIntent && intent.allowance_for(request, denied.class).is_none()
    });
    let nearest = outside
        .next()
        .and_then(|intent| intent.nearest(request, denied.class).into_iter().next())
        .filter(Nearest::is_about_it);
    let mut paths: Vec<String> = Vec::new();
    let mut left_out = 0;
    if let Some(nearest) = &nearest {
        let unmet = nearest.unmet.iter().map(|it| it.path().to_owned());
        // An argument that is both unmet and unlisted is shown once.
        let (unlisted, further) = nearest.unlisted(request, MAX_ARGUMENTS + nearest.unmet.len());
        left_out = further;
        for path in unmet.chain(unlisted) {
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
    }
    if paths.is_empty() || paths.iter().any(String::is_empty) {
        let members = request.arguments().as_object().into_iter().flatten();
        left_out = 0;
        paths = members
            .map(|(name, _)| format!("/{}", escape_key(name)))
            .collect();
    }
    // Also in a part of the arguments, headers are found by the member that holds them.
    let shown = without_credentials(request.arguments());
    let shown_paths = paths.iter().take(MAX_ARGUMENTS);
    let listed = shown_paths.map(|path| argument(path, &shown, request));
    (
        listed.collect(),
        paths.len().saturating_sub(MAX_ARGUMENTS) + left_out,
    )
}

fn argument(path: &str, shown: &Value, request: &Request) -> ApprovalArgument {
    let text = |text: &str| Value::from(excerpt(&well_known_withheld(text)));
    let value = shown.pointer(path).map(|value| match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        Value::String(it) => text(it),
        Value::Array(_) | Value::Object(_) => text(&value.to_string()),
    });
    let stated = request.origins();
    let mut origins: Vec<_> = stated.stated(path).into_iter().map(excerpt).collect();
    origins.sort_unstable();
    origins.dedup();
    ApprovalArgument {
        path: excerpt(path),
        origins: match value {
            None => Vec::new(),
            Some(_) => origins,
        },
        value,
    }
}
