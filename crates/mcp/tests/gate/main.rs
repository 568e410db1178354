//! The gate between an agent and a server, message by message, with a real decision point and plugin.

mod calls;
mod headers;
mod messages;
mod others;
mod setting;
mod tools;
