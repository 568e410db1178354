//! The benchmarked rules and their peers.
//!
//! The same five rules exist as a plugin in a sandbox, in Cedar and in Rego (`peers`), and decide the same
//! requests.

pub mod floor;
pub mod key;
#[cfg(feature = "peers")]
pub mod peers;
pub mod report;
pub mod scenery;
pub mod workload;
