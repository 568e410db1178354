//! Rewrites a core module so that its instances can be reset to their initial state.
//!
//! Internal to Portcullis, without a promise of stability: embedders use `portcullis_host`. This crate reads and
//! writes modules, and neither runs nor compiles them.
//!
//! An instance can change only its memory, its globals, its tables and its passive segments. The rewriting refuses a
//! module that changes tables or drops segments. Mutable globals begin with numbers, which `reset` writes again.
//! After each instruction that writes to memory, added instructions mark the part that was written, and `reset`
//! copies the marked parts from an image of the initial memory. Marks and image are in a second memory, which no
//! instruction of the module can name.
//!
//! ```
//! use portcullis_reset::{Bounds, rewrite};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let module = wat::parse_str(
//!     r#"(module (memory (export "memory") 1)
//!          (func (export "f") (i32.store (i32.const 8) (i32.const 1))))"#,
//! )?;
//! let bounds = Bounds {
//!     memory_bytes: 1 << 20,
//!     added_bytes: 2 << 20,
//! };
//! let rewritten = rewrite(&module, &bounds)?;
//! assert!(rewritten.len() > module.len());
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]
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

mod layout;
mod marks;
mod module;
mod operators;
mod refused;
mod restore;
mod rewrite;

pub use layout::Bounds;
pub use operators::FEATURES;
pub use refused::Refused;

/// Version of this rewriting.
///
/// Raise it with every change of the written code: it is part of the key of cached code. A test compares the
/// digest of rewritten modules with the one recorded for this number.
pub const FORM: u32 = 4;

/// Export name of the function that resets an instance.
///
/// Its parameters are the address and the length of the bytes that the host wrote since the last reset.
pub const RESET: &str = "reset";

/// Export name of the function that compares an instance with its initial state.
///
/// It compares all of memory and each mutable global, and returns 1 if a bit differs, otherwise 0.
pub const DIFFERS: &str = "differs";

/// The module in `module`, with exported functions [`RESET`] and [`DIFFERS`].
///
/// It behaves as before, and keeps its exports. The host must discard an instance whose memory grew, because
/// a memory cannot shrink, and an instance that was interrupted.
///
/// # Errors
///
/// [`Refused`], if instances of the module cannot be reset.
pub fn rewrite(module: &[u8], bounds: &Bounds) -> Result<Vec<u8>, Refused> {
    rewrite::rewrite(module, bounds, |_| true)
}

/// As [`rewrite`], with the marks of one instruction left out. For tests that must find this.
///
/// `omitted` is the name of the instruction in wasmparser.
///
/// # Errors
///
/// As for [`rewrite`].
#[doc(hidden)]
pub fn rewrite_without(module: &[u8], bounds: &Bounds, omitted: &str) -> Result<Vec<u8>, Refused> {
    rewrite::rewrite(module, bounds, |name| name != omitted)
}

#[cfg(test)]
mod tests;
