//! Decides a call that a proxy states: authenticates its client, maps the call, asks the decision point.

use crate::connection::{Caller, Connection};
use crate::refusal::{Kind, Refusal};
use crate::state::App;
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use portcullis_host::{CauseKind, Decision, Pdp};
use portcullis_http::{Body, Call, Peer, Problem};
use serde::Serialize;

/// A call as the proxy states it.
pub(crate) struct Stated<'a> {
    pub(crate) call: Call<'a>,
    pub(crate) body: Body<'a>,
    /// Facts that the proxy's connection with its client proved.
    pub(crate) client: Peer,
    /// Integration that the proxy's configuration names.
    pub(crate) integration: Option<&'a str>,
}

/// Answer to a call that must not be made. It is recorded already.
#[derive(Debug)]
pub(crate) struct Stop {
    pub(crate) status: StatusCode,
    /// Values of `WWW-Authenticate`.
    pub(crate) challenges: Vec<HeaderValue>,
    /// Body of the response, of [`Problem::MEDIA_TYPE`].
    pub(crate) body: Bytes,
    /// Id in the log.
    pub(crate) id: Option<String>,
    /// Name of the cause or of the kind of refusal.
    pub(crate) cause: &'static str,
}

/// Refusal, with the answer to the proxy's client if it is not that of its kind.
pub(crate) struct Refused {
    refusal: Refusal,
    answer: Option<(Problem, Vec<HeaderValue>)>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            answer: None,
        }
    }
}

/// Decides a call of `caller`.
///
/// # Errors
///
/// [`Refused`] if the call is not decided. A decision may be a deny, see [`Stop::of`].
pub(crate) async fn judge(
    app: &App,
    pdp: &Pdp,
    caller: &Caller,
    stated: Stated<'_>,
) -> Result<Decision, Refused> {
    let settings = app.settings();
    let Some(http) = &settings.http else {
        let refusal = Refusal::beyond_pep(
            "calls through proxies are not mapped to requests: add `[serve.http]` to the configuration",
        );
        return Err(refusal.into());
    };
    let Stated {
        call,
        body,
        client,
        integration,
    } = stated;
    let trace = call.header(super::TRACEPARENT);
    let refused = |refusal: Refusal, problem, challenges| Refused {
        refusal: refusal.traceparent(trace),
        answer: Some((problem, challenges)),
    };
    let token = token(&call);
    let authenticate = |client: &Peer| {
        let principal = http.authenticator().authenticate(pdp, &call, client);
        principal.map_err(|error| {
            let refusal = Refusal::credential(error.to_string());
            refused(refusal, Problem::of_auth_error(&error), error.challenges())
        })
    };
    let mut principal = authenticate(&client)?;
    if token.is_some() && !client.certificates.is_empty() {
        // Both are of one principal. The token counts, because the host verifies it without trust in the proxy.
        principal = authenticate(&Peer::default())?;
    }
    let limits = pdp.request_limits();
    let mapped = match integration {
        None => http.mapper().request(principal, &call, body, limits),
        Some(name) => match http.mapper_to(name) {
            Ok(mapper) => mapper.request(principal, &call, body, limits),
            Err(error) => return Err(Refusal::beyond_pep(error.to_string()).into()),
        },
    };
    let request = mapped.map_err(|error| {
        let refusal = Refusal::malformed(error.to_string());
        refused(refusal, Problem::of_map_error(&error), Vec::new())
    })?;
    // Without a token, the proxy states that its client has the key of the certificate, and has to be trusted with it.
    let decided = app.decide(caller, pdp, request, token, None).await;
    decided.map_err(|refusal| refusal.traceparent(trace).into())
}

/// The bearer token of a call that is authenticated.
fn token<'a>(call: &Call<'a>) -> Option<&'a str> {
    let value = call.header(header::AUTHORIZATION.as_str())?;
    value.split_once(' ').map(|(_, token)| token.trim())
}

impl Stop {
    /// Answer to a decision that blocks the call; `None` if the call may be made.
    pub(crate) fn of(decision: &Decision) -> Option<Self> {
        if !decision.blocks() {
            return None;
        }
        let id = decision.id().map(str::to_owned);
        let (status, body) = match Problem::of_decision(decision) {
            Some(problem) => (problem.status(), problem.to_json()),
            None => Answer::Forbidden.to_problem(id.as_deref()),
        };
        Some(Self {
            status,
            challenges: Vec::new(),
            body,
            id,
            cause: decision.cause().as_str(),
        })
    }

    /// Records a refusal, and returns the answer to it.
    ///
    /// Refusals of the proxy itself name parts of the configuration, so the proxy's client does not see them.
    pub(crate) async fn record(
        app: &App,
        pdp: &Pdp,
        connection: &Connection,
        refused: impl Into<Refused>,
    ) -> Self {
        let Refused { refusal, answer } = refused.into();
        let refusal = app.refused(pdp, connection, refusal).await;
        let (kind, id) = (refusal.kind(), refusal.id());
        let (status, body, challenges) = match answer {
            Some((problem, challenges)) => {
                let problem = problem.with_id(id);
                (problem.status(), problem.to_json(), challenges)
            }
            None => {
                let answer = Answer::to(kind);
                let (status, body) = answer.to_problem(id);
                (status, body, answer.challenges())
            }
        };
        Self {
            status,
            challenges,
            body,
            id: id.map(str::to_owned),
            cause: kind.as_str(),
        }
    }
}

/// Answer to a refusal that names parts of the configuration.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Unauthorized,
    Forbidden,
    Unavailable,
}

impl Answer {
    const fn to(kind: Kind) -> Self {
        match kind {
            Kind::Credential => Self::Unauthorized,
            Kind::UnknownCaller | Kind::BeyondPep | Kind::Malformed | Kind::TooLarge => {
                Self::Forbidden
            }
            Kind::Busy => Self::Unavailable,
        }
    }

    fn challenges(self) -> Vec<HeaderValue> {
        let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
        match self {
            Self::Unauthorized => vec![challenge],
            Self::Forbidden | Self::Unavailable => Vec::new(),
        }
    }

    /// Status and problem (RFC 9457), with the members of [`Problem`].
    fn to_problem(self, id: Option<&str>) -> (StatusCode, Bytes) {
        let (status, kind, detail) = match self {
            Self::Unauthorized => (
                StatusCode::UNAUTHORIZED,
                CauseKind::Credential,
                "the credential is not accepted: present a valid one",
            ),
            Self::Forbidden => (
                StatusCode::FORBIDDEN,
                CauseKind::Host,
                "the gateway may not make this call: report it to the operator",
            ),
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                CauseKind::Host,
                "the call cannot be decided now: try again",
            ),
        };
        let problem = Plain {
            type_uri: "about:blank",
            title: status.canonical_reason(),
            status: status.as_u16(),
            detail,
            instance: id.map(|id| format!("urn:uuid:{id}")),
            kind,
            retryable: matches!(self, Self::Unavailable),
        };
        // Texts and numbers have JSON, so serialisation cannot fail.
        (
            status,
            serde_json::to_vec(&problem).unwrap_or_default().into(),
        )
    }
}

/// The members of a [`Problem`] of a refusal that names parts of the configuration.
#[derive(Serialize)]
struct Plain {
    #[serde(rename = "type")]
    type_uri: &'static str,
    title: Option<&'static str>,
    status: u16,
    detail: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    kind: CauseKind,
    retryable: bool,
}
