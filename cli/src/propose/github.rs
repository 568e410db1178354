//! Settings of the plugin `github`, from the actions of its connector.

use super::seen::{Call, support};
use super::toml;
use std::collections::BTreeMap;

/// Actions of the connector, each with its class.
const ACTIONS: [(&str, &str); 22] = [
    ("branches.create", "write"),
    ("branches.delete", "destructive"),
    ("branches.get", "read"),
    ("branches.list", "read"),
    ("checks.list", "read"),
    ("commits.get", "read"),
    ("commits.list", "read"),
    ("contents.get", "read"),
    ("contents.put", "write"),
    ("git.push", "write"),
    ("issues.comment", "write"),
    ("issues.create", "write"),
    ("issues.get", "read"),
    ("issues.list", "read"),
    ("issues.update", "write"),
    ("pulls.comment", "write"),
    ("pulls.create", "write"),
    ("pulls.files", "read"),
    ("pulls.get", "read"),
    ("pulls.list", "read"),
    ("pulls.merge", "write"),
    ("pulls.review", "write"),
];

/// The action of the connector that reads a repository.
const OF_REPOSITORY: (&str, &str) = ("repos.get", "read");

/// Settings for the calls of an integration, by repository.
pub(super) struct Rules<'a> {
    repositories: BTreeMap<String, Vec<&'a Call>>,
    calls: &'a [Call],
}

fn class_of(action: &str) -> Option<&'static str> {
    let mut known = ACTIONS.iter().chain([&OF_REPOSITORY]);
    known.find_map(|(name, class)| (*name == action).then_some(*class))
}

/// True if all calls are those of a GitHub connector, on repositories.
pub(super) fn are_of_github(calls: &[Call]) -> bool {
    calls
        .iter()
        .all(|call| class_of(&call.action).is_some() && is_repository(&call.resource))
}

fn is_repository(id: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let is_name = |name: &str| !matches!(name, "" | "." | "..") && name.bytes().all(is_plain);
    id.split_once('/')
        .is_some_and(|(owner, name)| is_name(owner) && !owner.contains('.') && is_name(name))
}

/// The name of a repository as GitHub spells it.
fn canonical(id: &str) -> String {
    let lower = id.to_ascii_lowercase();
    lower.strip_suffix(".git").unwrap_or(&lower).to_owned()
}

/// Makes settings of the calls.
pub(super) fn rules(calls: &[Call]) -> Rules<'_> {
    let mut repositories: BTreeMap<String, Vec<&Call>> = BTreeMap::new();
    for call in calls {
        let repository = canonical(&call.resource);
        repositories.entry(repository).or_default().push(call);
    }
    Rules {
        repositories,
        calls,
    }
}

impl Rules<'_> {
    /// Number of repositories.
    pub(super) fn len(&self) -> usize {
        self.repositories.len()
    }

    /// How names of repositories compare.
    pub(super) fn names() -> &'static str {
        "\n[integration.names]\ncase = \"insensitive\"\ndrop-suffix = \".git\"\n"
    }

    /// The settings of the plugin.
    pub(super) fn settings(&self) -> String {
        let mut text = String::from("\n");
        text.push_str(&toml::comment(
            "the plugin permits every action that its README lists, on these repositories: an intent closes it to the actions that were seen",
        ));
        text.push_str("[integration.plugin.settings]\nrepositories = [\n");
        for (repository, calls) in &self.repositories {
            let comment = toml::comment(&support(calls));
            text.push_str(&format!("  {},  {comment}", toml::text(repository)));
        }
        text.push_str("]\n");
        text
    }

    /// The classes of the actions that were seen.
    pub(super) fn classes(&self) -> String {
        let classes: BTreeMap<_, _> = self
            .calls
            .iter()
            .filter_map(|call| Some((&call.action, class_of(&call.action)?)))
            .collect();
        classes
            .into_iter()
            .map(|(action, class)| format!("{} = \"{class}\"\n", toml::text(action)))
            .collect()
    }
}
