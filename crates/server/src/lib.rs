//! A decision point behind AuthZEN, forward authentication and Envoy's ext_authz.
//!
//! [`Server`] binds listeners for a host ([`portcullis_host::Live`]) and serves its decisions. It never decides by
//! itself: every answer that permits comes from [`portcullis_host::Pdp`]. What it adds are the callers: enforcement
//! points with a proof of identity, integrations that they may ask about, and facts that they may vouch for.
//!
//! ```no_run
//! use portcullis_server::{Options, Server, signals};
//! use std::path::Path;
//!
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::bind(Options::from_file(Path::new("portcullis.toml"))?).await?;
//! for url in server.urls() {
//!     eprintln!("listening on {url}");
//! }
//! server.run(signals::stop()).await;
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

mod accept;
mod admin;
mod apart;
mod authzen;
mod checkpoint;
mod client;
mod connection;
mod events;
mod ext_authz;
mod forward;
mod gates;
mod handle;
mod listener;
mod mcp;
mod metrics;
mod observe;
mod outbound;
mod pep;
mod recent;
mod refusal;
mod relay;
mod reload;
mod remote;
mod server;
mod sessions;
pub mod settings;
mod ship;
mod shipping;
pub mod signals;
mod state;
mod telemetry;
mod tls;
mod vouching;

pub use admin::{PepStatus, ServerStatus, WholeStatus};
pub use client::{AdminUrl, AskError, ask};
pub use pep::{Fact, Pep, Peps, Proof};
pub use recent::{Latency, RecentDecision};
pub use relay::{Relayed, RemoteGate};
pub use remote::Remote;
pub use server::{Control, Options, ServeError, Server};
pub use shipping::ShipStatus;
pub use telemetry::OtlpStatus;
