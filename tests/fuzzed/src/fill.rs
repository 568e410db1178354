//! Names that a pattern could match.

/// Texts that take the place of a `*`.
const FILLS: [&str; 4] = ["x", "", "a.b", "x1"];
/// Texts that take the place of a `**`.
const DEEP_FILLS: [&str; 4] = ["x", "x/y", "", "a/b/c"];

/// Returns names made of `pattern` by putting texts in the place of its wildcards.
pub(crate) fn filled(pattern: &str) -> Vec<String> {
    let fill = |index: usize| {
        let segments = pattern.split('/').enumerate().map(|(at, segment)| {
            let choice = (index + at) % FILLS.len();
            match segment {
                "**" => DEEP_FILLS[choice].to_owned(),
                "*" => FILLS[choice].to_owned(),
                other => other.replace('*', FILLS[choice]),
            }
        });
        let with_empty: Vec<_> = segments.collect();
        let is_emptied = |(at, text): (usize, &String)| {
            at > 0 && text.is_empty() && pattern.split('/').nth(at) == Some("**")
        };
        let kept: Vec<_> = with_empty
            .iter()
            .enumerate()
            .filter(|one| !is_emptied(*one))
            .map(|(_, text)| text.as_str())
            .collect();
        kept.join("/")
    };
    let mut names: Vec<_> = (0..FILLS.len()).map(fill).collect();
    names.dedup();
    names
}
