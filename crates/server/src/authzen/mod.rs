//! The AuthZEN Authorization API 1.0.

mod call;
mod discovery;
mod evaluation;
mod evaluations;
mod page;
mod search;

use crate::state::App;
use axum::Router;
use axum::routing::{get, post};
pub(crate) use call::{Call, bearer_token, credential, is_json, is_of_type};

/// Path of the metadata.
const METADATA: &str = "/.well-known/authzen-configuration";
/// Path of one evaluation.
const EVALUATION: &str = "/access/v1/evaluation";
/// Path of a batch of evaluations.
const EVALUATIONS: &str = "/access/v1/evaluations";
/// Path of the search for resources.
const SEARCH_RESOURCE: &str = "/access/v1/search/resource";
/// Path of the search for actions.
const SEARCH_ACTION: &str = "/access/v1/search/action";

/// Routes of the API.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route(METADATA, get(discovery::metadata))
        .route(EVALUATION, post(evaluation::evaluation))
        .route(EVALUATIONS, post(evaluations::evaluations))
        .route(SEARCH_RESOURCE, post(search::resources))
        .route(SEARCH_ACTION, post(search::actions))
}
