//! Errors of the store of intents.

use super::MAX_DEPTH;
use super::carried::CARRIED_STEPS;
use crate::intent::AttenuationError;
use portcullis_model::json;
use portcullis_model::timestamp::Timestamp;

/// Reason why an intent is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntentError {
    /// The document is not an intent.
    #[error("{0}")]
    Read(json::Error),
    /// The intent must be signed and is not.
    #[error(
        "the intent is not signed, but this host requires a signature: sign it with `portcullis intent sign`"
    )]
    Unsigned,
    /// The intent is signed, and no signers are configured.
    #[error("the intent is signed, but no approver keys are configured: add `[intents.approvers]`")]
    NoKeys,
    /// The signature is invalid.
    #[error("the signed intent is not valid: {0}")]
    Signature(String),
    /// Another intent has the same id.
    #[error("another intent has the id `{0}`: each id is used once")]
    Duplicate(String),
    /// The parent is unknown.
    #[error("intent `{id}` was delegated from `{parent}`, which is unknown: add the parent first")]
    NoParent {
        /// Id of the intent.
        id: String,
        /// Id of its parent.
        parent: String,
    },
    /// The known parent has another digest or id than the intent names.
    #[error(
        "intent `{id}` was delegated from `{parent}`, but the known intent of that id is another one: their digests differ"
    )]
    OtherParent {
        /// Id of the intent.
        id: String,
        /// Id of its parent.
        parent: String,
    },
    /// The chain is too long.
    #[error(
        "intent `{0}` would make a chain of more than {MAX_DEPTH} intents, including the approved one: delegate from an intent nearer to the root"
    )]
    TooDeep(String),
    /// The intent exceeds its parent.
    #[error("intent `{id}` goes beyond its parent: {widening}")]
    Wider {
        /// Id of the intent.
        id: String,
        /// First excess.
        widening: AttenuationError,
    },
    /// Comparing the intents of a carried chain takes too many steps.
    #[error(
        "comparing the carried intents with their parents takes more than {CARRIED_STEPS} steps: delegate with fewer or simpler patterns, or have the host know the parent, and carry only what was delegated from it"
    )]
    TooComplex,
    /// A request carries an intent that is not the next one of its chain.
    #[error(
        "intent `{0}` is not delegated from the intent carried before it: carry the chain, root first"
    )]
    NotNext(String),
    /// An allowance states no arguments for an action that is not a read.
    #[error(
        "intent `{id}`: its allowance {allowance} has no `arguments`, and {acts}: add {write} to it, or `\"arguments\": \"open\"`"
    )]
    ArgumentsUnsaid {
        /// Id of the intent.
        id: String,
        /// The allowance.
        allowance: String,
        /// Action that is not a read.
        acts: String,
        /// Member to add.
        write: String,
    },
    /// A denial names an integration in another spelling.
    #[error(
        "intent `{id}` has a denial for `{named}`, but no integration has that name: write `{meant}`"
    )]
    DeniesInVain {
        /// Id of the intent.
        id: String,
        /// Name of the integration in the intent.
        named: String,
        /// Configured name of the integration.
        meant: String,
    },
    /// The time of the approval is in the future.
    #[error(
        "intent `{id}` was approved at {at}, which is in the future: correct the approver's clock"
    )]
    FromTheFuture {
        /// Id of the intent.
        id: String,
        /// Stated time of the approval.
        at: Timestamp,
    },
    /// The delegator is not registered for an integration that it delegates.
    #[error(
        "intent `{id}` allows `{integration}`, but its delegator `{delegator}` is not registered for it: register the delegator for it, or leave the integration out"
    )]
    DelegatorNotRegistered {
        /// Id of the intent.
        id: String,
        /// SPIFFE ID of the delegator.
        delegator: String,
        /// Name of the integration.
        integration: String,
    },
    /// The accepted intent could not be stored.
    #[error("{0}")]
    NotKept(String),
}
