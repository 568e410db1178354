//! Who asks: SPIFFE credentials, verified, and the principal that they prove.
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
//! Of a JWT-SVID, signature, audience, `exp`, `nbf` and the algorithms of the standard are verified by
//! the `spiffe` crate; `iat`, the lifetime, duplicate keys and what makes a bundle valid here. Of an
//! X.509-SVID, the path is verified by `webpki` (RFC 5280); what SPIFFE asks beyond that, here. A
//! plugin sees how the principal proved itself, and never the credential.

mod bundles;
mod jwt;
mod keys;
mod proof;
mod verifier;
mod x509;

pub use bundles::{BundleError, Bundles};
pub use jwt::KeysError;
pub(crate) use jwt::{FollowedKeys, JwtError, Keys, is_meant_for, unverified};
pub use proof::Proof;
pub use verifier::{SvidError, Verifier};

#[cfg(test)]
mod tests;
