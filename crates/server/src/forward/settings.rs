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
pub(crate) fn http(
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
        let with = |route: Option<Route>, text: Option<(&str, Span)>, set: fn(Route, &str) -> Route| {
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

/// Lists of names, by their key.
const LISTS: [(&str, fn(MapperBuilder, Vec<String>) -> MapperBuilder); 4] = [
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
