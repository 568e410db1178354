//! The status as a page: without script, font or image, and read-only.

mod text;

use super::status::{self, WholeStatus};
use crate::recent::RecentDecision;
use crate::state::App;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header;
use maud::{DOCTYPE, Markup, html};
use portcullis_host::{IntegrationStatus, Status, Timestamp, counted};
use text::{ago, clock, duration, milliseconds, shown, time};

/// Policy of the page: nothing but its own style sheet.
const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The style sheet of the page, in a light and a dark scheme.
const STYLE: &str = include_str!("style.css");

/// Number of groups of denies that are shown.
const GROUPS: usize = 20;

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
                title { (ready_text(status)) ": Portcullis" }
                link rel="stylesheet" href="style.css";
            }
            body {
                a.skip href="#decisions" { "To the last decisions" }
                header {
                    h1 { "Portcullis " (status.host.version) }
                    (ready(status))
                    p.faint { "as of " (time(status.host.at)) " · " a href="" { "refresh" } }
                }
                main {
                    (alerts(status))
                    (summary(status))
                    (denied(status))
                    (problems(&status.host.problems))
                    (loaded(status))
                    (integrations(&status.host.integrations, status.host.at))
                    (server(status))
                    (decisions(status))
                }
            }
        }
    }
}

fn ready_text(status: &WholeStatus) -> &'static str {
    match status.server.unready.is_empty() {
        true => "Ready",
        false => "Not ready",
    }
}

fn ready(status: &WholeStatus) -> Markup {
    let class = match status.server.unready.is_empty() {
        true => "state good",
        false => "state bad",
    };
    html! { p class=(class) { (ready_text(status)) } }
}

/// Everything that an operator has to act on at once.
fn alerts(status: &WholeStatus) -> Markup {
    let unready = &status.server.unready;
    html! {
        @if !unready.is_empty() { (alert("Not ready", "`GET /readyz` answers 503.", unready)) }
        @if let Some(refused) = &status.host.refused {
            (alert(
                &format!("A configuration was refused at {}", refused.at),
                "The one before stays in force.",
                &refused.problems,
            ))
        }
        @if !status.server.refused.is_empty() {
            (alert(
                "A change of [serve] was refused",
                "The settings before stay in force.",
                &status.server.refused,
            ))
        }
        @if let Some(ship) = status.server.ship.as_ref().filter(|ship| ship.stopped) {
            (alert(
                "The log is not shipped any more",
                "Decisions are made and recorded as before.",
                ship.problem.as_slice(),
            ))
        }
    }
}

fn alert(title: &str, effect: &str, reasons: &[String]) -> Markup {
    html! {
        section.alert {
            h2 { (title) }
            p { (effect) }
            ul { @for reason in reasons { li { (shown(reason)) } } }
        }
    }
}

/// The few facts that answer whether all is well.
fn summary(status: &WholeStatus) -> Markup {
    let (host, server) = (&status.host, &status.server);
    let permits = server.decisions.iter().filter(|it| it.decision).count();
    let denies = server.decisions.len() - permits;
    html! {
        dl.facts {
            div {
                dt { "Configuration" }
                @match host.loaded {
                    Some(loaded) => dd.main { "in force for " (ago(host.at, loaded)) },
                    None => dd.main { "set by the program" },
                }
                @if let Some(loaded) = host.loaded {
                    dd { "since " (time(loaded)) ", " (counted(host.reloads, "reload")) }
                }
                @if let Some(file) = &host.file { dd { (shown(&file.display().to_string())) } }
                @if let Some(digest) = &host.digest { dd { code { (digest) } } }
            }
            div {
                dt { "Revocation list" }
                @match &host.revocations {
                    None => dd.main { "none" },
                    Some(list) => {
                        @match list.age_seconds {
                            Some(age) if age <= list.max_age_seconds => dd.main { (duration(age)) " old" },
                            Some(age) => dd."main bad" { (duration(age)) " old: stale" },
                            None => dd."main bad" { "of unknown age" },
                        }
                        dd { "at most " (duration(list.max_age_seconds)) ", epoch " (list.epoch) }
                    }
                }
                @for bundle in &host.trust_domains {
                    dd { "bundle of " (shown(&bundle.domain)) ": " (age(bundle.file.age_seconds)) }
                }
            }
            div {
                dt { "Last decisions" }
                @if server.decisions.is_empty() {
                    dd.main { "none since the start" }
                } @else {
                    dd.main { (counted(permits, "permit")) ", " (counted(denies, "deny")) }
                    dd { (milliseconds(server.latency.median_us)) " in the median, " (milliseconds(server.latency.p99_us)) " at the 99th percentile, with the record in the log" }
                }
            }
            div {
                dt { "Log" }
                @match &host.log {
                    None => dd.main { "none" },
                    Some(log) => {
                        dd.main { "line " (log.sequence) }
                        dd { (shown(&log.path.display().to_string())) }
                    }
                }
                @if !host.problems.is_empty() {
                    dd { a href="#problems" { (counted(host.problems.len(), "problem")) } }
                }
            }
        }
    }
}

/// Recent denies that have cause, reasons, principal, action and integration in common.
struct Denied<'a> {
    count: usize,
    latest: &'a RecentDecision,
}

impl Denied<'_> {
    fn has(&self, other: &RecentDecision) -> bool {
        let of = |it: &RecentDecision| {
            (
                it.cause.clone(),
                it.reasons.clone(),
                it.principal.clone(),
                it.action.clone(),
                it.integration.clone(),
            )
        };
        of(self.latest) == of(other)
    }
}

/// Groups the denies, the group of the latest first.
fn grouped(decisions: &[RecentDecision]) -> Vec<Denied<'_>> {
    let mut groups: Vec<Denied<'_>> = Vec::new();
    for decision in decisions.iter().filter(|it| !it.decision) {
        match groups.iter_mut().find(|group| group.has(decision)) {
            Some(group) => group.count += 1,
            None => groups.push(Denied {
                count: 1,
                latest: decision,
            }),
        }
    }
    groups
}

fn denied(status: &WholeStatus) -> Markup {
    let groups = grouped(&status.server.decisions);
    html! {
        @if !groups.is_empty() {
            h2 id="denied" { "Denied, and why" }
            div."wide denied" tabindex="0" role="region" aria-labelledby="denied" {
                table {
                    thead { tr { th scope="col" { "denies" } th scope="col" { "cause" } th scope="col" { "request" } } }
                    tbody {
                        @for group in groups.iter().take(GROUPS) {
                            tr {
                                td."count whole" { b { (group.count) } br; span.faint { (clock(group.latest.at)) } }
                                td { (cause(group.latest)) }
                                td {
                                    span.part { (shown(&group.latest.principal)) }
                                    span.part { (call(group.latest, &status.host)) }
                                }
                            }
                        }
                    }
                }
            }
            @if groups.len() > GROUPS { p.faint { "and others, see the last decisions" } }
        }
    }
}

fn problems(problems: &[String]) -> Markup {
    html! {
        @if !problems.is_empty() {
            h2 id="problems" { "Problems" }
            ul { @for problem in problems { li { (shown(problem)) } } }
        }
    }
}

fn loaded(status: &WholeStatus) -> Markup {
    let host = &status.host;
    html! {
        h2 { "Also loaded" }
        dl.list {
            dt { "started" }
            dd { (time(status.server.started)) }
            @if let Some(registry) = &host.registry {
                dt { "registry" }
                dd { (counted(registry.identities, "identity")) ", " (age(registry.file.age_seconds)) }
            }
            @if let Some(intents) = &host.intents {
                dt { "intents" }
                dd { (intents.known) @if intents.signed { ", signed" } @else { ", not signed" } }
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
                    (counted(otlp.dropped_spans, "span")) " dropped, " (counted(otlp.failed_exports, "export")) " failed"
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
            Some(seconds) => { "changed " (duration(seconds)) " ago" }
            None => { span.bad { "cannot be read" } }
        }
    }
}

fn integrations(integrations: &[IntegrationStatus], now: Timestamp) -> Markup {
    html! {
        h2 id="integrations" { "Integrations" }
        div.wide tabindex="0" role="region" aria-labelledby="integrations" {
            table {
                thead { tr { th scope="col" { "integration" } th scope="col" { "plugin" } th scope="col" { "state" } th scope="col" { "digests" } } }
                tbody {
                    @for integration in integrations {
                        @for plugin in &integration.plugins {
                            tr {
                                td { (shown(&integration.name)) @if integration.observed { br; span.faint { "only observed" } } }
                                td { (shown(&plugin.name)) " " (shown(&plugin.version)) }
                                td {
                                    @match &plugin.quarantined {
                                        None => span.good { "in use" },
                                        Some(quarantined) => {
                                            span.bad { "quarantined" } br;
                                            span.faint { (counted(quarantined.faults, "fault")) ", " (ago(now, quarantined.since)) " ago" }
                                        }
                                    }
                                }
                                td.whole {
                                    code { (plugin.digest) } br;
                                    span.faint { "settings " code { (plugin.settings_digest) } }
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
        h2 id="peps" { "Listeners and enforcement points" }
        p { @for listener in &server.listeners { code { (shown(listener)) } " " } "(" (server.connections) " connections)" }
        div.wide tabindex="0" role="region" aria-labelledby="peps" {
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
        h2 id="decisions" tabindex="-1" { "Last decisions" }
        @if status.server.decisions.is_empty() {
            p.faint { "None since the start." }
        } @else {
            div.wide tabindex="0" role="region" aria-labelledby="decisions" {
                table {
                    caption { "Without arguments. " code { "portcullis log query LOG --id ID" } " shows what the log has of one." }
                    thead { tr {
                        th scope="col" { "time and id" } th scope="col" { "decision" } th scope="col" { "principal" }
                        th scope="col" { "call" } th scope="col" { "asked by" } th.number scope="col" { "took" }
                    } }
                    tbody { @for decision in &status.server.decisions { (row(decision, &status.host)) } }
                }
            }
        }
    }
}

fn row(decision: &RecentDecision, host: &Status) -> Markup {
    html! {
        tr {
            td.whole { (time(decision.at)) br; code.faint { (decision.id) } }
            td { @if decision.decision { span.good { "permit" } } @else { span.bad { "deny" } " " (cause(decision)) } }
            td { (shown(&decision.principal)) }
            td { (call(decision, host)) }
            td { (decision.pep) }
            td.number { (milliseconds(decision.micros)) }
        }
    }
}

/// Cause of a deny, and the reasons of plugins.
fn cause(decision: &RecentDecision) -> Markup {
    html! {
        (decision.cause)
        @for reason in &decision.reasons { br; span.faint { (shown(reason)) } }
    }
}

/// Action and resource of a request, and its integration.
fn call(decision: &RecentDecision, host: &Status) -> Markup {
    let mut integrations = host.integrations.iter();
    let is_observed = integrations.any(|it| it.name == decision.integration && it.observed);
    html! {
        (shown(&decision.action)) " " (shown(&decision.resource)) br;
        span.faint { "of " (shown(&decision.integration)) @if is_observed { ", only observed" } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(decision: bool, cause: &str, action: &str) -> RecentDecision {
        RecentDecision {
            at: Timestamp::now(),
            id: String::new(),
            pep: "local".to_owned(),
            integration: "files".to_owned(),
            principal: "alice".to_owned(),
            action: action.to_owned(),
            resource: "files".to_owned(),
            decision,
            cause: cause.to_owned(),
            reasons: Vec::new(),
            micros: 1,
        }
    }

    #[test]
    fn denies_are_grouped_and_permits_are_not_among_them() {
        let decisions = [
            decided(false, "revoked", "read"),
            decided(true, "permitted", "read"),
            decided(false, "not-applicable", "read"),
            decided(false, "revoked", "write"),
            decided(false, "revoked", "read"),
        ];
        let groups = grouped(&decisions);
        let seen: Vec<_> = groups
            .iter()
            .map(|group| {
                (
                    group.count,
                    group.latest.cause.as_str(),
                    group.latest.action.as_str(),
                )
            })
            .collect();
        let expected = [
            (2, "revoked", "read"),
            (1, "not-applicable", "read"),
            (1, "revoked", "write"),
        ];
        assert_eq!(seen, expected);
        assert!(grouped(&decisions[1..2]).is_empty());
    }
}
