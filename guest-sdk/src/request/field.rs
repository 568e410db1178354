//! Fields of a request that the host passes, and those that it does not.

use super::{Attribute, Value};
use portcullis_contract::Field as Name;
use serde::{Serialize, Serializer};
use std::fmt;
use std::ops::{Deref, DerefMut};

/// The fields that a plugin's manifest lists under `needs`.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    whole: u32,
    names: &'static [&'static str],
}

impl Asked {
    /// Creates the set from the fields listed as a whole, and all listed names.
    pub const fn new(whole: &[Name], names: &'static [&'static str]) -> Self {
        let mut bits = 0;
        let mut index = 0;
        while index < whole.len() {
            bits |= 1 << whole[index] as u8;
            index += 1;
        }
        Self { whole: bits, names }
    }

    pub(crate) fn has(self, field: Name) -> bool {
        self.whole & (1 << field as u8) != 0
    }

    /// True if the item called `name` of the open list `field` is listed.
    ///
    /// A principal's attribute `type` is listed as `principal.type`, and in no other way.
    fn has_named(self, field: Name, name: &str) -> bool {
        if field == Name::PrincipalAttributes && name == "type" {
            return self.has(Name::PrincipalType);
        }
        let is_it = |listed: &&str| {
            let key = listed.strip_prefix(field.name());
            key.and_then(|key| key.strip_prefix('.')) == Some(name)
        };
        self.has(field) || self.names.iter().any(is_it)
    }

    fn has_any_of(self, field: Name) -> bool {
        let is_of = |listed: &&str| {
            let key = listed.strip_prefix(field.name());
            key.is_some_and(|key| key.starts_with('.'))
        };
        self.has(field)
            || self.names.iter().any(is_of)
            || (field == Name::PrincipalAttributes && self.has(Name::PrincipalType))
    }
}

/// A field of a request. It dereferences to its value.
///
/// # Panics
///
/// Reading a field that `plugin.toml` does not list under `needs` panics: the host does not pass it, and a
/// default value could favour the principal in a rule that denies. In the sandbox the panic is a trap, and
/// so a deny; in a test, its message names the field.
#[derive(Clone, Copy, Default)]
pub struct Field<T> {
    value: T,
    missing: Option<Name>,
}

impl<T> Field<T> {
    /// Clears the field, and makes reading it panic, unless it is listed.
    pub(crate) fn keep_if(&mut self, asked: bool, name: Name)
    where
        T: Default,
    {
        if !asked {
            self.value = T::default();
            self.missing = Some(name);
        }
    }
}

impl<T> Deref for Field<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        if let Some(name) = self.missing {
            not_listed(name.name(), "");
        }
        &self.value
    }
}

impl<T> DerefMut for Field<T> {
    fn deref_mut(&mut self) -> &mut T {
        if let Some(name) = self.missing {
            not_listed(name.name(), "");
        }
        &mut self.value
    }
}

#[cold]
#[inline(never)]
fn not_listed(field: &str, item: &str) -> ! {
    panic!(
        "plugin.toml does not list `{field}{item}` under `needs`, so the host does not pass it: add it there"
    );
}

impl<T> From<T> for Field<T> {
    fn from(value: T) -> Self {
        let missing = None;
        Self { value, missing }
    }
}

impl From<&str> for Field<String> {
    fn from(value: &str) -> Self {
        value.to_owned().into()
    }
}

impl<T: Serialize> Serialize for Field<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}

impl<T: fmt::Debug> fmt::Debug for Field<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.missing {
            None => self.value.fmt(f),
            Some(_) => f.write_str("(not asked for)"),
        }
    }
}

impl<T: fmt::Display> fmt::Display for Field<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: PartialEq> PartialEq for Field<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq> Eq for Field<T> {}

impl<T: PartialEq> PartialEq<T> for Field<T> {
    fn eq(&self, other: &T) -> bool {
        **self == *other
    }
}

impl<T: PartialOrd> PartialOrd<T> for Field<T> {
    fn partial_cmp(&self, other: &T) -> Option<std::cmp::Ordering> {
        (**self).partial_cmp(other)
    }
}

impl PartialEq<str> for Field<String> {
    fn eq(&self, other: &str) -> bool {
        **self == *other
    }
}

impl PartialEq<&str> for Field<String> {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl AsRef<str> for Field<String> {
    fn as_ref(&self) -> &str {
        self
    }
}

/// A list of named values. A manifest lists all of them, or some by name.
///
/// # Panics
///
/// Reading the list, or a name, that `plugin.toml` does not list panics, as for [`Field`].
#[derive(Clone, Default)]
pub struct Attributes {
    list: Vec<Attribute>,
    asked: Option<(Asked, Name)>,
}

impl Attributes {
    /// Returns the value called `name`, if there is one.
    pub fn get(&self, name: &str) -> Option<&Value> {
        if let Some((asked, field)) = self.asked
            && !asked.has_named(field, name)
        {
            not_listed(field.name(), &format!(".{name}"));
        }
        let attribute = self.list.iter().find(|attribute| attribute.name == name)?;
        Some(&attribute.value)
    }

    /// Removes the items that are not listed, and makes reading them panic.
    pub(crate) fn keep(&mut self, asked: Asked, field: Name) {
        self.list.retain(|it| asked.has_named(field, &it.name));
        self.asked = Some((asked, field));
    }
}

impl Deref for Attributes {
    type Target = Vec<Attribute>;

    fn deref(&self) -> &Vec<Attribute> {
        if let Some((asked, field)) = self.asked
            && !asked.has_any_of(field)
        {
            not_listed(field.name(), "");
        }
        &self.list
    }
}

impl DerefMut for Attributes {
    fn deref_mut(&mut self) -> &mut Vec<Attribute> {
        &mut self.list
    }
}

impl From<Vec<Attribute>> for Attributes {
    fn from(list: Vec<Attribute>) -> Self {
        let asked = None;
        Self { list, asked }
    }
}

impl<'a> IntoIterator for &'a Attributes {
    type Item = &'a Attribute;
    type IntoIter = std::slice::Iter<'a, Attribute>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.list.fmt(f)
    }
}

impl PartialEq for Attributes {
    fn eq(&self, other: &Self) -> bool {
        self.list == other.list
    }
}

#[cfg(all(target_family = "wasm", not(feature = "typed")))]
mod packed {
    use super::{Attributes, Field};
    use serde::{Deserialize, Deserializer};

    impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            T::deserialize(deserializer).map(Into::into)
        }
    }

    impl<'de> Deserialize<'de> for Attributes {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            Vec::deserialize(deserializer).map(Into::into)
        }
    }
}
