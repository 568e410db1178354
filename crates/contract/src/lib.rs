//! Rules that a Portcullis host and its plugins share, beyond the WIT.
//!
//! - [`name`]: the accepted spellings of a name.
//! - [`Pattern`]: selects resources and actions.
//! - [`Constraint`]: a condition on an argument; [`Origins`]: the places that its value came from.
//! - [`ActionClass`], [`Attestation`] and the other closed sets.
//! - [`Verdict`], [`Posture`] and [`Timestamp`]: records that host and SDK share.
//! - [`Manifest`]: a plugin's description of itself, readable without running the plugin.
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
mod origin;
mod part;
mod path;
mod pattern;
mod posture;
mod terms;
mod text;
mod timestamp;
mod verdict;

#[cfg(not(target_family = "wasm"))]
mod manifest;
#[cfg(not(target_family = "wasm"))]
mod similar;
#[cfg(not(target_family = "wasm"))]
mod verdict_rules;
pub mod work;

pub use constraint::{Constraint, ConstraintError, Operator, day_of};
#[cfg(not(target_family = "wasm"))]
pub use manifest::{
    MANIFEST_SECTION, MAX_MANIFEST_BYTES, Manifest, ManifestError, ManifestFault, ManifestProblem,
    SDK_REASONS,
};
pub use needs::{Field, Needs, UnknownField};
pub use obligation::{
    ObligationError, check_obligation, misspelt_obligation, profile_kinds, required_properties,
};
pub use origin::{
    ArgumentOrigin, Origins, RefusedPart, WORD, accepts_origin, is_at_or_below, is_origin,
};
pub use part::{LONG_NUMBER, Part, PartKind, parts_of};
pub use path::{escape_key, is_pointer, is_unambiguous};
pub use pattern::{Pattern, PatternError, Steps};
#[cfg(not(target_family = "wasm"))]
pub use similar::similar;
pub use terms::{ActionClass, Attestation, Exposure, Health, PrincipalKind};
pub use text::{
    escaped, excerpt, is_invisible, is_printable, line_and_column, message, one_line, printable,
};

pub use posture::Posture;
#[cfg(not(target_family = "wasm"))]
pub use timestamp::TimestampError;
pub use timestamp::{Timestamp, Weekday};
pub use verdict::{Effect, Narrowing, Obligation, Reason, Verdict};
#[cfg(not(target_family = "wasm"))]
pub use verdict_rules::{MAX_OPERAND_ITEMS, MAX_VERDICT_ITEMS, check_verdict};

/// Version of the contract (`wit/policy.wit`) that this crate implements.
pub const CONTRACT_VERSION: &str = "0.2.0";

/// Remedy for a plugin of another version of the contract.
pub const REBUILD: &str = "write `contract = \"0.2.0\"` in plugin.toml, declare its reason codes under `[reasons]`, and rebuild it with `portcullis build` and portcullis-sdk 0.3";

/// True if `text` is a valid reason code or obligation kind.
///
/// A valid text has 1 to 64 letters, digits, `-`, `_`, `.` and `:`.
pub fn is_token(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':'))
}
