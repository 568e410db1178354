//! A plugin compiles to the same component in every folder, and no path of the machine is in it.

use portcullis_build::{Crate, componentize};
use std::fs;
use std::path::{Path, PathBuf};

const MANIFEST: &str = "name = \"reproducible\"\nversion = \"0.1.0\"\ndescription = \"Permits nothing\"\ncontract = \"0.2.0\"\nneeds = [\"resource.id\"]\n[reasons]\nnothing = \"It denies everything\"\n";

/// It indexes and adds, so that the compiler writes places in the code, of this crate and of what it uses.
const CODE: &str = r#"use portcullis_sdk::{Policy, Verdict, policy};

#[derive(serde::Deserialize)]
struct Reproducible {
    numbers: Vec<u32>,
}

#[policy]
impl Policy for Reproducible {
    fn evaluate(&self, request: &Request) -> Verdict {
        let index = request.resource().id().len();
        assert!(self.numbers[index] > 0, "{:?}", self.numbers);
        Verdict::deny().because("nothing", "it denies everything")
    }
}
"#;

fn root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root.pop();
    root
}

fn built_in(folder: &Path) -> Vec<u8> {
    fs::create_dir_all(folder.join("src")).unwrap();
    // What they depend on is built once, for both and for the tests of the command.
    fs::create_dir_all(folder.join(".cargo")).unwrap();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("others");
    let config = format!("[build]\ntarget-dir = {target:?}\n");
    fs::write(folder.join(".cargo/config.toml"), config).unwrap();
    let sdk = root().join("guest-sdk");
    let cargo = format!(
        "[package]\nname = \"reproducible\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n[dependencies]\nportcullis-sdk = {{ path = {sdk:?} }}\nserde = {{ version = \"1\", features = [\"derive\"] }}\n"
    );
    fs::write(folder.join("Cargo.toml"), cargo).unwrap();
    fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    fs::write(folder.join("plugin.toml"), MANIFEST).unwrap();
    fs::write(folder.join("src/lib.rs"), CODE).unwrap();
    let plugin = Crate::open(folder).unwrap();
    componentize(&plugin.compile().unwrap(), plugin.manifest_text()).unwrap()
}

#[test]
fn a_plugin_is_the_same_in_every_folder() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folders = [one.path().join("a"), other.path().join("a/longer/path")];
    let [a, b] = folders.map(|folder| built_in(&folder));
    assert!(a == b, "the components differ");
    let home = std::env::var("HOME").unwrap();
    let written = String::from_utf8_lossy(&a);
    for path in [
        home.as_str(),
        one.path().to_str().unwrap(),
        root().to_str().unwrap(),
        // A mirror has another name.
        "crates.io",
    ] {
        assert!(!written.contains(path), "{path} is in the component");
    }
    assert!(
        written.contains("/registry/"),
        "places in the code are kept, under other names"
    );
}
