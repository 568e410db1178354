//! The text of a starter configuration.

use portcullis_draft::{Argument, Role, Tool, class_of};
use portcullis_host::{Digest, escape_key, printable};
use serde_json::{Value, json};

/// Longest description of a tool in a comment, in characters.
const MAX_DESCRIPTION: usize = 100;

/// A starter configuration for one server.
pub(super) struct Starter<'a> {
    pub(super) integration: &'a str,
    pub(super) principal: &'a str,
    pub(super) component: &'a str,
    /// Digest of the component, if it is there.
    pub(super) digest: Option<Digest>,
    pub(super) command: &'a [String],
    pub(super) tools_file: &'a str,
    pub(super) tools: &'a [Tool],
}

impl Starter<'_> {
    pub(super) fn to_toml(&self) -> String {
        let Self {
            integration,
            principal,
            component,
            tools_file,
            ..
        } = self;
        let principal = quoted(principal);
        let digest = self.digest.map_or_else(
            || "# digest = \"sha256:…\"  # `portcullis check` prints it\n".to_owned(),
            |digest| format!("digest = \"{digest}\"\n"),
        );
        let component = quoted(component);
        let command: Vec<_> = self.command.iter().map(|word| quoted(word)).collect();
        let command = command.join(", ");
        let classes: String = self.tools.iter().map(class).collect();
        let rules: String = self.tools.iter().map(rule).collect();
        format!(
            r#"# The gate in front of the MCP server `{integration}`, written by `portcullis mcp init`.
#
# Everything is closed: no call is permitted until its rule below is opened. `portcullis check` checks this file.

[log]
path = "decisions.jsonl"

[mcp]
# The agent. Over standard input and output, nothing proves who it is.
principal = {principal}
# The intent that was approved for the agent's task. With `[intents]` and this, a call needs both a rule here and an
# allowance there. `portcullis intent draft --said` drafts one from the user's own words.
# intent = "int-1"

[[mcp.server]]
integration = "{integration}"
command = [{command}]
# The approved definitions of its tools. A tool that is not in this file, or is defined otherwise, is denied.
# `portcullis mcp pin` compares and approves them.
tools = "{tools_file}"
# Requests of the server to the client: "elicitation/create", "roots/list", "sampling/createMessage".
from-server = []

[[integration]]
name = "{integration}"

# The class of each tool, guessed from its name and its arguments. Correct those that are wrong: a class decides what
# an intent has to say, and what an integration of little trust may do. A tool that is not here has the strictest class.
[integration.actions]
{classes}
[[integration.plugin]]
component = {component}
{digest}
# A rule for no tool, since the plugin needs one. Take it away once another is open.
[[integration.plugin.settings.tools]]
tool = "no-tool-is-open"

# Rules. To open a tool, take away the first `#` of each of its lines, and say which values its arguments may have.
{rules}"#
        )
    }
}

/// The class of a tool, with the reason as a comment.
fn class(tool: &Tool) -> String {
    let (class, why) = class_of(tool);
    format!("{} = \"{}\"  # {why}\n", quoted(&tool.name), class.as_str())
}

/// The rule of a tool, as a comment.
fn rule(tool: &Tool) -> String {
    let mut lines = vec![String::new()];
    let description = tool.description.split_whitespace().collect::<Vec<_>>();
    let description = printable(&description.join(" "));
    let short: String = description.chars().take(MAX_DESCRIPTION).collect();
    if !short.is_empty() {
        let more = if short.len() < description.len() {
            " …"
        } else {
            ""
        };
        lines.push(format!("# {short}{more}"));
    }
    lines.push("# [[integration.plugin.settings.tools]]".to_owned());
    lines.push(format!("# tool = {}", quoted(&tool.name)));
    let names: Vec<_> = tool.arguments.iter().map(|it| quoted(&it.name)).collect();
    lines.push(format!("# only-arguments = [{}]", names.join(", ")));
    for (key, is_required) in [("arguments", true), ("optional-arguments", false)] {
        let arguments = tool
            .arguments
            .iter()
            .filter(|it| it.is_required == is_required);
        let bounds: Vec<_> = arguments.filter_map(bound).collect();
        if !bounds.is_empty() {
            lines.push(format!("# {key} = [{}]", bounds.join(", ")));
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

/// A bound of an argument that says who or where: the user said it.
fn bound(argument: &Argument) -> Option<String> {
    if !matches!(argument.role, Role::Target | Role::Link | Role::Record) {
        return None;
    }
    let path = quoted(&format!("/{}", escape_key(&argument.name)));
    Some(format!(
        "{{ path = {path}, op = \"origin-is\", value = [\"user\"] }}"
    ))
}

/// A text of TOML. JSON's are the same, but for the one character that TOML has to have escaped.
fn quoted(text: &str) -> String {
    let json: Value = json!(text);
    json.to_string().replace('\u{7f}', "\\u007f")
}
