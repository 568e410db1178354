//! What the benches measure, and beside what: the same five rules as a plugin in a sandbox, in Cedar
//! and in Rego (`peers`), on the same requests.

pub mod floor;
pub mod key;
#[cfg(feature = "peers")]
pub mod peers;
pub mod report;
pub mod scenery;
pub mod workload;
