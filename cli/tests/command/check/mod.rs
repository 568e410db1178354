//! `portcullis check`: every error at once, with file and line.

mod cache;
mod candidates;
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
    folder.run(&["check"]).is(str![[r#"
exit 0
-- stdout
pagemap-scan is off, the default: with it, wasmtime before 50 does not reset pages that are in swap
usable portcullis.toml: 3 integrations, 3 plugins
-- stderr
portcullis.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
portcullis.toml:13:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
portcullis.toml:20:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
"#]]);
}

#[test]
fn compares_a_pinned_plugin_with_its_digest() {
    let folder = Folder::with_plugins();
    let component = fs::read(folder.path().join("hostile.wasm")).unwrap();
    let pinned = |component: &[u8]| {
        let digest = Digest::of(component);
        check(&folder, format!("{COUNTING}digest = \"{digest}\"\n"))
    };
    pinned(&component).is(str![[r#"
exit 0
-- stdout
pagemap-scan is off, the default: with it, wasmtime before 50 does not reset pages that are in swap
usable checked.toml: 1 integration, 1 plugin
"#]]);
    pinned(b"").is(str![[r#"
exit 3
-- stderr
checked.toml:6:10: error: plugin `hostile.wasm`: the file is sha256:[DIGEST], but sha256:[DIGEST] is pinned: if the change is intended, pin the new digest
"#]]);
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
    .is(str![[r##"
# decisions.jsonl
exit 0
-- stdout
pagemap-scan is off, the default: with it, wasmtime before 50 does not reset pages that are in swap
usable checked.toml: 1 integration, 1 plugin
-- stderr
checked.toml:6:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`

# lost/decisions.jsonl
exit 3
-- stderr
checked.toml:2:8: error: the log's folder lost cannot be used: No such file or directory (os error 2): create it, because the host does not
checked.toml:6:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`

# hostile.wasm/decisions.jsonl
exit 3
-- stderr
checked.toml:2:8: error: the log's folder hostile.wasm is no folder
checked.toml:6:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
hostile.wasm: warning: it has mode 0644, so other users can read or change recorded decisions: `chmod 600` it
"##]]);
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
    .is(snapbox::file![
        "takes-the-configuration-as-an-argument-or-as-a-flag.txt"
    ]);
}
