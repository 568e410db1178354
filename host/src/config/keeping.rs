//! Reads the sections of the process and its files: `[engine]`, `[cache]` and `[log]`.

use super::set;
use crate::log::{Durability, LogOptions, Mask, MaskError};
use portcullis_model::document::FILE;
use portcullis_model::document::Problem;
use portcullis_model::document::{Section, Source, Span};
use portcullis_sandbox::CompiledCache;
use portcullis_sandbox::{PagemapScan, choose_pagemap_scan};
use std::path::{Path, PathBuf};

/// Settings of `[engine]`.
pub(super) struct EngineOptions {
    /// True if the settings apply to this process. Otherwise, the caller must not load anything.
    pub(super) is_applied: bool,
    /// Number of resets of an instance between two self-checks, if it is configured; 0 turns them off.
    pub(super) check_resets_every: Option<u32>,
    pub(super) compile: CompileIn,
}

/// Process in which plugins are compiled.
#[derive(Debug, Clone)]
pub(super) enum CompileIn {
    /// A child process if this program can be one, or else this process for first-party integrations only.
    Default,
    Child,
    /// A child process of that program.
    Program(PathBuf),
    Process,
}

/// Reads `[engine]`, and applies it to this process.
pub(super) fn engine(root: &mut Section<'_, '_>, folder: &Path) -> EngineOptions {
    let source = root.source();
    let mut place = FILE;
    let mut scan = PagemapScan::Off;
    let mut known = true;
    let mut check_resets_every = None;
    let mut compile = CompileIn::Default;
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
        check_resets_every = section.integer("check-resets-every", 0..=MOST_CHECK_RESETS_EVERY);
        match section.text("compile") {
            None => {}
            Some(("child", _)) => compile = CompileIn::Child,
            Some(("in-process", _)) => compile = CompileIn::Process,
            Some((_, span)) => source.error(span, "`compile` is `child` or `in-process`"),
        }
        if let Some((program, span)) = section.text("compiler") {
            match compile {
                CompileIn::Process => source.error(
                    span,
                    "`compiler` is the program that compiles plugins in a child process, and `compile` is `in-process`: remove one",
                ),
                _ => compile = CompileIn::Program(folder.join(program)),
            }
        }
        section.end();
    }
    let chosen = known
        && choose_pagemap_scan(scan)
            .map_err(|error| source.error(place, error.to_string()))
            .is_ok();
    EngineOptions {
        is_applied: chosen,
        // Without the feature `reset`, the key is valid and nothing is reset.
        check_resets_every: check_resets_every.and_then(|every| u32::try_from(every).ok()),
        compile,
    }
}

/// Maximum of `check-resets-every`.
const MOST_CHECK_RESETS_EVERY: usize = 1 << 30;

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

/// True if both paths lead to the same existing file.
pub(super) fn is_same_file(one: &Path, other: &Path) -> bool {
    let found = |path: &Path| std::fs::canonicalize(path).ok();
    one == other || (found(one).is_some() && found(one) == found(other))
}

/// Folder of a log's files.
fn folder_of(log: &Path) -> PathBuf {
    match log.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Reports a folder in which no host could write the log. Returns false if it is missing.
///
/// The user of a dry run may have fewer rights than that of the host, so that missing rights are a warning.
fn can_be_recorded(source: &Source<'_>, span: Span, log: &Path) -> bool {
    let folder = folder_of(log);
    match std::fs::metadata(&folder) {
        Err(error) => {
            let message = format!(
                "the log's folder {} cannot be used: {error}: create it, because the host does not",
                folder.display()
            );
            source.error(span, message);
            false
        }
        Ok(found) if !found.is_dir() => {
            let message = format!("the log's folder {} is no folder", folder.display());
            source.error(span, message);
            false
        }
        Ok(_) => {
            let written = if log.exists() { log } else { &folder };
            if !is_writable(written) {
                let message = format!(
                    "{} is not writable for this user: a host of this user would not start; change its owner or its mode",
                    written.display()
                );
                source.warn(span, message);
            }
            true
        }
    }
}

/// True if this user may write to the file, or into the folder. Nothing is written.
#[cfg(unix)]
fn is_writable(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
}

#[cfg(not(unix))]
fn is_writable(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| !found.permissions().readonly())
}

/// The existing files of a log, and the folder that contains them.
fn files_of(log: &Path) -> impl Iterator<Item = PathBuf> {
    let folder = folder_of(log);
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
    let mut wrong = false;
    let mut note = |under: &str, span: Span, error: MaskError| {
        source.error(span, format!("under `{under}`, {error}"));
        wrong = true;
    };
    let is_pointer = |pointer: &&String| match Mask::new([pointer.as_str()]) {
        Ok(_) => true,
        Err(error) => {
            note("mask", span.clone(), error);
            false
        }
    };
    let pointers: Vec<_> = mask.iter().filter(is_pointer).map(String::as_str).collect();
    let mut mask = match Mask::new(pointers) {
        Ok(mask) => mask,
        Err(error) => {
            note("mask", span.clone(), error);
            Mask::default()
        }
    };
    for header in headers {
        match mask.clone().and_header(&header) {
            Ok(more) => mask = more,
            Err(error) => note("mask-headers", span.clone(), error),
        }
    }
    for (header, why) in unmasked {
        let reason = why.get_ref().as_str().unwrap_or_default();
        match mask.clone().but_not_header(header, reason) {
            Ok(more) => mask = more,
            Err(error) => note("unmasked-headers", why.span(), error),
        }
    }
    section.end();
    let (path, place) = path?;
    let file = folder.join(path);
    let is_usable = can_be_recorded(source, place, &file);
    source.add(
        files_of(&file)
            .filter_map(|file| readable_by_others(&file))
            .collect(),
    );
    let mut options = LogOptions::new(file);
    options.durability = durability?;
    options.mask = Some(mask).filter(|_| !wrong && is_usable)?;
    set(
        &mut options.max_file_bytes,
        max_file_bytes.map(|bytes| bytes as u64),
    );
    Some(options)
}
