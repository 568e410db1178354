//! Names of the contract's enumerations, as written in files.

use portcullis_contract::{ActionClass, PrincipalKind};
use serde::Deserialize;
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error as ValueError, StrDeserializer};

/// Returns the principal kind of that name; `unspecified` is not accepted.
pub fn principal_kind(text: &str) -> Option<PrincipalKind> {
    from_text::<PrincipalKind>(text).filter(|kind| *kind != PrincipalKind::Unspecified)
}

/// Returns the action class of that name; `unclassified` is not accepted.
pub fn action_class(text: &str) -> Option<ActionClass> {
    from_text::<ActionClass>(text).filter(|class| *class != ActionClass::Unclassified)
}

/// Returns the enumeration value named `text`.
pub fn from_text<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    let text: StrDeserializer<'a, ValueError> = text.into_deserializer();
    T::deserialize(text).ok()
}
