//! Messages: on one line, and with what was meant.

use cedar_policy::ffi::DetailedError;

/// The name of a type without its namespace, letter case, `_` and `-`.
pub(crate) fn fold(name: &str) -> String {
    let last = name.rsplit("::").next().unwrap_or_default();
    last.chars()
        .filter(|letter| !matches!(letter, '_' | '-' | ' '))
        .flat_map(char::to_lowercase)
        .collect()
}

/// `: ... is close` with those of `known` that differ from `name` in namespace, letter case, `_` and
/// `-` alone; nothing if none does.
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

/// What is wrong and what would help.
pub(crate) fn on_one_line(error: &DetailedError) -> String {
    let parts = [Some(error.message.as_str()), error.help.as_deref()];
    let words: Vec<_> = parts.into_iter().flatten().map(one_line).collect();
    words.join("; ")
}

/// The text with each run of white space as one space.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// An error and its causes, which Cedar's messages do not repeat.
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
