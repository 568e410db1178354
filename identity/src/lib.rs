//! Verifies SPIFFE JWT-SVIDs, and gives the [`Principal`] that a host decides about.
//!
//! ```no_run
//! use portcullis_identity::{Bundles, Verifier};
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let bundles = Bundles::from_files([("acme.example", "trust/acme.example.json")])?;
//! let verifier = Verifier::new(bundles, "https://gateway.acme.example")
//!     .max_lifetime(Duration::from_secs(15 * 60));
//! # let authorization_header = "Bearer …";
//! let token = authorization_header.strip_prefix("Bearer ").ok_or("no bearer token")?;
//! let principal = verifier.verify(token)?;
//! println!("{} with credential {}", principal.id, principal.credential_id);
//! # Ok(())
//! # }
//! ```
//!
//! Signature, audience, `exp`, `nbf` and the algorithms of the standard are verified by the `spiffe`
//! crate; `iat`, the lifetime, duplicate keys and what makes a bundle valid by this one. A plugin
//! sees that the principal proved itself with a JWT-SVID, and never the token.

#![forbid(unsafe_code)]

mod bundles;
mod verifier;

pub use bundles::{BundleError, Bundles};
pub use portcullis_host::Principal;
pub use verifier::{SvidError, Verifier};

#[cfg(test)]
mod tests;
