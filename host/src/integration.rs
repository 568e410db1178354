//! One third-party connector or tool server: the unit that plugins attach to.

use crate::plugin::{Lane, Plugin};
use crate::posture::PostureRule;
use crate::request::Request;
use portcullis_contract::name::Naming;
use portcullis_contract::{ActionClass, Attestation, Pattern};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::time::Duration;

/// Whether the decisions of an integration are enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// They are: a deny blocks.
    #[default]
    Enforce,
    /// They are made and recorded, to see what they would do. A deny does not block.
    Observe,
}

/// How far who made an integration is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// The organisation itself made it.
    #[default]
    FirstParty,
    /// Somebody made it who is under contract.
    Vendor,
    /// Anybody may have made it.
    Community,
}

impl Trust {
    /// The trust as text, as in a configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FirstParty => "first-party",
            Self::Vendor => "vendor",
            Self::Community => "community",
        }
    }
}

/// What integrations of one trust may be used for, whatever their plugins permit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustCeiling {
    /// The classes of action. An action that the operator did not classify is in none.
    pub classes: Vec<ActionClass>,
    /// For how long a grant lasts, at most.
    pub max_grant_ttl: Option<Duration>,
    /// What every permit obliges to besides, such as to log the call in full.
    pub obligations: Vec<String>,
}

/// One third-party connector or tool server, and what decides for it.
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
    pub(crate) trust: Trust,
    pub(crate) ceiling: Option<TrustCeiling>,
    pub(crate) mode: Mode,
    pub(crate) lane: Lane,
    pub(crate) naming: Naming,
    pub(crate) plugins: Vec<Plugin>,
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
            trust: Trust::FirstParty,
            ceiling: None,
            mode: Mode::Enforce,
            lane: Lane::Fresh,
            naming: Naming::default(),
            plugins: Vec::new(),
        }
    }

    /// Says what the action called `name` does. What is not said is unclassified.
    #[must_use]
    pub fn action(mut self, name: impl Into<String>, class: ActionClass) -> Self {
        self.actions.insert(name.into(), class);
        self
    }

    /// The kinds of obligation that the enforcement point of this integration can carry out. A
    /// request may name fewer, never more. Without this, a request names them, and none if it does
    /// not.
    #[must_use]
    pub fn obligations<S: Into<String>>(mut self, kinds: impl IntoIterator<Item = S>) -> Self {
        self.obligations = Some(kinds.into_iter().map(Into::into).collect());
        self
    }

    /// For how long a grant lasts, at most.
    #[must_use]
    pub fn max_grant_ttl(mut self, ttl: Duration) -> Self {
        self.max_grant_ttl = ttl;
        self
    }

    /// Lets principals of one environment act on resources of another, which is denied by default
    /// where both are known.
    #[must_use]
    pub fn allow_cross_environment(mut self) -> Self {
        self.cross_environment = true;
        self
    }

    /// How recently a destination must have been looked at before anything but a read.
    #[must_use]
    pub fn posture(mut self, rule: PostureRule) -> Self {
        self.posture = Some(rule);
        self
    }

    /// How strongly a principal must have proved what it is, at least.
    #[must_use]
    pub fn min_attestation(mut self, attestation: Attestation) -> Self {
        self.min_attestation = Some(attestation);
        self
    }

    /// Permits a credential to be used once and no more, which takes a
    /// [`State`](crate::state::State).
    #[must_use]
    pub fn single_use_credentials(mut self) -> Self {
        self.single_use_credentials = true;
        self
    }

    /// How far who made the integration is trusted, and what it may be used for at most.
    #[must_use]
    pub fn trust(mut self, trust: Trust, ceiling: Option<TrustCeiling>) -> Self {
        self.trust = trust;
        self.ceiling = ceiling;
        self
    }

    /// Whether decisions are enforced. They are by default.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Which instances of its plugins decide. [`Lane::Fresh`] by default.
    #[must_use]
    pub fn lane(mut self, lane: Lane) -> Self {
        self.lane = lane;
        self
    }

    /// How the names of its resources compare. The host's own checks and the plugins are given each name
    /// in its canonical spelling, and so is the record.
    #[must_use]
    pub fn names(mut self, naming: Naming) -> Self {
        self.naming = naming;
        self
    }

    /// Adds a plugin. Their order is that of reasons; it does not change what is decided.
    #[must_use]
    pub fn plugin(mut self, plugin: Plugin) -> Self {
        self.plugins.push(plugin);
        self
    }

    /// The integration's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The integration's plugins.
    pub fn plugins(&self) -> &[Plugin] {
        &self.plugins
    }

    /// Whether decisions are only observed.
    pub fn is_observed(&self) -> bool {
        self.mode == Mode::Observe
    }

    /// Whether principals of one environment may act on resources of another.
    pub fn allows_cross_environment(&self) -> bool {
        self.cross_environment
    }

    /// What the operator says that the action called `name` does.
    pub fn class_of(&self, name: &str) -> ActionClass {
        self.actions.get(name).copied().unwrap_or_default()
    }

    /// Which action that the pattern matches does more than read, and what it is; nothing if all that are
    /// classified read. Where none is classified, none is known to read.
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

    /// For how long a grant lasts at most, by the integration's own cap and that of its trust.
    pub(crate) fn grant_ttl(&self) -> Duration {
        let of_trust = self.ceiling.as_ref().and_then(|it| it.max_grant_ttl);
        of_trust.map_or(self.max_grant_ttl, |most| most.min(self.max_grant_ttl))
    }

    /// Whether the enforcement point says that it can carry out obligations of `kind`.
    pub(crate) fn can_fulfil(&self, kind: &str, request: &Request) -> bool {
        let lists = [
            self.obligations.as_ref(),
            request.supported_obligations.as_ref(),
        ];
        let mut stated = lists.into_iter().flatten().peekable();
        stated.peek().is_some() && stated.all(|kinds| kinds.iter().any(|other| other == kind))
    }
}
