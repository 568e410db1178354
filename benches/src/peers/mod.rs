//! The engines that a decision is measured beside, on the same rules and requests.

pub mod cedar;
pub mod rego;
