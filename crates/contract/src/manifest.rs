//! The manifest, in which a plugin describes itself.

use crate::{
    CONTRACT_VERSION, Needs, REBUILD, UnknownField, excerpt, is_token, line_and_column,
    misspelt_obligation, withheld,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Name of the component's custom section that holds the manifest.
pub const MANIFEST_SECTION: &str = "portcullis:manifest";

/// Maximum size of a manifest in bytes.
pub const MAX_MANIFEST_BYTES: usize = 64 * 1024;

/// Reason codes that the SDK gives by itself, which no manifest has to declare.
pub const SDK_REASONS: [&str; 2] = ["arguments-invalid", "not-configured"];

/// A plugin's description of itself: `plugin.toml`, embedded in the component as written.
///
/// ```toml
/// name = "repositories"
/// version = "0.1.0"
/// description = "Agents reach only the repositories on a list"
/// contract = "0.2.0"
/// needs = ["resource.id"]     # fields of a request that the host passes
/// obligations = []            # kinds of obligation that a verdict may have
///
/// [reasons]                   # codes that a verdict may have, each with its meaning
/// repository-allowed = "A pattern of the settings allows the repository"
/// repository-not-allowed = "No pattern of the settings allows the repository"
///
/// [settings]                  # a JSON Schema, for people and editors
/// type = "object"
/// required = ["allowed"]
/// properties.allowed = { type = "array", items = { type = "string" } }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Manifest {
    /// Name of the plugin: lower-case letters, digits and `-`, at most 64.
    pub name: String,
    /// Version of the plugin.
    pub version: String,
    /// Purpose of the plugin, in one sentence.
    pub description: String,
    /// Version of the contract that the plugin is written against.
    pub contract: String,
    /// Names of the fields that the host passes to the plugin.
    pub needs: Vec<String>,
    /// Kinds of obligation that the plugin may issue.
    pub obligations: Vec<String>,
    /// Reason codes that the plugin may give, each with its meaning.
    ///
    /// A code that ends with `*` declares every code with that beginning.
    pub reasons: BTreeMap<String, String>,
    /// JSON Schema of the plugin's settings. It only describes them; `configure` validates them.
    pub settings: serde_json::Value,
    #[serde(skip)]
    fields: Needs,
}

/// Reason why a text is not a valid manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The manifest is longer than [`MAX_MANIFEST_BYTES`].
    #[error("the manifest has {0} bytes: at most {MAX_MANIFEST_BYTES} are read")]
    TooLarge(usize),
    /// The manifest is not TOML of the expected shape.
    #[error("line {line}, column {column}: {message}")]
    Shape {
        /// Line of the error, from 1.
        line: usize,
        /// Column of the error in characters, from 1.
        column: usize,
        /// The error.
        message: String,
    },
    /// The settings schema is nested more than 32 levels deep.
    #[error("`settings` is nested more than {MAX_DEPTH} deep")]
    TooDeep,
    /// The reading thread did not start, or the parser panicked.
    #[error("it could not be read: {0}")]
    NotRead(String),
    /// The name has invalid characters or more than 64.
    #[error("`name = \"{0}\"`: a plugin's name is 1 to 64 lower-case letters, digits and `-`")]
    Name(String),
    /// The name is reserved for the host.
    #[error(
        "`name = \"{0}\"`: `host` and names that begin with `host-` are the host's own, as in the id `host:tier` of an obligation: choose another"
    )]
    Reserved(String),
    /// An obligation kind is empty, too long or has invalid characters.
    #[error("`obligations` has `{0}`: a kind is 1 to 64 letters, digits, `-`, `_`, `.` and `:`")]
    Obligation(String),
    /// An obligation kind misspells one of the AuthZEN obligations profile.
    #[error(
        "`obligations` has `{0}`: the AuthZEN obligations profile calls it `{1}`, and gateways know it by that name"
    )]
    Misspelt(String, &'static str),
    /// A reason code is empty, too long or has invalid characters.
    #[error(
        "`reasons` has `{0}`: a code is 1 to 64 letters, digits, `-`, `_`, `.` and `:`, and may end with `*`"
    )]
    Reason(String),
    /// A field under `needs` is unknown.
    #[error("under `needs`, {0}")]
    Needs(UnknownField),
    /// The plugin is written against another version of the contract.
    #[error(
        "`contract = \"{0}\"`: this host runs plugins of contract {CONTRACT_VERSION}: {REBUILD}"
    )]
    Contract(String),
}

/// Maximum nesting depth of the settings schema.
const MAX_DEPTH: usize = 32;

/// Stack size of the thread that reads a manifest, in bytes.
const STACK_BYTES: usize = 32 * 1024 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    name: String,
    version: String,
    description: String,
    contract: String,
    needs: Vec<String>,
    #[serde(default)]
    obligations: Vec<String>,
    #[serde(default)]
    reasons: BTreeMap<String, String>,
    #[serde(default)]
    settings: Option<serde_json::Value>,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    ///
    /// [`ManifestError`], whose text names the place and the fix.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        if text.len() > MAX_MANIFEST_BYTES {
            return Err(ManifestError::TooLarge(text.len()));
        }
        let wire = read_on_a_large_stack(text)?;
        if !is_plugin_name(&wire.name) {
            return Err(ManifestError::Name(shown(&wire.name)));
        }
        if is_reserved(&wire.name) {
            return Err(ManifestError::Reserved(wire.name));
        }
        if wire.contract != CONTRACT_VERSION {
            return Err(ManifestError::Contract(shown(&wire.contract)));
        }
        if let Some(kind) = wire.obligations.iter().find(|kind| !is_token(kind)) {
            return Err(ManifestError::Obligation(shown(kind)));
        }
        let is_code = |code: &str| code == "*" || is_token(code.strip_suffix('*').unwrap_or(code));
        if let Some(code) = wire.reasons.keys().find(|code| !is_code(code)) {
            return Err(ManifestError::Reason(shown(code)));
        }
        let mut kinds = wire.obligations.iter();
        if let Some((kind, meant)) = kinds.find_map(|kind| Some((kind, misspelt_obligation(kind)?)))
        {
            return Err(ManifestError::Misspelt(shown(kind), meant));
        }
        let fields =
            Needs::parse(wire.needs.iter().map(String::as_str)).map_err(ManifestError::Needs)?;
        Ok(Self {
            name: wire.name,
            version: wire.version,
            description: wire.description,
            contract: wire.contract,
            needs: wire.needs,
            obligations: wire.obligations,
            reasons: wire.reasons,
            settings: wire
                .settings
                .unwrap_or_else(|| serde_json::json!({ "type": "object" })),
            fields,
        })
    }

    /// True if the plugin may give the reason code.
    ///
    /// Every plugin may give [`SDK_REASONS`].
    pub fn declares_reason(&self, code: &str) -> bool {
        let is_declared = |declared: &String| match declared.strip_suffix('*') {
            Some(beginning) => code.starts_with(beginning),
            None => declared == code,
        };
        SDK_REASONS.contains(&code) || self.reasons.keys().any(is_declared)
    }

    /// Fields that the host passes to the plugin.
    pub fn fields(&self) -> &Needs {
        &self.fields
    }
}

/// Reads the text on a separate thread with a large stack.
///
/// Tables within keys within tables nest thousands of levels deep in a few kilobytes. The author of the file
/// must not choose how much stack the caller needs.
fn read_on_a_large_stack(text: &str) -> Result<Wire, ManifestError> {
    let not_read = |error: &dyn std::fmt::Display| ManifestError::NotRead(error.to_string());
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || read(text))
            .map_err(|error| not_read(&error))?
            .join()
            .unwrap_or_else(|_| Err(not_read(&"the parser failed on it")))
    })
}

fn read(text: &str) -> Result<Wire, ManifestError> {
    let wire: Wire = toml::from_str(text).map_err(|error| {
        let begin = error.span().map_or(0, |span| span.start);
        let (line, column) = line_and_column(text, begin);
        ManifestError::Shape {
            line,
            column,
            message: shown(error.message()),
        }
    })?;
    if wire
        .settings
        .as_ref()
        .is_some_and(|settings| depth(settings) > MAX_DEPTH)
    {
        return Err(ManifestError::TooDeep);
    }
    Ok(wire)
}

/// The beginning of a manifest text, with apparent secrets withheld.
fn shown(text: &str) -> String {
    excerpt(&withheld(text))
}

fn depth(value: &serde_json::Value) -> usize {
    use serde_json::Value;
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

/// True if the name is reserved for the host.
///
/// Ids of the host's obligations begin with `host:`.
fn is_reserved(name: &str) -> bool {
    name == "host" || name.starts_with("host-")
}

fn is_plugin_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "name = \"p\"\nversion = \"1.0.0\"\ndescription = \"d\"\ncontract = \"0.2.0\"\nneeds = [\"action.name\"]\n";

    #[test]
    fn reads_a_manifest() {
        let manifest = Manifest::parse(GOOD).unwrap();
        assert!(manifest.fields().has(crate::Field::ActionName));
        assert_eq!(manifest.settings["type"], "object");
    }

    #[test]
    fn a_reason_is_declared_by_its_code_or_its_beginning() {
        let reasons = "[reasons]\nbranch-protected = \"\"\n\"policy-*\" = \"\"\n";
        let manifest = Manifest::parse(&format!("{GOOD}{reasons}")).unwrap();
        for code in [
            "branch-protected",
            "policy-7",
            "policy-",
            "arguments-invalid",
        ] {
            assert!(manifest.declares_reason(code), "{code}");
        }
        for code in ["branch", "branch-protected-2", "policy", "Policy-7", ""] {
            assert!(!manifest.declares_reason(code), "{code}");
        }
        let any = Manifest::parse(&format!("{GOOD}[reasons]\n\"*\" = \"\"\n")).unwrap();
        assert!(any.declares_reason("anything"));
    }

    #[test]
    fn refuses_a_name_that_the_host_speaks_by() {
        let named = |name: &str| Manifest::parse(&GOOD.replace("\"p\"", &format!("\"{name}\"")));
        for name in ["host", "host-", "host-trust", "host-posture"] {
            assert_eq!(named(name), Err(ManifestError::Reserved(name.to_owned())));
        }
        for name in ["Host", "host:trust", " host", "host "] {
            assert!(matches!(named(name), Err(ManifestError::Name(_))), "{name}");
        }
        for name in ["hostile", "hosts", "my-host", "http-api", "p"] {
            assert!(named(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn refuses_with_the_place() {
        let refused = |from: &str, to: &str| Manifest::parse(&GOOD.replace(from, to)).unwrap_err();
        assert!(matches!(refused("\"p\"", "\"P!\""), ManifestError::Name(_)));
        assert!(matches!(refused("0.2.0", "0.1.0"), ManifestError::Contract(v) if v == "0.1.0"));
        assert!(matches!(
            refused("action.name", "action"),
            ManifestError::Needs(_)
        ));
        assert!(matches!(
            refused("needs", "need"),
            ManifestError::Shape {
                line: 5,
                column: 1,
                ..
            }
        ));
        let kind = Manifest::parse(&format!("{GOOD}obligations = [\"a b\"]\n")).unwrap_err();
        assert!(matches!(kind, ManifestError::Obligation(_)));
        let code = Manifest::parse(&format!("{GOOD}[reasons]\n\"a b\" = \"\"\n")).unwrap_err();
        assert!(matches!(code, ManifestError::Reason(_)));
        let keys = "a.".repeat(78);
        let deep = format!(
            "{GOOD}settings = {}1{}",
            format!("{{ {keys}a = ").repeat(79),
            "}".repeat(79)
        );
        assert!(matches!(
            Manifest::parse(&deep),
            Err(ManifestError::TooDeep | ManifestError::Shape { .. })
        ));
        let long = format!("{GOOD}#{}", "x".repeat(MAX_MANIFEST_BYTES));
        assert!(matches!(
            Manifest::parse(&long),
            Err(ManifestError::TooLarge(_))
        ));
    }
}
