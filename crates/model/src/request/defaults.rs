//! Default integrations for evaluations that name none.

use portcullis_contract::name::{alike_key, fold};
use std::collections::BTreeMap;

/// Integrations for AuthZEN evaluations without `context.integration`. Empty by default.
///
/// Resource types that a lenient reader does not distinguish are the same: `Repository` and `repository`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DefaultIntegrations {
    any: Option<String>,
    /// Integrations by resource type in the form of [`alike_key`].
    by_resource_type: BTreeMap<String, String>,
}

impl DefaultIntegrations {
    /// Sets the integration for resource types that are not listed.
    #[must_use]
    pub fn any(mut self, integration: impl Into<String>) -> Self {
        self.any = Some(integration.into());
        self
    }

    /// Sets the integration for a resource type, in any spelling.
    #[must_use]
    pub fn resource_type(
        mut self,
        resource_type: impl AsRef<str>,
        integration: impl Into<String>,
    ) -> Self {
        let resource_type = alike_key(resource_type.as_ref()).into_owned();
        self.by_resource_type
            .insert(resource_type, integration.into());
        self
    }

    /// Returns the integration for a resource type.
    ///
    /// If types are listed, a resource without a type has no integration.
    pub fn of(&self, resource_type: &str) -> Option<&str> {
        let resource_type = alike_key(resource_type);
        let listed = self.by_resource_type.get(&*resource_type);
        if listed.is_none() && resource_type.is_empty() && !self.by_resource_type.is_empty() {
            return None;
        }
        listed.or(self.any.as_ref()).map(String::as_str)
    }

    /// Returns every integration named here.
    pub fn integrations(&self) -> impl Iterator<Item = &str> {
        self.any
            .iter()
            .chain(self.by_resource_type.values())
            .map(String::as_str)
    }
}

/// True if a resource type has only one spelling.
///
/// Such a type has no invisible characters and no white space at its ends, and is in Unicode's form NFKC.
pub fn is_plain_type(resource_type: &str) -> bool {
    alike_key(resource_type) == fold(resource_type)
}

/// Rule of [`is_plain_type`], for messages.
pub const A_PLAIN_TYPE: &str = "a type without characters that are not seen and without white space at its ends, in Unicode's form NFKC";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_in_another_spelling_is_of_the_integration_that_is_listed() {
        let defaults = DefaultIntegrations::default()
            .any("lax")
            .resource_type("Repository", "github");
        for listed in [
            "repository",
            "Repository",
            "REPOSITORY",
            "repository ",
            "repository\u{200b}",
            "\u{ff52}epository",
            "repository\0",
        ] {
            assert_eq!(defaults.of(listed), Some("github"), "{listed:?}");
        }
        for other in ["todo", "repositories", "Acme::Team"] {
            assert_eq!(defaults.of(other), Some("lax"), "{other:?}");
        }
        // A resource without a type could have any listed type.
        for none in ["", " ", "\u{200b}"] {
            assert_eq!(defaults.of(none), None, "{none:?}");
        }
        assert_eq!(
            DefaultIntegrations::default().any("lax").of(""),
            Some("lax")
        );
    }

    #[test]
    fn a_plain_type_has_one_spelling() {
        for plain in [
            "",
            "repository",
            "mcp-server",
            "Acme::Team",
            "data set",
            "größe",
        ] {
            assert!(is_plain_type(plain), "{plain:?}");
        }
        for other in [
            "repository ",
            " r",
            "r\u{200b}",
            "\u{ff52}",
            "r\0",
            "r\n",
            "r\u{a0}s",
        ] {
            assert!(!is_plain_type(other), "{other:?}");
        }
    }
}
