//! Reads `plugin.toml` at compile time, so that the sandbox never parses the manifest.

mod expansion;
mod names;

use proc_macro::TokenStream;

/// Makes a plugin of a `Policy` implementation; portcullis-sdk documents it.
#[proc_macro_attribute]
pub fn policy(arguments: TokenStream, implementation: TokenStream) -> TokenStream {
    expansion::expand(arguments.into(), implementation.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
