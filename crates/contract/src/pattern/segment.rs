//! Segments of a pattern, and matching them with those of a name.

use super::error::PatternError;
use super::readings::{Readings, without_suffix};
use crate::{excerpt, name, work};

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

impl Segment {
    pub(super) fn parse(segment: &str, whole: &str) -> Result<Self, PatternError> {
        match segment {
            "**" => Ok(Self::Deep),
            "*" => Ok(Self::Any),
            s if s.contains("**") => Err(PatternError::DeepInSegment(excerpt(whole))),
            s if s.contains('*') => Ok(Self::Glob(s.to_owned())),
            s => Ok(Self::Literal(s.to_owned())),
        }
    }

    pub(super) fn folded(&self) -> Self {
        match self {
            Self::Literal(text) => Self::Literal(name::fold(text).into_owned()),
            Self::Glob(glob) => Self::Glob(name::fold(glob).into_owned()),
            other => other.clone(),
        }
    }

    /// True if the pattern segment matches one of the readings. Names may have `suffix` or not.
    pub(super) fn catches(&self, name: &Readings<'_>, suffix: &str) -> bool {
        if !work::take(name.texts.len()) {
            return true;
        }
        name.texts.iter().any(|text| match self {
            // A literal may repeat the suffix.
            Self::Literal(own) => own == text || without_suffix(own, suffix) == text,
            other => other.matches(text),
        })
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Literal(text) => text == name,
            Self::Any => !name.is_empty(),
            Self::Glob(glob) => work::take(name.len()) && glob_matches(glob, name),
            Self::Deep => false,
        }
    }
}

/// True if `pattern` matches the segments of a name.
pub(super) fn segments_match<N>(
    pattern: &[Segment],
    names: &[N],
    matches: impl Fn(&Segment, &N) -> bool,
) -> bool {
    if !work::take(pattern.len()) {
        return false;
    }
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
            if !work::take(at - from) {
                return false;
            }
            retry = Some((deep, from + 1));
            at = from + 1;
            pattern_at = deep + 1;
        } else {
            return false;
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
