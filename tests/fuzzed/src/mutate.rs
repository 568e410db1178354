//! Mutations of inputs that are the same in each run.
//!
//! They are those of libFuzzer that need no coverage: changed, removed, repeated and inserted bytes, words of a
//! dictionary, and parts of other cases. No library on stable Rust has words and parts of other cases.

use portcullis_tests::random::Random;

/// Bytes and numbers at which readers err.
const EDGES: [&[u8]; 10] = [
    &[0],
    &[0x7f],
    &[0x80],
    &[0xff],
    &[0xff, 0xff, 0xff, 0xff],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    b"9007199254740993",
    b"-1",
    "\u{202e}".as_bytes(),
    "\u{fb01}".as_bytes(),
];

/// Maximum number of bytes that one change repeats, removes or takes from another case.
const MOST: usize = 256;

/// A sequence of mutations, which its seed determines.
#[derive(Debug, Clone)]
pub struct Mutator(Random);

impl Mutator {
    /// Starts the sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Random::seeded(seed))
    }

    /// Returns a mutation of `input` of at most `max_bytes`, with `words` and parts of `other`.
    pub fn mutated(
        &mut self,
        input: &[u8],
        other: &[u8],
        words: &[&str],
        max_bytes: usize,
    ) -> Vec<u8> {
        let mut bytes = input.to_vec();
        for _ in 0..=self.below(4) {
            self.change(&mut bytes, other, words);
        }
        bytes.truncate(max_bytes);
        bytes
    }

    /// Returns a number below `end`, or 0 if there is none.
    pub fn below(&mut self, end: usize) -> usize {
        self.0.below(end.max(1))
    }

    fn change(&mut self, bytes: &mut Vec<u8>, other: &[u8], words: &[&str]) {
        let at = self.below(bytes.len() + 1);
        let length = self.below(MOST.min(bytes.len() - at + 1));
        match self.below(10) {
            0 | 1 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << self.below(8);
                }
            }
            2 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = u8::try_from(self.below(256)).unwrap_or_default();
                }
            }
            3 => drop(bytes.drain(at..at + length)),
            4 => {
                let repeated = bytes[at..at + length].to_vec();
                let to = self.below(bytes.len() + 1);
                bytes.splice(to..to, repeated);
            }
            5 => {
                let from = self.below(other.len() + 1);
                let length = self.below(MOST.min(other.len() - from + 1));
                bytes.splice(at..at, other[from..from + length].iter().copied());
            }
            6 => {
                let edge = EDGES[self.below(EDGES.len())];
                bytes.splice(at..at, edge.iter().copied());
            }
            7 if self.below(4) == 0 => bytes.truncate(at),
            // Words replace as many bytes, or are inserted.
            choice => {
                let word = words.get(self.below(words.len())).copied().unwrap_or("0");
                let end = match choice {
                    8 => bytes.len().min(at + word.len()),
                    _ => at,
                };
                bytes.splice(at..end, word.bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_determines_the_mutations_and_another_seed_others() {
        let sequence = |seed| {
            let mut mutator = Mutator::new(seed);
            let mut next = || mutator.mutated(b"{\"a\":[1,2]}", b"other", &["word"], 64);
            (0..100).map(|_| next()).collect::<Vec<_>>()
        };
        let first = sequence(1);
        assert_eq!(first, sequence(1));
        assert_ne!(first, sequence(2));
        assert!(first.iter().all(|bytes| bytes.len() <= 64));
        let distinct: std::collections::BTreeSet<_> = first.iter().collect();
        assert!(distinct.len() > 80, "{} distinct", distinct.len());
    }
}
