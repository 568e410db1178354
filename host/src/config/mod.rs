//! `portcullis.toml`: the integrations, their plugins and their limits.
//!
//! ```toml
//! [limits]                                  # for every plugin; see PluginLimits
//! deadline = "10ms"
//!
//! [request]                                 # see RequestLimits
//! max-bytes = 65536
//! max-depth = 32
//!
//! [registry]
//! path = "registry.toml"                    # or a folder of such files; see Registry
//!
//! [revocation]
//! path = "revocations.jsonl"
//! max-staleness = "60s"
//!
//! [intents]
//! path = "intents"                          # a folder of intents in JSON; see StoredIntent
//! required-for = ["agent"]                  # the default
//!
//! [log]
//! path = "decisions.jsonl"
//! durability = "fsync"                      # or "buffered"
//! max-file-bytes = 67108864                 # then the next file is begun
//! mask = ["/password"]                      # arguments that are not written
//!
//! [[integration]]
//! name = "github"
//! mode = "enforce"                          # or "observe": decide and record, never block
//! max-grant-ttl = "5m"
//! cross-environment = false
//! posture = { max-age = "5m", otherwise = "deny" }    # or "step-up"
//! obligations = ["notification"]            # what the enforcement point can carry out
//!
//! [integration.actions]                     # the class is the operator's word
//! "issues.create" = "write"
//!
//! [[integration.plugin]]
//! component = "plugins/github.wasm"         # from the folder of this file
//! digest = "sha256:…"                       # pinned; another file is refused
//! limits = { deadline = "5ms" }             # over those above
//! settings = { repositories = ["acme/*"] }
//! ```

mod problem;
pub(crate) mod reader;

pub use problem::{ConfigError, Problem, Severity};

use crate::engine::MAX_CORE_INSTANCES;
use crate::integration::{Integration, Mode};
use crate::intent::Intents;
use crate::limits::{MAX_MEMORY_BYTES, MAX_TABLE_ELEMENTS, PluginLimits, RequestLimits};
use crate::log::{DecisionLog, Durability, LogOptions, Mask};
use crate::pdp::{Pdp, PdpBuilder};
use crate::plugin::{Digest, LoadError, Plugin, PluginSource, read_component};
use crate::posture::{Otherwise, PostureRule};
use crate::registry::Registry;
use crate::revocation::Revocations;
use portcullis_contract::{ActionClass, PrincipalKind};
use reader::{FILE, Section, Source, Span};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as ValueError, StrDeserializer};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// A configuration that was read and tried: what it makes, and what is wrong with it.
#[derive(Debug)]
#[must_use]
pub struct Checked {
    /// The decision point, if nothing keeps the configuration from being used.
    pub pdp: Option<Pdp>,
    /// Everything that is wrong, in the order of the file.
    pub problems: Vec<Problem>,
}

impl Pdp {
    /// Makes the decision point that the configuration in `file` describes, and opens its log.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with everything that is wrong with the file and what it names.
    pub fn from_file(file: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let file = file.as_ref();
        let (described, mut problems) = describe(file);
        let usable = problems.iter().all(|p| p.severity < Severity::Error);
        let Some((builder, log)) = described.filter(|_| usable) else {
            return Err(ConfigError(problems));
        };
        let mut fail = |message: String| {
            problems.push(Problem::of_file(file, message));
            ConfigError(std::mem::take(&mut problems))
        };
        let builder = match log.map(DecisionLog::open) {
            None => builder,
            Some(Ok(log)) => builder.log(log),
            Some(Err(error)) => return Err(fail(error.to_string())),
        };
        builder.build().map_err(|error| fail(error.to_string()))
    }
}

/// Reads the configuration in `file` and loads what it names, as far as that goes. What it makes is
/// for dry runs: its log is not opened, and records nothing.
pub fn check(file: &Path) -> Checked {
    let (described, mut problems) = describe(file);
    let usable = problems.iter().all(|p| p.severity < Severity::Error);
    let pdp = described.filter(|_| usable).and_then(|(builder, _)| {
        builder
            .build()
            .map_err(|error| problems.push(Problem::of_file(file, error.to_string())))
            .ok()
    });
    Checked { pdp, problems }
}

type Described = (PdpBuilder, Option<LogOptions>);

/// What the configuration in `file` describes, as far as it can be read, and what is wrong with it.
fn describe(file: &Path) -> (Option<Described>, Vec<Problem>) {
    match std::fs::read_to_string(file) {
        Ok(text) => {
            let source = Source::new(file, &text);
            let folder = file.parent().unwrap_or(Path::new(""));
            let described = read(&source, &text, folder);
            (described, source.into_problems())
        }
        Err(error) => {
            let problem = Problem::of_file(file, format!("cannot be read: {error}"));
            (None, vec![problem])
        }
    }
}

fn read(source: &Source<'_>, text: &str, folder: &Path) -> Option<Described> {
    let table = reader::parse(source, text)?;
    let mut root = Section::new(source, table.get_ref(), FILE);
    let mut limits = PluginLimits::default();
    if let Some(section) = root.section("limits") {
        plugin_limits(section, &mut limits);
    }
    let mut request = RequestLimits::default();
    if let Some(mut section) = root.section("request") {
        set(
            &mut request.bytes,
            section.integer("max-bytes", 1..=16 * 1024 * 1024),
        );
        set(&mut request.depth, section.integer("max-depth", 1..=100));
        section.end();
    }
    let registry = root
        .section("registry")
        .map(|section| read_registry(section, folder));
    let revocations = root
        .section("revocation")
        .map(|section| read_revocations(section, folder));
    let intents = root
        .section("intents")
        .map(|section| read_intents(section, folder));
    let log = root.section("log").map(|section| read_log(section, folder));
    let sections = root.sections("integration");
    root.end();
    if sections.is_empty() {
        source.error(
            FILE,
            "there is no `[[integration]]`, so every request would be denied",
        );
    }
    let mut names: Vec<String> = Vec::new();
    let mut integrations = Vec::new();
    for section in sections {
        let span = section.span();
        let Some(integration) = integration(section, &limits, folder) else {
            continue;
        };
        if names.contains(&integration.name) {
            let message = format!("there is another integration called `{}`", integration.name);
            source.error(span, message);
            continue;
        }
        names.push(integration.name.clone());
        integrations.push(integration);
    }
    let mut pdp = Pdp::builder().request_limits(request);
    for integration in integrations {
        pdp = pdp.integration(integration);
    }
    // A registry or list that is configured and cannot be used was noted as an error above.
    if let Some(registry) = registry {
        pdp = pdp.registry(registry?);
    }
    if let Some(revocations) = revocations {
        pdp = pdp.revocations(revocations?);
    }
    if let Some(intents) = intents {
        let (intents, required_for) = intents?;
        pdp = pdp.intents(intents, required_for);
    }
    let log = match log {
        None => None,
        Some(log) => Some(log?),
    };
    Some((pdp, log))
}

fn read_log(mut section: Section<'_, '_>, folder: &Path) -> Option<LogOptions> {
    let source = section.source();
    let path = section.required_text("path");
    let durability = match section.text("durability") {
        None | Some(("fsync", _)) => Some(Durability::Fsync),
        Some(("buffered", _)) => Some(Durability::Buffered),
        Some((_, span)) => {
            source.error(span, "`durability` is `fsync` or `buffered`");
            None
        }
    };
    let span = section.span();
    let max_file_bytes = section.integer("max-file-bytes", 64 * 1024..=1 << 40);
    let mask = section.texts("mask").unwrap_or_default();
    section.end();
    let mask = Mask::new(mask.iter().map(String::as_str))
        .map_err(|error| source.error(span, format!("under `mask`, {error}")))
        .ok();
    let mut options = LogOptions::new(folder.join(path?.0));
    options.durability = durability?;
    options.mask = mask?;
    set(
        &mut options.max_file_bytes,
        max_file_bytes.map(|bytes| bytes as u64),
    );
    Some(options)
}

fn read_registry(mut section: Section<'_, '_>, folder: &Path) -> Option<Registry> {
    let source = section.source();
    let path = section.required_text("path");
    section.end();
    let (path, _) = path?;
    let mut registry = Registry::default();
    source.add(registry.read_path(&folder.join(path)));
    Some(registry)
}

fn read_intents(
    mut section: Section<'_, '_>,
    folder: &Path,
) -> Option<(Intents, Vec<PrincipalKind>)> {
    let source = section.source();
    let path = section.required_text("path");
    let span = section.span();
    let required_for = match section.texts("required-for") {
        None => vec![PrincipalKind::Agent],
        Some(names) => names
            .iter()
            .filter_map(|name| {
                let kind = principal_kind(name);
                if kind.is_none() {
                    source.error(
                        span.clone(),
                        format!("under `required-for`, `{name}` is no kind of principal"),
                    );
                }
                kind
            })
            .collect(),
    };
    section.end();
    let (path, span) = path?;
    let intents = Intents::default();
    match intents.insert_folder(&folder.join(path)) {
        Err(error) => {
            source.error(span, format!("cannot read the folder {path}: {error}"));
            return None;
        }
        Ok(refused) => {
            for (file, error) in refused {
                source.error(span.clone(), format!("{}: {error}", file.display()));
            }
        }
    }
    Some((intents, required_for))
}

fn read_revocations(mut section: Section<'_, '_>, folder: &Path) -> Option<Revocations> {
    let source = section.source();
    let path = section.required_text("path");
    let range = Duration::from_secs(1)..=Duration::from_secs(24 * 60 * 60);
    let max_staleness = section.required_duration("max-staleness", range);
    section.end();
    let (path, span) = path?;
    match Revocations::follow(&folder.join(path), max_staleness?) {
        Ok(revocations) => Some(revocations),
        Err(error) => {
            let remedy = "make one with `portcullis revoke --checkpoint`";
            source.error(span, format!("{error}: {remedy}"));
            None
        }
    }
}

fn set<T>(limit: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *limit = value;
    }
}

fn plugin_limits(mut section: Section<'_, '_>, limits: &mut PluginLimits) {
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
    // One is the host's own while it snapshots.
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
    section.end();
}

fn integration(
    mut section: Section<'_, '_>,
    limits: &PluginLimits,
    folder: &Path,
) -> Option<Integration> {
    let source = section.source();
    let name = section.required_text("name");
    if let Some(("", span)) = &name {
        source.error(
            span.clone(),
            "an integration's name has at least one character",
        );
    }
    let mut integration = Integration::new(name.as_ref().map_or("", |(name, _)| *name));
    let ttl = Duration::from_secs(1)..=Duration::from_secs(24 * 60 * 60);
    set(
        &mut integration.max_grant_ttl,
        section.duration("max-grant-ttl", ttl),
    );
    integration.obligations = section.texts("obligations");
    for (action, class) in section.entries("actions") {
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
    if let Some(rule) = section.section("posture").and_then(posture_rule) {
        integration = integration.posture(rule);
    }
    let plugins = section.sections("plugin");
    let span = section.span();
    section.end();
    if plugins.is_empty() {
        source.error(
            span,
            "the integration has no `[[integration.plugin]]`, so all its requests would be denied",
        );
        return None;
    }
    let mut complete = true;
    for section in plugins {
        let span = section.span();
        let Some(plugin) = plugin(section, limits, folder) else {
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
    (name.is_some() && complete).then_some(integration)
}

fn posture_rule(mut section: Section<'_, '_>) -> Option<PostureRule> {
    let source = section.source();
    let range = Duration::from_secs(1)..=Duration::from_secs(366 * 24 * 60 * 60);
    let max_age = section.required_duration("max-age", range);
    let otherwise = match section.text("otherwise") {
        None | Some(("deny", _)) => Some(Otherwise::Deny),
        Some(("step-up", _)) => Some(Otherwise::StepUp),
        Some((_, span)) => {
            source.error(span, "`otherwise` is `deny` or `step-up`");
            None
        }
    };
    section.end();
    Some(PostureRule {
        max_age: max_age?,
        otherwise: otherwise?,
    })
}

fn action_class(text: &str) -> Option<ActionClass> {
    from_text::<ActionClass>(text).filter(|class| *class != ActionClass::Unclassified)
}

/// The kind of principal of that name.
pub(crate) fn principal_kind(text: &str) -> Option<PrincipalKind> {
    from_text::<PrincipalKind>(text).filter(|kind| *kind != PrincipalKind::Unspecified)
}

fn from_text<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    let text: StrDeserializer<'a, ValueError> = text.into_deserializer();
    T::deserialize(text).ok()
}

fn plugin(mut section: Section<'_, '_>, limits: &PluginLimits, folder: &Path) -> Option<Plugin> {
    let source = section.source();
    let component = section.required_text("component");
    let digest = section.text("digest");
    let mut limits = *limits;
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
    let bytes = match read_component(&folder.join(path), &limits) {
        Ok(bytes) => bytes,
        Err(error) => {
            let file = folder.join(path);
            source.error(
                component_span,
                format!("cannot read {}: {error}", file.display()),
            );
            return None;
        }
    };
    if pinned.is_none() {
        source.warn(
            component_span.clone(),
            format!(
                "the plugin is not pinned, so whoever can write the file can change what is decided: add `digest = \"{}\"`",
                Digest::of(&bytes)
            ),
        );
    }
    let mut plugin_source = PluginSource::new(bytes).limits(limits);
    if let Some((digest, _)) = pinned {
        plugin_source = plugin_source.digest(digest);
    }
    let mut places = BTreeMap::new();
    if let Some((json, spans)) = settings {
        plugin_source = plugin_source.settings(json);
        places = spans;
    }
    match Plugin::load(&plugin_source) {
        Ok(plugin) => Some(plugin),
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

/// The place of the value at a JSON Pointer, or of the nearest one that holds it.
fn place_of(pointer: &str, places: &BTreeMap<String, Span>) -> Option<Span> {
    let mut pointer = pointer;
    loop {
        if let Some(span) = places.get(pointer) {
            return Some(span.clone());
        }
        pointer = pointer.rsplit_once('/')?.0;
    }
}
