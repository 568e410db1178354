//! Reasons why a module cannot be reset.

use std::fmt;

/// Reason why instances of a module cannot be reset.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// It is not valid with the features in [`FEATURES`](crate::FEATURES).
    Invalid(String),
    /// It has an item that is not supported, such as imports or a start function.
    Item(&'static str),
    /// It has an instruction that changes a table or drops a segment, named as in wasmparser.
    Instruction(&'static str),
    /// A mutable global or an active segment does not begin with a constant number.
    NotConstant,
    /// Its memory, or the memory with marks and image, exceeds its bound.
    Memory,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(why) => write!(f, "not a valid module of the supported features: {why}"),
            Self::Item(item) => write!(f, "it has {item}"),
            Self::Instruction(name) => write!(
                f,
                "its instruction `{name}` changes what a reset cannot undo"
            ),
            Self::NotConstant => f.write_str(
                "a mutable global or an active segment does not begin with a constant number",
            ),
            Self::Memory => f.write_str("its memory is empty, or too large to hold an image of it"),
        }
    }
}

impl std::error::Error for Refused {}

impl From<wasmparser::BinaryReaderError> for Refused {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<wasm_encoder::reencode::Error> for Refused {
    fn from(error: wasm_encoder::reencode::Error) -> Self {
        Self::Invalid(error.to_string())
    }
}
