//! Reads the files of a registry.

use super::{Gap, Identity, Shared, TODO};
use crate::regular;
use crate::watched;
use portcullis_model::digest::Digest;
use portcullis_model::document;
use portcullis_model::document::Problem;
use portcullis_model::document::{A_MOMENT, FILE, Section, Source, Span};
use portcullis_model::file_error::unread;
use portcullis_model::spiffe_id::is_spiffe_id;
use portcullis_model::timestamp::Timestamp;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A gap, its place, and the message for its refusal.
pub(super) type Lack = (Gap, Span, String);

/// An identity as read; `None` if essential parts are unreadable.
pub(super) struct Found {
    pub(super) identity: Option<Identity>,
    pub(super) lacks: Vec<Lack>,
    pub(super) span: Span,
}

/// End time of a registration that states none.
const NEVER: Timestamp = Timestamp::from_millis(u64::MAX);

/// Extension of the files of a registry that is a folder.
pub(super) const EXTENSIONS: &[&str] = &["toml"];

/// Files of a registry, `path` itself or the `.toml` files in it, each with its content.
pub(super) fn files(path: &Path) -> impl Iterator<Item = (PathBuf, io::Result<Vec<u8>>)> {
    let (files, error) = match watched::list(path, EXTENSIONS) {
        Ok(files) => (files, None),
        Err(error) => (Vec::new(), Some((path.to_owned(), Err(error)))),
    };
    let read = |file: PathBuf| {
        let content = regular::read(&file);
        (file, content)
    };
    files.into_iter().map(read).chain(error)
}

/// Reads every file of a registry, and returns the problems found.
pub(super) fn each_file(
    files: impl IntoIterator<Item = (PathBuf, io::Result<Vec<u8>>)>,
    mut read: impl FnMut(&Path, &Source<'_>, &str),
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (file, content) in files {
        let text = content.map_err(|error| unread(&error)).and_then(|bytes| {
            String::from_utf8(bytes).map_err(|_| "it is not UTF-8: save it as UTF-8".to_owned())
        });
        match text {
            Err(error) => {
                problems.push(Problem::of_file(&file, format!("cannot be read: {error}")));
            }
            Ok(text) => {
                let source = Source::new(&file, &text);
                read(&file, &source, &text);
                problems.extend(source.into_problems());
            }
        }
    }
    problems
}

/// Reads the identities of one file, and reports its problems to `source`.
pub(super) fn read(source: &Source<'_>, text: &str, mut take: impl FnMut(Found)) {
    let Some(table) = document::parse(source, text) else {
        return;
    };
    let mut root = Section::new(source, table.get_ref(), FILE);
    for section in root.sections("identity") {
        take(read_identity(section));
    }
    root.end();
}

fn read_identity(mut section: Section<'_, '_>) -> Found {
    let source = section.source();
    let whole = section.span();
    let mut lacks = Vec::new();
    let id = section.required_text("id").and_then(|(id, span)| {
        if is_spiffe_id(id) {
            return Some(Arc::from(id));
        }
        let message = format!(
            "`{id}` is no SPIFFE ID of a workload, such as `spiffe://acme.example/agent/clerk`"
        );
        if id.starts_with("spiffe://") && id.contains('*') {
            lacks.push((Gap::WildcardId, span, message));
            return Some(Arc::from(id));
        }
        source.error(span, message);
        None
    });
    let kind = section.required_text("kind").and_then(|(text, span)| {
        let kind = document::principal_kind(text);
        if kind.is_none() {
            source.error(span, "`kind` is one of `agent`, `service`, `connector`, `pipeline`, `human`, `break-glass`");
        }
        kind
    });
    let owner = stated(&mut section, "owner", "identity", Gap::Owner, &mut lacks);
    let purpose = stated(
        &mut section,
        "purpose",
        "identity",
        Gap::Purpose,
        &mut lacks,
    );
    let environment = section.required_text("environment").map(|(text, span)| {
        warn_of_todo(source, "environment", text, &span);
        if text.trim().is_empty() {
            source.error(span, "`environment` is empty: every identity has one");
        }
        Arc::from(text)
    });
    let expires = ends(&mut section, "expires", Gap::Expiry, &mut lacks);
    let lifetime = Duration::from_secs(1)..=Duration::from_secs(366 * 24 * 60 * 60);
    let max_credential_lifetime = section.required_duration("max-credential-lifetime", lifetime);
    let integrations = section.texts("integrations").unwrap_or_default();
    if integrations.iter().any(|name| name.contains('*')) {
        let message = "`integrations` has a `*`, and wildcards are not supported: list each integration by its name";
        lacks.push((Gap::WildcardIntegrations, whole.clone(), message.to_owned()));
    }
    let integrations = integrations.into_iter().map(Arc::from).collect();
    let workload_digest = section.text("workload-digest").map(|(text, span)| {
        if text.parse::<Digest>().is_err() {
            source.error(
                span,
                "`workload-digest` is `sha256:` and 64 hexadecimal digits",
            );
        }
        text.to_owned()
    });
    let shared = section
        .section("shared")
        .map(|section| read_shared(section, &mut lacks));
    section.end();
    let identity = || {
        Some(Identity {
            id: id?,
            kind: kind?,
            owner: owner?,
            purpose: purpose?,
            environment: environment?,
            expires: expires?,
            max_credential_lifetime: max_credential_lifetime?,
            integrations,
            workload_digest,
            shared: match shared {
                None => None,
                Some(shared) => Some(shared?),
            },
        })
    };
    Found {
        identity: identity(),
        lacks,
        span: whole,
    }
}

fn read_shared(mut section: Section<'_, '_>, lacks: &mut Vec<Lack>) -> Option<Shared> {
    let owner = stated(&mut section, "owner", "exception", Gap::SharedOwner, lacks);
    let until = ends(&mut section, "until", Gap::SharedUntil, lacks);
    section.end();
    Some(Shared {
        owner: owner?.to_string(),
        until: until?,
    })
}

/// Reads a required text. If it is missing, that is a gap, and the text is empty.
fn stated(
    section: &mut Section<'_, '_>,
    key: &'static str,
    of: &str,
    gap: Gap,
    lacks: &mut Vec<Lack>,
) -> Option<Arc<str>> {
    let is_missing = !section.has(key);
    let text = section.text(key);
    if is_missing {
        let message = format!("`{key}` is missing here: it is text");
        lacks.push((gap, section.span(), message));
        return Some(Arc::from(""));
    }
    let (text, span) = text?;
    warn_of_todo(section.source(), key, text, &span);
    if text.trim().is_empty() {
        lacks.push((gap, span, format!("`{key}` is empty: every {of} has one")));
    }
    Some(Arc::from(text))
}

/// Warns of a text that a person has still to write.
fn warn_of_todo(source: &Source<'_>, key: &str, text: &str, span: &Span) {
    if text.trim() == TODO {
        source.warn(
            span.clone(),
            format!("`{key}` is `{TODO}`: write it, or remove the entry"),
        );
    }
}

/// Reads a required end time. If it is missing, that is a gap, and the end is [`NEVER`].
fn ends(
    section: &mut Section<'_, '_>,
    key: &'static str,
    gap: Gap,
    lacks: &mut Vec<Lack>,
) -> Option<Timestamp> {
    let is_missing = !section.has(key);
    let time = section.time(key);
    if is_missing {
        let message = format!("`{key}` is missing here: it is {A_MOMENT}");
        lacks.push((gap, section.span(), message));
        return Some(NEVER);
    }
    time
}
