//! Which resources and actions are meant.

use crate::excerpt;
use crate::inclusion::{self, Steps};
use crate::name::{self, Case, NameError, Naming};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// A pattern over names made of segments, such as `acme/*` or `issues.*`.
///
/// Segments are separated by `/`. In a segment, `*` stands for any number of characters; a segment
/// that is just `*` needs at least one. A segment that is just `**` stands for any number of
/// segments, and for at least one where it comes last. All else is literal, and case matters.
///
/// Allowances ask [`Pattern::matches`], and denials [`Pattern::might_match`]. A name that two readers
/// could take for two ([`name::check_resource`]) matches no wildcard, only its literal self, and is
/// caught by every denial.
///
/// The language is small so that whether one pattern lies within another can be decided exactly. A
/// text in the syntax of another language (a regular expression, a URL template, a class of characters)
/// is refused with what to write instead, and so is a pattern that no name can match.
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
    /// It is written in another language.
    #[error("pattern `{pattern}` has {syntax}: {instead}")]
    Foreign {
        /// The pattern.
        pattern: String,
        /// What of it belongs to another language.
        syntax: &'static str,
        /// What to write instead.
        instead: &'static str,
    },
    /// It has a wildcard, and no name that a wildcard matches is as the rest of it demands.
    #[error("pattern `{pattern}` matches no name: {why}")]
    MatchesNothing {
        /// The pattern.
        pattern: String,
        /// Why a name of that form matches no wildcard.
        why: NameError,
    },
}

impl Pattern {
    /// Whether `name` is one of those that the pattern stands for.
    pub fn matches(&self, name: &str) -> bool {
        if name == self.text && !self.has_wildcard() {
            return true;
        }
        name::check_resource(name).is_ok() && segments_match(&self.segments, name)
    }

    /// Whether some reader could take `name` for one that the pattern stands for. For denials: where
    /// [`Pattern::matches`] errs on the side of no, this errs on the side of yes.
    ///
    /// Case is ignored, what follows a `:` in the last segment may be missing, and a name that two readers
    /// could take for two is caught by every pattern.
    ///
    /// ```
    /// use portcullis_contract::Pattern;
    /// let pattern: Pattern = "acme/payroll".parse()?;
    /// assert!(pattern.might_match("acme/Payroll") && pattern.might_match("acme/p%61yroll"));
    /// assert!(!pattern.might_match("acme/billing"));
    /// # Ok::<(), portcullis_contract::PatternError>(())
    /// ```
    pub fn might_match(&self, name: &str) -> bool {
        self.might_match_as(name, &Naming::default())
    }

    /// As [`Pattern::might_match`], where the names compare as `naming` declares: case counts where it is
    /// declared to.
    pub fn might_match_as(&self, name: &str, naming: &Naming) -> bool {
        if self.matches(name) || name::check_resource(name).is_err() {
            return true;
        }
        if naming.case == Some(Case::Exact) {
            return self.matches_rootless(name);
        }
        self.folded().matches_rootless(&name::fold(name))
    }

    /// Whether it matches, with and without the tag that `name` may end with, wherever the two begin.
    fn matches_rootless(&self, name: &str) -> bool {
        let segments = match self.segments.as_slice() {
            [Segment::Literal(root), below @ ..] if root.is_empty() => below,
            segments => segments,
        };
        let name = name.strip_prefix('/').unwrap_or(name);
        segments_match(segments, name) || segments_match(segments, without_tag(name))
    }

    /// The pattern with its letters folded.
    fn folded(&self) -> Cow<'_, Self> {
        match name::fold(&self.text) {
            // Folding changes no `*` and no `/`.
            Cow::Owned(text) if text != self.text => {
                let segments = self.segments.iter().map(Segment::folded).collect();
                Cow::Owned(Self { text, segments })
            }
            _ => Cow::Borrowed(self),
        }
    }

    /// The pattern over names that compare as `naming` declares: it matches a name in its canonical
    /// spelling where this one matches another spelling of it.
    pub fn canonical(&self, naming: &Naming) -> Cow<'_, Self> {
        match naming.canonical(&self.text) {
            // What is left of the suffix alone is no pattern, and matches nothing as it is.
            Cow::Borrowed(text) if text == self.text => Cow::Borrowed(self),
            text => match Self::from_text(&text) {
                Ok(pattern) => Cow::Owned(pattern),
                Err(_) => Cow::Borrowed(self),
            },
        }
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

    pub(crate) fn has_wildcard(&self) -> bool {
        self.text.contains('*')
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Whether the segments of `name` are as `pattern` demands.
fn segments_match(pattern: &[Segment], name: &str) -> bool {
    // Each `**` is settled as early as possible; only the last one seen is ever widened.
    let names: Vec<&str> = name.split('/').collect();
    let (mut at, mut pattern_at) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let step = match (pattern.get(pattern_at), names.get(at)) {
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

/// `name` without what follows a `:` in its last segment, such as a tag or the name of a stream: readers
/// cut it off.
fn without_tag(name: &str) -> &str {
    let last = name.rfind('/').map_or(0, |at| at + 1);
    let colon = name.get(last..).and_then(|segment| segment.find(':'));
    colon.and_then(|at| name.get(..last + at)).unwrap_or(name)
}

/// The part of `text` that belongs to another language, and what to write instead.
fn foreign(text: &str) -> Option<(&'static str, &'static str)> {
    if text.starts_with('^') || text.ends_with('$') {
        return Some((
            "an anchor of a regular expression (`^`, `$`)",
            "write it without: a pattern always holds for the whole name",
        ));
    }
    if text.starts_with('~') {
        return Some((
            "a leading `~`, as before a regular expression",
            "write it without: a pattern is literal but for `*` and `**`",
        ));
    }
    if text.starts_with('!') {
        return Some(("a leading `!`, as a negation", "write a denial for it"));
    }
    if text.contains(['[', ']']) {
        return Some((
            "a class of characters (`[0-9]`)",
            "write `*`, or a pattern for each character",
        ));
    }
    if text.contains(['{', '}']) {
        return Some((
            "a list or a variable in braces (`{a,b}`, `{id}`)",
            "write a pattern for each, or `*`",
        ));
    }
    if text.contains('|') || text.contains("(?") {
        return Some((
            "a group of a regular expression (`a|b`)",
            "write a pattern for each",
        ));
    }
    if text.starts_with(".*") || text.contains(".*?") || text.contains(".+") {
        return Some((
            "a part of a regular expression (`.*`, `.+`)",
            "write `*` or `**`",
        ));
    }
    let mut segments = text.split('/');
    if segments.any(|segment| segment.len() > 1 && segment.starts_with(':')) {
        return Some(("a variable of a URL template (`:id`)", "write `*`"));
    }
    if text.contains('?') && !text.contains("://") {
        return Some(("`?`, which is no wildcard here", "write `*`"));
    }
    if text.starts_with('%') || text.ends_with('%') {
        return Some(("`%`, a wildcard of SQL", "write `*`"));
    }
    if text.len() > 1 && text.ends_with('/') {
        return Some((
            "a `/` at its end, where nothing follows",
            "write `/**` for all that lies below, or leave the `/` out",
        ));
    }
    None
}

impl Segment {
    fn parse(segment: &str, whole: &str) -> Result<Self, PatternError> {
        match segment {
            "**" => Ok(Self::Deep),
            "*" => Ok(Self::Any),
            s if s.contains("**") => Err(PatternError::DeepInSegment(excerpt(whole))),
            s if s.contains('*') => Ok(Self::Glob(s.to_owned())),
            s => Ok(Self::Literal(s.to_owned())),
        }
    }

    fn folded(&self) -> Self {
        match self {
            Self::Literal(text) => Self::Literal(name::fold(text).into_owned()),
            Self::Glob(glob) => Self::Glob(name::fold(glob).into_owned()),
            other => other.clone(),
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
        if let Some((syntax, instead)) = foreign(text) {
            return Err(PatternError::Foreign {
                pattern: excerpt(text),
                syntax,
                instead,
            });
        }
        let pattern = Self::from_text(text)?;
        // A name that the pattern would match, were it one that wildcards match.
        let example = text.replace("**", "x").replace('*', "x");
        match name::check_resource(&example) {
            // Without a wildcard it stands for itself, unless a writer cannot have meant that.
            Err(why) if pattern.has_wildcard() || is_slip(&why) => {
                let pattern = excerpt(text);
                Err(PatternError::MatchesNothing { pattern, why })
            }
            _ => Ok(pattern),
        }
    }
}

/// Whether a name is ambiguous in a way that its writer does not see.
fn is_slip(why: &NameError) -> bool {
    matches!(
        why,
        NameError::Edge(_) | NameError::Invisible(_) | NameError::NotNormalised(_)
    )
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
            "//acme",
            "acme/%2e%2e",
            "acme/..%2fother%2frepo",
            "acme/..\\other",
            "acme/..?x=",
            "acme/..#",
            "acme/..;x",
            "acme/payroll%20",
            "acme/p%61yroll",
            "acme/payroll?x",
            "acme/payroll\0",
        ] {
            assert!(!pattern("acme/**").matches(name), "{name}");
            assert!(!pattern("**").matches(name), "{name}");
        }
        assert!(pattern("/").matches("/"));
    }

    #[test]
    fn a_denial_catches_every_spelling() {
        let denial = pattern("acme/payroll");
        for name in [
            "acme/payroll",
            "acme/Payroll",
            "ACME/PAYROLL",
            "/acme/payroll",
            "acme/payroll:main",
            "acme/payroll::$DATA",
            "acme/payroll ",
            "acme/payroll.",
            "acme/p%61yroll",
            "acme/payroll?x",
            "acme/x/../payroll",
            "acme//payroll",
            "acme\\payroll",
            "acme/payroll\0",
            "acme/\u{ff50}ayroll",
            "acme/payrol\u{200b}l",
        ] {
            assert!(denial.might_match(name), "{name:?}");
        }
        for name in [
            "acme/billing",
            "acme/payrolls",
            "acme/payroll/x",
            "acme/payroll-2",
        ] {
            assert!(!denial.might_match(name), "{name}");
        }
        assert!(pattern("Acme/Pay*").might_match("acme/payroll"));
        assert!(pattern("/acme/*").might_match("acme/payroll"));
        let exact = Naming {
            case: Some(Case::Exact),
            ..Naming::default()
        };
        assert!(!denial.might_match_as("acme/Payroll", &exact));
        assert!(denial.might_match_as("acme/p%61yroll", &exact));
    }

    #[test]
    fn names_compare_as_is_declared() {
        let naming = Naming {
            case: Some(Case::Insensitive),
            drop_suffix: Some(".git".into()),
        };
        let allowance = pattern("Acme/*");
        let matches = |name: &str| {
            allowance
                .canonical(&naming)
                .matches(&naming.canonical(name))
        };
        assert!(matches("ACME/billing.git") && matches("acme/billing"));
        assert!(!matches("other/billing") && !matches("acme/.git"));
        let literal = pattern("acme/Billing.git");
        assert!(
            literal
                .canonical(&naming)
                .matches(&naming.canonical("acme/billing"))
        );
    }

    #[test]
    fn a_path_may_be_absolute() {
        assert!(pattern("/v1/*").matches("/v1/users"));
        assert!(!pattern("/v1/*").matches("v1/users"));
        assert!(!pattern("v1/*").matches("/v1/users"));
        assert!(!pattern("*/v1").matches("/v1"));
        assert!(pattern("**").matches("/v1/users"));
    }

    #[test]
    fn another_language_is_refused_by_name() {
        for text in [
            "^delete",
            "delete$",
            "~delete",
            "!delete_*",
            "delete_[a-z]*",
            "v[0-9]",
            "{a,b}",
            "users/{id}",
            "/users/:id",
            "a|b",
            "(?i)delete",
            ".*",
            ".*delete.*",
            "delete_.+",
            "delete_?",
            "delete_%",
            "acme/",
        ] {
            let refused = text.parse::<Pattern>();
            assert!(
                matches!(refused, Err(PatternError::Foreign { .. })),
                "{text} {refused:?}"
            );
        }
        for text in [
            "https://github.com/acme/*",
            "acme//*",
            "acme/../*",
            " acme/*",
            "acme/* ",
            "acme/*.",
            "acme/a%20*",
            "acme/x;*",
            "acme/payroll ",
            "delete\u{200b}_repo",
            "caf\u{65}\u{301}",
        ] {
            let refused = text.parse::<Pattern>();
            assert!(
                matches!(refused, Err(PatternError::MatchesNothing { .. })),
                "{text} {refused:?}"
            );
        }
        for text in [
            "issues.*",
            "acme/.github",
            "acme/.*",
            "arn:aws:s3:::bucket/*",
            "/v1/*",
            "https://api.example/v1?x=1",
            "a+b",
            "release-*",
            "acme/..",
            "report (1).pdf",
        ] {
            assert!(text.parse::<Pattern>().is_ok(), "{text}");
        }
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
