//! Verifies SPIFFE credentials and returns the principal that they prove.
//!
//! ```no_run
//! use portcullis_host::Pdp;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // `[trust]` of the configuration names the bundle of each trust domain, and the audience.
//! let pdp = Pdp::from_file("portcullis.toml")?;
//! let verifier = pdp.verifier().ok_or("the configuration has no [trust]")?;
//! # let authorization_header = "Bearer …";
//! let token = authorization_header.strip_prefix("Bearer ").ok_or("no bearer token")?;
//! let principal = verifier.verify(token)?;
//! println!("{} with credential {}", principal.id, principal.credential_id);
//! # Ok(())
//! # }
//! ```
//!
//! - JWT-SVID: the `spiffe` crate verifies the signature, the audience, `exp`, `nbf` and the algorithms of
//!   the standard. This module verifies `iat`, the lifetime, that no JSON member is duplicated, and that the
//!   bundle is valid.
//! - X.509-SVID: `webpki` verifies the path (RFC 5280). This module verifies the further rules of SPIFFE.
//!
//! A plugin sees the kind of attestation, and never the credential.

mod bundles;
pub(crate) mod certificate_id;
mod jwt;
mod keys;
mod proof;
pub(crate) mod signing_key;
mod verifier;
mod x509;

pub use bundles::{BundleError, Bundles};
pub use jwt::KeysError;
pub(crate) use jwt::{JwtError, Keys, WatchedKeys, is_meant_for, unverified};
pub use proof::Proof;
pub use verifier::{SvidError, Verifier};

#[cfg(test)]
mod tests;
