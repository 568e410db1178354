//! Proposals of WebAssembly that plugins may not use: each is a guest, of the list of `tests/src`.

use crate::neighbours;
use libtest_mimic::Trial;
use portcullis_host::{LoadError, Plugin, PluginSource};
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

fn refused(proposal: &str, component: &[u8]) -> Result<(), String> {
    for source in [
        PluginSource::new(component),
        PluginSource::new(component).resettable(),
    ] {
        match Plugin::load(&source) {
            Err(LoadError::Proposals(names)) if names.iter().any(|it| it == proposal) => {}
            other => return Err(format!("{other:?}")),
        }
    }
    neighbours::unharmed()
}
