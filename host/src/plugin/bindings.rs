//! Generated from `wit/policy.wit`: what the host passes, borrowed, and what it is given, owned.

/// What the host passes.
pub(super) mod passed {
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
        additional_derives: [serde::Serialize],
    });
}

/// What the host is given.
pub(super) mod given {
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
        ownership: Owning,
        additional_derives: [serde::Deserialize],
    });
}
