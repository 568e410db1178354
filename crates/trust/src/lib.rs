//! Trust checks of a request: identity, registry, intent, revocation, posture and state.
//!
//! Internal to Portcullis and not stable: embedders use `portcullis_host`. This crate does not depend on
//! WebAssembly; it verifies the credentials, approvals and destinations of a request.
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

pub mod identity;
pub mod intent;
pub mod posture;
pub mod registry;
pub mod revocation;
pub mod state;

pub mod regular;
pub mod watched;
