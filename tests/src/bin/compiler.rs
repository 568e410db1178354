//! Compiles plugins in child processes of the tests, as the command `portcullis` does.
//!
//! With another argument, it loads the plugin in that file as a host does, and prints how that ended.

use portcullis_host::{CodeSource, Plugin, PluginSource};

fn main() -> anyhow::Result<()> {
    portcullis_host::compile_if_asked();
    let file = std::env::args_os().nth(1).unwrap_or_default();
    match Plugin::load(&PluginSource::new(std::fs::read(file)?)) {
        Ok(plugin) => {
            anyhow::ensure!(*plugin.code_source() == CodeSource::Compiled);
            println!("loaded {}", plugin.manifest().name);
        }
        Err(error) => println!("{error}"),
    }
    Ok(())
}
