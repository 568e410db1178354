//! Request fields that a plugin asks for.

use std::collections::{BTreeMap, BTreeSet};

/// A request field that a plugin can ask for under `needs`.
///
/// A plugin can also ask for one item of `principal.attributes`, `action.arguments`, `resource.attributes` or
/// `context` by name, as in `context.ticket`. The host passes `principal.type` as the principal's attribute
/// `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[expect(
    missing_docs,
    reason = "each is the field of wit/policy.wit that `name` spells"
)]
pub enum Field {
    Integration,
    PrincipalId,
    PrincipalKind,
    PrincipalType,
    PrincipalOwner,
    PrincipalPurpose,
    PrincipalEnvironment,
    PrincipalAttestation,
    PrincipalCredentialExpiresAt,
    PrincipalDelegatedBy,
    PrincipalAttributes,
    IntentId,
    IntentPurpose,
    IntentApprovedBy,
    IntentExpiresAt,
    IntentRemainingUses,
    ActionName,
    ActionClass,
    ActionArguments,
    ActionOrigins,
    ActionInputResponses,
    ActionRequestState,
    ResourceKind,
    ResourceId,
    ResourceEnvironment,
    ResourcePosture,
    ResourceAttributes,
    Now,
    Context,
}

impl Field {
    /// All fields, in the order of the contract.
    pub const ALL: [Self; 29] = [
        Self::Integration,
        Self::PrincipalId,
        Self::PrincipalKind,
        Self::PrincipalType,
        Self::PrincipalOwner,
        Self::PrincipalPurpose,
        Self::PrincipalEnvironment,
        Self::PrincipalAttestation,
        Self::PrincipalCredentialExpiresAt,
        Self::PrincipalDelegatedBy,
        Self::PrincipalAttributes,
        Self::IntentId,
        Self::IntentPurpose,
        Self::IntentApprovedBy,
        Self::IntentExpiresAt,
        Self::IntentRemainingUses,
        Self::ActionName,
        Self::ActionClass,
        Self::ActionArguments,
        Self::ActionOrigins,
        Self::ActionInputResponses,
        Self::ActionRequestState,
        Self::ResourceKind,
        Self::ResourceId,
        Self::ResourceEnvironment,
        Self::ResourcePosture,
        Self::ResourceAttributes,
        Self::Now,
        Self::Context,
    ];

    /// The fields of the intent.
    pub const OF_INTENT: [Self; 5] = [
        Self::IntentId,
        Self::IntentPurpose,
        Self::IntentApprovedBy,
        Self::IntentExpiresAt,
        Self::IntentRemainingUses,
    ];

    /// The open lists, whose items a manifest can list by name.
    pub const OPEN: [Self; 4] = [
        Self::PrincipalAttributes,
        Self::ActionArguments,
        Self::ResourceAttributes,
        Self::Context,
    ];

    /// Name of the field, as spelt in a manifest.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Integration => "integration",
            Self::PrincipalId => "principal.id",
            Self::PrincipalKind => "principal.kind",
            Self::PrincipalType => "principal.type",
            Self::PrincipalOwner => "principal.owner",
            Self::PrincipalPurpose => "principal.purpose",
            Self::PrincipalEnvironment => "principal.environment",
            Self::PrincipalAttestation => "principal.attestation",
            Self::PrincipalCredentialExpiresAt => "principal.credential-expires-at",
            Self::PrincipalDelegatedBy => "principal.delegated-by",
            Self::PrincipalAttributes => "principal.attributes",
            Self::IntentId => "intent.id",
            Self::IntentPurpose => "intent.purpose",
            Self::IntentApprovedBy => "intent.approved-by",
            Self::IntentExpiresAt => "intent.expires-at",
            Self::IntentRemainingUses => "intent.remaining-uses",
            Self::ActionName => "action.name",
            Self::ActionClass => "action.class",
            Self::ActionArguments => "action.arguments",
            Self::ActionOrigins => "action.origins",
            Self::ActionInputResponses => "action.input-responses",
            Self::ActionRequestState => "action.request-state",
            Self::ResourceKind => "resource.kind",
            Self::ResourceId => "resource.id",
            Self::ResourceEnvironment => "resource.environment",
            Self::ResourcePosture => "resource.posture",
            Self::ResourceAttributes => "resource.attributes",
            Self::Now => "now",
            Self::Context => "context",
        }
    }

    const fn bit(self) -> u32 {
        1 << self as u8
    }
}

/// The fields that a plugin asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    whole: u32,
    named: BTreeMap<Field, BTreeSet<String>>,
}

/// A name under `needs` that is not a field of a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no field of a request: a plugin may need {fields}, or one name of the open lists, as in `context.ticket`",
    fields = Field::ALL.map(Field::name).join(", ")
)]
pub struct UnknownField(pub String);

impl Needs {
    /// Reads field names.
    ///
    /// # Errors
    ///
    /// [`UnknownField`] at the first unknown name.
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, UnknownField> {
        let mut needs = Self::default();
        for name in names {
            if let Some(field) = Field::ALL.into_iter().find(|field| field.name() == name) {
                needs.whole |= field.bit();
                continue;
            }
            let (field, key) = Field::OPEN
                .into_iter()
                .find_map(|field| {
                    let key = name.strip_prefix(field.name())?.strip_prefix('.')?;
                    (!key.is_empty()).then_some((field, key))
                })
                .ok_or_else(|| UnknownField(crate::excerpt(name)))?;
            needs.named.entry(field).or_default().insert(key.to_owned());
        }
        Ok(needs)
    }

    /// Returns needs that include every field.
    pub fn everything() -> Self {
        Self {
            whole: Field::ALL
                .into_iter()
                .fold(0, |all, field| all | field.bit()),
            named: BTreeMap::new(),
        }
    }

    /// True if the plugin asks for the whole of `field`.
    pub fn has(&self, field: Field) -> bool {
        self.whole & field.bit() != 0
    }

    /// True if the plugin asks for item `name` of open list `field`.
    pub fn has_named(&self, field: Field, name: &str) -> bool {
        self.has(field)
            || self
                .named
                .get(&field)
                .is_some_and(|names| names.contains(name))
    }

    /// True if the plugin asks for any item of the open list `field`.
    pub fn has_any_of(&self, field: Field) -> bool {
        self.has(field) || self.named.contains_key(&field)
    }

    /// Names of the items of `field` that the plugin asks for one by one.
    pub fn names_of(&self, field: Field) -> impl Iterator<Item = &str> {
        let names = self.named.get(&field);
        names.into_iter().flatten().map(String::as_str)
    }

    /// True if the plugin asks for any field of the intent.
    pub fn has_intent(&self) -> bool {
        Field::OF_INTENT.into_iter().any(|field| self.has(field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_field_and_one_name_of_an_open_list() {
        let needs = Needs::parse(["action.name", "context.ticket"]).unwrap();
        assert!(needs.has(Field::ActionName));
        assert!(!needs.has(Field::ResourceId));
        assert!(needs.has_named(Field::Context, "ticket"));
        assert!(!needs.has_named(Field::Context, "secret"));
        assert!(!needs.has(Field::Context));
        assert!(Needs::everything().has_named(Field::Context, "secret"));
        let needs = Needs::parse(["action.arguments.branch", "action.arguments.a.b"]).unwrap();
        assert!(!needs.has(Field::ActionArguments) && needs.has_any_of(Field::ActionArguments));
        let names: Vec<_> = needs.names_of(Field::ActionArguments).collect();
        assert_eq!(names, ["a.b", "branch"], "a name may contain a full stop");
    }

    #[test]
    fn refuses_a_name_that_is_no_field() {
        for name in [
            "",
            "action",
            "action.args",
            "context.",
            "now.x",
            "principal.attributes.",
        ] {
            assert_eq!(
                Needs::parse([name]),
                Err(UnknownField(name.into())),
                "{name}"
            );
        }
    }

    #[test]
    fn every_field_has_its_own_bit_and_name() {
        let names: BTreeSet<_> = Field::ALL.iter().map(|f| f.name()).collect();
        let bits: BTreeSet<_> = Field::ALL.iter().map(|f| f.bit()).collect();
        assert_eq!(
            (names.len(), bits.len()),
            (Field::ALL.len(), Field::ALL.len())
        );
    }
}
