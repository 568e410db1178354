//! Errors of the revocation list.

use portcullis_model::count::counted;

/// Reason why the list is unusable. The host then denies all requests.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// The list cannot be read.
    #[error("cannot read the revocation list: {0}")]
    Read(String),
    /// A line is invalid.
    #[error("line {line} of the revocation list: {message}")]
    Line {
        /// Line number, from 1.
        line: usize,
        /// Reason why the line is invalid.
        message: String,
    },
    /// No request can match the id to revoke.
    #[error("`{id}` is not {expected}: nothing is revoked")]
    Id {
        /// Id to revoke.
        id: String,
        /// Expected form of the id.
        expected: &'static str,
    },
    /// The list was cut, or is another list than before.
    #[error(
        "the revocation list was rewritten, but revocations are only ever added: restore the earlier list"
    )]
    Rewritten,
    /// The list has no checkpoint, so that it may be incomplete.
    #[error("the revocation list is empty: it begins with a checkpoint")]
    Empty,
    /// The list is older than the one known before.
    #[error(
        "the revocation list has {}, and had {known} before: it is an older copy; restore the latest list, or accept this one with `portcullis state accept list`",
        counted(*found, "change")
    )]
    Behind {
        /// Number of changes found.
        found: u64,
        /// Number of changes known before.
        known: u64,
    },
    /// The list differs from the one known before.
    #[error(
        "the revocation list differs from the one seen before, at or before epoch {0}: restore the earlier list, or accept this one with `portcullis state accept list`"
    )]
    Another(u64),
    /// The marks of the list cannot be read.
    #[error(
        "{0}, so the host cannot know whether the revocation list is an older copy; verify that it is the latest list, then accept it with `portcullis state accept list`"
    )]
    NotRemembered(String),
    /// The head of the list is not signed by a signer.
    #[error(
        "the head of the revocation list is not signed by one of `[revocation.signers]`: {0}; verify its lines, then sign them with `portcullis revoke --checkpoint --sign-anew --key KEY`"
    )]
    NotSigned(String),
    /// The list is a copy of another host's, so nothing else is added to it.
    #[error(
        "the revocation list is a copy of the one that another host publishes (`revocations` in `[state]`), and would no longer continue it: revoke there"
    )]
    Copy,
    /// Delivered lines do not continue the list.
    #[error(
        "delivered lines do not continue the revocation list: {0}; stop the host, and copy the list of the host that publishes it"
    )]
    NotContinued(String),
    /// The key does not belong to a signer, so that hosts would not rely on the list.
    #[error(
        "the key does not belong to one of `[revocation.signers]`, so no host would accept the list: {0}; nothing is written"
    )]
    NotASigner(String),
    /// The key is not a signing key.
    #[error(
        "the key is no private key in PEM to sign with (P-256, P-384, Ed25519 or RSA, PKCS #8): {0}"
    )]
    Key(String),
    /// The id to lift is not revoked.
    #[error("`{0}` is not revoked, so there is nothing to lift")]
    NotRevoked(String),
    /// The id to lift is revoked as part of a wider one.
    #[error(
        "`{id}` is revoked as `{wider}`, for every issuer, so nothing is lifted: lift `{wider}`, then revoke the ids of other issuers that must stay revoked"
    )]
    OfEveryIssuer {
        /// Id to lift.
        id: String,
        /// Revoked id.
        wider: String,
    },
    /// An id was revoked by the event, and lifted since.
    #[error(
        "the event revoked `{id}` before, but it was lifted at epoch {epoch}: an event does not revoke it again; to revoke it, use `portcullis revoke`"
    )]
    Lifted {
        /// Id that the event revokes.
        id: String,
        /// Epoch of the lift.
        epoch: u64,
    },
}
