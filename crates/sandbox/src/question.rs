//! The question that a plugin is asked.

use portcullis_contract::ActionClass;
use portcullis_model::facts::Facts;
use portcullis_model::request::Request;
use portcullis_model::timestamp::Timestamp;

/// The question that a plugin is asked: a request, and facts about it.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The request.
    pub request: &'a Request,
    /// Facts about the principal, its intent and the destination.
    pub facts: &'a Facts<'a>,
    /// Class that the operator gives the action.
    pub class: ActionClass,
    /// Time of the decision.
    pub now: Timestamp,
}
