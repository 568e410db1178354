//! State that all routes share, and the one path from a request to its decision.

use crate::connection::{Caller, Connection};
use crate::gates::Gates;
use crate::metrics::Metrics;
use crate::recent::{Recent, RecentDecision};
use crate::refusal::{Kind, Refusal};
use crate::settings::Settings;
use crate::shipping::ShipStatus;
use crate::telemetry::{self, Telemetry};
use crate::vouching;
use arc_swap::ArcSwap;
use portcullis_host::session::{Session, Sessions};
use portcullis_host::{Decision, Live, Pdp, Request, Timestamp};
use portcullis_http::UnknownCallers;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::task::JoinError;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

/// Decision point, enforcement points, metrics and recent decisions of a running server.
///
/// A clone is cheap. Routes of every protocol use it in this order:
///
/// 1. [`App::caller`]: the enforcement point of the connection or of its bearer token.
/// 2. [`App::pdp`]: the decision point in force, which also has the limits for reading the request.
/// 3. [`App::decide`]: applies the rules of the enforcement point, and decides.
///
/// A [`Refusal`] from any step, or of the route's own, goes through [`App::refused`], which records and counts
/// it.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

struct Shared {
    live: Live,
    report: Report,
    settings: ArcSwap<Settings>,
    /// Notes each time that the settings were read.
    settings_changes: watch::Sender<()>,
    metrics: Metrics,
    telemetry: Telemetry,
    recent: Recent,
    unknown_callers: UnknownCallers,
    is_draining: AtomicBool,
    refused_settings: Mutex<Vec<String>>,
    listeners: OnceLock<Vec<String>>,
    checkpoint: Mutex<Option<String>>,
    shipping: Mutex<Option<ShipStatus>>,
    /// Searches decide many requests each, so that only some run at a time.
    searches: Semaphore,
    /// Work on threads of its own, which goes on when the task that waits for it is gone.
    blocking: TaskTracker,
    started_at: Timestamp,
    sessions: Sessions,
    gates: ArcSwap<Gates>,
}

/// Function that shows a message to the operator.
pub(crate) type Report = Arc<dyn Fn(&str) + Send + Sync>;

/// Searches that run at a time.
const SEARCHES: usize = 2;
/// Time that a search waits for its turn.
const SEARCH_PATIENCE: Duration = Duration::from_secs(1);

impl App {
    /// Starts without decisions.
    ///
    /// # Errors
    ///
    /// The reason why traces and metrics cannot be exported, or a server behind a gate cannot be reached.
    pub(crate) fn new(live: Live, settings: Arc<Settings>, report: Report) -> Result<Self, String> {
        let metrics = Metrics::default();
        let telemetry = Telemetry::start(&settings, &metrics)
            .map_err(|error| format!("`[serve.otlp]`: {error}"))?;
        let recent = Recent::new(settings.limits.recent_decisions);
        let sessions = Sessions::new(settings.sessions.most, settings.sessions.idle);
        let gates = Gates::new(&settings.mcp)?;
        Ok(Self(Arc::new(Shared {
            live,
            report,
            settings: ArcSwap::new(settings),
            settings_changes: watch::Sender::new(()),
            metrics,
            telemetry,
            recent,
            unknown_callers: UnknownCallers::default(),
            is_draining: AtomicBool::new(false),
            refused_settings: Mutex::default(),
            listeners: OnceLock::new(),
            checkpoint: Mutex::default(),
            shipping: Mutex::default(),
            searches: Semaphore::new(SEARCHES),
            blocking: TaskTracker::new(),
            started_at: Timestamp::now(),
            sessions,
            gates: ArcSwap::new(Arc::new(gates)),
        })))
    }

    /// The decision point with its configuration.
    pub(crate) fn live(&self) -> &Live {
        &self.0.live
    }

    /// The decision point in force. One request is read and decided with one.
    pub(crate) fn pdp(&self) -> Pdp {
        self.0.live.pdp()
    }

    /// Settings of `[serve]` in force.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.0.settings.load_full()
    }

    /// Replaces the settings for requests that follow.
    ///
    /// Gates whose settings changed begin anew: their clients open a new connection.
    pub(crate) fn replace_settings(&self, settings: Arc<Settings>) {
        if self.settings().mcp != settings.mcp {
            match Gates::new(&settings.mcp) {
                Ok(gates) => self.0.gates.store(Arc::new(gates)),
                Err(error) => self.say(&format!("`[mcp]` stays as it was: {error}")),
            }
        }
        self.0.settings.store(settings);
        self.0.settings_changes.send_replace(());
    }

    /// Notes each time that the settings were read, even without a change.
    pub(crate) fn settings_changes(&self) -> watch::Receiver<()> {
        self.0.settings_changes.subscribe()
    }

    /// Open sessions of agents.
    pub(crate) fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    /// Gates in front of MCP servers.
    pub(crate) fn gates(&self) -> Arc<Gates> {
        self.0.gates.load_full()
    }

    /// Function that shows a message to the operator.
    pub(crate) fn report(&self) -> Report {
        Arc::clone(&self.0.report)
    }

    /// Counters of this server.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Traces and metrics that are exported.
    pub(crate) fn telemetry(&self) -> &Telemetry {
        &self.0.telemetry
    }

    /// The last decisions.
    pub(crate) fn recent(&self) -> &Recent {
        &self.0.recent
    }

    /// Time at which the server started.
    pub(crate) fn started_at(&self) -> Timestamp {
        self.0.started_at
    }

    /// True from the beginning of the shutdown.
    pub(crate) fn is_draining(&self) -> bool {
        self.0.is_draining.load(Ordering::Relaxed)
    }

    /// Makes the server not ready, before its listeners close.
    pub(crate) fn drain(&self) {
        self.0.is_draining.store(true, Ordering::Relaxed);
    }

    /// Reasons why the server is not ready for requests; none if it is.
    pub(crate) fn unready(&self) -> Vec<String> {
        let mut reasons = self.0.live.unready();
        if self.is_draining() {
            reasons.push("the server shuts down".to_owned());
        }
        reasons
    }

    /// The problems for which the last change of `[serve]` was refused; none if it is in force.
    pub(crate) fn settings_problems(&self) -> Vec<String> {
        let refused = self.0.refused_settings.lock();
        refused.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes that a change of `[serve]` was refused.
    pub(crate) fn note_settings_problems(&self, problems: Vec<String>) {
        let refused = self.0.refused_settings.lock();
        *refused.unwrap_or_else(PoisonError::into_inner) = problems;
    }

    /// The enforcement point that makes a request.
    ///
    /// `token` is its bearer token, if the protocol has a place for one. A token that is given decides alone, so
    /// that a wrong one is not excused by the connection.
    ///
    /// # Errors
    ///
    /// [`Refusal`] with status 401 for an unknown caller.
    pub(crate) fn caller(
        &self,
        connection: &Connection,
        token: Option<&str>,
    ) -> Result<Caller, Refusal> {
        let settings = self.settings();
        let found = match token {
            // Without configured enforcement points there is no token to compare with.
            Some(token) if !settings.peps.is_local() => settings.peps.by_token(token),
            _ => connection.pep(&settings.peps, &self.pdp()),
        };
        match found {
            Some(pep) => Ok(Caller::new(pep, connection)),
            None => Err(Refusal::unknown_caller(token.is_some(), &settings.peps)),
        }
    }

    /// Decides a request of an enforcement point.
    ///
    /// `credential` is the workload's own token (a JWT-SVID). With one, the principal of the request is the
    /// verified one. Without one, the request's statements count, as far as the enforcement point may vouch for
    /// them. With a `session`, the origins of its arguments are computed, and what is stated can only make them worse.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if the enforcement point states more than it may vouch for, or the credential is invalid.
    /// Nothing is then decided, and no other principal is affected.
    pub(crate) async fn decide(
        &self,
        caller: &Caller,
        pdp: &Pdp,
        stated: Request,
        credential: Option<&str>,
        session: Option<&Session>,
    ) -> Result<Decision, Refusal> {
        let mut request = vouching::admit(caller.pep(), pdp, stated, credential)?;
        if let Some(session) = session {
            request = pdp.in_session(session, &request);
        }
        Ok(self.evaluate(caller, pdp, &request).await)
    }

    /// Decides a request whose statements are known to be true, and counts the decision.
    pub(crate) async fn evaluate(&self, caller: &Caller, pdp: &Pdp, request: &Request) -> Decision {
        let began = Instant::now();
        let decision = pdp.evaluate_async(request).await;
        let took = began.elapsed();
        let is_known = pdp.integration(request.integration()).is_some();
        self.0.metrics.decided(request, &decision, is_known, took);
        telemetry::note_decision(request, &decision, is_known);
        let settings = self.settings();
        let seen = RecentDecision::of(caller, request, &decision, took, &settings);
        self.0.recent.add(seen);
        decision
    }

    /// Runs work that compiles, or waits for the disk or for a lock, on a thread where that delays no request.
    ///
    /// # Errors
    ///
    /// [`JoinError`] if it panicked.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        self.0.blocking.spawn_blocking(work).await
    }

    /// Waits until all work of [`App::blocking`] has ended, so that none holds the log or the state any more.
    pub(crate) async fn blocking_ended(&self) {
        self.0.blocking.close();
        self.0.blocking.wait().await;
    }

    /// True if a note about an unknown caller may be written now: only some are in a second.
    pub(crate) fn may_note_unknown_caller(&self) -> bool {
        self.0.unknown_callers.may_be_recorded()
    }

    /// Tells the operator, on the server's standard error.
    pub(crate) fn say(&self, message: &str) {
        (self.0.report)(message);
    }

    /// Waits for the turn of a search.
    ///
    /// # Errors
    ///
    /// [`Refusal`] with status 503 if other searches run for too long.
    pub(crate) async fn search_turn(&self) -> Result<SemaphorePermit<'_>, Refusal> {
        let turn = timeout(SEARCH_PATIENCE, self.0.searches.acquire()).await;
        match turn {
            Ok(Ok(turn)) => Ok(turn),
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => Err(Refusal::busy("other searches are running: try again")),
        }
    }

    /// Records and counts a refusal, and returns it with the id of its line in the log.
    pub(crate) async fn refused(
        &self,
        pdp: &Pdp,
        connection: &Connection,
        refusal: Refusal,
    ) -> Refusal {
        self.0.metrics.refused(refusal.kind());
        telemetry::note_refusal(refusal.kind());
        // Callers without authentication must not fill the disk.
        if refusal.kind() == Kind::UnknownCaller && !self.may_note_unknown_caller() {
            self.0.metrics.not_recorded();
            return refusal;
        }
        let id = match refusal.unreadable() {
            Some((body, error)) => {
                let denied = pdp.refuse_unreadable_async(body, error).await;
                denied.id().map(str::to_owned)
            }
            None => {
                let record = refusal.to_record(connection);
                // A refusal that cannot be recorded is a refusal still.
                pdp.record_refused_async(&record).await.ok()
            }
        };
        refusal.with_id(id)
    }

    /// URLs of the listeners; empty until they are bound.
    pub(crate) fn listeners(&self) -> Vec<String> {
        self.0.listeners.get().cloned().unwrap_or_default()
    }

    /// Sets the URLs of the listeners, once.
    pub(crate) fn note_listeners(&self, urls: Vec<String>) {
        // They are bound once.
        let _ = self.0.listeners.set(urls);
    }

    /// Result of the last checkpoint, if the server writes any.
    pub(crate) fn last_checkpoint(&self) -> Option<String> {
        let last = self.0.checkpoint.lock();
        last.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes the result of a checkpoint.
    pub(crate) fn note_checkpoint(&self, result: String) {
        let last = self.0.checkpoint.lock();
        *last.unwrap_or_else(PoisonError::into_inner) = Some(result);
    }

    /// Progress of shipping the log, if it is shipped.
    pub(crate) fn shipping(&self) -> Option<ShipStatus> {
        let shipping = self.0.shipping.lock();
        shipping.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes the progress of shipping the log.
    pub(crate) fn note_shipping(&self, status: Option<ShipStatus>) {
        let metrics = self.metrics();
        let behind = status.as_ref().map_or(0, |status| status.behind);
        metrics
            .unshipped
            .set(i64::try_from(behind).unwrap_or(i64::MAX));
        let stopped = status.as_ref().is_some_and(|status| status.stopped);
        metrics.ship_stopped.set(i64::from(stopped));
        let shipping = self.0.shipping.lock();
        *shipping.unwrap_or_else(PoisonError::into_inner) = status;
    }
}
