//! The body of a refusal (RFC 9457).

use crate::{AuthError, MapError};
use bytes::Bytes;
use portcullis_host::Decision;
use serde::Serialize;

/// The body of a refusal: `application/problem+json` (RFC 9457).
///
/// It names no approver, file, allowance or plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {}

impl Problem {
    /// Media type of the body.
    pub const MEDIA_TYPE: &'static str = "application/problem+json";
    /// The problem of a deny; `None` for a permit.
    pub fn of_decision(decision: &Decision) -> Option<Self> { todo!() }
    /// The problem of a call that cannot be mapped.
    pub fn of_map_error(error: &MapError) -> Self { todo!() }
    /// The problem of a failed authentication.
    pub fn of_auth_error(error: &AuthError) -> Self { todo!() }
    /// Status of the response.
    pub fn status(&self) -> http::StatusCode { todo!() }
    /// The problem as JSON.
    pub fn to_json(&self) -> Bytes { todo!() }
}
