//! A gate between an agent and the servers of the Model Context Protocol (MCP).
//!
//! It reads each message by Portcullis's own strict rules, below any SDK: a message that two readers could read differently
//! is refused. Each call of a tool is decided with the origins of its arguments, computed from what the session saw.
//!
//! - A list of tools has only tools whose definitions are approved and that the agent's identity and intent could permit.
//! - A result is observed by the session before the agent sees it.
//! - Resources, prompts and completions are decided as actions of those names, such as `resources/read`.
//! - Requests of the server to the client are passed on only where the operator says so.
//!
//! [`Gate`] holds one connection, and reads and writes nothing itself. [`stdio`] relays the lines of a server's process.
#![deny(unsafe_code)]
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

mod action;
mod agent;
mod answers;
mod found;
mod gate;
mod guarded;
pub mod headers;
pub mod inquiry;
mod message;
mod seen;
pub mod settings;
mod state;
pub mod stdio;
mod tools;
pub mod unreached;

pub use action::Action;
pub use agent::{Agent, Decide};
pub use gate::{Gate, Report};
pub use guarded::Guarded;
pub use tools::{Difference, Pins};
