//! Cases of the plugins with another engine, decided by the components to deploy.

use portcullis_cases::{Case, folders, limits};
use portcullis_host::{Plugin, PluginSource};
use portcullis_tests::{guests, root};

#[test]
fn every_case_is_decided_as_it_says() -> anyhow::Result<()> {
    let mut wrong = Vec::new();
    for plugin in guests::ENGINES {
        let cases = folders(&root().join("plugins").join(plugin).join("cases"))?;
        anyhow::ensure!(cases.len() > 1, "{plugin} has no cases");
        for folder in cases {
            let case = Case::read(&folder)?;
            eprintln!("{plugin}: {}", case.name);
            let source = PluginSource::new(guests::plugin(plugin)?)
                .compile_in_process()
                .settings(case.settings.clone())
                .limits(limits());
            let pdp = case.pdp(Plugin::load(&source)?)?;
            if let Err(error) = case.judge(&case.decide(&pdp)) {
                wrong.push(format!("{plugin}: {}: {error:#}", case.name));
            }
        }
    }
    anyhow::ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
