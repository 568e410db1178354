//! The report as text.

use super::Report;
use super::measures::Measures;
use crate::output::{FAINT, STRONG, WARN, shown_of_request, styled};
use std::time::Duration;

/// One line of the report: what is measured, its value, and what it was before.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) before: Option<String>,
}

/// What was measured over the log, each with what it was before.
pub(super) fn rows(report: &Report) -> Vec<Row> {
    let row = |name, value: fn(&Measures) -> String| Row {
        name,
        value: value(&report.measures),
        before: report.before.as_ref().map(value),
    };
    vec![
        row("decisions", |m| m.decisions.to_string()),
        row("denied", |m| percent(m.deny_share())),
        row("static credentials", |m| percent(m.static_share())),
        row("median credential lifetime", |m| {
            seconds(m.median_credential_lifetime_seconds)
        }),
        row("longest credential lifetime", |m| {
            seconds(m.longest_credential_lifetime_seconds)
        }),
        row("credentials of more than one instance", |m| {
            percent(m.reuse_share())
        }),
        row("permits without an intent", |m| percent(m.standing_share())),
        row("denies that did not block", |m| {
            m.not_blocked.values().sum::<u64>().to_string()
        }),
        row("checks waived", |m| {
            m.waived.values().sum::<u64>().to_string()
        }),
    ]
}

/// What the configuration says, each line with its value.
pub(super) fn inventory_rows(report: &Report) -> Vec<(&'static str, String)> {
    let inventory = &report.inventory;
    let owners = match inventory.with_owner {
        None => "not looked at: name who can be one with `--owners`".to_owned(),
        Some(owned) => percent(super::measures::share(owned, inventory.identities)),
    };
    let observed = match inventory.observed_integrations.as_slice() {
        [] => format!("none of {}", inventory.integrations),
        names => format!("{} of {}", names.join(", "), inventory.integrations),
    };
    vec![
        ("identities", inventory.identities.to_string()),
        ("with an owner", owners),
        ("only observed", observed),
        (
            "exceptions in force",
            inventory
                .exceptions
                .iter()
                .filter(|exception| !exception.has_ended)
                .count()
                .to_string(),
        ),
        (
            "revocations",
            inventory
                .revocations
                .map_or("no list".to_owned(), |n| n.to_string()),
        ),
        (
            "revocation list's age",
            seconds(inventory.revocation_age_seconds),
        ),
        (
            "a leaked credential's worst reuse",
            match inventory.worst_reuse_seconds {
                None => "without end: one that does not expire cannot be revoked".to_owned(),
                some => seconds(some),
            },
        ),
    ]
}

pub(super) fn write(report: &Report) -> String {
    let mut lines = vec![match report.since {
        None => format!("posture at {}", report.at),
        Some(since) => format!("posture at {}, since {since} and before", report.at),
    }];
    lines.push(String::new());
    for row in rows(report) {
        let before = row.before.map_or_else(String::new, |before| {
            styled(FAINT, &format!("  (before: {before})"))
        });
        lines.push(format!("{:<38} {}{before}", row.name, row.value));
    }
    for (name, value) in inventory_rows(report) {
        lines.push(format!("{name:<38} {value}"));
    }
    if !report.measures.denies.is_empty() {
        lines.push(format!("\n{}", styled(STRONG, "denies")));
        let mut denies: Vec<_> = report.measures.denies.iter().collect();
        denies.sort_by_key(|(cause, count)| (std::cmp::Reverse(**count), *cause));
        for (cause, count) in denies {
            lines.push(format!("{count:>8}  {}", shown_of_request(cause)));
        }
    }
    if !report.inventory.exceptions.is_empty() {
        lines.push(format!("\n{}", styled(STRONG, "exceptions")));
        for one in &report.inventory.exceptions {
            let ended = if one.has_ended {
                styled(WARN, "  ended")
            } else {
                String::new()
            };
            lines.push(format!(
                "  {} from {}: {} answers for it until {}{ended}",
                shown_of_request(&one.of),
                shown_of_request(&one.waives.join(", ")),
                shown_of_request(&one.owner),
                one.until
            ));
        }
    }
    if !report.inventory.intents.is_empty() {
        lines.push(format!("\n{}", styled(STRONG, "granted and used")));
        for intent in &report.inventory.intents {
            lines.push(format!("  {}", shown_of_request(&intent.summary())));
            for call in intent.narrowed_to.iter().flatten() {
                lines.push(format!("    {}", shown_of_request(call)));
            }
        }
    }
    lines.join("\n")
}

pub(super) fn percent(share: Option<f64>) -> String {
    share.map_or("-".to_owned(), |share| format!("{share:.1} %"))
}

pub(super) fn seconds(seconds: Option<u64>) -> String {
    let Some(seconds) = seconds else {
        return "-".to_owned();
    };
    match seconds {
        0..=119 => format!("{:?}", Duration::from_secs(seconds)),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}
