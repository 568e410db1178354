//! Every case of every reference plugin, decided by the component to deploy, and the digests of the components.
//!
//! Each folder is a test, named after it.

use libtest_mimic::{Arguments, Failed, Trial};
use portcullis_cases::{Case, folders};
use portcullis_host::{Digest, Plugin, PluginSource};
use portcullis_tests::{guests, root};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::from_args();
    let mut trials = vec![Trial::test("digests", digests)];
    for plugin in guests::PLUGINS {
        let cases = folders(&root().join("plugins").join(plugin).join("cases"))?;
        anyhow::ensure!(cases.len() > 1, "{plugin} has no cases");
        for folder in cases {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            let name = format!("{plugin}::{name}");
            trials.push(Trial::test(name, move || run(plugin, folder)));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn run(plugin: &str, folder: PathBuf) -> Result<(), Failed> {
    let case = Case::read(&folder)?;
    let source = PluginSource::new(guests::plugin(plugin)?)
        .compile_in_process()
        .settings(case.settings.clone())
        .limits(guests::patient());
    let pdp = case.pdp(Plugin::load(&source)?)?;
    case.judge(&case.decide(&pdp))?;
    Ok(())
}

/// Compares the components with `plugins/digests.toml`.
fn digests() -> Result<(), Failed> {
    #[derive(Deserialize)]
    struct Recorded {
        rustc: String,
        digests: BTreeMap<String, String>,
    }
    let text = std::fs::read_to_string(root().join("plugins/digests.toml"))?;
    let recorded: Recorded = toml::from_str(&text)?;
    let rustc = Command::new("rustc").arg("--version").output()?.stdout;
    let rustc = String::from_utf8(rustc)?;
    if rustc.trim() != recorded.rustc {
        let _ = writeln!(
            std::io::stderr(),
            "skipped: plugins/digests.toml is of {}, and this is {}",
            recorded.rustc,
            rustc.trim()
        );
        return Ok(());
    }
    let mut built = BTreeMap::new();
    for plugin in guests::PLUGINS {
        let digest = Digest::of(&guests::plugin(plugin)?).to_string();
        built.insert(plugin.to_owned(), digest);
    }
    if built != recorded.digests {
        let why = "the plugins are other components than plugins/digests.toml has; if that is intended, run `cargo xtask plugins --digests`";
        return Err(format!(
            "{why}: {built:#?}, and the file has {:#?}",
            recorded.digests
        )
        .into());
    }
    Ok(())
}
