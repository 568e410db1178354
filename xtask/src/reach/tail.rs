//! Latency at a fixed rate: of decisions at half of what a server takes, and of health while it is saturated.

use super::Bench;
use super::disk::fsync_millis;
use super::figure::Figure;
use super::load::{CONNECTIONS, Paced, Script, paced};
use super::process::Running;
use super::server::{BODY, Durability, EVALUATION, Server, site};
use super::tools::wrk;
use std::time::{Duration, Instant};

/// Looks at the health in a second.
const LOOKS: f64 = 100.0;

/// p99 at half of the saturation rate, with either durability.
pub(super) fn at_half_of_the_saturation(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    wrk()?;
    [(Durability::Buffered, 5.0), (Durability::Fsync, 10.0)]
        .into_iter()
        .map(|(durability, goal)| half(bench, durability, goal))
        .collect()
}

fn half(bench: &Bench, durability: Durability, goal: f64) -> anyhow::Result<Figure> {
    let site = site(bench, &format!("tail-{durability}"), durability)?;
    let own = fsync_millis(site.path())?;
    let server = Server::pinned(bench, site.path())?;
    let url = format!("{}{EVALUATION}", server.url);
    let most = Script::post(&site, BODY)?.per_second(bench, &url)?;
    let body = site.path().join("body.json");
    let paced = paced(bench, &url, CONNECTIONS, most / 2.0, Some(&body))?;
    let disk = match durability {
        Durability::Buffered => String::new(),
        Durability::Fsync => format!("; `fsync` alone {own:.2} ms at the median"),
    };
    let name = format!("p99 at half of the saturation rate, {durability}");
    Ok(
        Figure::at_most(name, goal, " ms", paced.p99 / 1000.0).inputs(format!(
            "{}; {:.0} of {most:.0} a second, {CONNECTIONS} connections{disk}",
            percentiles(&paced),
            most / 2.0
        )),
    )
}

/// p99 of the readiness, asked over a connection of its own, while decisions take the whole processor.
pub(super) fn health_while_saturated(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    wrk()?;
    let site = site(bench, "health", Durability::Buffered)?;
    let server = Server::pinned(bench, site.path())?;
    let script = Script::post(&site, BODY)?;
    let url = format!("{}{EVALUATION}", server.url);
    // It is stopped by its id when the health was measured, and ends by itself otherwise.
    let longer = bench.time * 2 + Duration::from_secs(10);
    let mut load = script.command(bench, &url, CONNECTIONS, longer)?;
    let said = site.path().join("wrk.log");
    let load = Running::start("wrk", &mut load, said)?;
    let (begun, before) = (Instant::now(), server.running.processor_time()?);
    let health = paced(bench, &format!("{}/readyz", server.admin), 1, LOOKS, None)?;
    let used = server.running.processor_time()? - before;
    let busy = used.as_secs_f64() / begun.elapsed().as_secs_f64();
    drop(load);
    let idle = (busy < 0.5).then(|| {
        "the server had less than half of its processor: other programs run, or the load is too small"
            .to_owned()
    });
    Ok(vec![
        Figure::at_most(
            "p99 of `/readyz` while decisions saturate the server",
            10.0,
            " ms",
            health.p99 / 1000.0,
        )
        .inputs(format!(
            "{}; {LOOKS} a second over one connection; {CONNECTIONS} connections with decisions; the server used {:.0} % of its processor",
            percentiles(&health),
            busy * 100.0
        ))
        .void(idle),
    ])
}

fn percentiles(paced: &Paced) -> String {
    format!(
        "p50 {:.2} ms, longest {:.1} ms",
        paced.p50 / 1000.0,
        paced.longest / 1000.0
    )
}
