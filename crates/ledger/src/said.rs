//! The user's own words.

use crate::key::{Key, folded, keys_in};
use memchr::memmem;
use std::collections::{HashMap, HashSet};

/// Maximum number of words that tell records apart.
const MAX_WORDS: usize = 128;

/// Least number of characters of such a word.
const LEAST_CHARACTERS: usize = 4;

/// Words that tell nothing apart.
const COMMON: [&str; 44] = [
    "about", "after", "also", "been", "before", "could", "does", "each", "from", "have", "here",
    "into", "just", "like", "make", "more", "most", "much", "need", "only", "other", "over",
    "please", "should", "some", "sure", "than", "thank", "that", "their", "them", "then", "there",
    "they", "this", "want", "were", "what", "when", "where", "which", "will", "with", "your",
];

/// A set of the user's words, by their numbers.
pub(crate) type Words = u128;

/// What the user said in a session.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    /// The texts, folded, each on a line of its own.
    folded: String,
    /// The parts, numbers and days in them.
    keys: HashSet<Key>,
    /// Words that tell records apart, with their numbers.
    words: HashMap<String, u32>,
}

impl Said {
    pub(crate) fn add(&mut self, text: &str) {
        self.keys.extend(keys_in(text).map(|(key, _)| key));
        let text = folded(text);
        for word in words_of(&text) {
            let number = self.words.len();
            if number < MAX_WORDS && !self.words.contains_key(word) {
                self.words.insert(word.to_owned(), number as u32);
            }
        }
        self.folded.push_str(&text);
        self.folded.push('\n');
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

    /// The user's words that a text has. `folded` is the text, folded.
    pub(crate) fn words_in(&self, folded: &str) -> Words {
        if self.words.is_empty() {
            return 0;
        }
        let numbers = words_of(folded).filter_map(|word| self.words.get(word));
        numbers.fold(0, |words, number| words | 1 << number)
    }
}

/// Words that can tell records apart, without the `s` of a plural.
fn words_of(folded: &str) -> impl Iterator<Item = &str> {
    folded
        .split(|it: char| !it.is_alphanumeric())
        .filter(|word| word.chars().count() >= LEAST_CHARACTERS && !COMMON.contains(word))
        .map(|word| match word.strip_suffix('s') {
            Some(one) if one.len() >= LEAST_CHARACTERS => one,
            _ => word,
        })
}

/// Places at which `text` stands in `within` between borders of words. Both are folded.
pub(crate) fn stands_in<'t>(within: &'t str, text: &'t str) -> impl Iterator<Item = usize> + 't {
    let begins_with_word = text.starts_with(char::is_alphanumeric);
    let ends_with_word = text.ends_with(char::is_alphanumeric);
    memmem::find_iter(within.as_bytes(), text.as_bytes()).filter(move |at| {
        let before = within.get(..*at).and_then(|it| it.chars().next_back());
        let after = within
            .get(at + text.len()..)
            .and_then(|it| it.chars().next());
        !(begins_with_word && before.is_some_and(char::is_alphanumeric))
            && !(ends_with_word && after.is_some_and(char::is_alphanumeric))
    })
}
