//! Handles of sessions, which front ends open, in the headers of requests.

use crate::refusal::Refusal;
use crate::remote::SESSION;
use crate::state::App;
use http::{HeaderMap, HeaderName};
use portcullis_host::session::{LedgerLimits, Session};

/// The session whose handle a request has. An unknown handle is none.
///
/// # Errors
///
/// [`Refusal`] if the header is there twice.
pub(crate) fn session(app: &App, headers: &HeaderMap) -> Result<Option<Session>, Refusal> {
    let handle = one(headers, &SESSION)?;
    Ok(handle.and_then(|handle| app.sessions().get(handle)))
}

/// The session for which an enforcement point asks. With an unknown handle, it is one that has seen nothing.
///
/// # Errors
///
/// [`Refusal`] if the header is there twice.
pub(crate) fn stated_session(app: &App, headers: &HeaderMap) -> Result<Option<Session>, Refusal> {
    if !headers.contains_key(SESSION) {
        return Ok(None);
    }
    let known = session(app, headers)?;
    Ok(Some(known.unwrap_or_else(|| {
        Session::open("", None, None, LedgerLimits::default())
    })))
}

/// The value of a header that may be there once.
///
/// # Errors
///
/// [`Refusal`] if it is there twice, or no printable ASCII.
pub(crate) fn one<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'h str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value
            .to_str()
            .map(Some)
            .map_err(|_| Refusal::malformed(format!("header `{name}` is not printable ASCII"))),
        (Some(_), Some(_)) => Err(Refusal::malformed(format!(
            "there are two `{name}` headers: send one"
        ))),
    }
}

/// Refuses what lets a caller say what an agent saw, where enforcement points are not told apart from agents.
///
/// # Errors
///
/// [`Refusal`] with the remedy.
pub(crate) fn is_told_apart(app: &App, what: &str) -> Result<(), Refusal> {
    match app.settings().peps.is_local() {
        false => Ok(()),
        true => Err(Refusal::beyond_pep(format!(
            "any process here could {what}, the agent too: configure a `[[serve.pep]]` with a token that no agent has"
        ))),
    }
}
