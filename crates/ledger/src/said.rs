//! The user's own words.

use crate::key::{Key, fold_into, keys_in};
use memchr::memmem;
use std::collections::{HashMap, HashSet};

/// Maximum number of words that tell records apart.
const MAX_WORDS: usize = 128;

/// Least length of such a word, in bytes.
const LEAST: usize = 4;

/// Words that tell nothing apart.
const COMMON: [&str; 44] = [
    "about", "after", "also", "been", "before", "could", "does", "each", "from", "have", "here",
    "into", "just", "like", "make", "more", "most", "much", "need", "only", "other", "over",
    "please", "should", "some", "sure", "than", "thank", "that", "their", "them", "then", "there",
    "they", "this", "want", "were", "what", "when", "where", "which", "will", "with", "your",
];

/// A set of the user's words, by their numbers.
pub(crate) type Words = u128;

/// The words of the user in a session.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    /// The texts, folded, each on a line of its own.
    folded: Vec<u8>,
    /// The parts, numbers and days in them.
    keys: HashSet<Key>,
    /// Words that tell records apart, with their numbers.
    words: HashMap<Vec<u8>, usize>,
    begins: Begins,
}

impl Said {
    pub(crate) fn add(&mut self, text: &str) {
        self.keys.extend(keys_in(text).map(|(key, _)| key));
        let begin = self.folded.len();
        fold_into(text, &mut self.folded);
        for word in words_of(self.folded.get(begin..).unwrap_or_default()) {
            let number = self.words.len();
            let is_common = COMMON.iter().any(|it| it.as_bytes() == word);
            if number < MAX_WORDS && !is_common && !self.words.contains_key(word) {
                self.begins.add(word);
                self.words.insert(word.to_owned(), number);
            }
        }
        self.folded.push(b'\n');
    }

    /// Size in memory, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.folded.len() + self.keys.iter().map(Key::size).sum::<usize>()
    }

    /// True if the value stands in what the user said.
    pub(crate) fn has(&self, key: &Key) -> bool {
        match key.as_text() {
            Some(text) => stands_in(&self.folded, text).next().is_some(),
            None => self.keys.contains(key),
        }
    }

    /// The user's words that a folded text has.
    pub(crate) fn words_in(&self, folded: &[u8]) -> Words {
        if self.words.is_empty() {
            return 0;
        }
        let known = words_of(folded).filter(|word| self.begins.has(word));
        let numbers = known.filter_map(|word| self.words.get(word));
        numbers.fold(0, |words, number| words | 1 << number)
    }
}

/// Two first letters of words, to pass over most of the others.
#[derive(Debug, Clone, Default)]
struct Begins([u64; 16]);

impl Begins {
    fn at(word: &[u8]) -> (usize, u64) {
        let (first, second) = match word {
            [first, second, ..] => (*first, *second),
            _ => (0, 0),
        };
        let number = usize::from(first) * 31 + usize::from(second);
        (number / 64 % 16, 1 << (number % 64))
    }

    fn add(&mut self, word: &[u8]) {
        let (at, bit) = Self::at(word);
        if let Some(bits) = self.0.get_mut(at) {
            *bits |= bit;
        }
    }

    fn has(&self, word: &[u8]) -> bool {
        let (at, bit) = Self::at(word);
        self.0.get(at).is_some_and(|bits| bits & bit != 0)
    }
}

/// Words that can tell records apart, without the `s` of a plural.
fn words_of(folded: &[u8]) -> impl Iterator<Item = &[u8]> {
    // Letters beyond ASCII have bytes beyond it.
    folded
        .split(|it| !it.is_ascii_alphanumeric() && it.is_ascii())
        .filter(|word| word.len() >= LEAST)
        .map(|word| match word.strip_suffix(b"s") {
            Some(one) if one.len() >= LEAST => one,
            _ => word,
        })
}

/// Places at which `text` stands in `within` between borders of words. Both are folded.
pub(crate) fn stands_in<'t>(within: &'t [u8], text: &'t str) -> impl Iterator<Item = usize> + 't {
    let begins_with_word = text.starts_with(char::is_alphanumeric);
    let ends_with_word = text.ends_with(char::is_alphanumeric);
    memmem::find_iter(within, text.as_bytes()).filter(move |at| {
        let before = within.get(..*at).unwrap_or_default();
        let after = within.get(at + text.len()..).unwrap_or_default();
        let goes_on =
            begins_with_word && ends_in_word(before) || ends_with_word && begins_in_word(after);
        !goes_on
    })
}

/// Number of bytes of the longest character.
const LONGEST: usize = 4;

fn ends_in_word(text: &[u8]) -> bool {
    let end = text
        .get(text.len().saturating_sub(LONGEST)..)
        .unwrap_or_default();
    let last = String::from_utf8_lossy(end).chars().next_back();
    last.is_some_and(char::is_alphanumeric)
}

fn begins_in_word(text: &[u8]) -> bool {
    let begin = text.get(..text.len().min(LONGEST)).unwrap_or_default();
    let first = String::from_utf8_lossy(begin).chars().next();
    first.is_some_and(char::is_alphanumeric)
}
