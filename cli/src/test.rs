//! `portcullis test`: verifies a plugin against its cases.

use crate::exit::Exit;
use crate::file;
use crate::output::{self, BAD, FAINT, GOOD, shown, shown_of_request, styled};
use crate::{Format, build};
use anyhow::Context as _;
use portcullis_cases::{Case, folders, limits};
use portcullis_host::{Decision, Pdp, Plugin, PluginSource, counted, read_component};
use serde::Serialize;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Decide a plugin's cases in the sandbox, and report those that differ from the expected decision.
///
/// A case is a folder with `request.json`, `expected.toml`, and `settings.toml` in it or beside all cases.
/// The instructions that the plugin runs are counted, which are the same on every machine; `configure` may
/// run five billion, about a second. The plugin may use the maximum memory, and its deadline is five
/// seconds, so that a busy machine fails no case.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A plugin crate's folder, which is built first, or a component.
    #[arg(default_value = ".")]
    path: PathBuf,
    /// The folder of the cases. By default `cases` in the crate's folder, or beside the component.
    #[arg(long)]
    cases: Option<PathBuf>,
    /// Only cases whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// Fail if the plugin runs more instructions for a case.
    #[arg(long)]
    max_instructions: Option<u64>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// The result of one case.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Tried {
    case: String,
    passed: bool,
    /// The differences from the expected decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<String>,
    instructions: u64,
    peak_memory_bytes: usize,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let chosen = chosen(args)?;
    let cases = chosen.iter().map(|folder| Case::read(folder));
    let cases: Vec<_> = match cases.collect() {
        Ok(cases) => cases,
        Err(error) => return Ok(invalid(&error)),
    };
    let component = match args.path.is_dir() {
        true => match build::of_crate(&args.path) {
            Ok(component) => component,
            Err(error) => return Ok(build::failed(&error)),
        },
        false => read_component(&args.path, &limits())
            .map_err(|error| file::cannot_read(&args.path, &error))?,
    };
    let mut tried = Vec::with_capacity(cases.len());
    let mut pdps = Pdps::new(&component);
    for case in &cases {
        let pdp = match pdps.of(case) {
            Ok(pdp) => pdp,
            Err(error) => return Ok(invalid(&error.context(format!("case `{}`", case.name)))),
        };
        let one = judge(case, &case.decide(pdp), args);
        if args.format == Format::Human {
            print(&one)?;
        }
        tried.push(one);
    }
    let passed = tried.iter().filter(|one| one.passed).count();
    match args.format {
        Format::Json => output::json(&tried)?,
        Format::Human => {
            let most = tried.iter().max_by_key(|one| one.instructions);
            let most = most.map_or_else(String::new, |one| {
                format!(
                    "; most instructions: {} ({})",
                    one.instructions,
                    shown(&one.case)
                )
            });
            let (count, all) = (passed, tried.len());
            output::line(&format!(
                "{count} of {} decided as expected{most}",
                counted(all, "case")
            ))?;
        }
    }
    Ok(match passed == tried.len() {
        true => Exit::Success,
        false => Exit::GateFailed,
    })
}

fn invalid(error: &anyhow::Error) -> Exit {
    output::error(&shown(&format!("{error:#}")));
    Exit::Invalid
}

/// Returns the folders of the selected cases, at least one.
fn chosen(args: &Args) -> anyhow::Result<Vec<PathBuf>> {
    if let Err(error) = args.path.metadata() {
        return Err(file::cannot_read(&args.path, &error));
    }
    let folder = args.cases.clone().unwrap_or_else(|| {
        let beside = match args.path.is_dir() {
            true => Some(args.path.as_path()),
            false => args.path.parent(),
        };
        beside.unwrap_or(Path::new("")).join("cases")
    });
    let wanted = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        args.only.as_ref().is_none_or(|only| name.contains(only))
    };
    let all = folders(&folder).context(
        "a case is a folder with `request.json`, `settings.toml` and `expected.toml`; say where they are with `--cases`",
    )?;
    let chosen: Vec<_> = all.into_iter().filter(wanted).collect();
    anyhow::ensure!(
        !chosen.is_empty(),
        "there is no matching case in {}: create a folder with `request.json`, `settings.toml` and `expected.toml`",
        folder.display()
    );
    Ok(chosen)
}

/// The decision points of the cases. Most cases share one.
struct Pdps<'a> {
    component: &'a [u8],
    made: Vec<(Value, String, Pdp)>,
}

impl<'a> Pdps<'a> {
    fn new(component: &'a [u8]) -> Self {
        Self {
            component,
            made: Vec::new(),
        }
    }

    fn of(&mut self, case: &Case) -> anyhow::Result<&Pdp> {
        let integration = case.request.integration();
        let found = self
            .made
            .iter()
            .position(|(settings, of, _)| *settings == case.settings && of == integration);
        let index = match found {
            Some(index) => index,
            None => {
                let source = PluginSource::new(self.component)
                    .settings(case.settings.clone())
                    .limits(limits())
                    .metered();
                let pdp = case.pdp(Plugin::load(&source)?)?;
                self.made
                    .push((case.settings.clone(), integration.to_owned(), pdp));
                self.made.len() - 1
            }
        };
        Ok(&self.made[index].2)
    }
}

/// Compares a decision with its case and with the maximum of instructions.
fn judge(case: &Case, decision: &Decision, args: &Args) -> Tried {
    let plugin = decision.plugins().first();
    let instructions = plugin.and_then(|it| it.instructions).unwrap_or_default();
    let difference = match case.judge(decision) {
        Err(difference) => Some(difference.to_string()),
        Ok(()) => args
            .max_instructions
            .filter(|most| instructions > *most)
            .map(|most| {
                let ran = counted(instructions, "instruction");
                format!("it ran {ran}, more than {most}")
            }),
    };
    Tried {
        case: case.name.clone(),
        passed: difference.is_none(),
        difference,
        instructions,
        peak_memory_bytes: plugin.map_or(0, |it| it.peak_memory_bytes),
    }
}

fn print(one: &Tried) -> std::io::Result<()> {
    let outcome = match one.passed {
        true => styled(GOOD, "ok    "),
        false => styled(BAD, "failed"),
    };
    let (instructions, kib) = (one.instructions, one.peak_memory_bytes / 1024);
    let taken = styled(
        FAINT,
        &format!("{}, {kib} KiB", counted(instructions, "instruction")),
    );
    output::line(&format!("{outcome} {} {taken}", shown(&one.case)))?;
    for line in one.difference.iter().flat_map(|text| text.lines()) {
        output::line(&format!("       {}", shown_of_request(line)))?;
    }
    Ok(())
}
