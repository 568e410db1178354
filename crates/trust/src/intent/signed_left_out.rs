//! Signed intents, in a build without the feature `identity`: there are none.

use super::StoredIntent;
use crate::watched::Source;
use portcullis_model::json;
use std::convert::Infallible;

/// Signers of intents. A build without the feature `identity` has none.
pub(super) enum Signatures {}

/// Reason why a signature on an intent is invalid.
pub(super) type SignatureError = Infallible;

impl Signatures {
    pub(super) fn approvers(&self) -> std::iter::Empty<&str> {
        match *self {}
    }

    pub(super) fn version(&self) -> u64 {
        match *self {}
    }

    pub(super) fn sources(&self) -> std::iter::Empty<Source> {
        match *self {}
    }

    pub(super) fn verify(
        &self,
        _: &str,
    ) -> Result<Result<StoredIntent, json::Error>, SignatureError> {
        match *self {}
    }
}

/// Returns the error that a signed intent is not supported.
///
/// # Errors
///
/// Always.
pub fn unverified_intent(_: &str) -> Result<String, String> {
    Err("signed intents need the feature `identity`, which this build leaves out".to_owned())
}
