//! Reads the sections of the process and its files: `[engine]`, `[cache]` and `[log]`.

use super::set;
use crate::log::{Durability, LogOptions, Mask, MaskError};
use portcullis_model::document::FILE;
use portcullis_model::document::Problem;
use portcullis_model::document::Section;
use portcullis_sandbox::CompiledCache;
use portcullis_sandbox::{PagemapScan, choose_pagemap_scan};
use std::path::{Path, PathBuf};

/// Reads `[engine]`, and applies it to this process.
///
/// Returns false if that fails; the caller must not load anything then.
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

/// Warns of decision data that other users can read or change.
#[cfg(unix)]
pub(super) fn readable_by_others(file: &Path) -> Option<Problem> {
    use std::os::unix::fs::MetadataExt as _;
    let found = std::fs::metadata(file).ok()?;
    let (mode, is_folder) = (found.mode(), found.is_dir());
    // Users who can write to a folder without the sticky bit can replace its files.
    let wide = match is_folder {
        true => mode & 0o022 != 0 && mode & 0o1000 == 0,
        false => mode & 0o077 != 0,
    };
    let (what, narrow) = match is_folder {
        true => ("other users can replace the host's files there", "700"),
        false => ("other users can read or change recorded decisions", "600"),
    };
    wide.then(|| {
        let mode = mode & 0o7777;
        let message = format!("it has mode {mode:04o}, so {what}: `chmod {narrow}` it");
        Problem::warning(file, message)
    })
}

#[cfg(not(unix))]
pub(super) fn readable_by_others(_: &Path) -> Option<Problem> {
    None
}

/// The existing files of a log, and the folder that contains them.
fn files_of(log: &Path) -> impl Iterator<Item = PathBuf> {
    let folder = match log.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let stem = log
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let files = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = files
        .filter(|file| file.file_type().is_ok_and(|kind| kind.is_file()))
        .filter(|file| {
            let name = file.file_name();
            let rest = name
                .to_string_lossy()
                .strip_prefix(stem.as_str())
                .map(str::to_owned);
            rest.is_some_and(|rest| rest.starts_with('.'))
        })
        .map(|file| file.path())
        .collect();
    files.sort();
    files.into_iter().chain([folder])
}

/// Reads `[cache]`, and opens the cache.
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
    let headers = section.texts("mask-headers").unwrap_or_default();
    let unmasked = section.entries("unmasked-headers");
    let mut mask = Mask::new(mask.iter().map(String::as_str))
        .map_err(|error| source.error(span.clone(), format!("under `mask`, {error}")))
        .ok();
    for header in headers {
        mask = mask.and_then(|mask| {
            let masked = mask.and_header(&header);
            let wrong = |error: MaskError| {
                source.error(span.clone(), format!("under `mask-headers`, {error}"));
            };
            masked.map_err(wrong).ok()
        });
    }
    for (header, why) in unmasked {
        mask = mask.and_then(|mask| {
            let unmasked = mask.but_not_header(header, why.get_ref().as_str().unwrap_or_default());
            let wrong = |error: MaskError| {
                source.error(why.span(), format!("under `unmasked-headers`, {error}"));
            };
            unmasked.map_err(wrong).ok()
        });
    }
    section.end();
    let file = folder.join(path?.0);
    source.add(
        files_of(&file)
            .filter_map(|file| readable_by_others(&file))
            .collect(),
    );
    let mut options = LogOptions::new(file);
    options.durability = durability?;
    options.mask = mask?;
    set(
        &mut options.max_file_bytes,
        max_file_bytes.map(|bytes| bytes as u64),
    );
    Some(options)
}
