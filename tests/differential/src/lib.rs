//! Shared code of the differential tests: random requests and policies, the plugins, and the native engines.
//!
//! A plugin in its sandbox and its engine must agree on every request. The native side is written from the
//! plugin's README and uses none of its code, so that the documented behaviour is compared. Everything is
//! drawn from a fixed seed, so that every run is the same.

pub mod asked;
pub mod cedar;
pub mod rego;
pub mod sandbox;
