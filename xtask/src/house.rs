//! The layout of the project, measured: which crate may depend on what, how large one and its files may be, that no
//! two folders of a crate import each other, and that one library signs and verifies.

use crate::engines::ENGINES;
use anyhow::{Context as _, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Dependencies that a crate never has, not even through others.
const NEVER: [(&str, &[&str]); 6] = [
    (
        "portcullis-sandbox",
        &[
            "aws-lc-rs",
            "jsonwebtoken",
            "portcullis-host",
            "portcullis-trust",
            "redb",
            "rustls-webpki",
            "spiffe",
            "x509-parser",
        ],
    ),
    (
        "portcullis-trust",
        &[
            "portcullis-host",
            "portcullis-sandbox",
            "wasm-encoder",
            "wasmparser",
            "wasmtime",
        ],
    ),
    ("portcullis-model", &["wasmparser", "wasmtime"]),
    (
        "portcullis-ledger",
        &[
            "portcullis-host",
            "portcullis-trust",
            "wasmparser",
            "wasmtime",
        ],
    ),
    (
        "portcullis-draft",
        &[
            "portcullis-host",
            "portcullis-trust",
            "wasmparser",
            "wasmtime",
        ],
    ),
    (
        "portcullis-reset",
        &[
            "portcullis-contract",
            "portcullis-host",
            "portcullis-model",
            "portcullis-sandbox",
            "portcullis-trust",
            "wasmtime",
        ],
    ),
];

/// Libraries that sign, verify or agree on keys, other than aws-lc-rs.
const OTHER_CRYPTO: [&str; 9] = [
    "ecdsa",
    "ed25519-dalek",
    "native-tls",
    "openssl",
    "openssl-sys",
    "p256",
    "p384",
    "ring",
    "rsa",
];

/// The largest part of all lines that one crate may hold, in percent.
const MAX_PERCENT: usize = 25;

/// The largest number of lines of a source file.
const MAX_LINES: usize = 600;

/// Checks all of it, and prints what was measured.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    let mut faults = Vec::new();
    for (package, never) in NEVER {
        let found = dependencies(root, "normal,build", &["--package", package])?;
        for name in never.iter().filter(|name| found.contains(**name)) {
            faults.push(format!("`{package}` depends on `{name}`"));
        }
    }
    faults.extend(other_crypto(root)?);
    let crates = crates(root)?;
    let sizes = sizes(&crates)?;
    let all: usize = sizes.values().sum();
    if let Some((largest, lines)) = sizes.iter().max_by_key(|(_, lines)| **lines) {
        let percent = lines * 100 / all.max(1);
        println!("    {all} lines; the largest crate, {largest}, has {percent} %");
        if percent > MAX_PERCENT {
            faults.push(format!(
                "`{largest}` holds {percent} % of all lines, and at most {MAX_PERCENT} % are allowed: divide it"
            ));
        }
    }
    faults.extend(long_files(root)?);
    for folder in &crates {
        let source = folder.join("src");
        for ring in rings(&source)? {
            faults.push(format!(
                "{}: these folders import one another: {}",
                source.strip_prefix(root).unwrap_or(&source).display(),
                ring.join(", ")
            ));
        }
    }
    match faults.is_empty() {
        true => Ok(()),
        false => bail!("{}", faults.join("\n")),
    }
}

/// Second cryptographic libraries in what is shipped and in its tests.
fn other_crypto(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut packages = vec!["--workspace"];
    for package in ENGINES {
        packages.extend(["--exclude", package]);
    }
    let found = dependencies(root, "normal,build,dev", &packages)?;
    if !found.contains("aws-lc-rs") {
        bail!(
            "the tree has no `aws-lc-rs`: adapt this check to the library that signs and verifies"
        );
    }
    Ok(OTHER_CRYPTO
        .iter()
        .filter(|name| found.contains(**name))
        .map(|name| {
            format!("the tree has `{name}` beside `aws-lc-rs`: choose the feature of its user that takes `aws-lc-rs` (`cargo tree -i {name}`)")
        })
        .collect())
}

/// The names of all packages that `packages` are built with.
fn dependencies(root: &Path, edges: &str, packages: &[&str]) -> anyhow::Result<BTreeSet<String>> {
    let output = Command::new("cargo")
        .args(["tree", "--quiet", "--edges", edges, "--prefix", "none"])
        .args(["--format", "{p}"])
        .args(packages)
        .current_dir(root)
        .output()
        .context("cannot run `cargo tree`")?;
    if !output.status.success() {
        bail!(
            "`cargo tree` failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect())
}

/// The folders of all packages of ours.
fn crates(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let manifests = files(root, "toml")?.into_iter();
    Ok(manifests
        .filter(|file| file.file_name().is_some_and(|name| name == "Cargo.toml"))
        .filter_map(|file| file.parent().map(Path::to_owned))
        .filter(|folder| folder != root)
        .collect())
}

/// The lines of Rust in each crate, those of crates inside it left out.
fn sizes(crates: &[PathBuf]) -> anyhow::Result<BTreeMap<String, usize>> {
    let mut sizes = BTreeMap::new();
    for folder in crates {
        let inner: Vec<_> = crates
            .iter()
            .filter(|other| *other != folder && other.starts_with(folder))
            .collect();
        let mut lines = 0;
        for file in files(folder, "rs")? {
            if !inner.iter().any(|inner| file.starts_with(inner)) {
                lines += fs::read_to_string(&file)?.lines().count();
            }
        }
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        *sizes.entry(name.into_owned()).or_default() += lines;
    }
    Ok(sizes)
}

/// Source files with more lines than allowed.
fn long_files(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut long = Vec::new();
    for file in files(root, "rs")? {
        let lines = fs::read_to_string(&file)?.lines().count();
        if lines > MAX_LINES {
            long.push(format!(
                "{} has {lines} lines, and at most {MAX_LINES} are allowed, because a longer file has more than one duty: divide it by duty",
                file.strip_prefix(root).unwrap_or(&file).display()
            ));
        }
    }
    Ok(long)
}

/// Every file below `folder` whose name ends with `.` and `extension`.
pub(crate) fn files(folder: &Path, extension: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        if !folder.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    open.push(path);
                }
            } else if path.extension().is_some_and(|its| its == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Groups of top-level modules of a crate that import one another. Tests are left out.
fn rings(source: &Path) -> anyhow::Result<Vec<Vec<String>>> {
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files(source, "rs")? {
        let inside = file.strip_prefix(source).unwrap_or(&file);
        let Some(module) = inside.components().next() else {
            continue;
        };
        let module = module.as_os_str().to_string_lossy().replace(".rs", "");
        let is_test = inside
            .components()
            .any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "tests.rs")));
        if is_test || matches!(module.as_str(), "lib" | "main" | "bin") {
            continue;
        }
        let text = fs::read_to_string(&file)?;
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or("");
        let of_module = imports.entry(module.clone()).or_default();
        of_module.extend(imported(code).into_iter().filter(|other| *other != module));
    }
    let reached = |from: &str| {
        let mut reached = BTreeSet::new();
        let mut open = vec![from.to_owned()];
        while let Some(at) = open.pop() {
            for next in imports.get(&at).into_iter().flatten() {
                if reached.insert(next.clone()) {
                    open.push(next.clone());
                }
            }
        }
        reached
    };
    let reach: BTreeMap<_, _> = imports.keys().map(|from| (from, reached(from))).collect();
    let mut rings = BTreeSet::new();
    for (from, to) in &reach {
        let ring: Vec<_> = to
            .iter()
            .filter(|other| reach.get(other).is_some_and(|back| back.contains(*from)))
            .cloned()
            .collect();
        if ring.len() > 1 {
            rings.insert(ring);
        }
    }
    Ok(rings.into_iter().collect())
}

/// The top-level modules that `code` names behind `crate::`, comments left out.
fn imported(code: &str) -> BTreeSet<String> {
    let code: String = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n");
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let is_module = |name: &&str| name.chars().next().is_some_and(char::is_lowercase);
        let mut names = Vec::new();
        match rest.strip_prefix('{') {
            None => names.push(word(rest)),
            Some(group) => {
                let mut depth = 0_usize;
                let mut start = 0;
                for (index, letter) in group.char_indices() {
                    match letter {
                        '{' => depth += 1,
                        '}' if depth == 0 => {
                            names.push(word(group[start..index].trim_start()));
                            break;
                        }
                        '}' => depth -= 1,
                        ',' if depth == 0 => {
                            names.push(word(group[start..index].trim_start()));
                            start = index + 1;
                        }
                        _ => {}
                    }
                }
            }
        }
        found.extend(names.into_iter().filter(is_module).map(str::to_owned));
    }
    found
}

/// The identifier that `text` begins with.
fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_found_in_every_form_of_an_import() {
        let code = "use crate::log::{self, Entry};\nuse crate::{json, object::Object, Thing};\n\
                    fn f() { crate::trace::id() } // crate::comment::is_not\n// crate::not::this\n";
        let found: Vec<_> = imported(code).into_iter().collect();
        assert_eq!(found, ["comment", "json", "log", "object", "trace"]);
    }

    #[test]
    fn a_file_of_more_lines_than_allowed_is_named() {
        let folder = std::env::temp_dir().join(format!("portcullis-long-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let write = |name: &str, lines: usize| {
            fs::write(folder.join(name), "//\n".repeat(lines)).unwrap();
        };
        for ignored in ["target", ".cache"] {
            fs::create_dir_all(folder.join(ignored)).unwrap();
            write(&format!("{ignored}/long.rs"), MAX_LINES + 1);
        }
        write("long.toml", MAX_LINES + 1);
        write("full.rs", MAX_LINES);
        assert!(long_files(&folder).unwrap().is_empty());
        fs::create_dir(folder.join("tests")).unwrap();
        write("tests/long.rs", MAX_LINES + 1);
        let long = long_files(&folder).unwrap();
        assert_eq!(long.len(), 1, "{long:?}");
        assert!(
            long[0].starts_with("tests/long.rs has 601 lines"),
            "{long:?}"
        );
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_ring_of_folders_is_found_and_a_row_is_not() {
        let folder = std::env::temp_dir().join(format!("portcullis-house-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("b")).unwrap();
        let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
        write("lib.rs", "mod a; mod b; mod c;");
        write("a.rs", "use crate::b::X;");
        write("b/mod.rs", "use crate::c::Y;\nuse crate::b::inner::Z;");
        write("c.rs", "");
        assert!(rings(&folder).unwrap().is_empty());
        write("c.rs", "use crate::a::W;");
        assert_eq!(rings(&folder).unwrap(), [["a", "b", "c"]]);
        write(
            "c.rs",
            "#[cfg(test)]\nmod tests {\n    use crate::a::W;\n}\n",
        );
        assert!(rings(&folder).unwrap().is_empty());
        fs::remove_dir_all(folder).unwrap();
    }
}
