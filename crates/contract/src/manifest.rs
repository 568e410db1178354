//! The manifest, in which a plugin describes itself.

use crate::{
    CONTRACT_VERSION, Field, Needs, REBUILD, UnknownField, excerpt, is_token, line_and_column,
    message, misspelt_obligation, one_line, similar,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use toml::Spanned;

/// Name of the component's custom section that holds the manifest.
pub const MANIFEST_SECTION: &str = "portcullis:manifest";

/// Maximum size of a manifest in bytes.
pub const MAX_MANIFEST_BYTES: usize = 64 * 1024;

/// Maximum length of a version in bytes. It is in each record of a decision.
const MAX_VERSION_BYTES: usize = 64;

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

/// A text that is not a valid manifest, with all of its problems.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", listed(.0))]
pub struct ManifestError(pub Vec<ManifestProblem>);

/// Maximum number of problems in the text of an error.
const MOST_LISTED: usize = 16;

fn listed(problems: &[ManifestProblem]) -> String {
    let first = problems.iter().take(MOST_LISTED);
    let mut listed: Vec<_> = first.map(ToString::to_string).collect();
    if problems.len() > MOST_LISTED {
        listed.push(format!("and {} more", problems.len() - MOST_LISTED));
    }
    listed.join("; ")
}

/// One problem of a manifest. As text: line, column and message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestProblem {
    /// Line, from 1; 0 for the manifest as a whole.
    pub line: usize,
    /// Column in characters, from 1; 0 for the manifest as a whole.
    pub column: usize,
    /// The problem.
    pub fault: ManifestFault,
}

impl fmt::Display for ManifestProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}, column {}: ", self.line, self.column)?;
        }
        write!(f, "{}", self.fault)
    }
}

/// Reason why a text is not a valid manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestFault {
    /// The manifest is longer than [`MAX_MANIFEST_BYTES`].
    #[error("the manifest has {0} bytes: at most {MAX_MANIFEST_BYTES} are read")]
    TooLarge(usize),
    /// The manifest is not TOML of the expected shape.
    #[error("{0}")]
    Shape(String),
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
    /// A field under `needs` is unknown, and is spelt almost like a known one.
    #[error("under `needs`, `{0}` is no field of a request: did you mean `{1}`?")]
    NeedsMisspelt(String, &'static str),
    /// The version is longer than 64 characters, or not printable.
    #[error(
        "`version` `{0}` is no version: write one of at most 64 letters, digits, `.`, `-`, `+` and `_`, such as `0.1.0`"
    )]
    Version(String),
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
    name: Spanned<String>,
    version: Spanned<String>,
    description: String,
    contract: Spanned<String>,
    needs: Vec<Spanned<String>>,
    #[serde(default)]
    obligations: Vec<Spanned<String>>,
    #[serde(default)]
    reasons: BTreeMap<Spanned<String>, String>,
    #[serde(default)]
    settings: Option<Spanned<serde_json::Value>>,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    ///
    /// [`ManifestError`], whose text names each place and the fix.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        if text.len() > MAX_MANIFEST_BYTES {
            return Err(of_file(ManifestFault::TooLarge(text.len())));
        }
        let wire = read_on_a_large_stack(text)?;
        let problems = problems(&wire, text);
        if !problems.is_empty() {
            return Err(ManifestError(problems));
        }
        let needs: Vec<_> = wire.needs.into_iter().map(Spanned::into_inner).collect();
        let fields = Needs::parse(needs.iter().map(String::as_str))
            .map_err(|error| of_file(ManifestFault::Needs(error)))?;
        let obligations = wire.obligations.into_iter().map(Spanned::into_inner);
        let reasons = wire.reasons.into_iter();
        let reasons = reasons.map(|(code, meaning)| (code.into_inner(), meaning));
        let settings = wire.settings.map(Spanned::into_inner);
        Ok(Self {
            name: wire.name.into_inner(),
            version: wire.version.into_inner(),
            description: wire.description,
            contract: wire.contract.into_inner(),
            needs,
            obligations: obligations.collect(),
            reasons: reasons.collect(),
            settings: settings.unwrap_or_else(|| serde_json::json!({ "type": "object" })),
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

/// Returns the problems of a manifest of the expected shape, in the order of the text.
fn problems(wire: &Wire, text: &str) -> Vec<ManifestProblem> {
    let mut found = Vec::new();
    let mut note = |span: Range<usize>, fault| found.push(at(text, span, fault));
    // Another version of the contract has other rules, so no further problem is reported.
    if wire.contract.get_ref() != CONTRACT_VERSION {
        let fault = ManifestFault::Contract(excerpt(wire.contract.get_ref()));
        note(wire.contract.span(), fault);
        return found;
    }
    let name = wire.name.get_ref();
    if !is_plugin_name(name) {
        note(wire.name.span(), ManifestFault::Name(excerpt(name)));
    } else if is_reserved(name) {
        note(wire.name.span(), ManifestFault::Reserved(name.clone()));
    }
    let version = wire.version.get_ref();
    let is_of_version = |c: char| c.is_ascii_alphanumeric() || ".-+_".contains(c);
    if version.is_empty()
        || version.len() > MAX_VERSION_BYTES
        || !version.chars().all(is_of_version)
    {
        note(
            wire.version.span(),
            ManifestFault::Version(excerpt(version)),
        );
    }
    for kind in &wire.obligations {
        let text = excerpt(kind.get_ref());
        if !is_token(kind.get_ref()) {
            note(kind.span(), ManifestFault::Obligation(text));
        } else if let Some(meant) = misspelt_obligation(kind.get_ref()) {
            note(kind.span(), ManifestFault::Misspelt(text, meant));
        }
    }
    for code in wire.reasons.keys() {
        let text = code.get_ref().as_str();
        if text != "*" && !is_token(text.strip_suffix('*').unwrap_or(text)) {
            note(code.span(), ManifestFault::Reason(excerpt(text)));
        }
    }
    for field in &wire.needs {
        if let Err(unknown) = Needs::parse([field.get_ref().as_str()]) {
            let fault = match similar(field.get_ref(), Field::ALL.map(Field::name)) {
                Some(meant) => ManifestFault::NeedsMisspelt(unknown.0, meant),
                None => ManifestFault::Needs(unknown),
            };
            note(field.span(), fault);
        }
    }
    if let Some(settings) = &wire.settings
        && depth(settings.get_ref()) > MAX_DEPTH
    {
        note(settings.span(), ManifestFault::TooDeep);
    }
    found.sort_by_key(|problem| (problem.line, problem.column));
    found
}

/// A problem of the manifest as a whole.
fn of_file(fault: ManifestFault) -> ManifestError {
    ManifestError(vec![ManifestProblem {
        line: 0,
        column: 0,
        fault,
    }])
}

/// A problem at `span` of the manifest's text.
fn at(text: &str, span: Range<usize>, fault: ManifestFault) -> ManifestProblem {
    let (line, column) = line_and_column(text, span.start);
    ManifestProblem {
        line,
        column,
        fault,
    }
}

/// Reads the text on a separate thread with a large stack.
///
/// Tables within keys within tables nest thousands of levels deep in a few kilobytes. The author of the file
/// must not choose how much stack the caller needs.
fn read_on_a_large_stack(text: &str) -> Result<Wire, ManifestError> {
    let not_read = |error: &dyn fmt::Display| of_file(ManifestFault::NotRead(error.to_string()));
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
    toml::from_str(text).map_err(|error| {
        let fault = ManifestFault::Shape(message(&one_line(error.message())));
        ManifestError(vec![at(text, error.span().unwrap_or(0..0), fault)])
    })
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
        assert!(manifest.fields().has(Field::ActionName));
        assert_eq!(manifest.settings["type"], "object");
    }

    /// The problem of `GOOD` with `to` instead of `from`, as text.
    fn refused(from: &str, to: &str) -> String {
        let text = GOOD.replace(from, to);
        assert_ne!(text, GOOD);
        Manifest::parse(&text).unwrap_err().to_string()
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
        let fault = |name: &str| {
            let ManifestError(mut problems) = named(name).unwrap_err();
            assert_eq!(problems.len(), 1);
            problems.remove(0).fault
        };
        for name in ["host", "host-", "host-trust", "host-posture"] {
            assert_eq!(fault(name), ManifestFault::Reserved(name.to_owned()));
        }
        for name in ["Host", "host:trust", " host", "host "] {
            assert!(matches!(fault(name), ManifestFault::Name(_)), "{name}");
        }
        for name in ["hostile", "hosts", "my-host", "http-api", "p"] {
            assert!(named(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn each_problem_has_its_line() {
        for (from, to, said) in [
            (
                "\"p\"",
                "\"P!\"",
                "line 1, column 8: `name = \"P!\"`: a plugin's name is 1 to 64 lower-case letters, digits and `-`",
            ),
            (
                "0.2.0",
                "0.1.0",
                "line 4, column 12: `contract = \"0.1.0\"`: this host runs plugins of contract 0.2.0: write `contract = \"0.2.0\"` in plugin.toml, declare its reason codes under `[reasons]`, and rebuild it with `portcullis build` and portcullis-sdk 0.3",
            ),
            (
                "needs",
                "need",
                "line 5, column 1: unknown field `need`, expected one of `name`, `version`, `description`, `contract`, `needs`, `obligations`, `reasons`, `settings`",
            ),
            (
                "needs",
                "obligations = [\"a b\"]\nneeds",
                "line 5, column 16: `obligations` has `a b`: a kind is 1 to 64 letters, digits, `-`, `_`, `.` and `:`",
            ),
            (
                "needs",
                "obligations = [\"ok\", \"step_up\"]\nneeds",
                "line 5, column 22: `obligations` has `step_up`: the AuthZEN obligations profile calls it `step-up`, and gateways know it by that name",
            ),
        ] {
            assert_eq!(refused(from, to), said);
        }
        let syntax = refused("needs = [", "needs = = [");
        assert!(syntax.starts_with("line 5, column "), "{syntax}");
        assert!(!syntax.contains(['\n', '\u{fffd}']), "{syntax}");
    }

    #[test]
    fn a_misspelt_field_is_reported_with_its_place_and_the_field_that_is_meant() {
        for (written, meant) in [
            ("action.argument", "action.arguments"),
            ("actions.name", "action.name"),
            ("resource.ID", "resource.id"),
            (
                "principal.credential_expires_at",
                "principal.credential-expires-at",
            ),
            ("contxt", "context"),
        ] {
            assert_eq!(
                refused("[\"action.name\"", &format!("[\"now\", \"{written}\"")),
                format!(
                    "line 5, column 17: under `needs`, `{written}` is no field of a request: did you mean `{meant}`?"
                )
            );
        }
        // Nothing is suggested for a name like no other.
        let far = refused("[\"action.name\"", "[\"weather\"");
        let said = "line 5, column 10: under `needs`, `weather` is no field of a request: a plugin may need integration, ";
        assert!(far.starts_with(said), "{far}");
        // An item of an open list has any name.
        let open = GOOD.replace("action.name", "context.contxt");
        assert!(Manifest::parse(&open).is_ok());
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let text = GOOD.replace("\"p\"", "\"host\"").replace(
            "[\"action.name\"]",
            "[\"nw\", \"action.name\", \"contxt\"]\nobligations = [\"\"]",
        );
        let ManifestError(problems) = Manifest::parse(&text).unwrap_err();
        let places: Vec<_> = problems.iter().map(|it| (it.line, it.column)).collect();
        assert_eq!(places, [(1, 8), (5, 10), (5, 31), (6, 16)]);
    }

    #[test]
    fn refuses_what_is_too_deep_or_too_large() {
        let faults = |text: &str| {
            let ManifestError(problems) = Manifest::parse(text).unwrap_err();
            problems.into_iter().map(|it| it.fault).collect::<Vec<_>>()
        };
        let keys = "a.".repeat(78);
        let deep = format!(
            "{GOOD}settings = {}1{}",
            format!("{{ {keys}a = ").repeat(79),
            "}".repeat(79)
        );
        assert!(matches!(
            faults(&deep)[..],
            [ManifestFault::TooDeep | ManifestFault::Shape(_)]
        ));
        let long = format!("{GOOD}#{}", "x".repeat(MAX_MANIFEST_BYTES));
        assert_eq!(faults(&long), [ManifestFault::TooLarge(long.len())]);
    }
}
