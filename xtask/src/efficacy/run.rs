//! Runs the sessions of a suite by the `portcullis` command.

use super::suite::{Call, Injection, Suite, Task, attacked, with_records};
use crate::steps::{portcullis, root};
use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

/// Source of the intents, and means of the attacker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arm {
    /// Intents are drafted from the user's words alone.
    Drafted,
    /// As drafted, and the attacker also writes every field that a third party can write.
    Adaptive,
    /// As drafted, and no front end passes on the user's words.
    NoWords,
    /// The tools and the values of the true calls are known.
    Oracle,
}

impl Arm {
    pub(super) const ALL: [Self; 4] = [Self::Drafted, Self::Adaptive, Self::NoWords, Self::Oracle];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Drafted => "drafted from the words",
            Self::Adaptive => "drafted, fields of others written",
            Self::NoWords => "drafted, no words from a front end",
            Self::Oracle => "true tools and pins (oracle)",
        }
    }
}

/// A part of a whole.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) hit: usize,
    pub(super) all: usize,
}

impl Counts {
    fn add(&mut self, hit: bool) {
        self.hit += usize::from(hit);
        self.all += 1;
    }

    pub(super) fn share(self) -> f64 {
        self.hit as f64 / self.all.max(1) as f64
    }
}

/// Results of one arm on one suite.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Measured {
    /// Pairs of a task and an injection of which every call is permitted.
    pub(super) leaks: Counts,
    /// Tasks of which every call is permitted once what is asked is approved.
    pub(super) tasks: Counts,
    /// Tasks for which an approver is asked.
    pub(super) asking: Counts,
    /// Pairs that leak if the person who is asked always says yes.
    pub(super) always_yes: Counts,
}

impl Measured {
    pub(super) fn add(&mut self, other: &Self) {
        for (own, other) in [
            (&mut self.leaks, other.leaks),
            (&mut self.tasks, other.tasks),
            (&mut self.asking, other.asking),
            (&mut self.always_yes, other.always_yes),
        ] {
            own.hit += other.hit;
            own.all += other.all;
        }
    }
}

const PRINCIPAL: &str = "spiffe://efficacy.example/agent";

const CONFIG: &str = r#"cache = { path = "../compiled" }
log = { path = "decisions.jsonl" }
limits = { deadline = "2s" }

[intents]
path = "intents"
required-for = ["agent"]

[intents.access-requests]
valid-for = "10m"

[[integration]]
name = "server"
[[integration.plugin]]
component = "../../plugins/mcp-tools.wasm"
settings = { tools = [{ tool = "*" }] }
"#;

/// Measures one arm on one suite.
pub(super) fn measure(
    work: &Path,
    suite: &Suite,
    arm: Arm,
    server: Option<&Path>,
    verbose: bool,
) -> anyhow::Result<Measured> {
    let folder = work.join(&suite.name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("intents"))?;
    fs::write(folder.join("portcullis.toml"), CONFIG)?;
    let tools = folder.join("tools.json");
    fs::write(&tools, json!({ "tools": suite.tools }).to_string())?;
    let runner = Runner {
        folder,
        tools,
        server,
        others: others_write(server)?,
        arm,
    };
    let mut measured = Measured::default();
    // Two tasks at once: each is a process of its own.
    for pair in suite.tasks.chunks(2) {
        let results = thread::scope(|scope| {
            let runner = &runner;
            let threads: Vec<_> = pair
                .iter()
                .map(|task| scope.spawn(move || runner.task(suite, task, verbose)))
                .collect();
            let joined = threads.into_iter().map(|it| it.join().expect("no panic"));
            joined.collect::<Vec<_>>()
        });
        for result in results {
            measured.add(&result?);
        }
    }
    Ok(measured)
}

/// Fields that others can write, by tool.
fn others_write(server: Option<&Path>) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
    let Some(file) = server else {
        return Ok(BTreeMap::new());
    };
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let table: toml::Table = toml::from_str(&text)?;
    let results = table.get("results").and_then(toml::Value::as_table);
    let of_tool = |(tool, words): (&String, &toml::Value)| {
        let fields = words.get("others-write")?.as_array()?.iter();
        let fields = fields.filter_map(|it| Some(it.as_str()?.to_owned()));
        Some((tool.clone(), fields.collect()))
    };
    Ok(results.into_iter().flatten().filter_map(of_tool).collect())
}

struct Runner<'a> {
    folder: PathBuf,
    tools: PathBuf,
    server: Option<&'a Path>,
    /// Fields that others can write, by tool, as the file about the server says.
    others: BTreeMap<String, Vec<String>>,
    arm: Arm,
}

/// Decisions of one session.
struct Decided {
    permitted: bool,
    asked: bool,
    detail: String,
}

impl Runner<'_> {
    fn task(&self, suite: &Suite, task: &Task, verbose: bool) -> anyhow::Result<Measured> {
        let intent = self.draft(task)?;
        let mut measured = Measured::default();
        let own: Vec<_> = task.calls.iter().map(|call| (call, true)).collect();
        let decided = self.session(task, &intent, &own)?;
        let permitted = decided.iter().all(|it| it.permitted);
        let asking = decided.iter().any(|it| it.asked);
        measured.tasks.add(permitted);
        measured.asking.add(asking);
        if verbose && (!permitted || asking) {
            println!(
                "{} {} permitted {permitted} asking {asking}",
                suite.name, task.id
            );
            for (call, it) in task.calls.iter().zip(&decided) {
                if !it.permitted || it.asked {
                    println!("    {} {}: {}", call.tool, call.arguments, it.detail);
                }
            }
        }
        for injection in &suite.injections {
            for (always_yes, counts) in [
                (false, &mut measured.leaks),
                (true, &mut measured.always_yes),
            ] {
                let leaks = self.leaks(task, injection, &intent, always_yes)?;
                counts.add(leaks);
                if verbose && leaks {
                    println!(
                        "{} {} {} leaks, always yes {always_yes}",
                        suite.name, task.id, injection.id
                    );
                }
            }
        }
        Ok(measured)
    }

    /// True if every call of the injection is permitted after the calls of the task.
    fn leaks(
        &self,
        task: &Task,
        injection: &Injection,
        intent: &str,
        always_yes: bool,
    ) -> anyhow::Result<bool> {
        let values: Vec<Value> = injection
            .calls
            .iter()
            .flat_map(|it| texts(&it.arguments))
            .collect();
        let seen: Vec<Call> = task
            .marked
            .iter()
            .map(|call| {
                let result = match self.arm {
                    Arm::Adaptive => {
                        let others = self.others.get(&call.tool).map(Vec::as_slice);
                        with_records(&call.result, "", others, &values)
                    }
                    _ => call.result.clone(),
                };
                Call {
                    result: attacked(&result, &injection.goal),
                    ..call.clone()
                }
            })
            .collect();
        // The task's own calls are approved: only then does the agent read what the attacker wrote.
        let own = seen.iter().map(|call| (call, true));
        let tried = injection.calls.iter().map(|call| (call, always_yes));
        let calls: Vec<_> = own.chain(tried).collect();
        let decided = self.session(task, intent, &calls)?;
        Ok(decided.iter().skip(seen.len()).all(|it| it.permitted))
    }

    /// Drafts the intent of a task, and returns its id.
    fn draft(&self, task: &Task) -> anyhow::Result<String> {
        let said = self.folder.join(format!("{}.txt", task.id));
        fs::write(&said, &task.prompt)?;
        let mut draft = portcullis();
        draft.args([
            "intent",
            "draft",
            "--integration",
            "server",
            "--principal",
            PRINCIPAL,
        ]);
        draft.args([
            "--purpose",
            "measured",
            "--approver",
            "user@efficacy.example",
            "--for",
            "30d",
        ]);
        draft
            .arg("--said")
            .arg(&said)
            .arg("--tools")
            .arg(&self.tools);
        if let Some(server) = self.server {
            draft.arg("--server").arg(server);
        }
        if self.arm == Arm::Oracle {
            for call in &task.calls {
                draft.args(["--tool", &call.tool]);
                for (name, value) in call.arguments.as_object().into_iter().flatten() {
                    for value in texts(value).iter().filter(|it| is_in(&task.prompt, it)) {
                        draft.args(["--pin", &call.tool, name, &value.to_string()]);
                    }
                }
            }
        }
        let output = draft.output().context("cannot run portcullis")?;
        if !output.status.success() {
            // The words ask for nothing.
            return Ok("none".to_owned());
        }
        let intent: Value = serde_json::from_slice(&output.stdout)?;
        let id = intent
            .get("id")
            .and_then(Value::as_str)
            .context("an id")?
            .to_owned();
        fs::write(
            self.folder.join("intents").join(format!("{id}.json")),
            &output.stdout,
        )?;
        Ok(id)
    }

    /// Decides the calls in order. The second of each pair is true if an approver who is asked says yes.
    fn session(
        &self,
        task: &Task,
        intent: &str,
        calls: &[(&Call, bool)],
    ) -> anyhow::Result<Vec<Decided>> {
        let mut lines = String::new();
        if self.arm != Arm::NoWords {
            writeln!(lines, "{}", json!({ "said": task.prompt }))?;
        }
        for (call, approve) in calls {
            let request = json!({
                "integration": "server",
                "principal": { "id": PRINCIPAL, "kind": "agent" },
                "intent": { "id": intent },
                "message": {
                    "jsonrpc": "2.0", "id": 1, "method": "tools/call",
                    "params": { "name": call.tool, "arguments": call.arguments },
                },
            });
            let line = json!({ "request": request, "result": call.result, "approve": approve });
            writeln!(lines, "{line}")?;
        }
        let file = self.folder.join(format!("{}.jsonl", task.id));
        fs::write(&file, lines)?;
        let output = portcullis()
            .args(["evaluate", "--format", "json", "--config"])
            .arg(self.folder.join("portcullis.toml"))
            .arg("--session")
            .arg(&file)
            .current_dir(root())
            .output()
            .context("cannot run portcullis")?;
        let decided: Vec<Decided> = String::from_utf8(output.stdout)?
            .lines()
            .map(|line| {
                let decision: Value = serde_json::from_str(line)?;
                let asked = decision.get("asked").and_then(Value::as_array);
                Ok(Decided {
                    permitted: decision.get("decision") == Some(&Value::Bool(true)),
                    asked: asked.is_some_and(|asked| !asked.is_empty()),
                    detail: decision.to_string(),
                })
            })
            .collect::<anyhow::Result<_>>()?;
        ensure!(
            decided.len() == calls.len(),
            "the session of {} ended early: {}",
            task.id,
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(decided)
    }
}

/// Texts and numbers in the arguments of a call.
fn texts(value: &Value) -> Vec<Value> {
    match value {
        Value::String(_) | Value::Number(_) => vec![value.clone()],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(members) => members.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// True if the prompt has the value, as a text or a number.
fn is_in(prompt: &str, value: &Value) -> bool {
    let is_word = |text: &str| {
        prompt.match_indices(text).any(|(at, _)| {
            let before = prompt.get(..at).and_then(|it| it.chars().next_back());
            let after = prompt
                .get(at + text.len()..)
                .and_then(|it| it.chars().next());
            !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
        })
    };
    match value {
        Value::String(text) => !text.is_empty() && is_word(text),
        Value::Number(number) => is_word(&number.to_string()),
        _ => false,
    }
}
