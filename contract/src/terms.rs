//! The closed sets of `wit/policy.wit`, shared by host and SDK.
//!
//! In each, the first variant means "not known, or not asked for" and never speaks in the
//! principal's favour.

use serde::{Deserialize, Serialize};

/// What kind of identity asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PrincipalKind {
    /// Not asked for, or not known.
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

/// How a principal proved what it is, weakest first, so that `>=` compares strength.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Attestation {
    /// Not at all, not asked for, or not known.
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

/// What the operator says an action does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionClass {
    /// The operator did not say. Treat it as the worst.
    #[default]
    Unclassified,
    /// It only looks.
    Read,
    /// It changes something, and the change can be undone.
    Write,
    /// It changes something for good.
    Destructive,
    /// It sends something out.
    Exfiltration,
    /// It changes who may do what.
    Admin,
}

/// Who can reach a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exposure {
    /// Not known. Treat it as the internet.
    #[default]
    Unknown,
    /// Anyone on the internet.
    Internet,
    /// Named partners.
    Partner,
    /// Only the organisation itself.
    Internal,
}

/// Whether a destination works as it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// Not known.
    #[default]
    Unknown,
    /// Known or suspected to be in an attacker's hands.
    Compromised,
    /// It works, but not well.
    Degraded,
    /// It works.
    Healthy,
}

impl PrincipalKind {
    /// The kind as text, as in a registry.
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
    /// The attestation as text, as in a configuration.
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
    /// The class as text, as in a configuration.
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
