//! Draws the types and the actions of an organisation, and its schema.

use super::{Action, Drawing, EntityType, Field, Kind, group_of};

const NAMESPACES: [&str; 3] = ["Acme", "Acme::Team", "Ops"];
const BARE_TYPES: [&str; 4] = ["Person", "Group", "folder", "Device_2"];
const SPACED_TYPES: [&str; 4] = ["User", "Doc", "team", "Site"];
const ACTIONS: [&str; 6] = [
    "view",
    "edit.all",
    "read/list",
    "stop",
    "view photo",
    "Delete",
];
const FIELDS: [&str; 8] = [
    "age",
    "dept",
    "boss",
    "net",
    "cost",
    "since",
    "nick name",
    "flags",
];

impl Drawing<'_> {
    pub(super) fn types(&mut self) {
        for base in BARE_TYPES {
            if self.random.chance(60) {
                self.entity_type("", base);
            }
        }
        for namespace in NAMESPACES {
            for base in SPACED_TYPES {
                if self.random.chance(35) {
                    self.entity_type(namespace, base);
                }
            }
        }
        while self.types.len() < 2 {
            let base = ["Spare", "Other"][self.types.len()];
            self.entity_type("", base);
        }
    }

    fn entity_type(&mut self, namespace: &'static str, base: &'static str) {
        let before = self.types.len();
        let parents = (0..before).filter(|_| self.random.chance(30)).collect();
        let fields = self.fields(before, 1);
        self.types.push(EntityType {
            namespace,
            base,
            parents,
            fields,
        });
    }

    pub(super) fn actions(&mut self) {
        for id in ACTIONS {
            let namespaces: &[&str] = match self.random.below(4) {
                0 | 1 => &[""],
                2 => &["Acme"],
                _ => &["Acme", "Ops"],
            };
            for namespace in namespaces {
                let types = self.types.len();
                let (principals, resources) = (self.some(types), self.some(types));
                let action = Action {
                    namespace,
                    id,
                    in_group: self.random.chance(40),
                    principals,
                    resources,
                    context: self.fields(types, 1),
                };
                self.actions.push(action);
            }
        }
    }

    /// Draws one to three of `many` indices.
    fn some(&mut self, many: usize) -> Vec<usize> {
        let mut chosen: Vec<_> = (0..1 + self.random.below(3))
            .map(|_| self.random.below(many))
            .collect();
        chosen.sort_unstable();
        chosen.dedup();
        chosen
    }

    fn fields(&mut self, types: usize, depth: usize) -> Vec<Field> {
        let mut fields = Vec::new();
        for name in FIELDS {
            if self.random.chance(40) {
                let kind = self.kind(types, depth);
                let is_required = self.random.chance(60);
                fields.push(Field {
                    name,
                    kind,
                    is_required,
                });
            }
        }
        fields
    }

    fn kind(&mut self, types: usize, depth: usize) -> Kind {
        match self.random.below(13) {
            0 => Kind::Long,
            1 => Kind::Text,
            2 => Kind::Bool,
            3 if depth > 0 => Kind::Set(Box::new(self.kind(types, depth - 1))),
            4 if depth > 0 => Kind::Record(self.fields(types, depth - 1)),
            5..9 if types > 0 => Kind::Entity(self.random.below(types)),
            9 => Kind::Ip,
            10 => Kind::Decimal,
            11 => Kind::Datetime,
            12 => Kind::Duration,
            _ => Kind::Text,
        }
    }

    pub(super) fn schema(&self) -> String {
        let mut text = String::new();
        for namespace in ["", "Acme", "Acme::Team", "Ops"] {
            let mut body = String::new();
            for it in self.types.iter().filter(|it| it.namespace == namespace) {
                let parents: Vec<_> = it.parents.iter().map(|it| self.types[*it].name()).collect();
                let parents = match parents.is_empty() {
                    true => String::new(),
                    false => format!(" in [{}]", parents.join(", ")),
                };
                let fields = self.record_type(&it.fields);
                body.push_str(&format!("entity {}{parents} {fields};\n", it.base));
            }
            let actions: Vec<_> = self
                .actions
                .iter()
                .filter(|it| it.namespace == namespace)
                .collect();
            if !actions.is_empty() {
                body.push_str(&format!("action {:?};\n", group_of(namespace)));
            }
            for action in actions {
                let named = |types: &[usize]| {
                    let names: Vec<_> = types.iter().map(|it| self.types[*it].name()).collect();
                    names.join(", ")
                };
                body.push_str(&format!(
                    "action {:?}{} appliesTo {{ principal: [{}], resource: [{}], context: {} }};\n",
                    action.id,
                    if action.in_group {
                        format!(" in [{:?}]", group_of(namespace))
                    } else {
                        String::new()
                    },
                    named(&action.principals),
                    named(&action.resources),
                    self.record_type(&action.context),
                ));
            }
            match namespace {
                "" => text.push_str(&body),
                namespace => text.push_str(&format!("namespace {namespace} {{\n{body}}}\n")),
            }
        }
        text
    }

    fn record_type(&self, fields: &[Field]) -> String {
        let fields: Vec<_> = fields
            .iter()
            .map(|field| {
                let optional = if field.is_required { "" } else { "?" };
                format!(
                    "{:?}{optional}: {}",
                    field.name,
                    self.type_text(&field.kind)
                )
            })
            .collect();
        format!("{{ {} }}", fields.join(", "))
    }

    fn type_text(&self, kind: &Kind) -> String {
        match kind {
            Kind::Long => "__cedar::Long".to_owned(),
            Kind::Text => "__cedar::String".to_owned(),
            Kind::Bool => "__cedar::Bool".to_owned(),
            Kind::Set(item) => format!("Set<{}>", self.type_text(item)),
            Kind::Record(fields) => self.record_type(fields),
            Kind::Entity(it) => self.types[*it].name(),
            Kind::Ip => "__cedar::ipaddr".to_owned(),
            Kind::Decimal => "__cedar::decimal".to_owned(),
            Kind::Datetime => "__cedar::datetime".to_owned(),
            Kind::Duration => "__cedar::duration".to_owned(),
        }
    }
}
