//! The read-only actions and the arguments of each.

use portcullis_sdk::{Json, Verdict, escape_key, name};

/// The type of a read's argument.
#[derive(Clone, Copy)]
enum Kind {
    /// A path from the repository's root.
    Path,
    /// A path from the repository's root, or the root itself: an empty text or `/`.
    Folder,
    /// A branch, a tag or a commit.
    Ref,
    /// A branch, optionally with `owner:` before it.
    Head,
    /// A whole number.
    Number,
    /// A whole number, `*` for any milestone or `none`.
    Milestone,
    /// A word that selects or sorts, such as `closed`.
    Word,
    /// A user's name, an email address, or `*` for everyone.
    User,
    /// Words, such as the name of a check.
    Label,
    /// A time, as in RFC 3339.
    Time,
    /// Labels, as a list or separated by commas.
    Labels,
    /// True or false.
    Flag,
}

const PAGES: [(&str, Kind); 2] = [("page", Kind::Number), ("per_page", Kind::Number)];

/// The reads and their arguments, without those in [`PAGES`].
const READS: [(&str, &[(&str, Kind)]); 12] = [
    ("repos.get", &[]),
    (
        "contents.get",
        &[("path", Kind::Folder), ("ref", Kind::Ref)],
    ),
    ("branches.get", &[("branch", Kind::Ref)]),
    ("branches.list", &[("protected", Kind::Flag)]),
    ("commits.get", &[("ref", Kind::Ref), ("sha", Kind::Ref)]),
    (
        "commits.list",
        &[
            ("sha", Kind::Ref),
            ("path", Kind::Path),
            ("author", Kind::User),
            ("since", Kind::Time),
            ("until", Kind::Time),
        ],
    ),
    ("issues.get", &[("number", Kind::Number)]),
    (
        "issues.list",
        &[
            ("state", Kind::Word),
            ("labels", Kind::Labels),
            ("assignee", Kind::User),
            ("creator", Kind::User),
            ("milestone", Kind::Milestone),
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
            ("head", Kind::Head),
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
            ("check_name", Kind::Label),
            ("status", Kind::Word),
            ("filter", Kind::Word),
        ],
    ),
];

/// Returns the read called `action`, or `None` if `action` is not a read.
pub(crate) fn read(action: &str) -> Option<Read> {
    let (_, arguments) = READS.iter().find(|(name, _)| *name == action)?;
    Some(Read(arguments))
}

/// Returns the names of the reads.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    READS.into_iter().map(|(name, _)| name)
}

/// A supported read, as its arguments.
pub(crate) struct Read(&'static [(&'static str, Kind)]);

impl Read {
    /// Denies the first argument that the read does not have or that could redirect it.
    pub(crate) fn refuse(&self, arguments: &Json) -> Option<Verdict> {
        let deny = |code: &str, name: &str, message: String| {
            let at = format!("/action/arguments/{}", escape_key(name));
            Some(Verdict::deny().because(code, message).fields([at]))
        };
        for (name, value) in arguments.as_object().into_iter().flatten() {
            let mut known = self.0.iter().chain(&PAGES);
            let Some((_, kind)) = known.find(|(known, _)| known == name) else {
                let message = format!("this read has no argument `{name}`");
                return deny("argument-unknown", name, message);
            };
            if let Some(expected) = kind.refuses(value) {
                let code = match kind {
                    Kind::Path | Kind::Folder | Kind::Ref | Kind::Head => "path-ambiguous",
                    _ => "arguments-invalid",
                };
                return deny(code, name, format!("`{name}` is {expected}"));
            }
        }
        None
    }
}

impl Kind {
    /// Returns the expected form if `value` does not have it.
    fn refuses(self, value: &Json) -> Option<&'static str> {
        let text = value.as_str();
        let (fits, expected) = match self {
            Self::Path => (
                text.is_some_and(is_plain),
                "a plain path from the repository's root",
            ),
            Self::Folder => (
                text.is_some_and(|text| matches!(text, "" | "/") || is_plain(text)),
                "a plain path from the repository's root",
            ),
            Self::Ref => (
                text.is_some_and(is_ref),
                "a branch, a tag or a commit of this repository",
            ),
            Self::Head => (
                text.is_some_and(|text| match text.split_once(':') {
                    Some((owner, branch)) => is_word(owner) && is_ref(branch),
                    None => is_ref(text),
                }),
                "a branch, or an owner and a branch with `:` between them",
            ),
            Self::Number => (value.is_u64(), "a whole number"),
            Self::Milestone => (
                value.is_u64() || matches!(text, Some("*" | "none")),
                "a whole number, `*` or `none`",
            ),
            Self::Word => (text.is_some_and(is_word), "a word"),
            Self::User => (text.is_some_and(is_user), "the name of a user"),
            Self::Label => (text.is_some_and(is_label), "a name in words"),
            Self::Time => (
                text.is_some_and(|text| {
                    let allowed = |b: u8| b.is_ascii_digit() || b"-:.+TZ".contains(&b);
                    text.starts_with(|c: char| c.is_ascii_digit()) && text.bytes().all(allowed)
                }),
                "a time as in RFC 3339",
            ),
            Self::Labels => (
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

/// True if a path is relative to the repository's root and has a single spelling.
///
/// It has no other spelling in a URL or on a command line either.
pub(crate) fn is_plain(path: &str) -> bool {
    name::check_resource(path).is_ok() && !path.starts_with(['/', '-']) && !path.contains(':')
}

fn is_word(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    !text.is_empty() && !text.starts_with(['-', '.']) && text.bytes().all(allowed)
}

/// True if the text is a user, an app (`dependabot[bot]`), an email address or `*`.
fn is_user(text: &str) -> bool {
    let name = text.strip_suffix("[bot]").unwrap_or(text);
    text == "*" || is_word(&name.replacen(['@', '+'], "x", 2))
}

/// True if the text is a branch, tag or commit, and not a revision expression.
fn is_ref(text: &str) -> bool {
    is_plain(text) && text != "@" && !text.contains("@{") && !text.contains(['~', '^', '['])
}

/// True if a label has no meaning in a URL or on a command line.
///
/// `#` and `%` are allowed where no reader decodes them.
fn is_label(text: &str) -> bool {
    let is_code = |part: &str| {
        part.get(..2)
            .is_some_and(|it| it.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    let plain = text.replace(['#', '%'], "x");
    !text.starts_with(['-', '#'])
        && !text.contains('&')
        && !text.split('%').skip(1).any(is_code)
        && (is_plain(&plain) || is_word(&plain.replace([' ', ':'], "x")))
}
