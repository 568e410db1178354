//! Every case of every reference plugin, decided by the component to deploy.
//!
//! Each folder is a test, named after it.

use libtest_mimic::{Arguments, Failed, Trial};
use portcullis_cases::{Case, folders};
use portcullis_host::{Plugin, PluginSource};
use portcullis_tests::{guests, root};
use std::path::PathBuf;

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
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
