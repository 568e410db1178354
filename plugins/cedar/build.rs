//! Gives the guest a larger stack than the default of `portcullis build`.
//!
//! Cedar parses and evaluates recursively.

/// Stack size in bytes, equal to the host engine's limit for WebAssembly.
const STACK_BYTES: usize = 256 * 1024;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let family = std::env::var("CARGO_CFG_TARGET_FAMILY").unwrap_or_default();
    if family == "wasm" {
        // The linker uses the last size given, and Cargo passes a build script's arguments last.
        println!("cargo::rustc-cdylib-link-arg=-zstack-size={STACK_BYTES}");
    }
}
