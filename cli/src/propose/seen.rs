//! The calls of a decision log, as far as a proposal needs them.

use crate::exit::Exit;
use crate::output::{self, shown_of_request};
use portcullis_host::log::{self, Decided, Entry, Event};
use portcullis_host::{Attestation, PrincipalKind, Request, Timestamp, counted};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The requests that a log shows as let through.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) requests: u64,
    pub(super) first: Option<Timestamp>,
    pub(super) last: Option<Timestamp>,
    /// Requests that were blocked, which a proposal does not permit.
    pub(super) blocked: u64,
    /// Requests that the log has no content of.
    pub(super) unreadable: u64,
    pub(super) integrations: BTreeMap<String, Integration>,
    pub(super) principals: BTreeMap<String, Principal>,
}

/// The calls of one integration.
#[derive(Debug, Default)]
pub(super) struct Integration {
    pub(super) requests: u64,
    pub(super) calls: Vec<Call>,
    /// The weakest attestation of its requests.
    pub(super) attestation: Option<Attestation>,
    /// Index of each call.
    known: BTreeMap<Key, usize>,
}

/// That by which two requests are the same call.
type Key = (String, String, [String; 3], String, bool);

/// One or several requests that differ in nothing that a rule judges.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) principal: String,
    pub(super) action: String,
    pub(super) resource_kind: String,
    pub(super) resource: String,
    pub(super) environment: String,
    pub(super) arguments: Value,
    /// True if it answers questions of the server.
    pub(super) has_answers: bool,
    /// True if some of its values are masked.
    pub(super) is_masked: bool,
    pub(super) count: u64,
    /// Id of the first of its decisions.
    pub(super) example: String,
}

/// A principal, with all that its requests stated.
#[derive(Debug, Default)]
pub(super) struct Principal {
    pub(super) requests: u64,
    pub(super) kinds: BTreeSet<&'static str>,
    pub(super) owners: BTreeSet<String>,
    pub(super) environments: BTreeSet<String>,
    /// Environments of the resources.
    pub(super) resource_environments: BTreeSet<String>,
    pub(super) integrations: BTreeSet<String>,
    /// Longest lifetime of its credentials, in seconds.
    pub(super) longest_credential: u64,
    /// Number of its requests that state no lifetime of the credential.
    pub(super) without_lifetime: u64,
}

impl Seen {
    /// Reads a log. It verifies the log first, and prints the error if the log is broken.
    pub(super) fn read(log: &Path) -> Result<Self, Exit> {
        crate::log::is_whole(log)?;
        let mut seen = Self::default();
        let read = log::read(log, |_, _, _, entry| {
            if let Event::Decision(decided) = &entry.event {
                seen.note(&entry, decided);
            }
            Ok(())
        });
        match read {
            Ok(()) => Ok(seen),
            Err(broken) => {
                output::error(&shown_of_request(&broken.to_string()));
                Err(Exit::of_log(&broken))
            }
        }
    }

    fn note(&mut self, entry: &Entry, decided: &Decided) {
        let mode = decided.decision.pointer("/context/mode");
        let is_observed = mode.and_then(Value::as_str) == Some("observe");
        let Some(request) = decided.request_as_written() else {
            self.unreadable += 1;
            return;
        };
        if !decided.is_permit() && !is_observed {
            self.blocked += 1;
            return;
        }
        self.requests += 1;
        self.first = self.first.or(Some(entry.at));
        self.last = Some(entry.at);
        self.note_principal(&request);
        let integration = request.integration().to_owned();
        let integration = self.integrations.entry(integration).or_default();
        integration.note(&request, decided);
    }

    fn note_principal(&mut self, request: &Request) {
        let stated = request.principal();
        let principal = self.principals.entry(stated.id.clone()).or_default();
        principal.requests += 1;
        if stated.kind != PrincipalKind::Unspecified {
            principal.kinds.insert(stated.kind.as_str());
        }
        let text = |set: &mut BTreeSet<String>, text: &str| {
            if !text.is_empty() {
                set.insert(text.to_owned());
            }
        };
        text(&mut principal.owners, &stated.owner);
        text(&mut principal.environments, &stated.environment);
        text(
            &mut principal.resource_environments,
            &request.resource().environment,
        );
        text(&mut principal.integrations, request.integration());
        let times = stated
            .credential_issued_at
            .zip(stated.credential_expires_at);
        match times.filter(|(issued, expires)| issued < expires) {
            None => principal.without_lifetime += 1,
            Some((issued, expires)) => {
                let seconds = expires.since(issued).as_secs();
                principal.longest_credential = principal.longest_credential.max(seconds);
            }
        }
    }
}

impl Integration {
    fn note(&mut self, request: &Request, decided: &Decided) {
        self.requests += 1;
        let attestation = request.principal().attestation;
        self.attestation = Some(
            self.attestation
                .map_or(attestation, |it| it.min(attestation)),
        );
        let resource = request.resource();
        let has_answers = !request.round_trip().is_empty();
        let key = (
            request.principal().id.clone(),
            request.action().to_owned(),
            [&resource.kind, &resource.id, &resource.environment].map(Clone::clone),
            request.canonical_arguments().to_owned(),
            has_answers,
        );
        if let Some(call) = self.known.get(&key).and_then(|at| self.calls.get_mut(*at)) {
            call.count += 1;
            return;
        }
        self.known.insert(key, self.calls.len());
        self.calls.push(Call {
            principal: request.principal().id.clone(),
            action: request.action().to_owned(),
            resource_kind: resource.kind.clone(),
            resource: resource.id.clone(),
            environment: resource.environment.clone(),
            arguments: request.arguments().clone(),
            has_answers,
            is_masked: decided.masked,
            count: 1,
            example: decided.id.clone(),
        });
    }

    /// True if a principal acts on a resource of another environment.
    pub(super) fn crosses(&self, environment_of: impl Fn(&str) -> String) -> bool {
        self.calls.iter().any(|call| {
            let from = environment_of(&call.principal);
            !from.is_empty() && !call.environment.is_empty() && from != call.environment
        })
    }
}

/// The calls with their number, for a comment.
pub(super) fn support(calls: &[&Call]) -> String {
    let count: u64 = calls.iter().map(|call| call.count).sum();
    let example = calls.first().map_or("", |call| call.example.as_str());
    let such_as = if count == 1 { ":" } else { ", such as" };
    format!("{}{such_as} {example}", counted(count, "request"))
}
