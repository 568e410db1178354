//! Maps the types and actions of a request to Cedar's, as sent or by the settings.

use crate::text::close_to;
use cedar_policy::{EntityId, EntityTypeName, EntityUid, Schema};
use portcullis_contract::name::check_action;
use portcullis_sdk::SettingsError;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// The setting `types` as written.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct TypeSettings {
    #[serde(default)]
    action: Option<String>,
    #[serde(default)]
    principal: BTreeMap<String, String>,
    #[serde(default)]
    resource: BTreeMap<String, String>,
}

/// A part of a request that has a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Principal,
    Resource,
}

impl Part {
    /// Returns the part's name in the settings and in Cedar.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Principal => "principal",
            Self::Resource => "resource",
        }
    }
}

/// The reason why an action has no entity.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoAction {
    /// The schema has no action of that name.
    Unknown,
    /// Several namespaces of the schema have an action of that name.
    Ambiguous,
}

/// Maps the texts of a request to Cedar's types and actions.
#[derive(Debug)]
pub(crate) struct Types {
    namespace: Option<String>,
    principal: BTreeMap<String, EntityTypeName>,
    resource: BTreeMap<String, EntityTypeName>,
    action: EntityTypeName,
    /// Actions from the settings, by their name in a request.
    listed: BTreeMap<String, EntityUid>,
    /// Actions of the schema by name, `None` where a name is ambiguous. There are none without a schema.
    declared: Option<BTreeMap<String, Option<EntityUid>>>,
}

impl Types {
    /// Reads the settings `namespace`, `types` and `actions`.
    ///
    /// # Errors
    ///
    /// One [`SettingsError`] for each invalid name.
    pub(crate) fn read(
        namespace: Option<&str>,
        types: &TypeSettings,
        actions: &BTreeMap<String, String>,
    ) -> Result<Self, Vec<SettingsError>> {
        let mut errors = Vec::new();
        let mut named = |path: String, text: &str| {
            let read = text.parse::<EntityTypeName>();
            read.map_err(|_| {
                let message = format!(
                    "`{text}` is not the name of a Cedar type: write one such as `User` or `Acme::User`"
                );
                errors.push(SettingsError::new(path, message));
            })
            .ok()
        };
        let mut mapped = |part: Part, map: &BTreeMap<String, String>| {
            let read = map.iter().filter_map(|(sent, text)| {
                let key = portcullis_sdk::escape_key(sent);
                let path = format!("/types/{}/{key}", part.as_str());
                Some((sent.clone(), named(path, text)?))
            });
            read.collect::<BTreeMap<_, _>>()
        };
        let principal = mapped(Part::Principal, &types.principal);
        let resource = mapped(Part::Resource, &types.resource);
        let in_namespace = match namespace {
            Some(namespace) => format!("{namespace}::Action"),
            None => "Action".to_owned(),
        };
        let action = match &types.action {
            Some(text) => named("/types/action".to_owned(), text),
            None => in_namespace.parse().ok(),
        };
        if in_namespace.parse::<EntityTypeName>().is_err() {
            let message = format!(
                "`{}` is not a namespace: write one such as `Acme` or `Acme::Gateway`",
                namespace.unwrap_or_default()
            );
            errors.push(SettingsError::new("/namespace", message));
        }
        let mut listed = BTreeMap::new();
        for (name, text) in actions {
            let path = format!("/actions/{}", portcullis_sdk::escape_key(name));
            match text.parse::<EntityUid>() {
                Ok(uid) => {
                    listed.insert(name.clone(), uid);
                }
                Err(_) => {
                    let message = format!(
                        "`{text}` is not a Cedar entity: write the action as policies do, such as `Acme::Action::\"view photo\"`"
                    );
                    errors.push(SettingsError::new(path, message));
                }
            }
        }
        match action {
            Some(action) if errors.is_empty() => Ok(Self {
                namespace: namespace.map(str::to_owned),
                principal,
                resource,
                action,
                listed,
                declared: None,
            }),
            _ => Err(errors),
        }
    }

    /// Adds the actions of `schema`, and verifies that it declares the types and actions of the settings.
    pub(crate) fn hold_to(&mut self, schema: &Schema) -> Vec<SettingsError> {
        let mut errors = Vec::new();
        let types: BTreeSet<_> = schema.entity_types().collect();
        for (part, map) in [
            (Part::Principal, &self.principal),
            (Part::Resource, &self.resource),
        ] {
            for (sent, name) in map.iter().filter(|(_, name)| !types.contains(name)) {
                let key = portcullis_sdk::escape_key(sent);
                let known = types.iter().map(ToString::to_string);
                let message = format!(
                    "the schema has no entity type `{name}`{}",
                    close_to(&name.to_string(), known)
                );
                let path = format!("/types/{}/{key}", part.as_str());
                errors.push(SettingsError::new(path, message));
            }
        }
        let actions: BTreeSet<_> = schema.actions().collect();
        for (name, uid) in &self.listed {
            if !actions.contains(uid) {
                let path = format!("/actions/{}", portcullis_sdk::escape_key(name));
                let message = format!("the schema has no action `{uid}`");
                errors.push(SettingsError::new(path, message));
            }
        }
        let mut declared: BTreeMap<String, Option<EntityUid>> = BTreeMap::new();
        for uid in actions {
            let name: &str = uid.id().unescaped();
            let is_default = *uid.type_name() == self.action;
            declared
                .entry(name.to_owned())
                .and_modify(|one| {
                    let one_is_default = one
                        .as_ref()
                        .is_some_and(|one| *one.type_name() == self.action);
                    if is_default {
                        *one = Some(uid.clone());
                    } else if !one_is_default {
                        *one = None;
                    }
                })
                .or_insert_with(|| Some(uid.clone()));
        }
        self.declared = Some(declared);
        errors
    }

    /// Returns the type of a part, or `None` if `sent` is not a type name.
    pub(crate) fn of(&self, part: Part, sent: &str) -> Option<EntityTypeName> {
        if let Some(name) = self.map(part).get(sent) {
            return Some(name.clone());
        }
        match &self.namespace {
            Some(namespace) if !sent.contains("::") => format!("{namespace}::{sent}").parse().ok(),
            _ => sent.parse().ok(),
        }
    }

    /// True if the settings map `sent` to a type.
    pub(crate) fn is_mapped(&self, part: Part, sent: &str) -> bool {
        self.map(part).contains_key(sent)
    }

    /// True if a request can have the type `name` in that part.
    pub(crate) fn can_be(&self, part: Part, name: &EntityTypeName) -> bool {
        let text = name.to_string();
        let within = self.namespace.as_ref().and_then(|namespace| {
            let rest = text.strip_prefix(namespace.as_str())?;
            rest.strip_prefix("::")
        });
        let sent = [Some(text.as_str()), within];
        self.map(part).values().any(|mapped| mapped == name)
            || sent
                .into_iter()
                .flatten()
                .any(|sent| self.of(part, sent).as_ref() == Some(name))
    }

    /// Returns the entity of the action called `name`.
    ///
    /// # Errors
    ///
    /// [`NoAction`] if the schema has no action of that name, or several.
    pub(crate) fn action(&self, name: &str) -> Result<EntityUid, NoAction> {
        if let Some(uid) = self.listed.get(name) {
            return Ok(uid.clone());
        }
        match &self.declared {
            None => Ok(self.undeclared(name)),
            Some(declared) => match declared.get(name) {
                Some(Some(uid)) => Ok(uid.clone()),
                Some(None) => Err(NoAction::Ambiguous),
                None => Err(NoAction::Unknown),
            },
        }
    }

    /// Returns the entity of an action that the schema does not declare.
    pub(crate) fn undeclared(&self, name: &str) -> EntityUid {
        entity(self.action.clone(), name)
    }

    /// True if a request's action can be `uid`.
    pub(crate) fn can_be_action(&self, uid: &EntityUid) -> bool {
        self.listed.values().any(|listed| listed == uid)
            || check_action(uid.id().unescaped()).is_ok()
                && self.action(uid.id().unescaped()).as_ref() == Ok(uid)
    }

    fn map(&self, part: Part) -> &BTreeMap<String, EntityTypeName> {
        match part {
            Part::Principal => &self.principal,
            Part::Resource => &self.resource,
        }
    }
}

/// Returns the entity of the type `name` with that id.
pub(crate) fn entity(name: EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(name, EntityId::new(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(namespace: Option<&str>, mapped: &[(&str, &str)]) -> Types {
        let principal = mapped
            .iter()
            .map(|(sent, name)| ((*sent).to_owned(), (*name).to_owned()))
            .collect();
        let settings = TypeSettings {
            principal,
            ..TypeSettings::default()
        };
        Types::read(namespace, &settings, &BTreeMap::new()).unwrap()
    }

    fn name(text: &str) -> EntityTypeName {
        text.parse().unwrap()
    }

    #[test]
    fn a_type_is_as_it_was_sent() {
        let types = types(None, &[("user", "Acme::User")]);
        for (sent, expected) in [
            ("User", Some("User")),
            ("Acme::Team::User", Some("Acme::Team::User")),
            ("user", Some("Acme::User")),
            ("repository", Some("repository")),
            ("mcp-server", None),
            ("a b", None),
            (" User", None),
            ("Acme :: User", None),
            ("User::\"x\"", None),
            ("__cedar::User", None),
            ("in", None),
            ("", None),
        ] {
            let found = types.of(Part::Principal, sent);
            assert_eq!(found, expected.map(name), "{sent}");
        }
        assert_eq!(types.of(Part::Resource, "user"), Some(name("user")));
    }

    #[test]
    fn a_namespace_is_for_what_was_sent_without_one() {
        let types = types(Some("Acme"), &[("bot", "Ops::Bot")]);
        for (sent, expected) in [
            ("User", "Acme::User"),
            ("Ops::User", "Ops::User"),
            ("bot", "Ops::Bot"),
        ] {
            assert_eq!(types.of(Part::Principal, sent), Some(name(expected)));
        }
        assert_eq!(
            types.action("git.push").unwrap().to_string(),
            "Acme::Action::\"git.push\""
        );
        for (type_name, can_be) in [
            ("Acme::User", true),
            ("Ops::User", true),
            ("User", false),
            ("Acme::bot", true),
        ] {
            let found = types.can_be(Part::Principal, &name(type_name));
            assert_eq!(found, can_be, "{type_name}");
        }
        for wrong in ["", "a b", "Acme::", "in", "__cedar"] {
            let read = Types::read(Some(wrong), &TypeSettings::default(), &BTreeMap::new());
            assert!(read.is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_action_is_the_one_of_the_schema_that_has_its_name() {
        let schema = r#"
            entity User;
            namespace Acme { action view, edit appliesTo { principal: User, resource: User }; }
            namespace Ops { action view, stop appliesTo { principal: User, resource: User }; }
        "#;
        let schema = schema.parse::<Schema>().unwrap();
        let mut plain = types(None, &[]);
        assert!(plain.hold_to(&schema).is_empty());
        let shown = |types: &Types, name: &str| types.action(name).map(|uid| uid.to_string());
        assert_eq!(shown(&plain, "edit").unwrap(), "Acme::Action::\"edit\"");
        assert_eq!(shown(&plain, "stop").unwrap(), "Ops::Action::\"stop\"");
        assert_eq!(shown(&plain, "view"), Err(NoAction::Ambiguous));
        assert_eq!(shown(&plain, "delete"), Err(NoAction::Unknown));
        let mut chosen = types(Some("Ops"), &[]);
        assert!(chosen.hold_to(&schema).is_empty());
        assert_eq!(shown(&chosen, "view").unwrap(), "Ops::Action::\"view\"");
        assert_eq!(shown(&chosen, "edit").unwrap(), "Acme::Action::\"edit\"");
    }
}
