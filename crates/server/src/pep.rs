//! Enforcement points: who may ask, about which integrations, and what they may vouch for.

use aws_lc_rs::constant_time;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// Facts of a request that only a trusted enforcement point may state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact {
    /// The principal, its attributes and its credential.
    Principal,
    /// Instance of the workload, and digest of its software.
    Instance,
    /// Posture of the resource.
    Posture,
    /// Origins of arguments.
    Origins,
}

impl Fact {
    /// All facts.
    pub const ALL: [Self; 4] = [
        Self::Principal,
        Self::Instance,
        Self::Posture,
        Self::Origins,
    ];

    /// Name in `vouches-for`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Principal => "principal",
            Self::Instance => "instance",
            Self::Posture => "posture",
            Self::Origins => "origins",
        }
    }
}

/// Proof by which a caller is recognised as an enforcement point.
#[derive(Clone, PartialEq, Eq)]
pub enum Proof {
    /// The SPIFFE ID of its X.509-SVID (mTLS).
    SpiffeId(String),
    /// The SHA-256 of its bearer token.
    Token([u8; 32]),
    /// The user of its process, on a Unix socket.
    Uid(u32),
    /// The listener itself: loopback or a Unix socket, without configured enforcement points.
    Local,
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.describe())
    }
}

impl Proof {
    /// The token of an enforcement point.
    pub fn of_token(token: &str) -> Self {
        Self::Token(Sha256::digest(token.as_bytes()).into())
    }

    /// Description without secrets.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::SpiffeId(id) => format!("X.509-SVID of {id}"),
            Self::Token(_) => "bearer token".to_owned(),
            Self::Uid(uid) => format!("user {uid} on a Unix socket"),
            Self::Local => "any caller of a local listener".to_owned(),
        }
    }
}

/// An enforcement point.
#[derive(Debug, Clone)]
pub struct Pep {
    /// Name, for logs and metrics.
    pub id: String,
    /// Proof of its identity.
    pub proof: Proof,
    /// Integrations that it may ask about; `None` for all.
    pub integrations: Option<Vec<String>>,
    /// Facts that it may vouch for.
    pub vouches_for: Vec<Fact>,
}

impl Pep {
    /// The enforcement point of a local listener without configured ones.
    pub fn local() -> Self {
        Self {
            id: "local".to_owned(),
            proof: Proof::Local,
            integrations: None,
            vouches_for: Fact::ALL.to_vec(),
        }
    }

    /// True if it may ask about the integration.
    pub(crate) fn may_use(&self, integration: &str) -> bool {
        match &self.integrations {
            None => true,
            Some(names) => names.iter().any(|name| name == integration),
        }
    }

    /// True if it may state the fact.
    pub(crate) fn vouches_for(&self, fact: Fact) -> bool {
        self.vouches_for.contains(&fact)
    }
}

/// All enforcement points of a server.
#[derive(Debug, Clone, Default)]
pub struct Peps(Vec<Arc<Pep>>);

impl FromIterator<Pep> for Peps {
    fn from_iter<I: IntoIterator<Item = Pep>>(peps: I) -> Self {
        Self(peps.into_iter().map(Arc::new).collect())
    }
}

impl Peps {
    /// All, in the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Pep>> {
        self.0.iter()
    }

    /// True if every caller of a local listener is accepted.
    pub fn is_local(&self) -> bool {
        self.local().is_some()
    }

    pub(crate) fn local(&self) -> Option<Arc<Pep>> {
        self.find(|proof| *proof == Proof::Local)
    }

    pub(crate) fn by_uid(&self, uid: u32) -> Option<Arc<Pep>> {
        self.find(|proof| *proof == Proof::Uid(uid))
    }

    pub(crate) fn by_spiffe_id(&self, id: &str) -> Option<Arc<Pep>> {
        self.find(|proof| matches!(proof, Proof::SpiffeId(known) if known == id))
    }

    /// Compares the token with that of every enforcement point, in constant time.
    pub(crate) fn by_token(&self, token: &str) -> Option<Arc<Pep>> {
        let presented: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let mut found = None;
        for pep in &self.0 {
            if let Proof::Token(known) = &pep.proof
                && constant_time::verify_slices_are_equal(known, &presented).is_ok()
            {
                found = Some(pep);
            }
        }
        found.cloned()
    }

    fn find(&self, is: impl Fn(&Proof) -> bool) -> Option<Arc<Pep>> {
        self.0.iter().find(|pep| is(&pep.proof)).cloned()
    }

    /// Message for a caller without a token that the connection does not identify.
    pub(crate) fn how_to_authenticate(&self) -> String {
        let mut ways = Vec::new();
        for pep in &self.0 {
            let way = match &pep.proof {
                Proof::SpiffeId(_) => "an X.509-SVID over mTLS",
                Proof::Token(_) => "`Authorization: Bearer …`",
                Proof::Uid(_) => "the Unix socket as its user",
                Proof::Local => continue,
            };
            if !ways.contains(&way) {
                ways.push(way);
            }
        }
        format!(
            "the caller is not a known enforcement point: authenticate by {}",
            ways.join(" or ")
        )
    }
}
