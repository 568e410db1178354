//! Results of tools.

use crate::key::{Key, MAX_WHOLE, fold_into, is_plain, keys_in};
use crate::said::{Said, Words, stands_in};
use portcullis_contract::escape_key;
use serde_json::Value;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::hash::{BuildHasherDefault, Hasher};

/// Limits of what a ledger remembers. A value beyond them is of unknown origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LedgerLimits {
    /// Memory, in bytes. 4 MiB by default.
    pub bytes: usize,
    /// Number of values in results. 20,000 by default.
    pub values: usize,
    /// Nesting of a result. Deeper values are not remembered. 64 by default.
    pub depth: usize,
}

impl Default for LedgerLimits {
    fn default() -> Self {
        Self {
            bytes: 4 * 1024 * 1024,
            values: 20_000,
            depth: 64,
        }
    }
}

/// Memory of a value beside its texts, in bytes.
const OVERHEAD: usize = 128;

/// Memory of a part, a number or a day in a text, in bytes.
const OF_PART: usize = 48;

/// Longest text of a record that is searched for the user's words, in bytes.
const MAX_SEARCHED: usize = 4096;

/// Maximum number of places that are remembered for one value.
const MAX_PLACES: usize = 64;

/// A call whose result was observed.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) tool: String,
    /// The one who said what was read.
    pub(crate) read: ReadBy,
}

/// The one who said what a call reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadBy {
    /// The user.
    Named,
    /// A result that the user named.
    Reached,
    /// Neither of them.
    Other,
}

impl ReadBy {
    /// Mark in an origin.
    pub(crate) fn mark(self) -> &'static str {
        match self {
            Self::Named => "named",
            Self::Reached => "reached",
            Self::Other => "",
        }
    }
}

/// A step from a list or an object to what it holds.
#[derive(Debug, Clone, Copy)]
enum Step {
    Index(usize),
    /// A field, by the number of its name.
    Field(usize),
    /// A key that is data.
    Data(usize),
}

/// A list or an object, and its place.
#[derive(Debug, Clone, Copy)]
struct Container {
    /// The one that holds it, if any.
    above: Option<usize>,
    step: Step,
}

/// A number or a text in a result.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leaf {
    /// Number of the call, from 0.
    pub(crate) call: usize,
    above: Option<usize>,
    step: Option<Step>,
    /// Range of the text.
    begin: usize,
    end: usize,
    /// Begin of the folded text.
    folded: usize,
    /// Words of the user's that other values of the same record have, and that tell it from others.
    pub(crate) about: Words,
    is_number: bool,
}

/// A place of a value: a whole leaf, or a place in the text of one.
#[derive(Debug, Clone, Copy)]
struct Spot {
    leaf: usize,
    /// Begin in the text. `None` for the whole.
    at: Option<usize>,
    /// The next place of values with the same number.
    next: Option<usize>,
}

/// First and last of the places of values with one number, and how many they are.
#[derive(Debug, Clone, Copy)]
struct Row {
    first: usize,
    last: usize,
    count: usize,
}

/// Results, as they are remembered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    pub(crate) calls: Vec<Call>,
    leaves: Vec<Leaf>,
    containers: Vec<Container>,
    names: Vec<String>,
    numbers_of_names: HashMap<String, usize>,
    /// The texts of the leaves, one after another.
    texts: String,
    /// The same, folded, each on a line of its own.
    folded: Vec<u8>,
    spots: Vec<Spot>,
    rows: HashMap<u64, Row, BuildHasherDefault<Same>>,
    bytes: usize,
    pub(crate) is_full: bool,
}

/// A number that is its own hash.
#[derive(Debug, Default)]
struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

/// Reads one result.
struct Reader<'a> {
    seen: &'a mut Seen,
    said: &'a Said,
    limits: LedgerLimits,
    /// Objects of the result, each a record, and the group that it is one of.
    records: Vec<Record>,
    /// Number of groups: lists, and objects whose keys are data.
    groups: usize,
    /// Leaves of records, with the user's words that each has.
    members: Vec<Member>,
}

#[derive(Default)]
struct Record {
    group: Option<usize>,
    /// Words that a member has.
    words: Words,
    /// Words that more than one of them has.
    twice: Words,
}

struct Member {
    leaf: usize,
    record: usize,
    words: Words,
}

/// Place of a value in a result, while the result is read.
#[derive(Clone, Copy, Default)]
struct At {
    above: Option<usize>,
    step: Option<Step>,
    depth: usize,
    record: Option<usize>,
    /// The group that an object here is one of.
    group: Option<usize>,
}

impl Reader<'_> {
    fn read(&mut self, value: &Value, at: At) {
        if at.depth > self.limits.depth {
            self.seen.is_full = true;
        }
        if self.seen.is_full {
            return;
        }
        match value {
            Value::Array(items) => {
                let below = self.enter(at, true);
                for (index, item) in items.iter().enumerate() {
                    let step = Some(Step::Index(index));
                    self.read(item, At { step, ..below });
                }
            }
            Value::Object(members) => {
                let are_data = has_data_keys(members);
                let mut below = self.enter(at, are_data);
                below.record = Some(self.records.len());
                self.records.push(Record {
                    group: at.group,
                    ..Record::default()
                });
                for (key, member) in members {
                    let name = self.seen.name(key);
                    let step = match are_data {
                        true => Step::Data(name),
                        false => Step::Field(name),
                    };
                    let below = At {
                        step: Some(step),
                        ..below
                    };
                    if are_data {
                        self.keep(key, false, below);
                    }
                    self.read(member, below);
                }
            }
            Value::String(text) => self.keep(text, false, at),
            Value::Number(number) => self.keep(&number.to_string(), true, at),
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// Enters a list or an object. `is_group` if the objects in it are alike.
    fn enter(&mut self, at: At, is_group: bool) -> At {
        let above = match at.step {
            None => at.above,
            Some(step) => {
                self.seen.bytes += OVERHEAD / 2;
                self.seen.containers.push(Container {
                    above: at.above,
                    step,
                });
                Some(self.seen.containers.len() - 1)
            }
        };
        self.groups += usize::from(is_group);
        At {
            above,
            step: None,
            depth: at.depth + 1,
            record: at.record,
            group: is_group.then(|| self.groups - 1),
        }
    }

    /// Remembers a number or a text.
    fn keep(&mut self, text: &str, is_number: bool, at: At) {
        let seen = &mut *self.seen;
        let size = OVERHEAD + 2 * text.len();
        if seen.leaves.len() >= self.limits.values || seen.bytes + size > self.limits.bytes {
            seen.is_full = true;
            return;
        }
        seen.bytes += size;
        let leaf = seen.leaves.len();
        let (begin, folded) = (seen.texts.len(), seen.folded.len());
        seen.texts.push_str(text);
        fold_into(text.trim(), &mut seen.folded);
        seen.leaves.push(Leaf {
            call: seen.calls.len().saturating_sub(1),
            above: at.above,
            step: at.step,
            begin,
            end: begin + text.len(),
            folded,
            about: 0,
            is_number,
        });
        let folded = seen.folded.get(folded..).unwrap_or_default();
        let words = match at.record {
            Some(_) if !is_number && text.len() <= MAX_SEARCHED => self.said.words_in(folded),
            _ => 0,
        };
        if let Some(record) = at.record {
            self.members.push(Member {
                leaf,
                record,
                words,
            });
        }
        // Texts of letters alone, of which there are most, have no parts.
        let (number, may_hold) = match is_number {
            true => (Some(Key::of_number(text).number()), false),
            false if is_plain(text) => {
                let fits = !folded.is_empty() && text.len() <= MAX_WHOLE;
                (fits.then(|| Key::number_of_text(folded)), false)
            }
            false => {
                let key = Key::of_text(text);
                let is_text = key.as_ref().is_none_or(|key| key.as_text().is_some());
                (key.map(|key| key.number()), is_text)
            }
        };
        seen.folded.push(b'\n');
        if let Some(number) = number {
            seen.add(number, leaf, None);
        }
        if may_hold {
            for (key, at) in keys_in(text) {
                seen.bytes += OF_PART;
                seen.add(key.number(), leaf, Some(at));
            }
        }
    }

    /// Marks the values of records that are about what the user said.
    fn mark(mut self) {
        for member in &self.members {
            if let Some(record) = self.records.get_mut(member.record) {
                record.twice |= record.words & member.words;
                record.words |= member.words;
            }
        }
        // Words of every record of a group tell none apart.
        let mut common = vec![(0_usize, Words::MAX); self.groups];
        for record in &self.records {
            if let Some((count, words)) = record.group.and_then(|group| common.get_mut(group)) {
                *count += 1;
                *words &= record.words;
            }
        }
        for member in &self.members {
            let Some(record) = self.records.get(member.record) else {
                continue;
            };
            let of_group = record.group.and_then(|group| common.get(group));
            let telling = match of_group {
                Some((count, words)) if *count > 1 => !words,
                _ => Words::MAX,
            };
            // Of the words that the value itself has, those that another value has as well.
            let of_others = record.words & (!member.words | record.twice);
            if let Some(leaf) = self.seen.leaves.get_mut(member.leaf) {
                leaf.about = of_others & telling;
            }
        }
    }
}

impl Seen {
    /// Adds a result.
    pub(crate) fn add_result(
        &mut self,
        call: Call,
        result: &Value,
        said: &Said,
        limits: &LedgerLimits,
    ) {
        let size = OVERHEAD + call.tool.len();
        if self.bytes + size > limits.bytes {
            self.is_full = true;
        }
        if self.is_full {
            return;
        }
        self.bytes += size;
        self.calls.push(call);
        let mut reader = Reader {
            seen: self,
            said,
            limits: *limits,
            records: Vec::new(),
            groups: 0,
            members: Vec::new(),
        };
        reader.read(result, At::default());
        reader.mark();
    }

    /// Number of the name of a field.
    fn name(&mut self, name: &str) -> usize {
        if let Some(number) = self.numbers_of_names.get(name) {
            return *number;
        }
        self.bytes += OVERHEAD + 2 * name.len();
        let number = self.names.len();
        self.names.push(escape_key(name).into_owned());
        self.numbers_of_names.insert(name.to_owned(), number);
        number
    }

    fn add(&mut self, number: u64, leaf: usize, at: Option<usize>) {
        let spot = self.spots.len();
        match self.rows.get_mut(&number) {
            None => {
                let row = Row {
                    first: spot,
                    last: spot,
                    count: 1,
                };
                self.rows.insert(number, row);
            }
            Some(row) if row.count >= MAX_PLACES => return,
            // Once is enough for a text that has the value more often.
            Some(row) if self.spots.get(row.last).is_some_and(|it| it.leaf == leaf) => return,
            Some(row) => {
                if let Some(last) = self.spots.get_mut(row.last) {
                    last.next = Some(spot);
                }
                (row.last, row.count) = (spot, row.count + 1);
            }
        }
        self.spots.push(Spot {
            leaf,
            at,
            next: None,
        });
    }

    /// The text of a leaf, as it was seen.
    pub(crate) fn text_of(&self, leaf: &Leaf) -> &str {
        self.texts.get(leaf.begin..leaf.end).unwrap_or_default()
    }

    /// Places of a value, each a leaf and the begin in its text, `None` for the whole.
    fn spots_of(&self, key: &Key) -> Vec<(usize, Option<usize>)> {
        let mut found = Vec::new();
        let mut next = self.rows.get(&key.number()).map(|row| row.first);
        while let Some(spot) = next.and_then(|next| self.spots.get(next)) {
            next = spot.next;
            let Some(leaf) = self.leaves.get(spot.leaf) else {
                continue;
            };
            let text = self.text_of(leaf);
            // Another value may have the same number.
            let is_it = match spot.at {
                None if leaf.is_number => Key::of_number(text) == *key,
                None => Key::of_text(text).as_ref() == Some(key),
                Some(at) => {
                    let (near, at) = near(text, at);
                    keys_in(near).any(|(it, begin)| begin == at && it == *key)
                }
            };
            if is_it {
                found.push((spot.leaf, spot.at));
            }
        }
        found
    }

    /// Fields that are the value, and other texts in which it stands.
    pub(crate) fn find(&self, key: &Key) -> (Vec<&Leaf>, Vec<&Leaf>) {
        let spots = self.spots_of(key);
        let whole = spots.iter().filter(|(_, at)| at.is_none());
        let whole: Vec<usize> = whole.map(|(leaf, _)| *leaf).collect();
        let mut within: Vec<usize> = match key.as_text() {
            None => spots.iter().map(|(leaf, _)| *leaf).collect(),
            Some(text) => self.leaves_with(text),
        };
        within.dedup();
        within.retain(|leaf| !whole.contains(leaf));
        let leaves = |numbers: Vec<usize>| {
            let leaves = numbers.into_iter();
            leaves.filter_map(|it| self.leaves.get(it)).collect()
        };
        (leaves(whole), leaves(within))
    }

    /// Numbers of the leaves in which a folded text stands.
    fn leaves_with(&self, text: &str) -> Vec<usize> {
        let mut found: Vec<usize> = Vec::new();
        // A single letter stands in every text.
        if text.chars().nth(1).is_none() {
            return found;
        }
        for at in stands_in(&self.folded, text) {
            let leaf = self.leaves.partition_point(|it| it.folded <= at);
            let leaf = leaf.saturating_sub(1);
            if found.last() != Some(&leaf) {
                found.push(leaf);
            }
            if found.len() >= MAX_PLACES {
                break;
            }
        }
        found
    }

    /// JSON Pointer of a leaf in its result. With `*` for indexes and keys that are data, if it is `general`.
    pub(crate) fn pointer(&self, leaf: &Leaf, general: bool) -> String {
        let mut steps: Vec<Step> = leaf.step.into_iter().collect();
        let mut above = leaf.above;
        while let Some(container) = above.and_then(|above| self.containers.get(above)) {
            steps.push(container.step);
            above = container.above;
        }
        let mut pointer = String::new();
        for step in steps.iter().rev() {
            let name = |number: &usize| self.names.get(*number).map_or("", String::as_str);
            // Writing to a text cannot fail.
            let _ = match step {
                Step::Index(_) | Step::Data(_) if general => write!(pointer, "/*"),
                Step::Index(index) => write!(pointer, "/{index}"),
                Step::Field(number) | Step::Data(number) => write!(pointer, "/{}", name(number)),
            };
        }
        pointer
    }

    /// Memory in use, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// The text near a place in a text, and the place in that.
fn near(text: &str, at: usize) -> (&str, usize) {
    let border = |at: &usize| text.is_char_boundary(*at);
    let begin = (at.saturating_sub(16)..=at).find(border).unwrap_or(at);
    let end = (at + 256).min(text.len());
    let end = (at..=end).rev().find(border).unwrap_or(at);
    (text.get(begin..end).unwrap_or_default(), at - begin)
}

/// True for an object whose keys are data, such as names of people, rather than names of fields.
///
/// One of them has blanks or other characters that names of fields do not have.
fn has_data_keys(members: &serde_json::Map<String, Value>) -> bool {
    let is_name = |key: &String| {
        key.len() <= 40
            && key.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_')
            && key
                .bytes()
                .all(|it| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'-' | b'$' | b'.'))
    };
    !members.keys().all(is_name)
}
