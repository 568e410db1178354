//! Each target on its cases, and on mutations of them that are the same in each run.

use libtest_mimic::{Arguments, Failed, Trial};
use portcullis_fuzzed::{Case, KNOWN, Mutator, Read, TARGETS, Target, cases, folder};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Seed of all mutations.
const SEED: u64 = 0x706f_7274;

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::from_args();
    let mut trials = vec![Trial::test("folders", every_folder_has_a_target)];
    for target in TARGETS {
        let name = |what: &str| format!("{}::{what}", target.name);
        trials.push(Trial::test(name("cases"), move || run_cases(&target)));
        trials.push(Trial::test(name("mutations"), move || {
            run_mutations(&target)
        }));
    }
    for known in KNOWN {
        let name = format!("{}::known::{}", known.target, known.case);
        trials.push(Trial::test(name, move || still_fails(known)));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn every_folder_has_a_target() -> Result<(), Failed> {
    let mut folders = BTreeSet::new();
    for entry in std::fs::read_dir(folder())? {
        folders.insert(entry?.file_name().to_string_lossy().into_owned());
    }
    let targets: BTreeSet<_> = TARGETS.iter().map(|it| it.name.to_owned()).collect();
    if folders != targets {
        return Err(format!("folders {folders:?} of targets {targets:?}").into());
    }
    for target in TARGETS {
        let file = format!("../../fuzz/fuzz_targets/{}.rs", target.name);
        if !Path::new(env!("CARGO_MANIFEST_DIR")).join(&file).is_file() {
            return Err(format!("{file} is missing, and an entry in fuzz/Cargo.toml").into());
        }
    }
    Ok(())
}

fn is_known(target: &Target, case: &str) -> bool {
    KNOWN
        .iter()
        .any(|known| known.target == target.name && known.case == case)
}

/// Cases that keep every property.
fn good_cases(target: &Target) -> anyhow::Result<Vec<Case>> {
    let mut cases = cases(target.name)?;
    cases.retain(|case| !is_known(target, &case.name));
    Ok(cases)
}

/// Runs the target, and states the message of its panic.
fn run(target: &Target, input: &[u8]) -> Result<Read, String> {
    catch_unwind(AssertUnwindSafe(|| (target.run)(input))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        text.unwrap_or("a panic without a message").to_owned()
    })
}

fn run_cases(target: &Target) -> Result<(), Failed> {
    let (mut accepted, mut refused) = (0, 0);
    for case in good_cases(target)? {
        if case.input.len() > target.max_bytes {
            return Err(format!("{} is longer than `max_bytes`", case.name).into());
        }
        match run(target, &case.input) {
            Ok(Read::Accepted) => accepted += 1,
            Ok(Read::Refused) => refused += 1,
            Err(message) => return Err(format!("{}: {message}", case.name).into()),
        }
    }
    // `reset` makes a module of any bytes.
    let reaches_both = accepted > 0 && (refused > 0 || target.name == "reset");
    match reaches_both {
        true => Ok(()),
        false => Err(format!("{accepted} cases are accepted, and {refused} refused").into()),
    }
}

fn run_mutations(target: &Target) -> Result<(), Failed> {
    let cases = good_cases(target)?;
    let mut mutator = Mutator::new(SEED);
    let mut accepted = 0;
    for number in 0..target.mutations {
        let (case, other) = (
            &cases[mutator.below(cases.len())],
            &cases[mutator.below(cases.len())],
        );
        let input = mutator.mutated(&case.input, &other.input, target.words, target.max_bytes);
        match run(target, &input) {
            Ok(Read::Accepted) => accepted += 1,
            Ok(Read::Refused) => {}
            Err(message) => {
                let file = Path::new(env!("CARGO_TARGET_TMPDIR"))
                    .join(format!("crash-{}-{number}", target.name));
                std::fs::write(&file, &input)?;
                let (name, file) = (&case.name, file.display());
                return Err(format!("{message}\n  a mutation of {name}, in {file}").into());
            }
        }
    }
    match accepted {
        // No mutation of a chain of hashes is whole.
        0 if target.name != "log" => {
            Err("no mutation is accepted, so the target compares nothing".into())
        }
        _ => Ok(()),
    }
}

fn still_fails(known: &portcullis_fuzzed::Known) -> Result<(), Failed> {
    let target = TARGETS.iter().find(|it| it.name == known.target);
    let target = target.ok_or("no such target")?;
    let cases = cases(target.name)?;
    let case = cases.iter().find(|it| it.name == known.case);
    let case = case.ok_or("no such case")?;
    match run(target, &case.input) {
        Err(_) => Ok(()),
        Ok(_) => Err("it keeps every property now: take it out of `KNOWN`".into()),
    }
}
