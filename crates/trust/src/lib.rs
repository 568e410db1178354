//! Trust checks of a request: identity, registry, intent, revocation, posture and state.
//!
//! Internal to Portcullis and not stable: embedders use `portcullis_host`. This crate does not depend on
//! WebAssembly; it verifies the credentials, approvals and destinations of a request.
//!
//! Without the feature `identity`, nothing that is signed can be verified; without `embedded-state`, there is
//! no state in a file. A module whose name ends with `left_out` takes the place of what a build lacks.
#![deny(unsafe_code)]
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

#[cfg_attr(
    not(feature = "identity"),
    expect(dead_code, reason = "only certificates and events name issuers")
)]
mod certificate_id;

#[cfg(feature = "identity")]
pub mod identity;
pub mod intent;
pub mod posture;
pub mod registry;
pub mod revocation;
pub mod state;

pub mod regular;
pub mod watched;

#[cfg(test)]
mod waiting;
