//! Patterns and names.
//!
//! The input has a pattern in each of its first two lines, rules for names in the third, and names in the others.
//!
//! - A pattern matches a name exactly if a plain recursive matcher does.
//! - If one pattern lies within another, no name shows otherwise; if two short patterns do not, a name shows it.
//! - A denial catches each name that the same allowance matches, in other spellings too.

use crate::Read;
use crate::fill::filled;
use portcullis_contract::Pattern;
use portcullis_contract::name::{Case, Naming, check_resource};
use std::collections::BTreeSet;

/// Length up to which all names are tried, for patterns of at most [`SHORT`] characters.
const ALL_NAMES: usize = 6;
const SHORT: usize = 3;
/// Maximum number of names of an input.
const MOST_NAMES: usize = 64;

pub(super) fn run(input: &[u8]) -> Read {
    let Ok(text) = std::str::from_utf8(input) else {
        return Read::Refused;
    };
    let mut lines = text.split('\n');
    let first = lines.next().unwrap_or_default();
    let second = lines.next().unwrap_or_default();
    let naming = naming(lines.next().unwrap_or_default());
    let mut names: Vec<String> = lines.take(MOST_NAMES).map(str::to_owned).collect();
    names.extend([first, second].map(str::to_owned));
    names.extend([first, second].into_iter().flat_map(filled));
    for text in [first, second] {
        expect_literal(text);
    }
    let parsed = [first, second].map(str::parse::<Pattern>);
    for pattern in parsed.iter().flatten() {
        expect_matches(pattern, &names, &naming);
    }
    let [Ok(one), Ok(other)] = parsed else {
        return Read::Refused;
    };
    for (inner, outer) in [(&one, &other), (&other, &one)] {
        expect_inclusion(inner, outer, &names);
    }
    Read::Accepted
}

/// Rules for names, such as `insensitive .git`.
fn naming(line: &str) -> Naming {
    let (case, suffix) = line.split_once(' ').unwrap_or((line, ""));
    Naming {
        case: match case {
            "exact" => Some(Case::Exact),
            "insensitive" => Some(Case::Insensitive),
            _ => None,
        },
        drop_suffix: Naming::is_suffix(suffix).then(|| suffix.to_owned()),
    }
}

fn expect_literal(name: &str) {
    match Pattern::literal(name) {
        Ok(literal) => {
            assert!(check_resource(name).is_ok());
            assert!(
                literal.matches(name) && literal.might_match(name),
                "{name:?}"
            );
        }
        Err(_) => assert!(check_resource(name).is_err(), "{name:?}"),
    }
}

fn expect_matches(pattern: &Pattern, names: &[String], naming: &Naming) {
    let again: Pattern = pattern.as_str().parse().expect("it was a pattern");
    assert_eq!(&again, pattern);
    let denial = Pattern::for_denial(pattern.as_str()).ok();
    let canonical = pattern.canonical(naming);
    for name in names {
        let matches = pattern.matches(name);
        assert_eq!(
            matches,
            plain_match(pattern.as_str(), name),
            "{pattern} {name:?}"
        );
        let canonical_name = naming.canonical(name);
        let again = naming.canonical(&canonical_name);
        assert_eq!(again, canonical_name, "canonical twice: {name:?}");
        if canonical.matches(&canonical_name) {
            assert!(
                canonical.might_match_as(&canonical_name, naming),
                "{pattern} {name:?} as {naming:?}"
            );
        }
        if !matches {
            continue;
        }
        for denial in [Some(pattern), denial.as_ref()].into_iter().flatten() {
            for spelling in [
                name.clone(),
                name.to_ascii_uppercase(),
                name.to_ascii_lowercase(),
                format!("{name}:x"),
                format!("{name}@x"),
                format!("{name}:x/y"),
                format!("{name}/"),
                format!("{name}%20"),
                format!("/{name}"),
            ] {
                // A tag is behind a name: `:x` is a name by itself.
                if name.ends_with('/') && spelling.contains([':', '@']) {
                    continue;
                }
                assert!(denial.might_match(&spelling), "{denial} {spelling:?}");
            }
        }
    }
}

fn expect_inclusion(inner: &Pattern, outer: &Pattern, names: &[String]) {
    let shows = |name: &str| inner.matches(name) && !outer.matches(name);
    let is_within = inner.is_within(outer);
    if is_within {
        let shown = names.iter().find(|name| shows(name));
        assert_eq!(shown, None, "{inner} is within {outer}");
    }
    let texts = [inner.as_str(), outer.as_str()];
    if texts
        .iter()
        .all(|text| text.len() <= SHORT && text.is_ascii())
    {
        let mut all = all_names(texts);
        all.extend_from_slice(names);
        let shown = all.into_iter().find(|name| shows(name));
        assert_eq!(
            is_within,
            shown.is_none(),
            "{inner} within {outer}: {shown:?}"
        );
    }
}

/// All names up to [`ALL_NAMES`] of the characters of two patterns and one that is in neither.
fn all_names(texts: [&str; 2]) -> Vec<String> {
    let mut letters: BTreeSet<char> = texts.iter().flat_map(|text| text.chars()).collect();
    letters.remove(&'*');
    letters.insert('/');
    letters.extend(
        "wxyz"
            .chars()
            .find(|c| !texts.iter().any(|text| text.contains(*c))),
    );
    let mut last: Vec<String> = vec![String::new()];
    let mut names = Vec::new();
    // Fewer characters for more letters, so that there are some thousands of names.
    for _ in 0..ALL_NAMES.min(14 / letters.len() + 1) {
        last = last
            .iter()
            .flat_map(|name| letters.iter().map(move |letter| format!("{name}{letter}")))
            .collect();
        names.extend(last.iter().cloned());
    }
    names
}

/// Matches as the documentation of patterns says, by trying everything.
fn plain_match(pattern: &str, name: &str) -> bool {
    if !pattern.contains('*') {
        return pattern == name;
    }
    let (pattern, names): (Vec<_>, Vec<_>) =
        (pattern.split('/').collect(), name.split('/').collect());
    check_resource(name).is_ok() && segments_match(&pattern, &names)
}

fn segments_match(pattern: &[&str], names: &[&str]) -> bool {
    match (pattern, names) {
        ([], []) => true,
        (["**"], names) => names.last().is_some_and(|last| !last.is_empty()),
        (["**", rest @ ..], names) => {
            (0..=names.len()).any(|skipped| segments_match(rest, &names[skipped..]))
        }
        (["*", rest @ ..], [name, names @ ..]) => !name.is_empty() && segments_match(rest, names),
        ([segment, rest @ ..], [name, names @ ..]) => {
            segment_matches(segment.as_bytes(), name.as_bytes()) && segments_match(rest, names)
        }
        _ => false,
    }
}

/// Matches a segment with any number of `*`, by the states that each byte can lead to.
fn segment_matches(segment: &[u8], name: &[u8]) -> bool {
    let past_stars = |mut states: BTreeSet<usize>| {
        for (state, byte) in segment.iter().enumerate() {
            if states.contains(&state) && *byte == b'*' {
                states.insert(state + 1);
            }
        }
        states
    };
    let mut states = past_stars(BTreeSet::from([0]));
    for byte in name {
        let next = states.iter().filter_map(|state| match segment.get(*state) {
            Some(b'*') => Some(*state),
            Some(expected) if expected == byte => Some(state + 1),
            _ => None,
        });
        states = past_stars(next.collect());
    }
    states.contains(&segment.len())
}
