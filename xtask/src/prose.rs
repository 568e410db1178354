//! The prose of comments and documentation, measured against the rules of CONTRIBUTING.md.

use crate::house::files;
use anyhow::bail;
use std::fs;
use std::path::Path;

/// Words that a doc-comment line seldom begins with: a sentence names its subject.
const SELDOM_FIRST: [&str; 7] = ["What", "Whether", "Who", "How", "That", "Where", "When"];

/// The largest part of doc-comment lines that may begin so, in percent.
const MAX_PERCENT: f64 = 3.0;

/// Words that name no person.
const NEVER: [&str; 3] = ["somebody", "nobody", "whoever"];

/// Counts doc-comment lines that begin with a word of [`SELDOM_FIRST`], and finds those of [`NEVER`] in comments and
/// pages.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    let (mut lines, mut first) = (0_usize, 0_usize);
    let mut faults = Vec::new();
    for file in files(root, "rs")? {
        let text = fs::read_to_string(&file)?;
        for (number, line) in text.lines().enumerate() {
            let line = line.trim_start();
            let Some(comment) = line.strip_prefix("//") else {
                continue;
            };
            if let Some(words) = comment.strip_prefix(['/', '!']) {
                lines += 1;
                let word = words.split_whitespace().next().unwrap_or_default();
                first += usize::from(SELDOM_FIRST.contains(&word));
            }
            note(&mut faults, root, &file, number, comment);
        }
    }
    for page in files(root, "md")? {
        let text = fs::read_to_string(&page)?;
        let mut is_code = false;
        for (number, line) in text.lines().enumerate() {
            is_code ^= line.trim_start().starts_with("```");
            if !is_code {
                note(&mut faults, root, &page, number, line);
            }
        }
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "a share of some ten thousand lines"
    )]
    let percent = first as f64 * 100.0 / lines.max(1) as f64;
    println!(
        "    {lines} lines of doc comments; {percent:.1} % begin with {}",
        SELDOM_FIRST.join(", ")
    );
    if percent > MAX_PERCENT {
        faults.push(format!(
            "{percent:.1} % of the lines of doc comments begin with one of {}, and at most {MAX_PERCENT} % are allowed: name the subject",
            SELDOM_FIRST.join(", ")
        ));
    }
    match faults.is_empty() {
        true => Ok(()),
        false => bail!("{}", faults.join("\n")),
    }
}

/// Notes the words of [`NEVER`] in a line, those in quotations left out.
fn note(faults: &mut Vec<String>, root: &Path, file: &Path, number: usize, line: &str) {
    let said = unquoted(line).to_lowercase();
    let mut words = said.split(|c: char| !c.is_alphanumeric());
    if let Some(word) = words.find(|word| NEVER.contains(word)) {
        faults.push(format!(
            "{}:{}: `{word}`: name the person: operator, gateway, approver, plugin author",
            file.strip_prefix(root).unwrap_or(file).display(),
            number + 1
        ));
    }
}

/// The line without what stands in double quotes or in back ticks.
fn unquoted(line: &str) -> String {
    let mut quote = None;
    let mut rest = String::new();
    for letter in line.chars() {
        match quote {
            None if matches!(letter, '"' | '`') => quote = Some(letter),
            None => rest.push(letter),
            Some(open) if open == letter => quote = None,
            Some(_) => {}
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_and_a_quotation_is_not() {
        let found = |line: &str| {
            let mut faults = Vec::new();
            note(&mut faults, Path::new("/"), Path::new("/a.rs"), 0, line);
            faults.len()
        };
        assert_eq!(found("Nobody says so."), 1);
        assert_eq!(found("an answer of \"nobody\" and `somebody`"), 0);
        assert_eq!(found("the operator says so"), 0);
    }
}
