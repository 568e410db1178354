//! The gate in front of MCP servers, hooks of coding agents, and the sessions that they share.

mod hook;
mod http;
mod init;
mod peers;
mod scripted;
mod sessions;
mod stdio;
mod transport;

use crate::common::{Folder, cache};
use portcullis_tests::guests;
use serde_json::{Value, json};

const AGENT: &str = "spiffe://acme.example/agent/desk";
/// The account of the user's landlord, and that of an attacker.
const LANDLORD: &str = "DE89370400440532013000";
const ATTACKER: &str = "GB82WEST12345698765432";
const SAID: &str = "Please pay the rent again, as last month.";

/// Tokens of a front end and of an enforcement point.
const FRONT_END: &str = "f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0";
const PEP: &str = "e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1";

/// A folder with the integrations `bank` and `mail`, an intent to pay the rent, and these sections.
fn bank(sections: &str) -> Folder {
    let folder = Folder::new();
    folder.write("mcp-tools.wasm", guests::plugin("mcp-tools").unwrap());
    folder.write("said.txt", SAID);
    folder.write("front-end.token", FRONT_END);
    folder.write("pep.token", PEP);
    let integration = |name: &str, actions: &str| {
        format!(
            "[[integration]]\nname = \"{name}\"\nactions = {{ {actions} }}\n[[integration.plugin]]\ncomponent = \"mcp-tools.wasm\"\nsettings = {{ tools = [{{ tool = \"**\" }}] }}\n"
        )
    };
    let config = format!(
        "{}\nlimits = {{ deadline = \"5s\" }}\nlog = {{ path = \"decisions.jsonl\" }}\nintents = {{ path = \"intents\" }}\n{sections}\n{}{}",
        cache(),
        integration(
            "bank",
            "list_payments = \"read\", send_money = \"exfiltration\""
        ),
        integration(
            "mail",
            "read_inbox = \"read\", send_mail = \"exfiltration\""
        ),
    );
    folder.write("portcullis.toml", config);
    folder.write("intents/int-1.json", intent().to_string());
    folder
}

fn intent() -> Value {
    let allows = |integration: &str, action: &str| json!({ "integration": integration, "action": action, "resource": "**", "arguments": {} });
    json!({
        "id": "int-1", "purpose": "pay the rent", "principal": AGENT,
        "approved-by": { "who": "alice@acme.example", "at": "2026-11-26T08:55:00Z" },
        "issued-at": "2026-11-26T09:00:00Z", "expires-at": "2099-01-01T00:00:00Z",
        "allows": [
            allows("bank", "list_payments"),
            allows("mail", "read_inbox"),
            {
                "integration": "bank", "action": "send_money", "resource": "**",
                "arguments": { "required": ["/recipient", "/amount"], "optional": ["/subject"] },
                "constraints": [{ "path": "/recipient", "op": "origin-is", "value": [
                    "user", "tool:list_payments#/*/recipient", "tool:list_payments#/*/*/recipient",
                    "tool:list_payments#/result/*/recipient",
                ] }],
            },
        ],
    })
}

/// Section `[mcp]` with the agent and its intent, and these servers.
fn agent(servers: &str) -> String {
    format!("[mcp]\nprincipal = \"{AGENT}\"\nintent = \"int-1\"\n{servers}")
}

/// Sections for a front end, and an enforcement point that relays and shows results.
const FRONT_END_AND_PEP: &str = r#"
[[sessions.front-end]]
id = "desk"
token-file = "front-end.token"
[[serve.pep]]
id = "relay"
token-file = "pep.token"
integrations = ["bank", "mail"]
vouches-for = ["principal", "origins"]
"#;
