//! A folder with a configuration, and a server that runs with it.

use crate::client::{self, Answer};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use portcullis_server::settings::{Address, Settings};
use portcullis_server::{Control, Options, Server};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Bound on everything that has to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const EVALUATION: &str = "/access/v1/evaluation";
pub(crate) const EVALUATIONS: &str = "/access/v1/evaluations";

/// Integrations of every configuration: `records`, with the policy of the certification scenario.
const INTEGRATION: &str = r#"
[[integration]]
name = "records"
[integration.actions]
read = "read"
write = "write"
delete = "destructive"
[[integration.plugin]]
component = "records.wasm"
settings = { readers = ["alice", "bob", "spiffe://acme.example/agent"], writers = ["alice", "spiffe://acme.example/agent"] }
"#;

/// A folder with a configuration.
pub(crate) struct Folder(TempDir);

impl Folder {
    /// A folder with a log and the integration `records`, and with further `sections`.
    pub(crate) fn with(sections: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let component = portcullis_tests::guests::component("tests/guests/records").unwrap();
        folder.write("records.wasm", component);
        folder.configure(sections);
        folder
    }

    /// Writes the configuration anew.
    pub(crate) fn configure(&self, sections: &str) {
        let cache = concat!(env!("CARGO_TARGET_TMPDIR"), "/compiled");
        let config = format!(
            r#"cache = {{ path = {cache:?} }}
engine = {{ compile = "in-process" }}
limits = {{ deadline = "5s" }}
authzen = {{ integration = "records" }}
log = {{ path = "decisions.jsonl", durability = "buffered" }}
{sections}
{INTEGRATION}"#
        );
        self.write("portcullis.toml", config);
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path().join("portcullis.toml")
    }

    /// Writes a file in one step, readable by its owner.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let file = self.path().join(name);
        let begun = self.path().join(format!("{name}.begun"));
        fs::write(&begun, content).unwrap();
        fs::set_permissions(&begun, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(&begun, &file).unwrap();
        file
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap()
    }

    /// Lines of the log with that event.
    pub(crate) fn logged(&self, event: &str) -> Vec<Value> {
        let log = self.read("decisions.jsonl");
        let lines = log.lines().map(|line| serde_json::from_str(line).unwrap());
        lines
            .filter(|line: &Value| line["event"] == event)
            .collect()
    }

    /// Starts a server on free ports.
    pub(crate) async fn serve(&self) -> Running {
        self.serve_with(|settings| settings.listen([local()])).await
    }

    /// Starts a server with changed settings. The admin listener has a free port.
    pub(crate) async fn serve_with(&self, change: impl FnOnce(Settings) -> Settings) -> Running {
        let options = Options::from_file(&self.config()).unwrap_or_else(|error| panic!("{error}"));
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&said);
        let options = options
            .report(move |message| heard.lock().unwrap().push(message.to_owned()))
            .settings(|settings| change(settings.admin(Some(local()))));
        let server = Server::bind(options)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        let addresses = server.addresses().to_vec();
        let urls = server.urls();
        let notices = server.notices();
        let control = server.control();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Running {
            addresses,
            urls,
            notices,
            control,
            said,
            stop: Some(stop),
            task,
        }
    }
}

/// Any free port of the loopback interface.
pub(crate) fn local() -> Address {
    "127.0.0.1:0".parse().unwrap()
}

/// A server that runs. It stops when it is dropped, or with [`Running::stop`].
pub(crate) struct Running {
    /// Listeners for decisions, and then the admin listener.
    pub(crate) addresses: Vec<Address>,
    pub(crate) urls: Vec<String>,
    pub(crate) notices: Vec<String>,
    pub(crate) control: Control,
    said: Arc<Mutex<Vec<String>>>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<bool>,
}

impl Running {
    /// Sends a request to the first listener for decisions.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        client::send(&self.addresses[0], request).await
    }

    /// Sends a request to the admin listener.
    pub(crate) async fn admin(&self, request: Request<Full<Bytes>>) -> Answer {
        client::send(self.addresses.last().unwrap(), request).await
    }

    /// The status of the admin listener.
    pub(crate) async fn status(&self) -> Value {
        self.admin(client::get("/status")).await.json()
    }

    /// Messages for the operator so far.
    pub(crate) fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    /// Tells the server to stop.
    pub(crate) fn begin_to_stop(&mut self) {
        drop(self.stop.take());
    }

    /// Stops the server. True if every request in flight ended.
    pub(crate) async fn stop(mut self) -> bool {
        self.begin_to_stop();
        let ended = tokio::time::timeout(PATIENCE, self.task).await;
        ended.expect("the server stops").unwrap()
    }
}

/// Waits until `holds` is true.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let begin = Instant::now();
    while !holds().await {
        assert!(begin.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// An evaluation, as a client of the standard writes it.
pub(crate) fn evaluation(subject: &str, action: &str, resource: &str) -> Value {
    json!({
        "subject": { "type": "user", "id": subject },
        "action": { "name": action },
        "resource": { "type": "record", "id": resource },
    })
}
