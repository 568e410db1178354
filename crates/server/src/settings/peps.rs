//! Reads `[[serve.pep]]`.

use super::files::{Named, Secret, readable_by_others};
use crate::pep::{Fact, Pep, Proof};
use portcullis_contract::similar;
use portcullis_model::document::{Section, Source};
use portcullis_model::spiffe_id::is_spiffe_id;
use std::collections::BTreeSet;

/// Parts of the configuration that enforcement points refer to.
pub(super) struct Around<'a> {
    pub(super) named: &'a Named<'a>,
    /// Names of the configured integrations.
    pub(super) integrations: &'a BTreeSet<String>,
    pub(super) has_tls: bool,
    pub(super) has_trust_domains: bool,
    /// True if a listener is a Unix socket.
    pub(super) has_socket: bool,
}

/// Entry of `integrations` that stands for all.
const ALL: &str = "*";

/// Reads all enforcement points. Those with an error are left out.
pub(super) fn read(
    sections: Vec<Section<'_, '_>>,
    around: &Around<'_>,
    source: &Source<'_>,
) -> Vec<Pep> {
    let mut peps: Vec<Pep> = Vec::new();
    for section in sections {
        let place = section.span();
        let Some(pep) = pep(section, around) else {
            continue;
        };
        if peps.iter().any(|other| other.id == pep.id) {
            let message = format!("there are two enforcement points `{}`: rename one", pep.id);
            source.error(place, message);
        } else if let Some(other) = peps.iter().find(|other| other.proof == pep.proof) {
            let message = format!(
                "`{}` and `{}` have the same {}, so that they cannot be told apart: give each its own",
                other.id,
                pep.id,
                pep.proof.describe()
            );
            source.error(place, message);
        } else {
            peps.push(pep);
        }
    }
    peps
}

fn pep(mut section: Section<'_, '_>, around: &Around<'_>) -> Option<Pep> {
    let source = section.source();
    let id = section.required_text("id");
    let id = id.and_then(|(id, span)| match is_name(id) {
        true => Some(id.to_owned()),
        false => {
            source.error(
                span,
                "`id` is a name of 1 to 64 letters, digits, `-`, `_` and `.`",
            );
            None
        }
    });
    let proof = proof(&mut section, around);
    let place = section.place_of("integrations");
    let integrations = match section.texts("integrations") {
        None => {
            if !section.has("integrations") {
                source.error(
                    section.span(),
                    "`integrations` is missing here: list the names of those that it may ask about, or `[\"*\"]` for all",
                );
            }
            None
        }
        Some(names) if names == [ALL] => Some(None),
        Some(names) => {
            let mut is_valid = true;
            if names.is_empty() {
                source.error(place.clone(), "`integrations` is empty, so that every request of the enforcement point would be refused: list names, or `[\"*\"]` for all");
                is_valid = false;
            }
            for name in names
                .iter()
                .filter(|name| !around.integrations.contains(*name))
            {
                let known = around.integrations.iter().map(String::as_str);
                let meant = match similar(name, known) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => "configure it, or remove it".to_owned(),
                };
                source.error(
                    place.clone(),
                    format!(
                        "there is no integration `{}`: {meant}",
                        portcullis_host::excerpt(name)
                    ),
                );
                is_valid = false;
            }
            is_valid.then_some(Some(names))
        }
    };
    let place = section.place_of("vouches-for");
    let facts = match section.texts("vouches-for") {
        None => (!section.has("vouches-for")).then(Vec::new),
        Some(names) => {
            let read = names.iter().map(|name| {
                let fact = Fact::ALL.into_iter().find(|fact| fact.as_str() == name);
                if fact.is_none() {
                    let message = format!(
                        "`{}` is nothing to vouch for: `vouches-for` lists some of `principal`, `instance`, `posture` and `origins`",
                        portcullis_host::excerpt(name)
                    );
                    source.error(place.clone(), message);
                }
                fact
            });
            let read: Vec<_> = read.collect();
            read.into_iter().collect()
        }
    };
    section.end();
    Some(Pep {
        id: id?,
        proof: proof?,
        integrations: integrations?,
        vouches_for: facts?,
    })
}

/// Reads the one proof of an enforcement point.
fn proof(section: &mut Section<'_, '_>, around: &Around<'_>) -> Option<Proof> {
    let source = section.source();
    let stated = ["spiffe-id", "token-file", "uid"]
        .into_iter()
        .filter(|key| section.has(key))
        .count();
    if stated != 1 {
        source.error(
            section.span(),
            "an enforcement point has one of `spiffe-id` (of its X.509-SVID), `token-file` (with its bearer token) and `uid` (on a Unix socket)",
        );
    }
    let spiffe_id = section.text("spiffe-id").and_then(|(id, span)| {
        if !is_spiffe_id(id) {
            source.error(span, "`spiffe-id` is a SPIFFE ID with a path, such as `spiffe://acme.example/gateway`");
            return None;
        }
        if !around.has_tls {
            source.error(span.clone(), "`spiffe-id` needs TLS, in which the peer presents its X.509-SVID: add `[serve.tls]`");
        }
        if !around.has_trust_domains {
            source.error(span, "`spiffe-id` needs the bundle of its trust domain: add `[trust-domains]`");
        }
        Some(Proof::SpiffeId(id.to_owned()))
    });
    let token = section.text("token-file").and_then(|(path, span)| {
        let file = around.named.file(path);
        if let Some(warning) = readable_by_others(&file) {
            source.warn(span.clone(), warning);
        }
        match Secret::from_file(&file) {
            Ok(secret) => Some(Proof::Token(secret.digest())),
            Err(error) => {
                source.error(span, error);
                None
            }
        }
    });
    let place = section.place_of("uid");
    let uid = section.integer("uid", 0..=u32::MAX as usize).and_then(|uid| {
        if !around.has_socket {
            source.error(place, "`uid` needs a Unix socket, on which the kernel states the caller's user: add `unix:…` to `listen`");
        }
        u32::try_from(uid).ok().map(Proof::Uid)
    });
    match stated {
        1 => spiffe_id.or(token).or(uid),
        _ => None,
    }
}

fn is_name(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}
