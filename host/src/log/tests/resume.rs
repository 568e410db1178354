//! Lines after a position: in order, over files, and only if the log still has the line of the position.

use super::*;
use crate::log::resume::{Line, Most, Position, read_after};

const ALL: Most = Most {
    lines: usize::MAX,
    bytes: usize::MAX,
};

/// All lines as their files have them.
fn lines(path: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    read(path, |_, _, text, _| {
        lines.push(text.to_owned());
        Ok(())
    })
    .unwrap();
    lines
}

/// All lines after `position`, in batches.
fn batches(path: &Path, most: Most) -> (Vec<Vec<Line>>, Position) {
    let (mut batches, mut position) = (Vec::new(), None);
    loop {
        let found = read_after(path, position.as_ref(), most).unwrap();
        // A position is kept in a file.
        let text = serde_json::to_string(&found.position).unwrap();
        let kept: Position = serde_json::from_str(&text).unwrap();
        assert_eq!(kept, found.position);
        position = Some(kept);
        if found.lines.is_empty() {
            assert_eq!(found.recorded, found.position.sequence());
            return (batches, found.position);
        }
        batches.push(found.lines);
    }
}

fn texts(batches: Vec<Vec<Line>>) -> Vec<String> {
    let lines = batches.into_iter().flatten();
    lines.map(|line| line.text).collect()
}

#[test]
fn every_line_is_read_once_in_batches_of_any_size() {
    let (folder, options) = sealed("resumed");
    let path = folder.log();
    let all = lines(&path);
    for count in [1, 2, 7, all.len(), usize::MAX] {
        let most = Most {
            lines: count,
            ..ALL
        };
        let (batches, _) = batches(&path, most);
        assert!(batches.iter().all(|batch| batch.len() <= count));
        assert_eq!(texts(batches), all);
    }
    let widest = all.iter().map(String::len).max().unwrap();
    for bytes in [1, widest, 2 * widest + 2] {
        let most = Most { bytes, ..ALL };
        let (batches, _) = batches(&path, most);
        for batch in &batches {
            let sum: usize = batch.iter().map(|line| line.text.len() + 1).sum();
            assert!(batch.len() == 1 || sum <= bytes, "{sum} of {bytes}");
        }
        assert_eq!(texts(batches), all);
    }
    // A host that goes on.
    let (_, end) = batches(&path, ALL);
    let log = DecisionLog::open(options).unwrap();
    (0..20).for_each(|n| record(&log, n).unwrap());
    let more = read_after(&path, Some(&end), ALL).unwrap();
    let more: Vec<_> = more.lines.into_iter().map(|line| line.text).collect();
    assert_eq!([all, more].concat(), lines(&path));
}

#[test]
fn a_log_without_lines_has_none_until_it_has_some() {
    let folder = Folder::new("resumed-empty");
    let log = DecisionLog::open(options(&folder.log())).unwrap();
    let none = read_after(&folder.log(), None, ALL).unwrap();
    assert!(none.lines.is_empty());
    assert_eq!((none.position.sequence(), none.recorded), (0, 0));
    record(&log, 0).unwrap();
    let one = read_after(&folder.log(), Some(&none.position), ALL).unwrap();
    assert_eq!(one.lines.len(), 1);
    assert_eq!(one.lines[0].sequence, 1);
    assert_eq!(one.lines[0].at, NOW);
}

/// A line behind the head may vanish in a crash, or be forged.
#[test]
fn a_line_that_is_not_recorded_yet_is_not_read() {
    let folder = Folder::new("resumed-behind");
    let log = DecisionLog::open(options(&folder.log())).unwrap();
    (0..3).for_each(|n| record(&log, n).unwrap());
    let head = fs::read(head_of(&folder)).unwrap();
    record(&log, 3).unwrap();
    drop(log);
    fs::write(head_of(&folder), head).unwrap();
    let found = read_after(&folder.log(), None, ALL).unwrap();
    assert_eq!((found.lines.len(), found.recorded), (3, 3));
    fs::remove_file(head_of(&folder)).unwrap();
    let none = read_after(&folder.log(), Some(&found.position), ALL);
    assert!(matches!(none, Err(Corrupt::NoHead(_))), "{none:?}");
}

#[test]
fn a_log_that_was_cut_changed_or_replaced_is_an_error() {
    let folder = Folder::new("resumed-other");
    let path = folder.log();
    let begin = |count: u32, first: u32| {
        let _ = fs::remove_file(&path);
        let _ = fs::remove_file(head_of(&folder));
        let log = DecisionLog::open(options(&path)).unwrap();
        (0..count).for_each(|n| record(&log, first + n).unwrap());
    };
    let after = |position: &Position| match read_after(&path, Some(position), ALL) {
        Ok(found) => panic!("{found:?}"),
        Err(error) => error.to_string(),
    };
    begin(5, 0);
    let position = read_after(&path, None, ALL).unwrap().position;
    begin(3, 100);
    let cut = read_after(&path, Some(&position), ALL);
    assert!(
        matches!(
            cut,
            Err(Corrupt::Truncated {
                found: 3,
                recorded: 5,
                ..
            })
        ),
        "{cut:?}"
    );
    for count in [5, 6, 20] {
        begin(count, 100);
        let said = after(&position);
        assert!(
            said.contains("not line 5 of the log that was read before"),
            "{said}"
        );
    }
    // A position in the middle, and a line after it that was changed.
    begin(5, 0);
    let most = Most { lines: 2, ..ALL };
    let middle = read_after(&path, None, most).unwrap().position;
    let text = fs::read_to_string(&path).unwrap();
    assert!(read_after(&path, Some(&middle), ALL).is_ok());
    fs::write(&path, text.replacen("\"n\":3", "\"n\":4", 1)).unwrap();
    assert!(after(&middle).contains("jsonl:5: it does not follow from the line before it"));
    // The last bytes are gone, and the head says that they were there.
    fs::write(&path, &text[..text.len() - 10]).unwrap();
    assert!(after(&middle).contains("jsonl:5: it is cut off"));
    fs::write(&path, &text).unwrap();
    assert!(read_after(&path, Some(&middle), ALL).is_ok());
}

#[test]
fn an_archived_file_is_read_where_it_was_moved_and_a_lost_one_is_named() {
    let (folder, _) = sealed("resumed-archived");
    let path = folder.log();
    let all = lines(&path);
    let most = Most { lines: 1, ..ALL };
    let first = read_after(&path, None, most).unwrap().position;
    let to = folder.0.join("archive");
    fs::create_dir(&to).unwrap();
    archive(&path, &to, 0).unwrap();
    let rest = read_after(&path, Some(&first), ALL).unwrap();
    let rest: Vec<_> = rest.lines.into_iter().map(|line| line.text).collect();
    assert_eq!(rest, all[1..]);
    fs::remove_file(to.join("decisions.000001.jsonl")).unwrap();
    match read_after(&path, Some(&first), ALL) {
        Err(Corrupt::Missing(files)) => {
            assert_eq!(files, [folder.0.join("decisions.000001.jsonl")]);
        }
        other => panic!("{other:?}"),
    }
}
