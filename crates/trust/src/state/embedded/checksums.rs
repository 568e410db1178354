//! Checksums of records, by which a flipped bit is noticed.

use super::failure::Failure;
use sha2::{Digest as _, Sha256};

/// Checksum of a record.
pub(super) fn checksum(parts: &[&[u8]]) -> u64 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest: [u8; 32] = hash.finalize().into();
    digest
        .iter()
        .take(8)
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

pub(super) fn checksum_of_count(key: &str, count: u64, until: u64) -> u64 {
    checksum(&[key.as_bytes(), &count.to_be_bytes(), &until.to_be_bytes()])
}

/// Appends a checksum to a text.
pub(super) fn sealed_text(text: &str) -> String {
    format!("{text} {}", checksum(&[text.as_bytes()]))
}

/// Removes the checksum from a text; `None` if it is wrong.
pub(super) fn opened_text(sealed: &str) -> Option<&str> {
    let (text, sum) = sealed.rsplit_once(' ')?;
    (sum.parse() == Ok(checksum(&[text.as_bytes()]))).then_some(text)
}

/// Adds a checksum to a count.
pub(super) fn sealed(key: &str, count: u64, until: u64) -> (u64, u64, u64) {
    (count, until, checksum_of_count(key, count, until))
}

/// Returns a count and its end, or an error if the checksum is wrong.
pub(super) fn opened(
    key: &str,
    (count, until, sum): (u64, u64, u64),
) -> Result<(u64, u64), Failure> {
    match sum == checksum_of_count(key, count, until) {
        true => Ok((count, until)),
        false => Err(Failure::Damaged(
            "a count of spent uses has a wrong checksum".to_owned(),
        )),
    }
}
