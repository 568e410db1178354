//! Draws policies about the types.

use super::{Action, Drawing, Field, IDS, Kind, WORDS, group_of, qualified};
use cedar_policy::{PolicySet, ValidationMode, Validator};

/// Maximum number of draws of a policy before a plain one replaces it.
const DRAWS: usize = 100;

impl Drawing<'_> {
    pub(super) fn policies(&mut self, validator: Option<&Validator>) -> String {
        let mut policies = vec![
            "permit (principal, action, resource) when { principal == principal };".to_owned(),
        ];
        if self.random.chance(40) {
            policies.clear();
        }
        for _ in 0..4 + self.random.below(5) {
            let drawn = (0..DRAWS).find_map(|_| {
                let policy = self.policy();
                let parsed = policy.parse::<PolicySet>().ok()?;
                let fits = validator.is_none_or(|validator| {
                    let result = validator.validate(&parsed, ValidationMode::default());
                    result.validation_passed_without_warnings()
                });
                fits.then_some(policy)
            });
            policies.extend(drawn);
        }
        if self.random.chance(60) {
            let plain: Vec<_> = self
                .actions
                .iter()
                .filter(|it| !it.id.contains(' '))
                .collect();
            let one = plain[self.random.below(plain.len())].uid();
            let other = plain[self.random.below(plain.len())].uid();
            policies.push(format!(
                "forbid (principal, action in [{one}, {other}], resource);"
            ));
        }
        // The plugin refuses a set without a permit.
        policies.push(
            "permit (principal, action, resource) when { resource == resource && principal == resource };"
                .to_owned(),
        );
        if validator.is_some() {
            policies.pop();
            policies.insert(0, "permit (principal, action, resource);".to_owned());
        }
        policies.join("\n")
    }

    fn policy(&mut self) -> String {
        let effect = self.random.pick(&["permit", "permit", "forbid"]);
        let action = self.random.below(self.actions.len());
        let action = self.actions[action].clone();
        let principal = action.principals[self.random.below(action.principals.len())];
        let resource = action.resources[self.random.below(action.resources.len())];
        let group = format!(
            "{}::{:?}",
            qualified(action.namespace, "Action"),
            group_of(action.namespace)
        );
        let action_scope = match self.random.below(6) {
            0 | 1 => "action".to_owned(),
            2 if action.in_group => format!("action in {group}"),
            3 => format!("action in [{}]", action.uid()),
            _ => format!("action == {}", action.uid()),
        };
        let scope = format!(
            "{}, {action_scope}, {}",
            self.scope("principal", principal),
            self.scope("resource", resource)
        );
        let mut policy = format!("{effect} ({scope})");
        for clause in ["when", "unless"] {
            let percent = if clause == "when" { 85 } else { 20 };
            if self.random.chance(percent) {
                let mut condition = self.atom(&action, principal, resource);
                if self.random.chance(40) {
                    let other = self.atom(&action, principal, resource);
                    let operator = self.random.pick(&["&&", "||"]);
                    condition = format!("({condition}) {operator} ({other})");
                }
                policy.push_str(&format!(" {clause} {{ {condition} }}"));
            }
        }
        policy.push(';');
        policy
    }

    fn scope(&mut self, variable: &str, of: usize) -> String {
        let name = self.types[of].name();
        let id = self.random.pick(&IDS);
        let parents = self.types[of].parents.clone();
        match self.random.below(8) {
            0..4 => variable.to_owned(),
            4 => format!("{variable} is {name}"),
            5 if !parents.is_empty() => {
                let parent = self.types[parents[self.random.below(parents.len())]].name();
                format!("{variable} in {parent}::{id:?}")
            }
            6 if !parents.is_empty() => {
                let parent = self.types[parents[0]].name();
                format!("{variable} is {name} in {parent}::{id:?}")
            }
            _ => format!("{variable} == {name}::{id:?}"),
        }
    }

    fn atom(&mut self, action: &Action, principal: usize, resource: usize) -> String {
        let (root, fields, guard) = match self.random.below(4) {
            0 => {
                let name = self.types[principal].name();
                let fields = self.types[principal].fields.clone();
                ("principal", fields, format!("principal is {name} && "))
            }
            1 => {
                let name = self.types[resource].name();
                let fields = self.types[resource].fields.clone();
                ("resource", fields, format!("resource is {name} && "))
            }
            _ => {
                let guard = format!("action == {} && ", action.uid());
                ("context", action.context.clone(), guard)
            }
        };
        let guard = if self.random.chance(70) {
            guard
        } else {
            String::new()
        };
        match fields.is_empty() {
            true => format!("{guard}{root} == {root}"),
            false => {
                let condition = self.field(root, &fields, 2);
                format!("{guard}({condition})")
            }
        }
    }

    fn field(&mut self, root: &str, fields: &[Field], depth: usize) -> String {
        let field = &fields[self.random.below(fields.len())];
        let path = format!("{root}[{:?}]", field.name);
        let guard = match field.is_required || self.random.chance(20) {
            true => String::new(),
            false => format!("{root} has {:?} && ", field.name),
        };
        format!("{guard}{}", self.of_kind(&path, &field.kind, depth))
    }

    fn of_kind(&mut self, path: &str, kind: &Kind, depth: usize) -> String {
        match kind {
            Kind::Long => {
                let number = self.random.pick(&[-1, 0, 1, 7]);
                match self.random.below(3) {
                    0 => format!("{path} > {number}"),
                    1 => format!("{path} + 1 <= {number}"),
                    _ => format!("{path} == {number}"),
                }
            }
            Kind::Text => match self.random.below(2) {
                0 => format!("{path} == {:?}", self.random.pick(&WORDS)),
                _ => format!("{path} like \"*e*\""),
            },
            Kind::Bool => path.to_owned(),
            Kind::Set(item) => match self.random.below(3) {
                0 => format!("{path}.isEmpty()"),
                _ => {
                    let literal = self.literal(item);
                    format!("{path}.contains({literal})")
                }
            },
            Kind::Record(fields) if !fields.is_empty() && depth > 0 => {
                self.field(path, &fields.clone(), depth - 1)
            }
            Kind::Record(_) => format!("{path} == {path}"),
            Kind::Entity(it) => {
                let fields = self.types[*it].fields.clone();
                let literal = self.literal(kind);
                let name = self.types[*it].name();
                match self.random.below(6) {
                    0 => format!("{path} == {literal}"),
                    1 => format!("{path} in {literal}"),
                    2 => format!("{path} is {name}"),
                    3 => format!("{path} == principal || {path} == resource"),
                    _ if depth > 0 && !fields.is_empty() => self.field(path, &fields, depth - 1),
                    _ => format!("principal in {path}"),
                }
            }
            Kind::Ip => match self.random.below(2) {
                0 => format!("{path}.isInRange(ip(\"10.0.0.0/8\"))"),
                _ => format!("{path}.isIpv4()"),
            },
            Kind::Decimal => format!("{path}.lessThan({})", self.literal(kind)),
            Kind::Datetime | Kind::Duration => format!("{path} < {}", self.literal(kind)),
        }
    }

    fn literal(&mut self, kind: &Kind) -> String {
        match kind {
            Kind::Long => "7".to_owned(),
            Kind::Text => format!("{:?}", self.random.pick(&WORDS)),
            Kind::Bool => "true".to_owned(),
            Kind::Set(_) => "[]".to_owned(),
            Kind::Record(_) => "{}".to_owned(),
            Kind::Entity(it) => {
                format!("{}::{:?}", self.types[*it].name(), self.random.pick(&IDS))
            }
            Kind::Ip | Kind::Decimal | Kind::Datetime | Kind::Duration => {
                let (function, argument) = self.extension(kind);
                format!("{function}({argument:?})")
            }
        }
    }
}
