//! Several evaluations (section 7).

use super::Call;
use super::evaluation::{denied, evaluation};
use crate::observe;
use crate::refusal::Refusal;
use axum::Json;
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use futures_util::stream;
use portcullis_host::{Request, json};
use serde_json::Value;
use std::pin::pin;

/// Evaluations that are decided at a time, so that their records are written together.
const AT_A_TIME: usize = 16;

/// Rule for the evaluations of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Semantic {
    /// Every evaluation is decided.
    ExecuteAll,
    /// The first denial is the last decision.
    DenyOnFirstDeny,
    /// The first permit is the last decision.
    PermitOnFirstPermit,
}

impl Semantic {
    const ALL: [(&str, Self); 3] = [
        ("execute_all", Self::ExecuteAll),
        ("deny_on_first_deny", Self::DenyOnFirstDeny),
        ("permit_on_first_permit", Self::PermitOnFirstPermit),
    ];

    /// True if no decision follows this one.
    fn ends_with(self, is_permit: bool) -> bool {
        match self {
            Self::ExecuteAll => false,
            Self::DenyOnFirstDeny => !is_permit,
            Self::PermitOnFirstPermit => is_permit,
        }
    }
}

/// `POST /access/v1/evaluations`.
///
/// Without evaluations, it is a single evaluation.
pub(super) async fn evaluations(call: Call) -> Response {
    let Batch { semantic, requests } = match read(&call) {
        Ok(Some(batch)) => batch,
        Ok(None) => return evaluation(call).await,
        Err(refusal) => return call.refused(refusal).await.into_response(),
    };
    let at_a_time = match semantic {
        Semantic::ExecuteAll => AT_A_TIME,
        // A later evaluation must not spend a use if an earlier one ends the batch.
        Semantic::DenyOnFirstDeny | Semantic::PermitOnFirstPermit => 1,
    };
    let decisions = requests.into_iter().map(|request| one(&call, request));
    let mut decisions = pin!(stream::iter(decisions).buffered(at_a_time));
    let mut all = Vec::new();
    while let Some((is_permit, decision)) = decisions.next().await {
        all.push(decision);
        if semantic.ends_with(is_permit) {
            break;
        }
    }
    Json(serde_json::json!({ "evaluations": all })).into_response()
}

/// Decides one evaluation. One that is refused is a denial with the reason.
async fn one(call: &Call, request: Result<Request, json::Error>) -> (bool, Value) {
    let decided = match request {
        Ok(request) => call.decide(request).await,
        // The log has the reason; the digest would be that of the whole batch.
        Err(error) => Err(Refusal::from(error)),
    };
    match decided {
        Ok(decision) => {
            let response = observe::response(&call.pdp, &decision);
            (
                response.get("decision") == Some(&Value::Bool(true)),
                response,
            )
        }
        Err(refusal) => (false, denied(&call.refused(refusal).await)),
    }
}

/// Evaluations of a batch, each read by itself, and the rule for them.
struct Batch {
    semantic: Semantic,
    requests: Vec<Result<Request, json::Error>>,
}

/// Reads the batch; `None` if the body has no evaluations.
fn read(call: &Call) -> Result<Option<Batch>, Refusal> {
    let unreadable = |error| call.unreadable(error);
    let body = json::parse(&call.body, call.pdp.request_limits()).map_err(unreadable)?;
    let count = match body.get("evaluations") {
        None => return Ok(None),
        Some(Value::Array(list)) if list.is_empty() => return Ok(None),
        Some(Value::Array(list)) => list.len(),
        // Refused below, with its place.
        Some(_) => 0,
    };
    let most = call.app.settings().limits.evaluations;
    if count > most {
        return Err(Refusal::too_large(format!(
            "`/evaluations`: {count} evaluations, and at most {most} are decided at once (`max-evaluations`): send several batches"
        )));
    }
    let semantic = semantic(&body)?;
    let requests = call.pdp.read_authzen_batch(&call.body);
    Ok(Some(Batch {
        semantic,
        requests: requests.map_err(unreadable)?,
    }))
}

fn semantic(body: &Value) -> Result<Semantic, Refusal> {
    let options = match body.get("options") {
        None => return Ok(Semantic::ExecuteAll),
        Some(Value::Object(options)) => options,
        Some(_) => return Err(Refusal::malformed("`/options`: expected an object")),
    };
    let named = match options.get("evaluations_semantic") {
        None => return Ok(Semantic::ExecuteAll),
        Some(named) => named,
    };
    let known = Semantic::ALL.into_iter();
    let mut known = known.filter(|(name, _)| named.as_str() == Some(name));
    match known.next() {
        Some((_, semantic)) => Ok(semantic),
        None => Err(Refusal::malformed(
            "`/options/evaluations_semantic`: expected `execute_all`, `deny_on_first_deny` or `permit_on_first_permit`",
        )),
    }
}
