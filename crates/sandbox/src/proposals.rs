//! Checks that a component uses only supported features, and names the others.

use crate::features::OF_PLUGINS;
use crate::load_error::{LoadError, malformed};
use wasmparser::{Validator, WasmFeatures};

/// Maximum number of proposals in a refusal: each needs another validation.
const MOST_NAMED: usize = 8;

/// Validates a component by the supported features and the rules of WebAssembly.
pub(crate) fn validate(bytes: &[u8]) -> Result<(), LoadError> {
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
            // If the file uses unsupported features, its other errors may result from them.
            _ if used.is_empty() => return Err(malformed(&error)),
            _ => break,
        }
    }
    match names.is_empty() {
        true => Ok(()),
        false => Err(LoadError::Proposals(names)),
    }
}

/// Detects use of the multi-memory proposal, which the parser does not name.
///
/// A file that is refused with `features` uses it if validation gets further with it.
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

/// Name of a proposal in its usual spelling.
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
    fn proposals_have_the_names_that_people_write() {
        assert_eq!(name_of("TAIL_CALL"), "tail-call");
        assert_eq!(name_of("MEMORY64"), "memory64");
        assert_eq!(name_of("CM_ASYNC"), "component-model-async");
    }
}
