//! Registry of non-human identities, whose limits apply to every request.
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
//! workload-digest = "sha256:…"          # of the required workload; optional
//! shared = { owner = "alice@acme.example", until = 2027-01-31T00:00:00Z }   # an exception; optional
//! ```

mod followed;
mod reader;

pub use followed::{FollowedRegistry, RegistryError};

use portcullis_contract::PrincipalKind;

use portcullis_model::cause::{Cause, Refusal};
use portcullis_model::document::{ConfigError, Problem, Severity};
use portcullis_model::request::{Principal, SessionPath};
use portcullis_model::secret::{looks_like_a_token, withheld};
use portcullis_model::timestamp::CLOCK_LEEWAY;
use portcullis_model::timestamp::Timestamp;
use reader::{each_file, files, read};
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Text in the place of one that a person has still to write, such as the owner of a proposed identity.
///
/// A host accepts it, and `portcullis check` warns of it.
pub const TODO: &str = "TODO";

/// One registered identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// SPIFFE ID.
    pub id: Arc<str>,
    /// Kind of the identity.
    pub kind: PrincipalKind,
    /// Owner who answers for the identity.
    pub owner: Arc<str>,
    /// Purpose in words.
    pub purpose: Arc<str>,
    /// Environment in which it runs.
    pub environment: Arc<str>,
    /// Time at which the registration expires.
    pub expires: Timestamp,
    /// Maximum lifetime of its credentials.
    pub max_credential_lifetime: Duration,
    /// Integrations that it may use.
    pub integrations: Arc<[Arc<str>]>,
    /// Digest of the required workload, such as that of its image.
    pub workload_digest: Option<String>,
    /// Exception that permits several workloads to share the identity.
    pub shared: Option<Shared>,
}

/// Exception that permits several workloads to share an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    /// Owner who answers for the exception.
    pub owner: String,
    /// Time at which the exception expires. From then on the identity is denied.
    pub until: Timestamp,
}

/// The registered identities. The time of a look-up does not depend on their number.
///
/// Texts that many identities have in common, such as owners and environments, are stored once. Decisions
/// about different identities then read the same memory.
#[derive(Debug, Default)]
pub struct Registry {
    identities: HashMap<Arc<str>, Identity>,
    texts: HashSet<Arc<str>>,
    lists: HashSet<Arc<[Arc<str>]>>,
}

/// A registry as written, with the gaps that a host refuses.
#[derive(Debug)]
#[must_use]
pub struct Survey {
    /// Identities in the order of their files.
    pub identities: Vec<Surveyed>,
    /// Other problems of the files.
    pub problems: Vec<Problem>,
}

/// An identity as written.
#[derive(Debug)]
pub struct Surveyed {
    /// The identity. A missing text is empty, and a missing end is the maximum [`Timestamp`].
    pub identity: Identity,
    /// Gaps that a host refuses.
    pub gaps: Vec<Gap>,
    /// File that contains it.
    pub file: PathBuf,
    /// Line at which it begins, from 1.
    pub line: usize,
}

/// Missing or excessive part of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// The owner is missing.
    Owner,
    /// The purpose is missing.
    Purpose,
    /// The expiry is missing.
    Expiry,
    /// The id is a pattern for many identities.
    WildcardId,
    /// The integrations contain a `*`.
    WildcardIntegrations,
    /// The identity is shared, and the owner of the exception is missing.
    SharedOwner,
    /// The identity is shared, and the end of the exception is missing.
    SharedUntil,
}

impl Registry {
    /// Returns the identity with that SPIFFE ID.
    pub fn get(&self, id: &str) -> Option<&Identity> {
        self.identities.get(id)
    }

    /// Reads a registry: a file, or every file of a folder whose name ends with `.toml`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with all problems.
    pub fn from_path(path: &Path) -> Result<Self, ConfigError> {
        let mut registry = Self::default();
        let problems = registry.read_path(path);
        let usable = problems.iter().all(|it| it.severity < Severity::Error);
        match usable {
            true => Ok(registry),
            false => Err(ConfigError(problems)),
        }
    }

    /// Adds the identities of a file or a folder, and returns the problems found.
    pub fn read_path(&mut self, path: &Path) -> Vec<Problem> {
        self.read_files(files(path))
    }

    /// Adds the identities of files, and returns the problems found.
    fn read_files(
        &mut self,
        files: impl IntoIterator<Item = (PathBuf, io::Result<Vec<u8>>)>,
    ) -> Vec<Problem> {
        each_file(files, |_, source, text| {
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

    /// Reads a registry to report its gaps.
    ///
    /// Each part that a host refuses in an identity becomes a [`Gap`] of it.
    pub fn survey(path: &Path) -> Survey {
        let mut identities: Vec<Surveyed> = Vec::new();
        let mut ids: HashSet<Arc<str>> = HashSet::new();
        let problems = each_file(files(path), |file, source, text| {
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

    /// Number of identities.
    pub fn len(&self) -> usize {
        self.identities.len()
    }

    /// True if there are no identities.
    pub fn is_empty(&self) -> bool {
        self.identities.is_empty()
    }

    /// Returns two agents whose ids end with the same segment, and the number of such pairs.
    ///
    /// Pairs are neighbours in the order of segment and id, and the first pair is returned.
    pub fn namesakes(&self) -> Option<(&str, &str, usize)> {
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

    /// Adds an identity, and replaces one with the same ID.
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
    /// Replaces possible secrets in texts that denials show and plugins receive.
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

    /// Time at which its registration or its sharing exception expires, whichever is first.
    pub fn ends(&self) -> Timestamp {
        let shared = self.shared.as_ref().map_or(self.expires, |it| it.until);
        self.expires.min(shared)
    }

    /// True if the identity's kind may use the session path.
    ///
    /// Humans use the interactive path, machines the machine path, and break-glass identities both.
    pub fn takes(&self, path: SessionPath) -> bool {
        match path {
            SessionPath::Machine => self.kind != PrincipalKind::Human,
            SessionPath::Interactive => {
                matches!(self.kind, PrincipalKind::Human | PrincipalKind::BreakGlass)
            }
        }
    }

    /// True if the identity is registered for the integration.
    pub fn may_use(&self, integration: &str) -> bool {
        self.integrations
            .iter()
            .any(|allowed| **allowed == *integration)
    }

    /// Returns the refusal if a request does not match the registration.
    pub fn refuse(
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
                    "the registration of `{id}` expired at {at}: have its owner, {}, renew it",
                    self.owner
                ),
            ));
        }
        if let Some(shared) = self.shared.as_ref().filter(|it| it.until <= now) {
            let (owner, until) = (&shared.owner, shared.until);
            return Some((
                Cause::RegistrationExpired,
                format!(
                    "`{id}` was shared under an exception until {until}: give each workload its own identity, or have {owner} renew the exception"
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
                    "the {what} that the request states differs from the registration of `{id}`: leave it out, or correct the registry"
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
                format!(
                    "{who} on the wrong session path: use separate identities for people and machines"
                ),
            ));
        }
        None
    }

    /// Returns the refusal if a credential's lifetime is unknown or too long.
    pub fn refuse_credential(&self, principal: &Principal, now: Timestamp) -> Option<Refusal> {
        let most = self.max_credential_lifetime;
        // If it was issued in the future, or after it expires, its lifetime is unknown.
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
                    "the credential is valid for {lifetime:?}, but the maximum of `{}` is {most:?}: issue shorter-lived credentials",
                    self.id
                ),
            )),
            None => Some((
                Cause::CredentialTooLongLived,
                format!(
                    "the credential's lifetime is missing, and the maximum of `{}` is {most:?}: state `credential-issued-at` and `credential-expires-at`",
                    self.id
                ),
            )),
        }
    }
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
    use portcullis_model::spiffe_id::is_spiffe_id;

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

    /// Reads a registry as a host and as a survey.
    fn both(name: &str, text: &str) -> (Result<Registry, ConfigError>, Survey) {
        let file =
            std::env::temp_dir().join(format!("portcullis-{name}-{}.toml", std::process::id()));
        std::fs::write(&file, text).unwrap();
        let read = (Registry::from_path(&file), Registry::survey(&file));
        std::fs::remove_file(file).unwrap();
        read
    }

    #[test]
    fn a_text_that_is_still_to_be_written_is_a_warning() {
        for (key, text) in [
            ("owner", "\"team@acme.example\""),
            ("purpose", "\"reconcile\""),
            ("environment", "\"prod\""),
        ] {
            let file =
                std::env::temp_dir().join(format!("portcullis-todo-{}.toml", std::process::id()));
            std::fs::write(&file, WHOLE.replacen(text, "\"TODO\"", 1)).unwrap();
            let mut registry = Registry::default();
            let problems = registry.read_path(&file);
            std::fs::remove_file(&file).unwrap();
            let [problem] = &problems[..] else {
                panic!("{key}: {problems:?}");
            };
            assert_eq!(problem.severity, Severity::Warning);
            assert!(
                problem.message.contains(&format!("`{key}` is `TODO`")),
                "{problem}"
            );
            assert_eq!(registry.len(), 1, "{key}");
        }
        // Other texts are those of people.
        let (_, survey) = both(
            "todo",
            &WHOLE.replacen("reconcile", "TODO list of the team", 1),
        );
        assert!(survey.problems.is_empty());
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
