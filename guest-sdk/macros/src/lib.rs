//! Reads `plugin.toml` at compile time, so that the sandbox never parses the manifest.

use portcullis_contract::{Field, Manifest};
use proc_macro::TokenStream;
use std::fmt::Write as _;
use std::path::Path;

/// Expands to a `portcullis_sdk::Asked` with the fields that `plugin.toml` lists under `needs`.
///
/// Compilation fails if the manifest is missing or invalid.
#[proc_macro]
pub fn asked(_: TokenStream) -> TokenStream {
    let expanded = read().unwrap_or_else(|message| format!("::std::compile_error!({message:?})"));
    expanded
        .parse()
        .unwrap_or_else(|error| panic!("the expansion is Rust: {error}"))
}

fn read() -> Result<String, String> {
    let folder = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    let file = Path::new(&folder).join("plugin.toml");
    let shown = file.display();
    let text = std::fs::read_to_string(&file).map_err(|error| {
        format!("cannot read {shown}: {error}: every plugin has one beside Cargo.toml")
    })?;
    let manifest = Manifest::parse(&text).map_err(|error| format!("{shown}: {error}"))?;
    let needs = manifest.fields();
    let whole: String = Field::ALL
        .into_iter()
        .filter(|field| needs.has(*field))
        .fold(String::new(), |mut list, field| {
            let _ = write!(list, "::portcullis_sdk::__private::Field::{field:?},");
            list
        });
    let named = &manifest.needs;
    // `include_bytes!` makes Cargo recompile the plugin when its manifest changes.
    Ok(format!(
        "{{ const _: &[u8] = ::std::include_bytes!({file:?}); \
         ::portcullis_sdk::__private::Asked::new(&[{whole}], &{named:?}) }}",
        file = file.to_string_lossy(),
    ))
}
