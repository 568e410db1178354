//! Consecutive lines of a list, which are delivered from one copy of it to another.

use super::added::parse;
use super::{ListError, Revocations};
use crate::state::shared::{Part, SharedList};
use sha2::{Digest as _, Sha256};
use std::path::Path;

/// Number of bytes after which a part ends, at the next possible line.
const PART_BYTES: usize = 256 * 1024;

impl Part {
    /// The lines of `list` that begin at byte `from`, as far as one part can hold them.
    ///
    /// With `is_signed`, the last of them is a head, so that a copy of the list is signed after each part.
    /// Returns `None` if there are none yet.
    pub(super) fn of(list: &[u8], from: u64, is_signed: bool) -> Result<Option<Self>, ListError> {
        let (before, rest) = split(list, from)?;
        let text = std::str::from_utf8(rest)
            .map_err(|_| ListError::NotContinued("the list is not UTF-8".to_owned()))?;
        let (mut read, mut end) = (0, 0);
        for line in text.split_inclusive('\n') {
            read += line.len();
            if !line.ends_with('\n') || (end > 0 && read > PART_BYTES) {
                break;
            }
            let may_end = !is_signed || parse(line).is_ok_and(|record| record.head.is_some());
            if may_end {
                end = read;
            }
        }
        let lines = text.get(..end).filter(|lines| !lines.is_empty());
        Ok(lines.map(|lines| Self {
            from,
            before: digest(before),
            lines: lines.to_owned(),
        }))
    }

    /// The lines of this part that `list` lacks.
    ///
    /// # Errors
    ///
    /// [`ListError::NotContinued`] if `list` is another list, or ends before this part begins.
    pub(super) fn missing_in(&self, list: &[u8]) -> Result<&str, ListError> {
        let (before, rest) = split(list, self.from)?;
        let differs = || {
            let message = format!("the two differ at or before byte {}", self.end());
            Err(ListError::NotContinued(message))
        };
        if digest(before) != self.before {
            return differs();
        }
        let lines = self.lines.as_bytes();
        if rest.starts_with(lines) {
            return Ok("");
        }
        let is_begun = lines.starts_with(rest) && rest.last().is_none_or(|last| *last == b'\n');
        match self.lines.get(rest.len()..) {
            Some(missing) if is_begun && self.lines.ends_with('\n') => Ok(missing),
            _ => differs(),
        }
    }
}

impl SharedList for Revocations {
    fn file(&self) -> &Path {
        Self::file(self)
    }

    fn part_from(&self, from: u64) -> Result<Option<Part>, String> {
        Self::part_from(self, from).map_err(|error| error.to_string())
    }

    fn holds(&self, part: &Part) -> Result<bool, String> {
        Self::holds(self, part).map_err(|error| error.to_string())
    }

    fn append_part(&self, part: &Part) -> Result<bool, String> {
        Self::append_part(self, part).map_err(|error| error.to_string())
    }

    fn only_copies(&self) {
        Self::only_copies(self);
    }
}

/// The list before and after its byte `at`.
fn split(list: &[u8], at: u64) -> Result<(&[u8], &[u8]), ListError> {
    let split = usize::try_from(at)
        .ok()
        .and_then(|at| list.split_at_checked(at));
    split.ok_or_else(|| {
        let message = format!("the list ends at byte {}, before byte {at}", list.len());
        ListError::NotContinued(message)
    })
}

fn digest(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "{\"epoch\":0,\"at\":\"2026-11-22T09:00:00Z\"}\n";
    const SECOND: &str = "{\"epoch\":0,\"at\":\"2026-11-22T09:01:00Z\",\"head\":\"x\"}\n";

    fn part(list: &str, from: usize) -> Option<Part> {
        Part::of(list.as_bytes(), from as u64, false).unwrap()
    }

    #[test]
    fn a_part_continues_the_list_that_it_is_of_and_no_other() {
        let list = format!("{FIRST}{SECOND}");
        let second = part(&list, FIRST.len()).unwrap();
        assert_eq!(second.lines, SECOND);
        assert_eq!(second.missing_in(FIRST.as_bytes()), Ok(SECOND));
        assert_eq!(second.missing_in(list.as_bytes()), Ok(""), "it has them");
        let longer = format!("{list}{SECOND}");
        assert_eq!(second.missing_in(longer.as_bytes()), Ok(""));
        let other = FIRST.replace("09:00", "09:05");
        for refused in [other.as_str(), "", &format!("{FIRST}{FIRST}")] {
            let refused = second.missing_in(refused.as_bytes());
            assert!(matches!(refused, Err(ListError::NotContinued(_))));
        }
    }

    #[test]
    fn a_copy_that_ends_within_a_part_lacks_the_rest_of_it() {
        let whole = part(&format!("{FIRST}{SECOND}"), 0).unwrap();
        assert_eq!(whole.missing_in(FIRST.as_bytes()), Ok(SECOND));
        let torn = FIRST.get(..10).unwrap();
        let refused = whole.missing_in(torn.as_bytes());
        assert!(matches!(refused, Err(ListError::NotContinued(_))));
    }

    #[test]
    fn a_part_ends_with_a_whole_line_and_in_a_signed_list_with_a_head() {
        let list = format!("{FIRST}{SECOND}{FIRST}");
        let signed = Part::of(list.as_bytes(), 0, true).unwrap().unwrap();
        assert_eq!(signed.lines, format!("{FIRST}{SECOND}"));
        let unsigned = Part::of(list.as_bytes(), signed.end(), true).unwrap();
        assert_eq!(unsigned, None, "no head yet");
        let torn = format!("{FIRST}{{\"epoch\"");
        assert_eq!(part(&torn, 0).unwrap().lines, FIRST);
        assert_eq!(part(&torn, FIRST.len()), None);
    }

    #[test]
    fn a_long_list_is_divided() {
        let list = FIRST.repeat(3 * PART_BYTES / FIRST.len());
        let (mut from, mut parts) = (0, 0);
        while let Some(part) = part(&list, from) {
            assert!(part.lines.len() <= PART_BYTES);
            from += part.lines.len();
            parts += 1;
        }
        assert_eq!((from, parts), (list.len(), 4));
    }
}
