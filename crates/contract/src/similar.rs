//! Suggestions for misspelt names.

/// Maximum edit distance of a similar name.
const MAX_DISTANCE: usize = 3;

/// Returns the known name that `name` most probably misspells.
///
/// Letter case is ignored. A similar name differs in at most three edits, and in less than half of its
/// characters.
pub fn similar<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written = name.to_lowercase();
    let length = written.chars().count();
    let distance = |known: &str| strsim::osa_distance(&written, &known.to_lowercase());
    let is_similar = |known: &str, distance: usize| {
        let longest = known.chars().count().max(length);
        known != name && distance <= MAX_DISTANCE && 2 * distance < longest
    };
    known
        .into_iter()
        .map(|known| (distance(known), known))
        .filter(|(distance, known)| is_similar(known, *distance))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_is_recognised_and_another_name_is_not() {
        let known = ["github", "bank", "b", "mcp-files"];
        for (name, meant) in [
            ("gihtub", Some("github")),
            ("git-hub", Some("github")),
            ("Bank", Some("bank")),
            ("mcp_flies", Some("mcp-files")),
            ("github", None),
            ("a", None),
            ("ba", None),
            ("payroll", None),
            ("", None),
        ] {
            assert_eq!(similar(name, known), meant, "{name}");
        }
    }
}
