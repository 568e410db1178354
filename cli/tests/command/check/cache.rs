//! The cache of compiled plugins.
#![cfg(unix)]

use super::{COUNTING, check};
use crate::common::Folder;
use portcullis_host::CodeSource;
use portcullis_host::config::Problem;
use snapbox::str;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

/// Returns a configuration with a cache of its own.
fn cached() -> String {
    format!("[cache]\npath = \"compiled\"\n\n{COUNTING}")
}

#[test]
fn processes_that_start_together_share_a_cache() {
    let folder = Folder::with_plugins();
    folder.write("cached.toml", cached());
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..3 {
                    let ran = folder.run(&["check", "cached.toml"]);
                    // Besides, the plugin is not pinned.
                    assert_eq!(ran.exits(0).err.lines().count(), 1, "{ran}");
                }
            });
        }
    });
    let left = fs::read_dir(folder.path().join("compiled")).unwrap();
    assert_eq!(left.count(), 2, "the key and the entry");
}

#[test]
fn uses_a_cache_and_reports_damage_and_wide_modes() {
    let folder = Folder::with_plugins();
    folder.write("portcullis.toml", cached());
    let origin = || {
        let pdp = folder.host();
        let origin = pdp.integrations()[0].plugins()[0].code_source().clone();
        let damaged = |notice: &Problem| notice.message.contains("damaged");
        (origin, pdp.notices().iter().any(damaged))
    };
    assert_eq!(origin(), (CodeSource::Compiled, false));
    assert_eq!(origin(), (CodeSource::Cached, false));
    let compiled = folder.path().join("compiled");
    let entry = fs::read_dir(&compiled)
        .unwrap()
        .map(|file| file.unwrap().path())
        .find(|file| file.extension().is_some())
        .unwrap();
    let mut bytes = fs::read(&entry).unwrap();
    bytes[1000] ^= 1;
    fs::write(&entry, &bytes).unwrap();
    check(&folder, cached()).is(str![[r#"
exit 0
-- stdout
pagemap-scan is off, the default: with it, wasmtime before 50 does not reset pages that are in swap
usable checked.toml: 1 integration, 1 plugin
-- stderr
checked.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:7:13: warning: plugin `hostile.wasm` was compiled, not taken from the cache: compiled/[DIGEST].code is damaged, or was not written with the key of this cache: if this is unexpected, check the disk, and the permissions of the cache
"#]]);
    fs::write(&entry, &bytes).unwrap();
    assert!(matches!(origin(), (CodeSource::NotCached(_), true)));

    fs::set_permissions(&compiled, fs::Permissions::from_mode(0o755)).unwrap();
    check(&folder, cached()).is(str![[r#"
exit 3
-- stderr
checked.toml:2:8: error: the cache of compiled plugins, compiled, has mode 0755: its files run as the host's own code; set its owner to the host's user, and its mode to 0700
checked.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
"#]]);
}
