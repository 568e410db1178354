//! The commands of docs/operating.md, run as they are written there.
//!
//! Only the addresses of listeners, which are free ports here, and the placeholders (`…`, `int-7f3c`) are replaced.

use crate::common::{Folder, Ran, Request, Serving};
use portcullis_tests::guests;
use regex::Regex;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Returns a page of the repository.
fn page(name: &str) -> String {
    fs::read_to_string(portcullis_tests::root().join(name)).unwrap()
}

/// Returns the blocks of shell commands below a heading of docs/operating.md, in order.
fn blocks(heading: &str) -> Vec<String> {
    let page = page("docs/operating.md");
    let (_, section) = page.split_once(&format!("\n{heading}\n")).unwrap();
    let section = section.split("\n#").next().unwrap();
    let blocks = section.split("\n```sh\n").skip(1);
    blocks
        .map(|rest| rest.split("\n```").next().unwrap().to_owned())
        .collect()
}

/// Returns the commands of a block; one that is continued on the next line is whole.
fn lines(block: &str) -> Vec<String> {
    let block = block.replace("\\\n", " ");
    block.lines().map(str::to_owned).collect()
}

/// Runs a command with a shell, in which `portcullis` is the built program.
fn shell(folder: &Folder, command: &str) -> Ran {
    let program = Path::new(env!("CARGO_BIN_EXE_portcullis"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path);
    let path = [program.parent().unwrap().to_owned()]
        .into_iter()
        .chain(folders);
    let output = Command::new("sh")
        .args(["-c", command])
        .current_dir(folder.path())
        .env("PATH", std::env::join_paths(path).unwrap())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// True if requests can be sent as the page does.
fn has_curl() -> bool {
    let curl = Command::new("curl")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    let is_there = curl.is_ok_and(|status| status.success());
    if !is_there {
        // Not `eprintln!`, whose lines are not shown for a test that passes.
        let _ = writeln!(std::io::stderr(), "skipped: no `curl` is installed");
    }
    is_there
}

/// Starts the server of a command `portcullis serve`.
fn serve(folder: &Folder, command: &str) -> Serving {
    let command = command.split(" #").next().unwrap();
    let words: Vec<_> = command.split_whitespace().collect();
    assert_eq!(words[..2], ["portcullis", "serve"]);
    Serving::start(folder, &words[2..])
}

/// Sends the request of a command with `curl`, and returns the answer.
fn curl(folder: &Folder, server: &Serving, command: &str) -> Ran {
    let to_server = command
        .replace("127.0.0.1:8181", &server.address)
        .replace("127.0.0.1:8182", &server.admin);
    assert_ne!(to_server, command, "it names no listener");
    let ran = shell(folder, &to_server);
    ran.exits(0);
    ran
}

#[test]
fn the_first_ten_minutes_run_as_written() {
    if !has_curl() {
        return;
    }
    let folder = Folder::new();
    folder.write("plugins/http-api.wasm", guests::plugin("http-api").unwrap());
    let blocks = blocks("## Start by observing");
    let [commands, request] = &blocks[..] else {
        panic!("two blocks: {blocks:?}")
    };
    let ask = |server: &Serving, customer: usize| -> Value {
        let path = format!("/v1/customers/{customer}/invoices");
        let of_customer = request.replace("/v1/customers/17/invoices", &path);
        assert!(of_customer.contains(&path));
        curl(&folder, server, &of_customer).json()
    };
    let mut codes = Vec::new();
    for command in lines(commands) {
        if command.starts_with("portcullis serve --observe") {
            let observer = serve(&folder, &command);
            for customer in 11..=20 {
                let answer = ask(&observer, customer);
                assert_eq!(answer["context"]["observed"], true, "{answer}");
            }
            observer.stop();
        } else if command.starts_with("portcullis serve") {
            let server = serve(&folder, &command);
            assert_eq!(ask(&server, 20)["decision"], true);
            assert_eq!(ask(&server, 11)["decision"], false);
            server.stop();
        } else {
            let ran = shell(&folder, &command);
            if command.starts_with("portcullis propose") {
                // The deadlines of a machine that runs many tests at a time.
                let limits = "limits = { deadline = \"2s\", load-deadline = \"2m\" }";
                let proposal = folder.read("proposal/portcullis.toml");
                folder.write("proposal/portcullis.toml", format!("{limits}\n{proposal}"));
            }
            if command.starts_with("cp ") {
                // The operator narrows the rule.
                folder.replace("proposal/enforced.toml", "\"1*\", ", "");
            }
            if command.contains(" diff ") {
                assert!(ran.out.contains("newly denied: 9"), "{ran}");
            }
            if command.contains("log query") {
                assert_eq!(ran.json_lines().len(), 1);
            }
            let verbs = command.split_whitespace().take_while(|word| word.len() > 1);
            let verbs: Vec<_> = verbs.take(3).collect();
            assert!(ran.code == 0 || ran.code == 5, "{command}: {ran}");
            codes.push(format!("{} {}", ran.code, verbs.join(" ")));
        }
    }
    let expected = [
        "0 portcullis propose --log",
        "0 portcullis check proposal/portcullis.toml",
        "5 portcullis replay observed.jsonl",
        "0 cp proposal/portcullis.toml proposal/enforced.toml",
        "0 portcullis diff proposal/portcullis.toml",
        "0 portcullis log query",
        "0 portcullis replay proposal/decisions.jsonl",
        "0 portcullis posture report",
    ];
    assert_eq!(codes, expected);
}

#[test]
fn the_commands_of_serving_run_as_written() {
    if !has_curl() {
        return;
    }
    let folder = Folder::with_plugins();
    folder.write(
        "request.json",
        Request::new("files", "read")
            .argument("path", "/w/a")
            .to_string(),
    );
    let serving = blocks("## Serving decisions");
    let admin = blocks("### The admin listener");
    let server = serve(&folder, &serving[0]);
    let mut answers = BTreeMap::new();
    for command in serving[1..]
        .iter()
        .chain(&admin)
        .flat_map(|block| lines(block))
    {
        let ran = match command.starts_with("curl ") {
            true => curl(&folder, &server, &command),
            // It asks the address in the configuration, which is another here.
            false => shell(
                &folder,
                &format!("{command} --admin http://{}", server.admin),
            ),
        };
        ran.exits(0);
        let name = command.rsplit(['/', ' ']).next().unwrap().to_owned();
        answers.insert(name, ran.out);
    }
    server.stop();
    for (command, part) in [
        ("@request.json", "\"decision\":true"),
        ("authzen-configuration", "access_evaluation_endpoint"),
        ("status", "ready since"),
        ("readyz", "ready"),
        ("metrics", "portcullis_decisions_total"),
        ("reload", ""),
    ] {
        let answer = answers.remove(command);
        assert!(answer.is_some_and(|it| it.contains(part)), "{command}");
    }
    assert!(answers.is_empty(), "{answers:?}");
}

/// Integrations and approvers for the commands of intents.
const APPROVED: &str = r#"
log = { path = "decisions.jsonl" }
state = { path = "state.redb" }
revocation = { path = "revocations.jsonl", max-staleness = "1h" }
[intents]
path = "intents"
required-for = ["agent"]
[intents.approvers]
"alice@acme.example" = "keys/alice.json"
[[integration]]
name = "github"
[[integration.plugin]]
component = "github.wasm"
settings = { repositories = ["acme/*"] }
"#;

#[test]
fn the_commands_of_intents_run_as_written() {
    let folder = Folder::new();
    folder.write("github.wasm", guests::plugin("github").unwrap());
    folder.write("portcullis.toml", APPROVED);
    folder.run(&["revoke", "--checkpoint"]).exits(0);
    let principal = "spiffe://acme.example/agent/fixer";
    let request = Request::new("github", "issues.create")
        .principal(principal)
        .set("/resource/type", "repository")
        .resource("acme/billing")
        .argument("title", "invoice 17 failed");
    let draft = |name: &str| -> Value { serde_json::from_str(&folder.read(name)).unwrap() };
    let (mut id, mut denial) = (Value::Null, String::new());
    let mut run = 0;
    for command in blocks("### Intents").iter().flat_map(|block| lines(block)) {
        if command.contains("intent draft --evaluation") {
            let decision = request.decide(&folder.host());
            assert!(!decision.is_permit());
            decision.id().unwrap().clone_into(&mut denial);
        }
        if command.contains("intent explain") {
            id = draft("int.json")["id"].clone();
            let approved = request.clone().intent(&id);
            folder.write("request.json", approved.to_string());
            assert!(approved.decide(&folder.host()).is_permit());
        }
        let command = command
            .replace("--to spiffe://…", "--to spiffe://acme.example/agent/helper")
            .replace("spiffe://…", principal)
            .replace("01a21f50-…", &denial)
            .replace("int-7f3c", id.as_str().unwrap_or("int-7f3c"));
        let ran = shell(&folder, &command);
        assert_eq!(ran.code, 0, "{command}: {ran}");
        run += 1;
    }
    assert!(run >= 10, "{run} commands");
    // The last command closed it.
    let closed = request.intent(&id).decide(&folder.host());
    assert_eq!(closed.cause().as_str(), "revoked");
}

/// Every page of the repository that may name commands.
fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if name != "target" && name != "node_modules" && !name.starts_with('.') {
                pages(&path, found);
            }
        } else if name.ends_with(".md") && name != "CHANGELOG.md" {
            found.push(path);
        }
    }
}

/// Returns the commands `portcullis …` in a page: those in blocks for a shell, and those in the text.
fn named(page: &str) -> Vec<String> {
    let mut named = Vec::new();
    let mut text = String::new();
    for (number, part) in page.split("```").enumerate() {
        let block = part.split_once('\n').filter(|_| number % 2 == 1);
        match block {
            None => text.push_str(part),
            Some(("sh" | "console", block)) => named.extend(
                lines(block)
                    .iter()
                    .map(|line| line.trim_start_matches("$ "))
                    .filter(|line| line.starts_with("portcullis "))
                    .map(|line| line.split(" #").next().unwrap_or(line).to_owned()),
            ),
            Some(_) => {}
        }
    }
    let spans = Regex::new("`(portcullis [^`]+)`").unwrap();
    named.extend(spans.captures_iter(&text).map(|span| span[1].to_owned()));
    named
}

/// The commands and flags of the program, from its help.
struct Known {
    folder: Folder,
    /// Help of each command that was asked for, by its verbs.
    helps: BTreeMap<Vec<String>, String>,
}

impl Known {
    fn help(&mut self, verbs: &[String]) -> &str {
        let folder = &self.folder;
        self.helps.entry(verbs.to_owned()).or_insert_with(|| {
            let mut arguments: Vec<_> = verbs.iter().map(String::as_str).collect();
            arguments.push("--help");
            folder.run(&arguments).exits(0).out.clone()
        })
    }

    /// True if a command has that sub-command.
    fn has_verb(&mut self, verbs: &[String], word: &str) -> bool {
        let help = self.help(verbs);
        let commands = help.split_once("\nCommands:\n").map(|(_, rest)| rest);
        let commands = commands.and_then(|rest| rest.split("\n\n").next());
        let mut commands = commands.unwrap_or_default().lines();
        // Further lines of a description have a deeper indent.
        commands.any(|line| {
            let line = line.strip_prefix("  ").unwrap_or_default();
            line.split(' ').next() == Some(word)
        })
    }

    /// Returns the part of a command that the program does not have.
    fn lacks(&mut self, command: &str) -> Option<String> {
        let mut verbs = Vec::new();
        let words: Vec<_> = command.split_whitespace().skip(1).collect();
        for word in &words {
            if !self.has_verb(&verbs, word) {
                break;
            }
            verbs.push((*word).to_owned());
        }
        if verbs.is_empty() && !words[0].starts_with('-') {
            return Some(words[0].to_owned());
        }
        let help = self.help(&verbs);
        let is_of_flag = |c: char| c == '-' || c.is_ascii_alphanumeric();
        let flags = words.iter().filter(|word| word.starts_with("--"));
        let flags = flags.map(|word| {
            word.split(|c: char| !is_of_flag(c))
                .next()
                .unwrap_or_default()
        });
        let mut missing =
            flags.filter(|flag| !help.split(|c: char| !is_of_flag(c)).any(|it| it == *flag));
        missing.next().map(str::to_owned)
    }
}

#[test]
fn every_command_that_a_page_names_exists_with_its_flags() {
    let mut program = Known {
        folder: Folder::new(),
        helps: BTreeMap::new(),
    };
    let mut found = Vec::new();
    pages(&portcullis_tests::root(), &mut found);
    let (mut count, mut faults) = (0, Vec::new());
    for page in found {
        for command in named(&fs::read_to_string(&page).unwrap()) {
            count += 1;
            if let Some(part) = program.lacks(&command) {
                faults.push(format!("{}: `{command}` has no `{part}`", page.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(count > 100, "{count} commands");
    // A command that is renamed, a flag, and one of another command are found.
    for (command, part) in [
        ("portcullis verify decisions.jsonl", "verify"),
        ("portcullis log query decisions.jsonl --denied", "--denied"),
        (
            "portcullis serve --config portcullis.toml --durations",
            "--durations",
        ),
        ("portcullis check --listen 127.0.0.1:0", "--listen"),
    ] {
        assert_eq!(program.lacks(command).as_deref(), Some(part), "{command}");
    }
    assert_eq!(program.lacks("portcullis log verify decisions.jsonl"), None);
}
