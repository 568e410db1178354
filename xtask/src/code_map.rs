//! The code map of `docs/architecture.md`: every file that it names exists where it says.

use anyhow::{Context, bail};
use std::fs;
use std::path::Path;

/// Checks each table of the map, and prints the number of files.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    let page = root.join("docs/architecture.md");
    let text =
        fs::read_to_string(&page).with_context(|| format!("cannot read {}", page.display()))?;
    let (count, faults) = missing(&text, |path| root.join(path).exists());
    if !faults.is_empty() {
        bail!("{}: {}", page.display(), faults.join("; "));
    }
    eprintln!("    {count} files of the code map exist");
    Ok(())
}

/// The number of files in the map, and the faults of those that do not exist.
///
/// A table belongs to the folder in bold before it, which ends with `src`. In a row about one folder, files are
/// below that.
fn missing(page: &str, exists: impl Fn(&str) -> bool) -> (usize, Vec<String>) {
    let mut base = None;
    let (mut count, mut faults) = (0, Vec::new());
    for (index, line) in page.lines().enumerate() {
        if line.starts_with("## ") {
            base = None;
        }
        if let Some(folder) = line
            .strip_prefix("**`")
            .and_then(|rest| rest.split('`').next())
        {
            base = folder.ends_with("/src").then_some(folder);
        }
        let Some(base) = base.filter(|_| line.starts_with("| ")) else {
            continue;
        };
        let names: Vec<_> = line.split('`').skip(1).step_by(2).collect();
        let is_alone = line
            .split('|')
            .nth(1)
            .is_some_and(|cell| cell.matches('`').count() == 2);
        let folder = names.first().filter(|name| is_alone && name.ends_with('/'));
        let files = names
            .iter()
            .filter(|name| name.ends_with(".rs") || name.ends_with('/'));
        for name in files {
            let below = match folder {
                Some(folder) if folder != name => format!("{base}/{folder}{name}"),
                _ => format!("{base}/{name}"),
            };
            count += 1;
            if !exists(&below) {
                faults.push(format!("line {}: `{below}` does not exist", index + 1));
            }
        }
    }
    (count, faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
**`a/src`** is first:

| file | duty |
|---|---|
| `one.rs`, `two.rs` | says `Other` |
| `deep/` | `three.rs` reads `x.toml` |
| `deep/`, `five.rs` | are two |

**`a/`** holds crates:

| crate | duty |
|---|---|
| `b` | has `six.rs` |

## Next

| `four.rs` | is not of the map |
";

    #[test]
    fn a_file_that_is_missing_is_named_with_its_line() {
        let (count, faults) = missing(PAGE, |path| path != "a/src/deep/three.rs");
        assert_eq!(count, 6);
        assert_eq!(faults, ["line 6: `a/src/deep/three.rs` does not exist"]);
        assert_eq!(missing(PAGE, |_| true).1, Vec::<String>::new());
    }
}
