//! A scripted agent with the Rust SDK of MCP. It reads, is denied a transfer, and makes its user's own.
//!
//! Its arguments are the version, `initialize` or `discover`, and the command of the server.

use anyhow::Context as _;
use rmcp::model::{CallToolRequestParams, ProtocolVersion};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt as _};
use serde_json::{Map, Value, json};
use std::process::Stdio;
use tokio::process::Command;

fn pay(to: &str) -> CallToolRequestParams {
    let mut arguments = Map::new();
    arguments.insert("recipient".to_owned(), Value::from(to));
    arguments.insert("amount".to_owned(), Value::from(980));
    CallToolRequestParams::new("send_money").with_arguments(arguments)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let lifecycle = match arguments.next().as_deref() {
        Some("discover") => ClientLifecycleMode::Discover {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        },
        _ => ClientLifecycleMode::Initialize,
    };
    let mut server = Command::new(arguments.next().context("no command")?)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let (Some(from), Some(to)) = (server.stdout.take(), server.stdin.take()) else {
        anyhow::bail!("no pipes");
    };
    let client = ().serve_with_lifecycle((from, to), lifecycle).await?;
    let tools = client.list_all_tools().await?;
    let tools: Vec<_> = tools.iter().map(|tool| tool.name.to_string()).collect();
    let list = CallToolRequestParams::new("list_payments").with_arguments(Map::new());
    client.call_tool(list).await?;
    let denied = client.call_tool(pay("US133000000121212121212")).await;
    let own = client.call_tool(pay("DE89370400440532013000")).await?;
    let seen = json!({
        "tools": tools,
        "denied": denied.err().map(|error| error.to_string()),
        "own": own,
    });
    println!("{seen}");
    client.cancel().await?;
    Ok(())
}
