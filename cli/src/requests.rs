//! Reads requests from files that hold one or several.

use crate::file;
use clap::ValueEnum;
use portcullis_cases::{Shape, shape_of};
use portcullis_host::{Pdp, Request, RequestLimits, json};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// The format of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum From {
    /// An AuthZEN 1.0 evaluation.
    Authzen,
    /// An MCP `tools/call` with its envelope.
    Mcp,
}

impl From {
    /// Returns the stated format, or else the format by the document's shape.
    pub(crate) fn of(stated: Option<Self>, document: &[u8]) -> Result<Self, json::Error> {
        match (stated, shape_of(document)) {
            (Some(stated), _) => Ok(stated),
            (None, Shape::Authzen) => Ok(Self::Authzen),
            (None, Shape::Mcp) => Ok(Self::Mcp),
            (None, Shape::Either) => Err(json::Error::NotHere {
                at: String::new(),
                why: "this is both an AuthZEN evaluation and an MCP envelope: choose one with `--from authzen` or `--from mcp`",
            }),
        }
    }

    /// Reads a request in this format. With `pdp`, its limits and default integrations apply.
    pub(crate) fn read(self, document: &[u8], pdp: Option<&Pdp>) -> Result<Request, json::Error> {
        let default = RequestLimits::default();
        let limits = pdp.map_or(&default, Pdp::request_limits);
        match (self, pdp) {
            (Self::Authzen, Some(pdp)) => pdp.read_authzen(document),
            (Self::Authzen, None) => Request::from_authzen(document, limits),
            (Self::Mcp, _) => Request::from_mcp(document, limits),
        }
    }
}

/// A source of requests, read incrementally.
pub(crate) struct Input {
    name: String,
    source: Box<dyn BufRead>,
    /// The current line, counted from 1.
    line: usize,
    /// The line on which the last document began.
    began: usize,
    documents: usize,
    /// True if each line is a document, as in JSON Lines.
    is_by_line: bool,
    batch: bool,
    /// A document read ahead, and the line on which it began.
    ahead: Option<(Vec<u8>, usize)>,
}

impl Input {
    /// Opens a file of requests, or standard input for `-`.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let (name, source): (_, Box<dyn BufRead>) = if path == Path::new("-") {
            (
                "standard input".to_owned(),
                Box::new(BufReader::new(io::stdin())),
            )
        } else {
            (
                path.display().to_string(),
                Box::new(BufReader::new(opened(path)?)),
            )
        };
        let is_by_line = path
            .extension()
            .is_some_and(|extension| extension == "jsonl");
        Ok(Self::from_source(name, source, is_by_line))
    }

    fn from_source(name: String, source: Box<dyn BufRead>, is_by_line: bool) -> Self {
        Self {
            name,
            source,
            line: 1,
            began: 1,
            documents: 0,
            is_by_line,
            batch: is_by_line,
            ahead: None,
        }
    }

    /// Returns the next request, truncated to `most` bytes.
    ///
    /// A request is one JSON value on any number of lines. The next one begins on a line of its own.
    pub(crate) fn next(&mut self, most: usize) -> io::Result<Option<Vec<u8>>> {
        let next = match self.ahead.take() {
            Some(ahead) => Some(ahead),
            None => self.read(most)?,
        };
        let Some((document, began)) = next else {
            return Ok(None);
        };
        self.began = began;
        self.documents += 1;
        self.batch |= self.documents > 1;
        Ok(Some(document))
    }

    /// Reads ahead to find out whether a second request follows.
    pub(crate) fn look_ahead(&mut self, most: usize) -> io::Result<()> {
        if !self.batch {
            self.ahead = self.read(most)?;
            self.batch = self.ahead.is_some();
        }
        Ok(())
    }

    /// Reads the next document, without surrounding white space, and the line on which it begins.
    fn read(&mut self, most: usize) -> io::Result<Option<(Vec<u8>, usize)>> {
        let mut document = Document::new(most, self.is_by_line);
        let mut began = self.line;
        loop {
            let available = match self.source.fill_buf() {
                Ok(available) => available,
                Err(error) => {
                    let message = format!("cannot read {}: {error}", self.name);
                    return Err(io::Error::new(error.kind(), message));
                }
            };
            if available.is_empty() {
                break;
            }
            let mut used = 0;
            let mut is_over = false;
            for byte in available {
                if document.is_over_before(*byte) {
                    is_over = true;
                    break;
                }
                used += 1;
                if *byte == b'\n' {
                    self.line += 1;
                }
                document.push(*byte);
                if document.is_empty() {
                    began = self.line;
                }
                // Return at the end of the line: the writer may wait for the answer.
                if document.is_over {
                    is_over = true;
                    break;
                }
            }
            self.source.consume(used);
            if is_over {
                break;
            }
        }
        Ok(document.end().map(|bytes| (bytes, began)))
    }

    /// True if there are several requests, or the file is JSON Lines.
    pub(crate) fn is_batch(&self) -> bool {
        self.batch
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.documents == 0
    }

    /// Returns the place of the last request.
    pub(crate) fn place(&self) -> String {
        match self.batch {
            true => format!("{}, line {}", self.name, self.began),
            false => self.name.clone(),
        }
    }
}

/// Opens a file, which may be a fifo.
fn opened(path: &Path) -> anyhow::Result<File> {
    let opened = File::open(path).and_then(|opened| match opened.metadata()?.is_dir() {
        true => Err(io::ErrorKind::IsADirectory.into()),
        false => Ok(opened),
    });
    opened.map_err(|error| file::cannot_read(path, &error))
}

/// A document being read. It ends at the end of the line that closes its brackets.
///
/// Invalid JSON ends at the end of its line, so that it does not swallow the requests after it.
struct Document {
    bytes: Vec<u8>,
    most: usize,
    is_by_line: bool,
    /// The closing brackets of the open ones.
    open: Vec<u8>,
    in_text: bool,
    after_backslash: bool,
    /// The last byte that is neither white space nor in a text.
    last: u8,
    /// True if the document ends with this line: its brackets are closed, or it is broken.
    ends_with_line: bool,
    is_over: bool,
}

/// Maximum number of open brackets to track. No valid request nests that deep.
const MOST_OPEN: usize = 4096;

impl Document {
    fn new(most: usize, is_by_line: bool) -> Self {
        Self {
            bytes: Vec::new(),
            most,
            is_by_line,
            open: Vec::new(),
            in_text: false,
            after_backslash: false,
            last: 0,
            ends_with_line: false,
            is_over: false,
        }
    }

    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// True if the document is over and `byte` belongs to the next one.
    fn is_over_before(&self, byte: u8) -> bool {
        // A member or an item follows `{`, `[`, `,` or `:`. Any other `{` at the start of a line opens the
        // next document.
        byte == b'{'
            && !self.open.is_empty()
            && !self.in_text
            && !matches!(self.last, b'{' | b'[' | b',' | b':')
            && self.bytes.ends_with(b"\n")
    }

    fn push(&mut self, byte: u8) {
        if self.is_empty() && byte.is_ascii_whitespace() {
            return;
        }
        // A longer document is truncated, and its reader reports that it is too long.
        if self.bytes.len() < self.most {
            self.bytes.push(byte);
        }
        if byte == b'\n' {
            // A JSON text cannot contain a line break.
            let is_broken = self.in_text;
            self.is_over = self.is_by_line || self.ends_with_line || is_broken;
            return;
        }
        if self.is_by_line {
            return;
        }
        if self.in_text {
            match byte {
                _ if self.after_backslash => self.after_backslash = false,
                b'\\' => self.after_backslash = true,
                b'"' => self.in_text = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => self.in_text = true,
            b'{' | b'[' if self.open.len() >= MOST_OPEN => self.ends_with_line = true,
            b'{' => self.open.push(b'}'),
            b'[' => self.open.push(b']'),
            b'}' | b']' if self.open.pop() != Some(byte) => self.ends_with_line = true,
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            self.last = byte;
            self.ends_with_line |= self.open.is_empty();
        }
    }

    fn end(self) -> Option<Vec<u8>> {
        let document = self.bytes.trim_ascii();
        (!document.is_empty()).then(|| document.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, is_by_line: bool) -> Vec<(String, usize)> {
        let source = Box::new(BufReader::with_capacity(
            3,
            io::Cursor::new(text.as_bytes().to_vec()),
        ));
        let mut input = Input::from_source("x".to_owned(), source, is_by_line);
        let mut all = Vec::new();
        while let Some(document) = input.next(64).unwrap() {
            all.push((String::from_utf8(document).unwrap(), input.began));
        }
        all
    }

    #[test]
    fn a_request_takes_as_many_lines_as_it_takes() {
        for (text, documents) in [
            (
                "{\"a\":1}\n{\"b\":2}",
                vec![("{\"a\":1}", 1), ("{\"b\":2}", 2)],
            ),
            // The first line looks like a complete object.
            (
                "{\"a\": {}, \"b\": {}\n}\n",
                vec![("{\"a\": {}, \"b\": {}\n}", 1)],
            ),
            (
                "{ \"a\": {\"b\":\"}\"}\n, \"c\": [1,\n2]}\n\n{\n\"d\":1}",
                vec![
                    ("{ \"a\": {\"b\":\"}\"}\n, \"c\": [1,\n2]}", 1),
                    ("{\n\"d\":1}", 5),
                ],
            ),
            ("\n\n {\"a\":\"\\\"}\"} \n", vec![("{\"a\":\"\\\"}\"}", 3)]),
            // Further text on the same line belongs to the document, which is then refused.
            (
                "{\"a\":1} {\"b\":2}\n{}",
                vec![("{\"a\":1} {\"b\":2}", 1), ("{}", 2)],
            ),
            ("", vec![]),
            (" \n\t\n", vec![]),
        ] {
            let documents: Vec<_> = documents
                .into_iter()
                .map(|(text, line)| (text.to_owned(), line))
                .collect();
            assert_eq!(read(text, false), documents, "{text:?}");
        }
    }

    #[test]
    fn a_broken_request_does_not_take_those_behind_it_along() {
        let good = "{\"b\":2}";
        for broken in [
            "{broken",
            "{\"a\":\"x",
            "{\"a\":[1}",
            "not json",
            "{\"a\":1",
            "]",
            "{\"a\" 1 \"b\"",
        ] {
            let all = read(&format!("{broken}\n{good}\n"), false);
            let texts: Vec<_> = all.iter().map(|(text, _)| text.as_str()).collect();
            assert_eq!(texts, [broken, good]);
            assert_eq!(all[1].1, 2);
        }
        // In JSON Lines, each line is a document.
        let all = read("{\"a\":\n{\"b\":2}\n", true);
        assert_eq!(all.len(), 2);
    }

    #[test]
    fn no_more_is_kept_of_a_request_than_is_read_of_it() {
        let long = format!("{{\"a\":\"{}\"}}\n{{}}\n", "x".repeat(200));
        let all = read(&long, false);
        assert_eq!(all[0].0.len(), 64);
        assert_eq!(all[1], ("{}".to_owned(), 2));
    }
}
