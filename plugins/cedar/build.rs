//! Gives the guest more stack than `portcullis build` gives every plugin: Cedar recurses into what
//! it parses and into what it evaluates.

/// As much as the host's engine lets WebAssembly use of its own stack.
const STACK_BYTES: usize = 256 * 1024;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let family = std::env::var("CARGO_CFG_TARGET_FAMILY").unwrap_or_default();
    if family == "wasm" {
        // Of several sizes the linker takes the last, and Cargo passes a build script's last.
        println!("cargo::rustc-cdylib-link-arg=-zstack-size={STACK_BYTES}");
    }
}
