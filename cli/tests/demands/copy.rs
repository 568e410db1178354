//! Copies of a scenario's folder, with the plugins beside its configuration.

use portcullis_host::Timestamp;
use portcullis_tests::guests;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// Plugins by the names that configurations give them.
pub(crate) struct Plugins(Vec<(&'static str, Vec<u8>)>);

/// Plugins that are made to be deployed, by file name. The test guest `hostile.wasm` is not.
pub(crate) const DEPLOYABLE: [&str; 2] = ["mcp-tools.wasm", "http-api.wasm"];

impl Plugins {
    pub(crate) fn build() -> anyhow::Result<Self> {
        let mut plugins = vec![("hostile.wasm", guests::component("tests/guests/hostile")?)];
        for name in DEPLOYABLE {
            let plugin = guests::plugin(name.trim_end_matches(".wasm"))?;
            plugins.push((name, plugin));
        }
        Ok(Self(plugins))
    }

    /// Copies the folder. The hosts of all copies share the cache of compiled plugins.
    pub(crate) fn copied(&self, folder: &Path) -> anyhow::Result<TempDir> {
        let copy = TempDir::new()?;
        copy_all(folder, copy.path())?;
        let file = copy.path().join("portcullis.toml");
        if let Ok(configuration) = fs::read_to_string(&file) {
            let cache = concat!(env!("CARGO_TARGET_TMPDIR"), "/compiled");
            // Top-level keys must come before the first table.
            fs::write(
                file,
                format!("cache = {{ path = {cache:?} }}\n{configuration}"),
            )?;
        }
        for (name, component) in &self.0 {
            fs::write(copy.path().join(name), component)?;
        }
        Ok(copy)
    }
}

fn copy_all(from: &Path, to: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(&to)?;
            copy_all(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

/// Moves every time in the text files of `folder`, so that `from` becomes `to`.
///
/// A token is verified at the time of the system's clock, so the times beside it have to be relative to that.
pub(crate) fn move_times(folder: &Path, from: Timestamp, to: Timestamp) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            move_times(&path, from, to)?;
        } else if let Some("toml" | "json" | "jsonl") = path.extension().and_then(|it| it.to_str())
        {
            let text = fs::read_to_string(&path)?;
            fs::write(&path, moved(&text, from, to))?;
        }
    }
    Ok(())
}

/// Returns `text` with every time moved by the difference of `from` and `to`.
fn moved(text: &str, from: Timestamp, to: Timestamp) -> String {
    const LENGTH: usize = "2026-11-16T10:00:00Z".len();
    let mut moved = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let time = rest
            .get(..LENGTH)
            .filter(|time| time.ends_with('Z'))
            .and_then(|time| time.parse::<Timestamp>().ok());
        let length = match time {
            Some(time) => {
                let later = time.as_millis() + to.as_millis();
                let time = Timestamp::from_millis(later.saturating_sub(from.as_millis()));
                moved.push_str(&time.to_string());
                LENGTH
            }
            None => {
                moved.push(first);
                first.len_utf8()
            }
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    moved
}
