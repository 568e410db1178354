//! Routes: which integration a call belongs to.

use super::error::{MapError, Place};
use super::path;
use crate::Call;

/// Integration of the calls to a host, below a path, or both.
///
/// Of the routes that match a call, the most specific one counts: one with a host before one without, then the one
/// with the longer path.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Route {
    pub(super) integration: String,
    pub(super) host: Option<String>,
    pub(super) path: String,
    pub(super) environment: Option<String>,
}

impl Route {
    /// A route to `integration`, for every host and path.
    pub fn to(integration: impl Into<String>) -> Self {
        Self {
            integration: integration.into(),
            host: None,
            path: String::new(),
            environment: None,
        }
    }

    /// Restricts the route to a host, compared without case and port.
    pub fn host(mut self, host: &str) -> Self {
        self.host = Some(host.to_ascii_lowercase());
        self
    }

    /// Restricts the route to a path and all paths below it.
    ///
    /// Whole segments are compared. The path is not removed from the resource of the request: rules name whole paths.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Sets the environment of the API. By default, that of the mapper.
    pub fn environment(mut self, environment: impl Into<String>) -> Self {
        self.environment = Some(environment.into());
        self
    }

    /// The reason why the route cannot be used.
    pub(super) fn problem(&self) -> Option<String> {
        let of =
            |what: &str, why: &str| Some(format!("route to `{}`: {what}: {why}", self.integration));
        if self.integration.is_empty() {
            return of("integration", "a name is needed");
        }
        if let Some(text) = &self.host
            && host(text) != Ok(text.as_str())
        {
            return of("host", "write the name alone, without port and scheme");
        }
        if self.path.is_empty() {
            return None;
        }
        let error = path::check(&self.path).err()?;
        of(&self.path, &error.to_string())
    }

    /// Compares the route with a call to `host` and `path`.
    fn matches(&self, host: &str, path: &str) -> Match {
        if self
            .host
            .as_deref()
            .is_some_and(|own| !own.eq_ignore_ascii_case(host))
        {
            return Match::None;
        }
        let own = self.path.strip_suffix('/').unwrap_or(&self.path);
        match path.split_at_checked(own.len()) {
            Some((_, rest)) if !rest.is_empty() && !rest.starts_with('/') => Match::None,
            Some((start, _)) if start == own => Match::Exact,
            Some((start, _)) if start.eq_ignore_ascii_case(own) => Match::InAnotherCase,
            _ => Match::None,
        }
    }

    fn rank(&self) -> (bool, usize) {
        (self.host.is_some(), self.path.len())
    }
}

/// Result of comparing a route with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Match {
    None,
    Exact,
    /// A server that ignores case serves the API of the route.
    InAnotherCase,
}

/// The most specific route of a call to `host`.
///
/// # Errors
///
/// [`MapError`] if the path is that of the route in another case.
pub(super) fn of_call<'r>(
    routes: &'r [Route],
    call: &Call<'_>,
    host: &str,
) -> Result<Option<&'r Route>, MapError> {
    let matches = routes
        .iter()
        .map(|route| (route, route.matches(host, call.path())));
    let best = matches
        .filter(|(_, found)| *found != Match::None)
        .max_by_key(|(route, _)| route.rank());
    match best {
        None => Ok(None),
        Some((route, Match::InAnotherCase)) => Err(MapError::new(
            Place::Path,
            format!("send `{}` in this case", route.path),
        )),
        Some((route, _)) => Ok(Some(route)),
    }
}

/// Host of an authority, without the port.
///
/// # Errors
///
/// [`MapError`] if it is empty, has a user, or has a spelling that another server resolves differently.
pub(super) fn host(authority: &str) -> Result<&str, MapError> {
    let wrong = |why: &str| Err(MapError::new(Place::Host, why));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if port.is_some_and(|port| port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit())) {
        return wrong("the port is not a number");
    }
    let is_name = |c: u8| c.is_ascii_alphanumeric() || b"-._".contains(&c);
    let is_address = |c: u8| c.is_ascii_hexdigit() || b":.".contains(&c);
    let is_valid = match host.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
        Some(address) => !address.is_empty() && address.bytes().all(is_address),
        None => host.bytes().all(is_name) && host.split('.').all(|label| !label.is_empty()),
    };
    match is_valid {
        true => Ok(host),
        false => wrong("it is a name of letters, digits, `-` and `.`, or an address"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;

    fn integration(target: &str, host: &str) -> Result<Option<String>, Place> {
        let routes = [
            Route::to("api").path("/v1"),
            Route::to("admin").path("/v1/admin"),
            Route::to("billing").host("billing.example").path("/v1"),
            Route::to("site").host("site.example"),
        ];
        let headers = HeaderMap::new();
        let call = Call::stated("GET", host, target, &headers);
        let route = of_call(&routes, &call, host).map_err(|error| error.place().clone())?;
        Ok(route.map(|route| route.integration.clone()))
    }

    #[test]
    fn the_most_specific_route_counts() {
        for (host, target, to) in [
            ("a.example", "/v1", Some("api")),
            ("a.example", "/v1/x?y=/v1/admin", Some("api")),
            ("a.example", "/v1/admin", Some("admin")),
            ("a.example", "/v1/admin/x", Some("admin")),
            ("a.example", "/v1/administrators", Some("api")),
            ("a.example", "/v12", None),
            ("a.example", "/", None),
            ("Billing.Example", "/v1/admin", Some("billing")),
            ("billing.example", "/v2", None),
            ("site.example", "/", Some("site")),
            ("site.example", "/v1/admin", Some("site")),
        ] {
            assert_eq!(
                integration(target, host),
                Ok(to.map(str::to_owned)),
                "{host} {target}"
            );
        }
    }

    #[test]
    fn a_path_in_another_case_does_not_reach_another_integration() {
        for target in ["/V1/x", "/v1/Admin", "/v1/ADMIN/x"] {
            assert_eq!(integration(target, "a.example"), Err(Place::Path));
        }
        let site = integration("/v1/Admin", "site.example");
        assert_eq!(site, Ok(Some("site".to_owned())));
    }

    #[test]
    fn an_authority_has_one_reading() {
        for (authority, name) in [
            ("api.example", "api.example"),
            ("api.example:8443", "api.example"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(host(authority), Ok(name));
        }
        for authority in [
            "",
            ":80",
            "api.example:",
            "api.example:80x",
            "user@api.example",
            "api.example.",
            "a..b",
            "api.example/x",
            "api%2eexample",
            "[]",
            "[::1",
            "a b",
            "a,b",
            "::1",
        ] {
            assert!(host(authority).is_err(), "{authority}");
        }
    }
}
