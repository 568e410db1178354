//! WebAssembly features that plugins may use: one closed list.
//!
//! The engine, `inspect` and the code that rewrites plugins share it.

use wasmparser::WasmFeatures;

/// Features of modules that are called without their component.
///
/// With these features, [`crate::core_module`] knows every instruction that names a function.
pub(crate) const OF_MODULES: WasmFeatures = WasmFeatures::FLOATS
    .union(WasmFeatures::MUTABLE_GLOBAL)
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::SIMD);

/// Features of plugins. Other proposals are refused, however the runtime was built.
pub(crate) const OF_PLUGINS: WasmFeatures = OF_MODULES
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::COMPONENT_MODEL);

/// Features of the engine: those of plugins, and a second memory.
///
/// With the Cargo feature `reset`, the host adds the second memory to plugins that it resets.
pub(crate) const OF_THE_ENGINE: WasmFeatures = OF_PLUGINS.union(WasmFeatures::MULTI_MEMORY);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_closed() {
        // Before you add a feature, read `docs/architecture.md` and `core_module`.
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
        #[cfg(feature = "reset")]
        assert_eq!(OF_MODULES, portcullis_reset::FEATURES);
        assert!(!OF_PLUGINS.contains(WasmFeatures::MULTI_MEMORY));
        assert!(!OF_MODULES.contains(WasmFeatures::EXTENDED_CONST));
    }
}
