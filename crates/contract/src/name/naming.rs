//! Comparison rules that an integration declares for its names.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Comparison rules for the names of an integration.
///
/// The destination decides which spellings are one name. By default, allowances compare names exactly, and
/// denials ignore case.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Naming {
    /// Significance of case. Undeclared by default.
    pub case: Option<Case>,
    /// A suffix that names may have or not, such as `.git`. None by default.
    pub drop_suffix: Option<String>,
}

/// Significance of letter case in a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Case {
    /// Case is significant, in denials too.
    Exact,
    /// `A` to `Z` equal `a` to `z`.
    Insensitive,
}

impl Naming {
    /// Returns `name` in the canonical spelling of the integration.
    ///
    /// ```
    /// use portcullis_contract::name::{Case, Naming};
    /// let naming = Naming { case: Some(Case::Insensitive), drop_suffix: Some(".git".into()) };
    /// assert_eq!(naming.canonical("Acme/Payroll.git"), "acme/payroll");
    /// ```
    pub fn canonical<'a>(&self, name: &'a str) -> Cow<'a, str> {
        let insensitive = self.case == Some(Case::Insensitive);
        let mut name = match insensitive && name.bytes().any(|b| b.is_ascii_uppercase()) {
            true => Cow::Owned(name.to_ascii_lowercase()),
            false => Cow::Borrowed(name),
        };
        let Some(suffix) = self.drop_suffix.as_deref().filter(|it| !it.is_empty()) else {
            return name;
        };
        let suffix = match insensitive {
            true => Cow::Owned(suffix.to_ascii_lowercase()),
            false => Cow::Borrowed(suffix),
        };
        // The loop removes repeated suffixes, so that `canonical` is idempotent.
        while let Some(end) = name.strip_suffix(&*suffix).map(str::len) {
            name = match name {
                Cow::Borrowed(text) => Cow::Borrowed(text.get(..end).unwrap_or_default()),
                Cow::Owned(mut text) => {
                    text.truncate(end);
                    Cow::Owned(text)
                }
            };
        }
        name
    }

    /// True if `text` is a valid suffix to drop from names.
    ///
    /// A valid suffix is a dot, hyphen, underscore or colon followed by words of ASCII letters and digits, as
    /// in `.git` and `.tar.gz`.
    pub fn is_suffix(text: &str) -> bool {
        text.strip_prefix(['.', '-', '_', ':']).is_some_and(|rest| {
            rest.split(['.', '-', '_', ':']).all(|word| {
                !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
            })
        })
    }

    /// True if nothing is declared.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
