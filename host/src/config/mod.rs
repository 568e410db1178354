//! Reads `portcullis.toml`: the integrations, their plugins and limits, and the host's own checks.
//!
#![doc = concat!("```toml\n", include_str!("portcullis.toml"), "```")]

#[cfg(feature = "embedded-state")]
mod accept;
mod candidate;
mod checks;
mod integration;
mod keeping;
mod load;
mod open;
#[cfg(feature = "embedded-state")]
mod shared;
#[cfg(feature = "identity")]
mod signed;
#[cfg(not(feature = "identity"))]
#[path = "signed_left_out.rs"]
mod signed;
#[cfg(feature = "embedded-state")]
mod stored;
#[cfg(not(feature = "embedded-state"))]
#[path = "stored_left_out.rs"]
mod stored;
mod targets;

#[cfg(feature = "embedded-state")]
pub use accept::{Accepts, accept};
pub(crate) use open::Open;
pub use portcullis_model::document::{
    ConfigError, LOOKS_LIKE_A_SECRET, Problem, Severity, lines_with_tokens,
};
pub use portcullis_model::secret::looks_like_a_token;
#[cfg(feature = "identity")]
pub use signed::{event_issuers, revocation_signers};
pub use targets::Targets;

use crate::log::{LogError, LogOptions, can_be_continued, marks_of};
use crate::pdp::{Pdp, PdpBuilder, rules};
use portcullis_model::digest::Digest;
use portcullis_model::document::{self, FILE, Section, Source};
use portcullis_model::file_error::unread;
use portcullis_model::limits::{PluginLimits, RequestLimits};
use portcullis_model::marks::ListMark;
use portcullis_model::request::DefaultIntegrations;
use portcullis_sandbox::LoadedPlugins;
use portcullis_trust::state::Marks;
use signed::Verification;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use stored::{LookedInto, StateOptions};

/// A configuration that was read and loaded, with its problems.
#[derive(Debug)]
#[must_use]
pub struct Checked {
    /// The decision point, unless an error prevents its use.
    pub pdp: Option<Pdp>,
    /// All problems, in the order of the file.
    pub problems: Vec<Problem>,
    /// The state that was looked into.
    state: Option<LookedInto>,
}

impl Checked {
    /// Statement of what survives a crash of the server, if the state is a shared one.
    ///
    /// It asks the server.
    pub fn durability(&self) -> Option<String> {
        self.state.as_ref()?.durability()
    }
}

/// What reading a configuration gave.
struct Read {
    described: Option<Described>,
    problems: Vec<Problem>,
    /// Digest of the file; `None` if it cannot be read.
    digest: Option<Digest>,
    /// Paths of the components that it names.
    components: Vec<PathBuf>,
}

/// A configuration that was read; its state and log are not yet open.
///
/// Parts that cannot be read are missing, and have an error.
struct Described {
    builder: PdpBuilder,
    verifier: Option<Verification>,
    state: Option<StateOptions>,
    log: Option<LogOptions>,
    /// True if no configured part is missing.
    is_complete: bool,
}

impl Described {
    /// True if a decision point can be built of it.
    fn is_usable(&self, problems: &[Problem]) -> bool {
        self.is_complete && problems.iter().all(|p| p.severity < Severity::Error)
    }
}

/// Reads the configuration in `file`, and loads what it names, for dry runs.
///
/// The log is not opened, and nothing is recorded or spent. A state that a running host has open cannot
/// be read: its uses then count as not spent, and a warning says so.
pub fn check(file: &Path) -> Checked {
    check_with(file, false)
}

/// As [`check`], with plugins whose instructions are counted.
pub fn check_metered(file: &Path) -> Checked {
    check_with(file, true)
}

fn check_with(file: &Path, metered: bool) -> Checked {
    let read = describe(file, metered, &LoadedPlugins::default());
    let mut problems = read.problems;
    let mut looked_into = None;
    let pdp = read.described.and_then(|described| {
        let is_complete = described.is_complete;
        let mut builder = described.builder;
        let log = described.log.map(|log| log.path);
        match log.as_deref().map(can_be_continued) {
            Some(Err(LogError::NotALog { file, message })) => {
                let message = format!("a host does not start with it: {message}");
                problems.push(Problem::of_file(&file, message));
            }
            Some(Err(error)) => problems.push(Problem::warning(file, error.to_string())),
            Some(Ok(())) | None => {}
        }
        if let Some(options) = described.state {
            match options.look_into() {
                Ok((state, problem)) => {
                    problems.extend(problem);
                    let verification = described.verifier.as_ref();
                    let state_of = state.as_state();
                    if let Some(Err(error)) =
                        verification.map(|it| it.is_newer_than(state_of.as_ref()))
                    {
                        problems.push(Problem::of_file(file, error));
                    }
                    builder = builder.state(state_of);
                    looked_into = Some(state);
                }
                Err(problem) => problems.push(problem),
            }
        }
        if !is_complete || problems.iter().any(|p| p.severity >= Severity::Error) {
            problems.extend(builder.notes());
            return None;
        }
        let pdp = builder
            .dry(log)
            .map_err(|error| problems.push(Problem::of_file(file, error.to_string())))
            .ok()?;
        problems.extend(pdp.notices().iter().cloned());
        if let Some(lacks) = looked_into.as_ref().and_then(LookedInto::lacks) {
            let message = format!("{lacks}: until then, requests that need its counts are denied");
            problems.push(Problem::warning(file, message));
        }
        Some(pdp)
    });
    Checked {
        pdp,
        problems,
        state: looked_into,
    }
}

/// Path of the revocation list that the configuration in `file` names.
///
/// The list need not exist, and the rest of the configuration may be invalid.
///
/// # Errors
///
/// [`ConfigError`] if the file is not TOML, or names no list.
pub fn revocation_list(file: &Path) -> Result<PathBuf, ConfigError> {
    named_path(file, "revocation")?.ok_or_else(|| {
        let message = "it has no `[revocation]` with a `path`: name a list with `--list`";
        ConfigError(vec![Problem::of_file(file, message.to_owned())])
    })
}

/// True if the revocation list is a copy of the one that another host publishes.
///
/// The rest of the configuration may be invalid.
///
/// # Errors
///
/// [`ConfigError`] if the file is not TOML.
pub fn copies_revocations(file: &Path) -> Result<bool, ConfigError> {
    let role = named_text(file, "state", "revocations")?;
    Ok(role.as_deref() == Some("follow"))
}

/// Highest recorded mark of the revocation list.
///
/// The marks are stored beside the log, the state or the list that the configuration in `file` names. The
/// rest of the configuration may be invalid.
///
/// # Errors
///
/// [`ConfigError`] if the file is not TOML, or the marks cannot be read.
pub fn revocation_floor(file: &Path) -> Result<Option<ListMark>, ConfigError> {
    let failed = |error| ConfigError(vec![Problem::of_file(file, error)]);
    let log = named_path(file, "log")?;
    let state = named_path(file, "state")?;
    let beside_list = match (&log, &state) {
        (None, None) => named_path(file, "revocation")?,
        _ => None,
    };
    let mut known = Vec::new();
    if let Some(log) = log {
        known.extend(marks_of(&log, false).kept().list);
    }
    for path in state.iter().chain(&beside_list) {
        let marks = Marks::beside(path, false).map_err(failed)?;
        known.extend(marks.kept().list);
    }
    Ok(ListMark::highest(known))
}

/// Applies `read` to `[revocation]`; `None` if there is no such section.
#[cfg(feature = "identity")]
fn in_revocation<T>(
    file: &Path,
    read: impl FnOnce(&mut Section<'_, '_>, &Path) -> Option<Option<T>>,
) -> Result<Option<T>, ConfigError> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        let message = format!("cannot be read: {}", unread(&error));
        ConfigError(vec![Problem::of_file(file, message)])
    })?;
    let source = Source::new(file, &text);
    let folder = file.parent().unwrap_or(Path::new(""));
    let found = {
        let Some(table) = document::parse(&source, &text) else {
            return Err(ConfigError(source.into_problems()));
        };
        match Section::new(&source, table.get_ref(), FILE).section("revocation") {
            None => Some(None),
            Some(mut section) => read(&mut section, folder),
        }
    };
    found.ok_or_else(|| ConfigError(source.into_problems()))
}

/// Path of the registry that the configuration in `file` names, if any.
///
/// The registry need not exist, and the rest of the configuration may be invalid.
///
/// # Errors
///
/// [`ConfigError`] if the file is not TOML.
pub fn registry_path(file: &Path) -> Result<Option<PathBuf>, ConfigError> {
    named_path(file, "registry")
}

/// The `path` of a section, resolved from the folder of the file.
fn named_path(file: &Path, section: &'static str) -> Result<Option<PathBuf>, ConfigError> {
    let folder = file.parent().unwrap_or(Path::new(""));
    Ok(named_text(file, section, "path")?.map(|path| folder.join(path)))
}

/// The text of a key in a section.
fn named_text(
    file: &Path,
    section: &'static str,
    key: &'static str,
) -> Result<Option<String>, ConfigError> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        let message = format!("cannot be read: {}", unread(&error));
        ConfigError(vec![Problem::of_file(file, message)])
    })?;
    let source = Source::new(file, &text);
    let Some(table) = document::parse(&source, &text) else {
        return Err(ConfigError(source.into_problems()));
    };
    let section = Section::new(&source, table.get_ref(), FILE).section(section);
    let value = section.and_then(|mut section| section.text(key));
    Ok(value.map(|(value, _)| value.to_owned()))
}

/// Reads the configuration in `file` as far as possible.
fn describe(file: &Path, metered: bool, loaded: &LoadedPlugins) -> Read {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            return Read {
                described: None,
                problems: vec![Problem::of_file(
                    file,
                    format!("cannot be read: {}", unread(&error)),
                )],
                digest: None,
                components: Vec::new(),
            };
        }
    };
    let source = Source::new(file, &text);
    let components = RefCell::default();
    let with = With {
        folder: file.parent().unwrap_or(Path::new("")),
        metered,
        loaded,
        components: &components,
    };
    let described = read(&source, &text, &with);
    Read {
        described,
        problems: source.into_problems(),
        digest: Some(Digest::of(text.as_bytes())),
        components: components.into_inner(),
    }
}

/// Context of reading a configuration.
struct With<'a> {
    /// Folder that relative paths start from.
    folder: &'a Path,
    /// True if instructions are counted.
    metered: bool,
    /// Plugins that are in use.
    loaded: &'a LoadedPlugins,
    /// Paths of the components that it names.
    components: &'a RefCell<Vec<PathBuf>>,
}

/// Sections that were renamed in 0.3, and the replacement.
const RENAMED: [(&str, &str); 3] = [
    (
        "trust",
        "`[trust]` is called `[trust-domains]`: rename it; `trust` of an integration is called `tier`",
    ),
    (
        "posture",
        "`[posture]` is called `[destinations]`: rename it; `posture` of an integration is called `destination`",
    ),
    (
        "evidence",
        "`[evidence]` is called `[required-checks]`: rename it; `posture` in its lists is called `destination`",
    ),
];

fn read(source: &Source<'_>, text: &str, with: &With<'_>) -> Option<Described> {
    let folder = with.folder;
    let table = document::parse(source, text)?;
    portcullis_sandbox::expect_plugins(integration::plugins_in(table.get_ref()));
    let mut root = Section::new(source, table.get_ref(), FILE);
    let engine = keeping::engine(&mut root, folder);
    let mut limits = PluginLimits::default();
    if let Some(section) = root.section("limits") {
        integration::plugin_limits(section, &mut limits);
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
    let load = load::load(&mut root);
    let defaults = checks::default_integrations(&mut root);
    let registry = root
        .section("registry")
        .map(|section| checks::registry(section, folder));
    let revocations = root
        .section("revocation")
        .map(|section| checks::revocations(section, folder));
    let intents = root
        .section("intents")
        .map(|section| checks::intents(section, folder));
    for (old, why) in RENAMED {
        root.refuse(old, why);
    }
    let postures = root
        .section("destinations")
        .map(|section| checks::postures(section, folder));
    let verifier = signed::verifier(&mut root, folder);
    let requirements = checks::requirements(&mut root);
    let ceilings = checks::ceilings(&mut root);
    // An unusable cache was reported as an error, and costs time only.
    let cache = root
        .section("cache")
        .and_then(|section| keeping::cache(section, folder));
    let state = stored::state(&mut root, folder);
    let log = root
        .section("log")
        .map(|section| keeping::log(section, folder));
    let sections = root.sections("integration");
    // Read by `portcullis-server` and `portcullis-mcp`.
    for section in ["serve", "mcp", "sessions"] {
        let _ = root.section(section);
    }
    root.end();
    if sections.is_empty() {
        source.error(
            FILE,
            "there is no `[[integration]]`, so every request would be denied",
        );
    }
    let around = integration::Around {
        limits: &limits,
        ceilings: &ceilings,
        folder,
        cache: cache.as_ref(),
        metered: with.metered,
        loads: engine.is_applied,
        compile: &engine.compile,
        check_resets_every: engine.check_resets_every,
        max_in_flight: load.per_integration,
        loaded: with.loaded,
        components: with.components,
    };
    // Includes integrations that are invalid, which have an error of their own.
    let sections_named: Vec<String> = sections
        .iter()
        .filter_map(|section| section.peek_text("name"))
        .collect();
    let mut names = rules::Names::default();
    let mut is_complete = engine.is_applied;
    let mut builder = Pdp::builder()
        .request_limits(request)
        .max_in_flight(load.max)
        .quarantine(load.quarantine);
    for section in sections {
        let span = section.span();
        let Some((integration, is_whole)) = integration::read(section, &around) else {
            is_complete = false;
            continue;
        };
        is_complete &= is_whole;
        if let Err(error) = rules::state_for(&integration, state.is_some()) {
            source.error(span.clone(), error.to_string());
        }
        if let Err(error) = names.add(&integration.name) {
            source.error(span, error.to_string());
            continue;
        }
        builder = builder.integration(integration);
    }
    for (name, span) in defaults.iter().map(|(_, name, span)| (name, span)) {
        if let Err(error) = rules::default_exists(name, sections_named.contains(name)) {
            source.error(span.clone(), error.to_string());
        }
    }
    builder = builder.default_integrations(defaults.into_iter().fold(
        DefaultIntegrations::default(),
        |defaults, (resource_type, name, _)| match resource_type {
            None => defaults.any(name),
            Some(resource_type) => defaults.resource_type(resource_type, name),
        },
    ));
    for (class, required) in requirements {
        builder = builder.require(class, required);
    }
    // A configured part that cannot be used was reported as an error above.
    let mut is_read = |is_read: bool| is_complete &= is_read;
    let registry = all(registry);
    is_read(registry.is_some());
    if let Some((registry, path)) = registry.flatten() {
        source.add(checks::unknown_integrations(
            &registry.last_valid(),
            &path,
            &sections_named,
        ));
        builder = builder.registry(registry);
    }
    let has_list = revocations.is_some();
    let revocations = all(revocations);
    is_read(revocations.is_some());
    if let Some((revocations, issuers)) = revocations.flatten() {
        builder = builder.revocations(revocations);
        if let Some(issuers) = issuers {
            builder = signed::add_issuers(builder, issuers);
        }
    }
    let postures = all(postures);
    is_read(postures.is_some());
    if let Some(postures) = postures.flatten() {
        builder = builder.postures(postures);
    }
    if state.is_none()
        && let Some(Some(verification)) = &verifier
    {
        verification.warn_of_sequences(source);
    }
    let intents = all(intents);
    is_read(intents.is_some());
    if let Some(intents) = intents.flatten() {
        let chains = intents.intents.chains();
        let counted = chains.iter().flat_map(|chain| chain.iter());
        let mut counted = counted.filter(|intent| intent.counts_uses());
        if let Some(intent) = counted.next().filter(|_| state.is_none()) {
            let message = format!(
                "intent `{}` has `max-uses`, but there is no state to count its uses in: add `[state]`",
                intent.id
            );
            source.error(FILE, message);
        }
        builder = builder.intents(intents.intents, intents.required_for);
        if let Some((access_requests, span)) = intents.access_requests {
            if let Err(error) = rules::log_for_access_requests(log.is_some()) {
                source.error(span, error.to_string());
            }
            builder = builder.access_requests(access_requests);
        }
    }
    if let Some(Some(options)) = &state
        && options.delivers()
        && !has_list
    {
        let message =
            "`revocations` in `[state]` delivers a list, but there is none: add `[revocation]`";
        source.error(FILE, message);
    }
    let (verifier, state, log) = (all(verifier), all(state), all(log));
    is_read(verifier.is_some() && state.is_some() && log.is_some());
    Some(Described {
        builder: builder.also_named(sections_named),
        verifier: verifier.flatten(),
        state: state.flatten(),
        log: log.flatten(),
        is_complete,
    })
}

/// Refuses keys and sections that need a feature that this build leaves out. True if there is one.
#[cfg(not(all(feature = "identity", feature = "embedded-state")))]
fn left_out(section: &mut Section<'_, '_>, names: &[&'static str], feature: &str) -> bool {
    let stated: Vec<_> = names.iter().filter(|name| section.has(name)).collect();
    let is_stated = !stated.is_empty();
    for name in stated {
        let message = format!(
            "`{name}` needs the feature `{feature}` of `portcullis-host`, which this build leaves out: build with the feature, or remove `{name}`"
        );
        section.refuse(name, &message);
    }
    is_stated
}

/// `Some(None)` if it is not configured; `None` if it is and cannot be read.
fn all<T>(configured: Option<Option<T>>) -> Option<Option<T>> {
    match configured {
        None => Some(None),
        Some(read) => read.map(Some),
    }
}

fn set<T>(limit: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *limit = value;
    }
}
