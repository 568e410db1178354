//! The floor: the minimum cost of a decision with this runtime.
//!
//! It is wasmtime alone, set up as by the host, with a fresh instance of a component that does nothing and an
//! empty call.

use portcullis_host::{PagemapScan, engine_settings};
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};
use wasmtime::{Engine, Store};

/// An empty component, ready to be instantiated.
pub struct Floor {
    engine: Engine,
    instance: InstancePre<()>,
    function: ComponentExportIndex,
}

impl Floor {
    /// Compiles the component, on an engine of its own with the host's settings.
    ///
    /// # Panics
    ///
    /// If the engine does not start.
    pub fn new() -> Self {
        Self::with(PagemapScan::Off)
    }

    /// As [`Floor::new`], with `scan` as the setting for resetting sandboxes.
    ///
    /// # Panics
    ///
    /// If the engine does not start.
    pub fn with(scan: PagemapScan) -> Self {
        let engine = Engine::new(&engine_settings(scan)).expect("an engine");
        let text = r#"(component
          (core module $m (memory (export "m") 2) (func (export "f")))
          (core instance $i (instantiate $m))
          (func (export "f") (canon lift (core func $i "f"))))"#;
        let bytes = wat::parse_str(text).expect("a component");
        let component = Component::new(&engine, bytes).expect("a component");
        let instance = Linker::new(&engine)
            .instantiate_pre(&component)
            .expect("it imports nothing");
        let function = component.get_export_index(None, "f").expect("it has `f`");
        Self {
            engine,
            instance,
            function,
        }
    }

    /// Creates a fresh instance and makes an empty call.
    ///
    /// # Panics
    ///
    /// Never, if [`Floor::new`] did not.
    pub fn run(&self) {
        let mut store = Store::new(&self.engine, ());
        store.set_epoch_deadline(11);
        let instance = self.instance.instantiate(&mut store).expect("an instance");
        let function = instance
            .get_typed_func::<(), ()>(&mut store, self.function)
            .expect("`f` takes and gives nothing");
        function.call(&mut store, ()).expect("`f` returns");
    }
}

impl Default for Floor {
    fn default() -> Self {
        Self::new()
    }
}
