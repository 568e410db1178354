//! Messages between the host and the program that compiles.
//!
//! A message is a header in JSON, and bytes. Each part is preceded by its length, and the message is followed
//! by its SHA-256, so that a message that is cut short or mixed with other output is found out.

use crate::job::Form;
use crate::load_error::LoadError;
use portcullis_model::limits::PluginLimits;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::io::{self, Read, Write};

/// Maximum size of a header in bytes: settings and errors are in it.
const MAX_HEADER_BYTES: usize = 32 * 1024 * 1024;

/// Header of a job; the component follows.
#[derive(Serialize, Deserialize)]
pub(super) struct Request {
    /// Version of the program, and the engine's own digest of its settings.
    pub(super) version: Version,
    pub(super) limits: PluginLimits,
    pub(super) form: Form,
    pub(super) settings: String,
}

/// Header of an answer; the code follows if there is no error.
#[derive(Serialize, Deserialize)]
pub(super) enum Answer {
    Compiled,
    /// The plugin is refused.
    Refused(LoadError),
    /// The plugin is refused for something that the host finds by looking at the file.
    RefusedAsFound,
    /// The program is of another version.
    OtherVersion(Version),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Version {
    pub(super) package: String,
    pub(super) engine: u64,
}

impl Version {
    /// The version of this program, for code of `form`.
    pub(super) fn own(form: Form) -> Result<Self, LoadError> {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let mut hasher = DefaultHasher::new();
        let engine = form.engine()?;
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(Self {
            package: env!("CARGO_PKG_VERSION").to_owned(),
            engine: hasher.finish(),
        })
    }
}

/// Writes a message.
pub(super) fn write(to: &mut impl Write, header: &impl Serialize, bytes: &[u8]) -> io::Result<()> {
    let header = serde_json::to_vec(header).map_err(io::Error::other)?;
    let mut digest = Sha256::new();
    for part in [&*header, bytes] {
        let length = (part.len() as u64).to_le_bytes();
        to.write_all(&length)?;
        to.write_all(part)?;
        digest.update(length);
        digest.update(part);
    }
    to.write_all(&digest.finalize())?;
    to.flush()
}

/// Reads a message whose bytes are at most `most`. `early` gets the header before the bytes are read.
pub(super) fn read<H: DeserializeOwned>(
    from: &mut impl Read,
    most: usize,
    early: impl FnOnce(&H) -> io::Result<()>,
) -> io::Result<(H, Vec<u8>)> {
    let mut digest = Sha256::new();
    let mut part = |most| -> io::Result<Vec<u8>> {
        let mut length = [0; 8];
        from.read_exact(&mut length)?;
        let size = usize::try_from(u64::from_le_bytes(length)).unwrap_or(usize::MAX);
        if size > most {
            return Err(invalid(format!(
                "it announces {size} bytes, and {most} is the most"
            )));
        }
        let mut bytes = Vec::new();
        from.take(size as u64).read_to_end(&mut bytes)?;
        if bytes.len() != size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        digest.update(length);
        digest.update(&bytes);
        Ok(bytes)
    };
    let header = part(MAX_HEADER_BYTES)?;
    let header: H = serde_json::from_slice(&header)
        .map_err(|error| invalid(format!("its header is not valid: {error}")))?;
    early(&header)?;
    let bytes = part(most)?;
    let mut stated = [0; 32];
    from.read_exact(&mut stated)?;
    match digest.finalize()[..] == stated {
        true => Ok((header, bytes)),
        false => Err(invalid("its digest is another".to_owned())),
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Vec<u8> {
        let mut message = Vec::new();
        write(&mut message, &"header", b"bytes").unwrap();
        message
    }

    fn read_back(mut bytes: &[u8], most: usize) -> io::Result<(String, Vec<u8>)> {
        read(&mut bytes, most, |_| Ok(()))
    }

    #[test]
    fn a_message_is_read_as_it_was_written() {
        let (header, bytes) = read_back(&message(), 5).unwrap();
        assert_eq!((header.as_str(), &*bytes), ("header", &b"bytes"[..]));
    }

    #[test]
    fn every_other_message_is_an_error() {
        let message = message();
        for length in 0..message.len() {
            assert!(read_back(&message[..length], 5).is_err(), "{length}");
        }
        for at in 0..message.len() {
            for bit in 0..8 {
                let mut damaged = message.clone();
                damaged[at] ^= 1 << bit;
                assert!(read_back(&damaged, 5).is_err(), "{at} {bit}");
            }
        }
        let error = read_back(&message, 4).unwrap_err().to_string();
        assert_eq!(error, "it announces 5 bytes, and 4 is the most");
    }
}
