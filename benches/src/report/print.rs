//! The report for people at a terminal.

use super::Row;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, Color, ContentArrangement, Table};
use std::thread;

/// Prints the rows as a table, with the machine and the versions.
pub fn print(rows: &[Row]) {
    let mut table = Table::new();
    table
        .load_style(UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(["what", "goal", "measured", "ratio", ""]);
    for row in rows {
        let (met, colour) = match row.met {
            true => ("met", Color::Green),
            false => ("missed", Color::Red),
        };
        table.add_row([
            Cell::new(&row.name),
            Cell::new(&row.goal),
            Cell::new(&row.measured),
            Cell::new(format!("{:.2}", row.ratio)),
            Cell::new(met).fg(colour),
        ]);
    }
    println!("{}", about());
    println!("{table}");
}

/// Describes the machine, the versions and the time of the measurement.
fn about() -> String {
    let information = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = information
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("an unknown processor", |name| {
            name.trim_start_matches([' ', '\t', ':'])
        });
    let processors = thread::available_parallelism().map_or(0, usize::from);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{processor}, {processors} processors, kernel {}; portcullis {}, wasmtime 48, cedar-policy 4.14.1, regorus 0.14.1; {}; medians, and ratios as medians of the rounds",
        kernel.trim(),
        env!("CARGO_PKG_VERSION"),
        portcullis_host::Timestamp::now(),
    )
}
