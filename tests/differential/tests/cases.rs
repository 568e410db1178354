//! The cases of the plugins that hold another engine, decided by the components that would be deployed.

use portcullis_differential::sandbox::limits;
use portcullis_host::{Integration, Pdp, Plugin, PluginSource};
use portcullis_tests::case::{Case, folders};
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
                .settings(case.settings.clone())
                .limits(limits());
            let integration = Integration::new(case.request.integration())
                .obligations(["approval", "notification", "step-up"])
                .plugin(Plugin::load(&source)?);
            let pdp = Pdp::builder().integration(integration).build()?;
            if let Err(error) = case.judge(&pdp.evaluate_at(&case.request, case.now())) {
                wrong.push(format!("{plugin}: {}: {error:#}", case.name));
            }
        }
    }
    anyhow::ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
