//! The report as text.

use super::Report;
use super::amount::Amount;
use super::measures::Measures;
use crate::intent::to_line;
use crate::output::{FAINT, STRONG, WARN, shown_of_request, styled};
use portcullis_host::well_known_withheld;
use std::collections::BTreeMap;

/// A line of the report: the measure's name, its value, the value before and the change.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) before: Option<String>,
    pub(super) change: Option<String>,
}

impl Row {
    fn of(name: &'static str, now: Amount, before: Option<Amount>) -> Self {
        Self {
            name,
            value: now.text(),
            before: before.map(Amount::text),
            change: before.and_then(|before| now.change(before)),
        }
    }

    /// Creates a line for a value without an amount or a known earlier value.
    fn now(name: &'static str, value: String) -> Self {
        Self {
            name,
            value,
            before: None,
            change: None,
        }
    }
}

/// A measure of the log.
type Measure = fn(&Measures) -> Amount;

/// The measures of the log.
static MEASURES: [(&str, Measure); 10] = [
    ("decisions", |m| Amount::Count(Some(m.decisions))),
    ("denied", |m| Amount::Percent(m.deny_share())),
    ("static credentials", |m| Amount::Percent(m.static_share())),
    ("median credential lifetime", |m| {
        Amount::Seconds(m.median_credential_lifetime_seconds)
    }),
    ("longest credential lifetime", |m| {
        Amount::Seconds(m.longest_credential_lifetime_seconds)
    }),
    ("credentials of more than one instance", |m| {
        Amount::Percent(m.reuse_share())
    }),
    ("permits without an intent", |m| {
        Amount::Percent(m.standing_share())
    }),
    ("denies that did not block", |m| {
        Amount::Count(Some(m.not_blocked.values().sum()))
    }),
    ("changed by candidates", |m| {
        Amount::Count(Some(m.changed_by_candidates.values().sum()))
    }),
    ("checks waived", |m| {
        Amount::Count(Some(m.waived.values().sum()))
    }),
];

/// Returns the measures of the log, each with its value before.
pub(super) fn rows(report: &Report) -> Vec<Row> {
    let before = report.before.as_ref();
    MEASURES
        .iter()
        .map(|&(name, measure)| Row::of(name, measure(&report.measures), before.map(measure)))
        .collect()
}

/// Returns the numbers of the configuration, now and before.
fn numbers(report: &Report) -> [(&'static str, Amount, Option<Amount>); 3] {
    let inventory = &report.inventory;
    let in_force = inventory.exceptions.iter().filter(|it| !it.has_ended);
    let before = report.inventory_before.as_ref();
    [
        (
            "exceptions in force",
            Amount::Count(Some(in_force.count() as u64)),
            before.map(|it| Amount::Count(Some(it.exceptions_in_force))),
        ),
        (
            "revocations",
            Amount::Count(inventory.revocations),
            before.map(|it| Amount::Count(it.revocations)),
        ),
        (
            "revocation list's age",
            Amount::Seconds(inventory.revocation_age_seconds),
            before.map(|it| Amount::Seconds(it.revocation_age_seconds)),
        ),
    ]
}

/// Returns the change of each number, in its unit.
pub(super) fn changes(report: &Report) -> Option<BTreeMap<String, Option<f64>>> {
    let before = report.before.as_ref()?;
    let measured = MEASURES.iter().map(|&(name, measure)| {
        let change = measure(&report.measures).difference(measure(before));
        (name, change)
    });
    let counted = numbers(report)
        .into_iter()
        .map(|(name, now, before)| (name, before.and_then(|before| now.difference(before))));
    let named = |(name, change): (&str, _)| {
        // The names of JSON members.
        (name.replace("'s", "").replace(' ', "-"), change)
    };
    Some(measured.chain(counted).map(named).collect())
}

/// Returns the lines of the configuration, with values before where they are known.
pub(super) fn inventory_rows(report: &Report) -> Vec<Row> {
    let inventory = &report.inventory;
    let owners = match inventory.with_owner {
        None => "not checked: name the possible owners with `--owners`".to_owned(),
        Some(owned) => Amount::Percent(super::measures::share(owned, inventory.identities)).text(),
    };
    let observed = match inventory.observed_integrations.as_slice() {
        [] => format!("none of {}", inventory.integrations),
        names => format!("{} of {}", names.join(", "), inventory.integrations),
    };
    let mut rows = vec![
        Row::now("identities", inventory.identities.to_string()),
        Row::now("with an owner", owners),
        Row::now("only observed", observed),
    ];
    rows.extend(numbers(report).map(|(name, now, before)| Row::of(name, now, before)));
    rows.push(Row::now(
        "a leaked credential's worst reuse",
        match inventory.worst_reuse_seconds {
            None => "unlimited: a credential that does not expire cannot be revoked".to_owned(),
            some => Amount::Seconds(some).text(),
        },
    ));
    rows
}

pub(super) fn write(report: &Report) -> String {
    let mut lines = vec![match report.since {
        None => format!("posture at {}", report.at),
        Some(since) => format!("posture at {}, since {since} and before", report.at),
    }];
    lines.push(String::new());
    for row in rows(report).into_iter().chain(inventory_rows(report)) {
        let change = row.change.map(|change| format!(", {change}"));
        let before = row.before.map_or_else(String::new, |before| {
            let change = change.unwrap_or_default();
            styled(FAINT, &format!("  (before: {before}{change})"))
        });
        lines.push(format!("{:<38} {}{before}", row.name, row.value));
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
                "  {} from {}: owner {}, until {}{ended}",
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
            if let Some(proposed) = &intent.proposed {
                let proposed = well_known_withheld(&to_line(proposed));
                lines.push(format!("    {} {proposed}", styled(FAINT, "to sign:")));
            }
        }
    }
    lines.join("\n")
}
