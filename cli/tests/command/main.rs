//! Scenarios of the command. Each subject is a module, so that one binary is linked for all.
//!
//! Whole outputs are compared with snapshots; CONTRIBUTING.md explains how to update them.

mod author;
mod bench;
mod check;
mod common;
mod denials;
mod evaluate;
mod files;
mod inputs;
mod intent;
mod log;
#[cfg(feature = "serve")]
mod mcp;
#[cfg(feature = "serve")]
mod observing;
#[cfg(feature = "serve")]
mod operating;
mod posture;
mod propose;
mod registry;
mod revoke;
#[cfg(feature = "serve")]
mod serve;
mod session;
mod state;
mod test;
mod trials;
