//! Drafts of intents, from the calls of each principal.

use super::seen::Call;
use crate::intent::{self, Pinned};
use portcullis_host::{Pattern, StoredIntent, TODO, Timestamp, escape_key, has_well_known_token};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Maximum number of allowances of a draft. Further ones are in further drafts.
const MAX_ALLOWANCES: usize = 64;

/// A draft of an intent, with the name of its file.
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) document: Value,
}

/// Drafts of intents.
pub(super) struct Drafts {
    pub(super) drafts: Vec<Draft>,
    /// Number of calls that no draft allows, because an intent would read their names as patterns.
    pub(super) left_out: u64,
}

/// Drafts the intents for the calls of an integration, one for each principal.
///
/// `resource_of` is the pattern of resources of a call.
pub(super) fn drafts(
    integration: &str,
    calls: &[Call],
    resource_of: impl Fn(&Call) -> String,
    lifetime: Duration,
) -> anyhow::Result<Drafts> {
    let mut by_principal: BTreeMap<&str, BTreeMap<(&str, String), Vec<&Call>>> = BTreeMap::new();
    for call in calls {
        let access = (call.action.as_str(), resource_of(call));
        let accesses = by_principal.entry(&call.principal).or_default();
        accesses.entry(access).or_default().push(call);
    }
    let mut drafts = Drafts {
        drafts: Vec::new(),
        left_out: 0,
    };
    let (now, end) = intent::from_now(lifetime);
    for (principal, accesses) in by_principal {
        let mut allowances = Vec::new();
        for ((action, resource), calls) in accesses {
            let is_exact = !action.contains('*')
                && (!resource.contains('*') || !calls.iter().any(|it| it.resource == resource));
            let allowance = allowance(integration, action, &resource, &calls);
            let draft = document(
                "int-draft",
                principal,
                std::slice::from_ref(&allowance),
                (now, end),
            );
            let is_valid = resource.parse::<Pattern>().is_ok()
                && StoredIntent::from_json(draft.to_string().as_bytes()).is_ok();
            match is_exact && is_valid {
                true => allowances.push(allowance),
                false => drafts.left_out += calls.iter().map(|call| call.count).sum::<u64>(),
            }
        }
        for (part, allowances) in allowances.chunks(MAX_ALLOWANCES).enumerate() {
            let document = document(&intent::new_id()?, principal, allowances, (now, end));
            let part = match part {
                0 => String::new(),
                part => format!("-{}", part + 1),
            };
            drafts.drafts.push(Draft {
                name: format!("{integration}-{}{part}", short(principal)),
                document,
            });
        }
    }
    Ok(drafts)
}

fn document(
    id: &str,
    principal: &str,
    allows: &[Value],
    (now, end): (Timestamp, Timestamp),
) -> Value {
    json!({
        "id": id,
        "purpose": TODO,
        "principal": principal,
        "approved-by": { "who": TODO, "at": now },
        "issued-at": now,
        "expires-at": end,
        "allows": allows,
    })
}

/// The allowance of calls: their arguments by name, and by value if all are the same.
fn allowance(integration: &str, action: &str, resource: &str, calls: &[&Call]) -> Value {
    let mut allowance = json!({
        "integration": integration, "action": action, "resource": resource,
    });
    if calls.iter().any(|call| call.has_answers) {
        // An intent covers answers to the server's questions only so.
        allowance["arguments"] = json!("open");
        return allowance;
    }
    if let [call] = calls {
        let Pinned {
            required,
            left_out,
            constraints,
        } = {
            let pinned = Pinned::of(&call.arguments);
            let is_hidden = call.is_masked && pinned.has_masked()
                || has_well_known_token(&Value::from(pinned.constraints.clone()).to_string());
            match is_hidden {
                true => Pinned::default(),
                false => pinned,
            }
        };
        if !constraints.is_empty() {
            allowance["arguments"] = json!({ "required": required, "optional": left_out });
            allowance["constraints"] = json!(constraints);
            return allowance;
        }
    }
    let of_calls: Vec<BTreeSet<String>> = calls.iter().map(|it| leaves(&it.arguments)).collect();
    let all: BTreeSet<String> = of_calls.iter().flatten().cloned().collect();
    // A pointer is listed only if none that it lies within is.
    let is_within = |pointer: &String| {
        let mut others = all.iter();
        others.any(|other| {
            let rest = pointer.strip_prefix(other.as_str());
            rest.is_some_and(|rest| rest.starts_with('/'))
        })
    };
    let listed = all.iter().filter(|pointer| !is_within(pointer));
    let (required, optional): (Vec<_>, Vec<_>) =
        listed.partition(|pointer| of_calls.iter().all(|of| of.contains(*pointer)));
    allowance["arguments"] = json!({ "required": required, "optional": optional });
    allowance
}

/// Pointers to the values in the arguments that are no objects with members.
fn leaves(arguments: &Value) -> BTreeSet<String> {
    fn below(at: &str, value: &Value, leaves: &mut BTreeSet<String>) {
        match value.as_object().filter(|members| !members.is_empty()) {
            None => {
                leaves.insert(at.to_owned());
            }
            Some(members) => {
                for (key, value) in members {
                    below(&format!("{at}/{}", escape_key(key)), value, leaves);
                }
            }
        }
    }
    let mut leaves = BTreeSet::new();
    for (key, value) in arguments.as_object().into_iter().flatten() {
        below(&format!("/{}", escape_key(key)), value, &mut leaves);
    }
    leaves
}

/// The end of a principal's id, as a part of a file's name.
fn short(principal: &str) -> String {
    let last = principal.rsplit('/').next().unwrap_or(principal);
    let plain = |c: char| match c.is_ascii_alphanumeric() {
        true => c.to_ascii_lowercase(),
        false => '-',
    };
    last.chars().take(40).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(arguments: Value) -> Call {
        Call {
            principal: "spiffe://acme.example/agent/fixer".into(),
            action: "read".into(),
            resource_kind: "mcp-server".into(),
            resource: "files".into(),
            environment: String::new(),
            arguments,
            has_answers: false,
            is_masked: false,
            count: 1,
            example: "id".into(),
        }
    }

    fn allowed(calls: &[Call]) -> Value {
        let calls: Vec<_> = calls.iter().collect();
        allowance("files", "read", "files", &calls)
    }

    #[test]
    fn one_call_is_pinned_and_several_are_listed_by_their_arguments() {
        let one = allowed(&[call(json!({ "path": "/w/a" }))]);
        assert_eq!(one["constraints"][0]["value"], json!({ "path": "/w/a" }));
        let two = allowed(&[
            call(json!({ "path": "/w/a", "options": { "head": 1 } })),
            call(json!({ "path": "/w/b", "options": { "tail": 1 } })),
        ]);
        assert_eq!(two.get("constraints"), None);
        assert_eq!(
            two["arguments"],
            json!({ "required": ["/path"], "optional": ["/options/head", "/options/tail"] })
        );
    }

    #[test]
    fn no_listed_argument_lies_within_another() {
        let drafted = allowed(&[
            call(json!({ "a": { "b": 1 } })),
            call(json!({ "a": "text", "ab": 1 })),
            call(json!({ "a": {} })),
        ]);
        assert_eq!(
            drafted["arguments"],
            json!({ "required": [], "optional": ["/a", "/ab"] })
        );
    }

    #[test]
    fn a_hidden_value_is_not_pinned() {
        let mut masked = call(json!({ "password": "masked" }));
        masked.is_masked = true;
        let token = call(json!({ "key": format!("ghp_{}", "a".repeat(36)) }));
        for (call, pointer) in [(masked, "/password"), (token, "/key")] {
            let drafted = allowed(&[call]);
            assert_eq!(drafted.get("constraints"), None);
            assert_eq!(drafted["arguments"]["required"], json!([pointer]));
        }
    }
}
