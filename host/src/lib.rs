//! An embeddable policy decision point: sandboxed WebAssembly policies decide what machine
//! identities may do.
//!
//! A gateway asks about each request and enforces the answer. The rules of each [`Integration`] are
//! [`Plugin`]s, components that know nothing but the request; what they answer is combined, held to
//! the host's own rules, and only then a permit.
//!
//! ```no_run
//! use portcullis_host::{
//!     ActionClass, Attestation, Cause, Integration, Outcome, Pdp, Plugin, PluginSource, Principal,
//!     PrincipalKind, Request, RequestLimits, Resource,
//! };
//! use serde_json::json;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Once, at start: load the plugins. `Pdp::from_file("portcullis.toml")` does the same from a
//! // configuration.
//! let github = Plugin::load(
//!     &PluginSource::new(std::fs::read("plugins/github.wasm")?)
//!         .digest("sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".parse()?)
//!         .settings(json!({ "repositories": ["acme/*"] })),
//! )?;
//! let integration = Integration::new("github")
//!     .action("git.push", ActionClass::Write)
//!     .obligations(["notification"]) // what this gateway can carry out
//!     .plugin(github);
//! let pdp = Pdp::builder().integration(integration).build()?;
//!
//! // For each request, on any thread: say what the gateway verified and what is asked for.
//! let principal = Principal {
//!     id: "spiffe://acme.example/ns/dev/agent/fixer".into(),
//!     kind: PrincipalKind::Agent,
//!     attestation: Attestation::JwtSvid,
//!     ..Principal::default()
//! };
//! let resource = Resource {
//!     kind: "repository".into(),
//!     id: "acme/billing".into(),
//!     ..Resource::default()
//! };
//! let request = Request::builder("github", principal, "git.push", resource)
//!     .arguments(json!({
//!         "branch": "agents/fixer/issue-7",
//!         "files": [{ "path": "src/lib.rs", "bytes": 420 }],
//!     }))
//!     .build(pdp.request_limits())?;
//!
//! let decision = pdp.evaluate(&request);
//! match decision.outcome() {
//!     Outcome::Permit(grant) => {
//!         for obligation in decision.obligations() {
//!             println!("must do {}: {}", obligation.kind, obligation.properties);
//!         }
//!         println!("go ahead until {}", grant.expires_at());
//!     }
//!     Outcome::Deny => {
//!         println!("{}: {}", decision.cause(), decision.detail());
//!         for reason in decision.reasons() {
//!             println!("  {} {}: {}", reason.plugin, reason.code, reason.message);
//!         }
//!         if let Cause::PluginFaulted(fault) = decision.cause() {
//!             println!("  somebody should look at that plugin: {fault:?}");
//!         }
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A [`Pdp`] is cheap to clone, `Send` and `Sync`. A decision is microseconds of work on the calling
//! thread and waits for nothing but the log and the state, where there are any. A client's own message is
//! read with [`Vouched`], and JSON that the gateway wrote as a whole by [`Request::from_authzen`] and
//! [`Request::from_mcp`]; a [`Decision`] serialises as an AuthZEN response.
//!
//! Whatever goes wrong is a deny with a typed [`Cause`]: a plugin that traps, loops or returns
//! nonsense, a request that cannot be read, a panic of the host. Every bound on a plugin
//! ([`PluginLimits`]) and a request ([`RequestLimits`]) has a default.
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

// The way of a request through them is in docs/architecture.md.
mod admission;
mod cause;
mod clock;
mod combine;
pub mod config;
mod decision;
mod evidence;
mod followed;
pub mod identity;
mod integration;
mod intent;
pub mod json;
mod object;
mod pdp;
mod plugin;
mod posture;
mod registry;
mod regular;
mod request;
pub mod revocation;
pub mod state;
mod trace;

mod engine;
mod limits;
pub mod log;
mod timestamp;

pub use admission::Requirement;
pub use cause::Cause;
pub use config::ConfigError;
pub use decision::{AccessRequest, Approval, Consulted, Decision, Grant, Outcome};
#[doc(hidden)]
pub use engine::engine_settings;
pub use engine::{
    EngineError, MAX_CONCURRENT_DECISIONS, PagemapScan, PagemapScanError, PagemapScanInForce,
    choose_pagemap_scan, pagemap_scan_in_force,
};
pub use evidence::{Evidence, IntentSeen, ListAsOf};
pub use integration::{Integration, Mode, Trust, TrustCeiling};
pub use intent::{
    Allowance, Arguments, Denial, Exception, INTENT_TYPE, IntentError, Intents, KnownArguments,
    SignError, Signatures, StoredIntent, Waiver, Widening, sign, unverified_intent,
};
pub use limits::{MAX_MEMORY_BYTES, MAX_TABLE_ELEMENTS, PluginLimits, RequestLimits};
pub use pdp::{AcceptError, AccessRequests, OutcomeError, Pdp, PdpBuilder, PdpError};
pub use plugin::{
    CacheError, CompiledCache, Digest, DigestError, Effect, Evaluation, Fault, FaultKind,
    Inspection, Lane, LoadError, Narrowing, Obligation, Origin, Plugin, PluginSource, Reason,
    SettingsError, Verdict, inspect, read_component,
};
pub use portcullis_contract::{
    ActionClass, Attestation, CONTRACT_VERSION, Constraint, Exposure, Health, Manifest, Operator,
    Origins, Pattern, PrincipalKind, escape_key, escaped, excerpt, has_well_known_token, printable,
    well_known_withheld, withheld,
};
pub use posture::{Otherwise, PostureRule, Postures, PosturesError, Weakness};
pub use registry::{Gap, Identity, Registry, Shared, Survey, Surveyed};
pub use request::{
    DefaultIntegrations, Intent, Posture, Principal, Request, RequestBuilder, RequestError,
    Resource, SessionPath, Vouched,
};
pub use revocation::Revocations;
pub use timestamp::{Timestamp, TimestampError};
pub use trace::{Check, Conclusion};
