//! The closed sets of `wit/policy.wit`, shared by host and SDK.
//!
//! In each set, the first variant means "not known, or not asked for" and never favours the principal.

use serde::{Deserialize, Serialize};

/// Kind of the principal's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PrincipalKind {
    /// Not asked for, or unknown.
    #[default]
    Unspecified,
    /// A program that chooses its own actions, such as an AI agent.
    Agent,
    /// A long-running service.
    Service,
    /// A third-party integration.
    Connector,
    /// A build or deployment job.
    Pipeline,
    /// A person.
    Human,
    /// An emergency identity.
    BreakGlass,
}

/// Proof of the principal's identity, weakest first, so that `>=` compares strength.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Attestation {
    /// No proof, not asked for, or unknown.
    #[default]
    None,
    /// A secret that does not expire by itself.
    StaticSecret,
    /// A bearer token that expires.
    BearerToken,
    /// A SPIFFE JWT-SVID.
    JwtSvid,
    /// A SPIFFE X.509-SVID.
    X509Svid,
    /// A credential bound to a key that the principal proved to hold.
    ProofOfPossession,
}

/// Effect of an action, as classified by the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionClass {
    /// The operator did not classify the action. Treat it as the worst class.
    #[default]
    Unclassified,
    /// The action only reads.
    Read,
    /// The action makes a change that can be undone.
    Write,
    /// The action makes a change that cannot be undone.
    Destructive,
    /// The action sends data out.
    Exfiltration,
    /// The action changes permissions.
    Admin,
}

/// Audience that can reach a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exposure {
    /// Unknown. Treat it as the internet.
    #[default]
    Unknown,
    /// Anyone on the internet.
    Internet,
    /// Named partners.
    Partner,
    /// Only the organisation itself.
    Internal,
}

/// Operating state of a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// Unknown.
    #[default]
    Unknown,
    /// Known or suspected to be under an attacker's control.
    Compromised,
    /// The destination works with reduced quality.
    Degraded,
    /// The destination works.
    Healthy,
}

impl PrincipalKind {
    /// The kind as spelt in a registry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Agent => "agent",
            Self::Service => "service",
            Self::Connector => "connector",
            Self::Pipeline => "pipeline",
            Self::Human => "human",
            Self::BreakGlass => "break-glass",
        }
    }
}

impl Attestation {
    /// The attestation as spelt in a configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::StaticSecret => "static-secret",
            Self::BearerToken => "bearer-token",
            Self::JwtSvid => "jwt-svid",
            Self::X509Svid => "x509-svid",
            Self::ProofOfPossession => "proof-of-possession",
        }
    }
}

impl ActionClass {
    /// The class as spelt in a configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unclassified => "unclassified",
            Self::Read => "read",
            Self::Write => "write",
            Self::Destructive => "destructive",
            Self::Exfiltration => "exfiltration",
            Self::Admin => "admin",
        }
    }
}
