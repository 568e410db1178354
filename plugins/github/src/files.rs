//! Limits on the files that a push or merge changes.

use crate::Request;
use crate::action::ChangedFile;
use crate::reads::is_plain;
use crate::{GitHub, is_agent};
use portcullis_sdk::Verdict;

impl GitHub {
    /// Denies changes of protected files, and too many files or bytes.
    pub(crate) fn refuse_files(&self, request: &Request, files: &[ChangedFile]) -> Option<Verdict> {
        if files.is_empty() {
            return Some(
                Verdict::indeterminate()
                    .because(
                        "files-unknown",
                        "the enforcement point does not say which files change: list them with path and bytes",
                    )
                    .fields(["/action/arguments/files"]),
            );
        }
        if files.len() as u64 > u64::from(self.max_files) {
            let message = format!(
                "{} files, and at most {} may change",
                files.len(),
                self.max_files
            );
            return Some(refuse(
                "too-many-files",
                message,
                "/action/arguments/files".to_owned(),
            ));
        }
        let bytes = files
            .iter()
            .fold(0_u64, |sum, file| sum.saturating_add(file.bytes));
        if bytes > self.max_bytes {
            let message = format!("{bytes} bytes, and at most {} may change", self.max_bytes);
            return Some(refuse(
                "too-large",
                message,
                "/action/arguments/files".to_owned(),
            ));
        }
        files.iter().enumerate().find_map(|(index, file)| {
            let at = format!("/action/arguments/files/{index}/path");
            if !is_plain(&file.path) {
                let message = "the path is not a plain one from the repository's root".to_owned();
                return Some(refuse("path-ambiguous", message, at));
            }
            (is_agent(request) && is_automation(&file.path)).then(|| {
                let message = format!(
                    "`{}` runs with the repository's powers: a person edits it",
                    file.path
                );
                refuse("workflow-edit", message, at)
            })
        })
    }

    pub(crate) fn refuse_text(&self, title: &str, body: &str) -> Option<Verdict> {
        self.refuse_texts([("title", title), ("body", body)])
    }

    pub(crate) fn refuse_texts(&self, texts: [(&str, &str); 2]) -> Option<Verdict> {
        texts
            .into_iter()
            .find(|(_, text)| text.chars().count() as u64 > u64::from(self.max_text_length))
            .map(|(name, _)| {
                let message = format!(
                    "the {name} has more than {} characters",
                    self.max_text_length
                );
                refuse("too-long", message, format!("/action/arguments/{name}"))
            })
    }
}

/// True if a file controls automation with the repository's permissions, or the source of its code.
///
/// File systems may ignore case, and Windows reads `GITHUB~1` as `.github`.
fn is_automation(path: &str) -> bool {
    let path = path.to_lowercase();
    if path.split('/').any(|it| it == ".git" || is_short_name(it)) {
        return true;
    }
    let is_in = |folder: &str| {
        path.strip_prefix(folder)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    is_in(".github/workflows")
        || is_in(".github/actions")
        || matches!(
            path.as_str(),
            ".github"
                | ".gitmodules"
                | ".github/dependabot.yml"
                | ".github/dependabot.yaml"
                | ".github/codeowners"
                | "codeowners"
                | "docs/codeowners"
        )
}

/// True if Windows may read the name as another file's short name, as `GITHUB~1` for `.github`.
///
/// A short name is at most eight characters that end with `~` and digits, and at most three after a dot.
fn is_short_name(name: &str) -> bool {
    let (stem, extension) = name.split_once('.').unwrap_or((name, ""));
    let digits = stem.rsplit_once('~').map_or("", |(_, digits)| digits);
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_number && stem.chars().count() <= 8 && extension.chars().count() <= 3
}

fn refuse(code: &str, message: String, evidence: String) -> Verdict {
    Verdict::deny().because(code, message).fields([evidence])
}
