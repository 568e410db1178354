//! The shared state on a real nats-server.

mod common;
mod connection;
mod faults;
mod sharing;
mod suite;
