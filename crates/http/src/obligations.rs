//! Handlers of obligations.

use crate::Authorized;
use serde::de::DeserializeOwned;
use std::fmt::Display;

/// Handlers of obligations, by kind.
#[derive(Clone, Default)]
pub struct Obligations {}

/// An obligation that was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("obligation `{kind}`: {why}")]
pub struct ObligationFailed { kind: String, why: String }

impl Obligations {
    /// No handlers: every permit with an obligation is denied.
    pub fn new() -> Self { Self::default() }

    /// Registers the handler of `kind`. `T` reads the obligation's properties.
    #[must_use]
    pub fn handle<T, F, Fut, E>(self, kind: impl Into<String>, handler: F) -> Self
    where
        T: DeserializeOwned + Send + 'static,
        F: Fn(T, Authorized) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Display,
    { todo!() }

    /// Kinds that have a handler.
    pub fn kinds(&self) -> Vec<String> { todo!() }
}
