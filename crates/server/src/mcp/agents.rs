//! The principal and the intent of a request to a gate.

use crate::authzen::bearer_token;
use crate::connection::{Caller, Connection, is_revoked};
use crate::handle::one;
use crate::pep::{Fact, Pep, Proof};
use crate::refusal::Refusal;
use crate::remote::SESSION;
use crate::state::App;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, Uri, header};
use portcullis_host::session::Session;
use portcullis_host::{Decision, Digest, Intent, Pdp, Principal, Request};
use portcullis_mcp::{Agent, Decide};
use std::net::IpAddr;
use std::sync::Arc;

/// Header with the agent's intent, if it has no session.
const INTENT: HeaderName = HeaderName::from_static("portcullis-intent");

/// An agent whose identity is known.
pub(crate) struct Known {
    principal: Principal,
    intent: Option<Intent>,
    /// Handle and session, if the front end opened one for the principal that is open still.
    session: Option<(String, Session)>,
}

impl Known {
    /// Owner of its connections: principal, session and intent.
    pub(crate) fn owner(&self) -> String {
        let handle = self.session.as_ref().map_or("", |(handle, _)| handle);
        let intent = self.intent.as_ref().map_or("", |intent| &intent.id);
        let parts = [self.principal.id.as_str(), handle, intent];
        Digest::of(parts.join("\n").as_bytes()).to_string()
    }

    /// The agent, in its session, or else in that of its connection.
    pub(crate) fn agent(&self, of_connection: Option<Session>) -> Agent {
        let (principal, intent) = (self.principal.clone(), self.intent.clone());
        let own = self.session.as_ref().map(|(_, session)| session.clone());
        match own.or(of_connection) {
            Some(session) => Agent::in_session(principal, intent, session),
            None => Agent::new(principal, intent, None),
        }
    }
}

/// The agent that a request is of: by its token, its certificate, or the configuration of a local listener.
///
/// # Errors
///
/// [`Refusal`], if nothing says who it is, or the token is not valid.
pub(crate) fn known(
    app: &App,
    connection: &Connection,
    headers: &HeaderMap,
) -> Result<Known, Refusal> {
    let pdp = app.pdp();
    let settings = app.settings();
    let principal = match bearer_token(headers)? {
        Some(token) => verified(&pdp, token)?,
        None => match (connection.workload(&pdp), &settings.mcp.principal) {
            (Some(workload), _) => Principal::clone(&workload),
            // Each process that can reach a local listener is the configured agent, as over standard input and output.
            (None, Some(principal)) if settings.is_local() => principal.clone(),
            _ => {
                return Err(Refusal::unauthenticated(
                    "the agent is unknown: send its JWT-SVID as a bearer token, or connect with its X.509-SVID",
                ));
            }
        },
    };
    let handle = one(headers, &SESSION)?;
    let session = handle.and_then(|handle| {
        let session = app.sessions().get(handle)?;
        (session.principal() == principal.id).then(|| (handle.to_owned(), session))
    });
    let of = |id: &str| Intent {
        id: id.to_owned(),
        ..Intent::default()
    };
    let of_session = session.as_ref().and_then(|(_, session)| session.intent());
    let stated = one(headers, &INTENT)?;
    // The operator's intent is not the agent's to replace.
    let intent = match (of_session, &settings.mcp.intent, stated) {
        (Some(id), _, _) => Some(of(id)),
        (None, Some(configured), _) => Some(configured.clone()),
        (None, None, stated) => stated.map(of),
    };
    Ok(Known {
        principal,
        intent,
        session,
    })
}

fn verified(pdp: &Pdp, token: &str) -> Result<Principal, Refusal> {
    let verifier = pdp.verifier().ok_or_else(|| {
        Refusal::unauthenticated("the host cannot verify tokens: it has no `[trust-domains]`")
    })?;
    let verified = verifier
        .verify(token)
        .map_err(|error| Refusal::unauthenticated(error.to_string()))?;
    match is_revoked(&verified, pdp) {
        true => Err(Refusal::unauthenticated("the credential is revoked")),
        false => Ok(verified),
    }
}

/// Refuses a request that a web page of elsewhere makes, also by a name that leads here (DNS rebinding).
///
/// # Errors
///
/// [`Refusal`] with the header and the remedy.
pub(crate) fn is_from_here(app: &App, headers: &HeaderMap) -> Result<(), Refusal> {
    let settings = app.settings();
    let allowed = &settings.mcp.origins;
    let host = one(headers, &header::HOST)?.unwrap_or_default();
    let is_listed = |authority: &str| {
        allowed
            .iter()
            .any(|it| authority_of(it).eq_ignore_ascii_case(authority))
    };
    // Behind TLS, the certificate says which names are this server's.
    if settings.tls.is_none() && !host.is_empty() && !is_loopback(host) && !is_listed(host) {
        return Err(Refusal::malformed(format!(
            "`Host` is `{host}`, which is no name of this listener: add it to `[mcp] origins`"
        )));
    }
    match one(headers, &header::ORIGIN)? {
        None => Ok(()),
        Some(origin) => {
            let authority = authority_of(origin);
            let is_own = authority.eq_ignore_ascii_case(host) && is_loopback(host);
            match is_own || is_listed(authority) {
                true => Ok(()),
                false => Err(Refusal::malformed(format!(
                    "`Origin` is `{origin}`: web pages of elsewhere may not call tools; add it to `[mcp] origins` if it may"
                ))),
            }
        }
    }
}

/// Host and port of an origin.
fn authority_of(origin: &str) -> &str {
    origin.split_once("://").map_or(origin, |(_, rest)| rest)
}

/// True for a name of this machine, with any port.
fn is_loopback(host: &str) -> bool {
    let Ok(uri) = format!("http://{host}/").parse::<Uri>() else {
        return false;
    };
    uri.host().is_some_and(|host| {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost")
            || host.parse::<IpAddr>().is_ok_and(|it| it.is_loopback())
    })
}

/// Decides the calls of one integration, and counts them as those of the enforcement point `mcp`.
pub(crate) struct Asked {
    app: App,
    caller: Caller,
}

impl Asked {
    pub(crate) fn new(app: &App, connection: &Connection, integration: &str) -> Self {
        let pep = Pep {
            id: "mcp".to_owned(),
            proof: Proof::Local,
            integrations: Some(vec![integration.to_owned()]),
            vouches_for: Fact::ALL.to_vec(),
        };
        Self {
            app: app.clone(),
            caller: Caller::new(Arc::new(pep), connection),
        }
    }
}

impl Decide for Asked {
    fn pdp(&self) -> Pdp {
        self.app.pdp()
    }

    fn decide<'a>(&'a self, pdp: &'a Pdp, request: &'a Request) -> BoxFuture<'a, Decision> {
        Box::pin(self.app.evaluate(&self.caller, pdp, request))
    }
}
