//! `portcullis check`: every error at once, with file and line.

mod cache;
mod faults;
mod instances;
mod names;
mod warnings;

use crate::common::{Folder, Ran, each};
use portcullis_host::Digest;
use snapbox::str;
use std::fs;

/// A configuration with a plugin that counts its calls.
const COUNTING: &str = "[[integration]]\nname = \"x\"\n[[integration.plugin]]\ncomponent = \"hostile.wasm\"\nsettings = { behaviour = \"count\" }\n";

/// Returns [`COUNTING`] with `line` in its integration.
fn with_line(line: &str) -> String {
    COUNTING.replace("name = \"x\"", &format!("name = \"x\"\n{line}"))
}

/// Checks a configuration.
fn check(folder: &Folder, configuration: impl AsRef<[u8]>) -> Ran {
    folder.write("checked.toml", configuration);
    folder.run(&["check", "checked.toml"])
}

#[test]
fn accepts_a_valid_configuration() {
    let folder = Folder::with_plugins();
    folder.run(&["check"]).is(str![""]);
}

#[test]
fn compares_a_pinned_plugin_with_its_digest() {
    let folder = Folder::with_plugins();
    let component = fs::read(folder.path().join("hostile.wasm")).unwrap();
    let pinned = |component: &[u8]| {
        let digest = Digest::of(component);
        check(&folder, format!("{COUNTING}digest = \"{digest}\"\n"))
    };
    pinned(&component).is(str![""]);
    pinned(b"").is(str![""]);
}

#[test]
fn reports_a_log_that_the_host_could_not_write() {
    let folder = Folder::with_plugins();
    let logged = |path: &str| check(&folder, format!("[log]\npath = \"{path}\"\n{COUNTING}"));
    each(
        [
            "decisions.jsonl",
            "lost/decisions.jsonl",
            "hostile.wasm/decisions.jsonl",
        ],
        |path| logged(path),
    )
    .is(str![""]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let closed = folder.path().join("closed");
        fs::create_dir(&closed).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
        // Root may write to it all the same.
        let can_write = fs::write(closed.join("x"), "").is_ok();
        let ran = logged("closed/decisions.jsonl");
        let warning = "checked.toml:2:8: warning: closed is not writable for this user: a host of this user would not start; change its owner or its mode\n";
        assert_eq!(ran.exits(0).err.contains(warning), !can_write, "{ran}");
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    }
}

#[test]
fn takes_the_configuration_as_an_argument_or_as_a_flag() {
    let folder = Folder::with_plugins();
    let from = folder.path().join("portcullis.toml");
    fs::rename(from, folder.path().join("other.toml")).unwrap();
    each(
        [
            "check",
            "check other.toml",
            "check --config other.toml",
            "check other.toml --config other.toml",
        ],
        |command| folder.run(&command.split(' ').collect::<Vec<_>>()),
    )
    .is(str![""]);
}
