//! HTTP/1.1 by hand: a client that sends any bytes, and an API that records what reaches it.

use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Bound on each wait of the client.
const PATIENCE: Duration = Duration::from_secs(30);

/// A message: its first line, its headers with names in lower case, and its body.
#[derive(Debug, Clone, Default)]
pub(crate) struct Message {
    pub(crate) first: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Message {
    /// Reads a message; `None` if the connection ends before.
    pub(crate) fn read(stream: impl Read) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let mut message = Self {
            first: line(&mut reader)?,
            ..Self::default()
        };
        while let Some(header) = line(&mut reader).filter(|line| !line.is_empty()) {
            let (name, value) = header.split_once(':')?;
            message
                .headers
                .push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut body = Vec::new();
        match message.header("content-length").map(str::parse) {
            Some(length) => {
                let length: u64 = length.ok()?;
                // The response to `HEAD` states the length of a body that it does not have.
                let _ = reader.take(length).read_to_end(&mut body);
            }
            None if message.first.starts_with("HTTP/") => {
                reader.read_to_end(&mut body).ok()?;
            }
            None => {}
        }
        message.body = String::from_utf8_lossy(&body).into_owned();
        Some(message)
    }

    /// The value of a header, if there is exactly one.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(own, _)| own == name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }

    /// Status of a response.
    pub(crate) fn status(&self) -> u16 {
        let status = self.first.split(' ').nth(1).and_then(|it| it.parse().ok());
        status.unwrap_or_else(|| panic!("{self:?} is no response"))
    }

    /// Method and target of a request.
    pub(crate) fn call(&self) -> (&str, &str) {
        let mut parts = self.first.split(' ');
        (parts.next().unwrap(), parts.next().unwrap())
    }
}

/// The next line. Bytes are shown as Latin-1, so that none is lost.
fn line(reader: &mut impl BufRead) -> Option<String> {
    let mut bytes = Vec::new();
    reader.read_until(b'\n', &mut bytes).ok()?;
    let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
    (!text.is_empty()).then(|| text.trim_end().to_owned())
}

/// Sends `bytes` and reads the response; `None` if the connection ends without one.
pub(crate) fn exchange(address: SocketAddr, bytes: &[u8]) -> Option<Message> {
    let mut stream = connect(address)?;
    // A proxy may answer and close before it has read everything.
    let _ = stream.write_all(bytes);
    Message::read(&stream)
}

/// Connects, with a bound on each wait.
pub(crate) fn connect(address: SocketAddr) -> Option<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    Some(stream)
}

/// An API without any checks of its own, which records each request.
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Message>>>,
}

impl Api {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::<Mutex<Vec<Message>>>::default();
        let into = Arc::clone(&received);
        // The thread ends with the process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let into = Arc::clone(&into);
                // A proxy may open connections ahead of its requests.
                thread::spawn(move || serve(&stream, &into));
            }
        });
        Self { address, received }
    }

    /// The requests since the last time.
    pub(crate) fn received(&self) -> Vec<Message> {
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut received)
    }
}

/// Records the request of a connection, and answers it.
fn serve(mut stream: &TcpStream, received: &Mutex<Vec<Message>>) {
    let _ = stream.set_read_timeout(Some(PATIENCE));
    let Some(request) = Message::read(stream) else {
        return;
    };
    let mut received = received.lock().unwrap_or_else(PoisonError::into_inner);
    received.push(request);
    drop(received);
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\napi";
    let _ = stream.write_all(answer.as_bytes());
}
