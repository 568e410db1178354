//! The files of a proposal.

use super::registry::{Registry, environment_of};
use super::rules::{Proposed, Rules};
use super::seen::Seen;
use super::{Args, intents, toml};
use crate::file;
use crate::intent::to_text;
use anyhow::bail;
use portcullis_host::observe::UNNAMED;
use portcullis_host::{Attestation, Digest, counted};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Name of the configuration.
pub(super) const CONFIG: &str = "portcullis.toml";

/// Folder of the plugins.
pub(super) const PLUGINS: &str = "plugins";

/// Folder of the drafts, which no configuration names.
pub(super) const DRAFTS: &str = "intent-drafts";

/// The written folder.
pub(super) struct Written {
    /// Names of the plugins that could not be copied.
    pub(super) missing: Vec<&'static str>,
}

/// Writes the folder of the proposal.
pub(super) fn write(
    args: &Args,
    seen: &Seen,
    proposed: &[Proposed<'_>],
    registry: &Registry,
    drafts: &[intents::Draft],
) -> anyhow::Result<Written> {
    let out = args.out.as_path();
    if out.exists() {
        bail!(
            "{} exists: name another folder with `--out`, or remove it",
            out.display()
        );
    }
    let create = |folder: &Path| {
        fs::create_dir_all(folder).map_err(|error| file::cannot_write(folder, &error))
    };
    create(out)?;
    create(&out.join(DRAFTS))?;
    let plugins: BTreeSet<_> = proposed.iter().filter_map(Proposed::plugin).collect();
    let mut digests = BTreeMap::new();
    let mut missing = Vec::new();
    for plugin in plugins {
        let file = format!("{plugin}.wasm");
        match fs::read(args.plugins.join(&file)) {
            Err(_) => missing.push(plugin),
            Ok(component) => {
                create(&out.join(PLUGINS))?;
                put(&out.join(PLUGINS).join(file), &component)?;
                digests.insert(plugin, Digest::of(&component));
            }
        }
    }
    let config = config(args, seen, proposed, registry, &digests);
    put(&out.join(CONFIG), config.as_bytes())?;
    let head = head(args, seen);
    put(
        &out.join("registry.toml"),
        format!("{head}{}", registry.text).as_bytes(),
    )?;
    let mut names = BTreeSet::new();
    for draft in drafts {
        // Two principals may have the same last segment.
        let mut name = draft.name.clone();
        let mut number = 1;
        while !names.insert(name.clone()) {
            number += 1;
            name = format!("{}-{number}", draft.name);
        }
        let file = out.join(DRAFTS).join(format!("{name}.json"));
        put(&file, format!("{}\n", to_text(&draft.document)).as_bytes())?;
    }
    Ok(Written { missing })
}

fn put(file: &Path, content: &[u8]) -> anyhow::Result<()> {
    file::write(file, content)
}

/// The comment at the beginning of a file.
fn head(args: &Args, seen: &Seen) -> String {
    let time =
        |at: Option<portcullis_host::Timestamp>| at.map_or(String::new(), |at| at.to_string());
    let mut text = toml::comment(&format!(
        "UNAPPROVED: proposed by `portcullis propose --log {}` from {} of {}, from {} to {}.",
        args.log.display(),
        counted(seen.requests, "request"),
        counted(seen.principals.len(), "principal"),
        time(seen.first),
        time(seen.last),
    ));
    text.push_str(
        "# Read every entry and its support, and replace each `TODO`: a log shows what was done, not what is allowed.\n",
    );
    text
}

fn config(
    args: &Args,
    seen: &Seen,
    proposed: &[Proposed<'_>],
    registry: &Registry,
    digests: &BTreeMap<&str, Digest>,
) -> String {
    let mut text = head(args, seen);
    text.push_str(
        "\n[log]\npath = \"decisions.jsonl\"\n\n# Drafts of intents are in `intent-drafts`, which no host loads: edit, sign and move them to a folder of `[intents]`.\n",
    );
    match registry.obstacles.as_slice() {
        [] => text.push_str("\n[registry]\npath = \"registry.toml\"\n"),
        obstacles => {
            text.push_str("\n# The registry is not in force, so any principal is permitted:\n");
            for obstacle in obstacles {
                text.push_str(&toml::comment(&format!("- {obstacle}")));
            }
            text.push_str("# [registry]\n# path = \"registry.toml\"\n");
        }
    }
    if proposed
        .iter()
        .any(|it| it.name == UNNAMED && it.plugin().is_some())
    {
        text.push_str(&format!(
            "\n[authzen]                       # requests that name no integration\nintegration = \"{UNNAMED}\"\n"
        ));
    }
    for one in proposed {
        text.push('\n');
        text.push_str(&integration(one, seen, digests));
    }
    text
}

fn integration(one: &Proposed<'_>, seen: &Seen, digests: &BTreeMap<&str, Digest>) -> String {
    let mut text = toml::comment(&one.summary());
    let Some(plugin) = one.plugin() else {
        return text;
    };
    text.push_str(&format!(
        "[[integration]]\nname = {}\n",
        toml::text(one.name)
    ));
    if let Some(weakest) = one
        .integration
        .attestation
        .filter(|it| *it != Attestation::None)
    {
        text.push_str(&format!(
            "min-attestation = \"{}\"    # the weakest that was seen\n",
            weakest.as_str()
        ));
    }
    let environment = |principal: &str| {
        let principal = seen.principals.get(principal);
        principal.map(environment_of).unwrap_or_default()
    };
    if one.integration.crosses(environment) {
        text.push_str(
            "cross-environment = true    # a principal was seen to act on another environment's resources\n",
        );
    }
    match &one.rules {
        Rules::HttpApi(rules) => {
            text.push_str(&format!("\n[integration.actions]\n{}", rules.classes()));
        }
        Rules::GitHub(rules) => {
            text.push_str(super::github::Rules::names());
            text.push_str(&format!("\n[integration.actions]\n{}", rules.classes()));
        }
        Rules::McpTools(rules) => {
            text.push_str(
                "\n# The class of each tool, which its name does not show: read, write, destructive, exfiltration or admin.\n[integration.actions]\n",
            );
            for name in rules.names() {
                text.push_str(&format!("# {} = \"TODO\"\n", toml::text(name)));
            }
        }
        Rules::None => {}
    }
    text.push_str(&format!(
        "\n[[integration.plugin]]\ncomponent = \"{PLUGINS}/{plugin}.wasm\"\n"
    ));
    if let Some(digest) = digests.get(plugin) {
        text.push_str(&format!("digest = \"{digest}\"\n"));
    }
    text.push_str(&one.settings());
    text
}
