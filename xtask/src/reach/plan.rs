//! Arguments of the command.

use super::{ROWS, Row};
use crate::steps::root;
use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Seconds of one measurement, if they are not given.
const SECONDS: f64 = 10.0;

/// Rows to measure, and how.
pub(super) struct Plan {
    pub(super) rows: Vec<&'static Row>,
    pub(super) time: Duration,
    /// Folder with programs that are built already.
    pub(super) programs: Option<PathBuf>,
    /// Folder of all files of the measurement, so that the file system can be chosen.
    pub(super) folder: PathBuf,
}

impl Plan {
    pub(super) fn of(arguments: &[String]) -> anyhow::Result<Self> {
        let mut plan = Self {
            rows: Vec::new(),
            time: Duration::from_secs_f64(SECONDS),
            programs: None,
            folder: root().join("target/reach"),
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut value = || {
                let value = arguments.next();
                value.with_context(|| format!("`{argument}` needs a value after it"))
            };
            match argument.as_str() {
                "--seconds" => {
                    let seconds: f64 = value()?.parse().context("`--seconds` is a number")?;
                    let time = Duration::try_from_secs_f64(seconds).unwrap_or_default();
                    if time < Duration::from_secs(1) || time > Duration::from_secs(600) {
                        bail!("`--seconds` is from 1 to 600");
                    }
                    plan.time = time;
                }
                "--programs" => plan.programs = Some(absolute(value()?)?),
                "--folder" => plan.folder = absolute(value()?)?.join("portcullis-reach"),
                name => match ROWS.iter().find(|row| row.name == name) {
                    Some(row) => plan.rows.push(row),
                    None => bail!(
                        "there is no row `{name}`: there are {}; options are `--seconds N`, `--folder DIR` and `--programs DIR`",
                        ROWS.each_ref().map(|row| row.name).join(", ")
                    ),
                },
            }
        }
        if plan.rows.is_empty() {
            plan.rows = ROWS.iter().collect();
        }
        Ok(plan)
    }
}

/// A path that does not depend on the working directory, which differs between programs.
fn absolute(path: &str) -> anyhow::Result<PathBuf> {
    std::path::absolute(Path::new(path)).with_context(|| format!("`{path}` is no path"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(arguments: &[&str]) -> anyhow::Result<Plan> {
        let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
        Plan::of(&arguments)
    }

    #[test]
    fn rows_and_options_are_read_in_any_order() {
        let read = plan(&["tail", "--seconds", "2.5", "authzen"]).unwrap();
        let names: Vec<_> = read.rows.iter().map(|row| row.name).collect();
        assert_eq!(names, ["tail", "authzen"]);
        assert_eq!(read.time, Duration::from_millis(2500));
        assert_eq!(plan(&[]).unwrap().rows.len(), ROWS.len());
    }

    #[test]
    fn other_arguments_are_refused() {
        for arguments in [
            &["nothing"][..],
            &["--seconds"],
            &["--seconds", "0"],
            &["--seconds", "-1"],
            &["--seconds", "NaN"],
            &["--seconds", "soon"],
            &["--other", "1"],
        ] {
            assert!(plan(arguments).is_err(), "{arguments:?}");
        }
    }
}
