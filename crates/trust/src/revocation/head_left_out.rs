//! Signed heads, in a build without the feature `identity`: no list must be signed.

use super::ListError;
use crate::watched::Source;
use portcullis_model::timestamp::Timestamp;

/// Signers of list heads. A build without the feature `identity` has none.
#[derive(Debug)]
pub enum Signers {}

impl Signers {
    pub(super) fn version(&self) -> u64 {
        match *self {}
    }

    pub(super) fn sources(&self) -> std::iter::Empty<Source> {
        match *self {}
    }

    pub(super) fn verify(&self, _: &str, _: &Position) -> Result<String, String> {
        match *self {}
    }
}

/// A private key that signs heads. A build without the feature `identity` has none.
#[derive(Debug)]
pub enum HeadKey {}

impl HeadKey {
    pub(super) fn sign(&self, _: &Position) -> Result<String, ListError> {
        match *self {}
    }
}

/// Content that a head signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) epoch: u64,
    pub(super) at: Timestamp,
    pub(super) digest: String,
}
