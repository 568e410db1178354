//! AuthZEN over HTTP with keep-alive: beside the library alone, beside nginx, and with a log on disk.

use super::figure::{Figure, median};
use super::load::{CONNECTIONS, ROUNDS, Script};
use super::process::{Running, output};
use super::server::{BODY, Durability, EVALUATION, Server, client, decision, site};
use super::tools::{nginx, wrk};
use super::{Bench, disk};
use anyhow::ensure;
use serde::Deserialize;
use std::net::TcpListener;
use std::path::Path;

/// Median time of `fsync` from which the row about it counts, in milliseconds.
const SLOW_ENOUGH: f64 = 0.1;

/// Decisions of the library alone.
#[derive(Deserialize)]
struct Alone {
    permits: f64,
    seconds: f64,
}

/// The server beside the decisions of the library alone, and beside nginx with a fixed answer.
pub(super) fn beside_the_library_and_nginx(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    wrk()?;
    let (own, other) = (
        site(bench, "authzen", Durability::Buffered)?,
        site(bench, "alone", Durability::Buffered)?,
    );
    let server = Server::pinned(bench, own.path())?;
    let fixed = decision(&client(), &server)?;
    let script = Script::post(&own, BODY)?;
    let peer = match nginx() {
        Ok(program) => Some(Nginx::start(bench, &program, own.path(), &fixed)?),
        Err(error) => {
            eprintln!("    skipped: authzen / nginx: {error}");
            None
        }
    };
    let url = format!("{}{EVALUATION}", server.url);
    let before = server.counted()?;
    let (mut served, mut alone, mut of_nginx) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        served.push(script.per_second(bench, &url)?);
        alone.push(library(bench, other.path())?);
        if let Some(peer) = &peer {
            of_nginx.push(script.per_second(bench, &peer.url)?);
        }
    }
    let faults = server.not_permitted(before)? * 1e6;
    let ratio = |peer: &[f64]| {
        let ratios = served.iter().zip(peer).map(|(ours, theirs)| ours / theirs);
        median(ratios.collect())
    };
    let conditions = format!(
        "{CONNECTIONS} connections, bodies of {} and {} bytes, {faults:.0} of a million decisions not permitted",
        BODY.len(),
        fixed.len()
    );
    let (ours, alone_median) = (median(served.clone()), median(alone.clone()));
    let mut figures = vec![
        Figure::at_least(
            "AuthZEN over HTTP, buffered log / the library alone, recorded",
            0.65,
            "",
            ratio(&alone),
        )
        .inputs(format!(
            "{ours:.0}, {alone_median:.0} a second; {conditions}"
        )),
    ];
    if peer.is_some() {
        let theirs = median(of_nginx.clone());
        figures.push(
            Figure::at_least(
                "AuthZEN over HTTP, buffered log / nginx with a fixed answer",
                0.25,
                "",
                ratio(&of_nginx),
            )
            .inputs(format!(
                "{ours:.0}, {theirs:.0} a second; {CONNECTIONS} connections, the same bodies"
            )),
        );
    }
    Ok(figures)
}

/// Decisions in a second that the library alone makes and records, on the processor of servers.
fn library(bench: &Bench, folder: &Path) -> anyhow::Result<f64> {
    let mut command = bench.cores.server(&bench.programs.peers);
    command.args(["alone", "portcullis.toml", "body.json"]);
    command.arg(bench.time.as_secs_f64().to_string());
    let said = output(command.current_dir(folder))?;
    let alone: Alone = serde_json::from_str(&said)?;
    ensure!(alone.permits > 0.0, "the library permitted nothing");
    Ok(alone.permits / alone.seconds)
}

/// nginx with one worker and a fixed answer, and without an access log.
struct Nginx {
    /// Stops it on drop.
    _running: Running,
    url: String,
}

impl Nginx {
    fn start(bench: &Bench, program: &Path, folder: &Path, answer: &str) -> anyhow::Result<Self> {
        // A `$` begins a variable of nginx, and cannot be written otherwise.
        ensure!(
            !answer.contains(['$', '\'', '\\']),
            "nginx cannot answer `{answer}`"
        );
        // The port is free until nginx takes it.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let here = folder.join("nginx");
        std::fs::create_dir_all(&here)?;
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("  {name}_temp_path {name};\n"))
            .concat();
        let config = format!(
            "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr warn;\n\
             events {{ worker_connections 512; }}\n\
             http {{\n  access_log off;\n  keepalive_requests 1000000000;\n{temporary}  server {{\n    listen {address};\n    \
             default_type application/json;\n    location / {{ return 200 '{answer}'; }}\n  }}\n}}\n"
        );
        let file = here.join("nginx.conf");
        std::fs::write(&file, config)?;
        let mut command = bench.cores.server(program);
        command.arg("-p").arg(&here).arg("-c").arg(&file);
        command.args(["-e", "stderr"]);
        let said = here.join("said.log");
        let mut running = Running::start("nginx", &mut command, said)?;
        let url = format!("http://{address}/");
        running.until("listening", |_| super::server::get(&url).ok())?;
        Ok(Self {
            _running: running,
            url,
        })
    }
}

/// A log that is on disk before the answer, beside one that is buffered.
pub(super) fn durable(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    wrk()?;
    let durable = site(bench, "fsync", Durability::Fsync)?;
    let buffered = site(bench, "buffered", Durability::Buffered)?;
    let own = disk::fsync_millis(durable.path())?;
    let servers = [
        Server::pinned(bench, durable.path())?,
        Server::pinned(bench, buffered.path())?,
    ];
    let script = Script::post(&durable, BODY)?;
    let before = [servers[0].counted()?, servers[1].counted()?];
    let (mut rates, mut ratios) = ([Vec::new(), Vec::new()], Vec::new());
    for _ in 0..ROUNDS {
        let mut round = [0.0; 2];
        for (server, rate) in servers.iter().zip(&mut round) {
            *rate = script.per_second(bench, &format!("{}{EVALUATION}", server.url))?;
        }
        ratios.push(round[0] / round[1]);
        for (rates, rate) in rates.iter_mut().zip(round) {
            rates.push(rate);
        }
    }
    for (server, before) in servers.iter().zip(before) {
        server.not_permitted(before)?;
    }
    let [durable_rates, buffered_rates] = rates;
    let fast = (own < SLOW_ENOUGH).then(|| {
        format!("`fsync` alone takes less than {SLOW_ENOUGH} ms: name a folder on a disk with `--folder`")
    });
    Ok(vec![
        Figure::at_least("AuthZEN over HTTP, `fsync` / buffered", 0.6, "", median(ratios))
            .inputs(format!(
                "{:.0}, {:.0} a second; {CONNECTIONS} connections; `fsync` of the file system alone {own:.2} ms at the median",
                median(durable_rates),
                median(buffered_rates)
            ))
            .void(fast),
    ])
}
