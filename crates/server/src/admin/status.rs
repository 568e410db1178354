//! The status as JSON.

use crate::pep::{Fact, Pep};
use crate::recent::{Latency, RecentDecision};
use crate::shipping::ShipStatus;
use crate::state::App;
use crate::telemetry::OtlpStatus;
use axum::Json;
use axum::extract::State;
use portcullis_host::{Status, Timestamp};
use serde::{Deserialize, Serialize};

/// Status of a server and of its host.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WholeStatus {
    /// Status of the host: what is loaded, digests, ages and problems.
    pub host: Status,
    /// Status of the server.
    pub server: ServerStatus,
}

impl WholeStatus {
    /// True if the server is ready.
    pub fn is_ready(&self) -> bool {
        self.server.unready.is_empty()
    }

    /// True if the server is ready, its configuration is the one that the operator wrote last, and shipping of the log has
    /// not stopped.
    pub fn is_as_meant(&self) -> bool {
        let Self { host, server } = self;
        let has_stopped = server.ship.as_ref().is_some_and(|ship| ship.stopped);
        self.is_ready() && server.refused.is_empty() && host.refused.is_none() && !has_stopped
    }
}

/// Status of a server.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct ServerStatus {
    /// Time at which the server started.
    pub started: Timestamp,
    /// Reasons why the server is not ready; none if it is.
    pub unready: Vec<String>,
    /// URLs of the listeners.
    pub listeners: Vec<String>,
    /// Enforcement points.
    pub peps: Vec<PepStatus>,
    /// Open connections.
    pub connections: i64,
    /// Times of recent decisions.
    pub latency: Latency,
    /// Problems for which the last change of `[serve]` was refused; none if it is in force.
    pub refused: Vec<String>,
    /// The last checkpoint that the server tried to write, if it writes any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// Progress of shipping the log, if it is shipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ship: Option<ShipStatus>,
    /// Export of traces and metrics, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otlp: Option<OtlpStatus>,
    /// The last decisions, newest first.
    pub decisions: Vec<RecentDecision>,
}

/// An enforcement point, without its secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct PepStatus {
    /// Name of the enforcement point.
    pub id: String,
    /// Proof by which it is recognised.
    pub by: String,
    /// Integrations that it may ask about; none stands for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integrations: Option<Vec<String>>,
    /// Facts that it may state.
    pub vouches_for: Vec<Fact>,
}

impl PepStatus {
    fn of(pep: &Pep) -> Self {
        Self {
            id: pep.id.clone(),
            by: pep.proof.describe(),
            integrations: pep.integrations.clone(),
            vouches_for: pep.vouches_for.clone(),
        }
    }
}

/// `GET /status`.
pub(super) async fn status(State(app): State<App>) -> Json<WholeStatus> {
    Json(of(&app))
}

/// The status now.
pub(super) fn of(app: &App) -> WholeStatus {
    WholeStatus {
        host: app.live().status(),
        server: ServerStatus {
            started: app.started_at(),
            unready: app.unready(),
            listeners: app.listeners(),
            peps: app
                .settings()
                .peps
                .iter()
                .map(|pep| PepStatus::of(pep))
                .collect(),
            connections: app.metrics().connections.get(),
            latency: app.recent().latency(),
            refused: app.settings_problems(),
            checkpoint: app.last_checkpoint(),
            ship: app.shipping(),
            otlp: app.telemetry().status(app.metrics()),
            decisions: app.recent().newest_first(),
        },
    }
}
