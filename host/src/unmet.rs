//! Describes arguments that do not meet a constraint.

use portcullis_contract::{Constraint, Operator, accepts_origin, excerpt};

use portcullis_model::request::Request;
use portcullis_model::secret::well_known_withheld;
use serde_json::Value;

/// Describes the argument that `unmet` is about: its value, and for a constraint on origins, its origins.
///
/// The value is shortened, and what looks like a secret in it is withheld.
pub(crate) fn found_instead(unmet: &Constraint, request: &Request) -> String {
    let argument = unmet.argument();
    let Some(value) = request.arguments().pointer(unmet.path()) else {
        return format!("`{argument}` is missing");
    };
    let value = excerpt(&well_known_withheld(&value.to_string()));
    if unmet.operator() != Operator::OriginIs {
        return format!("`{argument}` is `{value}`");
    }
    let wanted = unmet.operand().as_array().into_iter().flatten();
    let wanted: Vec<_> = wanted.filter_map(Value::as_str).collect();
    let origins = request.origins();
    let mut found: Vec<_> = origins
        .stated(unmet.path())
        .into_iter()
        .filter(|origin| !wanted.iter().any(|wanted| accepts_origin(wanted, origin)))
        .map(|origin| format!("`{}`", excerpt(origin)))
        .collect();
    found.sort_unstable();
    found.dedup();
    let wanted: Vec<_> = wanted.iter().map(|it| format!("`{it}`")).collect();
    format!(
        "`{argument}` is `{value}` with the origin {}, not {}",
        found.join(" and "),
        wanted.join(" or ")
    )
}
