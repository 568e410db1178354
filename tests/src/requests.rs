//! Requests of one principal, for tests in which principal and resource do not matter.

use portcullis_host::{Principal, Request, RequestBuilder, RequestLimits, Resource};

/// Starts a request of `spiffe://a.example/x` for the resource `id`, of kind `t`.
pub fn builder(integration: &str, action: &str, id: &str) -> RequestBuilder {
    let principal = Principal {
        id: "spiffe://a.example/x".into(),
        ..Principal::default()
    };
    let resource = Resource {
        kind: "t".into(),
        id: id.into(),
        ..Resource::default()
    };
    Request::builder(integration, principal, action, resource)
}

/// Returns the request that [`builder`] starts, without arguments.
///
/// # Panics
///
/// If a name is refused.
pub fn request(integration: &str, action: &str, id: &str) -> Request {
    let request = builder(integration, action, id).build(&RequestLimits::default());
    request.expect("names that are accepted")
}
