//! What the process has: `[engine]`, and what it keeps: `[cache]`, `[log]` and `[state]`.

use super::problem::Problem;
use super::reader::Section;
use super::{FILE, set};
use crate::engine::{PagemapScan, choose_pagemap_scan};
use crate::log::{Durability, LogOptions, Mask};
use crate::plugin::CompiledCache;
use crate::state::{CLONE_WINDOW, EmbeddedState, MAX_CREDENTIALS, StateError};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the state is kept.
pub(super) struct StateOptions {
    pub(super) path: PathBuf,
    pub(super) clone_window: Duration,
    pub(super) max_credentials: usize,
}

impl StateOptions {
    /// Opens the state, or makes it.
    pub(super) fn open(self) -> Result<EmbeddedState, StateError> {
        let state = EmbeddedState::open(self.path, self.clone_window)?;
        Ok(state.max_credentials(self.max_credentials))
    }

    /// Opens the state for a dry run, which makes none; and says so where it cannot be looked into.
    ///
    /// # Errors
    ///
    /// The problem, if the state is damaged.
    pub(super) fn look_into(self) -> Result<(EmbeddedState, Option<Problem>), Problem> {
        if !self.path.exists() {
            return Ok((
                EmbeddedState::in_place_of(&self.path, self.clone_window),
                None,
            ));
        }
        match EmbeddedState::open(&self.path, self.clone_window) {
            Ok(state) => Ok((state, None)),
            Err(error @ StateError::InUse(_)) => {
                let message =
                    format!("{error}: a dry run takes no use for spent that is counted there");
                let problem = Problem::warning(&self.path, message);
                Ok((EmbeddedState::in_memory(self.clone_window), Some(problem)))
            }
            Err(error) => Err(Problem::of_file(&self.path, error.to_string())),
        }
    }
}

/// Reads `[engine]`, and has it so in this process. Gives whether it is; if not, nothing is to be loaded.
pub(super) fn engine(root: &mut Section<'_, '_>) -> bool {
    let source = root.source();
    let mut place = FILE;
    let mut scan = PagemapScan::Off;
    let mut known = true;
    if let Some(mut section) = root.section("engine") {
        match section.text("pagemap-scan") {
            None => known = !section.has("pagemap-scan"),
            Some(("off", _)) => {}
            Some(("no-swap", span)) => (scan, place) = (PagemapScan::NoSwap, span),
            Some((_, span)) => {
                source.error(
                    span,
                    "`pagemap-scan` is `off`, or `no-swap` where the host has no swap, zram included",
                );
                known = false;
            }
        }
        section.end();
    }
    known
        && choose_pagemap_scan(scan)
            .map_err(|error| source.error(place, error.to_string()))
            .is_ok()
}

/// Reads `[state]`.
pub(super) fn state(mut section: Section<'_, '_>, folder: &Path) -> Option<StateOptions> {
    let path = section.required_text("path");
    let range = Duration::from_secs(1)..=Duration::from_secs(24 * 60 * 60);
    let mut clone_window = CLONE_WINDOW;
    set(&mut clone_window, section.duration("clone-window", range));
    let mut max_credentials = MAX_CREDENTIALS;
    let credentials = section.integer("max-credentials", 1_000..=10_000_000);
    set(&mut max_credentials, credentials);
    section.end();
    Some(StateOptions {
        path: folder.join(path?.0),
        clone_window,
        max_credentials,
    })
}

/// Reads `[cache]`, and opens what it names.
pub(super) fn cache(mut section: Section<'_, '_>, folder: &Path) -> Option<CompiledCache> {
    let source = section.source();
    let path = section.required_text("path");
    let max_bytes = section.integer("max-bytes", 1024 * 1024..=1 << 40);
    section.end();
    let (path, span) = path?;
    let cache = CompiledCache::open(folder.join(path))
        .map_err(|error| source.error(span, error.to_string()))
        .ok()?;
    Some(match max_bytes {
        Some(bytes) => cache.max_bytes(bytes as u64),
        None => cache,
    })
}

/// Reads `[log]`.
pub(super) fn log(mut section: Section<'_, '_>, folder: &Path) -> Option<LogOptions> {
    let source = section.source();
    let path = section.required_text("path");
    let durability = match section.text("durability") {
        None | Some(("fsync", _)) => Some(Durability::Fsync),
        Some(("buffered", _)) => Some(Durability::Buffered),
        Some((_, span)) => {
            source.error(span, "`durability` is `fsync` or `buffered`");
            None
        }
    };
    let span = section.span();
    let max_file_bytes = section.integer("max-file-bytes", 64 * 1024..=1 << 40);
    let mask = section.texts("mask").unwrap_or_default();
    section.end();
    let mask = Mask::new(mask.iter().map(String::as_str))
        .map_err(|error| source.error(span, format!("under `mask`, {error}")))
        .ok();
    let mut options = LogOptions::new(folder.join(path?.0));
    options.durability = durability?;
    options.mask = mask?;
    set(
        &mut options.max_file_bytes,
        max_file_bytes.map(|bytes| bytes as u64),
    );
    Some(options)
}
