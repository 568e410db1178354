//! What the differential tests share: random requests and policies, the plugins in their sandbox, and
//! the native engines beside them.
//!
//! A plugin and its engine must agree on every request. The native side is written from the README of
//! the plugin and uses none of its code, so that what is documented is what is compared. Everything is
//! drawn from a fixed seed: a run repeats the one before.

pub mod asked;
pub mod cedar;
pub mod random;
pub mod rego;
pub mod sandbox;
