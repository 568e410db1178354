//! Write policy plugins for Portcullis.
//!
//! A plugin decides the requests of one integration. It is a pure function in a sandbox: it imports
//! nothing, and the request is its only input. Its type holds its settings:
//!
//! ```
//! use portcullis_sdk::{Pattern, Policy, Verdict, policy};
//!
//! #[derive(serde::Deserialize)]
//! struct Repositories {
//!     allowed: Vec<Pattern>,
//! }
//!
//! #[policy]
//! impl Policy for Repositories {
//!     fn evaluate(&self, request: &Request) -> Verdict {
//!         match self.allowed.iter().find(|p| p.matches(request.resource().id())) {
//!             Some(p) => Verdict::permit().because("repository-allowed", format!("`{p}` allows it")),
//!             None => Verdict::deny().because("repository-not-allowed", "no pattern allows it"),
//!         }
//!     }
//! }
//! ```
//!
//! `plugin.toml`, beside `Cargo.toml`, has the plugin's name, the fields of a request that it needs, and its reason
//! codes. [`policy`] makes the type `Request` from it: reading a field that `plugin.toml` does not list is a compile
//! error. `portcullis build` makes the component, and [`testing`] runs the policy in `cargo test` without WebAssembly.
//!
//! The SDK has its own allocator for WebAssembly (never for tests), so a plugin must not declare a
//! `#[global_allocator]`.

// `policy` names the crate by its own name, in unit tests too.
#[cfg(test)]
extern crate self as portcullis_sdk;

pub mod fields;
pub mod needs;
mod packed;
mod policy;
mod request;
mod settings;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
mod verdict;

#[cfg(target_family = "wasm")]
mod alloc;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod bindings;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod guest;

pub use fields::{Attribute, Fields, Value};
pub use needs::Manifest;
pub use policy::Policy;
pub use portcullis_contract::{
    ActionClass, ArgumentOrigin, Attestation, Constraint, ConstraintError, Effect, Exposure,
    Health, Narrowing, Obligation, Operator, Origins, Pattern, PatternError, Posture,
    PrincipalKind, Reason, Timestamp, Weekday, check_obligation, escape_key, is_unambiguous, name,
};
/// Makes a plugin of a [`Policy`] implementation.
///
/// Write it on one implementation, at the crate's root. It reads `plugin.toml`, beside `Cargo.toml`, and makes:
///
/// - `Manifest`, the manifest as a type;
/// - `Request`, a [`Request`](struct@Request) whose fields are those that the manifest lists under `needs`;
/// - the module `needs`, with a constant for each item of an open list that the manifest lists by name;
/// - the items that the implementation leaves out, see [`Policy`];
/// - the component's exports, if the target is WebAssembly.
pub use portcullis_sdk_macros::policy;
pub use request::{Action, ArgumentsError, Intent, Principal, Request, Resource};
/// Arguments of any shape, as returned by [`Request::arguments`].
pub use serde_json::Value as Json;
/// Builds a [`serde_json::Value`], such as an obligation's properties.
pub use serde_json::json;
pub use settings::SettingsError;
pub use verdict::Verdict;
