//! A real nats-server for tests, and a state on it.

mod server;

pub(crate) use server::{PATIENCE, Server, Settings, report, server, server_with, until};

use portcullis_fleet::JetStreamState;
use portcullis_model::timestamp::Timestamp;
use portcullis_trust::state::shared::SharedOptions;
use portcullis_trust::state::{State as _, Use};
use std::fs;
use std::path::Path;
use std::time::Duration;

impl Server {
    pub(crate) fn options(&self) -> SharedOptions {
        SharedOptions::new(vec![self.url()], "test")
    }

    pub(crate) fn open(&self) -> JetStreamState {
        JetStreamState::open(&self.options()).unwrap()
    }
}

/// Polls until the state answers.
pub(crate) fn until_it_answers(state: &JetStreamState) {
    until("the state answers", || state.spent("nothing").ok());
}

/// A use that ends in ten minutes.
pub(crate) fn one(key: &str, limit: u64) -> Use {
    Use {
        key: key.to_owned(),
        limit,
        until: Timestamp::now().plus(Duration::from_secs(600)),
    }
}

/// Spends a use now.
pub(crate) fn spends(state: &JetStreamState, key: &str, limit: u64) -> bool {
    state.spend(&[one(key, limit)], Timestamp::now()).is_ok()
}

/// Copies a folder with all that is in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// Asks the server's interface, as an administrator could.
pub(crate) fn api(server: &Server, verb: &str, asked: &serde_json::Value) -> serde_json::Value {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = async_nats::connect(server.url()).await.unwrap();
        let payload = match asked.is_null() {
            true => Vec::new(),
            false => serde_json::to_vec(asked).unwrap(),
        };
        let answer = client
            .request(format!("$JS.API.{verb}"), payload.into())
            .await
            .unwrap();
        let answer: serde_json::Value = serde_json::from_slice(&answer.payload).unwrap();
        assert!(answer.get("error").is_none(), "{verb}: {answer}");
        answer
    })
}

/// Publishes a message to a stream, as an administrator could.
pub(crate) fn publish(server: &Server, subject: &str, payload: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = async_nats::connect(server.url()).await.unwrap();
        let payload = payload.to_owned().into();
        let answer = client.request(subject.to_owned(), payload).await.unwrap();
        let answer: serde_json::Value = serde_json::from_slice(&answer.payload).unwrap();
        assert!(answer.get("error").is_none(), "{answer}");
    });
}

/// Text in Base64.
pub(crate) fn decoded(text: &str) -> String {
    use base64ct::{Base64, Encoding as _};
    String::from_utf8(Base64::decode_vec(text).unwrap()).unwrap()
}
