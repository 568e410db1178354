//! What plugins may use of WebAssembly: one closed list, which the engine, [`inspect`](super::inspect)
//! and the code that rewrites plugins share.

use super::LoadError;
use super::artifact::malformed;
use wasmparser::{Validator, WasmFeatures};

/// What the modules may use that are called without their component: what writes to memory, globals and
/// tables with these is what [`super::lowered`] knows of.
pub(super) const OF_MODULES: WasmFeatures = WasmFeatures::FLOATS
    .union(WasmFeatures::MUTABLE_GLOBAL)
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::SIMD);

/// What plugins may use. A proposal that is not here is refused, whatever the runtime was built with.
const OF_PLUGINS: WasmFeatures = OF_MODULES
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::COMPONENT_MODEL);

/// What the engine compiles: that, and the second memory that the host adds to plugins which it resets.
pub(crate) const OF_THE_ENGINE: WasmFeatures = OF_PLUGINS.union(WasmFeatures::MULTI_MEMORY);

/// How many proposals a refusal names, at most: each takes another look at the file.
const MOST_NAMED: usize = 8;

/// Holds a component to the list, and to the rules of WebAssembly.
pub(super) fn validate(bytes: &[u8]) -> Result<(), LoadError> {
    let mut used = WasmFeatures::empty();
    let mut names = Vec::new();
    while names.len() < MOST_NAMED {
        let Err(error) = Validator::new_with_features(OF_PLUGINS | used).validate_all(bytes) else {
            break;
        };
        let missing = error
            .missing_wasm_feature()
            .or_else(|| more_memories(bytes, OF_PLUGINS | used, &error));
        match missing {
            Some(missing) if !(OF_PLUGINS | used).contains(missing) => {
                used |= missing;
                names.extend(missing.iter_names().map(|(name, _)| name_of(name)));
            }
            // Of a file that uses what it may not, what else is wrong depends on that.
            _ if used.is_empty() => return Err(malformed(&error)),
            _ => break,
        }
    }
    match names.is_empty() {
        true => Ok(()),
        false => Err(LoadError::Proposals(names)),
    }
}

/// The proposal of several memories, which is the one whose absence the parser does not name: if a file that is
/// refused with `features` comes further with it.
fn more_memories(
    bytes: &[u8],
    features: WasmFeatures,
    refused: &wasmparser::Error,
) -> Option<WasmFeatures> {
    let with = features | WasmFeatures::MULTI_MEMORY;
    let further = match Validator::new_with_features(with).validate_all(bytes) {
        Ok(_) => true,
        Err(error) => error.offset() > refused.offset(),
    };
    further.then_some(WasmFeatures::MULTI_MEMORY)
}

/// The name of a proposal, as people write it.
fn name_of(flag: &str) -> String {
    let name = flag.to_ascii_lowercase().replace('_', "-");
    match name.strip_prefix("cm-") {
        Some(name) => format!("component-model-{name}"),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_closed() {
        // Whoever adds to it reads `docs/architecture.md`, and `lowered` first.
        let names: Vec<_> = OF_THE_ENGINE.iter_names().map(|(name, _)| name).collect();
        assert_eq!(
            names,
            [
                "MUTABLE_GLOBAL",
                "SATURATING_FLOAT_TO_INT",
                "SIGN_EXTENSION",
                "REFERENCE_TYPES",
                "MULTI_VALUE",
                "BULK_MEMORY",
                "SIMD",
                "FLOATS",
                "MULTI_MEMORY",
                "EXTENDED_CONST",
                "COMPONENT_MODEL",
            ]
        );
        assert!(!OF_PLUGINS.contains(WasmFeatures::MULTI_MEMORY));
        assert!(!OF_MODULES.contains(WasmFeatures::EXTENDED_CONST));
    }

    #[test]
    fn proposals_have_the_names_that_people_write() {
        assert_eq!(name_of("TAIL_CALL"), "tail-call");
        assert_eq!(name_of("MEMORY64"), "memory64");
        assert_eq!(name_of("CM_ASYNC"), "component-model-async");
    }
}
