//! The time of `fsync` on a file system, without a server.

use super::figure::median;
use super::server::millis;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

/// Number of lines that are written.
const LINES: usize = 200;

/// Bytes of a line, as many as a decision has in the log.
const LINE: usize = 1100;

/// Median time in which a line at the end of a file in `folder` is on disk, in milliseconds.
pub(super) fn fsync_millis(folder: &Path) -> anyhow::Result<f64> {
    let file = folder.join("fsync.log");
    let mut log = File::create(&file)?;
    let mut times = Vec::with_capacity(LINES);
    for _ in 0..LINES {
        let begun = Instant::now();
        log.write_all(&[b'x'; LINE])?;
        // As the log does (`Durability::Fsync`).
        log.sync_data()?;
        times.push(millis(begun.elapsed()));
    }
    std::fs::remove_file(&file)?;
    Ok(median(times))
}
