//! What may be changed, and how much of it.

use crate::action::{Push, Text};
use crate::{GitHub, is_agent};
use portcullis_sdk::{Request, Verdict, is_unambiguous};

impl GitHub {
    pub(crate) fn refuse_files(&self, request: &Request, push: &Push) -> Option<Verdict> {
        let Some(files) = &push.files else {
            return Some(
                Verdict::indeterminate()
                    .because(
                        "files-unknown",
                        "the enforcement point does not say which files change: list them with path and bytes",
                    )
                    .evidence(["/action/arguments/files"]),
            );
        };
        if files.len() > self.max_files {
            let message = format!("{} files, and at most {} may change", files.len(), self.max_files);
            return Some(refuse("too-many-files", message, "/action/arguments/files".to_owned()));
        }
        let bytes = files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.bytes));
        if bytes > self.max_bytes {
            let message = format!("{bytes} bytes, and at most {} may change", self.max_bytes);
            return Some(refuse("too-large", message, "/action/arguments/files".to_owned()));
        }
        files.iter().enumerate().find_map(|(index, file)| {
            let at = format!("/action/arguments/files/{index}/path");
            if !is_unambiguous(&file.path) || file.path.starts_with('/') {
                let message = "the path is not a plain one from the repository's root".to_owned();
                return Some(refuse("path-ambiguous", message, at));
            }
            (is_agent(request) && is_automation(&file.path)).then(|| {
                let message =
                    format!("`{}` runs with the repository's powers: a person edits it", file.path);
                refuse("workflow-edit", message, at)
            })
        })
    }

    pub(crate) fn refuse_text(&self, text: &Text) -> Option<Verdict> {
        [("title", &text.title), ("body", &text.body)]
            .into_iter()
            .find(|(_, text)| text.chars().count() > self.max_text_length)
            .map(|(name, _)| {
                let message = format!("the {name} has more than {} characters", self.max_text_length);
                refuse("too-long", message, format!("/action/arguments/{name}"))
            })
    }
}

/// Whether a file decides what runs with the repository's powers. File systems may ignore case.
fn is_automation(path: &str) -> bool {
    let path = path.to_lowercase();
    path.starts_with(".github/workflows/")
        || path.starts_with(".github/actions/")
        || path == ".github/dependabot.yml"
        || matches!(path.as_str(), "codeowners" | ".github/codeowners" | "docs/codeowners")
}

fn refuse(code: &str, message: String, evidence: String) -> Verdict {
    Verdict::deny().because(code, message).evidence([evidence])
}
