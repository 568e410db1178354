//! The status as a page: without script, font or image, and read-only.

use super::status::{self, WholeStatus};
use crate::recent::RecentDecision;
use crate::state::App;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header;
use maud::{DOCTYPE, Markup, html};
use portcullis_host::{IntegrationStatus, printable, well_known_withheld};

/// Policy of the page: nothing but its own style sheet.
const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const STYLE: &str = "
:root { color-scheme: light dark; --line: #8886; --faint: #666; --good: #156b2f; --bad: #a3160b; }
@media (prefers-color-scheme: dark) { :root { --faint: #aaa; --good: #6fd08c; --bad: #ff8a7a; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 1.5rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; color: var(--faint); }
th, td { text-align: left; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; }
dt { color: var(--faint); } dd { margin: 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; } .wide:focus-visible, a:focus-visible { outline: 2px solid; outline-offset: 2px; }
.faint { color: var(--faint); } .good { color: var(--good); font-weight: 600; } .bad { color: var(--bad); font-weight: 600; }
code { font-size: .9em; overflow-wrap: anywhere; }
.skip { position: absolute; left: -100vw; } .skip:focus { position: static; }
";

/// `GET /style.css`.
pub(super) async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE).into_response()
}

/// `GET /`.
pub(super) async fn page(State(app): State<App>) -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, whole(&status::of(&app)).into_string()).into_response()
}

fn whole(status: &WholeStatus) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Portcullis: " (ready_text(status)) }
                link rel="stylesheet" href="style.css";
            }
            body {
                a.skip href="#decisions" { "To the last decisions" }
                main {
                    h1 { "Portcullis " (status.host.version) }
                    (readiness(status))
                    (problems(status))
                    (loaded(status))
                    (integrations(&status.host.integrations))
                    (server(status))
                    (decisions(status))
                }
            }
        }
    }
}

fn ready_text(status: &WholeStatus) -> &'static str {
    match status.server.unready.is_empty() {
        true => "ready",
        false => "not ready",
    }
}

fn readiness(status: &WholeStatus) -> Markup {
    let latency = &status.server.latency;
    html! {
        @if status.server.unready.is_empty() {
            p { span.good { "Ready." } " As of " (status.host.at) "." }
        } @else {
            p { span.bad { "Not ready." } " As of " (status.host.at) "." }
            ul { @for reason in &status.server.unready { li { (shown(reason)) } } }
        }
        @if latency.decisions > 0 {
            p {
                "The last " (latency.decisions) " decisions took "
                (milliseconds(latency.median_us)) " in the median, "
                (milliseconds(latency.p99_us)) " at the 99th percentile and "
                (milliseconds(latency.most_us)) " at most, with their record in the log."
            }
        }
    }
}

fn problems(status: &WholeStatus) -> Markup {
    let host = &status.host;
    html! {
        @if let Some(refused) = &host.refused {
            h2.bad { "A configuration was refused at " (refused.at) }
            p { "The one before stays in force." }
            ul { @for problem in &refused.problems { li { (shown(problem)) } } }
        }
        @if !status.server.refused.is_empty() {
            h2.bad { "A change of [serve] was refused" }
            p { "The settings before stay in force." }
            ul { @for problem in &status.server.refused { li { (shown(problem)) } } }
        }
        @if !host.problems.is_empty() {
            h2 { "Problems" }
            ul { @for problem in &host.problems { li { (shown(problem)) } } }
        }
    }
}

fn loaded(status: &WholeStatus) -> Markup {
    let host = &status.host;
    html! {
        h2 { "Loaded" }
        dl {
            @if let Some(file) = &host.file { dt { "configuration" } dd { (shown(&file.display().to_string())) } }
            @if let Some(digest) = &host.digest { dt { "digest" } dd { code { (digest) } } }
            @if let Some(loaded) = host.loaded { dt { "in force since" } dd { (loaded) " (" (host.reloads) " reloads)" } }
            @if let Some(list) = &host.revocations {
                dt { "revocation list" }
                dd {
                    "epoch " (list.epoch) ", "
                    @match list.age_seconds {
                        Some(age) => { (age) " s old, at most " (list.max_age_seconds) " s" }
                        None => { "of unknown age" }
                    }
                }
            }
            @for bundle in &host.trust_domains {
                dt { "bundle of " (shown(&bundle.domain)) }
                dd { (age(bundle.file.age_seconds)) }
            }
            @if let Some(registry) = &host.registry {
                dt { "registry" }
                dd { (registry.identities) " identities, " (age(registry.file.age_seconds)) }
            }
            @if let Some(intents) = &host.intents {
                dt { "intents" }
                dd { (intents.known) @if intents.signed { ", signed" } @else { ", not signed" } }
            }
            @if let Some(log) = &host.log {
                dt { "log" }
                dd { (shown(&log.path.display().to_string())) ", line " (log.sequence) }
            }
            @if let Some(ship) = &status.server.ship {
                dt { "log shipped to " (shown(&ship.url)) }
                dd {
                    "line " (ship.confirmed) ", " (ship.behind) " behind"
                    @if ship.stopped { " " span.bad { "stopped" } }
                    @if let Some(problem) = &ship.problem { br; span.faint { (shown(problem)) } }
                }
            }
            @if let Some(otlp) = &status.server.otlp {
                dt { "telemetry to " (shown(&otlp.endpoint)) }
                dd {
                    (otlp.dropped_spans) " spans dropped, " (otlp.failed_exports) " exports failed"
                    @if let Some(problem) = &otlp.problem { br; span.faint { (shown(problem)) } }
                }
            }
            @if let Some(checkpoint) = &status.server.checkpoint { dt { "checkpoint" } dd { (shown(checkpoint)) } }
        }
    }
}

fn age(seconds: Option<u64>) -> Markup {
    html! {
        @match seconds {
            Some(seconds) => { "changed " (seconds) " s ago" }
            None => { span.bad { "cannot be read" } }
        }
    }
}

fn integrations(integrations: &[IntegrationStatus]) -> Markup {
    html! {
        h2 { "Integrations" }
        div.wide tabindex="0" role="region" aria-label="Integrations" {
            table {
                thead { tr { th scope="col" { "integration" } th scope="col" { "plugin" } th scope="col" { "digest" } th scope="col" { "settings" } th scope="col" { "state" } } }
                tbody {
                    @for integration in integrations {
                        @for plugin in &integration.plugins {
                            tr {
                                td { (shown(&integration.name)) @if integration.observed { " " span.faint { "(observed)" } } }
                                td { (shown(&plugin.name)) " " (shown(&plugin.version)) }
                                td { code { (plugin.digest) } }
                                td { code { (plugin.settings_digest) } }
                                td {
                                    @if plugin.quarantined.is_some() { span.bad { "quarantined" } } @else { span.good { "in use" } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn server(status: &WholeStatus) -> Markup {
    let server = &status.server;
    html! {
        h2 { "Listeners and enforcement points" }
        p { @for listener in &server.listeners { code { (shown(listener)) } " " } "(" (server.connections) " open connections)" }
        div.wide tabindex="0" role="region" aria-label="Enforcement points" {
            table {
                thead { tr { th scope="col" { "enforcement point" } th scope="col" { "recognised by" } th scope="col" { "integrations" } th scope="col" { "vouches for" } } }
                tbody {
                    @for pep in &server.peps {
                        tr {
                            td { (pep.id) }
                            td { (shown(&pep.by)) }
                            td { @match &pep.integrations { None => "all", Some(names) => (shown(&names.join(", "))) } }
                            td { (pep.vouches_for.iter().map(|fact| fact.as_str()).collect::<Vec<_>>().join(", ")) }
                        }
                    }
                }
            }
        }
    }
}

fn decisions(status: &WholeStatus) -> Markup {
    html! {
        h2 id="decisions" { "Last decisions" }
        @if status.server.decisions.is_empty() {
            p.faint { "None since the start." }
        } @else {
            div.wide tabindex="0" role="region" aria-label="Last decisions" {
                table {
                    caption { "Without arguments. " code { "portcullis log query LOG --id ID" } " shows what the log has of one." }
                    thead { tr {
                        th scope="col" { "time" } th scope="col" { "decision" } th scope="col" { "cause" } th scope="col" { "principal" }
                        th scope="col" { "action" } th scope="col" { "resource" } th scope="col" { "integration" }
                        th scope="col" { "asked by" } th.number scope="col" { "took" } th scope="col" { "id" }
                    } }
                    tbody { @for decision in &status.server.decisions { (row(decision)) } }
                }
            }
        }
    }
}

fn row(decision: &RecentDecision) -> Markup {
    html! {
        tr {
            td { (decision.at) }
            td { @if decision.decision { span.good { "permit" } } @else { span.bad { "deny" } } }
            td {
                (decision.cause)
                @for reason in &decision.reasons { br; span.faint { (shown(reason)) } }
            }
            td { (shown(&decision.principal)) }
            td { (shown(&decision.action)) }
            td { (shown(&decision.resource)) }
            td { (shown(&decision.integration)) }
            td { (decision.pep) }
            td.number { (milliseconds(decision.micros)) }
            td { code { (decision.id) } }
        }
    }
}

/// A text of a file, a plugin or a request for display.
fn shown(text: &str) -> String {
    printable(&well_known_withheld(text))
}

fn milliseconds(micros: u64) -> String {
    format!("{}.{:03} ms", micros / 1000, micros % 1000)
}
