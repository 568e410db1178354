//! `portcullis serve` in a folder of its own, with the plugin `http-api`.

use super::process::{PATIENCE, Running};
use super::{Bench, Site};
use anyhow::{Context as _, ensure};
use std::fmt::{self, Display};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use ureq::Agent;

/// Path of an evaluation.
pub(super) const EVALUATION: &str = "/access/v1/evaluation";

/// An evaluation that the configurations permit.
pub(super) const BODY: &str = r#"{"subject":{"type":"agent","id":"spiffe://acme.example/agent/reader"},"action":{"name":"GET"},"resource":{"type":"http-api","id":"/v1/invoices/17"},"context":{"integration":"invoices"}}"#;

/// Durability of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    Buffered,
    Fsync,
}

impl Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Buffered => "buffered",
            Self::Fsync => "fsync",
        })
    }
}

/// A configuration with one integration, whose rule permits `path`.
pub(super) fn config(bench: &Bench, durability: Durability, path: &str) -> String {
    format!(
        r#"{}
log = {{ path = "decisions.jsonl", durability = "{durability}" }}

[[integration]]
name = "invoices"

[integration.actions]
GET = "read"

[[integration.plugin]]
component = {:?}

[[integration.plugin.settings.rules]]
name = "read an invoice"
methods = ["GET"]
path = "{path}"
"#,
        cache(bench),
        bench.programs.plugin,
    )
}

/// The line of a configuration by which all servers of a run share their compiled plugins.
pub(super) fn cache(bench: &Bench) -> String {
    format!(
        "cache = {{ path = {:?} }}",
        bench.folder.join("compiled-plugins")
    )
}

/// A configuration that permits [`BODY`], in a folder with the body.
pub(super) fn site(bench: &Bench, name: &str, durability: Durability) -> anyhow::Result<Site> {
    let site = bench.site(name)?;
    site.write("body.json", BODY)?;
    site.write(
        "portcullis.toml",
        config(bench, durability, "/v1/invoices/{id}"),
    )?;
    Ok(site)
}

/// A server that runs until this is dropped.
pub(super) struct Server {
    pub(super) running: Running,
    /// `http://ADDRESS` of the listener for decisions.
    pub(super) url: String,
    /// `http://ADDRESS` of the admin listener.
    pub(super) admin: String,
}

/// Decisions that a server counted.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Counted {
    permits: f64,
    others: f64,
}

impl Server {
    /// Serves the configuration of `folder` on the processor of servers.
    pub(super) fn pinned(bench: &Bench, folder: &Path) -> anyhow::Result<Self> {
        Self::start(bench.cores.server(&bench.programs.portcullis), folder)
    }

    /// Serves the configuration of `folder` on all processors.
    pub(super) fn on_all_processors(bench: &Bench, folder: &Path) -> anyhow::Result<Self> {
        Self::start(Command::new(&bench.programs.portcullis), folder)
    }

    fn start(mut command: Command, folder: &Path) -> anyhow::Result<Self> {
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .current_dir(folder);
        let said = folder.join("server.log");
        let mut running = Running::start("`portcullis serve`", &mut command, said)?;
        let urls = running.until("listening", |it| {
            let urls = urls(&it.said());
            (urls.len() == 2).then_some(urls)
        })?;
        let mut urls = urls.into_iter();
        Ok(Self {
            running,
            url: urls.next().unwrap_or_default(),
            admin: urls.next().unwrap_or_default(),
        })
    }

    /// Decisions so far.
    pub(super) fn counted(&self) -> anyhow::Result<Counted> {
        let metrics = get(&format!("{}/metrics", self.admin))?;
        Ok(Counted::of(&metrics))
    }

    /// Verifies that nearly all decisions since `before` are permits, and returns the part that is not.
    pub(super) fn not_permitted(&self, before: Counted) -> anyhow::Result<f64> {
        let now = self.counted()?;
        let (permits, others) = (now.permits - before.permits, now.others - before.others);
        let part = others / (permits + others).max(1.0);
        ensure!(
            permits > 0.0 && part < 0.001,
            "{permits} permits and {others} other decisions were made: refusals are not what is measured"
        );
        Ok(part)
    }
}

impl Counted {
    /// Sums the decisions in the text of the metrics.
    fn of(metrics: &str) -> Self {
        let mut counted = Self::default();
        for line in metrics.lines() {
            let Some(rest) = line.strip_prefix("portcullis_decisions_total{") else {
                continue;
            };
            let Some((labels, value)) = rest.rsplit_once("} ") else {
                continue;
            };
            let value = value.parse().unwrap_or(0.0);
            match labels.contains("effect=\"permit\"") {
                true => counted.permits += value,
                false => counted.others += value,
            }
        }
        counted
    }
}

/// Addresses that a server says it listens on, in their order.
pub(super) fn urls(said: &str) -> Vec<String> {
    let urls = said.lines();
    let urls = urls.filter_map(|line| line.trim().strip_prefix("listening on "));
    urls.map(str::to_owned).collect()
}

/// A client that keeps its connection.
pub(super) fn client() -> Agent {
    let config = Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .http_status_as_error(false);
    config.build().into()
}

/// Body of a resource.
pub(super) fn get(url: &str) -> anyhow::Result<String> {
    let mut answer = client()
        .get(url)
        .call()
        .with_context(|| format!("{url} does not answer"))?;
    Ok(answer.body_mut().read_to_string()?)
}

/// Body of the answer to an evaluation.
pub(super) fn decision(client: &Agent, server: &Server) -> anyhow::Result<String> {
    let mut answer = client
        .post(format!("{}{EVALUATION}", server.url))
        .header("Content-Type", "application/json")
        .send(BODY)
        .context("the server does not answer")?;
    Ok(answer.body_mut().read_to_string()?)
}

/// Time in milliseconds.
pub(super) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_are_counted_by_their_effect() {
        let metrics = "\
# TYPE portcullis_decisions counter
portcullis_decisions_total{integration=\"a\",effect=\"permit\",cause=\"permitted\"} 20
portcullis_decisions_total{integration=\"b\",effect=\"permit\",cause=\"permitted\"} 1
portcullis_decisions_total{integration=\"a\",effect=\"deny\",cause=\"fault\"} 2
portcullis_refused_total{kind=\"malformed\"} 7
";
        let counted = Counted {
            permits: 21.0,
            others: 2.0,
        };
        assert_eq!(Counted::of(metrics), counted);
    }

    #[test]
    fn listeners_are_found_in_their_order() {
        let said = "a warning\nlistening on http://127.0.0.1:1\nlistening on http://127.0.0.1:2\n";
        assert_eq!(urls(said), ["http://127.0.0.1:1", "http://127.0.0.1:2"]);
    }
}
