//! Patterns that select resources and actions.

use crate::excerpt;
mod inclusion;

pub use inclusion::Steps;

use crate::name::{self, BEFORE_A_TAG, Case, NameError, Naming};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

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

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    Literal(String),
    /// `*`: exactly one segment.
    Any,
    /// Text with at least one `*`.
    Glob(String),
    /// `**`: any number of segments, including zero.
    Deep,
}

/// Reason why a text is not a valid pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// The pattern is empty.
    #[error("a pattern cannot be empty: write `**` for everything")]
    Empty,
    /// `**` is part of a longer segment.
    #[error("in pattern `{0}`, `**` must be a whole segment, as in `acme/**`")]
    DeepInSegment(String),
    /// The pattern is written in another language.
    #[error("pattern `{pattern}` has {syntax}: {instead}")]
    Foreign {
        /// The pattern.
        pattern: String,
        /// The part that belongs to another language.
        syntax: &'static str,
        /// The text to write instead.
        instead: &'static str,
    },
    /// The wildcard pattern matches no name.
    ///
    /// Its literal text makes every such name ambiguous, and wildcards match no ambiguous name.
    #[error("pattern `{pattern}` matches no name: {why}")]
    MatchesNothing {
        /// The pattern.
        pattern: String,
        /// Reason why a name of that form matches no wildcard.
        why: NameError,
    },
    /// The pattern denies one name, and that name is ambiguous.
    #[error("the denial `{pattern}` matches no name in requests: {why}")]
    DeniesNothing {
        /// The pattern.
        pattern: String,
        /// Reason why the name is ambiguous.
        why: NameError,
    },
    /// The pattern is over actions and contains text that no action name contains.
    #[error("pattern `{pattern}` matches no action: {why}")]
    NoAction {
        /// The pattern.
        pattern: String,
        /// Reason why no action has such a name.
        why: NameError,
    },
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
        if name::check_resource(name).is_err() {
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
        if name::check_resource(name).is_err() {
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
        if segments_match(segments, &readings, catches) {
            return true;
        }
        // A tag may contain segments, as in `acme/payroll:feature/x`.
        let mut ends = (1..readings.len()).filter_map(|end| readings.get(..end));
        ends.any(|upto| {
            upto.last().is_some_and(|last| last.is_tagged)
                && segments_match(segments, upto, catches)
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

/// True if `pattern` matches the segments of a name.
fn segments_match<N>(
    pattern: &[Segment],
    names: &[N],
    matches: impl Fn(&Segment, &N) -> bool,
) -> bool {
    // Each `**` first matches as few segments as possible; on a mismatch, only the last `**` is widened.
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
            (Some(segment), Some(name)) => matches(segment, name),
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

/// Maximum number of `:` and `@` examined in a name. Every denial catches a name with more.
const MOST_TAGS: usize = 32;

/// Possible readings of one segment of a name.
struct Readings<'a> {
    texts: Vec<Cow<'a, str>>,
    /// True if some readings omit the text after a `:` or an `@`.
    is_tagged: bool,
}

/// Returns the readings of each segment, or `None` if there are too many.
///
/// The readings of a segment are the segment itself and the text before each `:` and `@` after its first
/// character, each with and without `suffix`.
fn readings<'a>(name: &'a str, suffix: &str) -> Option<Vec<Readings<'a>>> {
    if name.matches(BEFORE_A_TAG).nth(MOST_TAGS).is_some() {
        return None;
    }
    let of_segment = |segment: &'a str| {
        let mut texts = Vec::new();
        add_readings(&mut texts, segment, "", suffix);
        let tags = segment.match_indices(BEFORE_A_TAG);
        let tags = tags.filter_map(|(at, _)| segment.split_at_checked(at));
        let mut is_tagged = false;
        for (before, tag) in tags.filter(|(before, _)| !before.is_empty()) {
            is_tagged = true;
            add_readings(&mut texts, before.trim_end_matches([' ', '.']), "", suffix);
            if !suffix.is_empty() {
                add_readings(&mut texts, before, tag, suffix);
            }
        }
        Readings { texts, is_tagged }
    };
    Some(name.split('/').map(of_segment).collect())
}

/// Adds `before` followed by `tag`, with and without `suffix` after `before`.
fn add_readings<'a>(texts: &mut Vec<Cow<'a, str>>, before: &'a str, tag: &str, suffix: &str) {
    let mut add = |text: Cow<'a, str>| {
        if !text.is_empty() && !texts.contains(&text) {
            texts.push(text);
        }
    };
    if tag.is_empty() {
        add(Cow::Borrowed(before));
    }
    if suffix.is_empty() {
        return;
    }
    let stem = without_suffix(before, suffix).trim_end_matches([' ', '.']);
    match tag.is_empty() {
        true => add(Cow::Borrowed(stem)),
        false => add(Cow::Owned(format!("{stem}{tag}"))),
    }
    add(Cow::Owned(format!("{stem}{suffix}{tag}")));
}

/// Removes every trailing `suffix` from `segment`, but never all of its text.
fn without_suffix<'a>(segment: &'a str, suffix: &str) -> &'a str {
    match segment.strip_suffix(suffix) {
        Some(stem) if !stem.is_empty() && !suffix.is_empty() => without_suffix(stem, suffix),
        _ => segment,
    }
}

/// Finds syntax of another language in `text`.
///
/// Returns a description of it and the text to write instead.
fn foreign(text: &str) -> Option<(&'static str, &'static str)> {
    if text.starts_with('^') || text.ends_with('$') {
        return Some((
            "an anchor of a regular expression (`^`, `$`)",
            "write it without: a pattern always holds for the whole name",
        ));
    }
    let quoted = |quote: char| text.len() > 1 && text.starts_with(quote) && text.ends_with(quote);
    if ['"', '\'', '`'].into_iter().any(quoted) {
        return Some(("quotes around it", "write it without"));
    }
    let is_named = |language: &&str| {
        let rest = text.strip_prefix(language);
        rest.is_some_and(|rest| !rest.starts_with(' '))
    };
    if ["regex:", "regexp:", "re:", "glob:"].iter().any(is_named) {
        return Some((
            "the name of a language of patterns before it (`regex:`, `glob:`)",
            "write it without: a pattern is literal but for `*` and `**`",
        ));
    }
    if (text.starts_with('(') && text.ends_with(')')) || text.split('/').any(is_group) {
        return Some((
            "a group in parentheses (`(a)`, `!(a)`, `@(a)`)",
            "write a pattern for each, without parentheses",
        ));
    }
    if text.split('/').any(|it| matches!(it, "+" | "#" | ">")) {
        return Some((
            "a wildcard of a message broker (`+`, `#`, `>`)",
            "write `*` for one segment, and `**` for all that follow",
        ));
    }
    let is_placeholder = |segment: &str| segment.starts_with('<') && segment.ends_with('>');
    if text.split('/').any(is_placeholder) {
        return Some(("a placeholder (`<name>`)", "write the name, or `*`"));
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
    let in_regex = [".*?", ".+", "_.*", "-.*"];
    if text.starts_with(".*") || in_regex.iter().any(|it| text.contains(it)) {
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

/// True if a segment contains an extended glob, such as `!(a)` or `@(a|b)`.
fn is_group(segment: &str) -> bool {
    ["!(", "@(", "+(", "*("]
        .iter()
        .any(|it| segment.contains(it))
        && segment.ends_with(')')
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

    /// True if the pattern segment matches one of the readings. Names may have `suffix` or not.
    fn catches(&self, name: &Readings<'_>, suffix: &str) -> bool {
        name.texts.iter().any(|text| match self {
            // A literal may repeat the suffix.
            Self::Literal(own) => own == text || without_suffix(own, suffix) == text,
            other => other.matches(text),
        })
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

/// Matches a segment that contains `*`.
///
/// The first part is a prefix and the last part a suffix. The parts between them are found in order, each as
/// early as possible.
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
            "acme/payroll@sha256:abc",
            "acme/payroll@main",
            "acme/payroll:v1@sha256:abc",
            "acme/payroll:feature/x",
            "acme/payroll. :x",
            "acme:x/payroll",
            "acme@1:2/Payroll@x",
            "acme/..:x",
            "acme/..@x/y",
            "acme/payroll\u{1680}",
            "acme/pa\u{327}\u{301}yroll",
        ] {
            assert!(denial.might_match(name), "{name:?}");
        }
        assert!(denial.might_match(&format!("acme/x{}", ":".repeat(33))));
        for (denial, name) in [
            ("secrets/**", "secrets::$INDEX_ALLOCATION/key"),
            ("secrets/**", "secrets:x/key"),
            ("reg/payroll:v1", "reg/payroll:v1@sha256:abc"),
            ("reg/payroll:v1", "reg/payroll:v1:x"),
            ("@scope/pay*", "@scope/payroll@1.2.3"),
        ] {
            assert!(pattern(denial).might_match(name), "{denial} {name}");
        }
        for (denial, name) in [
            ("reg/payroll:v1", "reg/payroll:v2"),
            ("reg/payroll:v1", "reg/payroll"),
            ("secrets/*", "secret:x/key"),
            ("other/package", "@other/package"),
            ("arn/**", "barn:aws:s3:::bucket/key"),
        ] {
            assert!(!pattern(denial).might_match(name), "{denial} {name}");
        }
        for name in [
            "acme/billing",
            "acme/billing@payroll",
            "acme/billing:payroll/x",
            "acme/@payroll",
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
    fn a_suffix_that_is_dropped_hides_nothing_from_a_denial() {
        let dropped = |case| Naming {
            case,
            drop_suffix: Some(".git".into()),
        };
        let caught = |denial: &str, name: &str, case| {
            let naming = dropped(case);
            let denial = Pattern::for_denial(denial).unwrap();
            let denial = denial.canonical(&naming);
            denial.might_match_as(&naming.canonical(name), &naming)
        };
        for (denial, name) in [
            ("acme/payroll", "acme/payroll.git"),
            ("acme/payroll", "acme/payroll.GIT"),
            ("acme/payroll", "acme/Payroll.GIT"),
            ("acme/payroll", "acme/payroll.gIt.git"),
            ("acme/payroll.GIT", "acme/payroll"),
            ("acme/payroll", "acme/payroll.git:main"),
            ("acme/payroll", "acme/payroll.git@sha256:abc"),
            ("acme/payroll.git:main", "acme/payroll:main"),
            ("acme/payroll:main", "acme/payroll.git:main"),
            ("acme/secret/**", "acme/secret.git/x"),
            ("acme/secret/**", "acme/secret.GIT:v1/x"),
            ("acme/payroll.git/**", "acme/payroll/x"),
            ("acme/payroll.git.git/**", "acme/payroll/x"),
            ("acme/payroll.g*", "acme/payroll.git"),
            ("acme/payroll*git", "acme/payroll.git"),
            ("acme/*roll.git/x", "acme/payroll/x"),
        ] {
            for case in [None, Some(Case::Insensitive)] {
                assert!(caught(denial, name, case), "{denial} {name} {case:?}");
            }
        }
        for (denial, name) in [
            ("acme/payroll", "acme/payroll.gitlab"),
            ("acme/payroll", "acme/payrollgit"),
            ("acme/payroll", "acme/git"),
            ("acme/payroll:main", "acme/payroll.git:next"),
        ] {
            assert!(!caught(denial, name, None), "{denial} {name}");
        }
        let exact = Some(Case::Exact);
        assert!(caught("acme/payroll", "acme/payroll.git:main", exact));
        assert!(!caught("acme/payroll", "acme/payroll.GIT", exact));
        assert!(!caught("acme/payroll", "acme/Payroll", exact));
    }

    /// A6: a denial that matches no name is not accepted silently.
    #[test]
    fn a_denial_that_catches_nothing_is_refused_or_doubted() {
        for text in [
            "./acme/payroll",
            "acme/./payroll",
            "acme/x/../payroll",
            "acme//payroll",
            "//acme/payroll",
            "acme\\payroll",
            "acme/payroll#main",
            "acme/payroll;x",
            "acme/%70ayroll",
            "acme/payroll.",
            "https://github.com/acme/payroll",
            "acme/pay\\w+",
            "acme/\\d+",
            "(acme/payroll)",
            "acme/!(payroll)",
            "acme/@(a)",
            "acme/+(x)",
            "acme/+",
            "acme/#",
            "acme/>",
            "acme/<repo>",
            "regex:acme/.*",
            "glob:acme/*",
            "re:acme",
            "\"acme/payroll\"",
            "'acme/*'",
            "`acme/payroll`",
            "acme/pay_.*",
        ] {
            assert!(Pattern::for_denial(text).is_err(), "{text}");
        }
        for text in [
            "git@github.com:acme/payroll.git",
            "acme/pay.*",
            "acme/.*",
            "acme/$repo",
            "acme/payroll,acme/billing",
        ] {
            let denial = Pattern::for_denial(text).unwrap();
            assert!(denial.doubt().is_some(), "{text}");
        }
        for text in [
            "acme/payroll",
            "acme/**",
            "/v1/*",
            "**",
            "arn:aws:s3:::bucket/*",
            "reg/payroll@sha256:abc",
            "a+b",
            "acme/.github",
            "docs/Report (final), v2.pdf",
            "app/(group)/page.tsx",
            "re: invoice",
        ] {
            let denial = Pattern::for_denial(text).unwrap();
            assert_eq!(denial.doubt(), None, "{text}");
        }
    }

    #[test]
    fn a_pattern_of_actions_has_their_characters() {
        for text in [
            "delete_.*",
            "delete repo",
            "delete_repo()",
            "server:delete_*",
            "*:delete_*",
            "delete_repo:*",
            "delete_*@v1",
            "delete_\\w+",
            "delete_repo;",
            "delete_repo#1",
            "delete_repo,drop_repo",
            "\"delete_*\"",
            "https://x/delete_repo",
            "d\u{435}lete_*",
            "delete//x",
            "delete/../x",
            "",
        ] {
            assert!(Pattern::of_actions(text).is_err(), "{text}");
        }
        for text in ["delete_*", "issues.*", "**", "*", "repos/delete", "GET"] {
            assert!(Pattern::of_actions(text).is_ok(), "{text}");
        }
    }

    /// An allowance may spell out a trailing dot, which is visible.
    #[test]
    fn an_allowance_may_spell_out_a_name_that_ends_with_a_dot() {
        for name in ["Acme Inc.", "acme/Acme Inc.", "etc."] {
            assert!(pattern(name).matches(name), "{name}");
            assert!(Pattern::for_denial(name).is_err(), "{name}");
            assert!(!pattern("**").matches(name), "{name}");
        }
        for name in ["acme/payroll ", " acme", "acme/* .", "acme/*."] {
            assert!(name.parse::<Pattern>().is_err(), "{name:?}");
        }
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

    /// Brute-force definition of the language, for comparison with the matcher.
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
