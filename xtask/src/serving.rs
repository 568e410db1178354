//! A running `portcullis serve`, which the demo and the image are tried with.

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Time for the start of a server, in which it compiles its plugins.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running `portcullis serve`. It is killed if its owner ends early.
pub(crate) struct Server {
    process: Child,
    /// URL of the listener for decisions.
    decisions: String,
    /// URL of the admin listener.
    pub(crate) admin: String,
}

impl Server {
    /// Starts the server, and waits until it listens on one address for decisions and on the admin's.
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        let mut process = command
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run `portcullis serve`")?;
        let errors = process.stderr.take().context("it has no standard error")?;
        let (said, says) = mpsc::channel();
        // Reads to the end, so that the server never waits for a reader.
        thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                eprintln!("{line}");
                let _ = said.send(line);
            }
        });
        let mut server = Self {
            process,
            decisions: String::new(),
            admin: String::new(),
        };
        let given_up = Instant::now() + PATIENCE;
        while server.admin.is_empty() {
            let left = given_up.saturating_duration_since(Instant::now());
            let line = says
                .recv_timeout(left)
                .context("the server does not listen")?;
            let Some(url) = line.trim().strip_prefix("listening on ") else {
                continue;
            };
            // The admin listener is printed last.
            match server.decisions.is_empty() {
                true => url.clone_into(&mut server.decisions),
                false => url.clone_into(&mut server.admin),
            }
        }
        eprintln!();
        Ok(server)
    }

    /// Asks for a decision.
    pub(crate) fn ask(&self, request: &Value) -> anyhow::Result<Value> {
        let url = format!("{}/access/v1/evaluation", self.decisions);
        let answer = ureq::post(&url).send_json(request);
        let mut answer = answer.context("the server does not answer")?;
        Ok(answer.body_mut().read_json()?)
    }

    /// Time until the decision has this cause, at most `patience`.
    pub(crate) fn until(
        &self,
        expected: &str,
        request: &Value,
        patience: Duration,
    ) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        while begun.elapsed() < patience {
            let answer = self.ask(request)?;
            if answer.pointer("/context/cause").and_then(Value::as_str) == Some(expected) {
                return Ok(begun.elapsed());
            }
            thread::sleep(Duration::from_millis(5));
        }
        bail!("no decision was `{expected}` within {patience:?}")
    }

    /// Ends the server as an operator does, so that requests in flight get their answers.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        let pid = self.process.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status();
        if !sent.is_ok_and(|status| status.success()) {
            self.process.kill().context("cannot stop the server")?;
        }
        let status = self.process.wait();
        let status = status.context("cannot wait for the server")?;
        ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ignored: it has ended already, unless its owner ended early.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
