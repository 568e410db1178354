//! Random modules, run beside the form of them that can be reset.
//!
//! [`Bench::check`] makes a module of a source of choices, runs it on the engine's settings in its own form and in
//! its rewritten form, and compares results, traps, globals, tables and all memory, also after each reset. The
//! test of this crate and the fuzz target in `fuzz/` share it.

mod body;
mod compare;
mod counters;
mod expression;
mod generate;
mod layout;
mod statement;
mod tally;

pub use compare::Bench;
pub use tally::{EXECUTED, REFUSED, Tally};
