//! Checks of the host that an intent, as an exception, can waive.

use serde::{Deserialize, Serialize};

/// A check of the host that an exception can waive.
///
/// An exception can waive no other check, and no plugin's denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Waiver {
    /// Maximum lifetime of the credential.
    CredentialLifetime,
    /// Minimum attestation of the principal.
    Attestation,
    /// Match between the environments of principal and resource.
    Environment,
    /// Posture of the destination. Intents and logs from before 0.3 call it `posture`.
    #[serde(alias = "posture")]
    Destination,
}

impl Waiver {
    /// The waiver as spelt in an intent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CredentialLifetime => "credential-lifetime",
            Self::Attestation => "attestation",
            Self::Environment => "environment",
            Self::Destination => "destination",
        }
    }
}
