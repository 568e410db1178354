//! Compares two decisions on the same request, and groups the changes.
//!
//! It compares effect, cause, mode, grant and obligations. It ignores versions and digests of plugins,
//! their memory and the text of reasons: a new version of a plugin that decides the same gives no
//! differences.

use super::Decided;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A part of a decision that is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Permit or deny.
    Effect,
    /// Enforcement mode.
    Mode,
    /// Cause of the decision.
    Cause,
    /// Grant of a permit.
    Grant,
    /// Obligations of the enforcement point.
    Obligations,
}

const PARTS: [Part; 5] = [
    Part::Effect,
    Part::Mode,
    Part::Cause,
    Part::Grant,
    Part::Obligations,
];

impl Part {
    /// Returns the part of a recorded decision, see [`Decided::decision`].
    fn of(self, decision: &Value) -> Option<Value> {
        let pointer = match self {
            Self::Effect => "/decision",
            Self::Mode => "/context/mode",
            Self::Cause => "/context/cause",
            Self::Grant => "/context/grant",
            Self::Obligations => "/context/obligations",
        };
        let mut part = decision.pointer(pointer)?.clone();
        if let (Self::Obligations, Some(obligations)) = (self, part.as_array_mut()) {
            // The order does not matter: all of them must be carried out.
            obligations.sort_by_cached_key(Value::to_string);
        }
        Some(part)
    }

    /// Name of the part.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Effect => "effect",
            Self::Mode => "mode",
            Self::Cause => "cause",
            Self::Grant => "grant",
            Self::Obligations => "obligations",
        }
    }
}

/// The parts in which two decisions, in the form of the log, differ.
pub fn differing(recorded: &Value, now: &Value) -> Vec<Part> {
    let differs = |part: &Part| part.of(recorded) != part.of(now);
    PARTS.into_iter().filter(differs).collect()
}

/// Change of a decision's effect, most serious first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Turn {
    /// A deny became a permit.
    DenyToPermit,
    /// A permit became a deny.
    PermitToDeny,
    /// The decision is still a permit.
    Permit,
    /// The decision is still a deny.
    Deny,
}

impl Turn {
    fn of(recorded: &Value, now: &Value) -> Self {
        let permits = |decision: &Value| decision.get("decision") == Some(&Value::Bool(true));
        match (permits(recorded), permits(now)) {
            (false, true) => Self::DenyToPermit,
            (true, false) => Self::PermitToDeny,
            (true, true) => Self::Permit,
            (false, false) => Self::Deny,
        }
    }
}

/// Decisions that changed in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Change {
    /// Change of the effect.
    pub turn: Turn,
    /// Name of the integration.
    pub integration: String,
    /// Name of the action.
    pub action: String,
    /// Cause in the log.
    pub recorded_cause: String,
    /// Cause now.
    pub cause: String,
    /// Parts that differ.
    pub differs: Vec<Part>,
    /// True if the recorded decisions depended on the machine, see [`Decided::depends_on_machine`].
    pub depends_on_machine: bool,
    /// Number of these decisions.
    pub count: u64,
    /// Numbers of the first of their lines.
    pub lines: Vec<u64>,
    /// Some of the resources.
    pub resources: Vec<String>,
    /// JSON Pointer to the first difference in the first of them.
    pub at: String,
}

/// Maximum number of lines and of resources listed for a group.
const NAMED: usize = 5;

/// Changes, in groups.
#[derive(Debug, Clone, Default)]
pub struct Changes(BTreeMap<Key, Change>);

type Key = (bool, Turn, String, String, String, String, Vec<Part>);

impl Changes {
    /// Adds the decision in line `sequence`, whose parts `differs` have changed.
    pub fn note(&mut self, sequence: u64, decided: &Decided, now: &Value, differs: Vec<Part>) {
        let text = |value: &Value, pointer: &str| {
            let text = value.pointer(pointer).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let recorded = &decided.decision;
        let key = (
            decided.depends_on_machine(),
            Turn::of(recorded, now),
            text(&decided.request, "/context/integration"),
            text(&decided.request, "/action/name"),
            text(recorded, "/context/cause"),
            text(now, "/context/cause"),
            differs,
        );
        let change = self.0.entry(key).or_insert_with_key(|key| {
            let (depends_on_machine, turn, integration, action, recorded_cause, cause, differs) =
                key.clone();
            Change {
                turn,
                integration,
                action,
                recorded_cause,
                cause,
                differs,
                depends_on_machine,
                count: 0,
                lines: Vec::new(),
                resources: Vec::new(),
                at: first_difference(recorded, now).unwrap_or_default(),
            }
        });
        change.count += 1;
        if change.lines.len() < NAMED {
            change.lines.push(sequence);
        }
        let resource = text(&decided.request, "/resource/id");
        if change.resources.len() < NAMED && !change.resources.contains(&resource) {
            change.resources.push(resource);
        }
    }

    /// The groups in order of importance.
    ///
    /// Groups that do not depend on the machine come first, then new permits, then the largest groups.
    pub fn groups(self) -> Vec<Change> {
        let mut groups: Vec<_> = self.0.into_values().collect();
        groups.sort_by_key(|one| {
            (
                one.depends_on_machine,
                one.turn,
                std::cmp::Reverse(one.count),
            )
        });
        groups
    }
}

/// JSON Pointer to the first difference between two values.
///
/// In two decisions, differences in compared parts come first.
pub fn first_difference(recorded: &Value, now: &Value) -> Option<String> {
    let places = [
        "/decision",
        "/context/mode",
        "/context/cause",
        "/context/grant",
        "/context/obligations",
        "",
    ];
    places.into_iter().find_map(|place| {
        let at = |decision: &Value| decision.pointer(place).cloned();
        let (recorded, now) = (at(recorded), at(now));
        match (recorded, now) {
            (recorded, now) if recorded == now => None,
            (Some(recorded), Some(now)) => Some(difference(&recorded, &now, place.to_owned())),
            _ => Some(place.to_owned()),
        }
    })
}

/// Place of the first value that differs.
fn difference(recorded: &Value, now: &Value, at: String) -> String {
    let first = match (recorded, now) {
        (Value::Object(recorded), Value::Object(now)) => {
            let mut keys: Vec<_> = recorded.keys().chain(now.keys()).collect();
            keys.sort();
            let differs = keys
                .into_iter()
                .find(|key| recorded.get(*key) != now.get(*key));
            differs.map(|key| {
                let escaped = portcullis_contract::escape_key(key).to_string();
                (escaped, recorded.get(key), now.get(key))
            })
        }
        (Value::Array(recorded), Value::Array(now)) => (0..recorded.len().max(now.len()))
            .find(|index| recorded.get(*index) != now.get(*index))
            .map(|index| (index.to_string(), recorded.get(index), now.get(index))),
        _ => None,
    };
    match first {
        None => at,
        Some((key, recorded, now)) => {
            let at = format!("{at}/{key}");
            match (recorded, now) {
                (Some(recorded), Some(now)) => difference(recorded, now, at),
                _ => at,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn permit() -> Value {
        json!({ "decision": true, "context": {
            "cause": "permitted", "reasons": [{ "plugin": "p", "code": "c", "message": "m" }],
            "grant": { "expires-at": "2026-11-26T00:05:00Z", "constraints": [] },
            "obligations": [{ "kind": "a" }, { "kind": "b" }],
            "plugins": [{ "name": "p", "version": "1.0.0", "digest": "sha256:1", "peak-memory-bytes": 1 }],
        }})
    }

    #[test]
    fn what_matters_differs_and_what_does_not_does_not() {
        let with = |pointer: &str, value: Value| {
            let mut changed = permit();
            *changed.pointer_mut(pointer).unwrap() = value;
            differing(&permit(), &changed)
        };
        for same in [
            with("/context/plugins/0/version", json!("2.0.0")),
            with("/context/plugins/0/digest", json!("sha256:2")),
            with("/context/plugins/0/peak-memory-bytes", json!(9)),
            with("/context/reasons/0/message", json!("other words")),
            with(
                "/context/obligations",
                json!([{ "kind": "b" }, { "kind": "a" }]),
            ),
        ] {
            assert_eq!(same, []);
        }
        assert_eq!(with("/decision", json!(false)), [Part::Effect]);
        assert_eq!(with("/context/cause", json!("revoked")), [Part::Cause]);
        assert_eq!(
            with("/context/grant/constraints", json!([1])),
            [Part::Grant]
        );
        for obligations in [
            json!([{ "kind": "a" }]),
            json!([{ "kind": "a" }, { "kind": "a" }]),
        ] {
            assert_eq!(
                with("/context/obligations", obligations),
                [Part::Obligations]
            );
        }
        let mut observed = permit();
        observed["context"]["mode"] = json!("observe");
        assert_eq!(differing(&permit(), &observed), [Part::Mode]);
        assert_eq!(
            first_difference(&permit(), &observed).unwrap(),
            "/context/mode"
        );
        assert_eq!(first_difference(&permit(), &permit()), None);
    }
}
