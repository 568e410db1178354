//! `[[integration]]`: an integration with its plugins.

use super::keeping::CompileIn;
use super::{candidate, load, set};
use crate::in_flight::InFlight;
use crate::integration::{Integration, Mode, Tier, TierCeiling};
use portcullis_contract::name::Naming;
use portcullis_contract::name::{check_action, check_identifier};
use portcullis_contract::{Attestation, misspelt_obligation, profile_kinds, similar};
use portcullis_model::digest::Digest;
use portcullis_model::document::{Section, Source, Span};
use portcullis_model::document::{action_class, from_text};
use portcullis_model::file_error::unread;
use portcullis_model::limits::{MAX_MEMORY_BYTES, MAX_TABLE_ELEMENTS, PluginLimits};
#[cfg(feature = "reset")]
use portcullis_sandbox::Instances;
use portcullis_sandbox::MAX_CORE_INSTANCES;
use portcullis_sandbox::{
    CodeSource, CompiledCache, LoadError, LoadedPlugins, Plugin, PluginSource, compiles_in_child,
    read_component,
};
use portcullis_trust::posture::{OnStale, PostureRule};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use toml::de::DeTable;

/// Number of plugins and candidates that the integrations of a file list, valid or not.
pub(super) fn plugins_in(file: &DeTable<'_>) -> usize {
    let integrations = file
        .get("integration")
        .and_then(|it| it.get_ref().as_array());
    let lists = integrations.into_iter().flatten().flat_map(|integration| {
        let table = integration.get_ref().as_table();
        ["plugin", "candidate"].map(|key| table?.get(key)?.get_ref().as_array())
    });
    lists.flatten().map(|list| list.len()).sum()
}

/// Context for reading integrations.
pub(super) struct Around<'a> {
    /// Limits of plugins that have none of their own.
    pub(super) limits: &'a PluginLimits,
    pub(super) ceilings: &'a HashMap<Tier, TierCeiling>,
    /// Folder that relative paths start from.
    pub(super) folder: &'a Path,
    /// Cache of compiled plugins.
    pub(super) cache: Option<&'a CompiledCache>,
    /// True if instructions are counted.
    pub(super) metered: bool,
    /// Process in which plugins are compiled.
    pub(super) compile: &'a CompileIn,
    /// True if plugins may be loaded: the settings of the engine are known.
    pub(super) loads: bool,
    /// Number of resets between two self-checks, if it is configured.
    #[cfg_attr(
        not(feature = "reset"),
        expect(dead_code, reason = "nothing is reset without the feature")
    )]
    pub(super) check_resets_every: Option<u32>,
    /// Maximum number of decisions in flight of integrations without one of their own.
    pub(super) max_in_flight: u32,
    /// Plugins that are in use.
    pub(super) loaded: &'a LoadedPlugins,
    /// Paths of all components, whether or not they can be loaded.
    pub(super) components: &'a RefCell<Vec<PathBuf>>,
}

/// Reads one `[[integration]]`.
///
/// Returns it without the plugins that cannot be loaded, and true if there are none. `None` if it has no
/// name.
pub(super) fn read(
    mut section: Section<'_, '_>,
    around: &Around<'_>,
) -> Option<(Integration, bool)> {
    let source = section.source();
    let name = section.required_text("name");
    if let Some((name, span)) = &name
        && let Err(error) = check_identifier(name)
    {
        source.error(
            span.clone(),
            format!("the name of an integration must be an identifier: {error}"),
        );
    }
    let mut integration = Integration::new(name.as_ref().map_or("", |(name, _)| *name));
    let ttl = Duration::from_secs(1)..=Duration::from_secs(24 * 60 * 60);
    set(
        &mut integration.max_grant_ttl,
        section.duration("max-grant-ttl", ttl),
    );
    integration.obligations = section.texts("obligations");
    let obligations_at = section.place_of("obligations");
    for kind in integration.obligations.iter().flatten() {
        super::checks::refuse_misspelt(source, &obligations_at, kind);
    }
    for (action, class) in section.entries("actions") {
        if let Err(error) = check_action(action) {
            let remedy = match action.contains('*') {
                true => "patterns are not supported here: classify each action by its name",
                false => "write the name as requests state it",
            };
            source.error(
                class.span(),
                format!("no request has the action `{action}`: {error}; {remedy}"),
            );
            continue;
        }
        match class.get_ref().as_str().and_then(action_class) {
            Some(class) => integration = integration.action(action, class),
            None => source.error(
                class.span(),
                format!(
                    "the class of `{action}` is one of `read`, `write`, `destructive`, `exfiltration`, `admin`"
                ),
            ),
        }
    }
    match section.text("mode") {
        None | Some(("enforce", _)) => {}
        Some(("observe", _)) => integration = integration.mode(Mode::Observe),
        Some((_, span)) => source.error(span, "`mode` is `enforce` or `observe`"),
    }
    if section.boolean("cross-environment") == Some(true) {
        integration = integration.allow_cross_environment();
    }
    let tier = match section.text("tier") {
        None => Tier::FirstParty,
        Some((text, span)) => from_text(text).unwrap_or_else(|| {
            source.error(span, "`tier` is `first-party`, `vendor` or `community`");
            Tier::Community
        }),
    };
    integration = integration.tier(tier, around.ceilings.get(&tier).cloned());
    if let Some((text, span)) = section.text("min-attestation") {
        match from_text::<Attestation>(text).filter(|least| *least != Attestation::None) {
            Some(least) => integration = integration.min_attestation(least),
            None => source.error(
                span,
                "`min-attestation` is `static-secret`, `bearer-token`, `jwt-svid`, `x509-svid` or `proof-of-possession`",
            ),
        }
    }
    if section.boolean("single-use-credentials") == Some(true) {
        integration = integration.single_use_credentials();
    }
    match section.text("instances") {
        None | Some(("fresh", _)) => {}
        #[cfg(feature = "reset")]
        Some(("reset", _)) => integration = integration.instances(Instances::Reset),
        #[cfg(not(feature = "reset"))]
        Some(("reset", span)) => source.error(
            span,
            "`instances = \"reset\"` needs the Cargo feature `reset` of portcullis-host, and this host was built without it: build it with the feature, or write `instances = \"fresh\"`",
        ),
        Some((_, span)) => source.error(span, "`instances` is `fresh` or `reset`"),
    }
    integration.in_flight =
        load::of_integration(&mut section).unwrap_or_else(|| InFlight::new(around.max_in_flight));
    for (old, why) in RENAMED {
        section.refuse(old, why);
    }
    if let Some(rule) = section.section("destination").and_then(destination_rule) {
        integration = integration.posture(rule);
    }
    if let Some(naming) = section.section("names").map(naming) {
        integration = integration.names(naming);
    }
    let plugins = section.sections("plugin");
    let candidates = section.sections("candidate");
    let span = section.span();
    section.end();
    if plugins.is_empty() {
        source.error(
            span,
            "the integration has no `[[integration.plugin]]`, so all its requests would be denied",
        );
    }
    let mut complete = !plugins.is_empty();
    for section in plugins {
        let span = section.span();
        #[cfg(feature = "reset")]
        let plugin = plugin(section, around, tier, integration.instances);
        #[cfg(not(feature = "reset"))]
        let plugin = plugin(section, around, tier);
        let Some(plugin) = plugin else {
            complete = false;
            continue;
        };
        let name = &plugin.manifest().name;
        if integration
            .plugins
            .iter()
            .any(|other| other.manifest().name == *name)
        {
            source.error(
                span,
                format!("the integration has another plugin called `{name}`"),
            );
            complete = false;
            continue;
        }
        integration = integration.plugin(plugin);
    }
    let (integration, are_usable) = candidate::add(integration, candidates, around, tier, complete);
    complete &= are_usable;
    warn_of_misspelt(source, &obligations_at, &integration);
    name.is_some().then_some((integration, complete))
}

/// Warns of supported obligations whose kind none issues, and which look like a kind that one issues.
fn warn_of_misspelt(source: &Source<'_>, span: &Span, integration: &Integration) {
    let of_plugins = integration.plugins.iter();
    let of_plugins = of_plugins.flat_map(|plugin| &plugin.manifest().obligations);
    let of_ceiling = integration.ceiling.iter().flat_map(|it| &it.obligations);
    let mut known: Vec<&str> = profile_kinds().collect();
    known.extend(of_plugins.chain(of_ceiling).map(String::as_str));
    for kind in integration.obligations.iter().flatten() {
        if known.contains(&kind.as_str()) || misspelt_obligation(kind).is_some() {
            continue;
        }
        if let Some(meant) = similar(kind, known.iter().copied()) {
            source.warn(
                span.clone(),
                format!(
                    "under `obligations`, no plugin issues `{kind}`: did you mean `{meant}`? A permit with an obligation that is not listed is denied"
                ),
            );
        }
    }
}

/// Reads `[integration.names]`.
fn naming(mut section: Section<'_, '_>) -> Naming {
    let source = section.source();
    let case = section.text("case").and_then(|(text, span)| {
        let case = from_text(text);
        if case.is_none() {
            source.error(span, "`case` is `exact` or `insensitive`");
        }
        case
    });
    let drop_suffix = section.text("drop-suffix").map(|(suffix, span)| {
        if !Naming::is_suffix(suffix) {
            source.error(
                span,
                "`drop-suffix` is the end of a name: `.`, `-`, `_` or `:`, and ASCII letters and digits behind it, such as `.git`",
            );
        }
        suffix.to_owned()
    });
    section.end();
    Naming { case, drop_suffix }
}

/// Keys of an integration that were renamed or removed, and the replacement.
const RENAMED: [(&str, &str); 4] = [
    (
        "trust",
        "`trust` of an integration is called `tier`: rename it",
    ),
    (
        "posture",
        "`posture` of an integration is called `destination`: rename it",
    ),
    (
        "lane",
        "`lane` is called `instances`: write `instances = \"reset\"` for `restored`, or `instances = \"fresh\"`; `warm` and `reused` no longer exist",
    ),
    (
        "lane-uses",
        "`lane-uses` is no longer accepted, because no instance decides twice without a reset: remove it, and write `instances = \"reset\"`",
    ),
];

fn destination_rule(mut section: Section<'_, '_>) -> Option<PostureRule> {
    let source = section.source();
    let span = section.span();
    let range = Duration::from_secs(1)..=Duration::from_secs(366 * 24 * 60 * 60);
    let max_age = section.required_duration("max-age", range);
    let weaknesses = section.texts("weaknesses").unwrap_or_default();
    section.refuse("amiss", "`amiss` is called `weaknesses`: rename it");
    let otherwise = match section.text("otherwise") {
        None | Some(("deny", _)) => Some(OnStale::Deny),
        Some(("step-up", _)) => Some(OnStale::StepUp),
        Some((_, span)) => {
            source.error(span, "`otherwise` is `deny` or `step-up`");
            None
        }
    };
    section.end();
    let weaknesses = weaknesses
        .iter()
        .map(|name| {
            let weakness = from_text(name);
            if weakness.is_none() {
                source.error(
                    span.clone(),
                    format!("under `weaknesses`, `{name}` is not one of `internet`, `privileged`, `legacy`, `drifted`, `degraded`"),
                );
            }
            weakness
        })
        .collect::<Option<_>>();
    Some(PostureRule {
        max_age: max_age?,
        weaknesses: weaknesses?,
        otherwise: otherwise?,
    })
}

/// Reads `[limits]`, or a plugin's own limits, into `limits`.
pub(super) fn plugin_limits(mut section: Section<'_, '_>, limits: &mut PluginLimits) {
    const MIB: usize = 1024 * 1024;
    let deadline = Duration::from_millis(1)..=Duration::from_secs(10);
    set(&mut limits.deadline, section.duration("deadline", deadline));
    let configure = Duration::from_millis(1)..=Duration::from_secs(60);
    set(
        &mut limits.configure_deadline,
        section.duration("configure-deadline", configure),
    );
    let memory = 64 * 1024..=MAX_MEMORY_BYTES;
    set(
        &mut limits.memory_bytes,
        section.integer("memory-bytes", memory),
    );
    let elements = 0..=MAX_TABLE_ELEMENTS;
    set(
        &mut limits.table_elements,
        section.integer("table-elements", elements),
    );
    // The host itself uses one instance while it takes a snapshot.
    let instances = 1..=MAX_CORE_INSTANCES as usize - 1;
    set(
        &mut limits.instances,
        section.integer("instances", instances),
    );
    set(
        &mut limits.output_bytes,
        section.integer("output-bytes", 1024..=16 * MIB),
    );
    set(
        &mut limits.component_bytes,
        section.integer("component-bytes", 1024..=64 * MIB),
    );
    let load = Duration::from_millis(100)..=Duration::from_secs(600);
    set(
        &mut limits.load_deadline,
        section.duration("load-deadline", load),
    );
    set(
        &mut limits.load_memory_bytes,
        section.integer("load-memory-bytes", 64 * MIB..=4096 * MIB),
    );
    section.end();
}

/// Reads one plugin.
pub(super) fn plugin(
    mut section: Section<'_, '_>,
    around: &Around<'_>,
    tier: Tier,
    #[cfg(feature = "reset")] instances: Instances,
) -> Option<Arc<Plugin>> {
    let folder = around.folder;
    let source = section.source();
    let component = section.required_text("component");
    let digest = section.text("digest");
    let mut limits = *around.limits;
    if let Some(section) = section.section("limits") {
        plugin_limits(section, &mut limits);
    }
    let settings = section.json("settings");
    section.end();

    let pinned = match digest {
        None => None,
        Some((text, span)) => match text.parse::<Digest>() {
            Ok(digest) => Some((digest, span)),
            Err(error) => {
                source.error(span, error.to_string());
                return None;
            }
        },
    };
    let (path, component_span) = component?;
    around.components.borrow_mut().push(folder.join(path));
    let bytes = match read_component(&folder.join(path), &limits) {
        Ok(bytes) => bytes,
        Err(error) => {
            let file = folder.join(path);
            source.error(
                component_span,
                format!("cannot read {}: {}", file.display(), unread(&error)),
            );
            return None;
        }
    };
    if pinned.is_none() {
        source.warn(
            component_span.clone(),
            format!(
                "the plugin is not pinned, so any user who can write the file can change decisions: add `digest = \"{}\"`",
                Digest::of(&bytes)
            ),
        );
    }
    let mut plugin_source = PluginSource::new(bytes).limits(limits);
    plugin_source = match around.compile {
        CompileIn::Process => {
            if tier != Tier::FirstParty {
                source.warn(
                    component_span.clone(),
                    format!(
                        "plugin `{path}` is of tier `{}` and is compiled in this process: remove `compile = \"in-process\"` from `[engine]`, so that its author cannot exhaust this process",
                        tier.as_str()
                    ),
                );
            }
            plugin_source.compile_in_process()
        }
        CompileIn::Program(program) => plugin_source.compile_with(program),
        CompileIn::Child => plugin_source,
        CompileIn::Default => match tier == Tier::FirstParty && !compiles_in_child() {
            true => plugin_source.compile_in_process(),
            false => plugin_source,
        },
    };
    if let Some(cache) = around.cache {
        plugin_source = plugin_source.cache(cache.clone());
    }
    if around.metered {
        plugin_source = plugin_source.metered();
    }
    #[cfg(feature = "reset")]
    if instances == Instances::Reset && !around.metered {
        plugin_source = plugin_source.resettable();
        if let Some(every) = around.check_resets_every {
            plugin_source = plugin_source.check_resets_every(every);
        }
    }
    if let Some((digest, _)) = pinned {
        plugin_source = plugin_source.digest(digest);
    }
    let mut places = BTreeMap::new();
    if let Some((json, spans)) = settings {
        plugin_source = plugin_source.settings(json);
        places = spans;
    }
    // The settings of the engine apply to the process, and were not accepted.
    if !around.loads {
        return None;
    }
    match around.loaded.load(&plugin_source) {
        Ok(plugin) => {
            #[cfg(feature = "reset")]
            if instances == Instances::Reset && !plugin.is_resettable() && !around.metered {
                source.warn(
                    component_span.clone(),
                    format!(
                        "instances of plugin `{path}` cannot be reset, so it decides as with `instances = \"fresh\"`: write it with portcullis-sdk"
                    ),
                );
            }
            if let CodeSource::NotCached(why) = plugin.code_source() {
                source.warn(
                    component_span,
                    format!(
                        "plugin `{path}` was compiled, not taken from the cache: {why}: if this is unexpected, check the disk, and the permissions of the cache"
                    ),
                );
            }
            Some(plugin)
        }
        Err(LoadError::Settings(errors)) => {
            for error in errors {
                let span = place_of(&error.path, &places).unwrap_or(component_span.clone());
                let path = match error.path.as_str() {
                    "" => "settings".to_owned(),
                    path => format!("settings, `{}`", portcullis_contract::printable(path)),
                };
                source.error(span, format!("{path}: {}", error.message));
            }
            None
        }
        Err(error) => {
            let span = match (&error, pinned) {
                (LoadError::Digest { .. }, Some((_, span))) => span,
                _ => component_span,
            };
            source.error(span, format!("plugin `{path}`: {error}"));
            None
        }
    }
}

/// Position of the value at a JSON Pointer, or of its nearest parent.
fn place_of(pointer: &str, places: &BTreeMap<String, Span>) -> Option<Span> {
    let mut pointer = pointer;
    loop {
        if let Some(span) = places.get(pointer) {
            return Some(span.clone());
        }
        pointer = pointer.rsplit_once('/')?.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_and_candidates_are_counted_whatever_else_is_wrong() {
        for (text, count) in [
            ("", 0),
            ("integration = 3", 0),
            ("[[integration]]\nplugin = 1\ncandidate = []", 0),
            ("integration = [1, { plugin = [{}] }]", 1),
            (
                "[[integration]]\n[[integration.plugin]]\n[[integration.plugin]]\n[[integration]]\n[[integration.plugin]]\n[[integration.candidate]]",
                4,
            ),
        ] {
            let table = DeTable::parse(text).unwrap();
            assert_eq!(plugins_in(table.get_ref()), count, "{text}");
        }
    }
}
