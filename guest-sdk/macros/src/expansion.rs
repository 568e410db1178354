//! The expansion of `policy`.

use crate::names::constants;
use portcullis_contract::{Field, Manifest, Needs};
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use std::path::{Path, PathBuf};
use syn::{Error, ImplItem, ItemImpl, parse_quote};

pub(crate) fn expand(
    arguments: TokenStream,
    implementation: TokenStream,
) -> Result<TokenStream, Error> {
    if !arguments.is_empty() {
        return Err(Error::new_spanned(arguments, "`policy` takes no arguments"));
    }
    let mut implementation: ItemImpl = syn::parse2(implementation)?;
    complete(&mut implementation);
    let (file, manifest) = read().map_err(|message| Error::new(Span::call_site(), message))?;
    let manifest = manifest_type(&file, manifest.fields())?;
    let policy = &implementation.self_ty;
    Ok(quote! {
        #manifest
        #implementation
        ::portcullis_sdk::__export!(#policy);
    })
}

/// Adds the items that the author left out.
fn complete(implementation: &mut ItemImpl) {
    let items = &mut implementation.items;
    let has_type = |items: &[ImplItem], name: &str| {
        items
            .iter()
            .any(|item| matches!(item, ImplItem::Type(it) if it.ident == name))
    };
    let has_new = items
        .iter()
        .any(|item| matches!(item, ImplItem::Fn(it) if it.sig.ident == "new"));
    if !has_type(items, "Settings") {
        items.push(parse_quote! { type Settings = Self; });
        if !has_new {
            items.push(parse_quote! {
                fn new(settings: Self) -> ::core::result::Result<
                    Self,
                    ::std::vec::Vec<::portcullis_sdk::SettingsError>,
                > {
                    ::core::result::Result::Ok(settings)
                }
            });
        }
    }
    items.push(parse_quote! { type Manifest = Manifest; });
}

fn read() -> Result<(PathBuf, Manifest), String> {
    let folder = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    let file = Path::new(&folder).join("plugin.toml");
    let shown = file.display();
    let text = std::fs::read_to_string(&file).map_err(|error| {
        format!("cannot read {shown}: {error}: every plugin has one beside Cargo.toml")
    })?;
    let manifest = Manifest::parse(&text).map_err(|error| format!("{shown}: {error}"))?;
    Ok((file, manifest))
}

/// The manifest as a type, the request with its fields, and the names that it lists one by one.
fn manifest_type(file: &Path, needs: &Needs) -> Result<TokenStream, Error> {
    let file = file.to_string_lossy();
    let whole = Field::ALL.into_iter().filter(|field| needs.has(*field));
    let mut fields: Vec<_> = whole.map(|field| format_ident!("{field:?}")).collect();
    if needs.has_intent() {
        fields.push(format_ident!("Intent"));
    }
    let constants = constants(needs)?;
    let names = (!constants.is_empty()).then(|| {
        quote! {
            /// Items of open lists that `plugin.toml` lists under `needs`.
            pub mod needs {
                #constants
            }
        }
    });
    // `include_str!` makes Cargo recompile the plugin when its manifest changes.
    Ok(quote! {
        /// The plugin's manifest, `plugin.toml`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Manifest {}

        impl ::portcullis_sdk::Manifest for Manifest {
            const TOML: &'static str = ::core::include_str!(#file);
        }

        #(impl ::portcullis_sdk::needs::#fields for Manifest {})*

        /// A request, with the fields that `plugin.toml` lists under `needs`.
        pub type Request = ::portcullis_sdk::Request<Manifest>;

        #names
    })
}
