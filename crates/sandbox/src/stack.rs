//! Room on the stack of the calling thread.
//!
//! A plugin may use 256 KiB of the caller's stack, and the runtime around it some more. A gateway's thread can have
//! less, and running out of it would end the process.

/// Stack that a decision may need, in bytes: the plugin's, and the host's around it.
const OF_DECISION: usize = 512 * 1024;

/// Stack that loading may need in this process, in bytes: compilers recurse deeply.
const OF_LOADING: usize = 4 * 1024 * 1024;

/// Calls `decide` with enough stack, on another one if the thread has too little left.
pub(crate) fn for_decision<T>(decide: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(OF_DECISION, OF_DECISION, decide)
}

/// As [`for_decision`], for loading a plugin.
pub(crate) fn for_loading<T>(load: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(OF_LOADING / 2, OF_LOADING, load)
}
