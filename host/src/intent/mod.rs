//! Intents: what was approved before acting, in a form that can be compared.
//!
//! ```json
//! {
//!   "id": "int-7f3c",
//!   "purpose": "open one issue per failed invoice",
//!   "principal": "spiffe://acme.example/ns/payments/agent/reconciler",
//!   "approved-by": { "who": "alice@acme.example", "at": "2026-11-22T08:55:00Z" },
//!   "issued-at": "2026-11-22T09:00:00Z",
//!   "expires-at": "2026-11-22T10:00:00Z",
//!   "max-uses": 20,
//!   "allows": [
//!     { "integration": "github", "action": "issues.create", "resource": "acme/billing",
//!       "arguments": { "required": ["/title", "/labels"], "optional": ["/body"] },
//!       "constraints": [{ "path": "/labels", "op": "subset-of", "value": ["invoice"] }],
//!       "max-uses": 15 }
//!   ],
//!   "denies": [{ "integration": "github", "action": "repos.*", "resource": "**" }]
//! }
//! ```
//!
//! An allowance says which arguments a call has to have and may have ([`Arguments`]); a call with another one
//! is not allowed. `"arguments": "open"` allows any. Without `arguments`, an allowance allows only actions
//! that the operator classified as `read`.
//!
//! An intent that was delegated has a `parent`, with its id and digest. It is approved by the
//! parent's principal, and allows nothing that the parent does not. One that is an `exception` says
//! who owns it and which of the host's checks it waives; it waives them only where intents are signed,
//! and it ends as every intent does.
//!
//! Signed, an intent is a JWT whose `authorization_details` (RFC 9396) hold it.

mod arguments;
mod read;
mod signed;
mod store;
mod subset;
mod weight;

pub use arguments::{Arguments, KnownArguments};
pub(crate) use arguments::{member_to_write, members_of};
pub(crate) use signed::private_key;
pub use signed::{INTENT_TYPE, SignError, Signatures, sign, unverified_intent};
pub(crate) use store::{Chain, find_revoked, revoked_in};
pub use store::{IntentError, Intents};
pub use subset::Widening;

use crate::Timestamp;
use crate::plugin::Digest;
use crate::request::Request;
use portcullis_contract::name::fold;
use portcullis_contract::{ActionClass, Constraint, Pattern, excerpt};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What was approved before acting.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredIntent {
    /// Its identifier.
    pub id: String,
    /// The purpose, in words. Nothing compares it.
    pub purpose: String,
    /// The SPIFFE ID of who may act on it.
    pub principal: String,
    /// Who approved it, who is never the principal.
    pub approved_by: String,
    /// When it was approved.
    pub approved_at: Timestamp,
    /// From when it holds.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The intent that it was delegated from: id and digest.
    pub parent: Option<(String, Digest)>,
    /// How often it may be used, those that are delegated from it included.
    pub max_uses: Option<u64>,
    /// What it allows; nothing else is.
    pub allows: Vec<Allowance>,
    /// What it does not allow, whatever it allows.
    pub denies: Vec<Denial>,
    /// What it is an exception from, if it is one.
    pub exception: Option<Exception>,
    digest: Digest,
}

/// An action on a resource, with what its arguments have to meet.
#[derive(Debug, Clone, PartialEq)]
pub struct Allowance {
    /// The integration's name.
    pub integration: String,
    /// The actions.
    pub action: Pattern,
    /// The resources.
    pub resource: Pattern,
    /// Which arguments there may be. Without any, only actions that are classified as `read` are allowed.
    pub arguments: Option<Arguments>,
    /// What the arguments meet.
    pub constraints: Vec<Constraint>,
    /// How often it may be used.
    pub max_uses: Option<u64>,
}

/// An action on a resource that is not allowed.
#[derive(Debug, Clone, PartialEq)]
pub struct Denial {
    /// The integration's name.
    pub integration: String,
    /// The actions.
    pub action: Pattern,
    /// The resources.
    pub resource: Pattern,
}

/// Which of the host's checks an intent waives, and who answers for that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// Who answers for it.
    pub owner: String,
    /// What it waives.
    pub waives: Vec<Waiver>,
}

/// A check of the host that an exception can waive. No other can be, and no plugin's denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Waiver {
    /// For how long the credential is valid.
    CredentialLifetime,
    /// How the principal proved what it is.
    Attestation,
    /// That principal and resource are of one environment.
    Environment,
    /// What was last seen of the destination.
    Posture,
}

impl Waiver {
    /// The waiver as text, as in an intent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CredentialLifetime => "credential-lifetime",
            Self::Attestation => "attestation",
            Self::Environment => "environment",
            Self::Posture => "posture",
        }
    }
}

impl StoredIntent {
    /// The digest of the intent in canonical form (RFC 8785), signed or not.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Whether it waives that check.
    pub fn waives(&self, waiver: Waiver) -> bool {
        self.exception
            .as_ref()
            .is_some_and(|exception| exception.waives.contains(&waiver))
    }

    /// Whether it, or an allowance of it, may be used so many times and no more.
    pub fn counts_uses(&self) -> bool {
        self.max_uses.is_some() || self.allows.iter().any(|one| one.max_uses.is_some())
    }

    /// Whether it denies `request`, whatever it allows.
    pub fn denies(&self, request: &Request) -> bool {
        self.denies.iter().any(|denial| denial.includes(request))
    }

    /// The first allowance that includes `request`, whose action is of `class`, unless the intent denies it.
    pub fn allowance_for(&self, request: &Request, class: ActionClass) -> Option<&Allowance> {
        let mut allowances = self.allowances_for(request, class);
        allowances.next().map(|(_, found)| found)
    }

    /// Every allowance that includes `request`, whose action is of `class`, with its place; none if the
    /// intent denies it.
    pub(crate) fn allowances_for<'a, 'r>(
        &'a self,
        request: &'r Request,
        class: ActionClass,
    ) -> impl Iterator<Item = (usize, &'a Allowance)> + use<'a, 'r> {
        let denied = self.denies(request);
        self.allows
            .iter()
            .enumerate()
            .filter(move |(_, allowance)| !denied && allowance.includes(request, class))
    }

    /// What whoever approves it should know: what is sound, and may be meant otherwise.
    pub fn warnings(&self) -> Vec<String> {
        let of_allowance = |(place, allowance): (usize, &Allowance)| {
            let place = format!("`/allows/{place}`");
            let constraints = allowance.constraints.iter();
            let mut all: Vec<_> = constraints
                .filter_map(|it| Some(format!("{place}: {}", it.warning()?)))
                .collect();
            let known = || allowance.constraints.iter().map(Constraint::path);
            match &allowance.arguments {
                Some(Arguments::Only(_)) => {}
                Some(Arguments::Open) => all.push(format!(
                    "{place}: `\"arguments\": \"open\"` allows a call any arguments: list those that it needs, as in {}",
                    member_to_write(known())
                )),
                None => all.push(format!(
                    "{place}: it says nothing of its `arguments`, so that it allows only actions that are classified as `read`: list them, as in {}",
                    member_to_write(known())
                )),
            }
            all
        };
        let of_denial = |(place, denial): (usize, &Denial)| {
            let why = denial.resource.doubt()?;
            let pattern = excerpt(denial.resource.as_str());
            Some(format!("`/denies/{place}/resource`: `{pattern}`: {why}"))
        };
        let allowances = self.allows.iter().enumerate().flat_map(of_allowance);
        let denials = self.denies.iter().enumerate().filter_map(of_denial);
        allowances.chain(denials).collect()
    }

    /// What counts the uses of the intent, or of one of its allowances.
    pub(crate) fn budget_key(&self, allowance: Option<usize>) -> String {
        match allowance {
            None => format!("intent {}", self.digest),
            Some(index) => format!("intent {} /allows/{index}", self.digest),
        }
    }
}

impl Allowance {
    /// Whether the request's integration, action, of `class`, resource and arguments are what is allowed.
    pub fn includes(&self, request: &Request, class: ActionClass) -> bool {
        let has_arguments = || match &self.arguments {
            None => arguments::may_be_unsaid(class),
            Some(Arguments::Open) => true,
            Some(Arguments::Only(known)) => known.differ(request.arguments()).is_none(),
        };
        self.integration == request.integration()
            && self.action.matches(request.action())
            && request.resource_matches(&self.resource)
            && has_arguments()
            && self
                .constraints
                .iter()
                .all(|constraint| constraint.met_by(request.arguments(), request.origins()))
    }
}

impl Denial {
    /// Whether the request might be what is denied, in whatever way it is read. The integration's case does not
    /// count: no two integrations of a host differ in case alone.
    pub fn includes(&self, request: &Request) -> bool {
        fold(&self.integration) == fold(request.integration())
            && self.action.might_match(request.action())
            && request.resource_might_match(&self.resource)
    }
}

impl fmt::Display for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}: {} {}`",
            self.integration, self.action, self.resource
        )?;
        for constraint in &self.constraints {
            write!(f, " with `{constraint}`")?;
        }
        match &self.arguments {
            None => {}
            Some(Arguments::Open) => f.write_str(" with any arguments")?,
            Some(only) => write!(f, " with the arguments `{}`", only.to_json())?,
        }
        if let Some(uses) = self.max_uses {
            write!(f, " at most {uses} times")?;
        }
        Ok(())
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}: {} {}`",
            self.integration, self.action, self.resource
        )
    }
}

#[cfg(test)]
mod tests;
