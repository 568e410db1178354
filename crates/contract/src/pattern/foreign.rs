//! Syntax of other languages, which is no pattern here.

/// Finds syntax of another language in `text`.
///
/// Returns a description of it and the text to write instead.
pub(super) fn foreign(text: &str) -> Option<(&'static str, &'static str)> {
    if text.starts_with('^') || text.ends_with('$') {
        return Some((
            "an anchor of a regular expression (`^`, `$`)",
            "write it without: a pattern always holds for the whole name",
        ));
    }
    let quoted = |quote: char| text.len() > 1 && text.starts_with(quote) && text.ends_with(quote);
    if ['"', '\'', '`'].into_iter().any(quoted) {
        return Some(("quotes around it", "write it without"));
    }
    let is_named = |language: &&str| {
        let rest = text.strip_prefix(language);
        rest.is_some_and(|rest| !rest.starts_with(' '))
    };
    if ["regex:", "regexp:", "re:", "glob:"].iter().any(is_named) {
        return Some((
            "the name of a language of patterns before it (`regex:`, `glob:`)",
            "write it without: a pattern is literal but for `*` and `**`",
        ));
    }
    if (text.starts_with('(') && text.ends_with(')')) || text.split('/').any(is_group) {
        return Some((
            "a group in parentheses (`(a)`, `!(a)`, `@(a)`)",
            "write a pattern for each, without parentheses",
        ));
    }
    if text.split('/').any(|it| matches!(it, "+" | "#" | ">")) {
        return Some((
            "a wildcard of a message broker (`+`, `#`, `>`)",
            "write `*` for one segment, and `**` for all that follow",
        ));
    }
    let is_placeholder = |segment: &str| segment.starts_with('<') && segment.ends_with('>');
    if text.split('/').any(is_placeholder) {
        return Some(("a placeholder (`<name>`)", "write the name, or `*`"));
    }
    if text.starts_with('~') {
        return Some((
            "a leading `~`, as before a regular expression",
            "write it without: a pattern is literal but for `*` and `**`",
        ));
    }
    if text.starts_with('!') {
        return Some(("a leading `!`, as a negation", "write a denial for it"));
    }
    if text.contains(['[', ']']) {
        return Some((
            "a class of characters (`[0-9]`)",
            "write `*`, or a pattern for each character",
        ));
    }
    if text.contains(['{', '}']) {
        return Some((
            "a list or a variable in braces (`{a,b}`, `{id}`)",
            "write a pattern for each, or `*`",
        ));
    }
    if text.contains('|') || text.contains("(?") {
        return Some((
            "a group of a regular expression (`a|b`)",
            "write a pattern for each",
        ));
    }
    let in_regex = [".*?", ".+", "_.*", "-.*"];
    if text.starts_with(".*") || in_regex.iter().any(|it| text.contains(it)) {
        return Some((
            "a part of a regular expression (`.*`, `.+`)",
            "write `*` or `**`",
        ));
    }
    let mut segments = text.split('/');
    if segments.any(|segment| segment.len() > 1 && segment.starts_with(':')) {
        return Some(("a variable of a URL template (`:id`)", "write `*`"));
    }
    if text.contains('?') && !text.contains("://") {
        return Some(("`?`, which is no wildcard here", "write `*`"));
    }
    if text.starts_with('%') || text.ends_with('%') {
        return Some(("`%`, a wildcard of SQL", "write `*`"));
    }
    if text.len() > 1 && text.ends_with('/') {
        return Some((
            "a `/` at its end, where nothing follows",
            "write `/**` for all that lies below, or leave the `/` out",
        ));
    }
    None
}

/// True if a segment contains an extended glob, such as `!(a)` or `@(a|b)`.
fn is_group(segment: &str) -> bool {
    ["!(", "@(", "+(", "*("]
        .iter()
        .any(|it| segment.contains(it))
        && segment.ends_with(')')
}
