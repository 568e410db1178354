//! Messages on one line, with suggestions.

use cedar_policy::ffi::DetailedError;

/// Returns a type's name without its namespace, letter case, `_` and `-`.
pub(crate) fn fold(name: &str) -> String {
    let last = name.rsplit("::").next().unwrap_or_default();
    last.chars()
        .filter(|letter| !matches!(letter, '_' | '-' | ' '))
        .flat_map(char::to_lowercase)
        .collect()
}

/// Returns `: ... is close` with the members of `known` that are similar to `name`.
///
/// Similar names differ only in namespace, letter case, `_` and `-`. The text is empty if there are none.
pub(crate) fn close_to(name: &str, known: impl Iterator<Item = String>) -> String {
    let folded = fold(name);
    let close: Vec<_> = known
        .filter(|known| fold(known) == folded)
        .map(|known| format!("`{known}`"))
        .collect();
    match close.len() {
        0 => String::new(),
        _ => format!(": {} is close", close.join(", ")),
    }
}

/// Returns the error's message and its help on one line.
pub(crate) fn on_one_line(error: &DetailedError) -> String {
    let parts = [Some(error.message.as_str()), error.help.as_deref()];
    let words: Vec<_> = parts.into_iter().flatten().map(one_line).collect();
    words.join("; ")
}

/// Returns the text with each run of white space as one space.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns an error with its causes, which Cedar's messages do not repeat.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = one_line(&error.to_string());
    let mut cause = error.source();
    while let Some(source) = cause {
        let message = one_line(&source.to_string());
        if !text.contains(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        cause = source.source();
    }
    text
}
