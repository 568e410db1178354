//! Which resources and actions are meant.

use crate::inclusion::{self, Steps};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A pattern over names made of segments, such as `acme/*` or `issues.*`.
///
/// Segments are separated by `/`. In a segment, `*` stands for any number of characters; a segment
/// that is just `*` needs at least one. A segment that is just `**` stands for any number of
/// segments, and for at least one where it comes last. All else is literal, and case matters.
///
/// A name with an empty, `.` or `..` segment matches no pattern but its literal self: what reads
/// the name later may normalise it into another.
///
/// The language is small so that whether one pattern lies within another can be decided exactly.
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

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    Literal(String),
    /// `*`: any one segment.
    Any,
    /// Text with at least one `*` in it.
    Glob(String),
    /// `**`: any number of segments, none included.
    Deep,
}

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It has no characters.
    #[error("a pattern cannot be empty: write `**` for everything")]
    Empty,
    /// `**` is part of a longer segment.
    #[error("in pattern `{0}`, `**` must be a whole segment, as in `acme/**`")]
    DeepInSegment(String),
}

impl Pattern {
    /// Whether `name` is one of those that the pattern stands for.
    pub fn matches(&self, name: &str) -> bool {
        if name == self.text && !self.has_wildcard() {
            return true;
        }
        if !is_plain(name) {
            return false;
        }
        // Each `**` is settled as early as possible; only the last one seen is ever widened.
        let names: Vec<&str> = name.split('/').collect();
        let (mut at, mut pattern_at) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        loop {
            let step = match (self.segments.get(pattern_at), names.get(at)) {
                (None, None) => return true,
                (Some(Segment::Deep), _) => {
                    retry = Some((pattern_at, at));
                    pattern_at += 1;
                    continue;
                }
                (Some(segment), Some(name)) => segment.matches(name),
                _ => false,
            };
            if step {
                at += 1;
                pattern_at += 1;
            } else if let Some((deep, from)) = retry
                && from < names.len()
            {
                retry = Some((deep, from + 1));
                at = from + 1;
                pattern_at = deep + 1;
            } else {
                return false;
            }
        }
    }

    /// Whether the pattern matches `name`, or a wildcard of it might once the name is normalised. For
    /// denials: where [`Pattern::matches`] errs on the side of no, this errs on the side of yes.
    ///
    /// ```
    /// use portcullis_contract::Pattern;
    /// let pattern: Pattern = "acme/**".parse()?;
    /// assert!(pattern.might_match("other/../acme/x") && !pattern.might_match("other/x"));
    /// # Ok::<(), portcullis_contract::PatternError>(())
    /// ```
    pub fn might_match(&self, name: &str) -> bool {
        self.matches(name) || (self.has_wildcard() && !is_plain(name))
    }

    /// Whether every name that this pattern matches is one that `other` matches too.
    ///
    /// Exact, but for patterns with so many wildcards that it would take too long to tell: those are
    /// said not to lie within.
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

    /// As [`Pattern::is_within`], as far as `steps` allow to tell, which are shared by several
    /// comparisons.
    pub fn is_within_steps(&self, other: &Self, steps: &mut Steps) -> bool {
        inclusion::is_within(self, other, steps)
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    pub(crate) fn has_wildcard(&self) -> bool {
        self.text.contains('*')
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Whether nothing would normalise the name into another.
fn is_plain(name: &str) -> bool {
    !name
        .split('/')
        .any(|segment| matches!(segment, "" | "." | ".."))
}

impl Segment {
    fn parse(segment: &str, whole: &str) -> Result<Self, PatternError> {
        match segment {
            "**" => Ok(Self::Deep),
            "*" => Ok(Self::Any),
            s if s.contains("**") => Err(PatternError::DeepInSegment(whole.to_owned())),
            s if s.contains('*') => Ok(Self::Glob(s.to_owned())),
            s => Ok(Self::Literal(s.to_owned())),
        }
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Literal(text) => text == name,
            Self::Any => !name.is_empty(),
            Self::Glob(glob) => glob_matches(glob, name),
            Self::Deep => false,
        }
    }
}

/// Matches a segment with `*` in it: the first part is a prefix, the last a suffix, and those
/// between are found in turn, each as early as possible.
fn glob_matches(glob: &str, name: &str) -> bool {
    let mut parts = glob.split('*');
    let (Some(first), Some(last)) = (parts.next(), parts.next_back()) else {
        return glob == name;
    };
    let Some(mut rest) = name.strip_prefix(first).and_then(|r| r.strip_suffix(last)) else {
        return false;
    };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pattern(text: &str) -> Pattern {
        text.parse().unwrap()
    }

    #[test]
    fn a_star_stays_in_its_segment() {
        assert!(pattern("acme/*").matches("acme/billing"));
        assert!(!pattern("acme/*").matches("acme/billing/hooks"));
        assert!(!pattern("acme/*").matches("acme"));
        assert!(pattern("issues.*").matches("issues.create"));
        assert!(pattern("release-*-rc*").matches("release-1.2-rc3"));
        assert!(!pattern("a*b*c").matches("acb"));
        assert!(!pattern("ab*ba").matches("aba"));
    }

    #[test]
    fn two_stars_cross_segments() {
        assert!(pattern("**").matches("a"));
        assert!(pattern("acme/**").matches("acme/a/b/c"));
        assert!(!pattern("acme/**").matches("acme"));
        assert!(pattern("acme/**/hooks").matches("acme/hooks"));
        assert!(pattern("acme/**/hooks").matches("acme/a/b/hooks"));
        assert!(pattern("**/a/**/b").matches("x/a/y/a/z/b"));
        assert!(!pattern("acme/**/hooks").matches("acme/a/b/hook"));
    }

    #[test]
    fn a_name_that_could_be_normalised_matches_no_wildcard() {
        for name in [
            "acme/..",
            "acme/../other",
            "acme/.",
            "acme//x",
            "acme/",
            "/acme",
        ] {
            assert!(!pattern("acme/**").matches(name), "{name}");
            assert!(!pattern("**").matches(name), "{name}");
        }
        assert!(pattern("/").matches("/"));
    }

    #[test]
    fn refuses_what_is_not_a_pattern() {
        assert_eq!("".parse::<Pattern>(), Err(PatternError::Empty));
        assert_eq!(
            "a**".parse::<Pattern>(),
            Err(PatternError::DeepInSegment("a**".into()))
        );
    }

    /// The definition of the language, by brute force, to hold the matcher against.
    fn by_definition(pattern: &[Segment], names: &[&str]) -> bool {
        match pattern.split_first() {
            None => names.is_empty(),
            Some((Segment::Deep, rest)) => {
                (0..=names.len()).any(|skip| by_definition(rest, &names[skip..]))
            }
            Some((segment, rest)) => names
                .split_first()
                .is_some_and(|(name, names)| segment.matches(name) && by_definition(rest, names)),
        }
    }

    proptest! {
        #[test]
        fn matching_follows_the_definition(
            segments in prop::collection::vec("[ab]{1,2}|\\*|\\*\\*|a\\*|\\*b", 1..6),
            names in prop::collection::vec("[ab]{1,2}", 1..6),
        ) {
            let pattern = pattern(&segments.join("/"));
            prop_assert_eq!(
                pattern.matches(&names.join("/")),
                by_definition(&pattern.segments, &names.iter().map(String::as_str).collect::<Vec<_>>())
            );
        }
    }
}
