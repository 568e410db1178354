//! Patterns of repositories and branches, as the settings have them: read as the names of a request
//! are.

use portcullis_sdk::Pattern;
use serde::Deserialize;

/// A pattern of repositories, `owner/name`. GitHub ignores case.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Repositories(pub(crate) Pattern);

impl TryFrom<String> for Repositories {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let lower = text.to_ascii_lowercase();
        let is_address = lower.contains("://")
            || lower.contains('@')
            || ["github.com/", "www.", "git:"]
                .iter()
                .any(|it| lower.starts_with(it));
        if is_address {
            return Err(format!(
                "`{text}` is an address: write owner and name alone, such as `acme/billing`"
            ));
        }
        if lower.ends_with(".git") {
            return Err(format!(
                "`{text}` ends with `.git`, which GitHub drops: write it without"
            ));
        }
        match lower.split('/').collect::<Vec<_>>().as_slice() {
            ["*" | "**", ..] => Err(format!(
                "`{text}` is for every owner: name the owner, as in `acme/*`"
            )),
            [_, _] => lower
                .parse()
                .map(Self)
                .map_err(|error: portcullis_sdk::PatternError| error.to_string()),
            _ => Err(format!(
                "`{text}` has no owner and name: write `acme/*` for all repositories of `acme`"
            )),
        }
    }
}

/// A pattern of branches, by their short names.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Branches(pub(crate) Pattern);

impl TryFrom<String> for Branches {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let short = text.strip_prefix("refs/heads/").unwrap_or(&text);
        if ["refs/", "heads/", "tags/", "remotes/"]
            .iter()
            .any(|it| short.starts_with(it))
        {
            return Err(format!(
                "`{text}` is no branch: write its short name, such as `main` or `release/**`"
            ));
        }
        let odd = |c: char| matches!(c, '~' | '^' | ':' | '?' | '[' | ' ' | '\\');
        if short.contains(odd) || short.contains("@{") || short.starts_with(['-', '+', '/']) {
            return Err(format!("`{text}` is the name of no branch that Git allows"));
        }
        short
            .parse()
            .map(Self)
            .map_err(|error: portcullis_sdk::PatternError| error.to_string())
    }
}
