//! `portcullis evaluate`: dry-runs decisions.

mod render;
mod session;

use crate::exit::Exit;
use crate::output::{self, shown_of_request};
use crate::requests::{From, Input};
use crate::secrets::request_has_token;
use crate::{Format, check};
use portcullis_host::{Check, Decision, Pdp, Request, Timestamp, json};
use serde::Serialize;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Decide requests as a gateway would, without enforcing anything.
///
/// For several requests, each beginning on a line of its own, it prints one decision a line.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration.
    #[arg(long, default_value = "portcullis.toml")]
    config: PathBuf,
    /// The request or requests; `-` is standard input.
    #[arg(long, default_value = "-")]
    request: PathBuf,
    /// The calls of one session of an agent, each decided with the origins of its arguments, computed from what the
    /// user said and the agent saw. Each line is `{"said": "…"}` or `{"request": {…}, "result": …}`;
    /// with `"approve": true`, the approver says yes to what may be asked.
    #[arg(long, conflicts_with = "request")]
    session: Option<PathBuf>,
    /// The format of a request. By default it is detected: an MCP request has `integration`, `principal` and
    /// `message`.
    #[arg(long, value_enum)]
    from: Option<From>,
    /// The time to decide at, as in RFC 3339. By default the system's clock.
    #[arg(long)]
    now: Option<Timestamp>,
    /// The output format of decisions.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Show every step of the decision, with its findings.
    #[arg(long)]
    explain: bool,
}

/// A request and its decision.
struct Case {
    request: Result<Request, json::Error>,
    decision: Decision,
    checks: Option<Vec<Check>>,
    time: Duration,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let Some(pdp) = check::load(&args.config) else {
        return Ok(Exit::Invalid);
    };
    if let Some(file) = &args.session {
        return session::run(args, &pdp, file);
    }
    let mut input = Input::open(&args.request)?;
    let mut exit = Exit::Success;
    let mut table = Vec::new();
    // One byte more than the limit, so that the reader reports a request that is too long.
    let most = pdp.request_limits().bytes + 1;
    while let Some(document) = input.next(most)? {
        // The human format prints one table at the end; the other formats print each decision at once.
        if args.format == Format::Human {
            input.look_ahead(most)?;
        }
        if request_has_token(&document) {
            output::warn_of_token(&input.place());
        }
        let case = decide(args, &pdp, &document);
        exit = exit.max(Exit::of(&case.decision));
        if let Err(error) = &case.request {
            // A part of the message is request-controlled.
            output::error(&format!(
                "{}: {}",
                input.place(),
                shown_of_request(&error.to_string())
            ));
        }
        match args.format {
            Format::Json => output::json(&ToJson(&case))?,
            Format::Human if input.is_batch() && !args.explain => table.push(case),
            Format::Human => render::one(&case)?,
        }
    }
    if !table.is_empty() {
        render::table(&table)?;
    }
    if input.is_empty() {
        output::error(&format!("{}: there is no request in it", input.place()));
        return Ok(Exit::Invalid);
    }
    Ok(exit)
}

fn decide(args: &Args, pdp: &Pdp, document: &[u8]) -> Case {
    let from = From::of(args.from, document);
    decided(
        args,
        pdp,
        from.and_then(|from| from.read(document, Some(pdp))),
    )
}

/// Decides a request that was read, or could not be.
fn decided(args: &Args, pdp: &Pdp, request: Result<Request, json::Error>) -> Case {
    let now = args.now.unwrap_or_else(Timestamp::now);
    let started = Instant::now();
    let (decision, checks) = match &request {
        Err(error) => (Decision::invalid(error), None),
        Ok(request) if args.explain => {
            let (decision, checks) = pdp.explain_at(request, now);
            (decision, Some(checks))
        }
        Ok(request) => (pdp.evaluate_at(request, now), None),
    };
    Case {
        request,
        decision,
        checks,
        time: started.elapsed(),
    }
}

/// The decision as an AuthZEN response, with the steps for `--explain`.
struct ToJson<'a>(&'a Case);

impl Serialize for ToJson<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Explained<'a> {
            #[serde(flatten)]
            decision: &'a Decision,
            checks: &'a [Check],
        }
        match &self.0.checks {
            None => self.0.decision.serialize(serializer),
            Some(checks) => Explained {
                decision: &self.0.decision,
                checks,
            }
            .serialize(serializer),
        }
    }
}
