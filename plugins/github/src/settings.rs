//! Patterns of repositories and branches in the settings, parsed like the names of a request.

use crate::branch_name::{is_branch, is_other_ref, short_name};
use crate::is_repository;
use portcullis_sdk::Pattern;
use serde::Deserialize;

/// A pattern of repositories, `owner/name`, compared without case as GitHub does.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Repositories(pub(crate) Pattern);

impl TryFrom<String> for Repositories {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let lower = text.to_ascii_lowercase();
        let (owner, _) = lower.split_once('/').unwrap_or((lower.as_str(), ""));
        // An owner's name never has a dot, and a host name always has one.
        let is_address = lower.contains(['@', ':']) || owner.contains('.');
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
            [_, _] => {
                let pattern = lower
                    .parse()
                    .map_err(|error: portcullis_sdk::PatternError| error.to_string())?;
                match is_repository(&example(&lower)) {
                    true => Ok(Self(pattern)),
                    false => Err(format!(
                        "`{text}` is the name of no repository: beside `*`, owner and name have letters, digits, `-`, `_` and `.`"
                    )),
                }
            }
            _ => Err(format!(
                "`{text}` has no owner and name: write `acme/*` for all repositories of `acme`"
            )),
        }
    }
}

/// A pattern of short branch names.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Branches(pub(crate) Pattern);

impl TryFrom<String> for Branches {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let short = short_name(&text);
        if is_other_ref(short) {
            return Err(format!(
                "`{text}` is no branch: write its short name, such as `main` or `release/**`"
            ));
        }
        let pattern = Pattern::for_denial(short).map_err(|error| error.to_string())?;
        let is_listed = |c: char| c.is_alphanumeric() || "*/._-+=@".contains(c);
        if !short.chars().all(is_listed) {
            return Err(format!(
                "`{text}` has another character than letters, digits and `/._-+=@`: write a pattern for each branch, with `*` for such a character"
            ));
        }
        match is_branch(&example(short)) {
            true => Ok(Self(pattern)),
            false => Err(format!(
                "`{text}` is the name of no branch that Git allows: write its short name, such as `main`"
            )),
        }
    }
}

/// Returns a name that `pattern` matches.
fn example(pattern: &str) -> String {
    pattern.replace("**", "x").replace('*', "x")
}
