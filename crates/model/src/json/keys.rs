//! Keys of an object that every reader distinguishes.

use super::as_compared;
use portcullis_contract::excerpt;
use std::collections::BTreeSet;

/// Keys of an object, as the most lenient reader compares them.
///
/// Nothing is stored while each key is already in its compared form.
#[derive(Default)]
pub struct Keys(Option<BTreeSet<String>>);

impl Keys {
    /// True if every reader distinguishes `key` from each of `earlier`.
    pub fn add<'k>(&mut self, key: &str, earlier: impl Iterator<Item = &'k String>) -> bool {
        let compared = as_compared(key);
        if self.0.is_none() && compared == key {
            return true;
        }
        self.0
            .get_or_insert_with(|| earlier.map(|key| as_compared(key).into_owned()).collect())
            .insert(compared.into_owned())
    }
}

/// Returns the key among `earlier` that a lenient reader takes for `key`.
pub fn alike<'k>(key: &str, mut earlier: impl Iterator<Item = &'k String>) -> String {
    let compared = as_compared(key);
    let other = earlier.find(|other| as_compared(other) == compared);
    excerpt(other.map_or("", String::as_str))
}
