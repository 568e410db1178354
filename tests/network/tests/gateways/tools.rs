//! Programs of the proxies: nginx from the system, the others from pinned wheels below Cargo's target folder.
//!
//! A program that cannot be had skips its tests, with a line that says so. With `PORTCULLIS_REQUIRE_PROXIES=1`, it fails
//! them.

use anyhow::Context as _;
use portcullis_tests::wheels;
use std::env;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Variable that makes a missing proxy an error.
const REQUIRED: &str = "PORTCULLIS_REQUIRE_PROXIES";

/// A proxy that the tests start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    Nginx,
    Envoy,
    Traefik,
    Caddy,
}

impl Tool {
    /// Its program; `None` if the tests of it are skipped.
    ///
    /// # Panics
    ///
    /// If it cannot be had, and is required.
    pub(crate) fn program(self) -> Option<PathBuf> {
        let found = match self {
            Self::Nginx => nginx(),
            Self::Envoy => from_wheel(|path| path.ends_with("envoy/_bin/envoy")),
            Self::Traefik => from_wheel(|path| path.ends_with("bin/traefik")),
            Self::Caddy => from_wheel(|path| path.ends_with("bin/caddy")),
        };
        match found {
            Ok(program) => Some(program),
            Err(error) => {
                assert!(
                    env::var_os(REQUIRED).is_none_or(|value| value.is_empty() || value == "0"),
                    "{self:?} is required by {REQUIRED}: {error:#}"
                );
                // Not `eprintln!`, whose lines are not shown for a test that passes.
                let _ = writeln!(
                    std::io::stderr(),
                    "skipped: {self:?} cannot be had: {error:#}"
                );
                None
            }
        }
    }
}

fn nginx() -> anyhow::Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let mut programs = folders.map(|folder| folder.join("nginx"));
    let found = programs.find(|program| program.is_file());
    found.context("no `nginx` is installed: `apt-get install nginx-light`")
}

/// The first file of the wheels for which `is` holds.
fn from_wheel(is: fn(&Path) -> bool) -> anyhow::Result<PathBuf> {
    static INSTALLED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let installed = INSTALLED.get_or_init(|| {
        let requirements =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gateways/requirements.txt");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        wheels::install(&requirements, target).map_err(|error| format!("{error:#}"))
    });
    let folder = installed
        .as_ref()
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    wheels::find(folder, is)?.with_context(|| format!("{} has no such program", folder.display()))
}
