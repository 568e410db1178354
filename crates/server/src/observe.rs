//! A server without a configuration, which records what it is asked: `portcullis serve --observe`.
//!
//! The decision point denies every request and blocks none ([`Pdp::observing`]). A client of AuthZEN reads `decision`
//! alone, so a server that only observes answers `true` in the name of its operator, who asked for that at start, and
//! says so in the context. The library makes no such answer, and a server with a configuration never does.

use crate::settings::Settings;
use crate::{Options, ServeError};
use portcullis_host::log::LogOptions;
use portcullis_host::{Decision, Pdp, PdpError};
use serde_json::{Value, json};

impl Options {
    /// Serves a decision point that only observes, with the default settings, and records in `log`.
    ///
    /// Its listeners have to be local: any caller is let through.
    ///
    /// # Errors
    ///
    /// [`PdpError::Log`] if the log cannot be written.
    pub fn observing(log: LogOptions) -> Result<Self, PdpError> {
        Ok(Self::new(Pdp::observing(log)?, Settings::default()))
    }
}

/// The decision as the response to an evaluation.
///
/// Of a decision point that only observes, a deny that does not block is let through.
pub(crate) fn response(pdp: &Pdp, decision: &Decision) -> Value {
    if pdp.only_observes() && !decision.is_permit() && !decision.blocks() {
        return json!({
            "decision": true,
            "context": {
                "observed": true,
                "id": decision.id(),
                "cause": decision.cause(),
                "detail": "the server only observes (`--observe`): no policy decided this, and everything is let through",
            },
        });
    }
    serde_json::to_value(decision).unwrap_or_else(|_| json!({ "decision": false }))
}

/// Refuses a server that lets callers of other machines through without a decision.
///
/// # Errors
///
/// [`ServeError::Unsafe`] with the remedy.
pub(crate) fn is_local(pdp: &Pdp, settings: &Settings) -> Result<(), ServeError> {
    let mut open = settings.listen.iter().filter(|address| !address.is_local());
    match open.next() {
        Some(address) if pdp.only_observes() => Err(ServeError::Unsafe(format!(
            "a server that only observes lets every caller through, and other machines can reach {address}: listen on 127.0.0.1 or a Unix socket"
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_host::{Request, RequestLimits};

    fn request() -> Request {
        let evaluation = json!({
            "subject": { "type": "user", "id": "alice" },
            "action": { "name": "can_read" },
            "resource": { "type": "todo", "id": "1" },
            "context": { "integration": "todos" },
        });
        Request::from_authzen(evaluation.to_string().as_bytes(), &RequestLimits::default()).unwrap()
    }

    fn answer(pdp: &Pdp) -> Value {
        response(pdp, &pdp.evaluate(&request()))
    }

    #[test]
    fn only_a_server_that_observes_lets_a_deny_through() {
        let folder = tempfile::tempdir().unwrap();
        let log = LogOptions::new(folder.path().join("observed.jsonl"));
        let observing = Pdp::observing(log).unwrap();
        let answered = answer(&observing);
        assert_eq!(answered["decision"], true);
        assert_eq!(answered["context"]["observed"], true);
        assert_eq!(answered["context"]["cause"], "unknown-integration");
        assert!(answered["context"]["id"].is_string());
        // A decision point without integrations that is not told to observe.
        let empty = Pdp::builder().build().unwrap();
        assert_eq!(answer(&empty)["decision"], false);
        assert_eq!(answer(&empty)["context"].get("observed"), None);
        // An unreadable request blocks in any case.
        let unreadable = observing.evaluate_authzen(b"{}");
        assert_eq!(response(&observing, &unreadable)["decision"], false);
    }

    #[test]
    fn a_server_that_observes_is_local() {
        let folder = tempfile::tempdir().unwrap();
        let log = LogOptions::new(folder.path().join("observed.jsonl"));
        let observing = Pdp::observing(log).unwrap();
        let deciding = Pdp::builder().build().unwrap();
        let on = |address: &str| Settings::default().listen([address.parse().unwrap()]);
        for local in ["127.0.0.1:0", "[::1]:0", "unix:/run/pdp.sock"] {
            assert!(is_local(&observing, &on(local)).is_ok(), "{local}");
        }
        for open in ["0.0.0.0:8181", "192.0.2.1:80", "[::]:8181"] {
            assert!(is_local(&observing, &on(open)).is_err(), "{open}");
            // Of other servers, the settings ask for TLS and enforcement points.
            assert!(is_local(&deciding, &on(open)).is_ok(), "{open}");
        }
    }
}
