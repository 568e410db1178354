//! Requests that are decided again, and the decisions that changed.
//!
//! `replay` compares the decisions of a log with those of a configuration, and `diff` those of two configurations.

use crate::Format;
use crate::exit::Exit;
use crate::output::{self, BAD, FAINT, GOOD, STRONG, WARN, shown_of_request, styled};
use portcullis_host::log::compare::{self, Change, Changes, Compared, Part, Turn};
use portcullis_host::log::{self, Decided, Entry, Event};
use portcullis_host::{ListAsOf, Pdp, Request};
use serde_json::{Value, json};
use std::path::Path;

/// Maximum number of times that a request is decided, if its decisions depend on the machine.
const TRIES: usize = 3;

/// A recorded request that can be decided again.
pub(crate) struct Recorded<'a> {
    pub(crate) entry: &'a Entry,
    pub(crate) decided: &'a Decided,
    pub(crate) request: Request,
}

/// Treatment of requests with masked values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Masked {
    /// They are not decided: the recorded decision was about the values.
    LeftOut,
    /// They are decided as recorded.
    AsRecorded,
}

/// Requests of a log, by their use.
#[derive(Debug, Default)]
pub(crate) struct Read {
    /// Requests that cannot be decided again.
    pub(crate) not_decided: u64,
    /// Requests that were decided with masked values.
    pub(crate) masked: u64,
    /// Reports of the gateway, which are not decided.
    pub(crate) reported: u64,
}

/// Calls `each` with every recorded request that can be decided again.
///
/// It verifies the log first, and prints the error if the log is broken.
pub(crate) fn recorded(
    log: &Path,
    masked: Masked,
    mut each: impl FnMut(&Recorded<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<Result<Read, Exit>> {
    if let Err(exit) = crate::log::is_whole(log) {
        return Ok(Err(exit));
    }
    let mut read = Read::default();
    let mut failed = None;
    let done = log::read(log, |_, _, _, entry| {
        let decided = match &entry.event {
            Event::Decision(decided) => decided,
            Event::Refused(_) | Event::Outcome(_) => {
                read.reported += 1;
                return Ok(());
            }
            _ => return Ok(()),
        };
        let request = match masked {
            Masked::AsRecorded if decided.masked && !decided.carried_intents() => {
                decided.request_as_written()
            }
            _ => decided.request(),
        };
        let Some(request) = request else {
            read.not_decided += 1;
            return Ok(());
        };
        read.masked += u64::from(decided.masked);
        let recorded = Recorded {
            entry: &entry,
            decided,
            request,
        };
        if failed.is_none() {
            failed = each(&recorded).err();
        }
        Ok(())
    });
    if let Some(error) = failed {
        return Err(error);
    }
    Ok(match done {
        Ok(()) => Ok(read),
        Err(broken) => {
            output::error(&shown_of_request(&broken.to_string()));
            Err(Exit::of_log(&broken))
        }
    })
}

impl Recorded<'_> {
    /// Decides the request with its recorded inputs, in the form of the log.
    pub(crate) fn decide(&self, pdp: &Pdp, list: ListAsOf) -> Value {
        let (at, inputs) = (self.entry.at, &self.decided.inputs);
        settled(|| {
            pdp.evaluate_again(&self.request, at, inputs, list)
                .replayable()
        })
    }
}

/// Decides until the decision does not depend on the machine, at most [`TRIES`] times.
pub(crate) fn settled(decide: impl Fn() -> Value) -> Value {
    let mut decision = decide();
    for _ in 1..TRIES {
        if !compare::depends_on_machine(&decision) {
            break;
        }
        decision = decide();
    }
    decision
}

/// Pairs of decisions, and the changes between them.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    changes: Changes,
    pub(crate) same: u64,
    pub(crate) different: u64,
    pub(crate) depend_on_machine: u64,
}

impl Comparison {
    /// Adds a request with its two decisions.
    pub(crate) fn add(&mut self, compared: &Compared<'_>) {
        let differs = compare::differing(compared.before, compared.after);
        self.count(compared.depends_on_machine, differs.is_empty());
        if !differs.is_empty() || compared.depends_on_machine {
            self.changes.note(compared, differs);
        }
    }

    /// Counts a request.
    pub(crate) fn count(&mut self, depends_on_machine: bool, is_same: bool) {
        let counter = match (depends_on_machine, is_same) {
            (true, _) => &mut self.depend_on_machine,
            (false, true) => &mut self.same,
            (false, false) => &mut self.different,
        };
        *counter += 1;
    }

    /// Prints the changes on standard output, and the counts on standard error.
    pub(crate) fn print(self, format: Format, more: &[Count]) -> anyhow::Result<()> {
        let (same, different) = (self.same, self.different);
        let depend_on_machine = self.depend_on_machine;
        self.summary(more);
        let groups = self.changes.groups();
        match format {
            Format::Json => {
                let mut result = json!({
                    "same": same, "different": different, "depend-on-machine": depend_on_machine,
                    "changes": groups,
                });
                for count in more {
                    result[count.key] = json!(count.number);
                }
                output::json(&result)
            }
            Format::Human => print_groups(&groups),
        }
    }

    /// Prints the counts on standard error.
    pub(crate) fn summary(&self, more: &[Count]) {
        let Self {
            same,
            different,
            depend_on_machine,
            ..
        } = self;
        let mut text = format!(
            "{same} the same, {different} different, {depend_on_machine} that depend on the machine"
        );
        for count in more.iter().filter(|it| it.number > 0 || it.is_always_shown) {
            text = format!("{text}, {} {}", count.number, count.text);
        }
        let style = if *different == 0 { GOOD } else { BAD };
        output::note(&styled(style, &text));
    }
}

/// A number of requests, for the summary.
pub(crate) struct Count {
    /// Key of the number in JSON.
    pub(crate) key: &'static str,
    /// Words after the number.
    pub(crate) text: &'static str,
    pub(crate) number: u64,
    /// False if the number is shown to people only if it is not 0.
    pub(crate) is_always_shown: bool,
}

impl Read {
    /// The counts of the log, for the summary.
    pub(crate) fn counts(&self) -> [Count; 3] {
        [
            Count {
                key: "not-decided-again",
                text: "not decided again",
                number: self.not_decided,
                is_always_shown: true,
            },
            Count {
                key: "masked",
                text: "decided with masked values",
                number: self.masked,
                is_always_shown: false,
            },
            Count {
                key: "reported",
                text: "reports of the gateway's",
                number: self.reported,
                is_always_shown: false,
            },
        ]
    }
}

fn print_groups(groups: &[Change]) -> anyhow::Result<()> {
    let heading = |change: &Change| match (change.depends_on_machine, change.turn) {
        (true, _) => ("depends on the machine", FAINT),
        (false, Turn::DenyToPermit) => ("newly permitted", BAD),
        (false, Turn::Unblocked) => ("denied, and no longer blocked", BAD),
        (false, Turn::PermitToDeny) => ("newly denied", WARN),
        (false, Turn::Blocked) => ("denied, and newly blocked", WARN),
        (false, Turn::Permit) => ("permitted otherwise", STRONG),
        (false, Turn::Deny) => ("denied otherwise", STRONG),
    };
    let mut printed = "";
    for change in groups {
        let (text, style) = heading(change);
        if text != printed {
            let alike = groups.iter().filter(|other| heading(other).0 == text);
            let count: u64 = alike.map(|other| other.count).sum();
            output::line(&format!("{}: {count}", styled(style, text)))?;
            printed = text;
        }
        output::line(&shown_group(change))?;
    }
    Ok(())
}

/// One line for decisions that changed alike.
fn shown_group(change: &Change) -> String {
    // Only a permit has a grant and obligations, so they always differ if the effect differs.
    let has_turned = matches!(change.turn, Turn::DenyToPermit | Turn::PermitToDeny);
    let parts = change.differs.iter();
    let parts: Vec<_> = parts
        .filter(|part| match part {
            Part::Effect | Part::Cause => false,
            Part::Grant | Part::Obligations => !has_turned,
            Part::Mode => true,
        })
        .map(|part| part.as_str())
        .collect();
    let parts = match parts.as_slice() {
        [] => String::new(),
        parts if has_turned => format!("; another {}", parts.join(", ")),
        parts => format!("; another {} (at {})", parts.join(", "), change.at),
    };
    let details = format!(
        "{parts}; such as {}: {}",
        change.example,
        change.resources.join(", ")
    );
    format!(
        "{} {} -> {}: {}: {} {}{}",
        styled(FAINT, &format!("{:>6}", change.count)),
        shown_of_request(&change.old_cause),
        shown_of_request(&change.new_cause),
        shown_of_request(&change.principal),
        shown_of_request(&change.integration),
        shown_of_request(&change.action),
        styled(FAINT, &shown_of_request(&details)),
    )
}
