//! The servers behind gates, and the connections to them.

mod upstream;

pub(crate) use upstream::{TRANSPORT_SESSION, headers};

use http::{HeaderMap, Method, Response};
use hyper::body::Incoming;
use portcullis_mcp::settings::{Server, Settings};
use portcullis_mcp::{Gate, Guarded};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use upstream::Upstream;

/// Maximum number of connections that are remembered: sessions of the transport, and relays.
const MAX_CONNECTIONS: usize = 1000;
/// Time without use after which one is forgotten.
const IDLE: Duration = Duration::from_secs(60 * 60);

/// All servers behind gates.
#[derive(Default)]
pub(crate) struct Gates {
    servers: BTreeMap<String, Arc<Behind>>,
    /// Gates of connections, and when they were used last.
    connections: Mutex<HashMap<Connected, (Arc<Gate>, Instant)>>,
}

/// A connection to a server: a session of the transport, or a relay.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Connected {
    /// Integration of the server; empty for a relay, whose id cannot be guessed.
    pub(crate) integration: String,
    /// The session of the transport, or the id of the relay's gate.
    pub(crate) id: String,
    /// Whose it is: principal, session and intent. With another session or intent, it is another connection.
    pub(crate) owner: String,
}

/// A server behind a gate.
pub(crate) struct Behind {
    guarded: Arc<Guarded>,
    /// Its address, if the gate itself speaks to it.
    upstream: Option<Upstream>,
    pub(crate) max_message_bytes: usize,
}

impl Behind {
    /// The server, for the gates of its connections.
    pub(crate) fn guarded(&self) -> Arc<Guarded> {
        Arc::clone(&self.guarded)
    }

    /// True if the gate itself speaks to the server, which has a URL.
    pub(crate) fn has_url(&self) -> bool {
        self.upstream.is_some()
    }

    /// Sends a message to the server, see [`Upstream::send`].
    ///
    /// # Errors
    ///
    /// The reason why there is no answer.
    pub(crate) async fn send(
        &self,
        method: Method,
        message: &[u8],
        headers: &HeaderMap,
    ) -> Result<Response<Incoming>, String> {
        match &self.upstream {
            Some(upstream) => upstream.send(method, message, headers).await,
            None => Err("it has no URL".to_owned()),
        }
    }
}

impl Gates {
    /// The servers of a configuration.
    ///
    /// # Errors
    ///
    /// The reason why one cannot be reached, with the remedy.
    pub(crate) fn new(settings: &Settings) -> Result<Self, String> {
        let mut servers = BTreeMap::new();
        for (integration, server) in &settings.servers {
            let upstream = Upstream::new(server)?;
            servers.insert(
                integration.clone(),
                Arc::new(Behind {
                    guarded: Arc::new(guarded(integration, server, settings)),
                    upstream,
                    max_message_bytes: server.max_message_bytes,
                }),
            );
        }
        Ok(Self {
            servers,
            connections: Mutex::default(),
        })
    }

    /// The server of an integration.
    pub(crate) fn behind(&self, integration: &str) -> Option<Arc<Behind>> {
        self.servers.get(integration).cloned()
    }

    /// The gate of a connection.
    pub(crate) fn connection(&self, of: &Connected) -> Option<Arc<Gate>> {
        let mut connections = self.connections();
        let (gate, used) = connections.get_mut(of)?;
        *used = Instant::now();
        Some(Arc::clone(gate))
    }

    /// Notes the gate of a connection that began.
    pub(crate) fn connect(&self, of: Connected, gate: Arc<Gate>) {
        let mut connections = self.connections();
        connections.retain(|_, (_, used)| used.elapsed() < IDLE);
        if connections.len() >= MAX_CONNECTIONS {
            let oldest = connections.iter().min_by_key(|(_, (_, used))| *used);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                connections.remove(&oldest);
            }
        }
        connections.entry(of).or_insert((gate, Instant::now()));
    }

    /// Forgets a connection.
    pub(crate) fn disconnect(&self, of: &Connected) {
        self.connections().remove(of);
    }

    fn connections(&self) -> MutexGuard<'_, HashMap<Connected, (Arc<Gate>, Instant)>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn guarded(integration: &str, server: &Server, settings: &Settings) -> Guarded {
    Guarded::new(
        integration,
        server.pins.clone(),
        settings.pinned_by_others(integration),
        server.from_server.clone(),
    )
}
