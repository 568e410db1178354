//! A decision point, an API and a proxy between them, from the files of `examples/gateways`.

use crate::certificates::{self, Authority};
use crate::http::{self, Api, Message};
use crate::server::Server;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use portcullis_host::Timestamp;
use portcullis_host::identity::NewKey;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};
use tempfile::TempDir;

/// Bound on the start of a proxy.
const PATIENCE: Duration = Duration::from_secs(60);

/// The workload whose calls are decided.
pub(crate) const WORKLOAD: &str = "spiffe://acme.example/agent/reader";
/// The token of Envoy and Caddy.
pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef";
/// The enforcement point that Traefik is.
const TRAEFIK: &str = "spiffe://acme.example/gateway/traefik";

/// A decision point, an API and the addresses of both, before the proxy starts.
pub(crate) struct Setting {
    example: &'static str,
    pub(crate) folder: TempDir,
    pub(crate) api: Api,
    /// Address of the proxy.
    pub(crate) address: SocketAddr,
    /// Address of the decision point, unless it is a socket.
    pub(crate) decisions: SocketAddr,
    server: Option<Server>,
    key: NewKey,
    /// Texts of the examples, and what stands for them here.
    replaced: Vec<(String, String)>,
}

impl Setting {
    /// Starts the decision point of `examples/gateways/{example}/portcullis.toml`.
    pub(crate) fn start(example: &'static str) -> Self {
        Self::prepare(example).serve()
    }

    /// Prepares everything but the decision point.
    pub(crate) fn prepare(example: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let api = Api::start();
        let address = free_address();
        let decisions = free_address();
        let key = NewKey::generate().unwrap();
        let workloads = Authority::new("workloads", folder.path());
        workloads.issue("pep", certificates::id(TRAEFIK));
        workloads.issue("client", certificates::id(WORKLOAD));
        write_bundle(folder.path(), &key, &workloads.in_base64());
        let servers = Authority::new("portcullis", folder.path());
        servers.issue("portcullis", certificates::loopback());
        certificates::write_secret(&folder.path().join("pep.token"), TOKEN);
        let plugin = portcullis_tests::guests::plugin("http-api").unwrap();
        fs::write(folder.path().join("http-api.wasm"), plugin).unwrap();
        let here = folder.path().display();
        let replaced = [
            ("127.0.0.1:8080", address.to_string()),
            ("http://:8080", format!("http://:{}", address.port())),
            (
                "port_value: 8080",
                format!("port_value: {}", address.port()),
            ),
            ("127.0.0.1:8181", decisions.to_string()),
            (
                "port_value: 8181",
                format!("port_value: {}", decisions.port()),
            ),
            ("127.0.0.1:9000", api.address.to_string()),
            (
                "port_value: 9000",
                format!("port_value: {}", api.address.port()),
            ),
            ("unix:/run/portcullis/", format!("unix:{here}/")),
            ("/etc/caddy/", format!("{here}/")),
            ("/etc/traefik/", format!("{here}/")),
            ("PEP-TOKEN", TOKEN.to_owned()),
            ("uid = 33 ", format!("uid = {} ", user(folder.path()))),
        ];
        let replaced = replaced.map(|(text, by)| (text.to_owned(), by));
        Self {
            example,
            folder,
            api,
            address,
            decisions,
            server: None,
            key,
            replaced: replaced.to_vec(),
        }
    }

    /// Starts the decision point.
    pub(crate) fn serve(mut self) -> Self {
        let config = self.write(self.example, "portcullis.toml");
        let mut text = fs::read_to_string(&config).unwrap();
        text.push_str("\n[engine]\ncompile = \"in-process\"\n");
        fs::write(&config, text).unwrap();
        self.server = Some(Server::start(&config));
        self
    }

    /// Lets `by` stand for `text` of the examples that are written from now on.
    pub(crate) fn replace(&mut self, text: &str, by: &str) {
        self.replaced.insert(0, (text.to_owned(), by.to_owned()));
    }

    /// Writes a file of an example, with the addresses and folders of this setting.
    pub(crate) fn write(&self, example: &str, name: &str) -> PathBuf {
        let from = examples().join(example).join(name);
        let mut text = fs::read_to_string(from).unwrap();
        for (written, here) in &self.replaced {
            text = text.replace(written, here);
        }
        let into = self.folder.path().join(name);
        fs::write(&into, text).unwrap();
        into
    }

    /// A token of the workload for the audience of the examples.
    pub(crate) fn token(&self) -> String {
        self.token_for("https://api.acme.example")
    }

    pub(crate) fn token_for(&self, audience: &str) -> String {
        let now = Timestamp::now().as_millis() / 1000;
        let claims = json!({
            "sub": WORKLOAD, "aud": [audience], "jti": "svid-1", "iat": now, "exp": now + 600,
        });
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some("key-1".to_owned());
        let pem = self.key.to_pem().unwrap();
        let key = EncodingKey::from_ec_pem(pem.as_bytes()).unwrap();
        jsonwebtoken::encode(&header, &claims, &key).unwrap()
    }

    /// Stops the decision point.
    pub(crate) fn stop_decisions(&mut self) {
        self.server = None;
    }

    /// The decisions of the log by their id: action, resource and whether it is a permit.
    pub(crate) fn recorded(&self) -> HashMap<String, Value> {
        let log = fs::read_to_string(self.folder.path().join("decisions.jsonl")).unwrap();
        let lines = log
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let decisions = lines.filter(|line| line["event"] == "decision");
        decisions
            .map(|line| (line["id"].as_str().unwrap().to_owned(), line))
            .collect()
    }
}

/// The folder of the examples.
pub(crate) fn examples() -> PathBuf {
    portcullis_tests::root().join("examples/gateways")
}

/// A proxy between a client and the API.
pub(crate) struct Proxy {
    pub(crate) setting: Setting,
    running: Child,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.running.kill();
        let _ = self.running.wait();
    }
}

impl Proxy {
    /// Starts the proxy, and waits until it answers other than that it knows no such path.
    pub(crate) fn start(setting: Setting, command: &mut Command) -> Self {
        Self::start_with(setting, command, |proxy| {
            let answer = proxy.answer("GET", "/v1/ready", &[]);
            answer.map(|answer| answer.status())
        })
    }

    /// Starts the proxy, and waits until `ask` has a status other than 404.
    pub(crate) fn start_with(
        setting: Setting,
        command: &mut Command,
        ask: impl Fn(&Self) -> Option<u16>,
    ) -> Self {
        let log = setting.folder.path().join("proxy.log");
        let into = fs::File::create(&log).unwrap();
        command
            .current_dir(setting.folder.path())
            .env("XDG_CONFIG_HOME", setting.folder.path())
            .env("XDG_DATA_HOME", setting.folder.path())
            .stdin(Stdio::null())
            .stdout(into.try_clone().unwrap())
            .stderr(into);
        let running = command.spawn().unwrap();
        let mut proxy = Self { setting, running };
        let begin = Instant::now();
        loop {
            if ask(&proxy).is_some_and(|status| status != 404) {
                return proxy;
            }
            let ended = proxy.running.try_wait().unwrap();
            assert!(
                ended.is_none() && begin.elapsed() < PATIENCE,
                "{command:?} does not answer ({ended:?}):\n{}",
                fs::read_to_string(&log).unwrap_or_default()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The answer to a call with these headers and without a body.
    pub(crate) fn answer(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
    ) -> Option<Message> {
        let mut head = format!("{method} {target} HTTP/1.1\r\n");
        let has = |wanted: &str| {
            let mut names = headers.iter().map(|(name, _)| name);
            names.any(|name| name.eq_ignore_ascii_case(wanted))
        };
        if !has("host") {
            head.push_str("Host: api.acme.example\r\n");
        }
        if !has("connection") {
            head.push_str("Connection: close\r\n");
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        self.exchange(&head)
    }

    /// The answer to a message as it is written.
    pub(crate) fn exchange(&self, message: &str) -> Option<Message> {
        http::exchange(self.setting.address, message.as_bytes())
    }
}

/// The program of a proxy that checks an example without serving it.
pub(crate) fn is_valid(command: &mut Command, folder: &Path) {
    let output = command
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{command:?}:\n{said}");
}

/// An address of the loopback interface that is free now.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// User of this process, who owns what it makes.
fn user(file: &Path) -> u32 {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata(file).unwrap().uid()
}

/// Writes the bundle of the trust domain: the key of tokens and the authority of certificates.
fn write_bundle(folder: &Path, key: &NewKey, authority: &str) {
    let mut jwk = key.to_jwk();
    jwk["use"] = json!("jwt-svid");
    jwk["alg"] = json!("ES256");
    jwk["kid"] = json!("key-1");
    let authority = json!({ "kty": "EC", "use": "x509-svid", "x5c": [authority] });
    let bundle = json!({ "keys": [jwk, authority] });
    fs::write(folder.join("bundle.json"), bundle.to_string()).unwrap();
}
