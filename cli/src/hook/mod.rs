//! `portcullis hook`: decides the tool calls of a coding agent, as a hook that it runs.

mod event;

use crate::exit::Exit;
use crate::file::cannot_read;
use crate::output;
use anyhow::{Context as _, bail};
use event::{Call, Event, Format, Moment};
use portcullis_host::{Digest, RequestLimits, printable};
use portcullis_server::Remote;
use serde_json::{Value, json};
use std::fs;
use std::io::Read as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Decide the tool calls of a coding agent, as a hook that it runs for its events.
///
/// It reads one event as JSON on standard input, and asks a server (`portcullis serve`). The user's prompt opens a session
/// or adds to it; a tool's result is shown to the session; a call of a tool is decided with the origins of its arguments.
/// Whatever it cannot read or decide is blocked: it exits with 2, which the agents take for a block.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The agent whose events these are.
    #[arg(long, value_enum)]
    format: Format,
    /// The server.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8181")]
    serve: String,
    /// A file with the token of the front end that this hook is: `[[sessions.front-end]]`. The agent must not read it.
    #[arg(long, value_name = "FILE")]
    front_end: PathBuf,
    /// A file with the token of the enforcement point that this hook is: `[[serve.pep]]`.
    #[arg(long, value_name = "FILE")]
    token: Option<PathBuf>,
    /// The authorities of the server's certificate, in PEM.
    #[arg(long, value_name = "FILE")]
    authorities: Option<PathBuf>,
    /// The agent's SPIFFE ID.
    #[arg(long, value_name = "ID")]
    principal: String,
    /// The agent's intent.
    #[arg(long, value_name = "ID")]
    intent: Option<String>,
    /// The integration of the agent's own tools. A tool of an MCP server is one of the integration with the server's name.
    #[arg(long, value_name = "NAME", default_value = "agent")]
    integration: String,
    /// The integration of an MCP server that the agent names by its URL or its command, as Cursor does. May be repeated.
    #[arg(long, num_args = 2, value_names = ["URL-OR-COMMAND", "NAME"])]
    server: Vec<String>,
    /// A folder for the handles of sessions. The agent must not read it.
    #[arg(long, value_name = "FOLDER")]
    sessions: PathBuf,
}

/// Maximum size of an event, in bytes.
const LARGEST: usize = 16 * 1024 * 1024;

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let answered = answer(args).and_then(|answer| Ok(output::line(&answer.to_string())?));
    match answered {
        Ok(()) => Ok(Exit::Success),
        // The exit code with which the agents block.
        Err(error) => {
            output::error(&printable(&portcullis_host::withheld(&format!(
                "{error:#}"
            ))));
            Ok(Exit::Deny)
        }
    }
}

fn answer(args: &Args) -> anyhow::Result<Value> {
    let mut document = Vec::new();
    let most = u64::try_from(LARGEST).unwrap_or(u64::MAX);
    std::io::stdin()
        .take(most + 1)
        .read_to_end(&mut document)
        .context("cannot read the event")?;
    let limits = RequestLimits {
        bytes: LARGEST,
        ..RequestLimits::default()
    };
    let event = Event::read(args.format, &document, &limits).context("the event cannot be read")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    runtime.block_on(Hook { args }.on(&event))
}

/// One run for one event.
struct Hook<'a> {
    args: &'a Args,
}

impl Hook<'_> {
    async fn on(&self, event: &Event) -> anyhow::Result<Value> {
        let format = self.args.format;
        match &event.moment {
            Moment::Prompt(text) => {
                self.hear(event, text).await?;
                Ok(format.goes_on())
            }
            Moment::Before(call) => {
                let remote = self.server()?;
                let remote = in_session(remote, self.handle(event)?)?;
                let evaluation = self.evaluation(call)?.to_string();
                let answer = remote
                    .post("/access/v1/evaluation", evaluation.as_bytes())
                    .await;
                let answer = answer.map_err(|why| anyhow::anyhow!("{why}"))?;
                let answer: Value = serde_json::from_slice(&answer)?;
                if answer.get("decision") == Some(&Value::Bool(true))
                    || answer.pointer("/context/mode") == Some(&Value::from("observe"))
                {
                    if let Some(seen) = &call.seen {
                        self.observe(&remote, call, seen).await?;
                    }
                    return Ok(format.permits());
                }
                Ok(format.denies(&reason(&answer)))
            }
            Moment::After(call, result) => {
                let remote = in_session(self.server()?, self.handle(event)?)?;
                self.observe(&remote, call, result).await?;
                Ok(json!({}))
            }
            Moment::End => {
                if let Some(handle) = self.handle(event)? {
                    let close = json!({ "session": handle });
                    self.front_end()?
                        .post("/sessions/v1/close", close.to_string().as_bytes())
                        .await
                        .map_err(|why| anyhow::anyhow!("{why}"))?;
                    fs::remove_file(self.file(event)).context("cannot forget the session")?;
                }
                Ok(json!({}))
            }
            Moment::Other => Ok(json!({})),
        }
    }

    /// Opens the session with the user's words, or adds them.
    async fn hear(&self, event: &Event, text: &str) -> anyhow::Result<()> {
        let front_end = self.front_end()?;
        if let Some(handle) = self.handle(event)? {
            let say = json!({ "session": handle, "said": [text] }).to_string();
            if front_end
                .post("/sessions/v1/say", say.as_bytes())
                .await
                .is_ok()
            {
                return Ok(());
            }
            // The server closed it, or was started again: what was seen is gone, and nothing is permitted for it.
        }
        let mut open = json!({ "principal": self.args.principal, "said": [text] });
        if let (Some(intent), Some(open)) = (&self.args.intent, open.as_object_mut()) {
            open.insert("intent".to_owned(), Value::from(intent.as_str()));
        }
        let opened = front_end
            .post("/sessions/v1/open", open.to_string().as_bytes())
            .await
            .map_err(|why| anyhow::anyhow!("{why}"))?;
        let opened: Value = serde_json::from_slice(&opened)?;
        let Some(handle) = opened.get("session").and_then(Value::as_str) else {
            bail!("the server opened no session");
        };
        let file = self.file(event);
        fs::create_dir_all(&self.args.sessions)
            .with_context(|| format!("cannot make {}", self.args.sessions.display()))?;
        write_secret(&file, handle).with_context(|| format!("cannot write {}", file.display()))
    }

    async fn observe(&self, remote: &Remote, call: &Call, result: &Value) -> anyhow::Result<()> {
        let shown = json!({ "evaluation": self.evaluation(call)?, "result": result });
        let shown = shown.to_string();
        let observed = remote.post("/sessions/v1/observe", shown.as_bytes()).await;
        observed.map(drop).map_err(|why| anyhow::anyhow!("{why}"))
    }

    /// The integration and the action that a call is.
    fn named<'c>(&'c self, call: &'c Call) -> anyhow::Result<(&'c str, &'c str)> {
        if let Some(server) = &call.server {
            let mut known = self.args.server.chunks(2);
            let found = known.find_map(|pair| match pair {
                [named, integration] if named == server => Some(integration.as_str()),
                _ => None,
            });
            return match found {
                Some(integration) => Ok((integration, &call.tool)),
                None => bail!("the server `{server}` has no integration: name it with `--server`"),
            };
        }
        let of_claude = call.tool.strip_prefix("mcp__").map(|rest| (rest, "__"));
        let of_cursor = call.tool.strip_prefix("MCP:").map(|rest| (rest, ":"));
        let Some((rest, between)) = of_claude.or(of_cursor) else {
            return Ok((&self.args.integration, &call.tool));
        };
        match rest.split_once(between) {
            // A server `a` with the tool `b__c` has the same name as a server `a__b` with the tool `c`.
            Some((server, tool))
                if !tool.contains(between) && !tool.starts_with('_') && !server.ends_with('_') =>
            {
                Ok((server, tool))
            }
            _ => bail!(
                "the server and the tool in `{}` cannot be told apart",
                call.tool
            ),
        }
    }

    /// The AuthZEN evaluation of a call.
    fn evaluation(&self, call: &Call) -> anyhow::Result<Value> {
        let (integration, action) = self.named(call)?;
        let arguments = &call.arguments;
        let mut context = json!({ "integration": integration });
        if let (Some(intent), Some(context)) = (&self.args.intent, context.as_object_mut()) {
            context.insert("intent".to_owned(), json!({ "id": intent }));
        }
        Ok(json!({
            "subject": { "type": "agent", "id": self.args.principal },
            "action": { "name": action, "properties": arguments },
            "resource": { "type": "mcp-server", "id": integration },
            "context": context,
        }))
    }

    fn server(&self) -> anyhow::Result<Remote> {
        self.remote(self.args.token.as_deref())
    }

    fn front_end(&self) -> anyhow::Result<Remote> {
        self.remote(Some(&self.args.front_end))
    }

    fn remote(&self, token: Option<&Path>) -> anyhow::Result<Remote> {
        let token = match token {
            None => None,
            Some(file) => {
                let text = fs::read_to_string(file).map_err(|error| cannot_read(file, &error))?;
                Some(text.trim().to_owned())
            }
        };
        let authorities = self.args.authorities.as_deref();
        Remote::new(&self.args.serve, token.as_deref(), authorities)
            .map_err(|why| anyhow::anyhow!("{why}"))
    }

    /// The handle of the event's session, if it is known.
    fn handle(&self, event: &Event) -> anyhow::Result<Option<String>> {
        let file = self.file(event);
        match fs::read_to_string(&file) {
            Ok(handle) => Ok(Some(handle)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(cannot_read(&file, &error)),
        }
    }

    fn file(&self, event: &Event) -> PathBuf {
        let name = Digest::of(event.session.as_bytes()).to_string();
        self.args.sessions.join(name.replace(':', "-"))
    }
}

/// Asks in a session. Without one, origins are those of a session that has seen nothing.
fn in_session(remote: Remote, handle: Option<String>) -> anyhow::Result<Remote> {
    let handle = handle.unwrap_or_else(|| "none".to_owned());
    remote
        .in_session(&handle)
        .map_err(|why| anyhow::anyhow!("{why}"))
}

/// The reason of a denial, for the agent and its user.
fn reason(answer: &Value) -> String {
    let text = |at: &str| answer.pointer(at).and_then(Value::as_str);
    let cause = text("/context/cause").unwrap_or("denied");
    let detail = text("/context/detail").unwrap_or("the request is not permitted");
    let id = text("/context/id").map_or_else(String::new, |id| format!(" (decision {id})"));
    printable(&format!("denied, {cause}: {detail}{id}"))
}

fn write_secret(file: &Path, text: &str) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(file)?.write_all(text.as_bytes())
}
