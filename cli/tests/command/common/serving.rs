//! A running `portcullis serve`.

use super::{Folder, Request};
use serde_json::Value;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Bound on everything that has to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running `portcullis serve`, on free ports. It is killed if the test fails.
pub(crate) struct Serving {
    child: Child,
    /// Address of the listener for decisions.
    pub(crate) address: String,
    /// Address of the admin listener.
    pub(crate) admin: String,
    said: Arc<Mutex<Vec<String>>>,
}

impl Serving {
    /// Starts it in the folder.
    pub(crate) fn start(folder: &Folder, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .arg("serve")
            .args(arguments)
            .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .current_dir(folder.path())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        let mut addresses = Vec::new();
        while addresses.len() < 2 {
            let Some(Ok(line)) = lines.next() else {
                panic!("no address: {said:?}")
            };
            match line.strip_prefix("listening on http://") {
                Some(address) => addresses.push(address.to_owned()),
                None => said.push(line),
            }
        }
        let said = Arc::new(Mutex::new(said));
        let heard = Arc::clone(&said);
        // Later messages are read, so that the server never waits for their reader.
        thread::spawn(move || {
            lines
                .map_while(Result::ok)
                .for_each(|line| heard.lock().unwrap().push(line));
        });
        let admin = addresses.pop().unwrap();
        Self {
            child,
            address: addresses.pop().unwrap(),
            admin,
            said,
        }
    }

    /// Its messages so far, without the addresses.
    pub(crate) fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    /// Waits until a message has that text.
    pub(crate) fn says(&self, text: &str) {
        let begin = Instant::now();
        while !self.said().iter().any(|line| line.contains(text)) {
            assert!(
                begin.elapsed() < PATIENCE,
                "never: {text}: {:?}",
                self.said()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Asks for a decision; an error if the server ended the connection.
    pub(crate) fn try_ask(&self, request: &Request) -> io::Result<Value> {
        let body = request.to_string();
        let mut stream = TcpStream::connect(&self.address)?;
        write!(
            stream,
            "POST /access/v1/evaluation HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            body.len()
        )?;
        let mut response = String::new();
        stream.read_to_string(&mut response)?;
        let (head, body) = response
            .split_once("\r\n\r\n")
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        assert!(head.starts_with("HTTP/1.1 200"), "{response}");
        Ok(serde_json::from_str(body)?)
    }

    /// Asks for a decision.
    pub(crate) fn ask(&self, request: &Request) -> Value {
        self.try_ask(request).unwrap()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let kill = Command::new("kill").args([name, &id]).status();
        assert!(kill.unwrap().success());
    }

    /// Waits for its end.
    pub(crate) fn ends(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Stops it, and waits for its end.
    pub(crate) fn stop(self) {
        self.signal("-TERM");
        assert!(self.ends().success());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
        let _ = self.child.kill();
    }
}
