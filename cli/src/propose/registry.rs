//! The registry of a proposal, from the principals of a log.

use super::seen::{Principal, Seen};
use super::toml;
use portcullis_host::{TODO, Timestamp, counted, is_spiffe_id};
use std::collections::BTreeSet;
use std::time::Duration;

/// Shortest maximum lifetime of credentials that is proposed, in seconds.
const SHORTEST: u64 = 60 * 60;

/// Longest maximum lifetime of credentials that a registry may have, in seconds.
const LONGEST: u64 = 366 * 24 * 60 * 60;

/// The entries of a registry, and whether a host can have it in force.
pub(super) struct Registry {
    pub(super) text: String,
    pub(super) identities: usize,
    /// Reasons why it would deny requests that were seen; empty if it can be in force.
    pub(super) obstacles: Vec<String>,
}

/// The environment that a principal is registered with.
///
/// It is the one that its requests stated, or else that of the resources, if that is one.
pub(super) fn environment_of(principal: &Principal) -> String {
    let one = |names: &BTreeSet<String>| match names.len() {
        1 => names.first().cloned(),
        _ => None,
    };
    one(&principal.environments)
        .or_else(|| match principal.environments.is_empty() {
            true => one(&principal.resource_environments),
            false => None,
        })
        .unwrap_or_else(|| TODO.to_owned())
}

/// The kind that a principal is registered with: that of agents, to whom most rules apply, if none was stated.
fn kind_of(principal: &Principal) -> &'static str {
    principal.kinds.first().copied().unwrap_or("agent")
}

/// Makes the entries for all principals that can be registered.
pub(super) fn registry(seen: &Seen, lifetime: Duration, now: Timestamp) -> Registry {
    let mut text = String::new();
    let mut identities = 0;
    let mut obstacles = Vec::new();
    let mut without_lifetime = 0;
    let mut other_ids = 0;
    for (id, principal) in &seen.principals {
        without_lifetime += principal.without_lifetime;
        if !is_spiffe_id(id) {
            other_ids += 1;
            continue;
        }
        for (what, count) in [
            ("kinds", principal.kinds.len()),
            ("owners", principal.owners.len()),
            ("environments", principal.environments.len()),
        ] {
            if count > 1 {
                obstacles.push(format!(
                    "`{id}` states {count} {what}, and a registry has one"
                ));
            }
        }
        identities += 1;
        text.push('\n');
        text.push_str(&entry(id, principal, lifetime, now));
    }
    if other_ids > 0 {
        obstacles.push(format!(
            "of {}, {other_ids} without a SPIFFE ID, and a registry has no others",
            counted(seen.principals.len(), "principal")
        ));
    }
    if without_lifetime > 0 {
        obstacles.push(format!(
            "of {}, {without_lifetime} without a lifetime of the credential, which a host with a registry denies: have credentials verified (`[trust-domains]`), or state `credential-issued-at` and `credential-expires-at`",
            counted(seen.requests, "request")
        ));
    }
    Registry {
        text,
        identities,
        obstacles,
    }
}

fn entry(id: &str, principal: &Principal, lifetime: Duration, now: Timestamp) -> String {
    let requests = counted(principal.requests, "request");
    let mut text = toml::comment(&requests);
    text.push_str("[[identity]]\n");
    let mut line = |key: &str, value: String, comment: &str| {
        let comment = match comment {
            "" => "\n".to_owned(),
            comment => format!("    {}", toml::comment(comment)),
        };
        text.push_str(&format!("{key} = {value}{comment}"));
    };
    line("id", toml::text(id), "");
    line(
        "kind",
        toml::text(kind_of(principal)),
        match principal.kinds.is_empty() {
            true => "not stated: agent, service, connector, pipeline, human or break-glass",
            false => "as its requests stated",
        },
    );
    match principal.owners.first() {
        Some(owner) => line(
            "owner",
            toml::text(owner),
            "as its requests stated: verify it",
        ),
        None => line(
            "owner",
            toml::text(TODO),
            "the person or team that answers for it",
        ),
    }
    line("purpose", toml::text(TODO), "in words");
    line(
        "environment",
        toml::text(&environment_of(principal)),
        match (
            principal.environments.len(),
            principal.resource_environments.len(),
        ) {
            (1, _) => "as its requests stated",
            (0, 1) => "that of the resources",
            _ => "where it runs",
        },
    );
    let end = Timestamp::from_millis(now.as_millis() / 1000 * 1000).plus(lifetime);
    line("expires", end.to_string(), "");
    let longest = principal.longest_credential.clamp(SHORTEST, LONGEST);
    // In whole minutes, rounded up.
    let minutes = longest.div_ceil(60);
    line(
        "max-credential-lifetime",
        toml::text(&format!("{minutes}m")),
        match principal.longest_credential {
            0 => "no lifetime was stated",
            longest if longest > SHORTEST => "the longest that was seen: shorten it",
            _ => "",
        },
    );
    line("integrations", toml::texts(&principal.integrations), "");
    text
}
