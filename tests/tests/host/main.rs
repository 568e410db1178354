//! A host with real plugins: loading, deciding, and what goes wrong.
//!
//! One program, because each program of tests links the runtime again.

mod answers;
mod cache;
mod canary;
mod candidate;
mod compiler;
mod contract;
mod grants;
mod instances;
mod limits;
mod narrowing;
mod observing;
mod packed;
mod properties;
mod proposals;
mod refusals;
mod revocation;
mod swap;
mod watched;
mod worst;
