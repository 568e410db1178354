//! Counts of the instructions that ran.

use std::fmt;

/// Instructions that a generated module counts in globals of its own, after each execution that did not trap.
///
/// The names are those of wasmparser; the first `STORES` write one value.
pub const EXECUTED: [&str; 22] = [
    "I32Store",
    "I32Store8",
    "I32Store16",
    "I64Store",
    "I64Store8",
    "I64Store16",
    "I64Store32",
    "F32Store",
    "F64Store",
    "V128Store",
    "V128Store8Lane",
    "V128Store16Lane",
    "V128Store32Lane",
    "V128Store64Lane",
    "MemoryFill",
    "MemoryCopy",
    "MemoryInit",
    "MemoryGrow",
    "MemorySize",
    "TableGet",
    "TableSize",
    "CallIndirect",
];

/// Number of the [`EXECUTED`] instructions that write one value.
pub(crate) const STORES: usize = 14;

/// Instructions that the rewriting refuses.
pub const REFUSED: [&str; 7] = [
    "TableSet",
    "TableGrow",
    "TableFill",
    "TableCopy",
    "TableInit",
    "ElemDrop",
    "DataDrop",
];

/// Counts over many modules.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Modules that ran in both forms.
    pub ran: u64,
    /// Modules that executed at least 100 instructions that write one value.
    pub with_a_hundred_stores: u64,
    /// Calls of a module, in both forms.
    pub calls: u64,
    /// Calls that trapped, alike in both forms.
    pub traps: u64,
    /// Calls after which the memory was larger.
    pub grown: u64,
    /// Resets, each compared with a fresh instance.
    pub resets: u64,
    /// Executions of each of [`EXECUTED`].
    pub executed: [u64; EXECUTED.len()],
    /// Modules refused for each of [`REFUSED`].
    pub refused: [u64; REFUSED.len()],
}

impl Tally {
    /// Modules that were made.
    pub fn modules(&self) -> u64 {
        self.ran + self.refused.iter().sum::<u64>()
    }

    /// Adds the counts of `other`.
    pub fn add(&mut self, other: &Self) {
        self.ran += other.ran;
        self.with_a_hundred_stores += other.with_a_hundred_stores;
        self.calls += other.calls;
        self.traps += other.traps;
        self.grown += other.grown;
        self.resets += other.resets;
        for (sum, more) in self.executed.iter_mut().zip(other.executed) {
            *sum += more;
        }
        for (sum, more) in self.refused.iter_mut().zip(other.refused) {
            *sum += more;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} modules, {} of which ran; {} executed at least 100 stores",
            self.modules(),
            self.ran,
            self.with_a_hundred_stores
        )?;
        writeln!(
            f,
            "{} calls, {} trapped, {} grew the memory; {} resets",
            self.calls, self.traps, self.grown, self.resets
        )?;
        for (name, count) in EXECUTED.iter().zip(self.executed) {
            writeln!(f, "{name:16} {count:>12} executed")?;
        }
        for (name, count) in REFUSED.iter().zip(self.refused) {
            writeln!(f, "{name:16} {count:>12} modules refused")?;
        }
        Ok(())
    }
}
