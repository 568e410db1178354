//! `portcullis bench`: measures the cost of an operator's own requests.

mod measure;
mod render;

use crate::exit::Exit;
use crate::output::{self, shown_of_request};
use crate::period::period;
use crate::requests::{From, Input};
use crate::{Format, check};
use anyhow::{Context as _, ensure};
use measure::{Latency, Outcomes, PluginCost, Throughput};
use portcullis_host::{Pdp, Timestamp, config, counted};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

/// Measure the cost of decisions: your configuration, your requests, this machine.
///
/// Each request is repeatedly read from JSON, decided with every check and plugin, and written as JSON.
/// Nothing is enforced, recorded or spent. Then the instructions of plugins are counted, which are the same
/// on every machine.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration.
    #[arg(long, default_value = "portcullis.toml")]
    config: PathBuf,
    /// The request or requests, each beginning on a line of its own; `-` is standard input.
    #[arg(long, default_value = "-")]
    requests: PathBuf,
    /// The format of a request. By default it is detected: an MCP request has `integration`, `principal` and
    /// `message`.
    #[arg(long, value_enum)]
    from: Option<From>,
    /// The time to decide at, as in RFC 3339. By default the system's clock.
    #[arg(long)]
    now: Option<Timestamp>,
    /// The duration of the measurement for each number of threads.
    #[arg(long = "for", default_value = "2s", value_parser = period)]
    time: Duration,
    /// The maximum number of threads. By default as many as the machine runs at once.
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// Fail if the 99th percentile is longer, such as `50us`.
    #[arg(long, value_parser = period)]
    max_p99: Option<Duration>,
    /// Fail if a plugin runs more instructions for a request.
    #[arg(long)]
    max_instructions: Option<u64>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// A request, which is parsed for each decision.
struct Document {
    json: Vec<u8>,
    from: From,
    /// True if it reaches a plugin.
    is_asked: bool,
}

/// The measurements and their gates.
struct Measured<'a> {
    args: &'a Args,
    requests: usize,
    outcomes: Outcomes,
    latency: Latency,
    throughput: Vec<Throughput>,
    plugins: Vec<PluginCost>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    ensure!(
        !args.time.is_zero(),
        "`--for` must be longer than zero, such as `2s`"
    );
    let Some(pdp) = check::load(&args.config) else {
        return Ok(Exit::Invalid);
    };
    let Some(mut documents) = read(args, &pdp)? else {
        return Ok(Exit::Invalid);
    };
    let Some(metered) = config::check_metered(&args.config).pdp else {
        return Ok(Exit::Invalid);
    };
    let threads = args
        .threads
        .map_or_else(std::thread::available_parallelism, Ok)
        .context("the number of processors is not known: state `--threads`")?;
    let now = args.now.unwrap_or_else(Timestamp::now);
    let outcomes = Outcomes::of(&pdp, &mut documents, now);

    let stages = measure::thread_counts(threads.get());
    let bar = render::progress(args.time, stages.len() + 1);
    let latency = measure::latency(&pdp, &documents, now, args.time, &bar);
    let throughput = stages
        .into_iter()
        .map(|threads| measure::throughput(&pdp, &documents, now, threads, args.time, &bar))
        .collect();
    bar.finish_and_clear();
    let measured = Measured {
        args,
        requests: documents.len(),
        outcomes,
        latency,
        throughput,
        plugins: measure::plugins(&metered, &documents, now),
    };
    match args.format {
        Format::Human => render::human(&measured)?,
        Format::Json => output::json(&render::json(&measured))?,
    }
    let missed = measured.missed();
    for gate in &missed {
        output::error(gate);
    }
    Ok(match missed.is_empty() {
        true => Exit::Success,
        false => Exit::GateFailed,
    })
}

/// Reads the requests. If one is invalid, it reports it and returns `None`.
fn read(args: &Args, pdp: &Pdp) -> anyhow::Result<Option<Vec<Document>>> {
    let limits = pdp.request_limits();
    let mut input = Input::open(&args.requests)?;
    let mut documents = Vec::new();
    let mut readable = true;
    while let Some(json) = input.next(limits.bytes + 1)? {
        let from = From::of(args.from, &json);
        match from.and_then(|from| from.read(&json, Some(pdp)).map(|_| from)) {
            Ok(from) => documents.push(Document {
                json,
                from,
                is_asked: false,
            }),
            Err(error) => {
                readable = false;
                output::error(&format!(
                    "{}: {}",
                    input.place(),
                    shown_of_request(&error.to_string())
                ));
            }
        }
    }
    if documents.is_empty() && readable {
        output::error(&format!(
            "{}: there is no request in it: write one a line, such as those of a decision log",
            input.place()
        ));
    }
    Ok((readable && !documents.is_empty()).then_some(documents))
}

impl Measured<'_> {
    /// Returns the gates that failed, with the measured values.
    fn missed(&self) -> Vec<String> {
        let mut missed = Vec::new();
        let is_gated = self.args.max_p99.is_some() || self.args.max_instructions.is_some();
        if is_gated {
            missed.extend(self.outcomes.not_worth_measuring());
        }
        let p99 = self.latency.percentile_asked(99.0);
        if let Some(most) = self.args.max_p99.filter(|most| p99 > *most) {
            missed.push(format!(
                "the 99th percentile of decisions that reach a plugin is {}, more than `--max-p99` {}: the histogram shows whether all or a few take so long",
                render::time(p99),
                render::time(most)
            ));
        }
        if let Some(most) = self.args.max_instructions {
            for plugin in &self.plugins {
                let (integration, name) = (&plugin.integration, &plugin.name);
                match plugin.instructions.map(|it| it.most) {
                    Some(ran) if ran <= most => {}
                    Some(ran) => missed.push(format!(
                        "plugin `{name}` of `{integration}` runs {}, more than `--max-instructions {most}`: check its settings and the size of the request; `portcullis test` counts each case",
                        counted(ran, "instruction")
                    )),
                    None => missed.push(format!(
                        "the instructions of plugin `{name}` of `{integration}` could not be counted, because it faulted: counting takes longer, so set a longer deadline; or find the cause with `portcullis evaluate --explain`"
                    )),
                }
            }
        }
        missed
    }
}
