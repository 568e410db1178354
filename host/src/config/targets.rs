//! What a configuration knows by its ids, so that a revocation of a misspelt one is noticed. Nothing has to be
//! right but what is looked at, and nothing is loaded.

use super::reader::{self, FILE, Section, Source};
use crate::intent::{StoredIntent, unverified_intent};
use crate::log::{self, Event};
use crate::plugin::Digest;
use crate::registry::Registry;
use crate::revocation::{Revocable, is_same};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What a configuration knows by its ids.
#[derive(Debug, Default)]
pub struct Targets {
    /// The ids, and whether they are all that there are of that kind.
    ids: Vec<(Revocable, String)>,
    looked_at: Vec<Revocable>,
    log: Option<PathBuf>,
}

impl Targets {
    /// Reads what the configuration in `file` names: its registry, intents, plugins and integrations. Parts that
    /// cannot be read are not known.
    pub fn of(file: &Path) -> Self {
        let mut targets = Self::default();
        let Ok(text) = std::fs::read_to_string(file) else {
            return targets;
        };
        let source = Source::new(file, &text);
        let Some(table) = reader::parse(&source, &text) else {
            return targets;
        };
        let folder = file.parent().unwrap_or(Path::new(""));
        let mut root = Section::new(&source, table.get_ref(), FILE);
        let path = |root: &mut Section<'_, '_>, section| {
            let path = root.section(section)?.text("path")?.0.to_owned();
            Some(folder.join(path))
        };
        if let Some(registry) = path(&mut root, "registry") {
            let mut read = Registry::default();
            let _ = read.read_path(&registry);
            targets.add(
                Revocable::Principal,
                read.iter().map(|it| it.id.to_string()),
            );
        }
        if let Some(intents) = path(&mut root, "intents") {
            targets.read_intents(&intents);
        }
        if let Some(mut section) = root.section("intents") {
            for key in ["approvers", "delegators"] {
                let names = section.entries(key);
                let names = names.into_iter().map(|(name, _)| name.to_owned());
                let names: Vec<_> = names.map(|name| (Revocable::Principal, name)).collect();
                targets.ids.extend(names);
            }
        }
        for mut integration in root.sections("integration") {
            let name = integration.text("name").map(|(name, _)| name.to_owned());
            targets.add(Revocable::Integration, name);
            for mut plugin in integration.sections("plugin") {
                let digest = plugin.text("digest").map(|(digest, _)| digest.to_owned());
                let component = plugin.text("component").map(|(path, _)| folder.join(path));
                let component = component.and_then(|path| std::fs::read(path).ok());
                let found = component.map(|bytes| Digest::of(&bytes).to_string());
                targets.add(Revocable::Plugin, digest.into_iter().chain(found));
            }
        }
        targets.log = path(&mut root, "log").filter(|log| log.exists());
        targets
    }

    fn add(&mut self, kind: Revocable, ids: impl IntoIterator<Item = String>) {
        self.looked_at.push(kind);
        self.ids.extend(ids.into_iter().map(|id| (kind, id)));
    }

    fn read_intents(&mut self, folder: &Path) {
        self.looked_at.push(Revocable::Intent);
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
        for file in files {
            let Ok(text) = std::fs::read_to_string(file.path()) else {
                continue;
            };
            let json = unverified_intent(text.trim()).unwrap_or(text);
            if let Ok(intent) = StoredIntent::from_json(json.as_bytes()) {
                self.ids.push((Revocable::Intent, intent.id));
                for who in [intent.principal, intent.approved_by] {
                    self.ids.push((Revocable::Principal, who));
                }
            }
        }
    }

    /// Whether something of that kind is known by `id`; nothing if there is nothing to look in.
    pub fn know(&self, kind: Revocable, id: &str) -> Option<bool> {
        self.know_of(kind, id, |_| true)
    }

    /// As [`Targets::know`]; a credential is known if a principal had it that `is_meant`.
    pub fn know_of(
        &self,
        kind: Revocable,
        id: &str,
        is_meant: impl Fn(&str) -> bool,
    ) -> Option<bool> {
        let is_it =
            |(of_kind, known): &(Revocable, String)| *of_kind == kind && is_same(kind, known, id);
        if self.ids.iter().any(is_it) {
            return Some(true);
        }
        if let Some(log) = &self.log {
            return Some(is_in_log(log, kind, id, is_meant));
        }
        self.looked_at.contains(&kind).then_some(false)
    }

    /// The known ids of that kind, without those that only the log has.
    pub fn of_kind(&self, kind: Revocable) -> impl Iterator<Item = &str> {
        self.ids
            .iter()
            .filter(move |(of_kind, _)| *of_kind == kind)
            .map(|(_, id)| id.as_str())
    }
}

/// Whether the log has something of that kind by that id; a credential, of a principal that `is_meant`.
fn is_in_log(path: &Path, kind: Revocable, id: &str, is_meant: impl Fn(&str) -> bool) -> bool {
    let mut found = false;
    // A log that is broken further on is read up to there.
    let _ = log::read(path, |_, _, _, entry| {
        if found {
            return Ok(());
        }
        let mut names: Vec<(Revocable, String)> = Vec::new();
        match &entry.event {
            Event::Decision(decided) => {
                let principal = decided.request.pointer("/subject/id");
                let is_meant = principal.and_then(Value::as_str).is_none_or(&is_meant);
                let named = named(&decided.request, &decided.decision).into_iter();
                let named = named.filter(|(kind, _)| is_meant || *kind != Revocable::Credential);
                names.extend(named.map(|(kind, id)| (kind, id.to_owned())));
                for intent in &decided.evidence.intents {
                    names.push((Revocable::Intent, intent.id.clone()));
                    names.push((Revocable::Principal, intent.principal.clone()));
                    names.push((Revocable::Principal, intent.approved_by.clone()));
                }
            }
            Event::Issuance(issued) => {
                names.push((Revocable::Intent, issued.intent.clone()));
                names.push((Revocable::Principal, issued.principal.clone()));
                names.push((Revocable::Principal, issued.approved_by.clone()));
            }
            _ => {}
        }
        found = names
            .iter()
            .any(|(of_kind, name)| *of_kind == kind && is_same(kind, name, id));
        Ok(())
    });
    found
}

/// Everything in a recorded request and its decision that can be revoked.
pub(crate) fn named<'a>(request: &'a Value, decision: &'a Value) -> Vec<(Revocable, &'a str)> {
    let text = |pointer: &str| request.pointer(pointer).and_then(Value::as_str);
    let mut named = Vec::new();
    let mut add = |kind, id: Option<&'a str>| named.extend(id.map(|id| (kind, id)));
    add(Revocable::Principal, text("/subject/id"));
    add(
        Revocable::Credential,
        text("/subject/properties/credential-id"),
    );
    add(Revocable::Intent, text("/context/intent/id"));
    add(Revocable::Integration, text("/context/integration"));
    let delegators = request.pointer("/subject/properties/delegated-by");
    for delegator in delegators.and_then(Value::as_array).into_iter().flatten() {
        add(Revocable::Principal, delegator.as_str());
    }
    let plugins = decision.pointer("/context/plugins");
    for plugin in plugins.and_then(Value::as_array).into_iter().flatten() {
        let digest = plugin.get("digest").and_then(Value::as_str);
        add(Revocable::Plugin, digest);
    }
    named
}
