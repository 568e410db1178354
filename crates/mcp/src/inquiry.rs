//! Asks a server's process for its tools, as a client of version 2025-11-25 does.

use serde_json::{Value, json};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::time::timeout;

/// Time that a server has to start, and for each answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Maximum number of pages of a list.
const MAX_PAGES: usize = 100;
/// Maximum size of a line, in bytes.
const MAX_LINE: u64 = 16 * 1024 * 1024;

/// The tools that a server lists.
///
/// # Errors
///
/// The reason why there is no list.
pub async fn tools(mut server: Child) -> io::Result<Vec<Value>> {
    let (Some(to), Some(from)) = (server.stdin.take(), server.stdout.take()) else {
        return Err(io::Error::other(
            "the server has no standard input or output",
        ));
    };
    let mut asked = Asked {
        to,
        from: BufReader::new(from),
        last: 0,
    };
    let initialize = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": { "name": "portcullis", "version": env!("CARGO_PKG_VERSION") },
    });
    asked.ask("initialize", initialize).await?;
    asked
        .send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))
        .await?;
    let mut tools = Vec::new();
    let mut params = json!({});
    for _ in 0..MAX_PAGES {
        let result = asked.ask("tools/list", params).await?;
        let page = result.get("tools").and_then(Value::as_array);
        tools.extend(page.into_iter().flatten().cloned());
        match result.get("nextCursor").and_then(Value::as_str) {
            Some(cursor) => params = json!({ "cursor": cursor }),
            None => {
                drop(asked);
                // It is killed when it is dropped, if it does not end.
                let _ = timeout(Duration::from_secs(2), server.wait()).await;
                return Ok(tools);
            }
        }
    }
    Err(io::Error::other(format!(
        "the server's list of tools has more than {MAX_PAGES} pages"
    )))
}

struct Asked {
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    last: u64,
}

impl Asked {
    async fn send(&mut self, message: &Value) -> io::Result<()> {
        let mut line = message.to_string();
        line.push('\n');
        let written = async {
            self.to.write_all(line.as_bytes()).await?;
            self.to.flush().await
        };
        // Its kind would be that of a reader of the command who is gone.
        written.await.map_err(|error| {
            io::Error::other(format!("the server ended before it was asked: {error}"))
        })
    }

    /// The result of a request. What the server says besides is passed over.
    async fn ask(&mut self, method: &str, params: Value) -> io::Result<Value> {
        use tokio::io::AsyncReadExt as _;
        self.last += 1;
        let id = self.last;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
            .await?;
        loop {
            let mut line = Vec::new();
            let mut bounded = (&mut self.from).take(MAX_LINE);
            let read = timeout(PATIENCE, bounded.read_until(b'\n', &mut line));
            let read = read.await.map_err(|_| {
                io::Error::other(format!(
                    "the server does not answer `{method}` within {PATIENCE:?}"
                ))
            })??;
            if read == 0 {
                return Err(io::Error::other(format!(
                    "the server ended before it answered `{method}`"
                )));
            }
            let Ok(message) = serde_json::from_slice::<Value>(&line) else {
                continue;
            };
            if message.get("id") != Some(&json!(id)) {
                continue;
            }
            if let Some(error) = message.get("error") {
                return Err(io::Error::other(format!(
                    "the server answers `{method}` with an error: {error}"
                )));
            }
            return Ok(message.get("result").cloned().unwrap_or_default());
        }
    }
}
