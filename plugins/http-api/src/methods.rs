//! The methods of HTTP.

/// Methods registered with IANA, and `PURGE` and `QUERY`.
const METHODS: [&str; 39] = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "CONNECT",
    "COPY",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "ORDERPATCH",
    "PROPFIND",
    "PROPPATCH",
    "PURGE",
    "QUERY",
    "REBIND",
    "REPORT",
    "SEARCH",
    "TRACE",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "VERSION-CONTROL",
];

/// True if the method's spelling cannot be read as another method.
pub(crate) fn is_method(name: &str) -> bool {
    METHODS.contains(&name) || (!name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase()))
}

/// Returns the error for a rule's method, if it is unknown.
pub(crate) fn refuse(method: &str) -> Option<String> {
    if METHODS.contains(&method) {
        return None;
    }
    Some(match method {
        "ANY" | "ALL" | "*" => {
            format!("`{method}` is no method: list each that is meant, such as `GET` and `POST`")
        }
        _ => format!(
            "`{method}` is no method of HTTP: methods are upper-case, and one of {}",
            METHODS.join(", ")
        ),
    })
}
