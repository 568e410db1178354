//! The other end of a relay: a gate in a server elsewhere, for `portcullis mcp --serve`.

use crate::remote::Remote;
use futures_util::future::BoxFuture;
use portcullis_mcp::stdio::Through;
use portcullis_mcp::{Action, Report, unreached};
use serde_json::{Value, json};

/// Statement of a relay about its agent.
#[derive(Debug, Clone)]
pub struct Relayed {
    /// Integration of the server.
    pub integration: String,
    /// The agent's SPIFFE ID.
    pub principal: String,
    /// The agent's intent, unless the session has one.
    pub intent: Option<String>,
}

/// A gate in a server elsewhere.
pub struct RemoteGate {
    remote: Remote,
    /// Path of the gate, with `/` at its end.
    path: String,
    report: Report,
}

/// Path of gates.
const GATES: &str = "/gates/v1/";

impl RemoteGate {
    /// Opens a gate in a server, in the session of `remote`, if it has one.
    ///
    /// # Errors
    ///
    /// The reason why there is none, with the remedy.
    pub async fn open(remote: Remote, relayed: &Relayed, report: Report) -> Result<Self, String> {
        let mut stated = json!({
            "integration": relayed.integration,
            "principal": relayed.principal,
        });
        if let (Some(intent), Some(stated)) = (&relayed.intent, stated.as_object_mut()) {
            stated.insert("intent".to_owned(), Value::from(intent.as_str()));
        }
        let stated = stated.to_string();
        let opened = remote
            .post(&format!("{GATES}open"), stated.as_bytes())
            .await?;
        let opened: Value = serde_json::from_slice(&opened).unwrap_or_default();
        let id = opened.get("gate").and_then(Value::as_str);
        let id = id.ok_or_else(|| format!("{} is no server of Portcullis", remote.base()))?;
        Ok(Self {
            path: format!("{GATES}{id}/"),
            remote,
            report,
        })
    }

    async fn actions(&self, side: &str, raw: &[u8]) -> Result<Vec<Action>, String> {
        let answered = self.remote.post(&format!("{}{side}", self.path), raw).await;
        let actions = answered.and_then(|body| {
            serde_json::from_slice(&body).map_err(|error| format!("its answer is invalid: {error}"))
        });
        actions.map_err(|why| {
            let why = format!("the decision point cannot be asked: {why}");
            self.note(&why);
            why
        })
    }
}

impl Through for RemoteGate {
    fn client_sent<'a>(&'a self, raw: &'a [u8]) -> BoxFuture<'a, Vec<Action>> {
        Box::pin(async move {
            let actions = self.actions("client", raw).await;
            actions.unwrap_or_else(|_| unreached::of_client(raw, UNREACHED))
        })
    }

    fn server_sent<'a>(&'a self, raw: &'a [u8]) -> BoxFuture<'a, Vec<Action>> {
        Box::pin(async move {
            let actions = self.actions("server", raw).await;
            actions.unwrap_or_else(|_| unreached::of_server(raw, UNREACHED))
        })
    }

    fn server_ended<'a>(&'a self, why: &'a str) -> BoxFuture<'a, Vec<Action>> {
        Box::pin(async move {
            let actions = self.actions("ended", why.as_bytes()).await;
            actions.unwrap_or_default()
        })
    }

    fn closed(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            // The server forgets a gate that is not used, too.
            let _ = self.actions("closed", b"").await;
        })
    }

    fn note(&self, problem: &str) {
        (self.report)(problem);
    }
}

/// Message for both sides. The operator sees the reason.
const UNREACHED: &str =
    "the call cannot be decided now, so that it is denied: report it to the operator";
