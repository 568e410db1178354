//! Reads the sections of the host's own checks: `[registry]`, `[revocation]`, `[intents]`, `[destinations]`,
//! `[trust-domains]`, `[required-checks]` and `[ceiling]`.

use super::signed::{self, EventIssuers, ForList};
use crate::admission::{Requirement, Requirements};
use crate::integration::{Tier, TierCeiling};
use crate::pdp::AccessRequests;
use portcullis_contract::name::alike_key;
use portcullis_contract::{ActionClass, PrincipalKind, excerpt, similar};
use portcullis_model::document::lines_with_tokens;
use portcullis_model::document::{LOOKS_LIKE_A_SECRET, Problem, Severity};
use portcullis_model::document::{Section, Source, Span};
use portcullis_model::document::{action_class, from_text, principal_kind};
use portcullis_model::request::{A_PLAIN_TYPE, is_plain_type};
use portcullis_model::secret::looks_like_a_token;
use portcullis_trust::intent::{IntentError, Intents, unverified_intent};
use portcullis_trust::posture::Postures;
use portcullis_trust::registry::{FollowedRegistry, Registry};
use portcullis_trust::revocation::{ListError, Revocations};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Reads `[registry]`; returns the registry with its path.
pub(super) fn registry(
    mut section: Section<'_, '_>,
    folder: &Path,
) -> Option<(FollowedRegistry, PathBuf)> {
    let source = section.source();
    let path = section.required_text("path");
    section.end();
    let (path, span) = path?;
    let path = folder.join(path);
    let (registry, problems) = FollowedRegistry::follow(&path);
    source.add(problems);
    if let Some((one, other, pairs)) = registry.last_valid().namesakes() {
        let message = format!(
            "agents `{one}` and `{other}` end with the same segment ({pairs} such pairs): a plugin that identifies agents by it, such as `github` with `{{name}}` in `own-branch-prefix`, confuses them: write `{{trust-domain}}/{{path}}` there"
        );
        source.warn(span, message);
    }
    Some((registry, path))
}

/// Warns of integrations in the registry that are not among `named`, once for each name.
///
/// Hosts with other integrations may share a registry, so these are no errors.
pub(super) fn unknown_integrations(
    registry: &Registry,
    path: &Path,
    named: &[String],
) -> Vec<Problem> {
    let is_unknown = |name: &str| !name.contains('*') && !named.iter().any(|it| it == name);
    let mut listed = registry.iter().flat_map(|it| it.integrations.iter());
    if !listed.any(|name| is_unknown(name)) {
        return Vec::new();
    }
    let mut seen: HashSet<Arc<str>> = HashSet::new();
    let mut problems = Vec::new();
    // The registry is read again for the places.
    for surveyed in Registry::survey(path).identities {
        let identity = surveyed.identity;
        for name in identity.integrations.iter() {
            if !is_unknown(name) || !seen.insert(Arc::clone(name)) {
                continue;
            }
            let remedy = match similar(name, named.iter().map(String::as_str)) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "correct it, unless another host has it".to_owned(),
            };
            let message = format!(
                "`integrations` of `{}` has `{}`, but no integration here has that name: {remedy}",
                identity.id,
                excerpt(name)
            );
            problems.push(Problem {
                line: surveyed.line,
                column: 1,
                ..Problem::warning(&surveyed.file, message)
            });
        }
    }
    problems
}

/// Reads `[revocation]`.
pub(super) fn revocations(
    mut section: Section<'_, '_>,
    folder: &Path,
) -> Option<(Revocations, Option<EventIssuers>)> {
    let source = section.source();
    let path = section.required_text("path");
    let range = Duration::from_secs(1)..=Duration::from_secs(24 * 60 * 60);
    let max_staleness = section.required_duration("max-staleness", range);
    let ForList { signed, events } = signed::for_list(&mut section, folder)?;
    section.end();
    let (path, span) = path?;
    let file = folder.join(path);
    match signed.follow(&file, max_staleness?) {
        Ok(revocations) => {
            let lines = revocations.lines_with_tokens();
            source.add(
                lines
                    .into_iter()
                    .map(|line| token_in(&file, line))
                    .collect(),
            );
            Some((revocations, events))
        }
        Err(error) => {
            let remedy = match error {
                ListError::Empty => ": make one with `portcullis revoke --checkpoint`",
                ListError::Read(_) if is_missing(&file) => {
                    ": make one with `portcullis revoke --checkpoint`"
                }
                _ => "",
            };
            source.error(span, format!("{}: {error}{remedy}", file.display()));
            None
        }
    }
}

/// True if the file does not exist. A link that leads back to itself exists.
fn is_missing(file: &Path) -> bool {
    std::fs::metadata(file).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

/// Contents of `[intents]`.
pub(super) struct ConfiguredIntents {
    pub(super) intents: Intents,
    pub(super) required_for: Vec<PrincipalKind>,
    pub(super) access_requests: Option<(AccessRequests, Span)>,
}

/// Reads `[intents]`.
pub(super) fn intents(mut section: Section<'_, '_>, folder: &Path) -> Option<ConfiguredIntents> {
    let source = section.source();
    let path = section.required_text("path");
    let span = section.span();
    let required_for = match section.texts("required-for") {
        None => vec![PrincipalKind::Agent],
        Some(names) => names
            .iter()
            .filter_map(|name| {
                let kind = principal_kind(name);
                if kind.is_none() {
                    source.error(
                        span.clone(),
                        format!("under `required-for`, `{name}` is no kind of principal"),
                    );
                }
                kind
            })
            .collect(),
    };
    let access_requests = section
        .section("access-requests")
        .map(|section| (section.span(), access_requests(section)));
    let (intents, signatures_known) = signed::intents(&mut section, folder);
    section.end();
    let (path, span) = path?;
    match intents.follow_folder(&folder.join(path)) {
        Err(error) => {
            source.error(span, format!("cannot read the folder {path}: {error}"));
            return None;
        }
        Ok(refused) => {
            // An invalid file does not affect the others. Without the keys, nothing is known of signatures.
            let problems = refused.iter().map(|(file, error)| not_counted(file, error));
            let is_known = |it: &Problem| signatures_known || it.severity != Severity::Warning;
            source.add(problems.filter(is_known).collect());
        }
    }
    if !intents.are_signed() {
        for id in exceptions(&intents) {
            let message = format!(
                "intent `{id}` is an unsigned exception, so it waives nothing: configure the approvers of exceptions under `approvers`, and have it signed (`portcullis intent sign`)"
            );
            source.warn(span.clone(), message);
        }
    }
    let files = std::fs::read_dir(folder.join(path));
    let files = files.into_iter().flatten().flatten();
    let mut files: Vec<_> = files.map(|entry| entry.path()).collect();
    files.retain(|file| {
        file.extension()
            .is_some_and(|it| it == "json" || it == "jwt")
    });
    files.sort();
    source.add(tokens_in(&files));
    signatures_known.then(|| ConfiguredIntents {
        intents,
        required_for,
        access_requests: access_requests.map(|(span, how)| (how, span)),
    })
}

/// Problem for an invalid file in the folder of intents.
///
/// If the signature, the keys or the parent are the reason, it is a warning, because these can change. If
/// the file itself is the reason, `check` refuses it.
fn not_counted(file: &Path, error: &IntentError) -> Problem {
    let message = format!("{error}; until then, it does not count");
    match error {
        IntentError::Signature(_)
        | IntentError::Unsigned
        | IntentError::NoKeys
        | IntentError::NoParent { .. } => Problem::warning(file, message),
        _ => Problem::refused(file, message),
    }
}

/// Ids of the intents that are exceptions.
fn exceptions(intents: &Intents) -> Vec<String> {
    let chains = intents.chains();
    let mut ids: Vec<_> = chains
        .iter()
        .filter_map(|chain| chain.last())
        .filter(|intent| intent.exception.is_some())
        .map(|intent| intent.id.clone())
        .collect();
    ids.sort();
    ids
}

/// Warns of text that looks like a secret.
///
/// A signed intent is a token itself, so its payload is checked instead.
fn tokens_in(files: &[PathBuf]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in files {
        let Ok(text) = std::fs::read_to_string(file) else {
            continue;
        };
        match unverified_intent(text.trim()) {
            Ok(intent) if looks_like_a_token(&intent) => problems.push(token_in(file, 0)),
            Ok(_) => {}
            Err(_) => problems.extend(lines_with_tokens(&text).map(|line| token_in(file, line))),
        }
    }
    problems
}

/// Warns of a line that looks like a secret; line 0 is the whole file.
pub(super) fn token_in(file: &Path, line: usize) -> Problem {
    let message = match line {
        0 => LOOKS_LIKE_A_SECRET.replacen("this line", "it", 1),
        _ => LOOKS_LIKE_A_SECRET.to_owned(),
    };
    Problem {
        line,
        column: line.min(1),
        ..Problem::warning(file, message)
    }
}

fn access_requests(mut section: Section<'_, '_>) -> AccessRequests {
    let text = |found: Option<(&str, Span)>| found.map(|(text, _)| text.to_owned());
    let range = Duration::from_secs(1)..=Duration::from_secs(24 * 60 * 60);
    let how = AccessRequests {
        endpoint: text(section.text("endpoint")),
        template: text(section.text("template")),
        valid_for: section
            .duration("valid-for", range)
            .unwrap_or(Duration::from_secs(10 * 60)),
        beyond_intent: section.boolean("beyond-intent").unwrap_or_default(),
    };
    section.end();
    how
}

/// Reads `[destinations]`.
pub(super) fn postures(mut section: Section<'_, '_>, folder: &Path) -> Option<Postures> {
    let source = section.source();
    let path = section.required_text("path");
    section.end();
    let (path, span) = path?;
    let file = folder.join(path);
    source.add(tokens_in(std::slice::from_ref(&file)));
    match Postures::from_file(file) {
        Ok(postures) => Some(postures),
        Err(error) => {
            source.error(span, error.to_string());
            None
        }
    }
}

/// Reads `[required-checks]`.
pub(super) fn requirements(root: &mut Section<'_, '_>) -> Requirements {
    let source = root.source();
    let mut requirements = Requirements::new();
    for (class, list) in root.entries("required-checks") {
        let span = list.span();
        let known = match class {
            "unclassified" => Some(ActionClass::Unclassified),
            class => action_class(class),
        };
        let Some(known) = known else {
            source.error(
                span,
                format!("under `[required-checks]`, `{class}` is no class of actions: `read`, `write`, `destructive`, `exfiltration`, `admin` or `unclassified`"),
            );
            continue;
        };
        let items = list.get_ref().as_array();
        let required: Option<Vec<Requirement>> = items.and_then(|items| {
            let mut names = items.iter().map(|item| item.get_ref().as_str());
            names.try_fold(Vec::new(), |mut all, name| {
                all.push(from_text(name?)?);
                Some(all)
            })
        });
        match required {
            Some(required) => {
                requirements.insert(known, required);
            }
            None => source.error(
                span,
                format!("`{class}` is a list of `registry`, `session-path`, `attestation`, `environment`, `credential`, `instance`, `workload`, `revocation`, `intent` and `destination`"),
            ),
        }
    }
    requirements
}

/// Reads `[authzen]`: integrations for evaluations that name none.
///
/// Each is the default for one type of resource, or for all types.
pub(super) fn default_integrations(
    root: &mut Section<'_, '_>,
) -> Vec<(Option<String>, String, Span)> {
    let Some(mut section) = root.section("authzen") else {
        return Vec::new();
    };
    let source = section.source();
    let any = section.text("integration");
    let mut defaults: Vec<_> = any
        .into_iter()
        .map(|(name, span)| (None, name.to_owned(), span))
        .collect();
    let mut types: Vec<String> = Vec::new();
    for (resource_type, value) in section.entries("by-resource-type") {
        let compared = alike_key(resource_type).into_owned();
        if compared.is_empty() || !is_plain_type(resource_type) {
            let message = format!(
                "under `by-resource-type`, no request has the type `{resource_type}`: write {A_PLAIN_TYPE}"
            );
            source.error(value.span(), message);
            continue;
        }
        if types.contains(&compared) {
            let message = format!(
                "under `by-resource-type`, `{resource_type}` is there twice, in different case or spelling: write it once"
            );
            source.error(value.span(), message);
            continue;
        }
        types.push(compared);
        match value.get_ref().as_str() {
            Some(name) => {
                let resource_type = Some(resource_type.to_owned());
                defaults.push((resource_type, name.to_owned(), value.span()));
            }
            None => source.error(value.span(), "expected the name of an integration, as text"),
        }
    }
    if defaults.is_empty() {
        let message = "this names no integration: add `integration`, or types of resources under `by-resource-type`";
        source.error(section.span(), message);
    }
    section.end();
    defaults
}

/// Reads `[ceiling.…]`.
pub(super) fn ceilings(root: &mut Section<'_, '_>) -> HashMap<Tier, TierCeiling> {
    let mut ceilings = HashMap::new();
    let Some(mut section) = root.section("ceiling") else {
        return ceilings;
    };
    for (trust, key) in [
        (Tier::FirstParty, "first-party"),
        (Tier::Vendor, "vendor"),
        (Tier::Community, "community"),
    ] {
        if let Some(ceiling) = section.section(key).and_then(ceiling) {
            ceilings.insert(trust, ceiling);
        }
    }
    section.end();
    ceilings
}

/// Reports a misspelt obligation kind of the AuthZEN obligations profile.
pub(super) fn refuse_misspelt(source: &Source<'_>, span: &Span, kind: &str) {
    if let Some(meant) = portcullis_contract::misspelt_obligation(kind) {
        let message = format!(
            "under `obligations`, `{kind}` is called `{meant}` in the AuthZEN obligations profile: write that"
        );
        source.error(span.clone(), message);
    }
}

fn ceiling(mut section: Section<'_, '_>) -> Option<TierCeiling> {
    let source = section.source();
    let span = section.span();
    let classes = section.texts("classes");
    let range = Duration::from_secs(1)..=Duration::from_secs(24 * 60 * 60);
    let max_grant_ttl = section.duration("max-grant-ttl", range);
    let obligations = section.texts("obligations").unwrap_or_default();
    section.end();
    for kind in &obligations {
        refuse_misspelt(source, &span, kind);
        let required = portcullis_contract::required_properties(kind);
        if !required.is_empty() {
            let message = format!(
                "under `obligations`, `{kind}` needs `{}` (AuthZEN obligations profile), but a ceiling cannot state properties: let a plugin add the obligation",
                required.join("`, `")
            );
            source.error(span.clone(), message);
        }
    }
    let Some(classes) = classes else {
        let message = "`classes` is missing here: it lists what such integrations may be used for, such as `[\"read\"]`";
        source.error(span, message);
        return None;
    };
    let classes = classes
        .iter()
        .map(|name| {
            let class = action_class(name);
            if class.is_none() {
                let message = format!("under `classes`, `{name}` is not one of `read`, `write`, `destructive`, `exfiltration`, `admin`");
                source.error(span.clone(), message);
            }
            class
        })
        .collect::<Option<_>>()?;
    Some(TierCeiling {
        classes,
        max_grant_ttl,
        obligations,
    })
}
