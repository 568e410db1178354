//! tmp
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

mod timestamp;
pub mod config;
mod request;
mod pdp;
mod integration;
mod plugin;
mod engine;
mod limits;
mod combine;
mod decision;
mod cause;
mod text;
mod trace;

pub use cause::Cause;
pub use config::ConfigError;
pub use decision::{Consulted, Decision, Grant, Outcome};
pub use engine::{EngineError, MAX_CONCURRENT_DECISIONS};
pub use integration::Integration;
pub use limits::{MAX_MEMORY_BYTES, MAX_TABLE_ELEMENTS, PluginLimits, RequestLimits};
pub use pdp::{Pdp, PdpError};
pub use plugin::{
    Digest, DigestError, Effect, Evaluation, Fault, FaultKind, Inspection, LoadError, Narrowing,
    Obligation, Plugin, PluginSource, Reason, SettingsError, Verdict, inspect,
};
pub use portcullis_contract::{
    ActionClass, Attestation, CONTRACT_VERSION, Constraint, Exposure, Health, Manifest, Operator,
    Origins, Pattern, PrincipalKind,
};
pub use request::{
    Intent, Posture, Principal, Request, RequestBuilder, RequestError, Resource,
};
pub use text::printable;
pub use timestamp::{Timestamp, TimestampError};
pub use trace::{Check, Conclusion};
