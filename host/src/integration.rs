//! One third-party connector or tool server: the unit that plugins attach to.

use crate::in_flight::{InFlight, MAX_OF_INTEGRATION};
use crate::quarantine::Faults;
use portcullis_contract::name::Naming;
use portcullis_contract::{ActionClass, Attestation, Pattern};
use portcullis_model::request::Request;
use portcullis_sandbox::{Instances, Plugin};
use portcullis_trust::posture::PostureRule;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Enforcement mode of an integration's decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Decisions are enforced: a deny blocks.
    #[default]
    Enforce,
    /// Decisions are made and recorded to show their effect. A deny does not block.
    Observe,
}

/// Tier of an integration, by its maker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// The operator's own organisation made it.
    #[default]
    FirstParty,
    /// A vendor under contract made it.
    Vendor,
    /// Made by any third party, without a contract.
    Community,
}

impl Tier {
    /// The tier as text, as in a configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FirstParty => "first-party",
            Self::Vendor => "vendor",
            Self::Community => "community",
        }
    }
}

/// Limits on integrations of one tier, whatever their plugins permit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TierCeiling {
    /// Permitted classes of action. An action that the operator did not classify is in none.
    pub classes: Vec<ActionClass>,
    /// Maximum lifetime of a grant.
    pub max_grant_ttl: Option<Duration>,
    /// Obligations added to every permit, such as to log the call in full.
    pub obligations: Vec<String>,
}

/// A plugin of an integration that is asked beside those that decide.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) plugin: Arc<Plugin>,
    /// Name of the plugin that it would replace; `None` if it would be an additional one.
    pub(crate) replaces: Option<String>,
    /// Faults of the candidate, which are counted apart from those of the plugins.
    pub(crate) faults: Arc<Faults>,
}

/// One third-party connector or tool server, with its plugins and rules.
#[derive(Debug)]
pub struct Integration {
    pub(crate) name: String,
    pub(crate) actions: HashMap<String, ActionClass>,
    pub(crate) obligations: Option<Vec<String>>,
    pub(crate) max_grant_ttl: Duration,
    pub(crate) cross_environment: bool,
    pub(crate) posture: Option<PostureRule>,
    pub(crate) min_attestation: Option<Attestation>,
    pub(crate) single_use_credentials: bool,
    pub(crate) tier: Tier,
    pub(crate) ceiling: Option<TierCeiling>,
    pub(crate) mode: Mode,
    pub(crate) instances: Instances,
    pub(crate) naming: Naming,
    pub(crate) plugins: Vec<Arc<Plugin>>,
    /// Faults of each plugin, in the same order.
    pub(crate) faults: Vec<Arc<Faults>>,
    /// Plugins that are asked beside them, and decide nothing.
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) in_flight: InFlight,
}

impl Integration {
    /// An integration without plugins. Grants last at most 5 minutes.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            actions: HashMap::new(),
            obligations: None,
            max_grant_ttl: Duration::from_secs(5 * 60),
            cross_environment: false,
            posture: None,
            min_attestation: None,
            single_use_credentials: false,
            tier: Tier::FirstParty,
            ceiling: None,
            mode: Mode::Enforce,
            instances: Instances::Fresh,
            naming: Naming::default(),
            plugins: Vec::new(),
            faults: Vec::new(),
            candidates: Vec::new(),
            in_flight: InFlight::new(MAX_OF_INTEGRATION),
        }
    }

    /// Sets the class of the action called `name`. Other actions are unclassified.
    #[must_use]
    pub fn action(mut self, name: impl Into<String>, class: ActionClass) -> Self {
        self.actions.insert(name.into(), class);
        self
    }

    /// Sets the kinds of obligation that the enforcement point can carry out.
    ///
    /// A request may name fewer, never more. Without this list, only the kinds that the request names are
    /// supported.
    #[must_use]
    pub fn obligations<S: Into<String>>(mut self, kinds: impl IntoIterator<Item = S>) -> Self {
        self.obligations = Some(kinds.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the maximum lifetime of a grant.
    #[must_use]
    pub fn max_grant_ttl(mut self, ttl: Duration) -> Self {
        self.max_grant_ttl = ttl;
        self
    }

    /// Lets principals of one environment act on resources of another.
    ///
    /// By default this is denied where both environments are known.
    #[must_use]
    pub fn allow_cross_environment(mut self) -> Self {
        self.cross_environment = true;
        self
    }

    /// Sets the rule for the posture of destinations; reads are exempt.
    #[must_use]
    pub fn posture(mut self, rule: PostureRule) -> Self {
        self.posture = Some(rule);
        self
    }

    /// Sets the minimum strength of the principal's attestation.
    #[must_use]
    pub fn min_attestation(mut self, attestation: Attestation) -> Self {
        self.min_attestation = Some(attestation);
        self
    }

    /// Accepts each credential for one request only. Requires a
    /// [`State`](portcullis_trust::state::State).
    #[must_use]
    pub fn single_use_credentials(mut self) -> Self {
        self.single_use_credentials = true;
        self
    }

    /// Sets the tier of the integration, and its limits.
    #[must_use]
    pub fn tier(mut self, tier: Tier, ceiling: Option<TierCeiling>) -> Self {
        self.tier = tier;
        self.ceiling = ceiling;
        self
    }

    /// Sets the enforcement mode. [`Mode::Enforce`] by default.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Sets which instances of its plugins decide. [`Instances::Fresh`] by default.
    #[must_use]
    pub fn instances(mut self, instances: Instances) -> Self {
        self.instances = instances;
        self
    }

    /// Sets how the names of its resources compare.
    ///
    /// The host's own checks, the plugins and the record receive each name in its canonical spelling.
    #[must_use]
    pub fn names(mut self, naming: Naming) -> Self {
        self.naming = naming;
        self
    }

    /// Adds a plugin. The order of plugins is that of reasons; it does not affect the decision.
    #[must_use]
    pub fn plugin(mut self, plugin: impl Into<Arc<Plugin>>) -> Self {
        self.plugins.push(plugin.into());
        self.faults.push(Arc::default());
        self
    }

    /// Adds a candidate: a plugin that is asked beside the others, and decides nothing.
    ///
    /// The log records with each decision the one that all candidates of the integration would have led to, each in the
    /// place of the plugin that it `replaces`, or as an additional one. See [`CandidateDecision`](crate::CandidateDecision).
    /// A decision takes longer by the time of the candidates, at most their deadlines.
    #[must_use]
    pub fn candidate(mut self, plugin: impl Into<Arc<Plugin>>, replaces: Option<&str>) -> Self {
        self.candidates.push(Candidate {
            plugin: plugin.into(),
            replaces: replaces.map(str::to_owned),
            faults: Arc::default(),
        });
        self
    }

    /// Sets the maximum number of its decisions in flight. 256 by default.
    ///
    /// The host denies further requests at once, as `overloaded`.
    #[must_use]
    pub fn max_in_flight(mut self, decisions: u32) -> Self {
        self.in_flight = InFlight::new(decisions);
        self
    }

    /// The integration's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The integration's plugins.
    pub fn plugins(&self) -> &[Arc<Plugin>] {
        &self.plugins
    }

    /// Actions that the operator classified, in no order, each with its class.
    pub fn actions(&self) -> impl Iterator<Item = (&str, ActionClass)> {
        let actions = self.actions.iter();
        actions.map(|(name, class)| (name.as_str(), *class))
    }

    /// The candidates, each with the name of the plugin that it would replace.
    pub fn candidates(&self) -> impl Iterator<Item = (&Arc<Plugin>, Option<&str>)> {
        let candidates = self.candidates.iter();
        candidates.map(|it| (&it.plugin, it.replaces.as_deref()))
    }

    /// The plugins, each with the record of its faults.
    pub(crate) fn with_faults(&self) -> impl Iterator<Item = (&Plugin, &Faults)> {
        let faults = self.faults.iter().map(Arc::as_ref);
        self.plugins.iter().map(Arc::as_ref).zip(faults)
    }

    /// Goes on with the faults that `before` counted for the plugins that both have.
    pub(crate) fn keep_faults(&mut self, before: &Self) {
        for (plugin, faults) in self.plugins.iter().zip(&mut self.faults) {
            let mut known = before.plugins.iter().zip(&before.faults);
            if let Some((_, known)) = known.find(|(it, _)| Arc::ptr_eq(it, plugin)) {
                *faults = Arc::clone(known);
            }
        }
        for candidate in &mut self.candidates {
            let mut known = before.candidates.iter();
            if let Some(known) = known.find(|it| Arc::ptr_eq(&it.plugin, &candidate.plugin)) {
                candidate.faults = Arc::clone(&known.faults);
            }
        }
    }

    /// True if decisions are only observed.
    pub fn is_observed(&self) -> bool {
        self.mode == Mode::Observe
    }

    /// True if principals of one environment may act on resources of another.
    pub fn allows_cross_environment(&self) -> bool {
        self.cross_environment
    }

    /// Class that the operator gave to the action called `name`.
    pub fn class_of(&self, name: &str) -> ActionClass {
        self.actions.get(name).copied().unwrap_or_default()
    }

    /// Describes an action matched by `pattern` that does more than read.
    ///
    /// `None` if all matched actions are classified as reads. If the operator classified no matched action,
    /// none is known to be a read, and the description says so.
    pub(crate) fn acts(&self, pattern: &Pattern) -> Option<String> {
        let mut matched: Vec<_> = self
            .actions
            .iter()
            .filter(|(name, _)| pattern.matches(name))
            .collect();
        matched.sort_unstable_by_key(|(name, _)| name.as_str());
        if matched.is_empty() {
            return Some(format!(
                "no action that `{pattern}` matches is classified under `[integration.actions]`"
            ));
        }
        let acting = matched
            .iter()
            .find(|(_, class)| **class != ActionClass::Read);
        acting.map(|(name, class)| format!("`{name}` is {}", class.as_str()))
    }

    /// Maximum lifetime of a grant: the lower cap of the integration and its tier.
    pub(crate) fn grant_ttl(&self) -> Duration {
        let of_tier = self.ceiling.as_ref().and_then(|it| it.max_grant_ttl);
        of_tier.map_or(self.max_grant_ttl, |most| most.min(self.max_grant_ttl))
    }

    /// True if the enforcement point states that it supports obligations of `kind`.
    pub(crate) fn can_fulfil(&self, kind: &str, request: &Request) -> bool {
        let lists = [self.obligations.as_deref(), request.supported_obligations()];
        let mut stated = lists.into_iter().flatten().peekable();
        stated.peek().is_some() && stated.all(|kinds| kinds.iter().any(|other| other == kind))
    }
}
