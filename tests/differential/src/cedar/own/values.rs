//! Draws entities and values of the types.

use super::{Drawing, Field, IDS, Kind, WORDS, group_of, qualified};
use serde_json::{Map, Value, json};

impl Drawing<'_> {
    /// Draws the members of a record. Optional members are left out at times.
    pub(super) fn record(&mut self, fields: &[Field], is_schematic: bool) -> Map<String, Value> {
        let mut members = Map::new();
        for field in fields {
            if field.is_required || self.random.chance(60) {
                let value = self.value(&field.kind, is_schematic);
                members.insert(field.name.to_owned(), value);
            }
        }
        members
    }

    fn value(&mut self, kind: &Kind, is_schematic: bool) -> Value {
        match kind {
            Kind::Long => json!(self.random.pick(&[-3, 0, 1, 7, 1_i64 << 40])),
            Kind::Text => json!(self.random.pick(&WORDS)),
            Kind::Bool => json!(self.random.chance(50)),
            Kind::Set(item) => {
                let items = (0..self.random.below(4)).map(|_| self.value(item, is_schematic));
                Value::Array(items.collect())
            }
            Kind::Record(fields) => Value::Object(self.record(fields, is_schematic)),
            Kind::Entity(it) => {
                let uid = self.uid(*it);
                match is_schematic && self.random.chance(40) {
                    true => uid,
                    false => json!({ "__entity": uid }),
                }
            }
            Kind::Ip | Kind::Decimal | Kind::Datetime | Kind::Duration => {
                let (function, argument) = self.extension(kind);
                match self.random.below(if is_schematic { 4 } else { 2 }) {
                    0 | 1 => json!({ "__extn": { "fn": function, "arg": argument } }),
                    2 => json!({ "fn": function, "arg": argument }),
                    _ => json!(argument),
                }
            }
        }
    }

    pub(super) fn extension(&mut self, kind: &Kind) -> (&'static str, &'static str) {
        match kind {
            Kind::Decimal => ("decimal", self.random.pick(&["9.99", "0.0001", "-12.5"])),
            Kind::Datetime => (
                "datetime",
                self.random
                    .pick(&["2026-11-26", "2026-11-26T10:00:00Z", "1970-01-01"]),
            ),
            Kind::Duration => ("duration", self.random.pick(&["1h", "-2d3ms", "90m"])),
            _ => (
                "ip",
                self.random
                    .pick(&["10.0.0.1", "10.0.0.0/8", "::1", "192.168.0.1"]),
            ),
        }
    }

    fn uid(&mut self, of: usize) -> Value {
        json!({ "type": self.types[of].name(), "id": self.random.pick(&IDS) })
    }

    pub(super) fn entities(&mut self, is_schematic: bool) -> Value {
        let mut entities = Vec::new();
        for (index, it) in self.types.clone().into_iter().enumerate() {
            for id in IDS {
                if self.random.chance(40) {
                    continue;
                }
                let mut parents = Vec::new();
                for parent in &it.parents {
                    if self.random.chance(60) {
                        parents.push(self.uid(*parent));
                    }
                }
                entities.push(json!({
                    "uid": { "type": self.types[index].name(), "id": id },
                    "attrs": self.record(&it.fields, is_schematic),
                    "parents": parents,
                }));
            }
        }
        if !is_schematic {
            for action in self.actions.iter().filter(|it| it.in_group) {
                let kind = qualified(action.namespace, "Action");
                entities.push(json!({
                    "uid": { "type": kind, "id": action.id },
                    "attrs": {},
                    "parents": [{ "type": kind, "id": group_of(action.namespace) }],
                }));
            }
        }
        Value::Array(entities)
    }
}
