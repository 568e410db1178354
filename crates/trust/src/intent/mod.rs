//! Intents: approvals made before acting, in a form that the host can compare.
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
//! An allowance lists the required and optional arguments of a call ([`Arguments`]); a call with another
//! argument is not allowed. `"arguments": "open"` allows any. Without `arguments`, an allowance allows only
//! actions that the operator classified as `read`.
//!
//! A delegated intent has a `parent`, with its id and digest. The principal of the parent approves it, and it
//! allows nothing that the parent does not.
//!
//! An intent with an `exception` names the owner of the exception and the checks of the host that it waives.
//! It waives them only where intents must be signed, and it expires as every intent does.
//!
//! A signed intent is a JWT whose `authorization_details` (RFC 9396) hold the intent.

mod arguments;
mod nearest;
mod read;
#[cfg(feature = "identity")]
mod signed;
#[cfg(not(feature = "identity"))]
#[path = "signed_left_out.rs"]
mod signed;
mod store;
mod subset;
mod weight;

pub use arguments::{Arguments, KnownArguments};
pub use arguments::{member_to_write, members_of};
pub use nearest::Nearest;
pub use signed::unverified_intent;
#[cfg(feature = "identity")]
pub use signed::{INTENT_TYPE, SignError, Signatures, sign};
pub use store::{Chain, find_revoked, revoked_in};
pub use store::{IntentError, Intents};
pub use subset::AttenuationError;

use portcullis_contract::name::fold;
use portcullis_contract::{ActionClass, Constraint, Pattern, excerpt, printable};
use portcullis_model::count::counted;
use portcullis_model::digest::Digest;
use portcullis_model::request::Request;
use portcullis_model::timestamp::Timestamp;
use portcullis_model::waiver::Waiver;
use std::fmt;

/// An approved intent.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredIntent {
    /// Id of the intent.
    pub id: String,
    /// Purpose in words. It never affects a decision.
    pub purpose: String,
    /// SPIFFE ID of the principal that may act on the intent.
    pub principal: String,
    /// Approver, who is never the principal.
    pub approved_by: String,
    /// Time of the approval.
    pub approved_at: Timestamp,
    /// Time from which the intent is valid.
    pub issued_at: Timestamp,
    /// Time at which the intent expires.
    pub expires_at: Timestamp,
    /// Parent that it was delegated from: id and digest.
    pub parent: Option<(String, Digest)>,
    /// Maximum number of uses, including uses of intents delegated from it.
    pub max_uses: Option<u64>,
    /// Allowed actions; no others are allowed.
    pub allows: Vec<Allowance>,
    /// Denied actions, which override the allowances.
    pub denies: Vec<Denial>,
    /// Exception that the intent grants, if any.
    pub exception: Option<Exception>,
    /// Digest of the user's words for which it was approved, if it counts in sessions with these words alone.
    ///
    /// See [`digest_of_words`].
    pub said: Option<Digest>,
    digest: Digest,
}

/// An allowed action on a resource, with constraints on its arguments.
#[derive(Debug, Clone, PartialEq)]
pub struct Allowance {
    /// Name of the integration.
    pub integration: String,
    /// Pattern of the actions.
    pub action: Pattern,
    /// Pattern of the resources.
    pub resource: Pattern,
    /// Permitted arguments. `None` allows only actions that are classified as `read`.
    pub arguments: Option<Arguments>,
    /// Constraints that the arguments must meet.
    pub constraints: Vec<Constraint>,
    /// Maximum number of uses.
    pub max_uses: Option<u64>,
    /// Constrained arguments for whose values approval may be requested, as JSON Pointers.
    ///
    /// `None` leaves it to the host's configuration.
    pub asks: Option<Vec<String>>,
}

/// A denied action on a resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Denial {
    /// Name of the integration.
    pub integration: String,
    /// Pattern of the actions.
    pub action: Pattern,
    /// Pattern of the resources.
    pub resource: Pattern,
}

/// Checks of the host that an intent waives, with the owner of the exception.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// Owner who answers for the exception.
    pub owner: String,
    /// Waived checks.
    pub waives: Vec<Waiver>,
}

/// Digest of the words with which a session is opened: the texts, each without white space at its ends, joined by line
/// breaks.
///
/// For one text it is that of `sha256sum`.
pub fn digest_of_words<'t>(texts: impl IntoIterator<Item = &'t str>) -> Digest {
    let texts: Vec<_> = texts.into_iter().map(str::trim).collect();
    Digest::of(texts.join("\n").as_bytes())
}

impl StoredIntent {
    /// True if it counts in a session that was opened with those words.
    pub fn counts_for<'t>(&self, said: impl IntoIterator<Item = &'t str>) -> bool {
        self.said
            .is_none_or(|digest| digest == digest_of_words(said))
    }

    /// Digest of the intent in canonical form (RFC 8785), signed or not.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// True if the intent waives that check.
    pub fn waives(&self, waiver: Waiver) -> bool {
        self.exception
            .as_ref()
            .is_some_and(|exception| exception.waives.contains(&waiver))
    }

    /// True if the intent or one of its allowances has a maximum number of uses.
    pub fn counts_uses(&self) -> bool {
        self.max_uses.is_some() || self.allows.iter().any(|one| one.max_uses.is_some())
    }

    /// True if the intent denies `request`, regardless of its allowances.
    pub fn denies(&self, request: &Request) -> bool {
        self.denies.iter().any(|denial| denial.includes(request))
    }

    /// First allowance that includes `request`, unless the intent denies it.
    ///
    /// The action of the request is of `class`.
    pub fn allowance_for(&self, request: &Request, class: ActionClass) -> Option<&Allowance> {
        let mut allowances = self.allowances_for(request, class);
        allowances.next().map(|(_, found)| found)
    }

    /// Allowances that include `request`, each with its index.
    ///
    /// The action of the request is of `class`. Empty if the intent denies the request.
    pub fn allowances_for<'a, 'r>(
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

    /// Warnings for the approver: valid parts of the intent that may be unintended.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings_if(true)
    }

    /// As [`StoredIntent::warnings`], without those about `arguments` that are missing.
    pub fn warnings_of_stated(&self) -> Vec<String> {
        self.warnings_if(false)
    }

    fn warnings_if(&self, of_missing_arguments: bool) -> Vec<String> {
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
                    "{place}: `\"arguments\": \"open\"` allows any arguments: list the arguments that a call needs, as in {}",
                    member_to_write(known())
                )),
                None if !of_missing_arguments => {}
                None => all.push(format!(
                    "{place}: `arguments` is missing, so only actions classified as `read` are allowed: list them, as in {}",
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

    /// Key that counts the uses of the intent or of one of its allowances.
    pub fn budget_key(&self, allowance: Option<usize>) -> String {
        match allowance {
            None => format!("intent {}", self.digest),
            Some(index) => format!("intent {} /allows/{index}", self.digest),
        }
    }
}

impl Allowance {
    /// True if it lists the arguments of a call, of which there are some, and constrains none of them.
    pub fn takes_any_values(&self) -> bool {
        let lists_some = match &self.arguments {
            Some(Arguments::Only(known)) => !known.is_empty(),
            Some(Arguments::Open) | None => false,
        };
        lists_some && self.constraints.is_empty()
    }

    /// True if integration, action, resource and arguments of the request are allowed.
    ///
    /// The action of the request is of `class`.
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
            // Answers to the server's questions are arguments that no list can name.
            && (request.round_trip().is_empty() || self.arguments == Some(Arguments::Open))
            && self
                .constraints
                .iter()
                .all(|constraint| constraint.met_by(request.arguments(), request.origins()))
    }
}

impl Denial {
    /// True if any reading of the request matches the denial.
    ///
    /// The case of the integration is ignored: no two integrations of a host differ in case alone.
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
            printable(&self.integration),
            printable(self.action.as_str()),
            printable(self.resource.as_str())
        )?;
        for constraint in &self.constraints {
            write!(f, " with `{constraint}`")?;
        }
        match &self.arguments {
            None => {}
            Some(Arguments::Open) => f.write_str(" with any arguments")?,
            Some(only) => {
                let only = only.to_json().to_string();
                write!(f, " with the arguments `{}`", printable(&only))?;
            }
        }
        if let Some(uses) = self.max_uses {
            write!(f, " at most {}", counted(uses, "time"))?;
        }
        Ok(())
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}: {} {}`",
            printable(&self.integration),
            printable(self.action.as_str()),
            printable(self.resource.as_str())
        )
    }
}

#[cfg(test)]
mod tests;
