//! Memory and threads after many requests, and after many reloads under load.

use super::figure::Figure;
use super::load::{CONNECTIONS, Script, answers};
use super::process::{PATIENCE, Running, Size};
use super::server::{BODY, Durability, EVALUATION, Server, client, config, site};
use super::tools::{h2load, wrk};
use super::{Bench, Site};
use anyhow::{Context as _, bail, ensure};
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// Requests, and reloads, of a whole measurement.
const REQUESTS: u32 = 1_000_000;
const RELOADS: u32 = 1_000;

/// Part of them that warms the server up before its size is taken.
const WARM: u32 = 10;

/// Growth of the resident memory after many requests.
pub(super) fn after_requests(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    h2load()?;
    let site = site(bench, "memory", Durability::Buffered)?;
    let server = Server::pinned(bench, site.path())?;
    let counted = server.counted()?;
    let requests = bench.part_of(REQUESTS);
    let body = site.path().join("body.json");
    let send = |requests: u32| {
        let (requests, connections) = (requests.to_string(), CONNECTIONS.to_string());
        let (requests, connections, file) = (&requests, &connections, body.to_string_lossy());
        let arguments = ["--h1", "-n", requests, "-c", connections, "-d", &file];
        let json = ["-H", "content-type: application/json"];
        let url = format!("{}{EVALUATION}", server.url);
        answers(bench, &[&arguments[..], &json].concat(), &url)
    };
    send(requests / WARM)?;
    let before = server.running.size()?;
    send(requests)?;
    let after = server.running.size()?;
    server.not_permitted(counted)?;
    Ok(vec![grown(
        &format!("memory after {requests} requests"),
        before,
        after,
        "buffered log",
    )])
}

/// Growth of the resident memory, and of the number of threads, after many reloads while requests are decided.
pub(super) fn after_reloads(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for changed in [Changed::Nothing, Changed::Settings] {
        figures.extend(after(bench, changed)?);
    }
    Ok(figures)
}

/// Part of the configuration that differs from one reload to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Changed {
    Nothing,
    /// Settings of the plugin, so that it is loaded again. Its code is in the cache.
    Settings,
}

fn after(bench: &Bench, changed: Changed) -> anyhow::Result<[Figure; 2]> {
    wrk()?;
    let site = site(bench, "reload", Durability::Buffered)?;
    let server = Server::pinned(bench, site.path())?;
    let counted = server.counted()?;
    let reloads = bench.part_of(RELOADS);
    let script = Script::post(&site, BODY)?;
    let url = format!("{}{EVALUATION}", server.url);
    // Longer than all reloads. It is stopped by its id.
    let mut load = script.command(bench, &url, 8, Duration::from_secs(3600))?;
    let load = Running::start("wrk", &mut load, site.path().join("wrk.log"))?;
    reload(bench, &site, &server, changed, reloads / WARM)?;
    // Two at a time, so that the threads of the runtime that wait for such work are there before.
    let same = || reload(bench, &site, &server, Changed::Nothing, reloads / WARM);
    let together =
        thread::scope(|scope| [same, same].map(|it| scope.spawn(it)).map(|it| it.join()));
    for reloaded in together {
        reloaded.unwrap_or_else(|_| bail!("a reload panicked"))?;
    }
    let before = steady(&server)?;
    reload(bench, &site, &server, changed, reloads)?;
    let after = settled(&server, before)?;
    drop(load);
    server.not_permitted(counted)?;
    let what = match changed {
        Changed::Nothing => "of the same configuration",
        Changed::Settings => "that change the settings of a plugin",
    };
    let what = format!("after {reloads} reloads {what}, under load");
    Ok([
        grown(
            &format!("memory {what}"),
            before,
            after,
            "compiled plugins in the cache",
        ),
        Figure::at_most(
            format!("threads left over {what}"),
            0.0,
            "",
            count(after.threads) - count(before.threads),
        )
        .inputs(format!(
            "{}, {} threads; afterwards {}",
            before.threads,
            after.threads,
            server.running.threads()?.join(", ")
        )),
    ])
}

/// Changes the configuration and asks the server to read it, `reloads` times.
fn reload(
    bench: &Bench,
    site: &Site,
    server: &Server,
    changed: Changed,
    reloads: u32,
) -> anyhow::Result<()> {
    let client = client();
    for number in 0..reloads.max(2) {
        if changed == Changed::Settings {
            // Both permit the requests that are sent meanwhile.
            let path = ["/v1/invoices/{id}", "/v1/invoices/{number}"][usize::from(number % 2 == 0)];
            let begun = site.write("begun.toml", config(bench, Durability::Buffered, path))?;
            fs::rename(begun, site.path().join("portcullis.toml"))?;
        }
        let mut answer = client
            .post(format!("{}/reload", server.admin))
            .send_empty()
            .context("the server does not reload")?;
        ensure!(
            answer.status().is_success(),
            "reload {number}: {}",
            answer.body_mut().read_to_string()?
        );
    }
    Ok(())
}

/// The size with as many threads as the server has at any moment: some wait for work and end if there is none.
fn steady(server: &Server) -> anyhow::Result<Size> {
    let mut steady = server.running.size()?;
    for _ in 0..30 {
        thread::sleep(Duration::from_millis(100));
        let now = server.running.size()?;
        steady = Size {
            threads: now.threads.max(steady.threads),
            ..now
        };
    }
    Ok(steady)
}

/// The size once threads of earlier configurations ended, or after a bound.
fn settled(server: &Server, before: Size) -> anyhow::Result<Size> {
    let begun = Instant::now();
    loop {
        let size = server.running.size()?;
        if size.threads <= before.threads || begun.elapsed() > PATIENCE / 4 {
            return Ok(size);
        }
        thread::sleep(Duration::from_millis(100));
    }
}

fn grown(name: &str, before: Size, after: Size, conditions: &str) -> Figure {
    let megabytes = |size: Size| size.resident_kib * 1024.0 / 1e6;
    Figure::at_most(name, 5.0, " MB", megabytes(after) - megabytes(before)).inputs(format!(
        "{:.1} MB, {:.1} MB resident; the first after a tenth as many; {conditions}",
        megabytes(before),
        megabytes(after)
    ))
}

/// A number of threads.
fn count(threads: usize) -> f64 {
    u32::try_from(threads).map_or(f64::NAN, f64::from)
}
