//! Reads `[serve.http]`: the requests that calls through a proxy become.

use portcullis_http::{Authenticator, Bodies, Mapper, MapperBuilder, MapperError, Route};
use portcullis_model::document::{Section, Source, Span};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Settings of `[serve.http]`. A clone is cheap.
#[derive(Debug, Clone)]
pub struct HttpSettings(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    /// The options without an integration and without routes.
    options: MapperBuilder,
    mapper: Mapper,
    authenticator: Authenticator,
}

impl HttpSettings {
    /// The mapper of calls whose integration follows from host and path.
    pub(crate) fn mapper(&self) -> &Mapper {
        &self.0.mapper
    }

    /// The mapper of calls whose integration the proxy's configuration names.
    ///
    /// # Errors
    ///
    /// [`MapperError`] if the name cannot be that of an integration.
    pub(crate) fn mapper_to(&self, integration: &str) -> Result<Mapper, MapperError> {
        self.0.options.clone().integration(integration).build()
    }

    /// Authenticates the proxy's client.
    pub(crate) fn authenticator(&self) -> &Authenticator {
        &self.0.authenticator
    }
}

/// Reads the section. `None` if it has an error.
pub(super) fn read(
    mut section: Section<'_, '_>,
    integrations: &BTreeSet<String>,
) -> Option<HttpSettings> {
    let source = section.source();
    let place = section.span();
    let known = |name: &str, span: Span| {
        if !integrations.contains(name) {
            let name = portcullis_host::excerpt(name);
            source.error(
                span,
                format!("there is no integration `{name}`: configure it, or name another"),
            );
        }
    };
    let options = options(&mut section);
    // A proxy carries out no obligation, so a permit with one is denied.
    let options = options.obligations([""; 0]);
    let mut builder = options.clone();
    if let Some((name, span)) = section.text("integration") {
        known(name, span);
        builder = builder.integration(name);
    }
    for mut section in section.sections("route") {
        let integration = section.required_text("integration");
        let route = integration.map(|(name, span)| {
            known(name, span);
            Route::to(name)
        });
        let with = |route: Option<Route>,
                    text: Option<(&str, Span)>,
                    set: fn(Route, &str) -> Route| {
            match (route, text) {
                (Some(route), Some((text, _))) => Some(set(route, text)),
                (route, _) => route,
            }
        };
        let route = with(route, section.text("host"), |route, it| route.host(it));
        let route = with(route, section.text("path"), |route, it| route.path(it));
        let route = with(route, section.text("environment"), |route, it| {
            route.environment(it)
        });
        section.end();
        if let Some(route) = route {
            builder = builder.route(route);
        }
    }
    section.end();
    let mapper = usable(builder.build(), source, &place);
    let authenticator = Authenticator::builder().bearer().certificates().build();
    let authenticator = usable(authenticator, source, &place);
    Some(HttpSettings(Arc::new(Parts {
        options,
        mapper: mapper?,
        authenticator: authenticator?,
    })))
}

/// Reads what calls of every integration have in common.
fn options(section: &mut Section<'_, '_>) -> MapperBuilder {
    let source = section.source();
    let mut builder = Mapper::builder();
    if let Some((environment, _)) = section.text("environment") {
        builder = builder.environment(environment);
    }
    if let Some((kind, _)) = section.text("resource-type") {
        builder = builder.resource_kind(kind);
    }
    if let Some((bodies, span)) = section.text("bodies") {
        match bodies {
            "json" => builder = builder.bodies(Bodies::Json),
            "json-or-unread" => builder = builder.bodies(Bodies::JsonOrUnread),
            "unread" => builder = builder.bodies(Bodies::Unread),
            _ => source.error(
                span,
                "`bodies` is `json`, `json-or-unread` or `unread`; a proxy with forward authentication sends no body, so it needs one of the latter two",
            ),
        }
    }
    for (key, set) in LISTS {
        if let Some(names) = section.texts(key) {
            builder = set(builder, names);
        }
    }
    if section.boolean("allow-forms") == Some(true) {
        builder = builder.allow_forms();
    }
    if section.boolean("plus-is-space") == Some(true) {
        builder = builder.plus_is_space();
    }
    builder
}

/// Passes a list of names to the mapper.
type SetNames = fn(MapperBuilder, Vec<String>) -> MapperBuilder;

/// Lists of names, by their key.
const LISTS: [(&str, SetNames); 4] = [
    ("headers", |builder, names| builder.headers(names)),
    ("numbers", |builder, names| builder.numbers(names)),
    ("booleans", |builder, names| builder.booleans(names)),
    ("lists", |builder, names| builder.lists(names)),
];

/// Records the error of options that cannot be used together.
fn usable<T, E: ToString>(built: Result<T, E>, source: &Source<'_>, place: &Span) -> Option<T> {
    built
        .map_err(|error| source.error(place.clone(), error.to_string()))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;
    use portcullis_host::{Principal, RequestLimits};
    use portcullis_http::{Body, Call};
    use portcullis_model::document::{self, FILE};
    use std::path::Path;

    fn read(text: &str) -> (Option<HttpSettings>, Vec<String>) {
        let source = Source::new(Path::new("portcullis.toml"), text);
        let table = document::parse(&source, text).unwrap();
        let section = Section::new(&source, table.get_ref(), FILE);
        let integrations = ["invoices", "payroll"].map(str::to_owned);
        let read = super::read(section, &BTreeSet::from(integrations));
        let problems = source.into_problems().into_iter();
        (read, problems.map(|problem| problem.message).collect())
    }

    /// The integration and the environment of a call, if it is mapped.
    fn mapped(mapper: &Mapper, host: &str, target: &str) -> Option<(String, String)> {
        let headers = HeaderMap::new();
        let call = Call::stated("GET", host, target, &headers);
        let principal = Principal {
            id: "spiffe://acme.example/a".to_owned(),
            ..Principal::default()
        };
        let limits = RequestLimits::default();
        let request = mapper
            .request(principal, &call, Body::Unread, &limits)
            .ok()?;
        let environment = request.resource().environment.clone();
        Some((request.integration().to_owned(), environment))
    }

    fn pair(integration: &str, environment: &str) -> Option<(String, String)> {
        Some((integration.to_owned(), environment.to_owned()))
    }

    #[test]
    fn calls_have_the_integration_of_their_route() {
        let (read, problems) = read(
            r#"
            integration = "invoices"
            environment = "prod"
            bodies = "unread"
            numbers = ["page"]
            [[route]]
            integration = "payroll"
            host = "pay.example"
            path = "/v1"
            environment = "staging"
            "#,
        );
        assert_eq!(problems, [""; 0]);
        let read = read.unwrap();
        for (host, target, expected) in [
            ("api.example", "/v1/a?page=2", pair("invoices", "prod")),
            ("pay.example:443", "/v1/a", pair("payroll", "staging")),
            ("pay.example", "/v2/a", pair("invoices", "prod")),
            ("api.example", "/v1/a?page=x", None),
        ] {
            assert_eq!(
                mapped(read.mapper(), host, target),
                expected,
                "{host}{target}"
            );
        }
        // A proxy that names the integration leaves no room for routes.
        let named = read.mapper_to("payroll").unwrap();
        let found = mapped(&named, "api.example", "/v1/a?page=2");
        assert_eq!(found, pair("payroll", "prod"));
        assert_eq!(mapped(&named, "api.example", "/v1/a?page=x"), None);
    }

    #[test]
    fn a_call_whose_body_would_be_read_is_refused() {
        for (bodies, is_mapped) in [
            ("", false),
            (r#"bodies = "json""#, false),
            (r#"bodies = "json-or-unread""#, true),
            (r#"bodies = "unread""#, true),
        ] {
            let (read, problems) = read(&format!("integration = \"invoices\"\n{bodies}"));
            assert_eq!(problems, [""; 0]);
            let found = mapped(read.unwrap().mapper(), "api.example", "/v1/a");
            assert_eq!(found.is_some(), is_mapped, "{bodies}");
        }
    }

    #[test]
    fn settings_that_mean_nothing_are_refused() {
        for (text, said) in [
            (r#"integration = "other""#, "no integration `other`"),
            (r#"bodies = "text""#, "`bodies` is"),
            (
                "integration = \"invoices\"\nheaders = [\"authorization\"]",
                "credential",
            ),
            (r#"bodys = "json""#, "no `bodys`"),
            ("[[route]]\npath = \"/v1\"", "`integration` is missing"),
            (
                "[[route]]\nintegration = \"invoices\"\npath = \"/v1/../a\"",
                "/v1/../a",
            ),
            (
                "[[route]]\nintegration = \"invoices\"\nmethod = \"GET\"",
                "no `method`",
            ),
        ] {
            let (_, problems) = read(text);
            assert!(
                problems.iter().any(|problem| problem.contains(said)),
                "{text}: {problems:?}"
            );
        }
    }
}
