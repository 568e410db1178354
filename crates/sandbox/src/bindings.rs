//! Types generated from `wit/policy.wit`: borrowed for arguments, owned for results.

/// Types that the host passes, borrowed.
pub(crate) mod passed {
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

/// Types that the host receives, owned.
pub(crate) mod given {
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
