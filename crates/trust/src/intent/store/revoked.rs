//! Revoked intents, principals and approvers of a chain.

use super::chain::Chain;
use crate::revocation::{Known, Revocable, Revoked};

/// First revoked intent, principal or approver of a chain.
pub fn revoked_in<'a>(chain: &Chain, known: &'a Known<'_>) -> Option<(String, &'a Revoked)> {
    chain
        .iter()
        .find_map(|it| find_revoked(&it.id, &it.principal, &it.approved_by, known))
}

/// As [`revoked_in`], for an intent of which only the names are known.
pub fn find_revoked<'a>(
    id: &str,
    principal: &str,
    approved_by: &str,
    known: &'a Known<'_>,
) -> Option<(String, &'a Revoked)> {
    let named = [
        (Revocable::Intent, id),
        (Revocable::Principal, principal),
        (Revocable::Principal, approved_by),
    ];
    named
        .into_iter()
        .find_map(|(kind, id)| Some((id.to_owned(), known.find(kind, id)?)))
}
