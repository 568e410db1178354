//! The configuration and the components as files that are followed.

use super::Shared;
use portcullis_trust::watched::{Look, Stamp, Watch};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Time after which a refused configuration is read again, although no followed file changed.
///
/// The reason for the refusal may be another file, such as a key.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Stamps of files, as they were when the configuration was read.
#[derive(Debug, Default)]
pub(super) struct Stamps {
    /// The configuration, and then the components; `None` is the stamp of a file that is missing.
    files: Vec<(PathBuf, Option<Stamp>)>,
}

impl Stamps {
    /// Takes the stamps of the configuration and the components as they are now.
    pub(super) fn expect(&mut self, file: &Path, components: &[PathBuf]) {
        let files = std::iter::once(file).chain(components.iter().map(PathBuf::as_path));
        self.files = files
            .map(|file| (file.to_owned(), stamp_of(file)))
            .collect();
    }

    /// Takes the stamps of components that are not followed yet.
    pub(super) fn expect_more(&mut self, components: &[PathBuf]) {
        for file in components {
            if !self.files.iter().any(|(known, _)| known == file) {
                self.files.push((file.clone(), stamp_of(file)));
            }
        }
    }

    /// Stops following all components but these.
    pub(super) fn keep_only(&mut self, components: &[PathBuf]) {
        let mut is_configuration = true;
        self.files
            .retain(|(file, _)| std::mem::take(&mut is_configuration) || components.contains(file));
    }

    /// The followed components.
    pub(super) fn components(&self) -> Vec<PathBuf> {
        let components = self.files.iter().skip(1);
        components.map(|(file, _)| file.clone()).collect()
    }

    /// Stamps that differ now: with their places, so that two looks compare.
    fn changed(&self) -> Vec<(usize, Option<Stamp>)> {
        let files = self.files.iter().enumerate();
        let now = files.map(|(place, (file, known))| (place, known, stamp_of(file)));
        now.filter(|(_, known, now)| *known != now)
            .map(|(place, _, now)| (place, now))
            .collect()
    }
}

/// Stamp of the file that a path leads to; `None` if there is none.
fn stamp_of(file: &Path) -> Option<Stamp> {
    std::fs::metadata(file).ok().map(|it| Stamp::of(&it))
}

/// Reloads the configuration when it or a component changes.
pub(super) struct Follower {
    /// Weak: the thread that looks at the files must not keep the host.
    shared: Weak<Shared>,
    file: PathBuf,
    seen: Mutex<Seen>,
}

/// What the last look found.
#[derive(Default)]
struct Seen {
    changed: Vec<(usize, Option<Stamp>)>,
    refused_at: Option<Instant>,
}

impl Follower {
    pub(super) fn of(shared: &std::sync::Arc<Shared>, file: PathBuf) -> Self {
        Self {
            shared: std::sync::Arc::downgrade(shared),
            file,
            seen: Mutex::default(),
        }
    }
}

impl Watch for Follower {
    fn path(&self) -> PathBuf {
        self.file.clone()
    }

    fn look(&self, look: Look) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let mut loading = shared.loading();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = loading.stamps.changed();
        let is_stable = changed == seen.changed || look == Look::AtOnce;
        let is_due = match changed.is_empty() {
            false => is_stable,
            true => seen
                .refused_at
                .is_some_and(|at| at.elapsed() >= AGAIN_AFTER),
        };
        seen.changed = changed;
        if is_due {
            let reloaded = shared.reload_in(&mut loading, &self.file);
            seen.refused_at = reloaded.is_err().then(Instant::now);
            seen.changed = Vec::new();
        } else if shared.known().refused.is_none() {
            seen.refused_at = None;
        }
    }

    fn problem(&self) -> Option<String> {
        let shared = self.shared.upgrade()?;
        let known = shared.known();
        known.refused.as_ref().map(|it| it.problems.join("; "))
    }
}
