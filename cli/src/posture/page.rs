//! The report as one self-contained page: no script, font or image from elsewhere.

use super::{Report, charts, text};
use crate::intent::to_text;
use crate::output::shown_of_request;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use portcullis_host::well_known_withheld;

const STYLE: &str = "
:root { color-scheme: light dark; --line: #8884; --faint: #888; --warn: #b8860b; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.faint { color: var(--faint); } .warn { color: var(--warn); }
figure { margin: 1rem 0; } figure svg { width: 100%; height: auto; background: #fff; border-radius: .4rem; }
code { font-size: .9em; overflow-wrap: anywhere; }
";

pub(super) fn write(report: &Report) -> anyhow::Result<String> {
    let charts = charts::all(report)?;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Posture of machine identities" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Posture of machine identities" }
                p.faint {
                    "At " (report.at)
                    @if let Some(since) = report.since { ", from " (since) " on, and before" }
                }
                (measured(report))
                @for (title, svg) in &charts {
                    figure {
                        figcaption { (title) }
                        (PreEscaped(svg))
                    }
                }
                (inventory(report))
                (exceptions(report))
                (intents(report))
            }
        }
    };
    Ok(page.into_string())
}

fn measured(report: &Report) -> Markup {
    html! {
        h2 { "From the decision log" }
        table {
            thead { tr { th { "what" } th.number { "now" } @if report.since.is_some() { th.number { "before" } th.number { "change" } } } }
            tbody {
                @for row in text::rows(report) { (line(&row)) }
            }
        }
    }
}

fn inventory(report: &Report) -> Markup {
    html! {
        h2 { "From the configuration" }
        table { tbody {
            @for row in text::inventory_rows(report) { (line(&row)) }
        } }
    }
}

fn line(row: &text::Row) -> Markup {
    html! {
        tr {
            td { (row.name) }
            td.number { (row.value) }
            @if let Some(before) = &row.before {
                td.number.faint { (before) }
                td.number { @if let Some(change) = &row.change { (change) } }
            }
        }
    }
}

fn exceptions(report: &Report) -> Markup {
    html! {
        @if !report.inventory.exceptions.is_empty() {
            h2 { "Exceptions" }
            table {
                thead { tr { th { "of" } th { "from" } th { "owner" } th { "until" } } }
                tbody {
                    @for one in &report.inventory.exceptions {
                        tr {
                            td { code { (shown_of_request(&one.of)) } }
                            td { (one.waives.join(", ")) }
                            td { (shown_of_request(&one.owner)) }
                            td { (one.until) @if one.has_ended { " " span.warn { "ended" } } }
                        }
                    }
                }
            }
        }
    }
}

fn intents(report: &Report) -> Markup {
    html! {
        @if !report.inventory.intents.is_empty() {
            h2 { "Granted and used" }
            table {
                thead { tr { th { "intent" } th { "used" } th { "could be narrowed to" } } }
                tbody {
                    @for intent in &report.inventory.intents {
                        tr {
                            td { code { (shown_of_request(&intent.id)) } br; span.faint { (shown_of_request(&intent.principal)) } }
                            td.number { (intent.used_allowances) " of " (intent.allowances) }
                            td {
                                @match &intent.narrowed_to {
                                    None => span.faint { "unknown: its uses are masked" },
                                    Some(calls) if calls.is_empty() => span.warn { "nothing: close it" },
                                    Some(calls) => @for call in calls { code { (shown_of_request(call)) } br; },
                                }
                                @if let Some(proposed) = &intent.proposed {
                                    details {
                                        summary { "the intent to sign" }
                                        pre { code { (well_known_withheld(&to_text(proposed))) } }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
