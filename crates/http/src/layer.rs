//! The tower layer.

use crate::Gate;

/// A tower layer that decides each request before the inner service sees it.
#[derive(Debug, Clone)]
pub struct PortcullisLayer { gate: Gate }

/// The service of [`PortcullisLayer`].
#[derive(Debug, Clone)]
pub struct Portcullis<S> { inner: S, gate: Gate }
