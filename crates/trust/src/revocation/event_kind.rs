//! Meaning of each kind of security event.
//!
//! Supported are CAEP 1.0, RISC 1.0, the OAuth event types and the events of the Shared Signals Framework
//! itself.

use serde_json::Value;

/// Meaning of an event for its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The subject, or the credential that the event names, must be revoked.
    Over,
    /// Nothing must be revoked.
    NothingOver,
    /// Something may have to be revoked, and an operator must decide, for this reason.
    ByHand(&'static str),
}

/// Prefixes of event types.
const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type/";
const RISC: &str = "https://schemas.openid.net/secevent/risc/event-type/";
const OAUTH: &str = "https://schemas.openid.net/secevent/oauth/event-type/";
const SSF: &str = "https://schemas.openid.net/secevent/ssf/event-type/";

/// Last part of an event type, for messages.
pub(super) fn short(kind: &str) -> &str {
    [CAEP, RISC, OAUTH, SSF]
        .iter()
        .find_map(|prefix| kind.strip_prefix(prefix))
        .unwrap_or(kind)
}

/// Returns the meaning of an event of type `kind`.
pub(super) fn meaning(kind: &str, event: &Value) -> Meaning {
    use Meaning::{ByHand, NothingOver, Over};
    let text = |name: &str| event.get(name).and_then(Value::as_str);
    if let Some(kind) = kind.strip_prefix(CAEP) {
        return match kind {
            "session-revoked" => Over,
            "credential-change" => match text("change_type") {
                Some("revoke" | "delete") => Over,
                Some("create") => NothingOver,
                Some("update") => ByHand(
                    "a credential was replaced, and the event does not say whether the old one is revoked",
                ),
                _ => ByHand(
                    "its `change_type` is not `create`, `revoke`, `update` or `delete`, so it does not say whether the credential is revoked",
                ),
            },
            "device-compliance-change" => match text("current_status") {
                Some("compliant") => NothingOver,
                _ => Over,
            },
            "assurance-level-change" => match text("change_direction") {
                Some("increase") => NothingOver,
                _ => ByHand("the subject may be authenticated more weakly than before"),
            },
            "risk-level-change" => match text("current_level") {
                Some("LOW" | "MEDIUM") => NothingOver,
                _ => ByHand("the subject's risk may be high"),
            },
            "token-claims-change" => {
                ByHand("a token's claims are outdated, and the token is valid until it is revoked")
            }
            "session-established" | "session-presented" => NothingOver,
            _ => ByHand("CAEP 1.0 has no such event"),
        };
    }
    if let Some(kind) = kind.strip_prefix(RISC) {
        return match kind {
            "account-disabled"
            | "account-purged"
            | "credential-compromise"
            | "sessions-revoked" => Over,
            "account-credential-change-required" => {
                ByHand("the account's credentials must be replaced, and are valid until then")
            }
            "identifier-changed" | "identifier-recycled" => {
                ByHand("an identifier was changed, or assigned to another account")
            }
            "recovery-activated" | "recovery-information-changed" => {
                ByHand("another person may have access to the account")
            }
            "account-enabled" | "opt-in" | "opt-out-initiated" | "opt-out-cancelled"
            | "opt-out-effective" => NothingOver,
            _ => ByHand("RISC 1.0 has no such event"),
        };
    }
    if let Some(kind) = kind.strip_prefix(OAUTH) {
        return match kind {
            "token-revoked" | "tokens-revoked" | "client-disabled" => Over,
            "token-issued" | "client-enabled" => NothingOver,
            _ => ByHand("the event type is unknown"),
        };
    }
    match kind.strip_prefix(SSF) {
        Some("verification" | "stream-updated") => NothingOver,
        _ => ByHand("the event type is unknown"),
    }
}
