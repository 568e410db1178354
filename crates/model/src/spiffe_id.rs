//! SPIFFE IDs, and ids that lenient readers take for one.
//!
//! The grammar is checked here, and not by a SPIFFE library, so that no crate below the sandbox depends on
//! identity code. A property test in `portcullis-trust` compares it with the `spiffe` crate.

use portcullis_contract::name;

/// Maximum length of a SPIFFE ID, in bytes (SPIFFE-ID, section 2.3).
const MAX_BYTES: usize = 2048;

/// Maximum length of a trust domain's name, in bytes (SPIFFE-ID, section 2.1).
const MAX_TRUST_DOMAIN_BYTES: usize = 255;

/// True if `text` is the SPIFFE ID of a workload.
///
/// Only its unique spelling is accepted: `spiffe://`, the trust domain (lower-case letters, digits, `.`,
/// `-`, `_`) and a path of at least one segment (letters, digits, `.`, `-`, `_`; neither `.` nor `..`), as
/// SPIFFE-ID sections 2.1 and 2.2 define them.
pub fn is_spiffe_id(text: &str) -> bool {
    let Some((trust_domain, path)) = text
        .strip_prefix("spiffe://")
        .and_then(|rest| rest.split_once('/'))
    else {
        return false;
    };
    text.len() <= MAX_BYTES && is_trust_domain(trust_domain) && path.split('/').all(is_segment)
}

fn is_trust_domain(name: &str) -> bool {
    let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_');
    (1..=MAX_TRUST_DOMAIN_BYTES).contains(&name.len()) && name.bytes().all(allowed)
}

fn is_segment(segment: &str) -> bool {
    let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_');
    !matches!(segment, "" | "." | "..") && segment.bytes().all(allowed)
}

/// True if a lenient reader takes two ids for one.
///
/// Such a reader ignores case, the scheme or a last `/`.
///
/// For refusals only, such as of a principal that approves its own intent, or is configured twice.
pub fn is_same_id(one: &str, other: &str) -> bool {
    let plain = |text: &str| {
        let folded = name::fold(text.trim()).into_owned();
        let bare = folded.strip_prefix("spiffe://").unwrap_or(&folded);
        bare.trim_end_matches('/').to_owned()
    };
    plain(one) == plain(other)
}
