//! Settings of gates: `[mcp]` of the configuration.

use crate::tools::Pins;
use portcullis_contract::{PrincipalKind, similar};
use portcullis_host::{ConfigError, Intent, Principal, Timestamp, unread};
use portcullis_model::document::{self, FILE, Problem, Section, Severity, Source};
use portcullis_model::spiffe_id::is_spiffe_id;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Settings of gates.
///
/// ```toml
/// [mcp]
/// principal = "spiffe://acme.example/agent/desk"   # the agent, where nothing proves who it is: over stdio
/// intent = "int-42"
/// [[mcp.server]]
/// integration = "bank"
/// command = ["npx", "-y", "bank-server"]           # or url = "https://bank.example/mcp"
/// tools = "bank.tools.json"                        # approved definitions of its tools
/// from-server = ["elicitation/create"]             # requests that it may send to the client
/// [mcp.server.credential]                          # the server's own, which the agent never sees
/// file = "bank.token"
/// environment = "BANK_TOKEN"                       # for a command; a URL gets it as a bearer token
/// owner = "ops@acme.example"
/// expires = 2027-01-01T00:00:00Z
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// The agent where nothing proves who it is, if one is configured.
    pub principal: Option<Principal>,
    /// Intent of the agent, if it names none.
    pub intent: Option<Intent>,
    /// Hosts and ports besides the listener's own that browsers may reach a gate by, as in `Origin`.
    pub origins: Vec<String>,
    /// Authorization servers whose tokens the host verifies, for clients that look for them (RFC 9728).
    pub authorization_servers: Vec<String>,
    /// The servers, by integration.
    pub servers: BTreeMap<String, Server>,
    /// Files besides the configuration that the settings were read from.
    pub files: Vec<PathBuf>,
    /// Notices for the operator.
    pub notices: Vec<String>,
}

/// A server behind a gate.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Server {
    /// Its process, or its address.
    pub upstream: Upstream,
    /// File of the approved definitions of its tools, if they are pinned.
    pub tools: Option<PathBuf>,
    /// The approved definitions.
    pub pins: Option<Pins>,
    /// Methods of requests that it may send to the client.
    pub from_server: Vec<String>,
    /// Maximum size of a message, in bytes. 4 MiB by default.
    pub max_message_bytes: usize,
    /// Its credential, if it needs one.
    pub credential: Option<Credential>,
}

impl Server {
    /// A server of that command, with the default settings.
    pub fn of_command(command: Vec<String>) -> Self {
        Self {
            upstream: Upstream::Command(command),
            tools: None,
            pins: None,
            from_server: Vec::new(),
            max_message_bytes: MAX_MESSAGE_BYTES,
            credential: None,
        }
    }
}

/// Address of a server: a process or a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Upstream {
    /// A process, by program and arguments. It speaks over standard input and output.
    Command(Vec<String>),
    /// A URL of Streamable HTTP.
    Url(String),
}

/// Credential of a server, which is a long-lived secret: an exception with an owner and an end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Credential {
    /// File with the secret alone.
    pub file: PathBuf,
    /// Variable of the environment of a command that has it.
    pub environment: Option<String>,
    /// Person or team that answers for it.
    pub owner: String,
    /// End of its use.
    pub expires: Timestamp,
}

impl Credential {
    /// Reads the secret.
    ///
    /// # Errors
    ///
    /// The reason, with the remedy: it ended, or the file cannot be read.
    pub fn secret(&self, now: Timestamp) -> Result<String, String> {
        if self.expires <= now {
            return Err(format!(
                "the credential in {} ended at {}: {} has to renew it",
                self.file.display(),
                self.expires,
                self.owner
            ));
        }
        let text = std::fs::read_to_string(&self.file);
        let text = text.map_err(|error| {
            format!(
                "{}: cannot be read: {}",
                self.file.display(),
                unread(&error)
            )
        })?;
        let secret = text.trim();
        match !secret.is_empty() && secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            true => Ok(secret.to_owned()),
            false => Err(format!(
                "{}: it is not one secret of printable ASCII without white space",
                self.file.display()
            )),
        }
    }
}

/// Default maximum of a message, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;

/// Requests of a server that a gate can pass on.
const FROM_SERVER: [&str; 3] = ["elicitation/create", "roots/list", "sampling/createMessage"];

/// Reads the settings in the configuration `file`.
///
/// # Errors
///
/// [`ConfigError`] with all problems of the section and of the files that it names.
pub fn read(file: &Path) -> Result<Settings, ConfigError> {
    read_with(file, true)
}

/// As [`read()`], without the approved definitions of tools, which may not be there yet.
///
/// # Errors
///
/// As [`read()`].
pub fn read_unpinned(file: &Path) -> Result<Settings, ConfigError> {
    read_with(file, false)
}

fn read_with(file: &Path, with_pins: bool) -> Result<Settings, ConfigError> {
    let (settings, problems) = read_all(file, with_pins);
    match settings {
        Some(mut settings) if problems.iter().all(|it| it.severity < Severity::Error) => {
            settings
                .notices
                .extend(problems.iter().map(ToString::to_string));
            Ok(settings)
        }
        _ => Err(ConfigError(problems)),
    }
}

fn read_all(file: &Path, with_pins: bool) -> (Option<Settings>, Vec<Problem>) {
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
        of_root(&mut root, folder, with_pins)
    });
    (settings, source.into_problems())
}

/// Reads `[mcp]` of a configuration in `folder`. Parts with an error are left out.
pub fn section(root: &mut Section<'_, '_>, folder: &Path) -> Settings {
    of_root(root, folder, true)
}

fn of_root(root: &mut Section<'_, '_>, folder: &Path, with_pins: bool) -> Settings {
    let integrations: BTreeSet<String> = root
        .sections("integration")
        .iter()
        .filter_map(|section| section.peek_text("name"))
        .collect();
    let mut settings = Settings::default();
    let Some(mut section) = root.section("mcp") else {
        return settings;
    };
    let source = section.source();
    let kind = kind(&mut section);
    if let Some((id, span)) = section.text("principal") {
        match is_spiffe_id(id) {
            true => settings.principal = Some(agent(id, kind)),
            false => source.error(
                span,
                "`principal` is not a SPIFFE ID: write `spiffe://TRUST-DOMAIN/PATH`",
            ),
        }
    }
    settings.intent = section.text("intent").map(|(id, _)| Intent {
        id: id.to_owned(),
        ..Intent::default()
    });
    settings.origins = section.texts("origins").unwrap_or_default();
    settings.authorization_servers = section.texts("authorization-servers").unwrap_or_default();
    for section in section.sections("server") {
        let place = section.place_of("integration");
        let Some((integration, server)) =
            server(section, &integrations, folder, with_pins, &mut settings)
        else {
            continue;
        };
        if settings.servers.contains_key(&integration) {
            source.error(
                place,
                format!("there are two servers of integration `{integration}`: name another one"),
            );
            continue;
        }
        settings.servers.insert(integration, server);
    }
    section.end();
    settings
}

/// The agent that an operator states. Nothing attests it.
pub fn agent(id: &str, kind: PrincipalKind) -> Principal {
    Principal {
        id: id.to_owned(),
        kind,
        ..Principal::default()
    }
}

fn kind(section: &mut Section<'_, '_>) -> PrincipalKind {
    let Some((text, span)) = section.text("kind") else {
        return PrincipalKind::Agent;
    };
    match serde_json::from_value(Value::from(text)) {
        Ok(kind) => kind,
        Err(_) => {
            section.source().error(
                span,
                "`kind` is `agent`, `service`, `connector`, `pipeline`, `human` or `break-glass`",
            );
            PrincipalKind::Agent
        }
    }
}

fn server(
    mut section: Section<'_, '_>,
    integrations: &BTreeSet<String>,
    folder: &Path,
    with_pins: bool,
    settings: &mut Settings,
) -> Option<(String, Server)> {
    let source = section.source();
    let place = section.span();
    let integration = section
        .required_text("integration")
        .and_then(|(name, span)| {
            if integrations.contains(name) {
                return Some(name.to_owned());
            }
            let near = similar(name, integrations.iter().map(String::as_str));
            let near = near.map_or_else(String::new, |near| format!(": do you mean `{near}`?"));
            source.error(
                span,
                format!("there is no `[[integration]]` called `{name}`{near}"),
            );
            None
        });
    let command = section.texts("command");
    let url = section.text("url");
    let upstream = match (command, url) {
        (Some(command), None) if !command.is_empty() => Some(Upstream::Command(command)),
        (None, Some((url, span))) => match is_url(url) {
            true => Some(Upstream::Url(url.to_owned())),
            false => {
                source.error(span, "`url` is not one of HTTP: write `https://HOST/PATH`, or `http://` on this machine");
                None
            }
        },
        _ => {
            source.error(
                place,
                "a server has either a `command`, a list of program and arguments, or a `url`",
            );
            None
        }
    };
    let tools = section
        .text("tools")
        .map(|(path, span)| (folder.join(path), span));
    settings
        .files
        .extend(tools.iter().map(|(file, _)| file.clone()));
    let pinned = tools.clone().filter(|_| with_pins);
    let pins = pinned.and_then(|(file, span)| {
        let pins = Pins::read(&file);
        pins.map_err(|why| source.error(span, why)).ok()
    });
    let place = section.place_of("from-server");
    let from_server = section.texts("from-server").unwrap_or_default();
    for method in &from_server {
        if !FROM_SERVER.contains(&method.as_str()) {
            source.error(
                place.clone(),
                format!(
                    "`{method}` is no request that a gate passes on: they are `{}`",
                    FROM_SERVER.join("`, `")
                ),
            );
        }
    }
    let max_message_bytes = section.integer("max-message-bytes", 1024..=256 * 1024 * 1024);
    let is_command = matches!(upstream, Some(Upstream::Command(_)));
    let credential = section
        .section("credential")
        .and_then(|section| credential(section, folder, is_command));
    section.end();
    let server = Server {
        upstream: upstream?,
        tools: tools.map(|(file, _)| file),
        pins,
        from_server,
        max_message_bytes: max_message_bytes.unwrap_or(MAX_MESSAGE_BYTES),
        credential,
    };
    Some((integration?, server))
}

fn credential(mut section: Section<'_, '_>, folder: &Path, is_command: bool) -> Option<Credential> {
    let source = section.source();
    let place = section.span();
    let file = section
        .required_text("file")
        .map(|(file, _)| folder.join(file));
    let owner = section
        .required_text("owner")
        .map(|(owner, _)| owner.to_owned());
    let expires = section.time("expires");
    if expires.is_none() && !section.has("expires") {
        source.error(
            place.clone(),
            "`expires` is missing: a credential has an end, such as `2027-01-01T00:00:00Z`",
        );
    }
    let environment = section.text("environment").map(|(name, _)| name.to_owned());
    if environment.is_some() != is_command {
        source.error(
            place.clone(),
            match is_command {
                true => "`environment` is missing: name the variable in which the command expects the secret",
                false => "`environment` is for a `command`: a `url` gets the secret as a bearer token",
            },
        );
    }
    section.end();
    let credential = Credential {
        file: file?,
        environment,
        owner: owner?,
        expires: expires?,
    };
    match credential.secret(Timestamp::now()) {
        Ok(_) => {}
        Err(why) => source.warn(place, why),
    }
    Some(credential)
}

/// True for a URL with TLS, or of this machine.
pub fn is_url(url: &str) -> bool {
    let Ok(uri) = url.parse::<http::Uri>() else {
        return false;
    };
    let is_local = uri.host().is_some_and(|host| {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost"
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    });
    match uri.scheme_str() {
        Some("https") => uri.authority().is_some(),
        Some("http") => is_local,
        _ => false,
    }
}

impl Settings {
    /// Tools that are pinned for servers other than that of `integration`, each with its integration.
    pub fn pinned_by_others(&self, integration: &str) -> BTreeMap<String, String> {
        let others = self.servers.iter().filter(|(name, _)| *name != integration);
        let tools = others.flat_map(|(name, server)| {
            let pins = server.pins.iter().flat_map(Pins::tools);
            pins.map(move |(tool, _)| (tool.to_owned(), name.clone()))
        });
        tools.collect()
    }
}
