//! Rules that a Portcullis host and its plugins share, beyond the WIT.
//!
//! - [`name`]: the accepted spellings of a name.
//! - [`Pattern`]: selects resources and actions.
//! - [`Constraint`]: a condition on an argument.
//! - [`ActionClass`], [`Attestation`] and the other closed sets.
//! - [`Manifest`]: a plugin's description of itself, readable without running the plugin.
//! - [`withheld`]: replaces parts of a text that look like secrets.
//!
//! Host, SDK and build tool share this crate, so that each rule means the same in all three.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

mod constraint;
pub mod name;
mod needs;
mod obligation;
mod path;
mod pattern;
mod secret;
mod terms;
mod text;

#[cfg(not(target_family = "wasm"))]
mod manifest;
#[cfg(not(target_family = "wasm"))]
mod similar;

pub use constraint::{Constraint, ConstraintError, Operator, Origins, is_origin, is_pointer};
#[cfg(not(target_family = "wasm"))]
pub use manifest::{
    MANIFEST_SECTION, MAX_MANIFEST_BYTES, Manifest, ManifestError, ManifestFault, ManifestProblem,
};
pub use needs::{Field, Needs, UnknownField};
pub use obligation::{
    ObligationError, check_obligation, misspelt_obligation, profile_kinds, required_properties,
};
pub use path::{escape_key, is_unambiguous};
pub use pattern::{Pattern, PatternError, Steps};
pub use secret::{has_well_known_token, looks_like_a_token, well_known_withheld, withheld};
#[cfg(not(target_family = "wasm"))]
pub use similar::similar;
pub use terms::{ActionClass, Attestation, Exposure, Health, PrincipalKind};
pub use text::{
    escaped, excerpt, is_invisible, is_printable, line_and_column, message, one_line, printable,
};

/// Version of the contract (`wit/policy.wit`) that this crate implements.
pub const CONTRACT_VERSION: &str = "0.1.0";

/// True if `text` is a valid reason code or obligation kind.
///
/// A valid text has 1 to 64 letters, digits, `-`, `_`, `.` and `:`.
pub fn is_token(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':'))
}
