//! Decides HTTP requests: a tower layer, an axum extractor, and the mapper that they share.
//!
//! A gateway that is written in Rust adds one layer. It authenticates the caller, maps the request, asks the decision
//! point, carries out the obligations, records, and refuses with `application/problem+json`:
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use portcullis_host::{Live, compile_if_asked};
//! use portcullis_http::{Authenticator, Authorized, Decided, Mapper, Obligations, PortcullisLayer};
//! use serde_json::Value;
//!
//! async fn notify(notification: Value, of: Decided) -> Result<(), std::io::Error> {
//!     println!("{}: {notification}", of.principal().id); // or send it
//!     Ok(())
//! }
//!
//! async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//!     let live = Live::from_file("portcullis.toml")?; // follows the file, and all that it names
//!     let mapper = Mapper::builder().integration("billing-api").numbers(["limit"]).build()?;
//!     let callers = Authenticator::builder().bearer().build()?; // JWT-SVIDs of `[trust-domains]`
//!     let layer = PortcullisLayer::new(live, mapper, callers)
//!         .obligations(Obligations::new().handle("notification", notify));
//!     let invoices = |by: Authorized| async move { format!("invoices for {}", by.principal().id) };
//!     let app = Router::new().route("/v1/invoices", get(invoices)).layer(layer);
//!     Ok(axum::serve(tokio::net::TcpListener::bind("127.0.0.1:8080").await?, app).await?)
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     compile_if_asked(); // before any thread: this may be a child process that compiles a plugin
//!     tokio::runtime::Runtime::new()?.block_on(serve())
//! }
//! ```
//!
//! A call goes ahead only by a decision of [`Live`](portcullis_host::Live). Everything else is a refusal: no credential
//! or several, a path or a query that servers read differently, a body that cannot be read, an obligation that is not
//! carried out.
//!
//! [`Gate`] has the same steps without a transport, for a server that gets its calls from a proxy.
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

mod call;
mod peer;

mod mapper;

mod auth;

mod authorized;
mod gate;
mod layer;
mod metrics;
mod obligations;
mod problem;
mod unknown_callers;

pub use auth::{
    AuthError, AuthErrorKind, Authenticator, AuthenticatorBuilder, AuthenticatorError, TrustedPeer,
};
pub use authorized::{Authorized, Decided, NotAuthorized};
pub use call::{Body, Call};
pub use gate::{Answer, Caller, DECISION_HEADER, Gate, Refusal};
pub use layer::{Portcullis, PortcullisLayer};
pub use mapper::{Bodies, MapError, Mapper, MapperBuilder, MapperError, Place, Route};
pub use metrics::Metrics;
pub use obligations::{ObligationFailed, Obligations};
pub use peer::{Peer, UnixCredentials};
pub use problem::Problem;
pub use unknown_callers::UnknownCallers;
