//! What a Portcullis host and its plugins agree on beyond the WIT.
//!
//! - [`name`]: which spellings a name may have.
//! - [`Pattern`]: which resources and actions are meant.
//! - [`Constraint`]: what an argument must meet.
//! - [`ActionClass`], [`Attestation`] and the other closed sets.
//! - [`Manifest`]: what a plugin says of itself, readable without running it.
//! - [`withheld`]: a text without what looks like a secret.
//!
//! Host, SDK and build tool share this crate, so that each of the three has one meaning.

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
mod inclusion;
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

pub use constraint::{Constraint, ConstraintError, Operator, Origins, is_origin, is_pointer};
pub use inclusion::Steps;
#[cfg(not(target_family = "wasm"))]
pub use manifest::{MANIFEST_SECTION, MAX_MANIFEST_BYTES, Manifest, ManifestError};
pub use needs::{Field, Needs, UnknownField};
pub use obligation::{ObligationError, check_obligation, misspelt_obligation, required_properties};
pub use path::{escape_key, is_unambiguous};
pub use pattern::{Pattern, PatternError};
pub use secret::{has_well_known_token, looks_like_a_token, well_known_withheld, withheld};
pub use terms::{ActionClass, Attestation, Exposure, Health, PrincipalKind};
pub use text::{escaped, excerpt, is_invisible, is_printable, line_and_column, message, printable};

/// The version of the contract (`wit/policy.wit`) that this crate belongs to.
pub const CONTRACT_VERSION: &str = "0.1.0";

/// Whether `text` is fit for a reason's code or an obligation's kind: 1 to 64 letters, digits,
/// `-`, `_`, `.` and `:`.
pub fn is_token(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':'))
}
