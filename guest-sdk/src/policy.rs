//! The trait that a plugin author implements.

use crate::needs::Manifest;
use crate::{Request, SettingsError, Verdict};
use serde::de::DeserializeOwned;

/// A policy.
///
/// [`policy`](macro@crate::policy) adds the items that an implementation leaves out: `Manifest`; `Settings`, which is
/// the type itself; and `new`, which returns the settings as they are.
///
/// ```
/// use portcullis_sdk::{Pattern, Policy, SettingsError, Verdict, policy};
///
/// #[derive(serde::Deserialize)]
/// struct Settings {
///     allowed: Vec<Pattern>,
/// }
///
/// struct Repositories {
///     allowed: Vec<Pattern>,
/// }
///
/// #[policy]
/// impl Policy for Repositories {
///     type Settings = Settings;
///
///     fn new(Settings { allowed }: Settings) -> Result<Self, Vec<SettingsError>> {
///         match allowed.is_empty() {
///             true => Err(vec![SettingsError::new("/allowed", "list at least one repository")]),
///             false => Ok(Self { allowed }),
///         }
///     }
///
///     fn evaluate(&self, request: &Request) -> Verdict {
///         match self.allowed.iter().find(|p| p.matches(request.resource().id())) {
///             Some(p) => Verdict::permit().because("repository-allowed", format!("`{p}` allows it")),
///             None => Verdict::deny().because("repository-not-allowed", "no pattern allows it"),
///         }
///     }
/// }
/// ```
pub trait Policy: Sized + Send + Sync + 'static {
    /// The plugin's manifest, whose `needs` are the fields of a request.
    type Manifest: Manifest;

    /// The settings, deserialised from the operator's configuration.
    ///
    /// A setting that is unknown or has another shape is refused, with its place. serde hides the members
    /// inside a `flatten`, or a tagged or untagged enum: put `#[serde(deny_unknown_fields)]` on the inner
    /// types there, where serde supports it.
    type Settings: DeserializeOwned;

    /// Makes the policy from its settings, once.
    ///
    /// # Errors
    ///
    /// One [`SettingsError`] for each error. The operator sees all of them.
    fn new(settings: Self::Settings) -> Result<Self, Vec<SettingsError>>;

    /// Decides one request.
    fn evaluate(&self, request: &Request<Self::Manifest>) -> Verdict;
}

/// Exports the policy from the component. Does nothing in a native build.
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
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

                fn evaluate(request: ::std::vec::Vec<u8>) -> ::std::vec::Vec<u8> {
                    $crate::guest::evaluate(&POLICY, request)
                }
            }

    $crate::bindings::export_plugin!(Plugin with_types_in $crate::bindings);
        };
        // The policy is used in a native build, too.
        #[cfg(not(target_family = "wasm"))]
        const _: fn() = || {
            fn is_policy<P: $crate::Policy>() {}
            is_policy::<$policy>();
        };
    };
}
