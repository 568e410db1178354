//! Prints decisions for people. Text that a request or a plugin controls is escaped first.

use super::Case;
use crate::output::{self, BAD, FAINT, GOOD, STRONG, WARN, shown_of_request, styled};
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, Color, ContentArrangement, Table};
use portcullis_host::{Conclusion, Decision, Obligation, Request, counted, well_known_withheld};
use std::io;
use std::time::Duration;

/// Width in characters of a table that is not printed to a terminal.
const WIDTH_OFF_TERMINAL: u16 = 140;

/// Maximum length in characters of the arguments in a row.
const ARGUMENTS_SHOWN: usize = 60;

/// Prints one decision in detail.
pub(super) fn one(case: &Case) -> io::Result<()> {
    let decision = &case.decision;
    let verdict = match decision.is_permit() {
        true => styled(GOOD, "PERMIT"),
        false if decision.blocks() => styled(BAD, "DENY"),
        false => format!(
            "{} {}",
            styled(BAD, "DENY"),
            styled(WARN, "(observed, not enforced)")
        ),
    };
    let request = match &case.request {
        Ok(request) => format!(
            "{}: {} on {}",
            request.integration(),
            request.action(),
            request.resource().id
        ),
        Err(_) => "a request that cannot be read".to_owned(),
    };
    let time = styled(FAINT, &micros(case.time));
    output::line(&format!(
        "{verdict}  {}  {time}",
        styled(STRONG, &shown_of_request(&request))
    ))?;
    row("cause", decision.cause().as_str())?;
    let (mut not_applicable, mut not_reached) = (Vec::new(), Vec::new());
    for check in case.checks.iter().flatten() {
        let mark = match check.conclusion {
            Conclusion::Pass => styled(GOOD, "pass"),
            Conclusion::Waived => styled(WARN, "waived"),
            Conclusion::Stop => styled(BAD, "stop"),
            Conclusion::NotApplicable => {
                not_applicable.push(check.name.as_str());
                continue;
            }
            Conclusion::NotReached => {
                not_reached.push(check.name.as_str());
                continue;
            }
        };
        row(
            "check",
            &format!(
                "{mark} {}: {}",
                check.name,
                shown_of_request(&check.finding)
            ),
        )?;
    }
    for (name, checks) in [("n/a", not_applicable), ("not run", not_reached)] {
        if !checks.is_empty() {
            row(name, &styled(FAINT, &checks.join(", ")))?;
        }
    }
    for reason in decision.reasons() {
        let fields = match reason.fields.as_slice() {
            [] => String::new(),
            fields => styled(FAINT, &format!("  [{}]", fields.join(", "))),
        };
        row(
            "reason",
            &format!(
                "{} {}: {}{fields}",
                reason.plugin,
                styled(STRONG, &reason.code),
                reason.message
            ),
        )?;
    }
    for obligation in decision.obligations() {
        row("must do", &obligation_text(obligation))?;
    }
    for advice in decision.advice() {
        row("may do", &obligation_text(advice))?;
    }
    if let Some(grant) = decision.grant() {
        let uses = grant.remaining_uses().map_or(String::new(), |uses| {
            format!(", for {}", counted(uses, "use"))
        });
        row("grant", &format!("until {}{uses}", grant.expires_at()))?;
        for constraint in grant.constraints() {
            row(
                "",
                &format!("only with {}", shown_of_request(&constraint.to_string())),
            )?;
        }
    }
    if !decision.detail().is_empty() {
        row("to change", &shown_of_request(decision.detail()))?;
    }
    for plugin in decision.plugins() {
        let answer = match &plugin.outcome {
            Ok(effect) => effect.as_str().to_owned(),
            Err(fault) => styled(WARN, &shown_of_request(&fault.to_string())),
        };
        row(
            "plugin",
            &format!(
                "{} {}: {answer}  {}",
                plugin.name,
                shown_of_request(&plugin.version),
                styled(
                    FAINT,
                    &format!(
                        "{}, {} KiB, {}",
                        micros(plugin.time),
                        plugin.peak_memory_bytes / 1024,
                        plugin.digest
                    )
                )
            ),
        )?;
    }
    Ok(())
}

fn row(name: &str, text: &str) -> io::Result<()> {
    output::line(&format!(
        "  {} {}",
        styled(FAINT, &format!("{name:<9}")),
        // A plugin may quote the request.
        well_known_withheld(text)
    ))
}

fn obligation_text(obligation: &Obligation) -> String {
    format!(
        "{} {}",
        obligation.kind,
        shown_of_request(&obligation.properties.to_string())
    )
}

/// Prints many decisions as a table, one row each.
pub(super) fn table(cases: &[Case]) -> io::Result<()> {
    let mut table = Table::new();
    table
        .load_style(UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(["", "request", "decision", "cause", "reason", "µs"]);
    for (index, case) in cases.iter().enumerate() {
        let decision = &case.decision;
        let (verdict, color) = match decision.is_permit() {
            true => ("permit", Color::Green),
            false if decision.blocks() => ("deny", Color::Red),
            false => ("deny (observed)", Color::Yellow),
        };
        let request = match &case.request {
            Ok(request) => summary(request),
            Err(_) => "cannot be read".to_owned(),
        };
        table.add_row([
            Cell::new(index + 1),
            Cell::new(shown_of_request(&request)),
            Cell::new(verdict).fg(color),
            Cell::new(decision.cause()),
            Cell::new(shown_of_request(&main_reason(decision))),
            Cell::new(format!("{:.1}", case.time.as_secs_f64() * 1e6))
                .set_alignment(CellAlignment::Right),
        ]);
    }
    if table.width().is_none() {
        table.set_width(WIDTH_OFF_TERMINAL);
    }
    // The output stream removes the colours if it is not a terminal.
    table.enforce_styling();
    output::line(&table.to_string())
}

/// Summarises the request: action, resource and arguments.
fn summary(request: &Request) -> String {
    let resource = &request.resource().id;
    let to = if resource == request.integration() {
        ""
    } else {
        resource
    };
    // Before truncation, because the beginning of a token is not recognised as one.
    let arguments = match well_known_withheld(&request.arguments().to_string()) {
        none if none == "{}" => String::new(),
        arguments => match arguments.char_indices().nth(ARGUMENTS_SHOWN) {
            Some((end, _)) => format!("{}…", arguments.get(..end).unwrap_or_default()),
            None => arguments,
        },
    };
    let text = format!(
        "{}: {} {to} {arguments}",
        request.integration(),
        request.action()
    );
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns the most relevant reason. For a deny, it is that of the plugin that denies.
fn main_reason(decision: &Decision) -> String {
    let denying = decision.plugins().iter().find(|plugin| {
        plugin.outcome == Ok(portcullis_host::Effect::Deny)
            || plugin.outcome == Ok(portcullis_host::Effect::Indeterminate)
    });
    let reason = match denying {
        Some(plugin) => decision.reasons().iter().find(|r| r.plugin == plugin.name),
        None if decision.is_permit() => decision.reasons().first(),
        None => None,
    };
    match reason {
        Some(reason) => format!("{}: {}", reason.code, reason.message),
        None => decision.detail().to_owned(),
    }
}

fn micros(time: Duration) -> String {
    format!("{:.1} µs", time.as_secs_f64() * 1e6)
}
