//! `portcullis check`.

use crate::Format;
use crate::exit::Exit;
use crate::output::{self, BAD, GOOD, WARN, shown, styled};
use portcullis_host::config::{self, Problem, Severity};
use portcullis_host::{PagemapScanInForce, Pdp, counted, pagemap_scan_in_force};
use serde_json::json;
use std::path::PathBuf;

/// Check a configuration and its plugins, and report every problem with file and line.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration, as with `--config`.
    #[arg(conflicts_with = "config")]
    file: Option<PathBuf>,
    /// The configuration.
    #[arg(long, default_value = "portcullis.toml")]
    config: PathBuf,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let file = args.file.as_ref().unwrap_or(&args.config);
    let mut checked = config::check(file);
    let durability = checked.durability();
    let is_servable = serve_problems(file, &mut checked.problems);
    if !is_servable {
        checked.pdp = None;
    }
    let problems = checked.problems.iter();
    let refused = problems.filter(|problem| problem.severity == Severity::Refused);
    let refused = refused.count();
    let exit = match (&checked.pdp, refused) {
        (Some(_), 0) => Exit::Success,
        _ => Exit::Invalid,
    };
    match args.format {
        Format::Json => {
            let problems: Vec<_> = checked.problems.iter().map(to_json).collect();
            let scan = pagemap_scan_in_force();
            let mut report = json!({
                "usable": exit == Exit::Success,
                "starts": checked.pdp.is_some(),
                "problems": problems,
                "pagemap-scan": {
                    "on": scan == PagemapScanInForce::On,
                    "why": scan.to_string(),
                },
            });
            if let Some(durability) = durability {
                report["shared-state"] = durability.into();
            }
            output::json(&report)?;
        }
        Format::Human => {
            report(&checked.problems);
            if let Some(pdp) = &checked.pdp {
                let integrations = pdp.integrations();
                let plugins: usize = integrations.iter().map(|i| i.plugins().len()).sum();
                output::line(&format!("pagemap-scan is {}", pagemap_scan_in_force()))?;
                if let Some(durability) = durability {
                    output::line(&format!("the state is shared: {}", shown(&durability)))?;
                }
                // The verdict is the last line, and agrees with the exit code.
                let verdict = match refused {
                    0 => styled(GOOD, "usable"),
                    _ => styled(BAD, "refused"),
                };
                let without = match refused {
                    0 => String::new(),
                    _ => format!(
                        "; a host would start without {}, see above",
                        counted(refused, "refused part")
                    ),
                };
                output::line(&format!(
                    "{verdict} {}: {}, {}{without}",
                    file.display(),
                    counted(integrations.len(), "integration"),
                    counted(plugins, "plugin"),
                ))?;
            }
        }
    }
    Ok(exit)
}

/// Adds the problems of `[serve]`, `[mcp]` and `[sessions]`, in the order of the file. Returns false if there is an error among them.
#[cfg(feature = "serve")]
fn serve_problems(file: &std::path::Path, problems: &mut Vec<Problem>) -> bool {
    let mut of_server = portcullis_server::settings::check(file);
    // Both read the file, and report what is no TOML.
    of_server.retain(|problem| !problems.contains(problem));
    if of_server.is_empty() {
        return true;
    }
    let is_servable = of_server.iter().all(|it| it.severity < Severity::Error);
    problems.extend(of_server);
    // Problems of other files follow.
    problems.sort_by(|one, other| {
        let key = |it: &Problem| (it.file != file, it.file.clone(), it.line, it.column);
        key(one).cmp(&key(other))
    });
    is_servable
}

#[cfg(not(feature = "serve"))]
fn serve_problems(_: &std::path::Path, _: &mut Vec<Problem>) -> bool {
    true
}

/// Builds the decision point of a configuration for dry runs.
///
/// If that fails, it reports every problem. Otherwise it reports the warnings about other files only.
pub(crate) fn load(config: &std::path::Path) -> Option<Pdp> {
    let checked = config::check(config);
    match &checked.pdp {
        None => report(&checked.problems),
        // `portcullis check` reports the warnings about the configuration itself.
        Some(_) => {
            let elsewhere = checked.problems.iter().filter(|it| it.file != config);
            report(&elsewhere.cloned().collect::<Vec<_>>());
        }
    }
    checked.pdp
}

pub(crate) fn report(problems: &[Problem]) {
    for problem in problems {
        let file = shown(&problem.file.display().to_string());
        let place = match problem.line {
            0 => file,
            line => format!("{file}:{line}:{}", problem.column),
        };
        let kind = match problem.severity {
            Severity::Error => styled(BAD, "error"),
            Severity::Refused => styled(BAD, "refused"),
            Severity::Warning => styled(WARN, "warning"),
        };
        output::note(&format!("{place}: {kind}: {}", problem.message));
    }
}

fn to_json(problem: &Problem) -> serde_json::Value {
    json!({
        "severity": match problem.severity {
            Severity::Error => "error",
            Severity::Refused => "refused",
            Severity::Warning => "warning",
        },
        "file": shown(&problem.file.display().to_string()),
        "line": problem.line,
        "column": problem.column,
        "message": problem.message,
    })
}
