//! Generated from `wit/policy.wit`.
#![allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    dead_code,
    clippy::all,
    clippy::pedantic,
    reason = "generated code"
)]

wasmtime::component::bindgen!({
    path: "wit",
    world: "policy-plugin",
    ownership: Borrowing { duplicate_if_necessary: false },
});
