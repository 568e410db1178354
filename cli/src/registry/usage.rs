//! How identities are used, by the decision log.

use portcullis_host::log::{self, Broken, Decided, Event};
use portcullis_host::{SessionPath, Timestamp};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

/// How one principal was used.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    /// When it was last permitted something.
    pub(crate) last_permit: Option<Timestamp>,
    /// When it last asked.
    pub(crate) last_request: Option<Timestamp>,
    /// How often it presented a secret that does not expire by itself.
    pub(crate) static_secrets: u64,
    /// The environments of resources that it was permitted to act on.
    pub(crate) environments: BTreeSet<String>,
    /// How often it came in on each path that was recorded.
    pub(crate) by_path: HashMap<SessionPath, u64>,
    /// The instances that presented each of its credentials.
    pub(crate) instances: BTreeMap<String, BTreeSet<String>>,
}

/// How identities were used.
#[derive(Debug, Default)]
pub(crate) struct LogUsage {
    pub(crate) by_principal: HashMap<String, Usage>,
    /// When the first line was written.
    pub(crate) begins: Option<Timestamp>,
}

impl LogUsage {
    /// What the log has of every principal.
    pub(crate) fn read(log: &Path) -> Result<Self, Broken> {
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
        // Whatever a host made of it: one without a registry has nothing to hold it against.
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
