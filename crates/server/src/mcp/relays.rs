//! Gates of relays: `portcullis mcp --serve` stands between an agent and a server's process, and each message is decided
//! here.
//!
//! So all gates of one agent share its session, and one host records what they decide.

use super::agents::Asked;
use crate::authzen::{Call, bearer_token};
use crate::connection::Connection;
use crate::gates::Connected;
use crate::handle::{is_told_apart, one, stated_session};
use crate::pep::Fact;
use crate::refusal::Refusal;
use crate::remote::SESSION;
use crate::state::App;
use axum::body::to_bytes;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Extension, Json, Router};
use http::{HeaderMap, StatusCode};
use portcullis_host::{Digest, Intent, PrincipalKind, json as strict};
use portcullis_mcp::{Action, Agent, Gate, settings};
use portcullis_model::spiffe_id::is_spiffe_id;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

/// Routes of relays.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/gates/v1/open", post(open))
        .route("/gates/v1/{gate}/{side}", post(message))
}

/// Statement of a relay about its agent. It may vouch for it as an enforcement point.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stated {
    integration: String,
    principal: String,
    kind: Option<PrincipalKind>,
    intent: Option<String>,
}

/// The connection that a relay's gate is: that of one session, which has to be open for each message.
///
/// # Errors
///
/// [`Refusal`] if the session was closed.
fn relay(app: &App, id: &str, headers: &HeaderMap) -> Result<Connected, Refusal> {
    let handle = one(headers, &SESSION)?;
    if let Some(handle) = handle
        && app.sessions().get(handle).is_none()
    {
        return Err(Refusal::malformed(
            "there is no such session, or it was closed",
        ));
    }
    Ok(Connected {
        integration: String::new(),
        id: id.to_owned(),
        owner: Digest::of(handle.unwrap_or_default().as_bytes()).to_string(),
    })
}

/// Opens a gate for a relay. The answer has its id.
async fn open(State(app): State<App>, headers: HeaderMap, call: Call) -> Response {
    match opened(&app, &headers, &call) {
        Ok(id) => Json(json!({ "gate": id })).into_response(),
        Err(refusal) => call.refused(refusal).await.into_response(),
    }
}

fn opened(app: &App, headers: &HeaderMap, call: &Call) -> Result<String, Refusal> {
    let stated = strict::parse(&call.body, call.pdp.request_limits())?;
    let stated: Stated =
        serde_json::from_value(stated).map_err(|error| Refusal::malformed(error.to_string()))?;
    let pep = call.caller.pep();
    is_told_apart(app, "relay for agents")?;
    for fact in [Fact::Principal, Fact::Origins] {
        if !pep.vouches_for(fact) {
            return Err(Refusal::beyond_pep(format!(
                "enforcement point `{}` may not relay for an agent: add `{}` to its `vouches-for`",
                pep.id,
                fact.as_str()
            )));
        }
    }
    if !pep.may_use(&stated.integration) {
        return Err(Refusal::beyond_pep(format!(
            "enforcement point `{}` may not ask about integration `{}`: add it to its `integrations`",
            pep.id,
            portcullis_host::excerpt(&stated.integration)
        )));
    }
    if !is_spiffe_id(&stated.principal) {
        return Err(Refusal::malformed("`/principal` is not a SPIFFE ID"));
    }
    let gates = app.gates();
    let behind = gates.behind(&stated.integration).ok_or_else(|| {
        Refusal::malformed(format!(
            "there is no `[[mcp.server]]` of integration `{}`",
            portcullis_host::excerpt(&stated.integration)
        ))
    })?;
    let principal = settings::agent(
        &stated.principal,
        stated.kind.unwrap_or(PrincipalKind::Agent),
    );
    let of = |id: String| Intent {
        id,
        ..Intent::default()
    };
    let session = stated_session(app, headers)?;
    let configured = app.settings().mcp.intent.clone();
    let agent = match session {
        Some(session) => {
            let intent = session.intent().map(|id| of(id.to_owned()));
            let intent = intent.or(configured).or(stated.intent.map(of));
            Agent::in_session(principal, intent, session)
        }
        None => Agent::new(principal, configured.or(stated.intent.map(of)), None),
    };
    let asked = Asked::new(app, call.caller.connection(), &stated.integration);
    let gate = Gate::new(behind.guarded(), agent, Arc::new(asked), app.report());
    let id = portcullis_host::session::handle()
        .map_err(|_| Refusal::busy("the system has no random numbers: try again"))?;
    gates.connect(relay(app, &id, headers)?, Arc::new(gate));
    Ok(id)
}

/// A message of one side. The answer has the messages that follow from it.
async fn message(
    State(app): State<App>,
    Extension(connection): Extension<Connection>,
    Path((id, side)): Path<(String, String)>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let read = async {
        let token = bearer_token(&parts.headers)?;
        let caller = app.caller(&connection, token)?;
        is_told_apart(&app, "relay for agents")?;
        let gates = app.gates();
        let relay = relay(&app, &id, &parts.headers)?;
        let gate = gates.connection(&relay);
        let gate = gate.filter(|gate| caller.pep().may_use(gate.integration()));
        let gate = gate.ok_or_else(|| Refusal::malformed("there is no such gate: open one"))?;
        let behind = gates.behind(gate.integration());
        let most = behind.map_or(settings::MAX_MESSAGE_BYTES, |it| it.max_message_bytes);
        // One byte more, so that the gate refuses a longer message of the client.
        let body = to_bytes(body, most + 1).await;
        let body = body
            .map_err(|_| Refusal::too_large(format!("the message is larger than {most} bytes")))?;
        Ok((relay, gate, body))
    };
    let (relay, gate, body) = match read.await {
        Ok(read) => read,
        Err(refusal) => {
            let refusal: Refusal = refusal;
            return app
                .refused(&app.pdp(), &connection, refusal)
                .await
                .into_response();
        }
    };
    let actions: Vec<Action> = match side.as_str() {
        "closed" => {
            app.gates().disconnect(&relay);
            Vec::new()
        }
        "client" => gate.client_sent(&body).await,
        "server" => gate.server_sent(&body).await,
        "ended" => {
            app.gates().disconnect(&relay);
            gate.server_ended(&String::from_utf8_lossy(&body))
        }
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    Json(actions).into_response()
}
