//! Describes arguments that do not meet a constraint.

use portcullis_contract::{Constraint, RefusedPart, accepts_origin, excerpt};
use portcullis_model::request::Request;
use portcullis_model::secret::well_known_withheld;

/// Describes the argument that `unmet` is about: its value, and for a constraint on origins, its origins.
///
/// The value is shortened, and what looks like a secret in it is withheld.
pub(crate) fn found_instead(unmet: &Constraint, request: &Request) -> String {
    let argument = unmet.argument();
    let Some(value) = request.arguments().pointer(unmet.path()) else {
        return format!("`{argument}` is missing");
    };
    let value = excerpt(&well_known_withheld(&value.to_string()));
    if !unmet.is_about_origins() {
        return format!("`{argument}` is `{value}`");
    }
    let wanted = unmet.accepted_origins();
    let origins = request.origins();
    let (what, found) = match unmet.refused_part(request.arguments(), origins) {
        Some(RefusedPart { part, origins }) => {
            let part = excerpt(&well_known_withheld(&part));
            (format!("`{part}` in `{argument}` has"), origins)
        }
        None => {
            let stated = origins.stated(unmet.path()).into_iter();
            let refused =
                stated.filter(|origin| !wanted.iter().any(|wanted| accepts_origin(wanted, origin)));
            (
                format!("`{argument}` is `{value}` with"),
                refused.map(str::to_owned).collect(),
            )
        }
    };
    let mut found: Vec<_> = found
        .iter()
        .map(|origin| format!("`{}`", excerpt(origin)))
        .collect();
    found.sort_unstable();
    found.dedup();
    let wanted: Vec<_> = wanted.iter().map(|it| format!("`{it}`")).collect();
    format!(
        "{what} the origin {}, not {}",
        found.join(" and "),
        wanted.join(" or ")
    )
}
