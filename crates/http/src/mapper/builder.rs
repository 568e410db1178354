//! Options of a mapper.

use super::body::Bodies;
use super::route::Route;
use super::{Mapper, headers, query};
use portcullis_host::SessionPath;
use std::collections::BTreeSet;

/// Builder of a [`Mapper`].
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct MapperBuilder {
    integration: Option<String>,
    environment: String,
    routes: Vec<Route>,
    resource_kind: Option<String>,
    session_path: Option<SessionPath>,
    headers: Vec<String>,
    query: query::Types,
    bodies: Bodies,
    forms_allowed: bool,
    obligations: Option<Vec<String>>,
}

/// Reason why the options of a mapper cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("options of the mapper cannot be used: {0}")]
pub struct MapperError(String);

impl MapperBuilder {
    /// Sets the integration of calls that no route matches. Without it, such a call is refused.
    pub fn integration(mut self, name: impl Into<String>) -> Self {
        self.integration = Some(name.into());
        self
    }

    /// Adds a route to an integration.
    pub fn route(mut self, route: Route) -> Self {
        self.routes.push(route);
        self
    }

    /// Sets the environment of the APIs. Unknown by default.
    pub fn environment(mut self, environment: impl Into<String>) -> Self {
        self.environment = environment.into();
        self
    }

    /// Sets the type of the resource. `path` by default.
    pub fn resource_kind(mut self, kind: impl Into<String>) -> Self {
        self.resource_kind = Some(kind.into());
        self
    }

    /// Sets the path by which the callers' sessions start. Unknown by default.
    pub fn session_path(mut self, path: SessionPath) -> Self {
        self.session_path = Some(path);
        self
    }

    /// Passes headers of these names as arguments. None by default.
    ///
    /// Arguments are recorded, shown to approvers and part of an approval. So pass only headers that rules are about;
    /// one that differs from call to call, such as a request id, makes every approval worthless.
    pub fn headers<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.headers.extend(names.into_iter().map(Into::into));
        self
    }

    /// Declares query parameters that are numbers.
    ///
    /// A value is a decimal number in its one spelling, such as `50` or `-0.5`. Others are refused: `050`, `+5`,
    /// `1e1`, `1.0`.
    pub fn numbers<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.query.numbers.extend(names.into_iter().map(Into::into));
        self
    }

    /// Declares query parameters that are `true` or `false`. Other values are refused.
    pub fn booleans<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.query
            .booleans
            .extend(names.into_iter().map(Into::into));
        self
    }

    /// Declares query parameters that may be repeated. Their value is a list, also if there is one.
    ///
    /// A parameter can be declared as a number, or as a boolean, as well.
    pub fn lists<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.query.lists.extend(names.into_iter().map(Into::into));
        self
    }

    /// Reads `+` in a query as a space, because the API does. By default, a query with a `+` is refused.
    pub fn plus_is_space(mut self) -> Self {
        self.query.plus_is_space = true;
        self
    }

    /// Sets the bodies that are accepted.
    pub fn bodies(mut self, bodies: Bodies) -> Self {
        self.bodies = bodies;
        self
    }

    /// Lets forms go on unread, if [`Bodies`] lets anything go on.
    ///
    /// It is safe if no server takes the method from a form field.
    pub fn allow_forms(mut self) -> Self {
        self.forms_allowed = true;
        self
    }

    /// Sets the kinds of obligation that requests state as supported.
    ///
    /// A [`Gate`](crate::Gate) and a [`PortcullisLayer`](crate::PortcullisLayer) set the kinds that have a handler.
    pub fn obligations<S: Into<String>>(mut self, kinds: impl IntoIterator<Item = S>) -> Self {
        self.obligations = Some(kinds.into_iter().map(Into::into).collect());
        self
    }

    /// Builds the mapper.
    ///
    /// # Errors
    ///
    /// [`MapperError`] if there is no integration, if two routes are for the same calls, if a header is not passed,
    /// or if a parameter has two types.
    pub fn build(self) -> Result<Mapper, MapperError> {
        if self.integration.is_none() && self.routes.is_empty() {
            return Err(MapperError(
                "no integration: name one for all calls, or add a route".to_owned(),
            ));
        }
        let mut seen = BTreeSet::new();
        for route in &self.routes {
            if let Some(problem) = route.problem() {
                return Err(MapperError(problem));
            }
            if !seen.insert((route.host.clone(), route.path.to_ascii_lowercase())) {
                return Err(MapperError(format!(
                    "route to `{}`: another route is for the same calls: remove one",
                    route.integration
                )));
            }
        }
        let both = self.query.numbers.intersection(&self.query.booleans);
        if let Some(name) = both.into_iter().next() {
            return Err(MapperError(format!(
                "query parameter `{name}` is a number and a boolean: remove one"
            )));
        }
        let headers = self.headers.iter().map(|name| headers::passed(name));
        Ok(Mapper {
            integration: self.integration,
            environment: self.environment,
            routes: self.routes,
            resource_kind: self.resource_kind.unwrap_or_else(|| "path".to_owned()),
            session_path: self.session_path,
            headers: headers
                .collect::<Result<_, _>>()
                .map_err(|why| MapperError(format!("header {why}")))?,
            query: self.query,
            bodies: self.bodies,
            forms_allowed: self.forms_allowed,
            obligations: self.obligations,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_contradict_are_refused() {
        let with = |change: fn(MapperBuilder) -> MapperBuilder| {
            change(Mapper::builder().integration("api"))
                .build()
                .map(|_| ())
        };
        for refused in [
            Mapper::builder().build().map(|_| ()),
            with(|it| it.numbers(["a"]).booleans(["a"])),
            with(|it| it.headers(["Authorization"])),
            with(|it| {
                it.route(Route::to("a").path("/v1"))
                    .route(Route::to("b").path("/V1"))
            }),
            with(|it| it.route(Route::to("a").host("x.example:80"))),
            with(|it| it.route(Route::to("a").path("v1"))),
            with(|it| it.route(Route::to("a").path("/v1/"))),
            with(|it| it.route(Route::to("a").path("/v1/../x"))),
            with(|it| it.route(Route::to(""))),
        ] {
            assert!(refused.is_err());
        }
        for accepted in [
            Mapper::builder().route(Route::to("a")).build().map(|_| ()),
            with(|it| it.numbers(["a"]).lists(["a"]).booleans(["b"])),
            with(|it| it.headers(["X-Source"])),
            with(|it| {
                it.route(Route::to("a").path("/v1"))
                    .route(Route::to("b").host("x.example").path("/v1"))
            }),
            with(|it| it.route(Route::to("a").path("/"))),
        ] {
            assert_eq!(accepted, Ok(()));
        }
    }
}
