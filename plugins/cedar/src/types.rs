//! What the entities of a request are called.

use cedar_policy::{EntityId, EntityTypeName, EntityUid};
use portcullis_sdk::PrincipalKind;

/// The types of principals, actions and resources, in the operator's namespace.
#[derive(Debug)]
pub(crate) struct Types {
    /// The namespace and `::`, or nothing.
    prefix: String,
    action: EntityTypeName,
    /// In the order of the contract.
    principals: [EntityTypeName; 7],
}

impl Types {
    /// The types in `namespace`, or in none.
    ///
    /// # Errors
    ///
    /// A message, if `namespace` is none.
    pub(crate) fn of(namespace: Option<&str>) -> Result<Self, String> {
        let prefix = namespace.map_or_else(String::new, |namespace| format!("{namespace}::"));
        let named = |name: &str| {
            format!("{prefix}{name}")
                .parse::<EntityTypeName>()
                .map_err(|_| {
                    let namespace = namespace.unwrap_or_default();
                    format!(
                        "`{namespace}` is no namespace: write one such as `Acme` or `Acme::Gateway`"
                    )
                })
        };
        let action = named("Action")?;
        let principals = [
            named("Unspecified")?,
            named("Agent")?,
            named("Service")?,
            named("Connector")?,
            named("Pipeline")?,
            named("Human")?,
            named("BreakGlass")?,
        ];
        Ok(Self {
            prefix,
            action,
            principals,
        })
    }

    /// The principal of `kind` with the SPIFFE ID `id`.
    pub(crate) fn principal(&self, kind: PrincipalKind, id: &str) -> EntityUid {
        let [
            unspecified,
            agent,
            service,
            connector,
            pipeline,
            human,
            break_glass,
        ] = &self.principals;
        let kind = match kind {
            PrincipalKind::Unspecified => unspecified,
            PrincipalKind::Agent => agent,
            PrincipalKind::Service => service,
            PrincipalKind::Connector => connector,
            PrincipalKind::Pipeline => pipeline,
            PrincipalKind::Human => human,
            PrincipalKind::BreakGlass => break_glass,
        };
        entity(kind.clone(), id)
    }

    /// The action called `name`.
    pub(crate) fn action(&self, name: &str) -> EntityUid {
        entity(self.action.clone(), name)
    }

    /// The resource `id` of `kind`, if `kind` makes the name of a type.
    pub(crate) fn resource(&self, kind: &str, id: &str) -> Option<EntityUid> {
        let name = format!("{}{}", self.prefix, upper_camel(kind)?);
        Some(entity(name.parse().ok()?, id))
    }
}

fn entity(name: EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(name, EntityId::new(id))
}

/// The words of `kind` in one, each with its first letter in upper case: `repository` is `Repository`,
/// `mcp-server` is `McpServer`. A kind with an empty word, with another character than ASCII letters,
/// digits, `-` and `_`, or with a digit first makes no name.
fn upper_camel(kind: &str) -> Option<String> {
    let mut name = String::with_capacity(kind.len());
    for word in kind.split(['-', '_']) {
        let mut letters = word.chars();
        let first = letters.next()?;
        if !word.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return None;
        }
        name.push(first.to_ascii_uppercase());
        name.push_str(letters.as_str());
    }
    name.starts_with(|first: char| first.is_ascii_uppercase())
        .then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_becomes_the_name_of_a_type_or_nothing() {
        for (kind, name) in [
            ("repository", Some("Repository")),
            ("mcp-server", Some("McpServer")),
            ("pull_request", Some("PullRequest")),
            ("k8s-pod", Some("K8sPod")),
            ("HTTPRoute", Some("HTTPRoute")),
            ("", None),
            ("-", None),
            ("a--b", None),
            ("a-", None),
            ("8ball", None),
            ("a b", None),
            ("a::b", None),
            ("café", None),
            ("éa", None),
        ] {
            assert_eq!(upper_camel(kind).as_deref(), name, "{kind}");
        }
    }

    #[test]
    fn names_are_in_the_namespace() {
        let types = Types::of(Some("Acme::Gateway")).unwrap();
        assert_eq!(
            types.resource("repository", "a\"b").unwrap().to_string(),
            r#"Acme::Gateway::Repository::"a\"b""#
        );
        assert_eq!(
            types.principal(PrincipalKind::BreakGlass, "x").to_string(),
            r#"Acme::Gateway::BreakGlass::"x""#
        );
        let plain = Types::of(None).unwrap();
        assert_eq!(
            plain.action("git.push").to_string(),
            r#"Action::"git.push""#
        );
        for wrong in ["", "a b", "Acme::", "in", "__cedar"] {
            assert!(Types::of(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
