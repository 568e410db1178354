//! Searches (section 8): the candidates that a dry run permits.
//!
//! A search shows what could be asked. It spends nothing, records nothing and grants nothing: the enforcement
//! point asks again for the request itself.

use super::Call;
use super::page::{MOST_CANDIDATES, Page};
use crate::refusal::{Kind, Refusal};
use crate::vouching;
use axum::Json;
use axum::response::{IntoResponse as _, Response};
use portcullis_host::{Request, Timestamp, json as strict};
use serde_json::{Map, Value, json};

/// Name of the entity that is searched for, while the rest of the request is read.
const PLACEHOLDER: &str = "placeholder";

/// Members of an evaluation that a search has.
const MEMBERS: [&str; 4] = ["subject", "action", "resource", "context"];

/// Entity that a search looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sought {
    Resource,
    Action,
}

/// An entity that could be found.
struct Candidate {
    /// Member of the evaluation.
    entity: Value,
    /// Item of the results.
    result: Value,
}

/// `POST /access/v1/search/resource`: configured resources on which the subject may take the action.
pub(super) async fn resources(call: Call) -> Response {
    search(call, Sought::Resource).await
}

/// `POST /access/v1/search/action`: classified actions that the subject may take on the resource.
pub(super) async fn actions(call: Call) -> Response {
    search(call, Sought::Action).await
}

async fn search(call: Call, sought: Sought) -> Response {
    match found(&call, sought).await {
        Ok(results) => Json(results).into_response(),
        Err(refusal) => {
            let refusal = call.refused(refusal).await;
            match refusal.kind() {
                // The workload is unknown, and may do nothing.
                Kind::Credential => Json(page_of(Vec::new(), None)).into_response(),
                _ => refusal.into_response(),
            }
        }
    }
}

async fn found(call: &Call, sought: Sought) -> Result<Value, Refusal> {
    let unreadable = |error| call.unreadable(error);
    let body = strict::parse(&call.body, call.pdp.request_limits()).map_err(unreadable)?;
    let page = Page::of(&body)?;
    let first = match read(call, &body, sought, sought.placeholder(&body)) {
        Ok(first) => first,
        // No integration is responsible for resources of that type.
        Err(strict::Error::Missing { at, .. }) if at == "/context/integration" => {
            return Ok(page_of(Vec::new(), None));
        }
        Err(error) => return Err(unreadable(error)),
    };
    let pep = call.caller.pep();
    let first = vouching::admit(pep, &call.pdp, first, call.credential())?;
    let candidates = sought.candidates(call, &body, &first);
    let _turn = call.app.search_turn().await?;
    let mut results = Vec::new();
    let mut decided = page.from;
    let more = candidates.iter().skip(page.from).take(MOST_CANDIDATES);
    for candidate in more {
        if results.len() == page.most {
            break;
        }
        decided += 1;
        // Other requests are decided in between.
        tokio::task::yield_now().await;
        // A candidate that cannot be asked for is not found.
        let Ok(request) = read(call, &body, sought, Some(candidate.entity.clone())) else {
            continue;
        };
        let Ok(request) = vouching::admit(pep, &call.pdp, request, call.credential()) else {
            continue;
        };
        if call.pdp.evaluate_at(&request, Timestamp::now()).is_permit() {
            results.push(candidate.result.clone());
        }
    }
    let next = (decided < candidates.len()).then_some(decided);
    Ok(page_of(results, next))
}

/// A page of results. `next` is the number of candidates that were decided, if there are more.
fn page_of(results: Vec<Value>, next: Option<usize>) -> Value {
    let token = next.map_or_else(String::new, |next| next.to_string());
    json!({ "results": results, "page": { "next_token": token } })
}

/// Reads the evaluation that the search has with `entity`.
fn read(
    call: &Call,
    body: &Value,
    sought: Sought,
    entity: Option<Value>,
) -> Result<Request, strict::Error> {
    let mut evaluation = Map::new();
    for name in MEMBERS {
        let member = match name == sought.as_str() {
            true => entity.clone(),
            false => body.get(name).cloned(),
        };
        if let Some(member) = member {
            evaluation.insert(name.to_owned(), member);
        }
    }
    let evaluation = Value::Object(evaluation).to_string();
    call.pdp.read_authzen(evaluation.as_bytes())
}

impl Sought {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::Action => "action",
        }
    }

    /// Entity with which the rest of the search is read. `None` if the search lacks what it requires.
    fn placeholder(self, body: &Value) -> Option<Value> {
        match self {
            Self::Action => Some(json!({ "name": PLACEHOLDER })),
            Self::Resource => {
                let mut resource = body.get("resource")?.clone();
                if let Value::Object(members) = &mut resource {
                    members.insert("id".to_owned(), Value::from(PLACEHOLDER));
                }
                Some(resource)
            }
        }
    }

    /// All entities that could be found, in an order that does not change.
    fn candidates(self, call: &Call, body: &Value, first: &Request) -> Vec<Candidate> {
        match self {
            Self::Action => {
                let integration = call.pdp.integration(first.integration());
                let names = integration.into_iter().flat_map(|it| it.actions());
                let mut names: Vec<_> = names.map(|(name, _)| name).collect();
                names.sort_unstable();
                let candidate = |name: &str| Candidate {
                    entity: json!({ "name": name }),
                    result: json!({ "name": name }),
                };
                names.into_iter().map(candidate).collect()
            }
            Self::Resource => {
                let settings = call.app.settings();
                let kind = &first.resource().kind;
                let known = settings
                    .resources
                    .iter()
                    .filter(|known| known.kind == *kind);
                let stated = body.pointer("/resource/properties");
                let candidate = |known: &crate::settings::KnownResource| {
                    let mut properties = known.properties.clone();
                    if let Some(Value::Object(stated)) = stated {
                        properties.extend(stated.clone());
                    }
                    Candidate {
                        entity: json!({ "type": known.kind, "id": known.id, "properties": properties }),
                        result: json!({ "type": known.kind, "id": known.id }),
                    }
                };
                known.map(candidate).collect()
            }
        }
    }
}
