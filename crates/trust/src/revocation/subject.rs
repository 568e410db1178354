//! Subjects of events (RFC 9493, Shared Signals Framework 1.0).

use super::Revocable;
use super::ids::normal_id;
use serde_json::Value;

/// Parts of a complex subject that cover more than one principal or credential.
const WIDER: [&str; 4] = ["tenant", "org_unit", "group", "organizational_unit"];

/// Returns all credentials and principals that a subject names.
///
/// Empty if no request can match any part of it.
pub(super) fn find(subject: &Value) -> Vec<(Revocable, String)> {
    let text = |name: &str| text(subject, name);
    // Drafts of the standards used `subject_type` and hyphens, and some transmitters still send them.
    let format = text("format").or_else(|| text("subject_type"));
    let format = format.map(|format| format.replace('-', "_"));
    let one = match format.as_deref() {
        Some("jwt_id") => text("jti").and_then(credential),
        Some("opaque") => text("id").and_then(principal_or_credential),
        Some("uri") => text("uri").and_then(principal),
        Some("iss_sub") => text("sub").and_then(principal),
        Some("did") => text("url").and_then(principal),
        Some("account") => text("uri").and_then(principal),
        Some("aliases") => {
            let aliases = subject.get("identifiers").and_then(Value::as_array);
            return once(aliases.into_iter().flatten().flat_map(find).collect());
        }
        Some("complex") => return once(find_complex(subject)),
        // A complex subject of a draft has no format itself; its parts have one.
        None => return once(find_complex(subject)),
        Some(_) => None,
    };
    one.into_iter().collect()
}

/// Returns the principal in the `sub` of a token, for an event without another subject.
pub(super) fn find_sub(sub: &str) -> Vec<(Revocable, String)> {
    principal(sub).into_iter().collect()
}

/// Returns the session if it is a `jwt_id`, and otherwise all parts of the subject.
fn find_complex(subject: &Value) -> Vec<(Revocable, String)> {
    let session = subject.get("session");
    let is_token = session.is_some_and(|session| {
        let format = text(session, "format").or_else(|| text(session, "subject_type"));
        format.is_some_and(|format| format.replace('-', "_") == "jwt_id")
    });
    let mut found = session.map(find).unwrap_or_default();
    if !is_token || found.is_empty() {
        let parts = subject.as_object().into_iter().flatten();
        for (name, part) in parts {
            if part.is_object() && name != "session" && !WIDER.contains(&name.as_str()) {
                found.extend(find(part));
            }
        }
    }
    found
}

fn once(mut found: Vec<(Revocable, String)>) -> Vec<(Revocable, String)> {
    let mut seen = Vec::new();
    found.retain(|one| {
        let is_new = !seen.contains(one);
        seen.push(one.clone());
        is_new
    });
    found
}

/// Returns the principal if `id` is a SPIFFE ID.
fn principal(id: &str) -> Option<(Revocable, String)> {
    let is_spiffe = id
        .get(.."spiffe:".len())
        .is_some_and(|begin| begin.eq_ignore_ascii_case("spiffe:"));
    let normal = normal_id(Revocable::Principal, id).ok()?;
    is_spiffe.then_some((Revocable::Principal, normal))
}

fn credential(id: &str) -> Option<(Revocable, String)> {
    let normal = normal_id(Revocable::Credential, id).ok()?;
    Some((Revocable::Credential, normal))
}

/// Returns a principal if `id` names SPIFFE, and otherwise a credential.
fn principal_or_credential(id: &str) -> Option<(Revocable, String)> {
    match id.to_ascii_lowercase().contains("spiffe:") {
        true => principal(id),
        false => credential(id),
    }
}

pub(super) fn text<'a>(of: &'a Value, name: &str) -> Option<&'a str> {
    of.get(name)?.as_str().filter(|text| !text.is_empty())
}
