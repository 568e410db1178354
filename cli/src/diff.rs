//! `portcullis diff`.

use crate::decided_again::{self, Comparison, Count, Masked, settled};
use crate::exit::Exit;
use crate::file;
use crate::output::{self, shown_of_request};
use crate::requests::{From, Input};
use crate::{Format, check};
use portcullis_host::log::compare::{Compared, Turn, depends_on_machine};
use portcullis_host::{Decision, ListAsOf, Pdp, Timestamp};
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};

/// Show which decisions change from one configuration to another.
///
/// Every request is decided with both, as a dry run. Decisions are compared by effect, mode, cause, grant and
/// obligations, and those that changed alike are listed together, by causes, principal and action: newly
/// permitted requests first, then newly denied ones, then those with another grant, other obligations or another
/// cause.
///
/// With `--log`, the requests are those of a decision log, with their recorded times and inputs, such as
/// remaining uses. Masked values are compared as they are in the log; requests that carried signed intents or
/// could not be read are counted, and not decided. With `--requests`, each request is decided as of now.
///
/// Without `--no-new-permits`, differences do not fail the command.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration that decides now.
    old: PathBuf,
    /// The configuration that is to replace it.
    new: PathBuf,
    /// The requests of a decision log: its latest file; sealed ones beside it are found.
    #[arg(long, required_unless_present = "requests")]
    log: Option<PathBuf>,
    /// Requests in a file, each beginning on a line of its own, or in the `.json` and `.jsonl` files of a folder.
    #[arg(long, conflicts_with = "log")]
    requests: Option<PathBuf>,
    /// The format of a request. By default it is detected: an MCP request has `integration`, `principal` and
    /// `message`.
    #[arg(long, value_enum, requires = "requests")]
    from: Option<From>,
    /// The time to decide at, as in RFC 3339. By default the system's clock.
    #[arg(long, requires = "requests")]
    now: Option<Timestamp>,
    /// Evaluate requests of a log against the current revocation list, instead of the one at the time.
    #[arg(long, requires = "log")]
    revoked_since: bool,
    /// Fail if a request is newly permitted or no longer blocked, or if no request could be decided.
    #[arg(long)]
    no_new_permits: bool,
    /// Output format of differences.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// The comparison, and what decides about the gate.
#[derive(Default)]
struct Diff {
    comparison: Comparison,
    compared: u64,
    new_permits: u64,
    /// Requests of which it is unknown if they are newly permitted, because the machine decided.
    unknown: u64,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let mut diff = Diff::default();
    let done = match (&args.log, &args.requests) {
        (Some(log), _) => of_log(args, log, &mut diff)?,
        (None, requests) => of_requests(args, requests.as_deref(), &mut diff)?,
    };
    let (exit, counts) = match done {
        Ok(done) => done,
        Err(exit) => return Ok(exit),
    };
    diff.comparison.print(args.format, &counts)?;
    let mut failed = Vec::new();
    match (diff.compared, diff.new_permits) {
        (0, _) => failed.push("no request could be decided, so nothing is known".to_owned()),
        (_, 0) => {}
        (_, count) => failed.push(format!("{count} newly permitted or no longer blocked")),
    }
    if diff.unknown > 0 {
        failed.push(format!(
            "{} whose new decision depends on the machine, so it may be a permit: try again on a machine with more time",
            diff.unknown
        ));
    }
    if !args.no_new_permits || failed.is_empty() {
        return Ok(exit);
    }
    output::error(&format!("`--no-new-permits`: {}", failed.join("; ")));
    Ok(exit.max(Exit::GateFailed))
}

/// The exit code so far, and the counts for the summary.
type Done = Result<(Exit, Vec<Count>), Exit>;

/// Compares the decisions on the requests of a log.
fn of_log(args: &Args, log: &Path, diff: &mut Diff) -> anyhow::Result<Done> {
    let (Some(old), Some(new)) = (check::load(&args.old), check::load(&args.new)) else {
        return Ok(Err(Exit::Invalid));
    };
    let list = match args.revoked_since {
        true => ListAsOf::Now,
        false => ListAsOf::Then,
    };
    let read = decided_again::recorded(log, Masked::AsRecorded, |recorded| {
        let before = recorded.decide(&old, list);
        let after = recorded.decide(&new, list);
        let decided = recorded.decided;
        diff.add(&decided.id, &decided.request, &before, &after);
        Ok(())
    })?;
    Ok(read.map(|read| (Exit::Success, read.counts().into())))
}

/// A request of a file, with the decision of the old configuration.
struct Decided {
    place: String,
    document: Vec<u8>,
    /// The request, as an AuthZEN evaluation; `Null` if it could not be read.
    request: Value,
    before: Value,
}

/// Compares the decisions on the requests of a file or a folder.
///
/// The old configuration has decided all of them before the new one is read: both may name the same state, which
/// only one can have open.
fn of_requests(args: &Args, requests: Option<&Path>, diff: &mut Diff) -> anyhow::Result<Done> {
    let requests = requests.unwrap_or(Path::new("-"));
    let now = args.now.unwrap_or_else(Timestamp::now);
    let files = files(requests).map_err(|error| file::cannot_read(requests, &error))?;
    let mut decided = Vec::new();
    {
        let Some(old) = check::load(&args.old) else {
            return Ok(Err(Exit::Invalid));
        };
        // One byte more than the limit, so that the reader reports a request that is too long.
        let most = old.request_limits().bytes.max(MOST_BYTES) + 1;
        for file in files {
            let mut input = Input::open(&file)?;
            while let Some(document) = input.next(most)? {
                // The place of a request names its line if there are several.
                input.look_ahead(most)?;
                let (request, before) = decide(args, &old, &document, now);
                decided.push(Decided {
                    place: input.place(),
                    document,
                    request,
                    before,
                });
            }
        }
    }
    let Some(new) = check::load(&args.new) else {
        return Ok(Err(Exit::Invalid));
    };
    let mut exit = Exit::Success;
    if decided.is_empty() {
        output::error(&format!(
            "{}: there is no request in it",
            shown_of_request(&requests.display().to_string())
        ));
        exit = Exit::Invalid;
    }
    for Decided {
        place,
        document,
        request,
        before,
    } in decided
    {
        let (also, after) = decide(args, &new, &document, now);
        if request.is_null() && also.is_null() {
            let why = before.pointer("/context/detail").and_then(Value::as_str);
            output::error(&shown_of_request(&format!(
                "{place}: {}",
                why.unwrap_or_default()
            )));
            exit = Exit::Invalid;
            continue;
        }
        let request = if request.is_null() { also } else { request };
        diff.add(&place, &request, &before, &after);
    }
    Ok(Ok((exit, Vec::new())))
}

/// Largest request that any configuration may allow.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// The files of requests at a path: itself, or those of a folder by name.
fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let file = entry?.path();
        let extension = file.extension().and_then(|it| it.to_str());
        if matches!(extension, Some("json" | "jsonl")) {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// Reads and decides a request, and returns both in the form of the log.
fn decide(args: &Args, pdp: &Pdp, document: &[u8], now: Timestamp) -> (Value, Value) {
    let from = From::of(args.from, document);
    match from.and_then(|from| from.read(document, Some(pdp))) {
        Err(error) => (Value::Null, Decision::invalid(&error).replayable()),
        Ok(request) => {
            let decision = settled(|| pdp.evaluate_at(&request, now).replayable());
            (request.to_authzen(), decision)
        }
    }
}

impl Diff {
    fn add(&mut self, name: &str, request: &Value, before: &Value, after: &Value) {
        let of_machine = (depends_on_machine(before), depends_on_machine(after));
        self.compared += 1;
        match (Turn::of(before, after), of_machine) {
            (turn, _) if turn.is_wider() => self.new_permits += 1,
            (Turn::Deny, (false, true)) => self.unknown += 1,
            _ => {}
        }
        self.comparison.add(&Compared {
            name,
            request,
            before,
            after,
            depends_on_machine: of_machine.0 || of_machine.1,
        });
    }
}
