//! Faults of a plugin during a decision.

use crate::sandbox::Exceeded;
use portcullis_contract::{one_line, printable};
use portcullis_model::count::counted;
use portcullis_model::fault_kind::FaultKind;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use wasmtime::{PoolConcurrencyLimitError, Trap};

/// Fault of a plugin during a decision. Each is a deny.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Fault {
    /// Its code trapped: a panic, an access out of bounds, a stack overflow.
    #[error("it trapped: {0}")]
    Trap(String),
    /// It ran longer than its deadline.
    #[error("it ran longer than its `deadline`")]
    Deadline,
    /// It asked for more linear memory than its limit.
    #[error(
        "it asked for {asked} bytes of memory, more than its `memory-bytes`: let it need less, or raise `memory-bytes` in its `limits`"
    )]
    Memory {
        /// Size that it asked for, in bytes.
        asked: usize,
    },
    /// It asked for a larger table than its limit.
    #[error(
        "it asked for a table of {asked} elements, more than its `table-elements`: let it need less, or raise `table-elements` in its `limits`"
    )]
    Table {
        /// Size that it asked for, in elements.
        asked: usize,
    },
    /// Its output is larger than its limit.
    #[error("its output is larger than its `output-bytes`")]
    OutputTooLarge,
    /// Its output violates the contract.
    #[error("its output is not valid: {0}")]
    InvalidOutput(String),
    /// The process already runs its maximum number of decisions.
    #[error("this process runs its maximum number of decisions: call it from fewer threads")]
    Overloaded,
    /// It missed its deadline twice, with less than a quarter of it on a processor.
    #[error(
        "the host was busy: it missed its `deadline` twice, and had a processor for less than a quarter of it: give the host more processor time, or raise `deadline`"
    )]
    HostBusy,
    /// It was not called, because it faulted repeatedly.
    #[error(
        "it is quarantined after {} in a row, and is tried again in {}: correct it, or see what it faults on",
        counted(*faults, "fault"),
        retried_in(*retry_in)
    )]
    Quarantined {
        /// Number of its faults in a row.
        faults: u32,
        /// Time until the next request is a probe; zero while a probe is running.
        retry_in: Duration,
    },
    /// The sandbox could not be set up.
    #[error("its sandbox could not be set up: {0}")]
    Sandbox(String),
}

impl Fault {
    /// Kind of the fault, without details.
    pub fn kind(&self) -> FaultKind {
        match self {
            Self::Trap(_) => FaultKind::Trap,
            Self::Deadline => FaultKind::Deadline,
            Self::Memory { .. } => FaultKind::Memory,
            Self::Table { .. } => FaultKind::Table,
            Self::OutputTooLarge => FaultKind::OutputTooLarge,
            Self::InvalidOutput(_) => FaultKind::InvalidOutput,
            Self::Overloaded => FaultKind::Overloaded,
            Self::HostBusy => FaultKind::HostBusy,
            Self::Quarantined { .. } => FaultKind::Quarantined,
            Self::Sandbox(_) => FaultKind::Sandbox,
        }
    }

    /// Fault for an engine error while a sandbox is set up.
    pub(crate) fn at_instantiation(error: &wasmtime::Error) -> Self {
        match Self::from_error(error) {
            // The plugin has not returned anything yet.
            Self::InvalidOutput(what) => Self::Sandbox(what),
            other => other,
        }
    }

    /// Fault for an engine error during a call of the plugin.
    pub(crate) fn from_error(error: &wasmtime::Error) -> Self {
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
            // The bound of instructions, if they are counted, stands for one of time.
            Some(Trap::Interrupt | Trap::OutOfFuel) => Self::Deadline,
            Some(trap) => Self::Trap(trap.to_string()),
            // The engine has no public type for this error; a test checks its wording.
            None if error.to_string().contains("fuel allocated for hostcalls") => {
                Self::OutputTooLarge
            }
            None => Self::InvalidOutput(text_of(error)),
        }
    }
}

fn retried_in(time: Duration) -> String {
    match time.as_millis() {
        0 => "a moment".to_owned(),
        millis => format!("{millis} ms"),
    }
}

/// Text of an engine error, made printable: the file controls parts of it.
pub(crate) fn text_of(error: &wasmtime::Error) -> String {
    printable(&one_line(&format!("{error:#}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{MAX_CONCURRENT_DECISIONS, engine};
    use crate::sandbox;
    use portcullis_model::limits::PluginLimits;
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
