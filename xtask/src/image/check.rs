//! `cargo xtask image --check`: the image is pushed to a registry, pulled from it, and serves with a read-only root.

use super::{Image, text, tool};
use crate::serving::Server;
use crate::steps::{root, run};
use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Variable that leaves out tests that mount, see CONTRIBUTING.md.
const WITHOUT_MOUNTS: &str = "PORTCULLIS_WITHOUT_MOUNTS";

/// User of the image.
const USER: &str = "65532";

/// Mounts a container's root read-only, with its volumes, and runs a program in it as another user. `$0` is the root,
/// `$1` the configuration, `$2` the state and `$3` the user.
const READ_ONLY: &str = r#"
set -eu
at=$0 etc=$1 state=$2 user=$3
shift 3
mount --bind "$at" "$at"
mount --bind -o ro "$etc" "$at/etc/portcullis"
mount -o remount,bind,ro "$at/etc/portcullis"
mount --bind "$state" "$at/var/lib/portcullis"
mount -t proc proc "$at/proc"
mount -o remount,bind,ro "$at"
cd "$at"
exec setpriv --no-new-privs chroot --userspec="$user:$user" --groups= "$at" "$@"
"#;

/// The reason for which the check is left out of the tests.
pub(super) fn is_left_out() -> Option<String> {
    if std::env::var_os(WITHOUT_MOUNTS).is_some_and(|value| !value.is_empty()) {
        return Some(format!("{WITHOUT_MOUNTS} is set"));
    }
    tools().err().map(|error| error.to_string())
}

fn tools() -> anyhow::Result<()> {
    tool("buildah", "buildah")?;
    tool("docker-registry", "docker-registry")?;
    tool("unshare", "util-linux")?;
    let mount = Command::new("unshare")
        .args(["--mount", "true"])
        .stderr(Stdio::null())
        .status();
    ensure!(
        mount.is_ok_and(|status| status.success()),
        "the check mounts the image: run it as root"
    );
    Ok(())
}

/// Takes the image through a registry, and runs it.
pub(super) fn check(image: &Image, program: &Path) -> anyhow::Result<()> {
    tools()?;
    let registry = Registry::start(&image.folder)?;
    let pulled = image.through(&registry)?;
    eprintln!("    pulled {}", pulled.digest);
    pulled.is_closed(image)?;
    let folders = Folders::new(image, program)?;
    let settings = folders.settings.as_os_str();
    let mounts = [
        format!("{}:/etc/portcullis:ro", settings.display()),
        format!("{}:/var/lib/portcullis", folders.state.display()),
    ];
    // Buildah's own way to run it, in which the plugin is compiled.
    let checked = text(
        image
            .buildah(["run", "--isolation", "chroot"])
            .args(["--user", &pulled.user])
            .args(["--volume", &mounts[0], "--volume", &mounts[1]])
            .args([&pulled.container, "--"])
            .args(&pulled.entrypoint)
            .args(["check", "/etc/portcullis/portcullis.toml"]),
    )?;
    ensure!(checked.contains("usable"), "`portcullis check`: {checked}");
    eprintln!(
        "    a plugin is compiled in the child process, as user {}",
        pulled.user
    );
    let run = || pulled.read_only(&folders);
    let server = Server::start(
        run()
            .args(&pulled.entrypoint)
            .args(&pulled.arguments)
            .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]),
    )?;
    decides(&server)?;
    let status = text(
        run()
            .args(&pulled.entrypoint)
            .args(["status", "--admin", &server.admin]),
    )?;
    ensure!(status.starts_with("ready"), "`portcullis status`: {status}");
    server.stop()?;
    let log = "/var/lib/portcullis/decisions.jsonl";
    let verified = text(run().args(&pulled.entrypoint).args(["log", "verify", log]))?;
    ensure!(verified.starts_with("whole"), "{verified}");
    eprintln!("    with a read-only root: decided, ready, ended by SIGTERM; its log: {verified}");
    Ok(())
}

/// Asks for one permit and one deny, and the probe.
fn decides(server: &Server) -> anyhow::Result<()> {
    for (customer, expected) in [("acme-17", "permitted"), ("other-17", "not-applicable")] {
        let answer = server.ask(&json!({
            "subject": { "type": "agent", "id": "spiffe://acme.example/agent/fixer" },
            "action": { "name": "GET" },
            "resource": { "type": "http-api", "id": format!("/v1/customers/{customer}/invoices") },
            "context": { "integration": "billing" },
        }))?;
        let cause = answer.pointer("/context/cause").and_then(Value::as_str);
        ensure!(
            cause == Some(expected),
            "`{expected}` was expected: {answer}"
        );
    }
    let probe = format!("{}/readyz", server.admin);
    let ready = ureq::get(&probe).call().context("the probe fails")?;
    ensure!(ready.status() == 200, "{probe}: {}", ready.status());
    Ok(())
}

/// A registry on a free port. It is killed at the end.
struct Registry {
    process: Child,
    address: String,
}

impl Registry {
    fn start(folder: &Path) -> anyhow::Result<Self> {
        let settings = folder.join("registry.yml");
        let storage = folder.join("registry");
        fs::write(
            &settings,
            format!(
                "version: 0.1\nstorage: {{ filesystem: {{ rootdirectory: {storage:?} }} }}\nhttp: {{ addr: \"127.0.0.1:0\" }}\n"
            ),
        )?;
        let mut process = Command::new("docker-registry")
            .arg("serve")
            .arg(&settings)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run `docker-registry`")?;
        let errors = process.stderr.take().context("it has no standard error")?;
        let mut registry = Self {
            process,
            address: String::new(),
        };
        let mut lines = BufReader::new(errors).lines();
        for line in lines.by_ref().map_while(Result::ok) {
            if let Some((_, rest)) = line.split_once("listening on ") {
                rest.split(['"', ' '])
                    .next()
                    .unwrap_or_default()
                    .clone_into(&mut registry.address);
                break;
            }
        }
        ensure!(!registry.address.is_empty(), "the registry does not listen");
        // Read to the end, so that the registry never waits for a reader.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Ok(registry)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // Ignored: it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A container of the image as it came from the registry.
struct Pulled {
    container: String,
    digest: String,
    /// Folder with its files.
    files: PathBuf,
    user: String,
    entrypoint: Vec<String>,
    arguments: Vec<String>,
}

impl Image {
    /// Pushes the image, forgets it, and pulls it by its digest.
    fn through(&self, registry: &Registry) -> anyhow::Result<Pulled> {
        let remote = format!("docker://{}/portcullis", registry.address);
        let digest = self.folder.join("digest");
        let tagged = format!("{remote}:{}", self.version);
        run(self
            .buildah(["push", "--quiet", "--tls-verify=false", "--digestfile"])
            .arg(&digest)
            .args([&self.name(), &tagged]))?;
        let digest = fs::read_to_string(&digest)?;
        text(&mut self.buildah(["rmi", "--all", "--force"]))?;
        let pinned = format!("{remote}@{digest}");
        let container =
            text(&mut self.buildah(["from", "--quiet", "--tls-verify=false", &pinned]))?;
        let about = text(&mut self.buildah(["inspect", &container]))?;
        let about: Value = serde_json::from_str(&about)?;
        let config = about.pointer("/OCIv1/config");
        let config = config.context("the image has no configuration")?;
        let words = |name: &str| -> Vec<String> {
            let words = config.get(name).and_then(Value::as_array);
            let words = words.into_iter().flatten().filter_map(Value::as_str);
            words.map(str::to_owned).collect()
        };
        let label = config.pointer("/Labels/org.opencontainers.image.version");
        ensure!(
            label.and_then(Value::as_str) == Some(self.version.as_str()),
            "the label of the version is {label:?}"
        );
        let user = config.get("User").and_then(Value::as_str);
        let user = user.context("the image has no user")?.to_owned();
        ensure!(user == format!("{USER}:{USER}"), "the user is {user}");
        let files = text(&mut self.buildah(["mount", &container]))?;
        Ok(Pulled {
            digest,
            files: files.into(),
            user,
            entrypoint: words("Entrypoint"),
            arguments: words("Cmd"),
            container,
        })
    }
}

impl Pulled {
    /// Checks that the image has the files that were gathered, and no other.
    fn is_closed(&self, image: &Image) -> anyhow::Result<()> {
        let gathered = files(&image.folder.join("context/root"))?;
        let found = files(&self.files)?;
        ensure!(
            found == gathered,
            "the image has {found:?}, and {gathered:?} were gathered"
        );
        eprintln!("    it holds {}", Vec::from_iter(found).join(", "));
        Ok(())
    }

    /// A command that runs in the container with a read-only root, as the user of the image.
    fn read_only(&self, folders: &Folders) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--", "sh", "-c", READ_ONLY]);
        command.arg(&self.files).arg(&folders.settings);
        command.arg(&folders.state).arg(USER);
        command
    }
}

/// The folders that an operator mounts.
struct Folders {
    settings: PathBuf,
    state: PathBuf,
}

impl Folders {
    /// Makes them with `kit/portcullis.toml` and its plugin.
    fn new(image: &Image, program: &Path) -> anyhow::Result<Self> {
        let settings = image.folder.join("etc");
        let state = image.folder.join("state");
        fs::create_dir_all(settings.join("plugins"))?;
        fs::create_dir_all(&state)?;
        let toml = root().join("kit/portcullis.toml");
        fs::copy(&toml, settings.join("portcullis.toml"))
            .with_context(|| format!("cannot copy {}", toml.display()))?;
        let plugin = settings.join("plugins/http-api.wasm");
        text(
            Command::new(program)
                .args(["build", "plugins/http-api", "--output"])
                .arg(&plugin)
                .current_dir(root()),
        )?;
        #[cfg(unix)]
        {
            let user: u32 = USER.parse()?;
            std::os::unix::fs::chown(&state, Some(user), Some(user))
                .with_context(|| format!("cannot change the owner of {}", state.display()))?;
        }
        Ok(Self { settings, state })
    }
}

/// The regular files below a folder, with their paths in it.
fn files(folder: &Path) -> anyhow::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next)? {
            let entry = entry?;
            let path = entry.path();
            let kind = entry.file_type()?;
            if kind.is_dir() {
                open.push(path);
            } else if kind.is_file() {
                let inside = path.strip_prefix(folder)?;
                found.insert(format!("/{}", inside.display()));
            } else {
                bail!("{} is neither a file nor a folder", path.display());
            }
        }
    }
    Ok(found)
}
