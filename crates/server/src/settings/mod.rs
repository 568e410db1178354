//! Settings of the server: `[serve]` of the configuration.

mod address;
mod calls;
mod endpoint;
mod files;
mod otlp;
mod peps;
mod read;
mod sessions;
mod ship;

pub use crate::tls::TlsFiles;
pub use address::Address;
pub use calls::HttpSettings;
pub use endpoint::Endpoint;
pub use files::Secret;
pub use otlp::OtlpSettings;
pub use read::{admin_of, check, read};
pub use sessions::{FrontEnd, SessionSettings};
pub use ship::{Format, ShipSettings};

use crate::pep::{Pep, Peps};
use serde_json::{Map, Value};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Settings of a server. [`Settings::default`] has those of a configuration without `[serve]`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// Listeners for decisions.
    pub listen: Vec<Address>,
    /// Listener for health, metrics, status and reload; `None` for none.
    pub admin: Option<Address>,
    /// URL of the server in the AuthZEN metadata. By default, that of the request.
    pub url: Option<String>,
    /// Mode of Unix sockets.
    pub socket_mode: u32,
    /// Certificate and key of all TCP listeners, if they speak TLS.
    pub tls: Option<TlsFiles>,
    /// Enforcement points.
    pub peps: Peps,
    /// Bounds on requests and connections.
    pub limits: Limits,
    /// Bearer token for the admin listener, if it has one.
    pub admin_token: Option<Secret>,
    /// Bearer token of the transmitters of security events, if they have one.
    pub events_token: Option<Secret>,
    /// Interval at which the server adds checkpoints to its revocation list, if it owns the list.
    pub checkpoint_every: Option<Duration>,
    /// Resources that a resource search decides.
    pub resources: Vec<KnownResource>,
    /// True if the log masks ids of resources, so that the status page leaves them out too.
    pub masks_resource_id: bool,
    /// Requests that calls through proxies become, if any proxy may ask.
    pub http: Option<HttpSettings>,
    /// Receiver of the decision log, if it is shipped.
    pub ship: Option<ShipSettings>,
    /// Collector of traces and metrics, if there is one.
    pub otlp: Option<OtlpSettings>,
    /// Gates in front of MCP servers.
    pub mcp: portcullis_mcp::settings::Settings,
    /// Sessions of agents.
    pub sessions: SessionSettings,
    /// Notices for the operator.
    pub notices: Vec<String>,
    /// Files that the settings were read from. The server reads the settings again if one changes.
    pub(crate) files: Vec<PathBuf>,
    /// Settings that are in force from the start on, as the configuration has them.
    pub(crate) at_start: AtStart,
}

/// Settings that a running server does not change, as a configuration has them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct AtStart {
    listen: Vec<Address>,
    admin: Option<Address>,
    socket_mode: u32,
    tls: Option<TlsFiles>,
    checkpoint_every: Option<Duration>,
    otlp: Option<OtlpSettings>,
    connections: usize,
    request_timeout: Duration,
    recent_decisions: usize,
}

impl AtStart {
    fn of(settings: &Settings) -> Self {
        Self {
            listen: settings.listen.clone(),
            admin: settings.admin.clone(),
            socket_mode: settings.socket_mode,
            tls: settings.tls.clone(),
            checkpoint_every: settings.checkpoint_every,
            otlp: settings.otlp.clone(),
            connections: settings.limits.connections,
            request_timeout: settings.limits.request_timeout,
            recent_decisions: settings.limits.recent_decisions,
        }
    }

    /// Keys that `other` has with another value.
    fn changed(&self, other: &Self) -> impl Iterator<Item = &'static str> {
        let keys = [
            ("listen", self.listen != other.listen),
            ("admin", self.admin != other.admin),
            ("socket-mode", self.socket_mode != other.socket_mode),
            ("[serve.tls]", self.tls != other.tls),
            (
                "checkpoint-every",
                self.checkpoint_every != other.checkpoint_every,
            ),
            ("[serve.otlp]", self.otlp != other.otlp),
            ("max-connections", self.connections != other.connections),
            (
                "request-timeout",
                self.request_timeout != other.request_timeout,
            ),
            (
                "recent-decisions",
                self.recent_decisions != other.recent_decisions,
            ),
        ];
        keys.into_iter()
            .filter_map(|(key, differs)| differs.then_some(key))
    }
}

/// A resource that a resource search may find.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct KnownResource {
    /// Type of the resource.
    pub kind: String,
    /// Id of the resource.
    pub id: String,
    /// Properties with which a search decides it.
    pub properties: Map<String, Value>,
}

/// Bounds on requests and connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Maximum number of open connections of each listener. 1024 by default.
    pub connections: usize,
    /// Maximum size of the headers of a request in bytes. 16 KiB by default.
    pub header_bytes: usize,
    /// Maximum number of evaluations in a batch. 100 by default.
    pub evaluations: usize,
    /// Maximum time from the first byte of a request to the end of its headers, and of a TLS handshake. 10 s by
    /// default.
    pub header_timeout: Duration,
    /// Maximum time from the end of the headers to the response, the body included. 30 s by default.
    pub request_timeout: Duration,
    /// Maximum time in which no byte is sent or received. 60 s by default.
    pub idle_timeout: Duration,
    /// Age at which a connection is closed after its last request. 1 h by default.
    pub connection_age: Duration,
    /// Maximum time of a shutdown for requests in flight. 30 s by default.
    pub shutdown_timeout: Duration,
    /// Number of recent decisions on the status page. 200 by default.
    pub recent_decisions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            header_bytes: 16 * 1024,
            evaluations: 100,
            header_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            connection_age: Duration::from_secs(60 * 60),
            shutdown_timeout: Duration::from_secs(30),
            recent_decisions: 200,
        }
    }
}

/// Default port for decisions.
const PORT: u16 = 8181;
/// Default port of the admin listener.
const ADMIN_PORT: u16 = 8182;

impl Default for Settings {
    fn default() -> Self {
        let loopback = |port| Address::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        Self {
            listen: vec![loopback(PORT)],
            admin: Some(loopback(ADMIN_PORT)),
            url: None,
            socket_mode: 0o660,
            tls: None,
            peps: Peps::from_iter([Pep::local()]),
            limits: Limits::default(),
            admin_token: None,
            events_token: None,
            checkpoint_every: None,
            resources: Vec::new(),
            masks_resource_id: false,
            http: None,
            ship: None,
            otlp: None,
            mcp: portcullis_mcp::settings::Settings::default(),
            sessions: SessionSettings::default(),
            notices: Vec::new(),
            files: Vec::new(),
            at_start: AtStart::default(),
        }
    }
}

impl Settings {
    /// True if only this machine can reach the listeners, and no enforcement points are told apart.
    pub(crate) fn is_local(&self) -> bool {
        self.peps.is_local() && self.listen.iter().all(Address::is_local)
    }

    /// Sets the listeners for decisions.
    #[must_use]
    pub fn listen(mut self, addresses: impl IntoIterator<Item = Address>) -> Self {
        self.listen = addresses.into_iter().collect();
        self
    }

    /// Sets the admin listener.
    #[must_use]
    pub fn admin(mut self, address: Option<Address>) -> Self {
        self.admin = address;
        self
    }

    /// Sets the enforcement points.
    #[must_use]
    pub fn peps(mut self, peps: impl IntoIterator<Item = Pep>) -> Self {
        self.peps = peps.into_iter().collect();
        self
    }

    /// Sets the bounds on requests and connections.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// These settings for the listeners that `running` has bound, and notices about what needs a restart.
    ///
    /// # Errors
    ///
    /// The reason why those listeners would be open to others, with the remedy.
    pub(crate) fn for_listeners_of(self, running: &Self) -> Result<(Self, Vec<String>), String> {
        let changed = self.at_start.changed(&running.at_start);
        let notices = changed
            .map(|key| format!("`{key}` changed: it is in force after a restart"))
            .collect();
        let held = Self {
            listen: running.listen.clone(),
            admin: running.admin.clone(),
            socket_mode: running.socket_mode,
            tls: running.tls.clone(),
            checkpoint_every: running.checkpoint_every,
            otlp: running.otlp.clone(),
            at_start: running.at_start.clone(),
            ..self
        };
        held.are_safe()?;
        Ok((held, notices))
    }

    /// Files to look at for changes.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let tls = self.tls.iter().flat_map(TlsFiles::paths);
        let mut files: Vec<_> = tls.map(Path::to_owned).chain(self.files.clone()).collect();
        files.sort();
        files.dedup();
        files
    }

    /// Refuses listeners that others than the operator can reach without authentication.
    ///
    /// # Errors
    ///
    /// The reason, with the remedy.
    pub fn are_safe(&self) -> Result<(), String> {
        for address in self.listen.iter().filter(|address| !address.is_local()) {
            if self.tls.is_none() || self.peps.is_local() {
                return Err(format!(
                    "`listen` has {address}, which other machines can reach: add `[serve.tls]` and a `[[serve.pep]]` for each enforcement point, or listen on 127.0.0.1 or a Unix socket"
                ));
            }
        }
        match &self.admin {
            Some(admin)
                if !admin.is_local() && (self.tls.is_none() || self.admin_token.is_none()) =>
            {
                Err(format!(
                    "`admin` is {admin}, which other machines can reach: add `[serve.tls]` and `admin-token-file`, or listen on 127.0.0.1 or a Unix socket"
                ))
            }
            _ => Ok(()),
        }
    }
}
