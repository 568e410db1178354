//! A gate over standard input and output: lines of the client on one side, a server's process on the other.

use crate::action::Action;
use crate::gate::Gate;
use futures_util::future::BoxFuture;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Time that a server has to end once its standard input is closed.
const PATIENCE: Duration = Duration::from_secs(5);

/// Lines that wait for a writer.
const WAITING: usize = 64;

/// Lines of the client that wait to be decided.
const READ_AHEAD: usize = 64;

/// Reason for the end of a relay.
#[derive(Debug)]
#[non_exhaustive]
pub enum Ended {
    /// The client closed its side, and the server ended then.
    ByClient,
    /// The server ended, or was ended for what it sent. Requests in flight were answered with errors.
    ByServer(String),
}

/// Starts a server's process. Its standard error is that of the gate.
///
/// # Errors
///
/// Those of the system.
pub fn start(mut command: Command) -> io::Result<Child> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

/// A decision point for messages: a [`Gate`] here, or one elsewhere.
pub trait Through: Send + Sync + 'static {
    /// Decides on a message of the client.
    fn client_sent<'a>(&'a self, raw: &'a [u8]) -> BoxFuture<'a, Vec<Action>>;

    /// Decides on a message of the server.
    fn server_sent<'a>(&'a self, raw: &'a [u8]) -> BoxFuture<'a, Vec<Action>>;

    /// Answers for a server that ended.
    fn server_ended<'a>(&'a self, why: &'a str) -> BoxFuture<'a, Vec<Action>>;

    /// Ends, when the connection did.
    fn closed(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    /// Tells the operator of a problem.
    fn note(&self, problem: &str);
}

impl Through for Gate {
    fn client_sent<'a>(&'a self, raw: &'a [u8]) -> BoxFuture<'a, Vec<Action>> {
        Box::pin(Self::client_sent(self, raw))
    }

    fn server_sent<'a>(&'a self, raw: &'a [u8]) -> BoxFuture<'a, Vec<Action>> {
        Box::pin(Self::server_sent(self, raw))
    }

    fn server_ended<'a>(&'a self, why: &'a str) -> BoxFuture<'a, Vec<Action>> {
        Box::pin(async { Self::server_ended(self, why) })
    }

    fn note(&self, problem: &str) {
        Self::note(self, problem);
    }
}

/// Relays lines between a client and a server's process until one of them ends.
///
/// A message of more than `max_message` bytes ends the relay if it is the server's, and is refused if it is the client's.
///
/// # Errors
///
/// Those of reading and writing.
pub async fn relay(
    gate: impl Through,
    mut server: Child,
    client_in: impl AsyncRead + Unpin + Send + 'static,
    client_out: impl AsyncWrite + Unpin + Send + 'static,
    max_message: usize,
) -> io::Result<Ended> {
    let (Some(server_in), Some(server_out)) = (server.stdin.take(), server.stdout.take()) else {
        return Err(io::Error::other(
            "the server has no standard input or output",
        ));
    };
    let gate = Arc::new(gate);
    let (to_client, from_gate) = mpsc::channel(WAITING);
    let client_writer = tokio::spawn(write(client_out, from_gate));
    let (to_server, from_gate) = mpsc::channel(WAITING);
    let server_writer = tokio::spawn(write(server_in, from_gate));
    let ways = Ways {
        to_client,
        to_server,
    };
    let mut of_client = tokio::spawn(client_lines(
        Arc::clone(&gate),
        BufReader::new(client_in),
        ways.clone(),
        max_message,
    ));
    let mut of_server = tokio::spawn(server_lines(
        Arc::clone(&gate),
        BufReader::new(server_out),
        ways.clone(),
        max_message,
    ));
    let ended = tokio::select! {
        read = &mut of_client => {
            read.map_err(io::Error::other)??;
            Ended::ByClient
        }
        why = &mut of_server => {
            of_client.abort();
            Ended::ByServer(why.map_err(io::Error::other)??)
        }
    };
    match ended {
        Ended::ByClient => {
            // Calls that were sent may still be answered: the server ends once its input is closed.
            let closed = async {
                let _ = ways.to_server.send(None).await;
                let _ = server_writer.await;
            };
            let _ = timeout(PATIENCE, closed).await;
            if timeout(PATIENCE, &mut of_server).await.is_err() {
                gate.note("the server did not end by itself, and is ended");
                of_server.abort();
            }
            server.start_kill().ok();
            let _ = timeout(PATIENCE, server.wait()).await;
            let closed = async {
                let _ = ways.to_client.send(None).await;
                let _ = client_writer.await;
            };
            let _ = timeout(PATIENCE, closed).await;
            let _ = timeout(PATIENCE, gate.closed()).await;
            Ok(Ended::ByClient)
        }
        Ended::ByServer(why) => {
            let status = timeout(PATIENCE, server.wait()).await;
            server.start_kill().ok();
            let why = match status {
                Ok(Ok(status)) => format!("{why}: {}", ended_with(status)),
                _ => why,
            };
            let answers = gate.server_ended(&why).await;
            let answered = async {
                for action in answers {
                    ways.carry(action).await;
                }
            };
            let _ = timeout(PATIENCE, answered).await;
            server_writer.abort();
            let closed = async {
                let _ = ways.to_client.send(None).await;
                let _ = client_writer.await;
            };
            let _ = timeout(PATIENCE, closed).await;
            let _ = timeout(PATIENCE, gate.closed()).await;
            Ok(Ended::ByServer(why))
        }
    }
}

fn ended_with(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("exit code {code}"),
        None => "by a signal".to_owned(),
    }
}

/// Queues of the messages to both sides. `None` closes a side.
#[derive(Clone)]
struct Ways {
    to_client: mpsc::Sender<Option<Vec<u8>>>,
    to_server: mpsc::Sender<Option<Vec<u8>>>,
}

impl Ways {
    /// Carries a message. What goes to a side that ended is lost.
    async fn carry(&self, action: Action) {
        let _ = match action {
            Action::ToServer(line) => self.to_server.send(Some(line)).await,
            Action::ToClient(line) => self.to_client.send(Some(line)).await,
        };
    }
}

async fn client_lines(
    gate: Arc<impl Through>,
    mut from: impl AsyncBufRead + Unpin,
    ways: Ways,
    max_message: usize,
) -> io::Result<()> {
    // Lines are read while others wait for a server that does not read, so that the end of the client is seen.
    let (read, mut lines) = mpsc::channel::<Line>(READ_AHEAD);
    let decided = async {
        while let Some(line) = lines.recv().await {
            // A longer line is cut one byte after the maximum, and refused by its length.
            for action in gate.client_sent(&line.bytes).await {
                ways.carry(action).await;
            }
        }
    };
    let ended = async {
        while let Some(line) = next(&mut from, max_message).await? {
            if read.send(line).await.is_err() {
                break;
            }
        }
        drop(read);
        Ok::<_, io::Error>(())
    };
    let mut decided = std::pin::pin!(decided);
    tokio::select! {
        ended = ended => {
            ended?;
            // What was read is decided, unless the server does not take it.
            let _ = timeout(PATIENCE, decided.as_mut()).await;
            Ok(())
        }
        () = decided.as_mut() => Ok(()),
    }
}

async fn server_lines(
    gate: Arc<impl Through>,
    mut from: impl AsyncBufRead + Unpin,
    ways: Ways,
    max_message: usize,
) -> io::Result<String> {
    while let Some(line) = next(&mut from, max_message).await? {
        if line.is_cut {
            return Ok(format!(
                "the server sent a message of more than {max_message} bytes"
            ));
        }
        for action in gate.server_sent(&line.bytes).await {
            ways.carry(action).await;
        }
    }
    Ok("the server ended".to_owned())
}

/// A line without its end.
struct Line {
    bytes: Vec<u8>,
    is_cut: bool,
}

/// Reads the next line that is not blank. Of a longer one than `most` bytes, the rest is skipped.
async fn next(from: &mut (impl AsyncBufRead + Unpin), most: usize) -> io::Result<Option<Line>> {
    let mut line = Line {
        bytes: Vec::new(),
        is_cut: false,
    };
    loop {
        let available = from.fill_buf().await?;
        if available.is_empty() {
            let is_over = line.bytes.trim_ascii().is_empty();
            return Ok((!is_over).then_some(line));
        }
        let (part, used, is_end) = match available.iter().position(|byte| *byte == b'\n') {
            Some(end) => (available.get(..end).unwrap_or_default(), end + 1, true),
            None => (available, available.len(), false),
        };
        let room = (most + 1).saturating_sub(line.bytes.len());
        line.bytes
            .extend_from_slice(part.get(..part.len().min(room)).unwrap_or_default());
        line.is_cut |= part.len() > room || line.bytes.len() > most;
        from.consume(used);
        if is_end {
            if line.bytes.trim_ascii().is_empty() {
                line.bytes.clear();
                continue;
            }
            return Ok(Some(line));
        }
    }
}

/// Writes lines until the side is closed.
async fn write(
    mut to: impl AsyncWrite + Unpin,
    mut lines: mpsc::Receiver<Option<Vec<u8>>>,
) -> io::Result<()> {
    while let Some(Some(mut line)) = lines.recv().await {
        line.push(b'\n');
        to.write_all(&line).await?;
        to.flush().await?;
    }
    to.shutdown().await
}
