//! The time from a changed setting to the first decision by it.

use super::figure::{Figure, median};
use super::process::PATIENCE;
use super::server::{Durability, Server, client, config, decision, millis, site};
use super::{Bench, Site};
use anyhow::ensure;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// Time between two requests.
const PAUSE: Duration = Duration::from_millis(1);

/// Way by which a server learns of the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Watched,
    Signal,
}

/// The longest time of several changes, watched and by SIGHUP. All settings are in the cache already.
pub(super) fn to_its_effect(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let site = site(bench, "change", Durability::Buffered)?;
    let server = Server::on_all_processors(bench, site.path())?;
    // Both settings are compiled.
    for permits in [false, true] {
        change(bench, &site, &server, Way::Watched, permits)?;
    }
    let changes = bench.part_of(20).max(4);
    [
        (Way::Watched, "watched", 1500.0),
        (Way::Signal, "by SIGHUP", 300.0),
    ]
    .into_iter()
    .map(|(way, name, goal)| {
        let mut times = Vec::new();
        for number in 0..changes {
            // Watched files are looked at in an interval: the changes spread over it.
            thread::sleep(Duration::from_millis(u64::from(number % 5) * 70));
            let permits = number % 2 == 1;
            times.push(change(bench, &site, &server, way, permits)?);
        }
        let longest = times.iter().copied().fold(0.0, f64::max);
        let middle = median(times);
        Ok(Figure::at_most(
            format!("a changed setting to its first effect, {name}"),
            goal,
            " ms",
            longest,
        )
        .inputs(format!(
            "the longest of {changes}, median {middle:.0} ms; cache warm, no other load"
        )))
    })
    .collect()
}

/// Changes whether the rule permits the request, and returns the time until a decision shows it, in milliseconds.
fn change(
    bench: &Bench,
    site: &Site,
    server: &Server,
    way: Way,
    permits: bool,
) -> anyhow::Result<f64> {
    let path = match permits {
        true => "/v1/invoices/{id}",
        false => "/v1/bills/{id}",
    };
    let begun = site.write("begun.toml", config(bench, Durability::Buffered, path))?;
    let client = client();
    let expected = format!("\"decision\":{permits}");
    ensure!(
        !decision(&client, server)?.contains(&expected),
        "the decision is not changed by `{path}`"
    );
    let changed = Instant::now();
    fs::rename(begun, site.path().join("portcullis.toml"))?;
    if way == Way::Signal {
        server.running.hang_up()?;
    }
    while !decision(&client, server)?.contains(&expected) {
        ensure!(
            changed.elapsed() < PATIENCE,
            "`{path}` is not in force within {PATIENCE:?}: {}",
            server.running.said()
        );
        thread::sleep(PAUSE);
    }
    Ok(millis(changed.elapsed()))
}
