//! Guests that are too bulky for a file, as functions that make them.

pub(crate) mod bombs;
pub(crate) mod bytes;
pub(crate) mod components;
pub(crate) mod manifests;
pub(crate) mod postcard;
pub(crate) mod texts;
pub(crate) mod verdicts;
