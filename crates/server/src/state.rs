//! State that all routes share, and the one path from a request to its decision.

use crate::connection::Connection;
use crate::metrics::Metrics;
use crate::pep::{Caller, Pep};
use crate::recent::{Recent, Seen};
use crate::refusal::{Kind, Refusal, UnknownCallers};
use crate::settings::Settings;
use crate::vouching;
use arc_swap::ArcSwap;
use portcullis_host::live::Live;
use portcullis_host::log::LogError;
use portcullis_host::{Cause, Decision, Pdp, Request, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

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
    settings: ArcSwap<Settings>,
    metrics: Metrics,
    recent: Recent,
    unknown_callers: UnknownCallers,
    log_failed: AtomicBool,
    is_draining: AtomicBool,
    started_at: Timestamp,
}

impl App {
    /// Starts without decisions.
    pub(crate) fn new(live: Live, settings: Arc<Settings>) -> Self {
        let recent = Recent::new(settings.limits.recent_decisions);
        Self(Arc::new(Shared {
            live,
            settings: ArcSwap::new(settings),
            metrics: Metrics::default(),
            recent,
            unknown_callers: UnknownCallers::default(),
            log_failed: AtomicBool::new(false),
            is_draining: AtomicBool::new(false),
            started_at: Timestamp::now(),
        }))
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
    pub(crate) fn replace_settings(&self, settings: Arc<Settings>) {
        self.0.settings.store(settings);
    }

    /// Counters of this server.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
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

    /// True if the last line for the decision log could not be written.
    pub(crate) fn log_failed(&self) -> bool {
        self.0.log_failed.load(Ordering::Relaxed)
    }

    /// Notes the result of a write to the decision log, for readiness.
    pub(crate) fn note_recorded<T>(&self, recorded: &Result<T, LogError>) {
        self.0
            .log_failed
            .store(recorded.is_err(), Ordering::Relaxed);
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
            Some(token) => settings.peps.by_token(token),
            None => connection.pep(&settings.peps, &self.pdp()),
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
    /// them.
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
    ) -> Result<Decision, Refusal> {
        let request = vouching::admit(caller.pep(), pdp, stated, credential)?;
        let began = Instant::now();
        let decision = pdp.evaluate_async(&request).await;
        let took = began.elapsed();
        match decision.cause() {
            Cause::NotRecorded => self.0.log_failed.store(true, Ordering::Relaxed),
            // Denials of an overloaded host have no line of their own.
            Cause::PluginFaulted(_) => {}
            _ => self.0.log_failed.store(false, Ordering::Relaxed),
        }
        let is_known = pdp.integration(request.integration()).is_some();
        self.0.metrics.decided(&request, &decision, is_known, took);
        self.0
            .recent
            .add(Seen::of(caller, &request, &decision, took, &self.settings()));
        Ok(decision)
    }

    /// Records and counts a refusal, and returns it with the id of its line in the log.
    pub(crate) async fn refused(
        &self,
        pdp: &Pdp,
        connection: &Connection,
        refusal: Refusal,
    ) -> Refusal {
        self.0.metrics.refused(refusal.kind());
        // Callers without authentication must not fill the disk.
        if refusal.kind() == Kind::UnknownCaller && !self.0.unknown_callers.may_be_recorded() {
            self.0.metrics.not_recorded();
            return refusal;
        }
        let recorded = pdp
            .record_refused_async(&refusal.to_record(connection))
            .await;
        self.note_recorded(&recorded);
        match recorded {
            Ok(id) => refusal.with_id(id),
            Err(_) => refusal,
        }
    }

    /// Enforcement points in force, for the status.
    pub(crate) fn peps(&self) -> Vec<Arc<Pep>> {
        self.settings().peps.iter().cloned().collect()
    }
}
