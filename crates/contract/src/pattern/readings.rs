//! Readings of a name: the spellings that a reader could resolve it to.

use crate::name::BEFORE_A_TAG;
use std::borrow::Cow;

/// Maximum number of `:` and `@` examined in a name. Every denial catches a name with more.
const MOST_TAGS: usize = 32;

/// Possible readings of one segment of a name.
pub(super) struct Readings<'a> {
    pub(super) texts: Vec<Cow<'a, str>>,
    /// True if some readings omit the text after a `:` or an `@`.
    pub(super) is_tagged: bool,
}

/// Returns the readings of each segment, or `None` if there are too many.
///
/// The readings of a segment are the segment itself and the text before each `:` and `@` after its first
/// character, each with and without `suffix`.
pub(super) fn readings<'a>(name: &'a str, suffix: &str) -> Option<Vec<Readings<'a>>> {
    if name.matches(BEFORE_A_TAG).nth(MOST_TAGS).is_some() {
        return None;
    }
    let of_segment = |segment: &'a str| {
        let mut texts = Vec::new();
        add_readings(&mut texts, segment, "", suffix);
        let tags = segment.match_indices(BEFORE_A_TAG);
        let tags = tags.filter_map(|(at, _)| segment.split_at_checked(at));
        let mut is_tagged = false;
        for (before, tag) in tags.filter(|(before, _)| !before.is_empty()) {
            is_tagged = true;
            add_readings(&mut texts, before, "", suffix);
            add_readings(&mut texts, before.trim_end_matches([' ', '.']), "", suffix);
            if !suffix.is_empty() {
                add_readings(&mut texts, before, tag, suffix);
            }
        }
        Readings { texts, is_tagged }
    };
    Some(name.split('/').map(of_segment).collect())
}

/// Adds `before` followed by `tag`, with and without `suffix` after `before`.
fn add_readings<'a>(texts: &mut Vec<Cow<'a, str>>, before: &'a str, tag: &str, suffix: &str) {
    let mut add = |text: Cow<'a, str>| {
        if !text.is_empty() && !texts.contains(&text) {
            texts.push(text);
        }
    };
    if tag.is_empty() {
        add(Cow::Borrowed(before));
    }
    if suffix.is_empty() {
        return;
    }
    let stem = without_suffix(before, suffix).trim_end_matches([' ', '.']);
    match tag.is_empty() {
        true => add(Cow::Borrowed(stem)),
        false => add(Cow::Owned(format!("{stem}{tag}"))),
    }
    add(Cow::Owned(format!("{stem}{suffix}{tag}")));
}

/// Removes every trailing `suffix` from `segment`, but never all of its text.
pub(super) fn without_suffix<'a>(segment: &'a str, suffix: &str) -> &'a str {
    match segment.strip_suffix(suffix) {
        Some(stem) if !stem.is_empty() && !suffix.is_empty() => without_suffix(stem, suffix),
        _ => segment,
    }
}
