//! Generated from `wit/policy.wit`.
#![allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    reason = "generated code"
)]

wit_bindgen::generate!({
    path: "wit",
    world: "packed-policy-plugin",
    pub_export_macro: true,
    export_macro_name: "export_plugin",
    default_bindings_module: "portcullis_sdk::bindings",
    additional_derives: [serde::Serialize],
});
