//! The file of the state, and the marks beside it.
//!
//! The input changes bytes of a state with spent uses and an intent, or of its marks.
//!
//! - The state is refused, or lacks its counts, or every count and document is as it was.

use crate::Read;
use arbitrary::{Result, Unstructured};
use portcullis_host::Timestamp;
use portcullis_host::state::{EmbeddedState, SpendError, State as _, Use};
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);
const WINDOW: Duration = Duration::from_secs(60);
const KEYS: usize = 40;
const INTENT: &[u8] = b"{\"max-uses\":2}";
/// Maximum number of changes of one input.
const MOST_CHANGES: usize = 8;

/// A state and its marks, as they are on disk.
struct Files {
    state: Vec<u8>,
    marks: Vec<u8>,
    /// Places of the bytes of the state that are not zero.
    used: Vec<usize>,
}

static WHOLE: LazyLock<Files> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("state.redb");
    let state = EmbeddedState::open(&file, WINDOW).expect("a state");
    let spent: Vec<_> = (0..KEYS).map(one_use).collect();
    state.spend(&spent, NOW).expect("spent");
    state.keep_intent("int-1", INTENT).expect("kept");
    state.remember().expect("remembered");
    drop(state);
    let read = |name: &str| std::fs::read(folder.path().join(name)).expect("a file");
    let state = read("state.redb");
    let used = (0..state.len()).filter(|at| state[*at] != 0).collect();
    let marks = read("state.redb.marks");
    Files { state, marks, used }
});

/// One use of what may be used once.
fn one_use(number: usize) -> Use {
    Use {
        key: format!("intent {number}"),
        limit: 1,
        until: NOW.plus(WINDOW),
    }
}

pub(super) fn run(input: &[u8]) -> Read {
    let (mut state, mut marks) = (WHOLE.state.clone(), WHOLE.marks.clone());
    let mut choices = Unstructured::new(input);
    for _ in 0..MOST_CHANGES {
        if choices.is_empty() || change(&mut state, &mut marks, &mut choices).is_err() {
            break;
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("state.redb");
    std::fs::write(&file, &state).expect("a file");
    std::fs::write(folder.path().join("state.redb.marks"), &marks).expect("a file");
    expect_the_truth_or_none(&file, state == WHOLE.state && marks == WHOLE.marks)
}

/// Makes one change of the state, or of its marks.
fn change(state: &mut Vec<u8>, marks: &mut Vec<u8>, choices: &mut Unstructured<'_>) -> Result<()> {
    let choice = choices.int_in_range(0..=7)?;
    let bytes = match choice {
        0 => marks,
        _ => state,
    };
    if bytes.is_empty() {
        return Ok(());
    }
    let at = match choice {
        1..=4 => WHOLE.used[choices.choose_index(WHOLE.used.len())?],
        _ => choices.choose_index(bytes.len())?,
    };
    match choice {
        6 => bytes.truncate(at),
        7 => {
            let from = choices.choose_index(bytes.len())?;
            let copied = bytes[from..bytes.len().min(from + 64)].to_vec();
            let end = bytes.len().min(at + copied.len());
            bytes.splice(at..end, copied);
        }
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << choices.int_in_range(0..=7)?;
            }
        }
    }
    Ok(())
}

fn expect_the_truth_or_none(file: &Path, is_whole: bool) -> Read {
    let state = match EmbeddedState::open(file, WINDOW) {
        Ok(state) => state,
        Err(error) => {
            assert!(!is_whole, "a whole state is refused: {error}");
            return Read::Refused;
        }
    };
    if let Some(lacks) = state.lacks() {
        assert!(!is_whole, "a whole state lacks something: {lacks}");
        let refused = state.spend(&[one_use(KEYS)], NOW);
        assert!(
            matches!(refused, Err(SpendError::State(_))),
            "a state that lacks counts spends: {refused:?}"
        );
        return Read::Refused;
    }
    // A page that was damaged is found at the latest when it is read.
    for number in 0..KEYS {
        let one = one_use(number);
        if let Ok(spent) = state.spent(&one.key) {
            assert_eq!(spent, 1, "{}", one.key);
        }
        let again = state.spend(std::slice::from_ref(&one), NOW);
        assert!(again.is_err(), "{} is spent twice", one.key);
    }
    if let Ok(kept) = state.kept_intents() {
        assert_eq!(kept, [INTENT.to_vec()]);
    }
    Read::Accepted
}
