//! Ids that a configuration knows, to notice revocations of misspelt ids.
//!
//! Other parts of the configuration may be invalid, and nothing is loaded.

use crate::log::{self, Event};
use portcullis_model::digest::Digest;
use portcullis_model::document;
use portcullis_model::document::{FILE, Section, Source};
use portcullis_trust::intent::{StoredIntent, unverified_intent};
use portcullis_trust::registry::Registry;
use portcullis_trust::revocation::{Revocable, is_same};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Ids that a configuration knows.
#[derive(Debug, Default)]
pub struct Targets {
    /// The known ids, with their kinds.
    ids: Vec<(Revocable, String)>,
    looked_at: Vec<Revocable>,
    log: Option<PathBuf>,
}

impl Targets {
    /// Reads the registry, intents, plugins and integrations of the configuration in `file`.
    ///
    /// Parts that cannot be read are left out.
    pub fn of(file: &Path) -> Self {
        let mut targets = Self::default();
        let Ok(text) = std::fs::read_to_string(file) else {
            return targets;
        };
        let source = Source::new(file, &text);
        let Some(table) = document::parse(&source, &text) else {
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

    /// True if `id` of that kind is known; `None` if there is no source to search.
    pub fn know(&self, kind: Revocable, id: &str) -> Option<bool> {
        self.know_of(kind, id, |_| true)
    }

    /// As [`Targets::know`]; a credential must belong to a principal that `is_meant`.
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

    /// The known ids of that kind, without those found only in the log.
    pub fn of_kind(&self, kind: Revocable) -> impl Iterator<Item = &str> {
        self.ids
            .iter()
            .filter(move |(of_kind, _)| *of_kind == kind)
            .map(|(_, id)| id.as_str())
    }
}

/// True if the log names that id; a credential's principal must be one that `is_meant`.
fn is_in_log(path: &Path, kind: Revocable, id: &str, is_meant: impl Fn(&str) -> bool) -> bool {
    let mut found = false;
    // A damaged log is read up to the damage.
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
                for intent in &decided.inputs.intents {
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

/// Everything revocable in a recorded request and its decision.
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
