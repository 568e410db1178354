//! Builder of a decision point.

use super::{Inner, Parts, Pdp, rules};
use crate::admission::{IntentRule, Requirement};
use crate::in_flight::InFlight;
use crate::integration::{Integration, Mode};
use crate::log::{DecisionLog, LogError};
use crate::quarantine::QuarantineRule;
use portcullis_contract::name::NameError;
use portcullis_contract::{ActionClass, PrincipalKind};
use portcullis_model::document::Problem;
use portcullis_model::limits::RequestLimits;
use portcullis_model::request::DefaultIntegrations;
use portcullis_model::timestamp::Timestamp;
#[cfg(feature = "identity")]
use portcullis_trust::identity::Verifier;
use portcullis_trust::intent::Intents;
use portcullis_trust::posture::Postures;
use portcullis_trust::registry::FollowedRegistry;
#[cfg(feature = "identity")]
use portcullis_trust::revocation::EventIssuers;
use portcullis_trust::revocation::Revocations;
use portcullis_trust::state::{State, StateError};
use portcullis_trust::watched::{POLL_INTERVAL, Source, Watcher};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Builder of a decision point, see [`Pdp::builder`].
#[derive(Debug, Default)]
#[must_use]
pub struct PdpBuilder {
    integrations: Vec<Integration>,
    also_named: Vec<String>,
    parts: Parts,
    poll_interval: Option<Duration>,
    replaces: Option<Pdp>,
}

/// Instructions for requesting approval, added to denials that an intent would avoid.
///
/// See [`AccessRequest`](crate::AccessRequest).
#[derive(Debug, Clone)]
pub struct AccessRequests {
    /// Address at which to request approval.
    pub endpoint: Option<String>,
    /// Kind of approval required, for the approver.
    pub template: Option<String>,
    /// Time for which an approval request may refer to a denial.
    pub valid_for: Duration,
    /// True if approval may also be requested of actions and resources beyond the intent of the request.
    pub beyond_intent: bool,
}

/// Reason why a [`Pdp`] cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PdpError {
    /// Two integrations have the same name.
    #[error("two integrations are called `{0}`: give each a name of its own")]
    DuplicateIntegration(String),
    /// The names of two integrations differ only in letter case.
    #[error(
        "the names of integrations `{one}` and `{other}` differ only in letter case, so a denial or revocation of one would not apply to the other: rename one"
    )]
    AlikeIntegrations {
        /// The first.
        one: String,
        /// The second.
        other: String,
    },
    /// The default integration, for requests that name none, does not exist.
    #[error("the default integration `{0}` does not exist: add it, or name another one")]
    NoDefault(String),
    /// The name of an integration is not an identifier.
    ///
    /// Another name could be mistaken for it, or no revocation could name it.
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
    /// Two plugins of an integration share a name, so reasons are ambiguous.
    #[error("integration `{integration}` has two plugins called `{plugin}`: keep one")]
    DuplicatePlugin {
        /// The integration.
        integration: String,
        /// The plugins' name.
        plugin: String,
    },
    /// A candidate of an integration cannot take the place that it is meant for.
    #[error("candidate `{candidate}` of integration `{integration}`: {why}")]
    Candidate {
        /// The integration.
        integration: String,
        /// The candidate's name.
        candidate: String,
        /// Reason, with the remedy.
        why: String,
    },
    /// An integration accepts credentials once, but no state records their use.
    #[error(
        "integration `{0}` accepts each credential once, but there is no state to record them in: add a state (`[state]`)"
    )]
    NoState(String),
    /// Approval requests refer to recorded denials, but there is no log.
    #[error("access requests refer to denials in the log, but there is no log: add one (`[log]`)")]
    NoLog,
    /// The state cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The log cannot be written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The thread that reloads files cannot be started.
    #[error(
        "cannot start the thread that reloads files: {0}: raise the limit of threads of the process"
    )]
    Watcher(String),
}

impl PdpBuilder {
    /// Adds an integration.
    pub fn integration(mut self, integration: Integration) -> Self {
        self.integrations.push(integration);
        self
    }

    /// Sets the size limits of requests.
    pub fn request_limits(mut self, limits: RequestLimits) -> Self {
        self.parts.request_limits = limits;
        self
    }

    /// Sets the maximum number of decisions in flight. 512 by default.
    ///
    /// The host denies further requests at once, as `overloaded`. See also [`Integration::max_in_flight`].
    pub fn max_in_flight(mut self, decisions: u32) -> Self {
        self.parts.in_flight = InFlight::new(decisions);
        self
    }

    /// Sets when plugins that fault repeatedly are quarantined.
    pub fn quarantine(mut self, rule: QuarantineRule) -> Self {
        self.parts.quarantine = rule;
        self
    }

    /// Sets the default integrations for AuthZEN evaluations that name none.
    ///
    /// Without this, such evaluations are refused.
    pub fn default_integrations(mut self, defaults: DefaultIntegrations) -> Self {
        self.parts.default_integrations = defaults;
        self
    }

    /// Sets the mode of requests whose integration is unknown.
    pub(crate) fn mode_of_unknown(mut self, mode: Mode) -> Self {
        self.parts.mode_of_unknown = mode;
        self
    }

    /// Checks every request against a registry.
    ///
    /// Unregistered principals are denied, and plugins receive the registry's facts about a principal. A
    /// [`FollowedRegistry`] is read again when its files change.
    pub fn registry(mut self, registry: impl Into<FollowedRegistry>) -> Self {
        self.parts.registry = Some(registry.into());
        self
    }

    /// Checks every request against a revocation list, before and after the plugins.
    pub fn revocations(mut self, revocations: Revocations) -> Self {
        self.parts.revocations = Some(revocations);
        self
    }

    /// Sets the issuers of accepted security events, see [`Pdp::accept_event`].
    #[cfg(feature = "identity")]
    pub fn event_issuers(mut self, issuers: EventIssuers) -> Self {
        self.parts.event_issuers = Some(issuers);
        self
    }

    /// Checks every request that names an intent against the approved intent.
    ///
    /// Principals of the kinds in `required_for` that name no intent are denied.
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

    /// Adds instructions for requesting approval to denials that an intent would avoid.
    ///
    /// It requires a log, because an approval request refers to a recorded denial.
    pub fn access_requests(mut self, access_requests: AccessRequests) -> Self {
        self.parts.access_requests = Some(access_requests);
        self
    }

    /// Sets the state: it counts uses, detects shared credentials and stores intents.
    ///
    /// Without a state, the decision point only detects credentials presented by two instances, in its own
    /// memory.
    pub fn state(mut self, state: Arc<dyn State>) -> Self {
        self.parts.state = Some(state);
        self
    }

    /// Sets the posture facts that the host itself has about destinations.
    pub fn postures(mut self, postures: Postures) -> Self {
        self.parts.postures = Some(postures);
        self
    }

    /// Denies actions of `class` unless each check in `required` passed.
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

    /// Sets the verifier of credentials, see [`Pdp::verifier`].
    #[cfg(feature = "identity")]
    pub fn verifier(mut self, verifier: Verifier) -> Self {
        self.parts.verifier = Some(verifier);
        self
    }

    /// Records every decision before returning it; one that cannot be recorded is a deny.
    pub fn log(mut self, log: DecisionLog) -> Self {
        self.parts.log = Some(log);
        self
    }

    /// Sets the problems found in the configuration, see [`Pdp::notices`].
    pub(crate) fn notices(mut self, notices: Vec<Problem>) -> Self {
        self.parts.notices = notices;
        self
    }

    /// Sets the names of all configured integrations, also of those that cannot be used.
    pub(crate) fn also_named(mut self, names: Vec<String>) -> Self {
        self.also_named = names;
        self
    }

    /// Problems of the intents, of a configuration that cannot be used.
    pub(crate) fn notes(self) -> Vec<Problem> {
        let mut parts = self.parts;
        let integrations = self.integrations.into_iter();
        let by_name = integrations.map(|it| (it.name.clone(), it)).collect();
        parts.note_intents(&by_name, &self.also_named);
        parts.notices
    }

    /// Sets the time between two looks at each watched file, 250 ms by default.
    ///
    /// Files are the revocation list, bundles, keys, the registry, the folder of intents and observed
    /// destinations. A list that may be stale sooner than after four such intervals is looked at more often, and
    /// with it all files. It is at least a millisecond.
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = Some(interval);
        self
    }

    /// Builds the decision point.
    ///
    /// It restores the intents in the state. The log records the intents and the number of revocations at
    /// start.
    ///
    /// # Errors
    ///
    /// [`PdpError`] if requests of an integration could never be decided, or not unambiguously, or if the
    /// state or the log cannot be used.
    pub fn build(self) -> Result<Pdp, PdpError> {
        let pdp = self.succeeding()?;
        pdp.watch()?;
        pdp.record_what_it_begins_with(Timestamp::now())?;
        Ok(pdp)
    }

    /// Sets the decision point that the new one replaces, and whose counts and marks it goes on with.
    pub(crate) fn replacing(mut self, before: Pdp) -> Self {
        self.replaces = Some(before);
        self
    }

    /// Builds a decision point that neither watches its files nor has recorded anything, see
    /// [`Pdp::succeed`].
    pub(crate) fn succeeding(self) -> Result<Pdp, PdpError> {
        if self.parts.access_requests.is_some() {
            rules::log_for_access_requests(self.parts.log.is_some())?;
        }
        self.begin(true)
    }

    /// Builds a decision point for dry runs: it writes no log or marks.
    ///
    /// `log` is the path of the log whose marks the list and the state are checked against.
    pub(crate) fn dry(mut self, log: Option<PathBuf>) -> Result<Pdp, PdpError> {
        self.parts.log_path = log;
        self.begin(false)
    }

    fn begin(self, live: bool) -> Result<Pdp, PdpError> {
        let mut by_name = HashMap::new();
        let mut names = rules::Names::default();
        let before = self.replaces.as_ref();
        for mut integration in self.integrations {
            if let Some(before) = before.and_then(|it| it.integration(&integration.name)) {
                integration.keep_faults(before);
            }
            names.add(&integration.name)?;
            check_plugins(&integration)?;
            rules::candidates(&integration)?;
            rules::state_for(&integration, self.parts.state.is_some())?;
            by_name.insert(integration.name.clone(), integration);
        }
        let defaults = &self.parts.default_integrations;
        for name in defaults.integrations() {
            let is_observed = self.parts.mode_of_unknown == Mode::Observe;
            rules::default_exists(name, is_observed || by_name.contains_key(name))?;
        }
        let mut parts = self.parts;
        if let Some(before) = before {
            parts.take_over(&before.inner.parts);
        }
        parts.bind(live, before.map(|it| &it.inner.parts))?;
        parts.take_up_what_was_kept()?;
        parts.note_intents(&by_name, &self.also_named);
        if live {
            parts.record_added_intents();
        }
        let poll_interval = parts.poll_interval(self.poll_interval);
        // A slow or huge file among the others must not delay a revocation.
        let watchers = [parts.revocation_sources(), parts.sources()].map(Watcher::idle);
        Ok(Pdp {
            inner: Arc::new(Inner {
                watchers,
                poll_interval,
                integrations: by_name,
                parts,
            }),
        })
    }
}

impl Parts {
    /// The revocation list, after the keys of its signers.
    fn revocation_sources(&self) -> Vec<Source> {
        let revocations = self.revocations.iter();
        revocations.flat_map(Revocations::sources).collect()
    }

    /// The other watched files. Keys come before what they sign.
    fn sources(&self) -> Vec<Source> {
        let registry = self.registry.iter().map(FollowedRegistry::source);
        let intents = self.intents.iter().flat_map(|rule| rule.intents.sources());
        let postures = self.postures.iter().map(Postures::source);
        let sources = registry.chain(intents).chain(postures);
        #[cfg(feature = "identity")]
        let sources = {
            let verifier = self.verifier.iter();
            let bundles = verifier.flat_map(|it| it.bundles().sources());
            let issuers = self.event_issuers.iter().flat_map(EventIssuers::sources);
            sources.chain(bundles).chain(issuers)
        };
        sources.collect()
    }

    /// Time between two looks, well within the time after which the revocation list is stale.
    fn poll_interval(&self, stated: Option<Duration>) -> Duration {
        let revocations = self.revocations.as_ref();
        let most = revocations.map_or(Duration::MAX, |it| it.max_staleness() / 4);
        let interval = stated.unwrap_or(POLL_INTERVAL).min(most);
        interval.max(Duration::from_millis(1))
    }
}

fn check_plugins(integration: &Integration) -> Result<(), PdpError> {
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
