//! Finds entities and types in the policies that no request can have.

use crate::text::fold;
use crate::types::{Part, Types};
use cedar_policy::{
    ActionConstraint, Entities, EntityTypeName, EntityUid, Policy, PolicyId, PolicySet,
    PrincipalConstraint, ResourceConstraint,
};
use portcullis_contract::name::{check_action, check_identifier};
use portcullis_sdk::{Json, SettingsError};
use std::collections::{BTreeMap, BTreeSet};

/// The entity types that the schema or the policies use.
#[derive(Debug)]
pub(crate) enum Known {
    /// Principal types and resource types to which a schema's action applies.
    Applicable([BTreeSet<EntityTypeName>; 2]),
    /// Types named by the policies and the listed entities, and those types by their [`fold`]ed names.
    Named(BTreeSet<EntityTypeName>, BTreeMap<String, BTreeSet<String>>),
}

/// A variable of a policy: a part of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variable {
    Is(Part),
    Action,
}

/// A condition of a policy on a part of the request.
#[derive(Debug, Clone)]
enum Asks {
    OfType(EntityTypeName),
    Equals(EntityUid),
    In(EntityUid),
}

type Questions = Vec<(Variable, Asks)>;

/// Returns the types that the policies and `entities` name.
pub(crate) fn types_of(policies: &PolicySet, entities: &Entities) -> Known {
    let mut types = BTreeSet::new();
    for policy in policies.policies() {
        let literals = policy.entity_literals();
        types.extend(literals.iter().map(|uid| uid.type_name().clone()));
        types.extend(
            questions(policy)
                .into_iter()
                .filter_map(|(_, asks)| match asks {
                    Asks::OfType(name) => Some(name),
                    Asks::Equals(uid) | Asks::In(uid) => Some(uid.type_name().clone()),
                }),
        );
    }
    types.extend(
        entities
            .iter()
            .map(|entity| entity.uid().type_name().clone()),
    );
    let mut folded: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for name in types.iter().map(ToString::to_string) {
        folded.entry(fold(&name)).or_default().insert(name);
    }
    Known::Named(types, folded)
}

/// Returns an error for each condition of the policies that no request can meet.
pub(crate) fn unmet(
    policies: &PolicySet,
    types: &Types,
    entities: &Entities,
    known: &Known,
) -> Vec<SettingsError> {
    let groups: BTreeSet<_> = entities
        .iter()
        .filter_map(|entity| entities.ancestors(&entity.uid()))
        .flatten()
        .cloned()
        .collect();
    let judge = Judge {
        types,
        entities,
        groups: &groups,
        known,
    };
    let mut all: Vec<_> = policies.policies().collect();
    all.sort_by_key(|policy| policy.id());
    let mut errors = Vec::new();
    for policy in all {
        let mut found: Vec<_> = questions(policy)
            .iter()
            .filter_map(|(variable, asks)| judge.unmet(policy.id(), *variable, asks))
            .collect();
        found.dedup();
        errors.extend(found);
    }
    errors
        .into_iter()
        .map(|message| {
            let message =
                format!("{message}; or load it as it is with `validate-policies = false`");
            SettingsError::new("/policies", message)
        })
        .collect()
}

struct Judge<'a> {
    types: &'a Types,
    entities: &'a Entities,
    /// The ancestors of the listed entities.
    groups: &'a BTreeSet<EntityUid>,
    known: &'a Known,
}

impl Judge<'_> {
    fn unmet(&self, policy: &PolicyId, variable: Variable, asks: &Asks) -> Option<String> {
        match (variable, asks) {
            (Variable::Is(part), Asks::OfType(name)) => self.no_type(policy, part, name),
            (Variable::Is(part), Asks::Equals(uid)) => self
                .no_type(policy, part, uid.type_name())
                .or_else(|| no_id(policy, part, uid)),
            (Variable::Is(part), Asks::In(uid)) => self.no_group(policy, part, uid),
            (Variable::Action, Asks::OfType(_)) => None,
            (Variable::Action, Asks::Equals(uid)) => self.no_action(policy, uid, false),
            (Variable::Action, Asks::In(uid)) => self.no_action(policy, uid, true),
        }
    }

    fn no_type(&self, policy: &PolicyId, part: Part, name: &EntityTypeName) -> Option<String> {
        if self.types.can_be(part, name) {
            return None;
        }
        let part = part.as_str();
        Some(format!(
            "policy `{policy}` names `{name}` as the type of a {part}, which no request has with these settings: map a type to it under `types.{part}`, such as `{} = \"{name}\"`",
            fold(&name.to_string())
        ))
    }

    fn no_group(&self, policy: &PolicyId, part: Part, uid: &EntityUid) -> Option<String> {
        let is_listed = self.entities.get(uid).is_some() || self.groups.contains(uid);
        let applies = match self.known {
            Known::Applicable([principals, resources]) => match part {
                Part::Principal => principals.contains(uid.type_name()),
                Part::Resource => resources.contains(uid.type_name()),
            },
            Known::Named(..) => false,
        };
        (!is_listed && !applies).then(|| {
            let part = part.as_str();
            format!(
                "policy `{policy}` asks for a {part} in `{uid}`, which `entities` does not list, so it has no members: list it there with its members"
            )
        })
    }

    fn no_action(&self, policy: &PolicyId, uid: &EntityUid, or_below: bool) -> Option<String> {
        if self.types.can_be_action(uid) || or_below && self.groups.contains(uid) {
            return None;
        }
        let id: &str = uid.id().unescaped();
        let name = match check_action(id).is_ok() {
            true => id.to_owned(),
            false => {
                let words: Vec<_> = id
                    .split(|letter: char| !letter.is_ascii_alphanumeric())
                    .filter(|word| !word.is_empty())
                    .collect();
                words.join("-")
            }
        };
        let literal = uid.to_string().replace('\'', "\\'");
        Some(format!(
            "policy `{policy}` names the action `{uid}`, which no request has with these settings: give it a name under `actions`, such as `\"{name}\" = '{literal}'`, or set `types.action`"
        ))
    }
}

/// Returns the error for a principal whose id the host never accepts.
fn no_id(policy: &PolicyId, part: Part, uid: &EntityUid) -> Option<String> {
    if part != Part::Principal {
        return None;
    }
    let error = check_identifier(uid.id().unescaped()).err()?;
    Some(format!(
        "policy `{policy}` names the principal `{uid}`, an id that no request has: {error}"
    ))
}

/// Returns the conditions of `policy` on parts of the request.
///
/// They are those of its scope, and those on literals in its `when` and `unless` clauses.
fn questions(policy: &Policy) -> Questions {
    let mut found = Vec::new();
    let principal = Variable::Is(Part::Principal);
    match policy.principal_constraint() {
        PrincipalConstraint::Any => {}
        PrincipalConstraint::In(uid) => found.push((principal, Asks::In(uid))),
        PrincipalConstraint::Eq(uid) => found.push((principal, Asks::Equals(uid))),
        PrincipalConstraint::Is(name) => found.push((principal, Asks::OfType(name))),
        PrincipalConstraint::IsIn(name, uid) => {
            found.extend([(principal, Asks::OfType(name)), (principal, Asks::In(uid))]);
        }
    }
    match policy.action_constraint() {
        ActionConstraint::Any => {}
        ActionConstraint::In(uids) => {
            found.extend(
                uids.into_iter()
                    .map(|uid| (Variable::Action, Asks::In(uid))),
            );
        }
        ActionConstraint::Eq(uid) => found.push((Variable::Action, Asks::Equals(uid))),
    }
    let resource = Variable::Is(Part::Resource);
    match policy.resource_constraint() {
        ResourceConstraint::Any => {}
        ResourceConstraint::In(uid) => found.push((resource, Asks::In(uid))),
        ResourceConstraint::Eq(uid) => found.push((resource, Asks::Equals(uid))),
        ResourceConstraint::Is(name) => found.push((resource, Asks::OfType(name))),
        ResourceConstraint::IsIn(name, uid) => {
            found.extend([(resource, Asks::OfType(name)), (resource, Asks::In(uid))]);
        }
    }
    // INVARIANT (parsed): a parsed policy can be written as JSON.
    if let Ok(json) = policy.to_json() {
        in_conditions(&json["conditions"], &mut found);
    }
    found
}

/// Adds the conditions found in the JSON form of `when` and `unless` clauses.
///
/// It uses an explicit stack, because clauses nest as deep as Cedar's parser allows.
fn in_conditions(conditions: &Json, found: &mut Questions) {
    let mut left = vec![conditions];
    while let Some(json) = left.pop() {
        match json {
            Json::Array(items) => left.extend(items),
            Json::Object(members) => {
                for (key, operands) in members {
                    asked(key, operands, found);
                    if key != "Value" {
                        left.push(operands);
                    }
                }
            }
            _ => {}
        }
    }
}

fn asked(operator: &str, operands: &Json, found: &mut Questions) {
    let (left, right) = (&operands["left"], &operands["right"]);
    match operator {
        "is" => {
            let Some(variable) = variable(left) else {
                return;
            };
            let name = operands["entity_type"]
                .as_str()
                .and_then(|text| text.parse().ok());
            found.extend(name.map(|name| (variable, Asks::OfType(name))));
            found.extend(uids(&operands["in"]).map(|uid| (variable, Asks::In(uid))));
        }
        "in" => {
            if let Some(variable) = variable(left) {
                found.extend(uids(right).map(|uid| (variable, Asks::In(uid))));
            }
        }
        "==" | "!=" => {
            for (one, other) in [(left, right), (right, left)] {
                if let Some(variable) = variable(one) {
                    found.extend(uids(other).map(|uid| (variable, Asks::Equals(uid))));
                }
            }
        }
        "contains" => {
            if let Some(variable) = variable(right) {
                found.extend(uids(left).map(|uid| (variable, Asks::Equals(uid))));
            }
        }
        _ => {}
    }
}

fn variable(expression: &Json) -> Option<Variable> {
    match expression["Var"].as_str()? {
        "principal" => Some(Variable::Is(Part::Principal)),
        "action" => Some(Variable::Action),
        "resource" => Some(Variable::Is(Part::Resource)),
        _ => None,
    }
}

/// Returns the entity of a literal, or those of a set of literals.
fn uids(expression: &Json) -> impl Iterator<Item = EntityUid> {
    let items = match &expression["Set"] {
        Json::Array(items) => items.as_slice(),
        _ => std::slice::from_ref(expression),
    };
    items.iter().filter_map(|item| {
        let entity = item["Value"].get("__entity")?;
        EntityUid::from_json(entity.clone()).ok()
    })
}
