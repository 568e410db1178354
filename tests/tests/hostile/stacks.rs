//! Recursion on threads with other stacks than that of the test.

use crate::child;
use crate::guest::Guest;
use crate::run;
use libtest_mimic::Trial;

const LARGE_STACK: usize = 64 * 1024 * 1024;

/// A test on a small and on a large stack for each guest that recurses.
pub(crate) fn trials() -> Vec<Trial> {
    let recurse = |guest: &Guest| guest.group() == "recursion";
    let guests = Guest::ALL.into_iter().filter(recurse);
    let on_both = |guest: Guest| {
        let name = guest.name();
        [
            Trial::test(format!("{name}-on-a-large-stack"), move || {
                large(guest).map_err(Into::into)
            }),
            Trial::test(format!("{name}-on-a-small-stack"), move || {
                child::on_a_small_stack(guest).map_err(Into::into)
            }),
        ]
    };
    guests.flat_map(on_both).collect()
}

fn large(guest: Guest) -> Result<(), String> {
    std::thread::Builder::new()
        .stack_size(LARGE_STACK)
        .spawn(move || run::run(guest))
        .map_err(|error| error.to_string())?
        .join()
        .map_err(|_| "the thread panicked".to_owned())?
}
