//! Refuses policies that `regorus` would evaluate differently from OPA, when they are loaded.
//!
//! Calls of unknown functions are refused too. An undefined deny rule would permit, so each refusal names
//! the place and an alternative. The list shrinks as `regorus` is fixed: OPA's conformance cases
//! (`tests/opa_cases.rs`) show when an entry can be removed.

mod overlaps;
mod paths;
mod reader;

use overlaps::overlaps;
use paths::{functions, head, imports, names, parts, path};
use portcullis_sdk::{Json, SettingsError, escape_key};
use reader::Reader;
use regorus::unstable::{Module, Ref};
use std::collections::{BTreeMap, BTreeSet};

/// The findings of reading the policies.
#[derive(Debug, Default)]
pub(crate) struct Read {
    /// Literal patterns in the policies.
    pub(crate) patterns: BTreeSet<String>,
    /// The refusals.
    pub(crate) errors: Vec<SettingsError>,
    /// Rewrites to apply before evaluation, per file.
    pub(crate) edits: BTreeMap<String, Vec<Edit>>,
    /// Paths under `data` of the rules, up to a computed part, and their places.
    pub(crate) rules: Vec<(Vec<String>, String)>,
}

impl Read {
    /// Refuses members of `data` at the path of a rule: `regorus` would ignore the rule.
    pub(crate) fn shadowed(&self, data: &Json) -> Vec<SettingsError> {
        let shadowed = self.rules.iter().filter(|(path, _)| {
            let mut value = Some(data);
            for part in path {
                value = value.and_then(|value| value.get(part));
            }
            value.is_some()
        });
        let errors = shadowed.map(|(path, place)| {
            let pointer: String = path
                .iter()
                .map(|part| format!("/{}", escape_key(part)))
                .collect();
            SettingsError::new(
                format!("/data{pointer}"),
                format!("has the same path as the rule of {place}: rename one of them"),
            )
        });
        errors.collect()
    }
}

/// A replacement of a range of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edit {
    from: usize,
    to: usize,
    text: String,
}

/// Returns `text` with `edits` applied. The edits must not overlap.
pub(crate) fn edited(text: &str, edits: &[Edit]) -> String {
    let mut sorted: Vec<_> = edits.iter().collect();
    sorted.sort_by_key(|edit| edit.from);
    let (mut written, mut since) = (String::with_capacity(text.len()), 0);
    for edit in sorted {
        written.push_str(text.get(since..edit.from).unwrap_or_default());
        written.push_str(&edit.text);
        since = edit.to;
    }
    written.push_str(text.get(since..).unwrap_or_default());
    written
}

/// Reads `modules`. `place` returns the path in the settings of the file with that name.
pub(crate) fn read(modules: &[Ref<Module>], place: impl Fn(&str) -> String) -> Read {
    let functions: BTreeSet<_> = modules
        .iter()
        .flat_map(|module| functions(module))
        .collect();
    let mut read = Read::default();
    for module in modules {
        let package = path(&module.package.refr).unwrap_or_default();
        let of_package = modules
            .iter()
            .filter(|other| path(&other.package.refr).as_ref() == Some(&package));
        let names = of_package.flat_map(|other| names(other)).collect();
        let mut reader = Reader {
            functions: &functions,
            names,
            imports: imports(module),
            package,
            scopes: Vec::new(),
            place: &place,
            read: &mut read,
        };
        for rule in &module.policy {
            reader.rule(rule);
        }
    }
    overlaps(modules, &place, &mut read);
    for module in modules {
        for rule in &module.policy {
            let parts = parts(&module.package.refr, head(rule)).into_iter();
            let span = head(rule).span();
            let place = format!("{}:{}:{}", span.source.file(), span.line, span.col);
            read.rules
                .push((parts.map_while(|part| part).collect(), place));
        }
    }
    read
}

#[cfg(test)]
mod tests;
