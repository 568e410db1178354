//! Proposals of WebAssembly that plugins may not use: each is a guest, of the list of `tests/src`.

use crate::neighbours;
use libtest_mimic::Trial;
use portcullis_host::{LoadError, Plugin, PluginLimits, PluginSource, inspect};
use portcullis_tests::proposals::{REFUSED, REFUSED_TYPES, with_module, with_type};

/// A test for each module and each type.
pub(crate) fn trials() -> Vec<Trial> {
    let modules = REFUSED.into_iter().map(|it| (it, with_module as Make));
    let types = REFUSED_TYPES.into_iter().map(|it| (it, with_type as Make));
    let trial = |(index, ((proposal, text), with)): (usize, ((_, _), Make))| {
        Trial::test(format!("proposals::{proposal}-{index}"), move || {
            refused(proposal, &with(text)).map_err(Into::into)
        })
    };
    modules.chain(types).enumerate().map(trial).collect()
}

type Make = fn(&str) -> Vec<u8>;

/// `inspect` and loading refuse it for `proposal`, by name.
fn refused(proposal: &str, component: &[u8]) -> Result<(), String> {
    let inspection = inspect(component, &PluginLimits::default());
    let Some(LoadError::Proposals(names)) = inspection.refusals.first() else {
        return Err(format!("{:?}", inspection.refusals));
    };
    let refusal = LoadError::Proposals(names.clone());
    let said = refusal.to_string();
    for part in [
        format!("`{proposal}`").as_str(),
        "build it for `wasm32-unknown-unknown`",
    ] {
        if !said.contains(part) {
            return Err(format!("{part} is not in: {said}"));
        }
    }
    for source in [
        PluginSource::new(component).compile_in_process(),
        PluginSource::new(component)
            .compile_in_process()
            .resettable(),
    ] {
        let loaded = Plugin::load(&source).map(drop);
        if loaded != Err(refusal.clone()) {
            return Err(format!("{loaded:?}"));
        }
    }
    neighbours::unharmed()
}
