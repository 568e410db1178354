//! The engines to compare with, on the same rules and requests.

pub mod cedar;
pub mod rego;
