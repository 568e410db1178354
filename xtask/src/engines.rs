//! The packages of the engine plugins.

/// The crates with Cedar and Rego, which are built, tested and linted separately.
///
/// They take long to build, and change the features that the other crates are built with.
pub(crate) const ENGINES: [&str; 3] = [
    "portcullis-plugin-cedar",
    "portcullis-plugin-rego",
    "portcullis-differential",
];
