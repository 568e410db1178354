//! The policy decision point.

mod bound;
mod builder;
mod candidate;
mod could;
mod decide;
mod intents;
mod load;
mod offer;
mod record;
pub(crate) mod rules;
mod status;
mod succession;

pub use builder::{AccessRequests, PdpBuilder, PdpError};
pub use could::UnmetArgument;
use decide::{not_spent, plugin_step};
#[cfg(feature = "identity")]
pub use record::AcceptError;
pub use record::OutcomeError;

use crate::admission::{self, IntentRule, Requirements};
use crate::decision::Decision;
use crate::in_flight::InFlight;
use crate::integration::{Integration, Mode};
use crate::log::DecisionLog;
use crate::quarantine::QuarantineRule;
use portcullis_model::cause::Cause;
use portcullis_model::document::{Problem, Severity};
use portcullis_model::inputs::{Inputs, ListAsOf, Sources};
use portcullis_model::json;
use portcullis_model::limits::RequestLimits;
use portcullis_model::request::{DefaultIntegrations, Request};
use portcullis_model::timestamp::Timestamp;
use portcullis_model::trace::{Check, Conclusion};
#[cfg(feature = "reset")]
use portcullis_sandbox::Plugin;
#[cfg(feature = "identity")]
use portcullis_trust::identity::Verifier;
use portcullis_trust::intent::Intents;
use portcullis_trust::posture::Postures;
use portcullis_trust::registry::{FollowedRegistry, Registry};
#[cfg(feature = "identity")]
use portcullis_trust::revocation::EventIssuers;
use portcullis_trust::revocation::Revocations;
use portcullis_trust::state::{Marks, Sightings, State};
use portcullis_trust::watched::Watcher;
use std::borrow::Cow;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The policy decision point: it evaluates requests and returns decisions.
///
/// It is cheap to clone, and any number of threads may call it at once. A decision takes microseconds on
/// the calling thread and waits only for the log and the state, so it needs no async runtime.
#[derive(Debug, Clone)]
pub struct Pdp {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// The watcher of the revocation list, and that of all other files.
    ///
    /// They are first, so that their threads end before the state and the log are closed, unless a look hangs.
    watchers: [Watcher; 2],
    /// Time between two looks of the watchers.
    poll_interval: Duration,
    integrations: HashMap<String, Integration>,
    parts: Parts,
}

/// Parts of a decision point besides its integrations.
#[derive(Debug, Default)]
struct Parts {
    request_limits: RequestLimits,
    registry: Option<FollowedRegistry>,
    revocations: Option<Revocations>,
    #[cfg(feature = "identity")]
    event_issuers: Option<EventIssuers>,
    intents: Option<IntentRule>,
    access_requests: Option<AccessRequests>,
    state: Option<Arc<dyn State>>,
    /// Sightings that present each credential, used if there is no state.
    instances: Arc<Sightings>,
    postures: Option<Postures>,
    requirements: Requirements,
    #[cfg(feature = "identity")]
    verifier: Option<Verifier>,
    log: Option<DecisionLog>,
    /// Path of the log, for dry runs, which do not open it.
    log_path: Option<PathBuf>,
    /// Marks beside the log: how far list and state have advanced.
    marks: Option<Arc<Marks>>,
    /// Marks beside the revocation list, if there is neither a log nor a state.
    list_marks: Option<Arc<Marks>>,
    notices: Vec<Problem>,
    default_integrations: DefaultIntegrations,
    /// Mode of requests whose integration is unknown.
    mode_of_unknown: Mode,
    quarantine: QuarantineRule,
    in_flight: InFlight,
}

impl Pdp {
    /// Starts a builder without integrations, with default limits.
    pub fn builder() -> PdpBuilder {
        PdpBuilder::default()
    }

    /// Decides `request` now.
    ///
    /// Before it returns, it spends the uses of a permit and records the decision. If too many decisions are in
    /// flight, it denies at once; the log then records the number of such denials.
    pub fn evaluate(&self, request: &Request) -> Decision {
        let now = Timestamp::now();
        let request = &*self.named(request);
        let _in_flight = match self.enter(self.integration(request.integration())) {
            Ok(admitted) => admitted,
            Err(overloaded) => return *overloaded,
        };
        let decision = caught(|| self.decide_and_spend(request, now));
        self.recorded(request, decision, now)
    }

    /// As [`Pdp::evaluate`], for a task of an async runtime.
    ///
    /// It decides in the calling thread, which takes microseconds, and only the future waits until the decision
    /// is recorded. A state in a file is written in the calling thread, if the decision spends uses. If the
    /// future is dropped while it waits, the decision is recorded nevertheless.
    pub async fn evaluate_async(&self, request: &Request) -> Decision {
        let now = Timestamp::now();
        let request = &*self.named(request);
        let _in_flight = match self.enter(self.integration(request.integration())) {
            Ok(admitted) => admitted,
            Err(overloaded) => return *overloaded,
        };
        let decision = caught(|| self.decide_and_spend(request, now));
        self.recorded_async(request, decision, now).await
    }

    /// Denies and records a request that could not be read, for a task of an async runtime.
    ///
    /// `bytes` is the request as it was received: the log has its digest. `error` is that of
    /// [`Pdp::read_authzen`] or another reader.
    pub async fn refuse_unreadable_async(&self, bytes: &[u8], error: &json::Error) -> Decision {
        let _in_flight = match self.enter(None) {
            Ok(admitted) => admitted,
            Err(overloaded) => return *overloaded,
        };
        let denied = Decision::invalid(error);
        self.recorded_unreadable_async(bytes, denied).await
    }

    /// Decides `request` as at `now`, as a dry run: nothing is spent or recorded.
    pub fn evaluate_at(&self, request: &Request, now: Timestamp) -> Decision {
        let request = &*self.named(request);
        caught(|| self.decide(request, now, Sources::DryRun, &mut ()))
    }

    /// Decides `request` as [`Pdp::evaluate_at`] does, and returns every step.
    ///
    /// The steps are in order, each with its finding. For a deny, the steps that were not reached follow.
    pub fn explain_at(&self, request: &Request, now: Timestamp) -> (Decision, Vec<Check>) {
        let mut checks = Vec::new();
        let request = &*self.named(request);
        let decision = caught(|| self.decide(request, now, Sources::DryRun, &mut checks));
        if !decision.is_permit() {
            for name in self.steps(request.integration()) {
                if !checks.iter().any(|check| check.name == name) {
                    checks.push(Check {
                        name,
                        conclusion: Conclusion::NotReached,
                        finding: "not reached".to_owned(),
                    });
                }
            }
        }
        (decision, checks)
    }

    /// The steps of every permit, in order.
    fn steps(&self, integration: &str) -> Vec<String> {
        let integration = self.integration(integration);
        let plugins = integration.into_iter().flat_map(Integration::plugins);
        let before = ["integration"]
            .into_iter()
            .chain(admission::CHECKS)
            .chain(["answers"]);
        let after = ["obligations", "constraints", "grant"];
        before
            .map(str::to_owned)
            .chain(plugins.map(|plugin| plugin_step(plugin)))
            .chain(after.map(str::to_owned))
            .collect()
    }

    /// Decides `request` again as at `now`, from `inputs`, for a replay.
    ///
    /// Nothing is spent or recorded. With the same configuration, it is the same decision.
    pub fn evaluate_again(
        &self,
        request: &Request,
        now: Timestamp,
        inputs: &Inputs,
        list: ListAsOf,
    ) -> Decision {
        let sources = Sources::Recorded(inputs, list);
        let request = &*self.named(request);
        caught(|| {
            let decision = self.decide(request, now, sources, &mut ());
            match &inputs.not_spent {
                Some(why) if !decision.uses().is_empty() => not_spent(&decision, why.clone()),
                _ => decision,
            }
        })
    }

    /// Decides the AuthZEN 1.0 evaluation in `json`, as [`Pdp::evaluate`] does.
    ///
    /// An unreadable evaluation is denied.
    pub fn evaluate_authzen(&self, json: &[u8]) -> Decision {
        self.evaluate_read(json, self.read_authzen(json))
    }

    /// Reads an AuthZEN 1.0 evaluation within the configured limits.
    ///
    /// An evaluation that names no integration gets the configured default; see
    /// [`Request::from_authzen_for`].
    ///
    /// # Errors
    ///
    /// As [`Request::from_authzen`].
    pub fn read_authzen(&self, json: &[u8]) -> Result<Request, json::Error> {
        let defaults = &self.inner.parts.default_integrations;
        Request::from_authzen_for(json, defaults, self.request_limits())
    }

    /// Reads an AuthZEN 1.0 evaluations request, a batch, within the configured limits.
    ///
    /// Evaluations that name no integration get the configured default; see [`Request::batch_from_authzen`].
    ///
    /// # Errors
    ///
    /// As [`Request::batch_from_authzen`].
    pub fn read_authzen_batch(
        &self,
        json: &[u8],
    ) -> Result<Vec<Result<Request, json::Error>>, json::Error> {
        let defaults = &self.inner.parts.default_integrations;
        Request::batch_from_authzen(json, defaults, self.request_limits())
    }

    /// Decides the MCP `tools/call` in `json`, as [`Pdp::evaluate`] does.
    ///
    /// An unreadable call is denied. See [`Request::from_mcp`].
    pub fn evaluate_mcp(&self, json: &[u8]) -> Decision {
        self.evaluate_read(json, Request::from_mcp(json, self.request_limits()))
    }

    fn evaluate_read(&self, json: &[u8], request: Result<Request, json::Error>) -> Decision {
        let error = match request {
            Ok(request) => return self.evaluate(&request),
            Err(error) => error,
        };
        let _in_flight = match self.enter(None) {
            Ok(admitted) => admitted,
            Err(overloaded) => return *overloaded,
        };
        self.recorded_unreadable(json, Decision::invalid(&error))
    }

    /// The verifier of credentials, if one is configured (`[trust-domains]`).
    ///
    /// ```no_run
    /// use portcullis_host::Pdp;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// // `[trust-domains]` of the configuration names the bundle of each trust domain, and the audience.
    /// let pdp = Pdp::from_file("portcullis.toml")?;
    /// let verifier = pdp.verifier().ok_or("the configuration has no [trust-domains]")?;
    /// # let authorization_header = "Bearer …";
    /// let token = authorization_header.strip_prefix("Bearer ").ok_or("no bearer token")?;
    /// let principal = verifier.verify(token)?;
    /// println!("{} with credential {}", principal.id, principal.credential_id);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "identity")]
    pub fn verifier(&self) -> Option<&Verifier> {
        self.inner.parts.verifier.as_ref()
    }

    /// The registry as of the last look that found it valid, if there is one.
    pub fn registry(&self) -> Option<Arc<Registry>> {
        let registry = self.inner.parts.registry.as_ref();
        registry.map(FollowedRegistry::last_valid)
    }

    /// The known intents, if intents are configured.
    pub fn intents(&self) -> Option<&Intents> {
        self.inner.parts.intents.as_ref().map(|rule| &rule.intents)
    }

    /// The revocation list, if there is one.
    pub fn revocations(&self) -> Option<&Revocations> {
        self.inner.parts.revocations.as_ref()
    }

    /// Problems in the configuration that do not prevent its use.
    ///
    /// Examples are a plugin that is not pinned and an invalid cache entry. Show them to the operator.
    pub fn notices(&self) -> &[Problem] {
        &self.inner.parts.notices
    }

    /// Plugins for which a self-check found that a reset was not complete, each with its integration.
    ///
    /// They decide in fresh instances from then on, until they are loaded again. Show them to the operator: the
    /// host's rewriting of the plugin or the runtime is at fault. Their records have `reset-failed`.
    #[cfg(feature = "reset")]
    pub fn reset_failures(&self) -> Vec<(&Integration, &Plugin)> {
        let mut failed = Vec::new();
        for integration in self.inner.integrations.values() {
            let plugins = integration.plugins().iter();
            failed.extend(
                plugins
                    .filter(|plugin| plugin.reset_failed())
                    .map(|plugin| (integration, plugin.as_ref())),
            );
        }
        failed.sort_by_key(|(integration, plugin)| (integration.name(), &plugin.manifest().name));
        failed
    }

    /// Size limits of requests.
    pub fn request_limits(&self) -> &RequestLimits {
        &self.inner.parts.request_limits
    }

    /// The integration called `name`.
    pub fn integration(&self, name: &str) -> Option<&Integration> {
        self.inner.integrations.get(name)
    }

    /// All integrations, sorted by name.
    pub fn integrations(&self) -> Vec<&Integration> {
        let mut all: Vec<_> = self.inner.integrations.values().collect();
        all.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Mode of requests whose integration is unknown: they are observed if there is no configuration.
    pub(crate) fn mode_of_unknown(&self) -> Mode {
        self.inner.parts.mode_of_unknown
    }

    /// Returns the request with its resource name in the integration's canonical spelling.
    fn named<'r>(&self, request: &'r Request) -> Cow<'r, Request> {
        match self.integration(request.integration()) {
            Some(integration) => request.named_as(&integration.naming),
            None => Cow::Borrowed(request),
        }
    }
}

impl Pdp {
    /// Reads every watched file that changed, in the calling thread.
    ///
    /// Threads of the decision point do so four times a second, see [`PdpBuilder::poll_interval`]. On
    /// return, the files are in force as they are now.
    pub fn refresh(&self) {
        for watcher in &self.inner.watchers {
            watcher.refresh();
        }
    }

    /// Watched files that are not in force as they are now, each with the reason.
    ///
    /// Examples are a registry that became invalid, a stale revocation list, and a file system that hangs. They
    /// include intents that were added since the start and would be refused if they were imported. Show them to the operator, for example in a
    /// faults check.
    pub fn file_problems(&self) -> Vec<Problem> {
        let problems = self.inner.watchers.iter().flat_map(Watcher::problems);
        let mut problems: Vec<_> = problems
            .map(|(file, why)| Problem::warning(&file, why))
            .collect();
        if let Some(revocations) = &self.inner.parts.revocations
            && revocations.unreliable().is_none()
            && let Some(why) = revocations.now_known().unreliable(Timestamp::now())
        {
            problems.push(Problem::warning(revocations.file(), why));
        }
        let Inner {
            integrations,
            parts,
            ..
        } = &*self.inner;
        let of_intents = parts.intent_problems(integrations, &[]);
        let is_new = |it: &Problem| it.severity > Severity::Warning && !parts.notices.contains(it);
        problems.extend(of_intents.into_iter().filter(is_new));
        problems
    }
}

/// Calls `decide`; returns a deny if it panics.
fn caught(decide: impl FnOnce() -> Decision) -> Decision {
    catch_unwind(AssertUnwindSafe(decide)).unwrap_or_else(|_| {
        Decision::deny(
            Cause::HostFault,
            "the host failed on this request: please report it with the request",
        )
    })
}
