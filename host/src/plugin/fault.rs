//! What a plugin can do wrong while it decides.

use super::sandbox::Exceeded;
use serde::Serialize;
use wasmtime::{PoolConcurrencyLimitError, Trap};

/// What a plugin did wrong while it decided. Each is a deny.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Its code trapped: a panic, an access out of bounds, a stack overflow.
    #[error("it trapped: {0}")]
    Trap(String),
    /// It ran longer than its deadline.
    #[error("it ran longer than its `deadline`")]
    Deadline,
    /// It asked for more linear memory than its limit.
    #[error("it asked for {asked} bytes of memory, more than its `memory-bytes`")]
    Memory {
        /// What it would have had, in bytes.
        asked: usize,
    },
    /// It asked for a larger table than its limit.
    #[error("it asked for a table of {asked} elements, more than its `table-elements`")]
    Table {
        /// What it would have had, in elements.
        asked: usize,
    },
    /// What it returned was larger than its limit.
    #[error("what it returned is larger than its `output-bytes`")]
    OutputTooLarge,
    /// What it returned breaks the contract.
    #[error("what it returned is not valid: {0}")]
    InvalidOutput(String),
    /// As many decisions run as the process can take.
    #[error("as many decisions run as this process can take: call it from fewer threads")]
    Overloaded,
    /// The sandbox could not be set up.
    #[error("its sandbox could not be set up: {0}")]
    Sandbox(String),
}

/// A [`Fault`] without its particulars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is the variant of `Fault` of that name")]
pub enum FaultKind {
    Trap,
    Deadline,
    Memory,
    Table,
    OutputTooLarge,
    InvalidOutput,
    Overloaded,
    Sandbox,
}

impl Fault {
    /// The fault without its particulars.
    pub fn kind(&self) -> FaultKind {
        match self {
            Self::Trap(_) => FaultKind::Trap,
            Self::Deadline => FaultKind::Deadline,
            Self::Memory { .. } => FaultKind::Memory,
            Self::Table { .. } => FaultKind::Table,
            Self::OutputTooLarge => FaultKind::OutputTooLarge,
            Self::InvalidOutput(_) => FaultKind::InvalidOutput,
            Self::Overloaded => FaultKind::Overloaded,
            Self::Sandbox(_) => FaultKind::Sandbox,
        }
    }

    /// The fault that an error of the engine stands for when a sandbox is set up.
    pub(super) fn at_instantiation(error: &wasmtime::Error) -> Self {
        match Self::from_error(error) {
            // Nothing was returned yet.
            Self::InvalidOutput(what) => Self::Sandbox(what),
            other => other,
        }
    }

    /// The fault that an error of the engine stands for when the plugin was called.
    pub(super) fn from_error(error: &wasmtime::Error) -> Self {
        if let Some(exceeded) = error.downcast_ref::<Exceeded>() {
            return match *exceeded {
                Exceeded::Memory(asked) => Self::Memory { asked },
                Exceeded::Table(asked) => Self::Table { asked },
            };
        }
        if error.is::<PoolConcurrencyLimitError>() {
            return Self::Overloaded;
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => Self::Deadline,
            Some(trap) => Self::Trap(trap.to_string()),
            // The engine has no public type for this one; a test holds us to its wording.
            None if error.to_string().contains("fuel allocated for hostcalls") => {
                Self::OutputTooLarge
            }
            None => Self::InvalidOutput(portcullis_contract::printable(&format!("{error:#}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{MAX_CONCURRENT_DECISIONS, engine};
    use crate::limits::PluginLimits;
    use crate::plugin::sandbox;
    use wasmtime::component::{Component, Linker};

    #[test]
    fn one_sandbox_too_many_is_an_overload_and_then_there_is_room_again() {
        let engine = engine().unwrap();
        let text = "(component (core module $m (memory 1)) (core instance (instantiate $m)))";
        let component = Component::new(engine, wat::parse_str(text).unwrap()).unwrap();
        let instantiable = Linker::new(engine).instantiate_pre(&component).unwrap();
        let take = || {
            let mut store = sandbox::store(engine, &PluginLimits::default());
            match instantiable.instantiate(&mut store) {
                Ok(_) => Ok(store),
                Err(error) => Err(Fault::from_error(&error)),
            }
        };
        let taken: Vec<_> = (0..MAX_CONCURRENT_DECISIONS)
            .map(|_| take().unwrap())
            .collect();
        assert_eq!(take().unwrap_err(), Fault::Overloaded);
        drop(taken);
        assert!(take().is_ok());
    }
}
