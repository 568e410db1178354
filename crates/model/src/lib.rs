//! Vocabulary of Portcullis: requests, strict JSON and TOML, causes, digests and times.
//!
//! Internal to Portcullis, without a promise of stability: embedders use `portcullis_host`, which re-exports
//! the types that they need. This crate reads no file while a request is decided, and does not depend on
//! WebAssembly.
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

pub mod request;

pub mod cause;
pub mod count;
pub mod facts;
pub mod fault_kind;
pub mod inputs;
pub mod marks;
pub mod trace;
pub mod verdict;
pub mod waiver;

pub mod document;
pub mod json;
pub mod object;

pub mod digest;
pub mod file_error;
pub mod limits;
pub mod secret;
pub mod spiffe_id;
pub mod timestamp;
