//! What an author implements.

use crate::{Request, SettingsError, Verdict};
use serde::de::DeserializeOwned;

/// A policy. The type is its settings: what the operator wrote is deserialised into it.
///
/// A setting that the type does not have is refused, as is one of another shape, with its place.
/// serde hides from us what is inside a `flatten`, or a tagged or untagged enum: there, put
/// `#[serde(deny_unknown_fields)]` on the inner types where it can be.
pub trait Policy: DeserializeOwned + Send + Sync + 'static {
    /// Judges what serde cannot: ranges, references between settings.
    ///
    /// # Errors
    ///
    /// One [`SettingsError`] for each fault; the operator sees them all.
    fn validate(&self) -> Result<(), Vec<SettingsError>> {
        Ok(())
    }

    /// Decides one request.
    fn evaluate(&self, request: &Request) -> Verdict;
}

/// Makes the crate a plugin whose policy is the given type.
///
/// Write it once, at the crate's root. It reads which fields the plugin needs from `plugin.toml`, beside
/// `Cargo.toml`, and does nothing in a native build.
#[macro_export]
macro_rules! export {
    ($policy:ty) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            static POLICY: ::std::sync::OnceLock<$policy> = ::std::sync::OnceLock::new();

            struct Plugin;

            impl $crate::guest::Guest for Plugin {
                fn configure(
                    settings: ::std::string::String,
                ) -> ::std::result::Result<(), ::std::vec::Vec<$crate::guest::WireSettingsError>>
                {
                    $crate::guest::configure(&POLICY, &settings)
                }

                fn evaluate(request: $crate::guest::WireRequest) -> $crate::guest::WireVerdict {
                    const ASKED: $crate::__private::Asked = $crate::__private::asked!();
                    $crate::guest::evaluate(&POLICY, ASKED, request)
                }
            }

    $crate::bindings::export_plugin!(Plugin with_types_in $crate::bindings);
        };
        #[cfg(not(target_family = "wasm"))]
        const _: fn() = || {
            fn is_policy<P: $crate::Policy>() {}
            is_policy::<$policy>();
        };
    };
}
