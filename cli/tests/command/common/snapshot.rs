//! Outputs of the command as text, compared with snapshots.

use regex::Regex;
use serde_json::Value;
use snapbox::{Assert, IntoData, Redactions};
use std::fmt::{self, Display, Write as _};
use std::sync::LazyLock;

/// The output of the command, and its exit code.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Compares the exit code and the streams with a snapshot.
    #[track_caller]
    pub(crate) fn is(&self, expected: impl IntoData) {
        equals(self, expected);
    }

    /// Asserts the exit code of a step whose output is not the subject of the test.
    #[track_caller]
    pub(crate) fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// Returns the JSON document on standard output.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// Returns the JSON document on each line of standard output.
    #[track_caller]
    pub(crate) fn json_lines(&self) -> Vec<Value> {
        let documents = self.out.lines().map(serde_json::from_str);
        let documents: Result<_, _> = documents.collect();
        documents.unwrap_or_else(|error| panic!("{error}: {self}"))
    }
}

impl Display for Ran {
    /// Writes the exit code, and each stream that is not empty.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "exit {}", self.code)?;
        for (name, stream) in [("stdout", &self.out), ("stderr", &self.err)] {
            if !stream.is_empty() {
                write!(f, "-- {name}\n{stream}")?;
                if !stream.ends_with('\n') {
                    f.write_str("\n(no line end)\n")?;
                }
            }
        }
        Ok(())
    }
}

/// Outputs for several inputs, compared with one snapshot.
#[derive(Default)]
pub(crate) struct Runs(String);

impl Runs {
    /// Adds an output under its input.
    pub(crate) fn add(&mut self, input: impl Display, output: impl Display) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        let input = input.to_string().replace('\n', "\n# ");
        let heading = format!("# {}", input.trim_end_matches("\n# "));
        writeln!(self.0, "{}", heading.trim_end()).unwrap();
        writeln!(self.0, "{}", output.to_string().trim_end_matches('\n')).unwrap();
    }

    /// Compares all inputs and outputs with a snapshot.
    #[track_caller]
    pub(crate) fn is(&self, expected: impl IntoData) {
        equals(&self.0, expected);
    }
}

/// Returns the output for each input.
pub(crate) fn each<I: Display, O: Display>(
    inputs: impl IntoIterator<Item = I>,
    mut run: impl FnMut(&I) -> O,
) -> Runs {
    let mut runs = Runs::default();
    for input in inputs {
        let output = run(&input);
        runs.add(input, output);
    }
    runs
}

/// Compares a text with a snapshot, character by character after the redactions.
#[track_caller]
pub(crate) fn equals(text: impl Display, expected: impl IntoData) {
    let text = REDACTIONS.redact(&text.to_string());
    Assert::new()
        .action_env(snapbox::assert::DEFAULT_ACTION_ENV)
        .eq(text.trim_end_matches('\n'), expected.raw());
}

/// Values that differ between runs, machines or builds of a plugin.
static REDACTIONS: LazyLock<Redactions> = LazyLock::new(|| {
    let mut redactions = Redactions::new();
    let temporary = regex::escape(&std::env::temp_dir().display().to_string());
    let temporary = format!(r"{temporary}[/\\]\.tmp[A-Za-z0-9]+");
    for (placeholder, pattern) in [
        ("[FOLDER]", temporary.as_str()),
        ("[DIGEST]", "[0-9a-f]{64}"),
        (
            "[TIME]",
            // The years after 2097 are those of the tests.
            "20(?:[0-8][0-9]|9[0-7])-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.][0-9]+)?Z",
        ),
        // Of a decision.
        (
            "[ID]",
            "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}",
        ),
        // Of a new intent or state.
        ("[ID]", "int-(?<redacted>[0-9a-f]{16})"),
        ("[ID]", "\"generation\":\"(?<redacted>[0-9a-f]{32})"),
        ("[DURATION]", "[0-9]+(?:[.][0-9]+)? ?µs"),
        (
            "[DURATION]",
            "plugin is (?<redacted>[0-9]+(?:[.][0-9]+)? (?:ns|µs|ms|s)), more",
        ),
        // The age of a list: `0ns`, or the days until a time of the tests.
        ("[DURATION]", "age +(?<redacted>[0-9]+[mnµ]?s)"),
        ("[DURATION]", "(?<redacted>[0-9]{4,} d)"),
        ("[DURATION]", "it took (?<redacted>[0-9]+(?:[.][0-9]+)?m?s)"),
        (
            "[VERSION]",
            "(?:mcp-tools|hostile|repositories) (?<redacted>[0-9]+[.][0-9]+[.][0-9]+)",
        ),
        // The work and the size of a compiled plugin.
        (
            "[INSTRUCTIONS]",
            "runs? (?<redacted>[0-9]+) instructions, more",
        ),
        (
            "[INSTRUCTIONS]",
            "(?<redacted>[0-9]+) instructions, [0-9]+ KiB",
        ),
        ("[INSTRUCTIONS]", "most instructions: (?<redacted>[0-9]+)"),
        ("[SIZE]", "size +(?<redacted>[0-9]{5,}) bytes"),
    ] {
        let pattern = Regex::new(pattern).unwrap();
        redactions.insert(placeholder, pattern).unwrap();
    }
    redactions
});
