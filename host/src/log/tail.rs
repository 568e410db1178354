//! Reads the lines of a file from its end.

use super::line::MAX_BYTES;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

/// Minimum number of bytes read at once.
const CHUNK: u64 = 64 * 1024;

/// The whole lines of a file, from the last to the first.
#[derive(Debug)]
pub(super) struct Backwards<'a> {
    file: &'a File,
    /// Position in the file at which `held` begins.
    begin: u64,
    /// Bytes not yet returned: they end with the next line to return, or are empty.
    held: Vec<u8>,
    /// Length of the whole lines, in bytes.
    whole: u64,
    length: u64,
}

impl<'a> Backwards<'a> {
    pub(super) fn new(file: &'a File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let mut lines = Self {
            file,
            begin: length,
            held: Vec::new(),
            whole: 0,
            length,
        };
        loop {
            if let Some(end) = lines.held.iter().rposition(|byte| *byte == b'\n') {
                lines.held.truncate(end + 1);
                lines.whole = lines.begin + lines.held.len() as u64;
                return Ok(lines);
            }
            if !lines.read_more()? {
                lines.held.clear();
                return Ok(lines);
            }
        }
    }

    /// Length of the whole lines in bytes; true if more bytes follow.
    pub(super) fn whole(&self) -> (u64, bool) {
        (self.whole, self.whole < self.length)
    }

    /// Returns the previous line, without its line end.
    pub(super) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some((_, before)) = self.held.split_last() {
                let begin = before.iter().rposition(|byte| *byte == b'\n');
                if begin.is_some() || self.begin == 0 {
                    let mut line = self.held.split_off(begin.map_or(0, |at| at + 1));
                    line.pop();
                    return Ok(Some(line));
                }
            }
            if !self.read_more()? {
                return Ok(None);
            }
        }
    }

    /// Reads the bytes before `held`; returns false at the start of the file.
    fn read_more(&mut self) -> io::Result<bool> {
        let held = self.held.len() as u64;
        if held > MAX_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "its last line is longer than any that a host writes",
            ));
        }
        let bytes = CHUNK.max(held).min(self.begin);
        if bytes == 0 {
            return Ok(false);
        }
        self.begin -= bytes;
        let mut file = self.file;
        file.seek(SeekFrom::Start(self.begin))?;
        let mut chunk = Vec::new();
        if file.take(bytes).read_to_end(&mut chunk)? as u64 != bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        chunk.append(&mut self.held);
        self.held = chunk;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn gives_the_whole_lines_of_any_length_from_the_end() {
        let long = "x".repeat(200_000);
        for (text, lines, whole) in [
            (String::new(), vec![], 0),
            ("cut".to_owned(), vec![], 0),
            ("\n".to_owned(), vec![""], 1),
            ("a\nb\n".to_owned(), vec!["b", "a"], 4),
            ("a\nb\ncut".to_owned(), vec!["b", "a"], 4),
            (format!("a\n{long}\n\ncut"), vec!["", &long, "a"], 200_004),
            (format!("a\n{long}"), vec!["a"], 2),
        ] {
            let path = std::env::temp_dir().join(format!("portcullis-tail-{}", std::process::id()));
            File::create(&path)
                .unwrap()
                .write_all(text.as_bytes())
                .unwrap();
            let file = File::open(&path).unwrap();
            let mut backwards = Backwards::new(&file).unwrap();
            assert_eq!(backwards.whole(), (whole, text.len() as u64 > whole));
            let mut given = Vec::new();
            while let Some(line) = backwards.next().unwrap() {
                given.push(String::from_utf8(line).unwrap());
            }
            assert_eq!(given, lines);
            std::fs::remove_file(path).unwrap();
        }
    }
}
