//! Counters of executed instructions, in globals.

/// First global with counters.
pub(crate) const COUNTERS: u32 = 6;

/// Counts of the instructions of [`EXECUTED`](crate::tally::EXECUTED) that a module has.
///
/// A global of 64 bits holds [`PER_GLOBAL`] counters, because each global costs code in the rewritten module.
#[derive(Default)]
pub(crate) struct Counters {
    /// The instruction of each counter.
    of: Vec<usize>,
}

const PER_GLOBAL: u32 = 3;
/// Bits of a counter: one call executes each instruction at most a few thousand times.
const COUNTER_BITS: u32 = 21;

impl Counters {
    /// The global with the counter of instruction `index`, and the number to add to it.
    pub(crate) fn counter(&mut self, index: usize) -> (u32, i64) {
        let found = self.of.iter().position(|other| *other == index);
        let place = found.unwrap_or_else(|| {
            self.of.push(index);
            self.of.len() - 1
        });
        let place = u32::try_from(place).unwrap_or_default();
        let one = 1 << (place % PER_GLOBAL * COUNTER_BITS);
        (COUNTERS + place / PER_GLOBAL, one)
    }

    /// Number of globals of the module.
    pub(crate) fn globals(&self) -> u32 {
        COUNTERS
            + u32::try_from(self.of.len())
                .unwrap_or_default()
                .div_ceil(PER_GLOBAL)
    }

    /// Each instruction with its count, if the global `global` has the value that it returns.
    pub(crate) fn read(&self, global: impl Fn(u32) -> u128) -> Vec<(usize, u64)> {
        let most = (1 << COUNTER_BITS) - 1;
        (0..)
            .zip(&self.of)
            .map(|(place, index)| {
                let value = global(COUNTERS + place / PER_GLOBAL);
                let count = value >> (place % PER_GLOBAL * COUNTER_BITS) & most;
                (*index, u64::try_from(count).unwrap_or_default())
            })
            .collect()
    }
}
