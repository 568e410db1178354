//! Which integration is meant where an evaluation names none.

use std::collections::BTreeMap;

/// Which integration an AuthZEN evaluation is for that names none in `context.integration`. By default none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DefaultIntegrations {
    any: Option<String>,
    by_resource_type: BTreeMap<String, String>,
}

impl DefaultIntegrations {
    /// The integration of resources whose type is not listed.
    #[must_use]
    pub fn any(mut self, integration: impl Into<String>) -> Self {
        self.any = Some(integration.into());
        self
    }

    /// The integration of resources of a type.
    #[must_use]
    pub fn resource_type(
        mut self,
        resource_type: impl Into<String>,
        integration: impl Into<String>,
    ) -> Self {
        self.by_resource_type
            .insert(resource_type.into(), integration.into());
        self
    }

    /// The integration of a resource of that type.
    pub fn of(&self, resource_type: &str) -> Option<&str> {
        let listed = self.by_resource_type.get(resource_type);
        listed.or(self.any.as_ref()).map(String::as_str)
    }

    /// Every integration that is named.
    pub fn integrations(&self) -> impl Iterator<Item = &str> {
        self.any
            .iter()
            .chain(self.by_resource_type.values())
            .map(String::as_str)
    }
}
