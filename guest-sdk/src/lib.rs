//! Write policy plugins for Portcullis.
//!
//! A plugin decides the requests of one integration. It is a pure function in a sandbox: it
//! imports nothing, and all it may know is in the [`Request`]. Its settings are its type:
//!
//! ```
//! use portcullis_sdk::{Pattern, Policy, Request, Verdict};
//! use serde::Deserialize;
//!
//! #[derive(Deserialize)]
//! struct Repositories {
//!     allowed: Vec<Pattern>,
//! }
//!
//! impl Policy for Repositories {
//!     fn evaluate(&self, request: &Request) -> Verdict {
//!         match self.allowed.iter().find(|p| p.matches(&request.resource.id)) {
//!             Some(p) => Verdict::permit().because("repository-allowed", format!("`{p}` allows it")),
//!             None => Verdict::deny().because("repository-not-allowed", "no pattern allows it"),
//!         }
//!     }
//! }
//!
//! portcullis_sdk::export!(Repositories);
//! ```
//!
//! Beside `Cargo.toml` lies `plugin.toml`, which says what the plugin is called and which fields of
//! a request it needs; it is passed no others, and reading another one is a trap ([`Field`]).
//! `portcullis build` makes the component, and [`testing`] runs the policy in `cargo test` without
//! WebAssembly.
//!
//! The SDK brings an allocator of its own for WebAssembly (never for tests), so a plugin must not
//! declare a `#[global_allocator]`.

mod field;
mod policy;
mod request;
mod settings;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
mod timestamp;
mod verdict;

#[cfg(target_family = "wasm")]
mod alloc;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod bindings;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod guest;
#[cfg(all(target_family = "wasm", not(feature = "typed")))]
mod packed;
#[cfg(all(target_family = "wasm", feature = "typed"))]
mod typed;

pub use field::{Attributes, Field};
pub use policy::Policy;
pub use portcullis_contract::{
    ActionClass, Attestation, Constraint, ConstraintError, Exposure, Health, Operator, Origins,
    Pattern, PatternError, PrincipalKind, check_obligation, escape_key, is_unambiguous, name,
};
pub use request::{
    Action, ArgumentsError, Attribute, Intent, Posture, Principal, Request, Resource, Value,
};
/// Arguments of any shape, as [`Request::arguments`] can give them.
pub use serde_json::Value as Json;
/// Builds a [`serde_json::Value`], as for an obligation's properties.
pub use serde_json::json;
pub use settings::SettingsError;
pub use timestamp::{Timestamp, Weekday};
pub use verdict::{Effect, Narrowing, Obligation, Reason, Verdict};

/// For [`export!`].
#[doc(hidden)]
pub mod __private {
    pub use crate::field::Asked;
    pub use portcullis_contract::Field;
    pub use portcullis_sdk_macros::asked;
}
