//! Requests in files: one, or one a line.

use clap::ValueEnum;
use portcullis_host::{Request, RequestError, RequestLimits};
use serde_json::Value;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;

/// What a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum From {
    /// An AuthZEN 1.0 evaluation.
    Authzen,
    /// An MCP `tools/call` with its envelope.
    Mcp,
}

impl From {
    /// Reads a request of this kind.
    pub(crate) fn read(
        self,
        document: &[u8],
        limits: &RequestLimits,
    ) -> Result<Request, RequestError> {
        match self {
            Self::Authzen => Request::from_authzen(document, limits),
            Self::Mcp => Request::from_mcp(document, limits),
        }
    }
}

/// Where requests come from, read as they come.
pub(crate) struct Input {
    name: String,
    source: Box<dyn BufRead>,
    line: usize,
    documents: usize,
    batch: bool,
    /// A line that was read to see whether there is one.
    ahead: Option<Vec<u8>>,
    /// Whether the last line was longer than what was read of it.
    cut: bool,
}

impl Input {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let (name, source): (_, Box<dyn BufRead>) = if path == Path::new("-") {
            (
                "standard input".to_owned(),
                Box::new(BufReader::new(io::stdin())),
            )
        } else {
            (
                path.display().to_string(),
                Box::new(BufReader::new(File::open(path)?)),
            )
        };
        Ok(Self {
            name,
            source,
            line: 0,
            documents: 0,
            batch: path
                .extension()
                .is_some_and(|extension| extension == "jsonl"),
            ahead: None,
            cut: false,
        })
    }

    /// The next request, of which at most `most` bytes are read.
    ///
    /// A first line that is a whole object, `{` to `}`, is a request, and so is each line after
    /// it. Anything else is one request over all lines.
    pub(crate) fn next(&mut self, most: usize) -> io::Result<Option<Vec<u8>>> {
        let line = match self.ahead.take() {
            Some(line) => line,
            None => match self.next_line(most)? {
                Some(line) => line,
                None => return Ok(None),
            },
        };
        self.documents += 1;
        self.batch |= self.documents > 1;
        if self.batch || line.starts_with(b"{") && (line.ends_with(b"}") || self.cut) {
            return Ok(Some(line));
        }
        let mut document = line;
        document.push(b'\n');
        let left = most.saturating_sub(document.len());
        (&mut self.source)
            .take(left as u64)
            .read_to_end(&mut document)?;
        io::copy(&mut self.source, &mut io::sink())?;
        Ok(Some(document))
    }

    /// Waits until it is known whether another request follows the first.
    pub(crate) fn look_ahead(&mut self, most: usize) -> io::Result<()> {
        if !self.batch {
            self.ahead = self.next_line(most)?;
            self.batch = self.ahead.is_some();
        }
        Ok(())
    }

    /// The next line that is not empty, without the white space around it.
    fn next_line(&mut self, most: usize) -> io::Result<Option<Vec<u8>>> {
        loop {
            let mut line = Vec::new();
            let read = (&mut self.source)
                .take(most as u64)
                .read_until(b'\n', &mut line)?;
            if read == 0 {
                return Ok(None);
            }
            self.line += 1;
            self.cut = read == most && !line.ends_with(b"\n");
            if self.cut {
                self.skip_line()?;
                // As long as it is, it says itself that it is too long.
                return Ok(Some(line));
            }
            let trimmed = line.trim_ascii();
            if !trimmed.is_empty() {
                return Ok(Some(trimmed.to_vec()));
            }
        }
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let available = self.source.fill_buf()?;
            let (used, done) = match available.iter().position(|byte| *byte == b'\n') {
                Some(at) => (at + 1, true),
                None => (available.len(), available.is_empty()),
            };
            self.source.consume(used);
            if done {
                return Ok(());
            }
        }
    }

    /// Whether there are several requests, or a file of several was named.
    pub(crate) fn is_batch(&self) -> bool {
        self.batch
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.documents == 0
    }

    /// Where the last request was.
    pub(crate) fn place(&self) -> String {
        match self.batch {
            true => {
                let line = self.line - usize::from(self.ahead.is_some());
                format!("{}, line {line}", self.name)
            }
            false => self.name.clone(),
        }
    }
}

/// What a document seems to be. One that cannot be read is an AuthZEN evaluation that cannot be
/// read.
pub(crate) fn shape_of(document: &[u8]) -> From {
    match serde_json::from_slice::<Value>(document) {
        Ok(Value::Object(members)) if members.contains_key("message") => From::Mcp,
        _ => From::Authzen,
    }
}
