//! A running `portcullis serve`.

use super::{Folder, Request};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// A running `portcullis serve`, on free ports. It is killed if the test fails.
pub(crate) struct Serving {
    child: Child,
    /// Address of the listener for decisions.
    pub(crate) address: String,
    /// Address of the admin listener.
    pub(crate) admin: String,
    /// Its messages up to the addresses.
    pub(crate) said: Vec<String>,
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
        // Later messages are read, so that the server never waits for their reader.
        std::thread::spawn(move || lines.for_each(drop));
        let admin = addresses.pop().unwrap();
        Self {
            child,
            address: addresses.pop().unwrap(),
            admin,
            said,
        }
    }

    /// Asks for a decision.
    pub(crate) fn ask(&self, request: &Request) -> Value {
        let body = request.to_string();
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "POST /access/v1/evaluation HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            body.len()
        )
        .unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{response}");
        serde_json::from_str(body).unwrap()
    }

    /// Stops it, and waits for its end.
    pub(crate) fn stop(mut self) {
        let id = self.child.id().to_string();
        let kill = Command::new("kill").args(["-TERM", &id]).status();
        assert!(kill.unwrap().success());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
        let _ = self.child.kill();
    }
}
