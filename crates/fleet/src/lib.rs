//! A state that several hosts share, on NATS JetStream.
//!
//! [`JetStreamState`] keeps budgets, single use, presented credentials, marks and imported intents in a bucket that all
//! hosts of a fleet use. Uses are counted by compare-and-set, so that no interleaving of hosts spends a use twice. A server
//! that is unreachable, slow, or lacks changes that it had before is an error, and every error is a deny.
//!
//! A program registers the client once, and its configurations then name the servers:
//!
//! ```no_run
//! portcullis_fleet::register();
//! // [state]
//! // nats = "nats://127.0.0.1:4222"
//! ```
//!
//! The client runs on a thread of its own. Calls wait for it, and never longer than their timeout.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unreachable
    )
)]

mod bucket;
mod connect;
mod connection;
mod continuity;
mod core;
mod durability;
mod failure;
mod keeper;
mod monitor;
mod sightings;
mod state;
mod stream;

pub use state::{JetStream, JetStreamState};

/// Registers the client, so that `[state]` of a configuration may name servers (`nats`).
pub fn register() {
    portcullis_trust::state::shared::register(&JetStream);
}
