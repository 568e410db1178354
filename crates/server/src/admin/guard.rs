//! Callers of the admin listener.

use crate::authzen::bearer_token;
use crate::state::App;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use std::net::IpAddr;

/// Lets callers with the token pass, or without a token those of this machine.
///
/// A web page of another site can make a browser of the operator send requests to the listener. So only a `Host` of
/// this machine is accepted without a token, which a name that was bound to 127.0.0.1 is not, and no change that a
/// web page asks for.
pub(super) async fn admin(State(app): State<App>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    if request.method() != Method::GET && headers.contains_key(header::ORIGIN) {
        return refused(StatusCode::FORBIDDEN, "web pages may not change the server");
    }
    match &app.settings().admin_token {
        Some(expected) => {
            let token = bearer_token(headers).ok().flatten();
            if !token.is_some_and(|token| expected.is(token)) {
                let mut response = refused(
                    StatusCode::UNAUTHORIZED,
                    "the bearer token is not that of `admin-token-file`",
                );
                let bearer = HeaderValue::from_static("Bearer");
                response
                    .headers_mut()
                    .insert(header::WWW_AUTHENTICATE, bearer);
                return response;
            }
        }
        None if !is_of_this_machine(request.uri().authority(), headers) => {
            return refused(
                StatusCode::FORBIDDEN,
                "the request is for another host: use 127.0.0.1 or localhost, or set `admin-token-file`",
            );
        }
        None => {}
    }
    next.run(request).await
}

/// True if the caller named this machine: `localhost` or a loopback address.
fn is_of_this_machine(authority: Option<&Authority>, headers: &HeaderMap) -> bool {
    let named = headers.get(header::HOST);
    let named = named.and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    match authority.cloned().or(named) {
        Some(authority) => {
            let host = authority.host();
            let address = host.trim_start_matches('[').trim_end_matches(']');
            host.eq_ignore_ascii_case("localhost")
                || address
                    .parse::<IpAddr>()
                    .is_ok_and(|address| address.to_canonical().is_loopback())
        }
        None => false,
    }
}

/// True if the caller may see reasons: it has the token, or there is none.
pub(super) fn may_see_reasons(app: &App, headers: &HeaderMap) -> bool {
    match &app.settings().admin_token {
        None => true,
        Some(expected) => bearer_token(headers)
            .ok()
            .flatten()
            .is_some_and(|token| expected.is(token)),
    }
}

fn refused(status: StatusCode, message: &str) -> Response {
    (status, format!("{message}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_accepted() {
        let accepted = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            is_of_this_machine(None, &headers)
        };
        for own in [
            "localhost:8182",
            "LOCALHOST",
            "127.0.0.1:8182",
            "127.1.2.3",
            "[::1]:8182",
        ] {
            assert!(accepted(own), "{own}");
        }
        for other in [
            "evil.example:8182",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "192.0.2.1:8182",
            "0.0.0.0:8182",
            "user@evil.example",
        ] {
            assert!(!accepted(other), "{other}");
        }
        assert!(!is_of_this_machine(None, &HeaderMap::new()));
    }
}
