//! `cargo xtask`: sets up the toolchain and runs the project's tasks.

#![forbid(unsafe_code)]

mod advisories;
mod code_map;
mod demo;
mod efficacy;
mod engines;
mod fuzz;
mod house;
mod image;
mod plugins;
mod prose;
mod reach;
mod sbom;
mod serving;
mod steps;
mod story;
mod supply;
mod trust;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask COMMAND

  demo      build everything, decide real requests of three integrations, take an approval from its draft
            to its end, and let an agent and its attackers ask a running server
  test      build everything and run every test, except those of `engines`
  engines   compare the Cedar and Rego plugins with the native engines, and test the host in a process
            with all features of the runtime, and without features of its own
  bench     measure the cost of a decision, and of Cedar, regorus and the runtime alone
  reach     measure decisions over the network and in a gateway: [ROW...] [--seconds N] [--folder DIR]
  efficacy  measure what injected instructions reach, on suites of tasks: DIR [--servers DIR] [--gate] [--verbose]
  fuzz      run the targets of tests/fuzzed under libFuzzer: [--minutes N] [TARGET...]
  lint      run the other checks of CI: advisories, layout, prose, formatting, clippy and documentation
  plugins   build the reference plugins into target/plugins; `--digests` writes plugins/digests.toml
  image     build the container image into target/image: [--program FILE] [--check]
  sbom      write the bill of materials of the command and the host into target/sbom
  wit       copy wit/policy.wit to the crates that include it";

fn main() -> ExitCode {
    let command = std::env::args().nth(1);
    let done = match command.as_deref() {
        Some("demo") => demo::run(),
        Some("test") => steps::test()
            .and_then(|()| efficacy::gate())
            .and_then(|()| image::test()),
        Some("engines") => steps::engines(),
        Some("bench") => steps::bench(),
        Some("reach") => reach::reach(&std::env::args().skip(2).collect::<Vec<_>>()),
        Some("efficacy") => efficacy::efficacy(&std::env::args().skip(2).collect::<Vec<_>>()),
        Some("fuzz") => fuzz::fuzz(&std::env::args().skip(2).collect::<Vec<_>>()),
        Some("lint") => steps::lint(),
        Some("plugins") => plugins::run(&std::env::args().skip(2).collect::<Vec<_>>()),
        Some("image") => image::run(&std::env::args().skip(2).collect::<Vec<_>>()),
        Some("sbom") => sbom::bill_of_materials(),
        Some("wit") => steps::copy_wit(),
        Some("help" | "--help" | "-h") => {
            println!("{HELP}");
            Ok(())
        }
        _ => {
            eprintln!("{HELP}");
            return ExitCode::FAILURE;
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
