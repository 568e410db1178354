//! The actions that only look, and the arguments that each of them has.

use portcullis_sdk::{Json, Verdict, escape_key, name};

/// What an argument of a read may be.
#[derive(Clone, Copy)]
enum Kind {
    /// A path from the repository's root.
    Path,
    /// A branch, a tag or a commit.
    Ref,
    /// A whole number.
    Number,
    /// A word that selects or sorts, such as `closed`.
    Word,
    /// A moment, as in RFC 3339.
    Time,
    /// Words, in a list or with commas between them.
    Words,
    /// True or false.
    Flag,
}

const PAGES: [(&str, Kind); 2] = [("page", Kind::Number), ("per_page", Kind::Number)];

/// The reads, with the arguments that each has beside [`PAGES`].
const READS: [(&str, &[(&str, Kind)]); 12] = [
    ("repos.get", &[]),
    ("contents.get", &[("path", Kind::Path), ("ref", Kind::Ref)]),
    ("branches.get", &[("branch", Kind::Ref)]),
    ("branches.list", &[("protected", Kind::Flag)]),
    ("commits.get", &[("ref", Kind::Ref), ("sha", Kind::Ref)]),
    (
        "commits.list",
        &[
            ("sha", Kind::Ref),
            ("path", Kind::Path),
            ("author", Kind::Word),
            ("since", Kind::Time),
            ("until", Kind::Time),
        ],
    ),
    ("issues.get", &[("number", Kind::Number)]),
    (
        "issues.list",
        &[
            ("state", Kind::Word),
            ("labels", Kind::Words),
            ("assignee", Kind::Word),
            ("creator", Kind::Word),
            ("milestone", Kind::Number),
            ("sort", Kind::Word),
            ("direction", Kind::Word),
            ("since", Kind::Time),
        ],
    ),
    ("pulls.get", &[("number", Kind::Number)]),
    (
        "pulls.list",
        &[
            ("state", Kind::Word),
            ("head", Kind::Ref),
            ("base", Kind::Ref),
            ("sort", Kind::Word),
            ("direction", Kind::Word),
        ],
    ),
    ("pulls.files", &[("number", Kind::Number)]),
    (
        "checks.list",
        &[
            ("ref", Kind::Ref),
            ("check_name", Kind::Word),
            ("status", Kind::Word),
            ("filter", Kind::Word),
        ],
    ),
];

/// The arguments that the read called `action` has, if it is one.
pub(crate) fn read(action: &str) -> Option<Read> {
    let (_, arguments) = READS.iter().find(|(name, _)| *name == action)?;
    Some(Read(arguments))
}

/// A read that is known.
pub(crate) struct Read(&'static [(&'static str, Kind)]);

impl Read {
    /// The first argument that the read does not have, or that could lead it elsewhere.
    pub(crate) fn refuse(&self, arguments: &Json) -> Option<Verdict> {
        let deny = |code: &str, name: &str, message: String| {
            let at = format!("/action/arguments/{}", escape_key(name));
            Some(Verdict::deny().because(code, message).evidence([at]))
        };
        for (name, value) in arguments.as_object().into_iter().flatten() {
            let mut known = self.0.iter().chain(&PAGES);
            let Some((_, kind)) = known.find(|(known, _)| known == name) else {
                let message = format!("this read has no argument `{name}`");
                return deny("argument-unknown", name, message);
            };
            if let Some(expected) = kind.refuses(value) {
                let code = match kind {
                    Kind::Path | Kind::Ref => "path-ambiguous",
                    _ => "arguments-invalid",
                };
                return deny(code, name, format!("`{name}` is {expected}"));
            }
        }
        None
    }
}

impl Kind {
    /// What `value` should be, if it is not.
    fn refuses(self, value: &Json) -> Option<&'static str> {
        let text = value.as_str();
        let (fits, expected) = match self {
            Self::Path => (
                text.is_some_and(is_plain),
                "a plain path from the repository's root",
            ),
            Self::Ref => (
                text.is_some_and(|text| is_plain(text) && !text.contains(['~', '^', '@', '['])),
                "a branch, a tag or a commit of this repository",
            ),
            Self::Number => (value.is_u64(), "a whole number"),
            Self::Word => (text.is_some_and(is_word), "a word"),
            Self::Time => (
                text.is_some_and(|text| {
                    let allowed = |b: u8| b.is_ascii_digit() || b"-:.+TZ".contains(&b);
                    text.starts_with(|c: char| c.is_ascii_digit()) && text.bytes().all(allowed)
                }),
                "a time as in RFC 3339",
            ),
            Self::Words => (
                match value {
                    Json::Array(words) => words.iter().all(|it| it.as_str().is_some_and(is_label)),
                    value => value.as_str().is_some_and(|it| it.split(',').all(is_label)),
                },
                "a list of words",
            ),
            Self::Flag => (value.is_boolean(), "true or false"),
        };
        (!fits).then_some(expected)
    }
}

/// Whether a path is one from the repository's root that has no other spelling, in a URL or on a
/// command line either.
pub(crate) fn is_plain(path: &str) -> bool {
    name::check_resource(path).is_ok() && !path.starts_with(['/', '-']) && !path.contains(':')
}

fn is_word(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    !text.is_empty() && !text.starts_with(['-', '.']) && text.bytes().all(allowed)
}

/// Whether a label has no meaning in a URL or on a command line.
fn is_label(text: &str) -> bool {
    !text.starts_with('-')
        && !text.contains('&')
        && (is_plain(text) || is_word(&text.replace([' ', ':'], "x")))
}
