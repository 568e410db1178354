//! Fields that a manifest lists under `needs`, as traits.
//!
//! [`policy`](macro@crate::policy) implements them for the plugin's `Manifest`. Reading a field that
//! `plugin.toml` does not list is a compile error, which names the field: the host does not pass it, and a
//! default value could favour the principal in a rule that denies.

use std::marker::PhantomData;

/// A plugin's manifest, as a type. [`policy`](macro@crate::policy) makes one.
pub trait Manifest: 'static {
    /// The text of `plugin.toml`.
    const TOML: &'static str;
}

macro_rules! listed {
    ($($(#[$attribute:meta])* $field:ident: $name:literal, $message:literal, $note:literal;)+) => {$(
        #[doc = concat!("The manifest lists `", $name, "`.")]
        #[diagnostic::on_unimplemented(
            message = $message,
            label = "the host does not pass this field to the plugin",
            note = $note
        )]
        pub trait $field: Manifest {}
    )+};
}

listed! {
    Integration: "integration", "plugin.toml does not list `integration` under `needs`", "add \"integration\" to `needs` in plugin.toml";
    PrincipalId: "principal.id", "plugin.toml does not list `principal.id` under `needs`", "add \"principal.id\" to `needs` in plugin.toml";
    PrincipalKind: "principal.kind", "plugin.toml does not list `principal.kind` under `needs`", "add \"principal.kind\" to `needs` in plugin.toml";
    PrincipalType: "principal.type", "plugin.toml does not list `principal.type` under `needs`", "add \"principal.type\" to `needs` in plugin.toml";
    PrincipalOwner: "principal.owner", "plugin.toml does not list `principal.owner` under `needs`", "add \"principal.owner\" to `needs` in plugin.toml";
    PrincipalPurpose: "principal.purpose", "plugin.toml does not list `principal.purpose` under `needs`", "add \"principal.purpose\" to `needs` in plugin.toml";
    PrincipalEnvironment: "principal.environment", "plugin.toml does not list `principal.environment` under `needs`", "add \"principal.environment\" to `needs` in plugin.toml";
    PrincipalAttestation: "principal.attestation", "plugin.toml does not list `principal.attestation` under `needs`", "add \"principal.attestation\" to `needs` in plugin.toml";
    PrincipalCredentialExpiresAt: "principal.credential-expires-at", "plugin.toml does not list `principal.credential-expires-at` under `needs`", "add \"principal.credential-expires-at\" to `needs` in plugin.toml";
    PrincipalDelegatedBy: "principal.delegated-by", "plugin.toml does not list `principal.delegated-by` under `needs`", "add \"principal.delegated-by\" to `needs` in plugin.toml";
    PrincipalAttributes: "principal.attributes", "plugin.toml does not list `principal.attributes` under `needs`", "add \"principal.attributes\" to `needs` in plugin.toml";
    IntentId: "intent.id", "plugin.toml does not list `intent.id` under `needs`", "add \"intent.id\" to `needs` in plugin.toml";
    IntentPurpose: "intent.purpose", "plugin.toml does not list `intent.purpose` under `needs`", "add \"intent.purpose\" to `needs` in plugin.toml";
    IntentApprovedBy: "intent.approved-by", "plugin.toml does not list `intent.approved-by` under `needs`", "add \"intent.approved-by\" to `needs` in plugin.toml";
    IntentExpiresAt: "intent.expires-at", "plugin.toml does not list `intent.expires-at` under `needs`", "add \"intent.expires-at\" to `needs` in plugin.toml";
    IntentRemainingUses: "intent.remaining-uses", "plugin.toml does not list `intent.remaining-uses` under `needs`", "add \"intent.remaining-uses\" to `needs` in plugin.toml";
    ActionName: "action.name", "plugin.toml does not list `action.name` under `needs`", "add \"action.name\" to `needs` in plugin.toml";
    ActionClass: "action.class", "plugin.toml does not list `action.class` under `needs`", "add \"action.class\" to `needs` in plugin.toml";
    ActionArguments: "action.arguments", "plugin.toml does not list `action.arguments` under `needs`", "add \"action.arguments\" to `needs` in plugin.toml";
    ActionOrigins: "action.origins", "plugin.toml does not list `action.origins` under `needs`", "add \"action.origins\" to `needs` in plugin.toml";
    ActionInputResponses: "action.input-responses", "plugin.toml does not list `action.input-responses` under `needs`", "add \"action.input-responses\" to `needs` in plugin.toml";
    ActionRequestState: "action.request-state", "plugin.toml does not list `action.request-state` under `needs`", "add \"action.request-state\" to `needs` in plugin.toml";
    ResourceKind: "resource.kind", "plugin.toml does not list `resource.kind` under `needs`", "add \"resource.kind\" to `needs` in plugin.toml";
    ResourceId: "resource.id", "plugin.toml does not list `resource.id` under `needs`", "add \"resource.id\" to `needs` in plugin.toml";
    ResourceEnvironment: "resource.environment", "plugin.toml does not list `resource.environment` under `needs`", "add \"resource.environment\" to `needs` in plugin.toml";
    ResourcePosture: "resource.posture", "plugin.toml does not list `resource.posture` under `needs`", "add \"resource.posture\" to `needs` in plugin.toml";
    ResourceAttributes: "resource.attributes", "plugin.toml does not list `resource.attributes` under `needs`", "add \"resource.attributes\" to `needs` in plugin.toml";
    Now: "now", "plugin.toml does not list `now` under `needs`", "add \"now\" to `needs` in plugin.toml";
    Context: "context", "plugin.toml does not list `context` under `needs`", "add \"context\" to `needs` in plugin.toml";
    Intent: "intent.id` or another field of `intent", "plugin.toml lists no field of `intent` under `needs`", "add \"intent.id\" to `needs` in plugin.toml";
}

/// An open list of a request, whose items a manifest can list by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrincipalAttribute {}
/// An open list of a request, whose items a manifest can list by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {}
/// An open list of a request, whose items a manifest can list by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourceAttribute {}
/// An open list of a request, whose items a manifest can list by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Circumstance {}

/// Name of an item of the open list `L` that the manifest `M` lists.
///
/// [`policy`](macro@crate::policy) makes a constant of each, in the module `needs` of the plugin: `context.ticket`
/// is `needs::CONTEXT_TICKET`.
pub struct Name<M, L> {
    name: &'static str,
    of: PhantomData<fn() -> (M, L)>,
}

impl<M, L> Clone for Name<M, L> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M, L> Copy for Name<M, L> {}

impl<M, L> Name<M, L> {
    #[doc(hidden)]
    pub const fn listed(name: &'static str) -> Self {
        Self {
            name,
            of: PhantomData,
        }
    }
}

/// Name of an item of the open list `L` that a plugin of the manifest `M` may read.
///
/// It is a constant of the plugin's module `needs`, or any text if the manifest lists the whole list.
#[diagnostic::on_unimplemented(
    message = "this is not a name that plugin.toml lists under `needs`",
    note = "use a constant of the module `needs`, such as `needs::CONTEXT_TICKET` for `context.ticket`"
)]
pub trait NameOf<M, L> {
    /// The name.
    fn name(&self) -> &str;
}

impl<M, L> NameOf<M, L> for Name<M, L> {
    fn name(&self) -> &str {
        self.name
    }
}

macro_rules! whole {
    ($($list:ident: $field:ident;)+) => {$(
        impl<M: $field> NameOf<M, $list> for &str {
            fn name(&self) -> &str {
                self
            }
        }
    )+};
}

whole! {
    PrincipalAttribute: PrincipalAttributes;
    Argument: ActionArguments;
    ResourceAttribute: ResourceAttributes;
    Circumstance: Context;
}
