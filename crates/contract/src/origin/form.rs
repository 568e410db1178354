//! Forms of an origin, and which of them accept which.

use super::{ArgumentOrigin, UNKNOWN, WORD};
use crate::path::is_pointer;
use crate::work;

/// Kind of a place in a tool's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place<'a> {
    /// Any place.
    Any,
    /// The field at the pointer.
    Field { pointer: &'a str, about: bool },
    /// A part of the text at the pointer.
    Text { pointer: &'a str, read: Read },
}

/// A parsed origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin<'a> {
    Unknown,
    User,
    /// A plain word of the user's.
    Word,
    Tool(&'a str, Place<'a>),
}

/// The one who said what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Read {
    /// Anyone.
    Any,
    /// The user.
    Named,
    /// A text that the user named.
    Reached,
}

impl Read {
    /// The mark before a pointer, and the pointer.
    fn parse(place: &str) -> (&str, Self) {
        let marks = [("named", Self::Named), ("reached", Self::Reached)];
        let marked = marks
            .into_iter()
            .find_map(|(mark, read)| Some((place.strip_prefix(mark)?, read)));
        marked.unwrap_or((place, Self::Any))
    }
}

/// Mark of a record that has something of the user's words.
const ABOUT: &str = "about";

/// Every tool, in an accepted origin.
pub(crate) const ANY_TOOL: &str = "tool:*";

impl<'a> Origin<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let tool = match text {
            "user" => return Some(Self::User),
            WORD => return Some(Self::Word),
            UNKNOWN => return Some(Self::Unknown),
            _ => text.strip_prefix("tool:")?,
        };
        let (name, place) = match tool.find(['#', '~']) {
            None => (tool, Place::Any),
            Some(at) => {
                let (name, rest) = tool.split_at(at);
                let place = match rest.strip_prefix('#') {
                    Some(field) => match field.strip_prefix(ABOUT) {
                        Some(pointer) => Place::Field {
                            pointer,
                            about: true,
                        },
                        None => Place::Field {
                            pointer: field,
                            about: false,
                        },
                    },
                    None => {
                        let (pointer, read) = Read::parse(rest.strip_prefix('~')?);
                        Place::Text { pointer, read }
                    }
                };
                (name, place)
            }
        };
        let pointer = match place {
            Place::Any => "",
            Place::Field { pointer, .. } | Place::Text { pointer, .. } => pointer,
        };
        (!name.is_empty() && is_pointer(pointer)).then_some(Self::Tool(name, place))
    }

    /// True if every value of origin `other` is accepted where this origin is.
    fn accepts(self, other: Self) -> bool {
        match (self, other) {
            (Self::Tool(ours, accepted), Self::Tool(theirs, place)) => {
                (ours == "*" || ours == theirs) && accepted.covers(place)
            }
            (Self::User, Self::Word) => true,
            (ours, theirs) => ours == theirs,
        }
    }
}

impl Place<'_> {
    fn covers(self, other: Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (
                Self::Field {
                    pointer: ours,
                    about: only_about,
                },
                Self::Field {
                    pointer: theirs,
                    about,
                },
            ) => (about || !only_about) && pointer_covers(ours, theirs),
            (
                Self::Text {
                    pointer: ours,
                    read: accepted,
                },
                Self::Text {
                    pointer: theirs,
                    read,
                },
            ) => (accepted == Read::Any || accepted == read) && pointer_covers(ours, theirs),
            _ => false,
        }
    }
}

/// True if `theirs` lies at or below `ours`, in which `*` stands for any segment.
fn pointer_covers(ours: &str, theirs: &str) -> bool {
    let mut theirs = theirs.split('/');
    ours.split('/').all(|segment| {
        theirs
            .next()
            .is_some_and(|other| segment == "*" || segment == other)
    })
}

/// True if the text is an origin of an argument. [`ArgumentOrigin`] lists the forms.
pub fn is_origin(text: &str) -> bool {
    Origin::parse(text).is_some()
}

/// Origins that a constraint accepts, parsed once.
pub(crate) struct Accepted<'a>(Vec<(&'a str, Option<Origin<'a>>)>);

impl<'a> Accepted<'a> {
    pub(crate) fn new(texts: impl Iterator<Item = &'a str>) -> Self {
        Self(texts.map(|text| (text, Origin::parse(text))).collect())
    }

    /// True if one of the stated origins is accepted.
    pub(super) fn accepts(&self, stated: &ArgumentOrigin) -> bool {
        match stated.origins.as_slice() {
            [] => self.accepts_text(UNKNOWN),
            origins => origins.iter().any(|origin| self.accepts_text(origin)),
        }
    }

    pub(crate) fn accepts_text(&self, text: &str) -> bool {
        if !work::take(text.len() + self.0.len() * (1 + text.len() / 8)) {
            return false;
        }
        let origin = Origin::parse(text);
        self.0
            .iter()
            .any(|(accepted, parsed)| match (parsed, origin) {
                (Some(parsed), Some(origin)) => parsed.accepts(origin),
                _ => *accepted == text,
            })
    }
}

/// True if every value of origin `origin` is accepted where `accepted` is.
///
/// Text that is not an origin accepts only itself.
pub fn accepts_origin(accepted: &str, origin: &str) -> bool {
    Accepted::new(std::iter::once(accepted)).accepts_text(origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_one_of_the_forms() {
        for origin in [
            "user",
            "user~word",
            "unknown",
            "tool:mail",
            "tool:mail.search/v2",
            "tool:mail#",
            "tool:mail#/0/sender",
            "tool:mail#/*/sender",
            "tool:mail#about/*/sender",
            "tool:mail#about",
            "tool:*#",
            "tool:mail~/body",
            "tool:mail~named/body",
            "tool:mail~reached/body",
            "tool:mail~",
            "tool:mail~named",
            "tool:mail#/a~1b",
        ] {
            assert!(is_origin(origin), "{origin}");
        }
        for text in [
            "",
            "User",
            "tool:",
            "tool:#/a",
            "tool:mail#a",
            "tool:mail~body",
            "tool:mail#/a~2",
            "me",
            "tool:mail~Named/body",
        ] {
            assert!(!is_origin(text), "{text}");
        }
    }

    #[test]
    fn a_place_accepts_the_places_below_it() {
        for (accepted, origin) in [
            ("user", "user"),
            ("user", "user~word"),
            ("user~word", "user~word"),
            ("tool:mail", "tool:mail"),
            ("tool:mail", "tool:mail#/0/sender"),
            ("tool:mail", "tool:mail~named/0/body"),
            ("tool:mail#", "tool:mail#/0/sender"),
            ("tool:mail#/*/sender", "tool:mail#/*/sender"),
            ("tool:mail#/*/sender", "tool:mail#/7/sender"),
            ("tool:mail#/*/sender", "tool:mail#/7/sender/address"),
            ("tool:mail~", "tool:mail~/0/body"),
            ("tool:mail~", "tool:mail~named/0/body"),
            ("tool:mail~named/0", "tool:mail~named/0/body"),
            ("tool:mail~", "tool:mail~reached/0/body"),
            ("tool:mail~reached", "tool:mail~reached/0/body"),
            ("tool:mail#/*/id", "tool:mail#about/*/id"),
            ("tool:mail#about", "tool:mail#about/*/id"),
            ("tool:*#", "tool:mail#/*/id"),
            ("tool:*", "tool:mail~/body"),
        ] {
            assert!(accepts_origin(accepted, origin), "{accepted} {origin}");
        }
        for (accepted, origin) in [
            ("user", "unknown"),
            ("user~word", "user"),
            ("tool:mail", "tool:mails"),
            ("tool:mail#", "tool:mail"),
            ("tool:mail#", "tool:mail~/0/body"),
            ("tool:mail~", "tool:mail#/0/body"),
            ("tool:mail#/0/sender", "tool:mail#/*/sender"),
            ("tool:mail#/*/sender", "tool:mail#/7"),
            ("tool:mail#/*/sender", "tool:mail#/7/senders"),
            ("tool:mail#about/*/id", "tool:mail#/*/id"),
            ("tool:*#", "tool:mail~/body"),
            ("tool:mail#", "tool:*#"),
            ("tool:*", "user"),
            ("tool:mail~named", "tool:mail~/0/body"),
            ("tool:mail~named", "tool:mail~reached/0/body"),
            ("tool:mail~reached", "tool:mail~named/0/body"),
            ("unknown", "tool:mail"),
        ] {
            assert!(!accepts_origin(accepted, origin), "{accepted} {origin}");
        }
    }
}
