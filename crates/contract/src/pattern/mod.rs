//! Patterns that select resources and actions.

mod error;
mod foreign;
mod inclusion;
mod readings;
mod segment;

use crate::name::{self, Case, NameError, Naming};
use crate::{excerpt, work};
pub use error::PatternError;
use foreign::foreign;
pub use inclusion::Steps;
use readings::{Readings, readings};
pub(crate) use segment::Segment;
use segment::segments_match;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// Steps for each character of a pattern and a name that are folded and read in every way.
const READINGS_COST: usize = 4;

/// A pattern over names made of segments, such as `acme/*` or `issues.*`.
///
/// Segments are separated by `/`, and case is significant.
///
/// - `*` in a segment matches any number of characters; a segment that is just `*` needs at least one.
/// - A segment that is just `**` matches any number of segments, and at least one if it comes last.
/// - All other text is literal.
///
/// Allowances use [`Pattern::matches`]. Denials are read by [`Pattern::for_denial`] and use
/// [`Pattern::might_match`]. A name that two readers could resolve differently ([`name::check_resource`])
/// matches no wildcard, only its literal self, and every denial catches it.
///
/// The language is small, so that inclusion of one pattern in another is decided exactly. A text in the
/// syntax of another language (a regular expression, a URL template, a character class) is refused with the
/// text to write instead. A pattern that matches no name is also refused.
///
/// ```
/// use portcullis_contract::Pattern;
/// let pattern: Pattern = "acme/*".parse()?;
/// assert!(pattern.matches("acme/billing"));
/// assert!(!pattern.matches("acme/billing/settings"));
/// assert!(!pattern.matches("acme/.."));
/// # Ok::<(), portcullis_contract::PatternError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    segments: Vec<Segment>,
}

impl Pattern {
    /// Reads a pattern that denies.
    ///
    /// A name without a wildcard must pass [`name::check_resource`]. Every denial catches a name that does
    /// not pass, and such a name is not the one that the policy author means.
    ///
    /// # Errors
    ///
    /// [`PatternError`], which states the text to write instead.
    ///
    /// ```
    /// use portcullis_contract::Pattern;
    /// assert!(Pattern::for_denial("acme/payroll").is_ok());
    /// assert!(Pattern::for_denial("acme//payroll").is_err());
    /// ```
    pub fn for_denial(text: &str) -> Result<Self, PatternError> {
        let pattern: Self = text.parse()?;
        match name::check_resource(text) {
            Err(why) if !pattern.has_wildcard() => Err(PatternError::DeniesNothing {
                pattern: excerpt(text),
                why,
            }),
            _ => Ok(pattern),
        }
    }

    /// Reads a pattern over action names, for allowances and denials.
    ///
    /// Besides `*`, the pattern may contain the characters that [`name::check_action`] accepts.
    ///
    /// # Errors
    ///
    /// [`PatternError`], which states the text to write instead.
    ///
    /// ```
    /// use portcullis_contract::Pattern;
    /// assert!(Pattern::of_actions("delete_*").is_ok());
    /// assert!(Pattern::of_actions("delete repo").is_err());
    /// ```
    pub fn of_actions(text: &str) -> Result<Self, PatternError> {
        let pattern: Self = text.parse()?;
        let literal = text.replace('*', "");
        let checked = match pattern.has_wildcard() {
            true if literal.is_empty() => Ok(()),
            true => name::check_action(&literal),
            false => name::check_action(text).and_then(|()| name::check_resource(text)),
        };
        match checked {
            Ok(()) => Ok(pattern),
            Err(why) => Err(PatternError::NoAction {
                pattern: excerpt(text),
                why,
            }),
        }
    }

    /// Returns the pattern that matches only `name`, without any check for other syntax.
    ///
    /// # Errors
    ///
    /// [`NameError`] if two readers could resolve `name` differently.
    pub fn literal(name: &str) -> Result<Self, NameError> {
        name::check_resource(name)?;
        let segments = name.split('/');
        Ok(Self {
            text: name.to_owned(),
            segments: segments
                .map(|segment| Segment::Literal(segment.to_owned()))
                .collect(),
        })
    }

    /// True if the pattern matches `name`.
    pub fn matches(&self, name: &str) -> bool {
        if name == self.text && !self.has_wildcard() {
            return true;
        }
        if !work::take(self.text.len() + name.len()) || name::check_resource(name).is_err() {
            return false;
        }
        let names: Vec<&str> = name.split('/').collect();
        segments_match(&self.segments, &names, |segment, name| {
            segment.matches(name)
        })
    }

    /// True if a reader could resolve `name` to a matching name.
    ///
    /// For denials: [`Pattern::matches`] errs on the side of false, this method on the side of true.
    ///
    /// Case is ignored, and the text after a `:` or an `@` in a segment may be missing. Every pattern catches
    /// a name that two readers could resolve differently.
    ///
    /// ```
    /// use portcullis_contract::Pattern;
    /// let pattern: Pattern = "acme/payroll".parse()?;
    /// assert!(pattern.might_match("acme/Payroll") && pattern.might_match("acme/p%61yroll"));
    /// assert!(pattern.might_match("acme/payroll@main"));
    /// assert!(!pattern.might_match("acme/billing"));
    /// # Ok::<(), portcullis_contract::PatternError>(())
    /// ```
    pub fn might_match(&self, name: &str) -> bool {
        self.might_match_as(name, &Naming::default())
    }

    /// Like [`Pattern::might_match`], but names compare as `naming` declares.
    ///
    /// Case is significant if `naming` declares so, and each segment may have the dropped suffix or not.
    pub fn might_match_as(&self, name: &str, naming: &Naming) -> bool {
        // No separate test for equality is needed: a name is its own first reading.
        if !work::take(READINGS_COST * (self.text.len() + name.len()))
            || name::check_resource(name).is_err()
        {
            return true;
        }
        let suffix = naming.drop_suffix.as_deref().unwrap_or_default();
        if naming.case == Some(Case::Exact) {
            return self.catches(name, suffix);
        }
        let (name, suffix) = (name::fold(name), name::fold(suffix));
        self.folded().catches(&name, &suffix)
    }

    /// True if the pattern matches a reading of `name`. A leading `/` of either is ignored.
    fn catches(&self, name: &str, suffix: &str) -> bool {
        let segments = match self.segments.as_slice() {
            [Segment::Literal(root), below @ ..] if root.is_empty() => below,
            segments => segments,
        };
        let name = name.strip_prefix('/').unwrap_or(name);
        let Some(readings) = readings(name, suffix) else {
            return true;
        };
        let catches = |segment: &Segment, name: &Readings<'_>| segment.catches(name, suffix);
        if segments_match(segments, &readings, catches) || !work::take(0) {
            return true;
        }
        // A tag may contain segments, as in `acme/payroll:feature/x`.
        let mut ends = (1..readings.len()).filter_map(|end| readings.get(..end));
        ends.any(|upto| {
            upto.last().is_some_and(|last| last.is_tagged)
                && (segments_match(segments, upto, catches) || !work::take(0))
        })
    }

    /// The pattern with its letters case-folded.
    fn folded(&self) -> Cow<'_, Self> {
        match name::fold(&self.text) {
            // Case folding changes neither `*` nor `/`.
            Cow::Owned(text) if text != self.text => {
                let segments = self.segments.iter().map(Segment::folded).collect();
                Cow::Owned(Self { text, segments })
            }
            _ => Cow::Borrowed(self),
        }
    }

    /// The pattern over canonical names of an integration.
    ///
    /// It matches a name in the canonical spelling that `naming` declares if this pattern matches another
    /// spelling of that name.
    pub fn canonical(&self, naming: &Naming) -> Cow<'_, Self> {
        match naming.canonical(&self.text) {
            // A pattern that consists of the suffix alone becomes empty, which is not a pattern. Unchanged,
            // it matches no canonical name.
            Cow::Borrowed(text) if text == self.text => Cow::Borrowed(self),
            text => match Self::from_text(&text) {
                Ok(pattern) => Cow::Owned(pattern),
                Err(_) => Cow::Borrowed(self),
            },
        }
    }

    /// True if `other` matches every name that this pattern matches.
    ///
    /// The answer is exact, except for patterns with too many wildcards to compare in time, for which it is
    /// false.
    ///
    /// ```
    /// use portcullis_contract::Pattern;
    /// let (narrow, wide): (Pattern, Pattern) = ("acme/bill*".parse()?, "acme/**".parse()?);
    /// assert!(narrow.is_within(&wide) && !wide.is_within(&narrow));
    /// # Ok::<(), portcullis_contract::PatternError>(())
    /// ```
    pub fn is_within(&self, other: &Self) -> bool {
        self.is_within_steps(other, &mut Steps::default())
    }

    /// Like [`Pattern::is_within`], with a step budget shared by several comparisons.
    ///
    /// Returns false if `steps` runs out.
    pub fn is_within_steps(&self, other: &Self, steps: &mut Steps) -> bool {
        inclusion::is_within(self, other, steps)
    }

    /// Returns a warning if a valid denial pattern probably means something else.
    ///
    /// ```
    /// use portcullis_contract::Pattern;
    /// assert!(Pattern::for_denial("acme/a,acme/b")?.doubt().is_some());
    /// assert!(Pattern::for_denial("acme/*")?.doubt().is_none());
    /// # Ok::<(), portcullis_contract::PatternError>(())
    /// ```
    pub fn doubt(&self) -> Option<&'static str> {
        let text = self.text.as_str();
        let first = text.split('/').next().unwrap_or_default();
        let is_variable = |segment: &str| {
            let name = segment.strip_prefix('$').unwrap_or_default();
            name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        };
        if text.ends_with(".*") {
            return Some(
                "`.*` is a dot and any characters after it, unlike in a regular expression: write `*` if the dot is not meant",
            );
        }
        if text.contains(',') && !text.contains(", ") {
            return Some("a `,` is part of the name: write a pattern for each if a list is meant");
        }
        if text.split('/').any(is_variable) {
            return Some(
                "`$` and the text after it are part of the name: variables are not supported",
            );
        }
        if first.contains('@') && first.contains(':') {
            return Some(
                "this is an address, unlike most ids of resources: write the id as in requests, such as `acme/payroll`",
            );
        }
        None
    }

    fn from_text(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        let mut segments = text
            .split('/')
            .map(|segment| Segment::parse(segment, text))
            .collect::<Result<Vec<_>, _>>()?;
        if segments.last() == Some(&Segment::Deep) {
            segments.push(Segment::Any);
        }
        Ok(Self {
            text: text.to_owned(),
            segments,
        })
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// True if the pattern contains a `*`.
    pub fn has_wildcard(&self) -> bool {
        self.text.contains('*')
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        if let Some((syntax, instead)) = foreign(text) {
            return Err(PatternError::Foreign {
                pattern: excerpt(text),
                syntax,
                instead,
            });
        }
        let pattern = Self::from_text(text)?;
        // An example of a name that the pattern matches, if the name is valid.
        let example = text.replace("**", "x").replace('*', "x");
        match name::check_resource(&example) {
            // A pattern without a wildcard matches itself, unless its author cannot have meant that text.
            Err(why) if pattern.has_wildcard() || is_slip(&why) => {
                let pattern = excerpt(text);
                Err(PatternError::MatchesNothing { pattern, why })
            }
            _ => Ok(pattern),
        }
    }
}

/// True if the author of a name does not see why it is ambiguous.
///
/// A trailing dot, as in `Acme Inc.`, is visible.
fn is_slip(why: &NameError) -> bool {
    match why {
        NameError::Edge(edge) => !edge.ends_with("dot"),
        other => matches!(other, NameError::Invisible(_) | NameError::NotNormalised(_)),
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.text)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests;
