//! Verifies SPIFFE credentials and returns the principal that they prove.
//!
//! - JWT-SVID: the `spiffe` crate verifies the signature, the audience, `exp`, `nbf` and the algorithms of
//!   the standard. This module verifies `iat`, the lifetime, that no JSON member is duplicated, and that the
//!   bundle is valid.
//! - X.509-SVID: `webpki` verifies the path (RFC 5280). This module verifies the further rules of SPIFFE.
//!
//! A plugin sees the kind of attestation, and never the credential.

mod bundles;
mod invalid_token;
mod jwt;
mod keys;
mod proof;
pub(crate) mod signing_key;
mod verifier;
mod x509;

pub use bundles::{BundleError, Bundles};
pub use invalid_token::InvalidToken;
pub use jwt::KeysError;
pub(crate) use jwt::{JwtError, Keys, WatchedKeys, is_meant_for, unverified};
pub use proof::Proof;
pub use signing_key::{NewKey, NewKeyError};
pub use verifier::{SvidError, Verifier};

#[cfg(test)]
mod tests;
