//! Compares two decisions on the same request, and groups the changes.
//!
//! It compares effect, cause, mode, grant and obligations. It ignores versions and digests of plugins,
//! their memory and the text of reasons: a new version of a plugin that decides the same gives no
//! differences.

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
pub fn differing(before: &Value, after: &Value) -> Vec<Part> {
    if before == after {
        return Vec::new();
    }
    let differs = |part: &Part| part.of(before) != part.of(after);
    PARTS.into_iter().filter(differs).collect()
}

/// True if a decision, in the form of the log, depends on the machine or on earlier requests.
///
/// A plugin ran out of time, the host had no capacity for it, or it was quarantined. The same request may be
/// decided differently at another time.
pub fn depends_on_machine(decision: &Value) -> bool {
    let plugins = decision.pointer("/context/plugins");
    let plugins = plugins.and_then(Value::as_array).into_iter().flatten();
    // Names of the faults, as serialised.
    plugins
        .filter_map(|plugin| plugin.get("fault")?.as_str())
        .any(|fault| {
            matches!(
                fault,
                "deadline" | "overloaded" | "host-busy" | "quarantined" | "sandbox"
            )
        })
}

/// Change of a decision's effect, most serious first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Turn {
    /// A deny became a permit.
    DenyToPermit,
    /// A deny no longer blocks, because its integration is only observed.
    Unblocked,
    /// A permit became a deny.
    PermitToDeny,
    /// A deny that did not block does now.
    Blocked,
    /// The decision is still a permit.
    Permit,
    /// The decision is still a deny.
    Deny,
}

impl Turn {
    /// The change of the effect between two decisions, in the form of the log.
    pub fn of(before: &Value, after: &Value) -> Self {
        let permits = |decision: &Value| decision.get("decision") == Some(&Value::Bool(true));
        let is_observed = |decision: &Value| {
            let mode = decision.pointer("/context/mode").and_then(Value::as_str);
            mode == Some("observe")
        };
        match (permits(before), permits(after)) {
            (false, true) => Self::DenyToPermit,
            (true, false) => Self::PermitToDeny,
            (true, true) => Self::Permit,
            (false, false) => match (is_observed(before), is_observed(after)) {
                (false, true) => Self::Unblocked,
                (true, false) => Self::Blocked,
                (true, true) | (false, false) => Self::Deny,
            },
        }
    }

    /// True if more goes ahead than before.
    pub fn is_wider(self) -> bool {
        matches!(self, Self::DenyToPermit | Self::Unblocked)
    }
}

/// A request and the two decisions on it, in the form of the log.
#[derive(Debug, Clone, Copy)]
pub struct Compared<'a> {
    /// Name by which the request is found again: the id of its recorded decision, or its place in a file.
    pub name: &'a str,
    /// The request, as an AuthZEN evaluation.
    pub request: &'a Value,
    /// The first decision.
    pub before: &'a Value,
    /// The second decision.
    pub after: &'a Value,
    /// True if a difference may come from the machine, see [`depends_on_machine`].
    pub depends_on_machine: bool,
}

/// Decisions that changed in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Change {
    /// Change of the effect.
    pub turn: Turn,
    /// Cause of the first decision.
    pub old_cause: String,
    /// Cause of the second decision.
    pub new_cause: String,
    /// Id of the principal.
    pub principal: String,
    /// Name of the integration.
    pub integration: String,
    /// Name of the action.
    pub action: String,
    /// Parts that differ.
    pub differs: Vec<Part>,
    /// True if the difference may come from the machine, see [`depends_on_machine`].
    pub depends_on_machine: bool,
    /// Number of these decisions.
    pub count: u64,
    /// Name of the first of these requests, see [`Compared::name`].
    pub example: String,
    /// Some of the resources.
    pub resources: Vec<String>,
    /// JSON Pointer to the first difference in the first of them.
    pub at: String,
}

/// Maximum number of resources listed for a group.
const NAMED: usize = 5;

/// Changes, in groups.
#[derive(Debug, Clone, Default)]
pub struct Changes(BTreeMap<Key, Change>);

/// That by which changes are grouped: their being of the machine, turn, causes, principal, integration, action, parts.
type Key = (bool, Turn, [String; 2], [String; 3], Vec<Part>);

impl Changes {
    /// Adds a request whose two decisions differ in the parts `differs`.
    pub fn note(&mut self, compared: &Compared<'_>, differs: Vec<Part>) {
        let text = |value: &Value, pointer: &str| {
            let text = value.pointer(pointer).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let Compared {
            name,
            request,
            before,
            after,
            depends_on_machine,
        } = *compared;
        let causes = [before, after].map(|decision| text(decision, "/context/cause"));
        let call =
            ["/subject/id", "/context/integration", "/action/name"].map(|it| text(request, it));
        let key = (
            depends_on_machine,
            Turn::of(before, after),
            causes,
            call,
            differs,
        );
        let change = self.0.entry(key).or_insert_with_key(|key| {
            let (depends_on_machine, turn, causes, call, differs) = key.clone();
            let [old_cause, new_cause] = causes;
            let [principal, integration, action] = call;
            Change {
                turn,
                old_cause,
                new_cause,
                principal,
                integration,
                action,
                differs,
                depends_on_machine,
                count: 0,
                example: name.to_owned(),
                resources: Vec::new(),
                at: first_difference(before, after).unwrap_or_default(),
            }
        });
        change.count += 1;
        let resource = text(request, "/resource/id");
        if change.resources.len() < NAMED && !change.resources.contains(&resource) {
            change.resources.push(resource);
        }
    }

    /// The groups in order of importance.
    ///
    /// Groups that do not depend on the machine come first, then new permits, then new denials. Within those,
    /// the groups of one pair of causes are together, the largest first.
    pub fn groups(self) -> Vec<Change> {
        let mut of_causes: BTreeMap<[String; 2], u64> = BTreeMap::new();
        for ((_, _, causes, _, _), change) in &self.0 {
            *of_causes.entry(causes.clone()).or_default() += change.count;
        }
        let mut groups: Vec<_> = self.0.into_iter().collect();
        groups.sort_by_cached_key(|((depends_on_machine, turn, causes, _, _), change)| {
            let in_all = of_causes.get(causes).copied().unwrap_or_default();
            (
                *depends_on_machine,
                *turn,
                std::cmp::Reverse(in_all),
                causes.clone(),
                std::cmp::Reverse(change.count),
            )
        });
        groups.into_iter().map(|(_, change)| change).collect()
    }
}

/// JSON Pointer to the first difference between two values.
///
/// In two decisions, differences in compared parts come first.
pub fn first_difference(before: &Value, after: &Value) -> Option<String> {
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
        match (at(before), at(after)) {
            (before, after) if before == after => None,
            (Some(before), Some(after)) => Some(difference(&before, &after, place.to_owned())),
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

    #[test]
    fn changes_are_grouped_by_causes_principal_and_action_new_permits_first() {
        let deny = |cause: &str| json!({ "decision": false, "context": { "cause": cause } });
        let request = |principal: &str, action: &str, resource: &str| {
            json!({
                "subject": { "id": principal }, "action": { "name": action },
                "resource": { "id": resource }, "context": { "integration": "i" },
            })
        };
        let mut observed = deny("revoked");
        observed["context"]["mode"] = json!("observe");
        let mut narrowed = permit();
        narrowed["context"]["grant"]["expires-at"] = json!("2026-11-26T00:01:00Z");
        let mut changes = Changes::default();
        for (name, request, before, after, depends_on_machine) in [
            (
                "1",
                request("a", "get", "r"),
                permit(),
                narrowed.clone(),
                false,
            ),
            (
                "2",
                request("a", "get", "r"),
                permit(),
                deny("plugin-denied"),
                false,
            ),
            (
                "3",
                request("a", "get", "s"),
                permit(),
                deny("plugin-denied"),
                false,
            ),
            (
                "4",
                request("b", "get", "r"),
                permit(),
                deny("plugin-denied"),
                false,
            ),
            (
                "5",
                request("a", "put", "r"),
                permit(),
                deny("plugin-denied"),
                false,
            ),
            (
                "6",
                request("a", "get", "r"),
                permit(),
                deny("revoked"),
                false,
            ),
            (
                "7",
                request("a", "get", "r"),
                deny("plugin-deadline"),
                permit(),
                true,
            ),
            (
                "8",
                request("a", "get", "r"),
                deny("revoked"),
                permit(),
                false,
            ),
            (
                "9",
                request("a", "get", "r"),
                deny("revoked"),
                deny("plugin-denied"),
                false,
            ),
            (
                "10",
                request("a", "get", "r"),
                deny("revoked"),
                observed.clone(),
                false,
            ),
            (
                "11",
                request("a", "get", "r"),
                observed.clone(),
                deny("revoked"),
                false,
            ),
        ] {
            let compared = Compared {
                name,
                request: &request,
                before: &before,
                after: &after,
                depends_on_machine,
            };
            changes.note(&compared, differing(&before, &after));
        }
        let groups = changes.groups();
        let shown: Vec<_> = groups
            .iter()
            .map(|it| {
                let (old, new) = (&it.old_cause, &it.new_cause);
                let (who, what) = (&it.principal, &it.action);
                let resources = it.resources.join(" ");
                format!(
                    "{} {old} {new} {who} {what} {} {resources}",
                    it.count, it.example
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                "1 revoked permitted a get 8 r",
                "1 revoked revoked a get 10 r",
                "2 permitted plugin-denied a get 2 r s",
                "1 permitted plugin-denied a put 5 r",
                "1 permitted plugin-denied b get 4 r",
                "1 permitted revoked a get 6 r",
                "1 revoked revoked a get 11 r",
                "1 permitted permitted a get 1 r",
                "1 revoked plugin-denied a get 9 r",
                "1 plugin-deadline permitted a get 7 r",
            ]
        );
    }
}
