//! Hostile plugins, each with the limit that contains it.
//!
//! Each guest is a test, named after it. `guests/wat/<group>/<attack>.wat` are guests in text form,
//! [`generated`] makes those that would be bulky, and the behaviours of `guests/hostile` are those that are
//! best written in Rust. `build.rs` lists all of them, and [`expected`] states the end of each.
//!
//! `--measure <guest or group>` prints the cost of guests instead, and `--aftermath` the state of the process
//! before and after all of them.

mod aftermath;
mod beside;
mod child;
mod expected;
mod frame;
mod generated;
mod guest;
mod neighbours;
mod outcome;
mod proposals;
mod run;
mod stacks;
mod sweeps;

use guest::Guest;
use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;

fn main() -> ExitCode {
    // A guest and its neighbours, so that the process keeps no more sandboxes, as a host with three plugins.
    portcullis_host::expect_plugins(3);
    if let Some(code) = child::asked() {
        return code;
    }
    let mut arguments = Arguments::from_args();
    // The memory of the process is that of one guest.
    arguments.test_threads = Some(1);
    let mut trials: Vec<_> = Guest::ALL.into_iter().map(trial).collect();
    trials.extend(beside::trials());
    trials.extend(stacks::trials());
    trials.extend(proposals::trials());
    trials.extend(sweeps::trials());
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(guest: Guest) -> Trial {
    let run = move || run::run(guest).map_err(Into::into);
    let kind = match expected::KNOWN.iter().any(|(known, _)| *known == guest) {
        true => "known fault",
        false => "",
    };
    Trial::test(guest.name(), run).with_kind(kind)
}
