//! Load: as much as a server takes (wrk, h2load), or at a fixed rate (`benches/src/bin/reach/load.rs`).

use super::process::output;
use super::tools::{h2load, wrk};
use super::{Bench, Site};
use anyhow::{Context as _, ensure};
use serde::Deserialize;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Rounds of compared measurements, which are made in turn.
pub(super) const ROUNDS: usize = 3;

/// Connections of load over HTTP/1.1.
pub(super) const CONNECTIONS: u32 = 64;

/// Beginning of the line of results in the output of wrk.
const RESULTS: &str = "reach ";

/// Results of wrk.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Saturated {
    requests: f64,
    micros: f64,
    errors: f64,
}

/// Results of load at a fixed rate.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Paced {
    pub(super) good: f64,
    pub(super) other: f64,
    #[serde(rename = "p50-us")]
    pub(super) p50: f64,
    #[serde(rename = "p99-us")]
    pub(super) p99: f64,
    #[serde(rename = "longest-us")]
    pub(super) longest: f64,
}

/// Requests of wrk: its script, with the headers and the body.
pub(super) struct Script(std::path::PathBuf);

impl Script {
    /// `POST` with a body of JSON.
    pub(super) fn post(site: &Site, body: &str) -> anyhow::Result<Self> {
        ensure!(!body.contains("]=]"), "the body ends a text of Lua");
        let request = format!(
            "wrk.method = 'POST'\nwrk.headers['Content-Type'] = 'application/json'\nwrk.body = [=[{body}]=]\n"
        );
        Self::write(site, &request)
    }

    /// `GET` with headers, whose values have no quotes.
    pub(super) fn get(site: &Site, headers: &[(&str, &str)]) -> anyhow::Result<Self> {
        let headers = headers.iter();
        let lines = headers.map(|(name, value)| format!("wrk.headers['{name}'] = '{value}'\n"));
        Self::write(site, &lines.collect::<String>())
    }

    fn write(site: &Site, request: &str) -> anyhow::Result<Self> {
        let results = format!(
            "done = function(summary)\n\
             \x20 local e = summary.errors\n\
             \x20 local errors = e.connect + e.read + e.write + e.status + e.timeout\n\
             \x20 io.write(string.format('{RESULTS}{{\"requests\":%d,\"micros\":%d,\"errors\":%d}}\\n', summary.requests, summary.duration, errors))\n\
             end\n"
        );
        Ok(Self(site.write("wrk.lua", format!("{request}{results}"))?))
    }

    /// Command of wrk for `time`, on the processor of the load.
    pub(super) fn command(
        &self,
        bench: &Bench,
        url: &str,
        connections: u32,
        time: Duration,
    ) -> anyhow::Result<Command> {
        let mut command = bench.cores.load(&wrk()?);
        // wrk takes whole seconds.
        let seconds = time.as_secs_f64().ceil();
        command.args(["-t1", &format!("-c{connections}"), &format!("-d{seconds}s")]);
        command.arg("-s").arg(&self.0).arg(url);
        Ok(command)
    }

    /// Requests that a server answers in a second, of [`CONNECTIONS`].
    ///
    /// # Errors
    ///
    /// An answer is not 2xx, or a connection fails.
    pub(super) fn per_second(&self, bench: &Bench, url: &str) -> anyhow::Result<f64> {
        let mut command = self.command(bench, url, CONNECTIONS, bench.time)?;
        let said = output(&mut command)?;
        let results = said.lines().find_map(|line| line.strip_prefix(RESULTS));
        let results = results.with_context(|| format!("wrk printed no results: {said}"))?;
        let results: Saturated = serde_json::from_str(results)?;
        ensure!(
            results.errors == 0.0 && results.requests > 0.0,
            "{url}: {results:?}"
        );
        Ok(results.requests * 1e6 / results.micros)
    }
}

/// Sends requests at `rate` in a second. With a body, they are evaluations, which must be permitted.
pub(super) fn paced(
    bench: &Bench,
    url: &str,
    connections: u32,
    rate: f64,
    body: Option<&Path>,
) -> anyhow::Result<Paced> {
    let mut command = bench.cores.load(&bench.programs.peers);
    command.args(["load", url, &connections.to_string(), &rate.to_string()]);
    command.arg(bench.time.as_secs_f64().to_string()).args(body);
    let paced: Paced = serde_json::from_str(&output(&mut command)?)?;
    ensure!(
        paced.good > 0.0 && paced.other / paced.good < 0.001 && paced.p50 > 0.0,
        "{url}: {paced:?}"
    );
    Ok(paced)
}

/// Sends requests with the arguments of h2load, and returns the number of answers with status 2xx.
///
/// # Errors
///
/// Another answer, or none.
pub(super) fn answers(bench: &Bench, arguments: &[&str], url: &str) -> anyhow::Result<f64> {
    let mut command = bench.cores.load(&h2load()?);
    command.arg("-t1").args(arguments).arg(url);
    let said = output(&mut command)?;
    let (done, good) = requests(&said).with_context(|| format!("h2load printed {said}"))?;
    ensure!(
        good > 0.0 && good >= done,
        "{url}: {done} requests, and {good} of them succeeded"
    );
    Ok(good)
}

/// Requests that h2load finished, and those of them that succeeded.
fn requests(said: &str) -> Option<(f64, f64)> {
    let mut lines = said.lines();
    let line = lines.find_map(|line| line.strip_prefix("requests: "))?;
    let count = |name: &str| {
        let mut parts = line.split(", ");
        let count = parts.find_map(|part| part.strip_suffix(name))?;
        count.trim().parse().ok()
    };
    Some((count(" done")?, count(" succeeded")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_requests_of_h2load_are_read_from_its_summary() {
        let said = "finished in 1.00s, 18371.00 req/s, 3.00MB/s\n\
            requests: 18371 total, 18375 started, 18371 done, 18370 succeeded, 1 failed, 0 errored, 0 timeout\n";
        assert_eq!(requests(said), Some((18371.0, 18370.0)));
        assert_eq!(requests("starting benchmark...\n"), None);
    }
}
