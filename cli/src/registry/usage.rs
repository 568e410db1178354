//! The use of identities, from the decision log.

use portcullis_host::log::{self, Corrupt, Decided, Event};
use portcullis_host::{SessionPath, Timestamp};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

/// The use of one principal.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    /// Time of its last permit.
    pub(crate) last_permit: Option<Timestamp>,
    /// Time of its last request.
    pub(crate) last_request: Option<Timestamp>,
    /// Number of times that it presented a secret that does not expire.
    pub(crate) static_secrets: u64,
    /// Environments of the resources that it was permitted to act on.
    pub(crate) environments: BTreeSet<String>,
    /// Number of its sessions on each recorded path.
    pub(crate) by_path: HashMap<SessionPath, u64>,
    /// Instances that presented each of its credentials.
    pub(crate) instances: BTreeMap<String, BTreeSet<String>>,
}

/// The use of all principals.
#[derive(Debug, Default)]
pub(crate) struct LogUsage {
    pub(crate) by_principal: HashMap<String, Usage>,
    /// Time of the first line.
    pub(crate) begins: Option<Timestamp>,
}

impl LogUsage {
    /// Reads the use of every principal from the log.
    pub(crate) fn read(log: &Path) -> Result<Self, Corrupt> {
        let mut all = Self::default();
        log::read(log, |_, _, _, entry| {
            all.begins.get_or_insert(entry.at);
            if let Event::Decision(decided) = &entry.event
                && let Some(principal) = text(decided, "/subject/id")
            {
                let usage = all.by_principal.entry(principal.to_owned()).or_default();
                usage.note(entry.at, decided);
            }
            Ok(())
        })?;
        Ok(all)
    }
}

impl Usage {
    fn note(&mut self, at: Timestamp, decided: &Decided) {
        self.last_request = Some(at);
        if decided.is_permit() {
            self.last_permit = Some(at);
            let environment = text(decided, "/resource/properties/environment");
            self.environments.extend(environment.map(str::to_owned));
        }
        if text(decided, "/subject/properties/attestation") == Some("static-secret") {
            self.static_secrets += 1;
        }
        // It is recorded for every decision: a host without a registry does not verify the path.
        let path = match text(decided, "/context/session-path") {
            Some("machine") => Some(SessionPath::Machine),
            Some("interactive") => Some(SessionPath::Interactive),
            _ => None,
        };
        if let Some(path) = path {
            *self.by_path.entry(path).or_default() += 1;
        }
        if let (Some(credential), Some(instance)) = (
            text(decided, "/subject/properties/credential-id"),
            text(decided, "/subject/properties/instance"),
        ) {
            let instances = self.instances.entry(credential.to_owned()).or_default();
            instances.insert(instance.to_owned());
        }
    }
}

fn text<'a>(decided: &'a Decided, pointer: &str) -> Option<&'a str> {
    decided.request.pointer(pointer).and_then(Value::as_str)
}
