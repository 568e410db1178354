//! Reads `[serve]`, and records every problem with its place.

use super::address::{Address, UNIX};
use super::files::{Named, Secret, readable_by_others};
use super::peps::{self, Around};
use super::{AtStart, KnownResource, Limits, Settings};
use super::{calls, otlp, sessions, ship};
use crate::tls::{self, TlsFiles};
use portcullis_host::ConfigError;
use portcullis_host::config::{Problem, Severity};
use portcullis_host::unread;
use portcullis_model::document::{self, FILE, Section, Source};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// Reads the settings of the server in the configuration `file`.
///
/// A configuration without `[serve]` has the default ones.
///
/// # Errors
///
/// [`ConfigError`] with all problems of the section and of the files that it names.
pub fn read(file: &Path) -> Result<Settings, ConfigError> {
    let (settings, problems) = read_all(file);
    match settings {
        Some(mut settings) if problems.iter().all(|it| it.severity < Severity::Error) => {
            let warnings = problems.iter().map(ToString::to_string);
            settings.notices.extend(warnings);
            Ok(settings)
        }
        _ => Err(ConfigError(problems)),
    }
}

/// All problems of `[serve]` in the configuration `file`, for `portcullis check`.
pub fn check(file: &Path) -> Vec<Problem> {
    read_all(file).1
}

/// Address of the admin listener in the configuration `file`, and true if it speaks TLS.
///
/// The rest of the configuration may be invalid.
///
/// # Errors
///
/// [`ConfigError`] if the file is not TOML, or the address cannot be read.
pub fn admin_of(file: &Path) -> Result<Option<(Address, bool)>, ConfigError> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        let problem = Problem::of_file(file, format!("cannot be read: {}", unread(&error)));
        ConfigError(vec![problem])
    })?;
    let source = Source::new(file, &text);
    let folder = file.parent().unwrap_or(Path::new(""));
    let admin = document::parse(&source, &text).map(|table| {
        let mut root = Section::new(&source, table.get_ref(), FILE);
        let default = Settings::default().admin;
        let Some(mut section) = root.section("serve") else {
            return default.map(|address| (address, false));
        };
        let has_tls = section.has("tls");
        let address = admin(&mut section, &Named::in_folder(folder), default);
        address.map(|address| {
            let has_tls = has_tls && !address.is_local();
            (address, has_tls)
        })
    });
    let problems = source.into_problems();
    let is_read = problems.iter().all(|it| it.severity < Severity::Error);
    match admin {
        Some(admin) if is_read => Ok(admin),
        _ => Err(ConfigError(problems)),
    }
}

/// Reads `admin`.
fn admin(
    section: &mut Section<'_, '_>,
    named: &Named<'_>,
    default: Option<Address>,
) -> Option<Address> {
    let source = section.source();
    match section.text("admin") {
        None => default,
        Some(("off", _)) => None,
        Some((text, span)) => match address(text, named) {
            Ok(address) => Some(address),
            Err(error) => {
                source.error(span, error);
                default
            }
        },
    }
}

fn read_all(file: &Path) -> (Option<Settings>, Vec<Problem>) {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            let problem = Problem::of_file(file, format!("cannot be read: {}", unread(&error)));
            return (None, vec![problem]);
        }
    };
    let source = Source::new(file, &text);
    let folder = file.parent().unwrap_or(Path::new(""));
    let settings = document::parse(&source, &text).map(|table| {
        let mut root = Section::new(&source, table.get_ref(), FILE);
        let named = Named::in_folder(folder);
        let mut settings = settings(&mut root, &named);
        settings.mcp = portcullis_mcp::settings::section(&mut root, folder);
        let notices = settings.mcp.notices.drain(..);
        settings.notices.extend(notices);
        if let Some(section) = root.section("sessions") {
            settings.sessions = sessions::read(section, &named);
        }
        settings.files = named.into_files();
        settings.files.extend(settings.mcp.files.iter().cloned());
        settings.files.push(file.to_owned());
        settings.at_start = AtStart::of(&settings);
        settings
    });
    (settings, source.into_problems())
}

/// Reads the section. Parts with an error have their default.
fn settings(root: &mut Section<'_, '_>, named: &Named<'_>) -> Settings {
    let source = root.source();
    let mut settings = Settings {
        masks_resource_id: masks_resource_id(root),
        ..Settings::default()
    };
    let Some(mut section) = root.section("serve") else {
        settings.notices.push(local_notice());
        return settings;
    };
    let place = section.place_of("listen");
    if let Some(addresses) = addresses(&mut section, named) {
        settings.listen = addresses;
    }
    settings.admin = admin(&mut section, named, settings.admin);
    if let Some((url, span)) = section.text("url") {
        match base_url(url) {
            Ok(url) => settings.url = Some(url),
            Err(error) => source.error(span, error),
        }
    }
    if let Some((mode, span)) = section.text("socket-mode") {
        match u32::from_str_radix(mode, 8) {
            Ok(mode) if mode <= 0o777 && mode & 0o600 == 0o600 => settings.socket_mode = mode,
            _ => source.error(
                span,
                "`socket-mode` is the mode of Unix sockets in octal digits, such as `\"0660\"`; the owner can always read and write",
            ),
        }
    }
    limits(&mut section, &mut settings.limits);
    settings.admin_token = secret(&mut section, "admin-token-file", named);
    settings.events_token = secret(&mut section, "events-token-file", named);
    settings.checkpoint_every = checkpoints(&mut section, root);
    if let Some(section) = section.section("tls") {
        settings.tls = tls(section, named);
    }
    if let Some(section) = section.section("http") {
        settings.http = calls::read(section, &integrations(root));
    }
    if let Some(section) = section.section("ship") {
        settings.ship = ship::read(section, root.has("log"), named);
    }
    if let Some(section) = section.section("otlp") {
        settings.otlp = otlp::read(section, named);
    }
    for resource in section.sections("resource") {
        settings.resources.extend(known_resource(resource));
    }
    let sections = section.sections("pep");
    let is_configured = !sections.is_empty();
    let around = Around {
        named,
        integrations: &integrations(root),
        has_tls: section.has("tls"),
        has_trust_domains: root.has("trust-domains"),
        has_socket: settings
            .listen
            .iter()
            .any(|address| matches!(address, Address::Unix(_))),
    };
    if is_configured {
        settings.peps = peps::read(sections, &around, source).into_iter().collect();
    }
    // The content of TLS files is checked even if it is unusable, so that one round names all problems.
    let as_written = Settings {
        tls: match section.has("tls") {
            true => Some(TlsFiles::new("", "")),
            false => None,
        },
        ..settings.clone()
    };
    section.end();
    match as_written.are_safe() {
        Err(error) => source.error(place, error),
        Ok(()) if !is_configured => settings.notices.push(local_notice()),
        Ok(()) => {}
    }
    settings
}

/// Notice of a server without configured enforcement points.
pub(crate) fn local_notice() -> String {
    "no `[[serve.pep]]` is configured: every process that can reach the listeners may ask, and may vouch for every principal".to_owned()
}

/// Reads `listen`: one address, or a list.
fn addresses(section: &mut Section<'_, '_>, named: &Named<'_>) -> Option<Vec<Address>> {
    let source = section.source();
    let place = section.place_of("listen");
    let (value, places) = section.json("listen")?;
    let texts = match value {
        Value::String(text) => vec![(Some(text), place.clone())],
        Value::Array(items) => {
            let items = items.into_iter().enumerate();
            let placed = items.map(|(index, item)| {
                let at = places.get(&format!("/{index}")).cloned();
                let text = item.as_str().map(str::to_owned);
                (text, at.unwrap_or_else(|| place.clone()))
            });
            placed.collect()
        }
        _ => vec![(None, place.clone())],
    };
    if texts.is_empty() {
        source.error(
            place,
            "`listen` is an empty list: name at least one address",
        );
        return None;
    }
    let read = texts.into_iter().map(|(text, span)| {
        let read = match text {
            Some(text) => address(&text, named),
            None => Err("`listen` is an address, or a list of addresses, as text".to_owned()),
        };
        read.map_err(|error| source.error(span, error)).ok()
    });
    // Every address is read, so that each has its error.
    let read: Vec<_> = read.collect();
    read.into_iter().collect()
}

/// Reads an address. The path of a socket is relative to the configuration.
fn address(text: &str, named: &Named<'_>) -> Result<Address, String> {
    let address = match text.strip_prefix(UNIX) {
        Some(path) if !path.is_empty() => Ok(Address::Unix(named.written(path))),
        _ => text.parse(),
    }?;
    match address {
        Address::Unix(_) if cfg!(not(unix)) => {
            Err("this system has no Unix sockets: listen on 127.0.0.1".to_owned())
        }
        address => Ok(address),
    }
}

/// Reads the base URL, without a `/` at its end.
fn base_url(text: &str) -> Result<String, String> {
    let uri = text.parse::<http::Uri>().ok();
    let is_base = uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.authority().is_some_and(|it| !it.as_str().contains('@'))
            && uri.query().is_none()
            && !text.contains('#')
    });
    match is_base {
        true => Ok(text.trim_end_matches('/').to_owned()),
        false => Err(format!(
            "`{}` is no base URL: write one such as `https://pdp.acme.example`, without query and fragment",
            portcullis_host::excerpt(text)
        )),
    }
}

fn limits(section: &mut Section<'_, '_>, limits: &mut Limits) {
    let place = section.place_of("idle-timeout");
    let second = Duration::from_secs(1);
    let hour = Duration::from_secs(60 * 60);
    let day = Duration::from_secs(24 * 60 * 60);
    let tenth = Duration::from_millis(100);
    set(
        &mut limits.connections,
        section.integer("max-connections", 1..=65_536),
    );
    set(
        &mut limits.header_bytes,
        section.integer("max-header-bytes", 8 * 1024..=1024 * 1024),
    );
    set(
        &mut limits.evaluations,
        section.integer("max-evaluations", 1..=10_000),
    );
    set(
        &mut limits.recent_decisions,
        section.integer("recent-decisions", 0..=10_000),
    );
    set(
        &mut limits.header_timeout,
        section.duration("header-timeout", tenth..=hour),
    );
    set(
        &mut limits.request_timeout,
        section.duration("request-timeout", tenth..=hour),
    );
    set(
        &mut limits.idle_timeout,
        section.duration("idle-timeout", tenth..=hour),
    );
    set(
        &mut limits.connection_age,
        section.duration("max-connection-age", second..=day),
    );
    set(
        &mut limits.shutdown_timeout,
        section.duration("shutdown-timeout", Duration::ZERO..=hour),
    );
    if limits.idle_timeout < limits.request_timeout {
        section.source().error(
            place,
            format!(
                "`idle-timeout` is at least `request-timeout`, which is {:?}: a connection is idle while its request is decided",
                limits.request_timeout
            ),
        );
    }
}

/// Reads the token in the file that `key` names.
pub(super) fn secret(
    section: &mut Section<'_, '_>,
    key: &'static str,
    named: &Named<'_>,
) -> Option<Secret> {
    let source = section.source();
    let (path, span) = section.text(key)?;
    let file = named.file(path);
    if let Some(warning) = readable_by_others(&file) {
        source.warn(span.clone(), warning);
    }
    Secret::from_file(&file)
        .map_err(|error| source.error(span, error))
        .ok()
}

/// Reads `checkpoint-every`, which only a server that owns the list may have.
fn checkpoints(section: &mut Section<'_, '_>, root: &mut Section<'_, '_>) -> Option<Duration> {
    let place = section.place_of("checkpoint-every");
    let range = Duration::from_secs(1)..=Duration::from_secs(60 * 60);
    let every = section.duration("checkpoint-every", range)?;
    let source = section.source();
    match root.section("revocation") {
        None => source.error(
            place,
            "`checkpoint-every` needs a revocation list: add `[revocation]`, or remove it",
        ),
        Some(list) if list.has("signers") && !list.has("key") => source.error(
            place,
            "`checkpoint-every` needs the `key` of `[revocation]`, because the list is signed: add it, or let a signer write the checkpoints",
        ),
        Some(_) => {}
    }
    Some(every)
}

fn tls(mut section: Section<'_, '_>, named: &Named<'_>) -> Option<TlsFiles> {
    let source = section.source();
    let place = section.span();
    let certificate = section.required_text("certificate");
    let key = section.required_text("key");
    section.end();
    let ((certificate, _), (key, key_place)) = (certificate?, key?);
    let files = TlsFiles::new(named.file(certificate), named.file(key));
    if let Some(warning) = readable_by_others(&files.key) {
        source.warn(key_place, warning);
    }
    match tls::certified_key(&files) {
        Ok(_) => Some(files),
        Err(error) => {
            source.error(place, error);
            None
        }
    }
}

fn known_resource(mut section: Section<'_, '_>) -> Option<KnownResource> {
    let kind = section.required_text("type");
    let id = section.required_text("id");
    let place = section.place_of("properties");
    let properties = match section.json("properties") {
        None => Some(serde_json::Map::new()),
        Some((Value::Object(properties), _)) => Some(properties),
        Some(_) => {
            section.source().error(place, "`properties` is a table");
            None
        }
    };
    section.end();
    Some(KnownResource {
        kind: kind?.0.to_owned(),
        id: id?.0.to_owned(),
        properties: properties?,
    })
}

/// Names of the configured integrations, which the host reads.
fn integrations(root: &mut Section<'_, '_>) -> BTreeSet<String> {
    let sections = root.sections("integration");
    sections
        .iter()
        .filter_map(|section| section.peek_text("name"))
        .collect()
}

/// True if `[log]` masks the ids of resources.
fn masks_resource_id(root: &mut Section<'_, '_>) -> bool {
    let masks = root.section("log").and_then(|mut log| log.texts("mask"));
    masks.is_some_and(|masks| {
        masks
            .iter()
            .any(|mask| mask.eq_ignore_ascii_case("/resource/id"))
    })
}

fn set<T>(limit: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *limit = value;
    }
}
