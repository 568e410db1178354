//! The trait that a plugin author implements.

use crate::{Request, SettingsError, Verdict};
use serde::de::DeserializeOwned;

/// A policy. Its type is its settings, deserialised from the operator's configuration.
///
/// A setting that is unknown or has another shape is refused, with its place. serde hides the members
/// inside a `flatten`, or a tagged or untagged enum: put `#[serde(deny_unknown_fields)]` on the inner types
/// there, where serde supports it.
pub trait Policy: DeserializeOwned + Send + Sync + 'static {
    /// Validates settings beyond their types, such as ranges and references between settings.
    ///
    /// # Errors
    ///
    /// One [`SettingsError`] for each error. The operator sees all of them.
    fn validate(&self) -> Result<(), Vec<SettingsError>> {
        Ok(())
    }

    /// Decides one request.
    fn evaluate(&self, request: &Request) -> Verdict;
}

/// Makes the crate a plugin with the given policy type.
///
/// Write it once, at the crate's root. It reads the fields that the plugin needs from `plugin.toml`, beside
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
