//! Inclusion test for patterns: every name of one is a name of the other.
//!
//! The test reads both patterns as automata over characters and walks them together, searching for a name
//! that the inner one matches and the outer one does not. Characters that occur in neither pattern behave
//! alike, so one of them represents all.

use super::{Pattern, Segment};
use crate::work;
use std::collections::BTreeSet;

/// Step budget for comparing patterns: each automaton state visited counts as one step.
///
/// Two patterns that people write need some thousands of steps; a dozen steps take microseconds. A comparison
/// that exceeds the budget reports "not included", which is the safe answer.
#[derive(Debug)]
pub struct Steps(usize);

/// Steps of a decision's budget for each state of an automaton.
const INCLUSION_COST: usize = 16;

impl Default for Steps {
    /// One million steps: dozens of patterns that people write, in less than a tenth of a second.
    fn default() -> Self {
        Self(1_000_000)
    }
}

impl Steps {
    /// Consumes `steps` and returns true, or exhausts the budget and returns false.
    fn take(&mut self, steps: usize) -> bool {
        if !work::take(INCLUSION_COST * steps) {
            self.0 = 0;
        }
        match self.0.checked_sub(steps) {
            Some(left) => {
                self.0 = left;
                true
            }
            None => {
                self.0 = 0;
                false
            }
        }
    }
}

/// True if `outer` matches every name that `inner` matches.
///
/// Returns false if `steps` runs out before the answer is known.
pub(crate) fn is_within(inner: &Pattern, outer: &Pattern, steps: &mut Steps) -> bool {
    if inner.as_str() == outer.as_str() {
        return true;
    }
    if !inner.has_wildcard() {
        return outer.matches(inner.as_str());
    }
    if begin_apart(inner, outer) {
        return false;
    }
    let (inner_tokens, outer_tokens) = (tokens(inner), tokens(outer));
    // A pattern without a wildcard matches its own text, whatever the text is. `inner` has a wildcard, so its
    // names are plain, and texts that are not plain cannot change the answer.
    let alphabet = alphabet(inner, outer);
    let start = (
        closure(&inner_tokens, [0]),
        closure(&outer_tokens, [0]),
        Plain::Start,
    );
    let mut seen = BTreeSet::from([start.clone()]);
    let mut left = vec![start];
    while let Some((inner, outer, plain)) = left.pop() {
        let ends =
            |states: &BTreeSet<usize>, tokens: &[Token]| states.contains(&(tokens.len() * 2));
        if ends(&inner, &inner_tokens) && plain.may_end() && !ends(&outer, &outer_tokens) {
            return false;
        }
        for letter in &alphabet {
            let Some(plain) = plain.after(*letter) else {
                continue;
            };
            if !steps.take(1 + inner.len() + outer.len()) {
                return false;
            }
            let inner = step(&inner_tokens, &inner, *letter);
            if inner.is_empty() {
                continue;
            }
            let next = (inner, step(&outer_tokens, &outer, *letter), plain);
            if seen.insert(next.clone()) {
                left.push(next);
            }
        }
    }
    true
}

/// True if the patterns begin with other segments, so that no name matches both.
fn begin_apart(inner: &Pattern, outer: &Pattern) -> bool {
    let both = inner.segments().iter().zip(outer.segments());
    let mut literals = both.map_while(|both| match both {
        (Segment::Literal(ours), Segment::Literal(theirs)) => Some(ours != theirs),
        _ => None,
    });
    literals.any(|differ| differ)
}

/// One element of a pattern, character by character.
#[derive(Clone, Copy)]
enum Token {
    /// Exactly this character.
    One(char),
    /// One character other than `/`.
    NotSlash,
    /// Any number of characters other than `/`.
    NotSlashes,
    /// The empty text, or any text that ends with `/`: the meaning of `**/`.
    Segments,
}

fn tokens(pattern: &Pattern) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut needs_slash = false;
    for segment in pattern.segments() {
        if needs_slash {
            tokens.push(Token::One('/'));
        }
        needs_slash = true;
        match segment {
            Segment::Literal(text) => tokens.extend(text.chars().map(Token::One)),
            Segment::Any => tokens.extend([Token::NotSlash, Token::NotSlashes]),
            Segment::Glob(glob) => tokens.extend(glob.chars().map(|c| match c {
                '*' => Token::NotSlashes,
                c => Token::One(c),
            })),
            Segment::Deep => {
                tokens.push(Token::Segments);
                needs_slash = false;
            }
        }
    }
    tokens
}

fn alphabet(a: &Pattern, b: &Pattern) -> BTreeSet<char> {
    let mut alphabet: BTreeSet<char> = a.as_str().chars().chain(b.as_str().chars()).collect();
    alphabet.extend(['/', '.']);
    alphabet.remove(&'*');
    // In a name, `*` is an ordinary character, which no pattern can mention.
    let other = ('a'..).find(|c| !alphabet.contains(c));
    alphabet.extend(other);
    alphabet
}

/// Returns the states reachable without reading a character.
///
/// State `2 i` is before token `i`; state `2 i + 1` is within it and exists only for `Segments`.
fn closure(tokens: &[Token], states: impl IntoIterator<Item = usize>) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut left: Vec<usize> = states.into_iter().collect();
    while let Some(state) = left.pop() {
        if reached.insert(state)
            && state % 2 == 0
            && matches!(
                tokens.get(state / 2),
                Some(Token::NotSlashes | Token::Segments)
            )
        {
            left.push(state + 2);
        }
    }
    reached
}

fn step(tokens: &[Token], states: &BTreeSet<usize>, letter: char) -> BTreeSet<usize> {
    let mut next = Vec::new();
    for state in states {
        let (before, token) = (state - state % 2, tokens.get(state / 2));
        match token {
            Some(Token::One(c)) if *c == letter => next.push(before + 2),
            Some(Token::NotSlash) if letter != '/' => next.push(before + 2),
            Some(Token::NotSlashes) if letter != '/' => next.push(before),
            Some(Token::Segments) => {
                next.push(before + 1);
                if letter == '/' {
                    next.push(before + 2);
                }
            }
            _ => {}
        }
    }
    closure(tokens, next)
}

/// Progress within a segment, to detect empty, `.` and `..` segments: wildcards match none of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Plain {
    /// Nothing is read yet: a leading `/` is allowed.
    Start,
    Begun,
    Dot,
    DotDot,
    Named,
}

impl Plain {
    fn may_end(self) -> bool {
        self == Self::Named
    }

    fn after(self, letter: char) -> Option<Self> {
        match (self, letter) {
            (Self::Start | Self::Named, '/') => Some(Self::Begun),
            (_, '/') => None,
            (Self::Start | Self::Begun, '.') => Some(Self::Dot),
            (Self::Dot, '.') => Some(Self::DotDot),
            _ => Some(Self::Named),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn within(inner: &str, outer: &str) -> bool {
        inner
            .parse::<Pattern>()
            .unwrap()
            .is_within(&outer.parse().unwrap())
    }

    #[test]
    fn knows_what_lies_within() {
        for (inner, outer) in [
            ("acme/billing", "acme/*"),
            ("acme/*", "acme/**"),
            ("acme/**", "**"),
            ("acme/**/x", "acme/**"),
            ("issues.create", "issues.*"),
            ("issues.*", "*"),
            ("a*b*c", "a*c"),
            ("*", "*"),
            ("**", "**/*"),
            ("**/*", "**"),
            ("a/**/b", "**/b"),
            ("a/..", "a/.."),
            ("*/*", "**"),
            ("**/**", "**"),
        ] {
            assert!(within(inner, outer), "{inner} {outer}");
        }
        for (inner, outer) in [
            ("acme/*", "acme/billing"),
            ("acme/**", "acme/*"),
            ("**", "*"),
            ("*", "a*"),
            ("a*", "a*b"),
            ("acme/*", "other/*"),
            ("a/**/b", "a/*/b"),
            ("a/..", "a/*"),
            ("*a*", "*a"),
            ("**", "*/**"),
        ] {
            assert!(!within(inner, outer), "{inner} {outer}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn what_lies_within_matches_nothing_else(
            inner in "([ab]|\\*|ab\\*|\\*b|\\*\\*)(/([ab]|\\*|a\\*|\\*b|\\*\\*)){0,3}",
            outer in "([ab]|\\*|ab\\*|\\*b|\\*\\*)(/([ab]|\\*|a\\*|\\*b|\\*\\*)){0,3}",
            names in prop::collection::vec("[abc.]{0,3}(/[abc.]{1,3}){0,4}", 40),
        ) {
            let (inner, outer): (Pattern, Pattern) = (inner.parse().unwrap(), outer.parse().unwrap());
            let within = inner.is_within(&outer);
            let outside = names.iter().find(|name| inner.matches(name) && !outer.matches(name));
            prop_assert!(!within || outside.is_none(), "{inner} {outer} {outside:?}");
            prop_assert!(inner.is_within(&inner));
        }

        /// Inclusion is exact, not only safe: if it is denied, a name shows the difference. For patterns this
        /// small, names of up to five segments over three letters suffice.
        #[test]
        fn what_does_not_lie_within_matches_something_else(
            inner in "([ab]|\\*|\\*\\*)(/([ab]|\\*|\\*\\*)){0,2}",
            outer in "([ab]|\\*|\\*\\*)(/([ab]|\\*|\\*\\*)){0,2}",
        ) {
            let (inner, outer): (Pattern, Pattern) = (inner.parse().unwrap(), outer.parse().unwrap());
            let mut names: Vec<String> = ["a", "b", "c"].map(str::to_owned).to_vec();
            let mut last = names.clone();
            for _ in 0..4 {
                last = last
                    .iter()
                    .flat_map(|name| ["a", "b", "c"].map(|more| format!("{name}/{more}")))
                    .collect();
                names.extend(last.clone());
            }
            names.extend(names.clone().iter().map(|name| format!("/{name}")));
            let outside = names.iter().any(|name| inner.matches(name) && !outer.matches(name));
            prop_assert_eq!(inner.is_within(&outer), !outside, "{} {}", inner, outer);
        }
    }
}
