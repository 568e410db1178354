//! Write policy plugins for Portcullis.
//!
//! A plugin decides the requests of one integration. It is a pure function in a sandbox: it imports
//! nothing, and [`Request`] is its only input. Its type holds its settings:
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
//! `plugin.toml`, beside `Cargo.toml`, has the plugin's name and the fields of a request that it needs.
//! The host passes no other fields, and reading another one is a trap ([`Field`]). `portcullis build`
//! makes the component, and [`testing`] runs the policy in `cargo test` without WebAssembly.
//!
//! The SDK has its own allocator for WebAssembly (never for tests), so a plugin must not declare a
//! `#[global_allocator]`.

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

pub use policy::Policy;
pub use portcullis_contract::{
    ActionClass, Attestation, Constraint, ConstraintError, Exposure, Health, Operator, Origins,
    Pattern, PatternError, PrincipalKind, check_obligation, escape_key, is_unambiguous, name,
};
pub use request::field::{Attributes, Field};
pub use request::{
    Action, ArgumentsError, Attribute, Intent, Posture, Principal, Request, Resource, Value,
};
/// Arguments of any shape, as returned by [`Request::arguments`].
pub use serde_json::Value as Json;
/// Builds a [`serde_json::Value`], such as an obligation's properties.
pub use serde_json::json;
pub use settings::SettingsError;
pub use timestamp::{Timestamp, Weekday};
pub use verdict::{Effect, Narrowing, Obligation, Reason, Verdict};

/// Items that the expansion of [`export!`] uses.
#[doc(hidden)]
pub mod __private {
    pub use crate::request::field::Asked;
    pub use portcullis_contract::Field;
    pub use portcullis_sdk_macros::asked;
}
