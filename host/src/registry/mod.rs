//! The inventory of non-human identities, and what it holds every request to.
//!
//! ```toml
//! [[identity]]
//! id = "spiffe://acme.example/ns/payments/agent/reconciler"
//! kind = "agent"                        # agent | service | connector | pipeline | human | break-glass
//! owner = "team-payments@acme.example"
//! purpose = "reconcile invoices against bank statements"
//! environment = "prod"
//! expires = 2027-03-31T00:00:00Z
//! max-credential-lifetime = "15m"
//! integrations = ["github", "bank"]
//! workload-digest = "sha256:…"          # what it has to run; optional
//! shared = { owner = "alice@acme.example", until = 2027-01-31T00:00:00Z }   # an exception; optional
//! ```

mod reader;

use crate::Timestamp;
use crate::cause::{Cause, Refusal};
use crate::config::{ConfigError, Problem, Severity};
use crate::request::{Principal, SessionPath};
use crate::timestamp::CLOCK_LEEWAY;
use portcullis_contract::{PrincipalKind, looks_like_a_token, name, withheld};
use reader::{each_file, read};
use spiffe::SpiffeId;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// One registered identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The SPIFFE ID.
    pub id: Arc<str>,
    /// What kind of identity it is.
    pub kind: PrincipalKind,
    /// Who answers for it.
    pub owner: Arc<str>,
    /// What it is for, in words.
    pub purpose: Arc<str>,
    /// The environment it runs in.
    pub environment: Arc<str>,
    /// When the registration ends.
    pub expires: Timestamp,
    /// For how long a credential of it may be valid, at most.
    pub max_credential_lifetime: Duration,
    /// The integrations that it may use.
    pub integrations: Arc<[Arc<str>]>,
    /// The digest of what the workload has to run, such as that of its image.
    pub workload_digest: Option<String>,
    /// That more than one workload has the identity, which is an exception from one for each.
    pub shared: Option<Shared>,
}

/// An exception: that several workloads share an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    /// Who answers for it.
    pub owner: String,
    /// When it ends. From then on the identity is denied.
    pub until: Timestamp,
}

/// The registered identities. Finding one takes the same time however many there are.
///
/// Texts that many of them share, such as owners and environments, are kept once: what a decision reads of
/// one identity is then near what it read of the last.
#[derive(Debug, Default)]
pub struct Registry {
    identities: HashMap<Arc<str>, Identity>,
    texts: HashSet<Arc<str>>,
    lists: HashSet<Arc<[Arc<str>]>>,
}

/// A registry as it is written, with what a host refuses.
#[derive(Debug)]
#[must_use]
pub struct Survey {
    /// The identities, in the order of their files.
    pub identities: Vec<Surveyed>,
    /// What else is wrong with the files.
    pub problems: Vec<Problem>,
}

/// An identity as it is written.
#[derive(Debug)]
pub struct Surveyed {
    /// The identity. What it lacks is empty, or ends never.
    pub identity: Identity,
    /// What a host refuses of it.
    pub gaps: Vec<Gap>,
    /// The file that has it.
    pub file: PathBuf,
    /// The line that it begins with, from 1.
    pub line: usize,
}

/// What an identity lacks, or has too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// Nobody answers for it.
    Owner,
    /// Nobody says what it is for.
    Purpose,
    /// Nobody says when it ends.
    Expiry,
    /// Its id stands for many.
    WildcardId,
    /// It may use whatever there is.
    WildcardIntegrations,
    /// It is shared, and nobody answers for that.
    SharedOwner,
    /// It is shared, and nobody says until when.
    SharedUntil,
}

impl Registry {
    /// The identity of that SPIFFE ID.
    pub fn get(&self, id: &str) -> Option<&Identity> {
        self.identities.get(id)
    }

    /// Reads a registry: a file, or every file of a folder whose name ends with `.toml`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with everything that is wrong.
    pub fn from_path(path: &Path) -> Result<Self, ConfigError> {
        let mut registry = Self::default();
        let problems = registry.read_path(path);
        let usable = problems.iter().all(|it| it.severity < Severity::Error);
        match usable {
            true => Ok(registry),
            false => Err(ConfigError(problems)),
        }
    }

    /// Adds the identities of a file or a folder, and gives what is wrong with them.
    pub(crate) fn read_path(&mut self, path: &Path) -> Vec<Problem> {
        each_file(path, |_, source, text| {
            read(source, text, |found| {
                let is_whole = found.lacks.is_empty();
                for (_, span, message) in found.lacks {
                    source.error(span, message);
                }
                let Some(mut identity) = found.identity.filter(|_| is_whole) else {
                    return;
                };
                identity.withhold_tokens();
                if self.get(&identity.id).is_some() {
                    source.error(found.span, registered_twice(&identity.id));
                }
                self.insert(identity);
            });
        })
    }

    /// Reads a registry to find what should not be as it is. What a host refuses in an identity is a
    /// [`Gap`] of it here.
    pub fn survey(path: &Path) -> Survey {
        let mut identities: Vec<Surveyed> = Vec::new();
        let mut ids: HashSet<Arc<str>> = HashSet::new();
        let problems = each_file(path, |file, source, text| {
            let (mut at, mut line) = (0, 1);
            read(source, text, |found| {
                let since = text.get(at..found.span.start).unwrap_or_default();
                line += since.matches('\n').count();
                at = found.span.start;
                let Some(identity) = found.identity else {
                    return;
                };
                if !ids.insert(Arc::clone(&identity.id)) {
                    source.error(found.span, registered_twice(&identity.id));
                }
                identities.push(Surveyed {
                    identity,
                    gaps: found.lacks.into_iter().map(|(gap, ..)| gap).collect(),
                    file: file.to_owned(),
                    line,
                });
            });
        });
        Survey {
            identities,
            problems,
        }
    }

    /// All identities, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Identity> {
        self.identities.values()
    }

    /// How many identities there are.
    pub fn len(&self) -> usize {
        self.identities.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.identities.is_empty()
    }

    /// Two agents whose ids end with the same segment, the first by their ids, and how many such pairs of
    /// neighbours there are.
    pub(crate) fn namesakes(&self) -> Option<(&str, &str, usize)> {
        let agents = self.iter().filter(|it| it.kind == PrincipalKind::Agent);
        let mut names: Vec<(&str, &str)> = agents
            .filter_map(|it| Some((it.id.rsplit('/').next()?, &*it.id)))
            .collect();
        names.sort_unstable();
        let pairs = names.windows(2).filter_map(|pair| match pair {
            [(one, first), (other, second)] if one == other => Some((*first, *second)),
            _ => None,
        });
        let count = pairs.clone().count();
        let (first, second) = { pairs }.next()?;
        Some((first, second, count))
    }

    /// Registers an identity in place of any of the same ID.
    pub fn insert(&mut self, identity: Identity) {
        let mut shared = |text: &Arc<str>| {
            self.texts.get(text).cloned().unwrap_or_else(|| {
                self.texts.insert(Arc::clone(text));
                Arc::clone(text)
            })
        };
        let integrations: Arc<[_]> = identity.integrations.iter().map(&mut shared).collect();
        let identity = Identity {
            owner: shared(&identity.owner),
            purpose: shared(&identity.purpose),
            environment: shared(&identity.environment),
            integrations: self.lists.get(&integrations).cloned().unwrap_or_else(|| {
                self.lists.insert(Arc::clone(&integrations));
                integrations
            }),
            ..identity
        };
        self.identities.insert(Arc::clone(&identity.id), identity);
    }
}

impl Identity {
    /// Takes out of what is for people what looks like a secret: denials tell it, and plugins are told it.
    fn withhold_tokens(&mut self) {
        for text in [&mut self.owner, &mut self.purpose] {
            if looks_like_a_token(text) {
                *text = Arc::from(withheld(text));
            }
        }
        if let Some(shared) = &mut self.shared
            && looks_like_a_token(&shared.owner)
        {
            shared.owner = withheld(&shared.owner);
        }
    }

    /// When it may not be used any more: its registration ends, or the exception by which it is shared.
    pub(crate) fn ends(&self) -> Timestamp {
        let shared = self.shared.as_ref().map_or(self.expires, |it| it.until);
        self.expires.min(shared)
    }

    /// Whether that is the path of its kind: people and machines have their own.
    pub fn takes(&self, path: SessionPath) -> bool {
        match path {
            SessionPath::Machine => self.kind != PrincipalKind::Human,
            SessionPath::Interactive => {
                matches!(self.kind, PrincipalKind::Human | PrincipalKind::BreakGlass)
            }
        }
    }

    /// Whether it is registered for that integration.
    pub(crate) fn may_use(&self, integration: &str) -> bool {
        self.integrations
            .iter()
            .any(|allowed| **allowed == *integration)
    }

    /// Holds a request of this identity to its registration.
    pub(crate) fn refuse(
        &self,
        principal: &Principal,
        integration: &str,
        path: Option<SessionPath>,
        now: Timestamp,
    ) -> Option<Refusal> {
        let id = &self.id;
        if self.expires <= now {
            let at = self.expires;
            return Some((
                Cause::RegistrationExpired,
                format!(
                    "the registration of `{id}` ended at {at}: have its owner, {}, renew it",
                    self.owner
                ),
            ));
        }
        if let Some(shared) = self.shared.as_ref().filter(|it| it.until <= now) {
            let (owner, until) = (&shared.owner, shared.until);
            return Some((
                Cause::RegistrationExpired,
                format!(
                    "`{id}` was shared by way of exception until {until}: give each workload an identity of its own, or have {owner} renew the exception"
                ),
            ));
        }
        let stated = [
            (
                "kind",
                principal.kind != PrincipalKind::Unspecified && principal.kind != self.kind,
            ),
            ("owner", differs(&principal.owner, &self.owner)),
            (
                "environment",
                differs(&principal.environment, &self.environment),
            ),
        ];
        if let Some((what, _)) = stated.iter().find(|(_, differs)| *differs) {
            return Some((
                Cause::RegistrationMismatch,
                format!(
                    "the request states another {what} than `{id}` is registered with: leave it out, or mend the registry"
                ),
            ));
        }
        if !self.may_use(integration) {
            return Some((
                Cause::IntegrationNotRegistered,
                format!(
                    "`{id}` is not registered for `{integration}`: add it to its `integrations`, if it should be"
                ),
            ));
        }
        if path.is_some_and(|path| !self.takes(path)) {
            let who = if self.kind == PrincipalKind::Human {
                "a person"
            } else {
                "a machine's credential"
            };
            return Some((
                Cause::WrongSessionPath,
                format!("{who} on the path of the other kind: use an identity of its own for each"),
            ));
        }
        None
    }

    /// Holds the credential of a request to how long it may be valid.
    pub(crate) fn refuse_credential(
        &self,
        principal: &Principal,
        now: Timestamp,
    ) -> Option<Refusal> {
        let most = self.max_credential_lifetime;
        // One that was issued in the future, or after it expires, says nothing of its lifetime.
        let lifetime = principal
            .credential_issued_at
            .zip(principal.credential_expires_at)
            .filter(|(issued, expires)| issued < expires && *issued <= now.plus(CLOCK_LEEWAY))
            .map(|(issued, expires)| expires.since(issued));
        match lifetime {
            Some(lifetime) if lifetime <= most => None,
            Some(lifetime) => Some((
                Cause::CredentialTooLongLived,
                format!(
                    "the credential is valid for {lifetime:?}, and `{}` may have {most:?}: issue shorter ones",
                    self.id
                ),
            )),
            None => Some((
                Cause::CredentialTooLongLived,
                format!(
                    "the request does not say for how long the credential is valid, and `{}` may have {most:?}: state `credential-issued-at` and `credential-expires-at`",
                    self.id
                ),
            )),
        }
    }
}

/// How long a SPIFFE ID may be, in bytes (SPIFFE-ID, section 2.3).
const MAX_SPIFFE_ID_BYTES: usize = 2048;

/// Whether the text is the SPIFFE ID of a workload, spelled as it is compared.
pub(crate) fn is_spiffe_id(text: &str) -> bool {
    text.len() <= MAX_SPIFFE_ID_BYTES
        && SpiffeId::new(text).is_ok_and(|id| !id.path().is_empty() && id.to_string() == text)
}

/// Whether a reader who does not see case, or leaves a scheme or a last `/` out, takes two ids for one.
///
/// For refusing only: that somebody approves for itself, or is configured twice.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    let plain = |text: &str| {
        let folded = name::fold(text.trim()).into_owned();
        let bare = folded.strip_prefix("spiffe://").unwrap_or(&folded);
        bare.trim_end_matches('/').to_owned()
    };
    plain(one) == plain(other)
}

fn registered_twice(id: &str) -> String {
    format!("`{id}` is registered twice: each identity has one entry")
}

fn differs(stated: &str, registered: &str) -> bool {
    !stated.is_empty() && stated != registered
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
[[identity]]
id = "spiffe://acme.example/agent/clerk"
kind = "agent"
owner = "team@acme.example"
purpose = "reconcile"
environment = "prod"
expires = 2098-01-01T00:00:00Z
max-credential-lifetime = "15m"
integrations = ["bank"]
shared = { owner = "alice", until = 2097-01-01T00:00:00Z }
"#;

    /// What a host and a survey make of a registry.
    fn both(name: &str, text: &str) -> (Result<Registry, ConfigError>, Survey) {
        let file =
            std::env::temp_dir().join(format!("portcullis-{name}-{}.toml", std::process::id()));
        std::fs::write(&file, text).unwrap();
        let read = (Registry::from_path(&file), Registry::survey(&file));
        std::fs::remove_file(file).unwrap();
        read
    }

    #[test]
    fn a_survey_has_what_a_host_refuses() {
        let (registry, survey) = both("whole", WHOLE);
        assert_eq!(registry.unwrap().len(), 1);
        assert!(survey.problems.is_empty());
        assert!(survey.identities[0].gaps.is_empty());
        assert_eq!(survey.identities[0].line, 2);
        for (from, to, gap) in [
            ("owner = \"team@acme.example\"\n", "", Gap::Owner),
            ("\"team@acme.example\"", "\" \"", Gap::Owner),
            ("purpose = \"reconcile\"\n", "", Gap::Purpose),
            ("expires = 2098-01-01T00:00:00Z\n", "", Gap::Expiry),
            ("agent/clerk", "*", Gap::WildcardId),
            ("[\"bank\"]", "[\"*\"]", Gap::WildcardIntegrations),
            ("owner = \"alice\", ", "", Gap::SharedOwner),
            (", until = 2097-01-01T00:00:00Z", "", Gap::SharedUntil),
        ] {
            let text = WHOLE.replacen(from, to, 1);
            assert_ne!(text, WHOLE);
            let (registry, survey) = both("gap", &text);
            assert!(registry.is_err(), "{gap:?}");
            assert!(survey.problems.is_empty(), "{gap:?}");
            assert_eq!(survey.identities[0].gaps, [gap]);
        }
    }

    #[test]
    fn a_token_in_the_registry_goes_no_further() {
        let token = "ghp_abcdefghijklmnop1234";
        let text = WHOLE
            .replace("team@acme.example", token)
            .replace("reconcile", &format!("push with {token}"))
            .replace("alice", token);
        let (registry, survey) = both("token", &text);
        assert_eq!(survey.problems.len(), 3, "each line is warned of");
        let registry = registry.unwrap();
        let identity = registry.get("spiffe://acme.example/agent/clerk").unwrap();
        assert!(!format!("{identity:?}").contains(token), "{identity:?}");
        assert!(identity.purpose.starts_with("push with "));
    }

    #[test]
    fn an_id_has_one_spelling() {
        assert!(is_spiffe_id(
            "spiffe://acme.example/ns/payments/agent/reconciler"
        ));
        for id in [
            "spiffe://Acme.example/a",
            "SPIFFE://acme.example/a",
            "spiffe://acme.example",
            "spiffe://acme.example/",
            "spiffe://acme.example/a/",
            "spiffe://acme.example//a",
            "spiffe://acme.example/../a",
            "spiffe://acme.example/*",
            "spiffe://acme.example/a?b",
            "spiffe://u@acme.example/a",
            "https://acme.example/a",
            " spiffe://acme.example/a",
            "",
        ] {
            assert!(!is_spiffe_id(id), "{id}");
        }
    }
}
