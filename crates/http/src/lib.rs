//! Decides HTTP requests: a tower layer, an axum extractor, and the mapper that they share.
//!
//! SKELETON: signatures and documentation are final in intent; bodies follow.

#![forbid(unsafe_code)]

mod auth;
mod authorized;
mod call;
mod gate;
mod layer;
mod mapper;
mod metrics;
mod obligations;
mod peer;
mod problem;

pub use auth::{AuthError, AuthErrorKind, Authenticator, AuthenticatorBuilder, AuthenticatorError, TrustedPeer};
pub use authorized::{Authorized, NotAuthorized};
pub use call::{Body, Call};
pub use gate::{Answer, Gate, Refusal};
pub use layer::{Portcullis, PortcullisLayer};
pub use mapper::{Bodies, MapError, Mapper, MapperBuilder, MapperError, Place, Route};
pub use metrics::Metrics;
pub use obligations::{Obligations, ObligationFailed};
pub use peer::{Peer, UnixCredentials};
pub use problem::Problem;
