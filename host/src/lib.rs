//! An embeddable policy decision point: sandboxed WebAssembly policies decide what machine
//! identities may do.
//!
//! A gateway sends each request to the host and enforces the decision. The rules of each [`Integration`]
//! are [`Plugin`]s: components that see only the request. The host combines their answers, applies its
//! own rules, and only then permits.
//!
//! ```no_run
//! use portcullis_host::{
//!     ActionClass, Attestation, Cause, Integration, Outcome, Pdp, Plugin, PluginSource, Principal,
//!     PrincipalKind, Request, RequestLimits, Resource,
//! };
//! use serde_json::json;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // First of all: plugins are compiled in child processes of this program.
//! portcullis_host::compile_if_asked();
//!
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
//! // For each request, on any thread: build it from the verified principal and the call.
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
//!             println!("  the operator should look at that plugin: {fault:?}");
//!         }
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A [`Pdp`] is cheap to clone, `Send` and `Sync`. A decision takes microseconds on the calling thread
//! and waits only for the log and the state, if configured. [`Vouched`] reads a client's own message;
//! [`Request::from_authzen`] and [`Request::from_mcp`] read JSON that the gateway wrote as a whole. A
//! [`Decision`] serialises as an AuthZEN response.
//!
//! # Features
//!
//! Both are on by default. A configuration with a section whose feature is left out is refused.
//!
//! - `identity` verifies what is signed: SVIDs, proofs of possession, signed intents, signed heads of revocation
//!   lists and security events. Without it, the gateway states the principal, as above.
//! - `embedded-state` is the state in a file (`[state]`). Without it, a gateway may pass its own
//!   [`State`](state::State).
//!
//! ```
//! use portcullis_host::{Cause, Integration, Pdp, PdpError, Principal, Request, Resource, config};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A decision point in memory, for a principal that the gateway states.
//! let pdp = Pdp::builder().build()?;
//! let principal = Principal { id: "spiffe://acme.example/agent".into(), ..Principal::default() };
//! let request = Request::builder("github", principal, "issues.list", Resource::default())
//!     .build(pdp.request_limits())?;
//! assert_eq!(pdp.evaluate(&request).cause(), Cause::UnknownIntegration);
//! let without_plugin = Pdp::builder().integration(Integration::new("github")).build();
//! assert!(matches!(without_plugin, Err(PdpError::NoPlugin(_))));
//!
//! // Sections whose feature is left out.
//! let file = std::env::temp_dir().join(format!("portcullis-features-{}.toml", std::process::id()));
//! for (section, feature, is_built) in [
//!     ("trust-domains = {}", "identity", cfg!(feature = "identity")),
//!     ("revocation = { signers = {} }", "identity", cfg!(feature = "identity")),
//!     ("intents = { approvers = {} }", "identity", cfg!(feature = "identity")),
//!     ("state = {}", "embedded-state", cfg!(feature = "embedded-state")),
//! ] {
//!     std::fs::write(&file, section)?;
//!     let problems = config::check(&file).problems;
//!     let named = format!("needs the feature `{feature}`");
//!     let is_refused = problems.iter().any(|problem| problem.message.contains(&named));
//!     assert_eq!(is_refused, !is_built, "{section}: {problems:?}");
//! }
//! std::fs::remove_file(&file)?;
//! # Ok(())
//! # }
//! ```
//!
//! Every failure is a deny with a typed [`Cause`]: a plugin that traps, loops or returns invalid values,
//! a request that cannot be read, a panic of the host. Every bound on a plugin ([`PluginLimits`]) and on
//! a request ([`RequestLimits`]) has a default.
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

// docs/architecture.md describes the path of a request through these modules.
mod admission;
mod combine;
pub mod config;
mod decision;
mod for_caller;
mod in_flight;
mod integration;
mod live;
pub mod log;
pub mod observe;
mod pdp;
mod quarantine;
pub mod session;
mod unmet;

pub use admission::Requirement;
pub use decision::{
    AccessRequest, Approval, ApprovalArgument, CandidateDecision, CandidateVerdict, Consulted,
    Decision, Grant, Outcome,
};
pub use for_caller::ForCaller;
pub use integration::{Integration, Mode, Tier, TierCeiling};
pub use live::{
    BundleStatus, FileStatus, IntegrationStatus, IntentsStatus, Live, LogStatus, PluginStatus,
    RefusedConfiguration, RegistryStatus, Reloaded, RevocationStatus, Status,
};
#[cfg(feature = "identity")]
pub use pdp::AcceptError;
pub use pdp::{AccessRequests, OutcomeError, Pdp, PdpBuilder, PdpError, UnmetArgument};
pub use quarantine::{QuarantineRule, Quarantined};

pub use portcullis_contract::{
    ActionClass, ArgumentOrigin, Attestation, CONTRACT_VERSION, Constraint, Exposure, Health,
    Manifest, Operator, Origins, Pattern, PrincipalKind, escape_key, escaped, excerpt, printable,
};

pub use portcullis_model::cause::{Cause, CauseKind};
pub use portcullis_model::count::counted;
pub use portcullis_model::digest::{Digest, DigestError};
pub use portcullis_model::document::ConfigError;
pub use portcullis_model::fault_kind::FaultKind;
pub use portcullis_model::file_error::{unread, unwritten};
pub use portcullis_model::inputs::{Inputs, IntentSeen, ListAsOf};
pub use portcullis_model::json;
pub use portcullis_model::limits::{
    MAX_MEMORY_BYTES, MAX_TABLE_ELEMENTS, PluginLimits, RequestLimits,
};
pub use portcullis_model::request::{
    DefaultIntegrations, Intent, Posture, Principal, Request, RequestBuilder, Resource, RoundTrip,
    SessionPath, Vouched,
};
pub use portcullis_model::secret::{has_well_known_token, well_known_withheld, withheld};
pub use portcullis_model::spiffe_id::is_spiffe_id;
pub use portcullis_model::timestamp::{Timestamp, TimestampError};
pub use portcullis_model::trace::{Check, Conclusion};
pub use portcullis_model::verdict::{Effect, Narrowing, Obligation, Reason, Verdict};
pub use portcullis_model::waiver::Waiver;
#[doc(hidden)]
pub use portcullis_sandbox::engine_settings;
pub use portcullis_sandbox::{
    CacheError, CodeSource, CompiledCache, CompilerError, EngineError, Evaluation, Fault,
    GrowingPart, Inspection, Instances, LoadError, LoadLimit, LoadStage, MAX_CONCURRENT_DECISIONS,
    PagemapScan, PagemapScanError, PagemapScanInForce, Plugin, PluginSource, SettingsError,
    choose_pagemap_scan, compile_if_asked, compiles_in_child, expect_plugins, inspect,
    pagemap_scan_in_force, read_component,
};
#[cfg(feature = "identity")]
pub use portcullis_trust::identity;
pub use portcullis_trust::intent::{
    Allowance, Arguments, AttenuationError, Denial, Exception, IntentError, Intents,
    KnownArguments, StoredIntent, digest_of_words, unverified_intent,
};
#[cfg(feature = "identity")]
pub use portcullis_trust::intent::{INTENT_TYPE, SignError, Signatures, sign};
pub use portcullis_trust::posture::{OnStale, PostureRule, Postures, PosturesError, Weakness};
pub use portcullis_trust::registry::{
    FollowedRegistry, Gap, Identity, Registry, RegistryError, Shared, Survey, Surveyed, TODO,
};
pub use portcullis_trust::revocation::{self, Revocations};
pub use portcullis_trust::state;
pub use portcullis_trust::watched::{POLL_INTERVAL, Source, Watcher};
