//! Reads marks of state and revocation list from a log's last lines.

use super::archive::Archived;
use super::chain::opening;
use super::files::{hash, name_of, newest_sealed, numbered};
use super::tail::Backwards;
use portcullis_model::marks::ListMark;
use portcullis_model::marks::StateMark;
use portcullis_trust::regular;
use portcullis_trust::state::{LineMarks, Marks};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::cell::OnceCell;
use std::fs::File;
use std::io;
use std::path::Path;

/// Minimum number of bytes read at the end of a log.
const AT_LEAST: u64 = 256 * 1024;

/// The members of a line that are read here. All others are skipped.
#[derive(Deserialize)]
struct Line {
    sequence: u64,
    #[serde(default)]
    event: String,
    #[serde(alias = "evidence")]
    inputs: Option<Inputs>,
    epoch: Option<u64>,
    digest: Option<String>,
    revoked: Option<IgnoredAny>,
    state: Option<StateMark>,
    list: Option<ListMark>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Inputs {
    revocation: Option<Seen>,
    revocation_again: Option<Seen>,
    state: Option<StateMark>,
}

#[derive(Deserialize)]
struct Seen {
    epoch: u64,
    digest: Option<String>,
    error: Option<IgnoredAny>,
}

/// The marks in one line of a log.
fn read(line: &[u8]) -> Option<LineMarks> {
    let line: Line = serde_json::from_slice(line).ok()?;
    let mut said = LineMarks {
        sequence: line.sequence,
        ..LineMarks::default()
    };
    match line.event.as_str() {
        "accepted" => {
            said.accepts = true;
            said.state = line.state;
            said.list = line.list;
        }
        "decision" => {
            let inputs = line.inputs?;
            said.state = inputs.state;
            let seen = [inputs.revocation, inputs.revocation_again];
            for seen in seen.into_iter().flatten() {
                if seen.error.is_none() {
                    said.raise_list(seen.epoch, seen.digest);
                }
            }
        }
        "revocation" | "lift" => {
            let epoch = line.epoch?;
            // Older hosts wrote no digest, and did not record revocations from before they started.
            let is_complete = line.event == "revocation"
                && line.revoked.is_none()
                && (line.digest.is_some() || epoch == 0);
            said.has_all = is_complete.then_some(epoch);
            said.raise_list(epoch, line.digest);
        }
        _ => {}
    }
    Some(said)
}

/// Reads the marks beside the log in `path` and in its later lines; with `writes`, new ones are recorded.
pub(crate) fn marks_of(path: &Path, writes: bool) -> Marks {
    Marks::of_log(path, writes, backwards)
}

/// Passes the marks in a log's lines to `each`, last line first.
///
/// It reads down to line `known`, and at least the end of the log, including sealed and archived files as
/// far as they exist. From line `known` down, it stops at a line in which an operator accepted a state or
/// a list, and does not pass on that line.
///
/// # Errors
///
/// The latest file cannot be read, or a sealed file cannot be read to its beginning.
fn backwards(path: &Path, mut known: u64, each: &mut dyn FnMut(LineMarks)) -> io::Result<()> {
    let mut file = regular::open(path)?;
    let mut number = match opening(path, &file) {
        Ok(Some(first)) => first.number,
        _ => newest_sealed(path)?.map_or(1, |newest| newest.saturating_add(1)),
    };
    let (mut bytes, mut is_last) = (0_u64, true);
    let records = OnceCell::new();
    loop {
        let mut lines = Backwards::new(&file)?;
        while let Some(line) = lines.next()? {
            bytes = bytes.saturating_add(line.len() as u64);
            let Some(said) = read(&line) else {
                continue;
            };
            if std::mem::take(&mut is_last) && said.sequence < known {
                // `known` belongs to another, longer log: read everything.
                known = 0;
            }
            if said.sequence <= known && (bytes > AT_LEAST || said.accepts) {
                return Ok(());
            }
            each(said);
        }
        number = number.saturating_sub(1);
        match sealed(path, number, &records) {
            Some(before) => file = before,
            None => return Ok(()),
        }
    }
}

/// Opens a sealed file by its number, beside the log or in the archive.
///
/// `records` is filled when it is first needed.
pub(super) fn sealed(path: &Path, number: u32, records: &OnceCell<Vec<Archived>>) -> Option<File> {
    if number == 0 {
        return None;
    }
    let beside = numbered(path, number);
    regular::open(&beside).ok().or_else(|| {
        let records = records.get_or_init(|| Archived::read(path).unwrap_or_default());
        let record = records.iter().find(|record| record.file == number)?;
        let moved = Path::new(record.moved_to.as_deref()?).join(name_of(&beside));
        let file = regular::open(&moved).ok()?;
        // Another file of that name is not part of this log.
        let last = Backwards::new(&file).ok()?.next().ok()??;
        (hash(&last) == record.hash).then_some(file)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn line(sequence: u64, rest: &str) -> String {
        format!(
            r#"{{"v":1,"sequence":{sequence},"previous":"x","at":"2026-11-26T00:00:00Z",{rest}}}"#
        ) + "\n"
    }

    #[test]
    fn lines_say_how_far_state_and_list_went() {
        let state = r#"{"generation":"g","changes":3}"#;
        let read = |rest: &str| read(line(7, rest).trim_end().as_bytes()).unwrap();
        let said = read(&format!(
            r#""event":"decision","request":{{"state":1}},"inputs":{{"state":{state},"revocation":{{"epoch":2,"digest":"d"}},"revocation-again":{{"epoch":4}}}},"decision":{{}}"#
        ));
        assert_eq!(said.state.unwrap().changes, 3);
        let list = said.list.unwrap();
        assert_eq!((list.epoch, list.fixed()), (4, Some((2, "d"))));
        let said =
            read(r#""event":"decision","evidence":{"revocation":{"epoch":9,"error":"older"}}"#);
        assert!(said.list.is_none(), "that list was not relied on");
        for (rest, has_all) in [
            (r#""event":"revocation","epoch":2"#, None),
            (r#""event":"revocation","epoch":0"#, Some(0)),
            (r#""event":"revocation","epoch":2,"digest":"d""#, Some(2)),
            (
                r#""event":"revocation","epoch":2,"digest":"d","revoked":{"kind":"intent"}"#,
                None,
            ),
            (r#""event":"lift","epoch":2,"digest":"d","lifted":{}"#, None),
        ] {
            let said = read(rest);
            assert_eq!(said.has_all, has_all, "{rest}");
            assert!(said.list.is_some() && !said.accepts);
        }
        let said = read(r#""event":"accepted","by":"a","reason":"r","list":{"epoch":1}"#);
        assert!(said.accepts && said.list.is_some() && said.state.is_none());
        let said = read(r#""event":"issuance","digest":"sha256:1","intent":"i""#);
        assert!(said.list.is_none() && said.state.is_none());
    }

    #[test]
    fn a_log_is_read_back_to_what_is_known_over_all_its_files() {
        let folder = std::env::temp_dir().join(format!("portcullis-since-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("d.jsonl");
        // The lines are so long that the end of the log holds only a few of them.
        let reason = "x".repeat(100_000);
        let long = format!(r#""event":"refused","detail":"{reason}""#);
        let opening = |file: u32| format!(r#""event":"opening","file":{file}"#);
        let files = [
            (
                numbered(&path, 1),
                vec![(1, &*long), (2, &*long), (3, &*long), (4, &*long)],
            ),
            (
                numbered(&path, 2),
                vec![(5, ""), (6, &*long), (7, &*long), (8, &*long)],
            ),
            (path.clone(), vec![(9, ""), (10, &*long), (11, &*long)]),
        ];
        for (number, (file, lines)) in files.iter().enumerate() {
            let opening = opening(u32::try_from(number).unwrap() + 1);
            let lines = lines.iter().map(|(sequence, rest)| match rest.is_empty() {
                true => line(*sequence, &opening),
                false => line(*sequence, rest),
            });
            fs::write(file, lines.collect::<String>()).unwrap();
        }
        let read = |known: u64| {
            let mut read = Vec::new();
            backwards(&path, known, &mut |said| read.push(said.sequence)).unwrap();
            read
        };
        let down_to = |first: u64| (first..=11).rev().collect::<Vec<_>>();
        assert_eq!(read(11), down_to(9), "the end, in any case");
        assert_eq!(read(6), down_to(7));
        assert_eq!(read(4), down_to(5));
        assert_eq!(read(2), down_to(3));
        assert_eq!(read(0), down_to(1));
        assert_eq!(read(12), down_to(1), "that was known of another log");
        // The previous file is missing: the existing files are read.
        fs::remove_file(numbered(&path, 1)).unwrap();
        assert_eq!(read(0), down_to(5));
        // The next file was started and has no line yet.
        fs::rename(&path, numbered(&path, 3)).unwrap();
        fs::write(&path, "").unwrap();
        assert_eq!(read(0), down_to(5));
        // An operator's acceptance overrides earlier marks, and only once.
        let accepted = r#""event":"accepted","by":"a","reason":"r","list":{"epoch":1}"#;
        let text = line(12, &opening(4)) + &line(13, accepted) + &line(14, &long);
        fs::write(&path, text).unwrap();
        assert_eq!(read(14), [14]);
        assert_eq!(read(12)[..2], [14, 13]);
        fs::remove_dir_all(folder).unwrap();
    }
}
