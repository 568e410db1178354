//! Constants for items of open lists that a manifest lists by name.

use portcullis_contract::{Field, Needs};
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use std::collections::BTreeMap;
use syn::Error;

/// A constant for each item that `needs` lists by name.
pub(crate) fn constants(needs: &Needs) -> Result<TokenStream, Error> {
    let mut constants = TokenStream::new();
    let mut taken = BTreeMap::new();
    for (field, list) in [
        (Field::PrincipalAttributes, "PrincipalAttribute"),
        (Field::ActionArguments, "Argument"),
        (Field::ResourceAttributes, "ResourceAttribute"),
        (Field::Context, "Circumstance"),
    ] {
        let list = format_ident!("{list}");
        for item in needs.names_of(field) {
            let listed = format!("{}.{item}", field.name());
            let constant = constant_name(&listed);
            if let Some(other) = taken.insert(constant.clone(), listed.clone()) {
                let message = format!(
                    "plugin.toml lists `{other}` and `{listed}` under `needs`, and both would be `needs::{constant}`: list `{}` as a whole",
                    field.name()
                );
                return Err(Error::new(Span::call_site(), message));
            }
            let (constant, about) = (format_ident!("{constant}"), format!("`{listed}`."));
            constants.extend(quote! {
                #[doc = #about]
                pub const #constant: ::portcullis_sdk::needs::Name<
                    super::Manifest,
                    ::portcullis_sdk::needs::#list,
                > = ::portcullis_sdk::needs::Name::listed(#item);
            });
        }
    }
    Ok(constants)
}

/// `context.ticket-id` as `CONTEXT_TICKET_ID`.
fn constant_name(listed: &str) -> String {
    let letter = |c: char| match c.is_ascii_alphanumeric() {
        true => c.to_ascii_uppercase(),
        false => '_',
    };
    listed.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_becomes_a_constant() {
        let needs = Needs::parse(["context.ticket-id", "action.arguments.branch", "now"]).unwrap();
        let constants = constants(&needs).unwrap().to_string();
        assert!(
            constants.contains("pub const CONTEXT_TICKET_ID"),
            "{constants}"
        );
        assert!(
            constants.contains("pub const ACTION_ARGUMENTS_BRANCH"),
            "{constants}"
        );
        assert!(constants.contains("\"ticket-id\""), "{constants}");
    }

    #[test]
    fn two_items_of_one_constant_are_refused() {
        let needs = Needs::parse(["context.a-b", "context.a_b"]).unwrap();
        let error = constants(&needs).unwrap_err().to_string();
        assert!(error.contains("`context.a-b` and `context.a_b`"), "{error}");
    }
}
