//! A decision point in the making.

use super::{Inner, Parts, Pdp};
use crate::admission::{IntentRule, Requirement};
use crate::config::Problem;
use crate::identity::Verifier;
use crate::integration::Integration;
use crate::intent::Intents;
use crate::limits::RequestLimits;
use crate::log::{DecisionLog, LogError};
use crate::posture::Postures;
use crate::registry::Registry;
use crate::request::DefaultIntegrations;
use crate::revocation::{EventIssuers, Revocations};
use crate::state::{State, StateError};
use crate::timestamp::Timestamp;
use portcullis_contract::name::{NameError, check_identifier, fold};
use portcullis_contract::{ActionClass, PrincipalKind, excerpt};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A decision point in the making, see [`Pdp::builder`].
#[derive(Debug, Default)]
#[must_use]
pub struct PdpBuilder {
    integrations: Vec<Integration>,
    parts: Parts,
}

/// How somebody is asked for what an intent would allow; see
/// [`AccessRequest`](crate::AccessRequest).
#[derive(Debug, Clone)]
pub struct AccessRequests {
    /// Where to ask.
    pub endpoint: Option<String>,
    /// What kind of approval it takes, for whoever is asked.
    pub template: Option<String>,
    /// For how long a denial can be the ground for asking.
    pub valid_for: Duration,
}

/// Why integrations do not make a [`Pdp`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PdpError {
    /// Two integrations have one name.
    #[error("two integrations are called `{0}`: give each a name of its own")]
    DuplicateIntegration(String),
    /// The names of two integrations differ in the case of letters alone.
    #[error(
        "the names of integrations `{one}` and `{other}` differ in the case of letters alone, and a denial or a revocation of one does not hold for the other: give one another name"
    )]
    AlikeIntegrations {
        /// The first.
        one: String,
        /// The second.
        other: String,
    },
    /// An integration that requests without one are for does not exist.
    #[error(
        "requests that name no integration are for `{0}`, and there is none called so: add it, or name another one"
    )]
    NoDefault(String),
    /// Another name could be taken for that of an integration, or no revocation can name it.
    #[error("the name of integration `{name}` is no identifier: {why}")]
    Name {
        /// The name, as far as it can be shown.
        name: String,
        /// The rule that it breaks.
        why: NameError,
    },
    /// An integration has no plugin, so all its requests would be denied.
    #[error("integration `{0}` has no plugin, so all its requests would be denied: add one")]
    NoPlugin(String),
    /// Two plugins of an integration have one name, so their reasons could not be told apart.
    #[error("integration `{integration}` has two plugins called `{plugin}`: keep one")]
    DuplicatePlugin {
        /// The integration.
        integration: String,
        /// The plugins' name.
        plugin: String,
    },
    /// An integration counts what nobody keeps.
    #[error(
        "integration `{0}` takes credentials once, and there is nowhere to keep which were used: add a state"
    )]
    NoState(String),
    /// Denials can be referred to only where they are recorded.
    #[error(
        "denials that can be asked about are referred to in the log, and there is none: add one"
    )]
    NoLog,
    /// The state cannot be read.
    #[error("{0}")]
    State(#[from] StateError),
    /// The log cannot be written.
    #[error("{0}")]
    Log(#[from] LogError),
}

impl PdpBuilder {
    /// Adds an integration.
    pub fn integration(mut self, integration: Integration) -> Self {
        self.integrations.push(integration);
        self
    }

    /// How large a request may be.
    pub fn request_limits(mut self, limits: RequestLimits) -> Self {
        self.parts.request_limits = limits;
        self
    }

    /// Which integration AuthZEN evaluations are for that name none. They are refused by default.
    pub fn default_integrations(mut self, defaults: DefaultIntegrations) -> Self {
        self.parts.default_integrations = defaults;
        self
    }

    /// Holds every request to a registry: who is not in it is denied, and what it says of a
    /// principal is what plugins are told.
    pub fn registry(mut self, registry: Registry) -> Self {
        self.parts.registry = Some(registry);
        self
    }

    /// Holds every request to a revocation list, before plugins are asked and after.
    pub fn revocations(mut self, revocations: Revocations) -> Self {
        self.parts.revocations = Some(revocations);
        self
    }

    /// Whose security events revoke, see [`Pdp::accept_event`].
    pub fn event_issuers(mut self, issuers: EventIssuers) -> Self {
        self.parts.event_issuers = Some(issuers);
        self
    }

    /// Holds every request that names an intent to what was approved, and denies principals of the
    /// kinds in `required_for` that name none.
    pub fn intents(
        mut self,
        intents: Intents,
        required_for: impl IntoIterator<Item = PrincipalKind>,
    ) -> Self {
        self.parts.intents = Some(IntentRule {
            intents,
            required_for: required_for.into_iter().collect(),
        });
        self
    }

    /// Says with each denial that an intent would have avoided how to ask for one. It takes a log,
    /// where the denial is found again.
    pub fn access_requests(mut self, access_requests: AccessRequests) -> Self {
        self.parts.access_requests = Some(access_requests);
        self
    }

    /// Where uses are counted, credentials seen in two places noticed, and intents kept that were
    /// taken up. Without one, only the second is done, in the decision point's own memory.
    pub fn state(mut self, state: Arc<dyn State>) -> Self {
        self.parts.state = Some(state);
        self
    }

    /// What the host itself knows of destinations.
    pub fn postures(mut self, postures: Postures) -> Self {
        self.parts.postures = Some(postures);
        self
    }

    /// Denies actions of `class` unless there is evidence of each of `required`.
    pub fn require(
        mut self,
        class: ActionClass,
        required: impl IntoIterator<Item = Requirement>,
    ) -> Self {
        self.parts
            .requirements
            .insert(class, required.into_iter().collect());
        self
    }

    /// Verifies credentials, see [`Pdp::verifier`].
    pub fn verifier(mut self, verifier: Verifier) -> Self {
        self.parts.verifier = Some(verifier);
        self
    }

    /// Records every decision before it is given; one that cannot be recorded is a deny.
    pub fn log(mut self, log: DecisionLog) -> Self {
        self.parts.log = Some(log);
        self
    }

    /// What was noticed while it was configured, see [`Pdp::notices`].
    pub(crate) fn notices(mut self, notices: Vec<Problem>) -> Self {
        self.parts.notices = notices;
        self
    }

    /// Makes the decision point. Intents that were taken up before are taken up again, and the log
    /// says which intents and how many revocations it begins with.
    ///
    /// # Errors
    ///
    /// [`PdpError`] if an integration could never be decided for, or not unambiguously, or if state
    /// or log cannot be used.
    pub fn build(self) -> Result<Pdp, PdpError> {
        if self.parts.access_requests.is_some() && self.parts.log.is_none() {
            return Err(PdpError::NoLog);
        }
        self.begin(true)
    }

    /// Makes the decision point for dry runs: it needs no log, and remembers nothing. Where the log is says what
    /// list and state are held to.
    pub(crate) fn dry(mut self, log: Option<PathBuf>) -> Result<Pdp, PdpError> {
        self.parts.log_path = log;
        self.begin(false)
    }

    fn begin(self, live: bool) -> Result<Pdp, PdpError> {
        let mut by_name = HashMap::new();
        let mut folded: HashMap<String, String> = HashMap::new();
        for integration in self.integrations {
            check(&integration)?;
            if integration.single_use_credentials && self.parts.state.is_none() {
                return Err(PdpError::NoState(integration.name));
            }
            let name = integration.name.clone();
            match folded.insert(fold(&name).into_owned(), name.clone()) {
                Some(one) if one == name => return Err(PdpError::DuplicateIntegration(name)),
                Some(one) => return Err(PdpError::AlikeIntegrations { one, other: name }),
                None => {}
            }
            by_name.insert(name, integration);
        }
        let defaults = &self.parts.default_integrations;
        let missing = defaults
            .integrations()
            .find(|name| !by_name.contains_key(*name))
            .map(str::to_owned);
        if let Some(missing) = missing {
            return Err(PdpError::NoDefault(missing));
        }
        let mut parts = self.parts;
        parts.bind(live)?;
        parts.take_up_what_was_kept()?;
        parts.note_intents(&by_name);
        let pdp = Pdp {
            inner: Arc::new(Inner {
                integrations: by_name,
                parts,
            }),
        };
        pdp.record_what_it_begins_with(Timestamp::now())?;
        Ok(pdp)
    }
}

fn check(integration: &Integration) -> Result<(), PdpError> {
    check_identifier(&integration.name).map_err(|why| PdpError::Name {
        name: excerpt(&integration.name),
        why,
    })?;
    let mut names: Vec<&str> = Vec::new();
    for plugin in &integration.plugins {
        let name = plugin.manifest().name.as_str();
        if names.contains(&name) {
            return Err(PdpError::DuplicatePlugin {
                integration: integration.name.clone(),
                plugin: name.to_owned(),
            });
        }
        names.push(name);
    }
    if names.is_empty() {
        return Err(PdpError::NoPlugin(integration.name.clone()));
    }
    Ok(())
}
