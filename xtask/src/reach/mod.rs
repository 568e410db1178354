//! `cargo xtask reach`: what decisions cost their callers, over the network and in a gateway.
//!
//! Each row starts real programs on loopback, measures, and stops them. A row whose program is missing is skipped, with
//! a line that says so. docs/performance.md has the method.

mod authzen;
mod benches;
mod change;
mod disk;
mod figure;
mod load;
mod memory;
mod plan;
mod process;
mod programs;
mod proxies;
mod server;
mod tail;
mod tools;

use crate::steps::step;
use anyhow::{Context as _, bail};
use figure::Figure;
use plan::Plan;
use process::Cores;
use programs::Programs;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tools::Missing;

/// A row, or several that are measured together.
struct Row {
    name: &'static str,
    measure: fn(&Bench) -> anyhow::Result<Vec<Figure>>,
}

/// All rows, in the order in which they are measured.
static ROWS: [Row; 11] = [
    Row {
        name: "authzen",
        measure: authzen::beside_the_library_and_nginx,
    },
    Row {
        name: "fsync",
        measure: authzen::durable,
    },
    Row {
        name: "tail",
        measure: tail::at_half_of_the_saturation,
    },
    Row {
        name: "health",
        measure: tail::health_while_saturated,
    },
    Row {
        name: "ext-authz",
        measure: proxies::processor_time,
    },
    Row {
        name: "envoy",
        measure: proxies::behind_envoy,
    },
    Row {
        name: "layer",
        measure: benches::layer,
    },
    Row {
        name: "memory",
        measure: memory::after_requests,
    },
    Row {
        name: "reload",
        measure: memory::after_reloads,
    },
    Row {
        name: "change",
        measure: change::to_its_effect,
    },
    Row {
        name: "jetstream",
        measure: benches::jetstream,
    },
];

/// Rows of the table "Reach" that `cargo xtask bench` measures.
const ELSEWHERE: &str = "\
`cargo xtask bench` measures the rest: JSON to JSON with every check beside Cedar with entities made by hand, two threads
beside one, and a thousand plugins beside one, each with the figure of native Cedar.";

/// Everything that a row needs.
struct Bench {
    programs: Programs,
    cores: Cores,
    /// Folder of all files of the measurement.
    folder: PathBuf,
    /// Time of one measurement of a round.
    time: Duration,
}

impl Bench {
    /// A new folder for a row, which is removed at its end.
    fn site(&self, name: &str) -> anyhow::Result<Site> {
        let folder = self.folder.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)
                .with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Site(folder))
    }

    /// The part of a count that is made in a short measurement: all of it from ten seconds on.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a part of a count"
    )]
    fn part_of(&self, count: u32) -> u32 {
        let part = (self.time.as_secs_f64() / 10.0).min(1.0);
        (f64::from(count) * part) as u32
    }
}

/// A folder of files, which is removed on drop.
struct Site(PathBuf);

impl Site {
    fn path(&self) -> &Path {
        &self.0
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> anyhow::Result<PathBuf> {
        let file = self.0.join(name);
        fs::write(&file, content).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(file)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // Ignored: the next run removes it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Measures the rows that `arguments` name, or all, and prints them.
pub(crate) fn reach(arguments: &[String]) -> anyhow::Result<()> {
    let plan = Plan::of(arguments)?;
    let bench = Bench {
        programs: Programs::get(plan.programs.as_deref())?,
        cores: Cores::of_this_process()?,
        folder: plan.folder,
        time: plan.time,
    };
    fs::create_dir_all(&bench.folder)
        .with_context(|| format!("cannot make {}", bench.folder.display()))?;
    let (mut figures, mut skipped, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for row in plan.rows {
        let measured = step(row.name, || match (row.measure)(&bench) {
            Ok(measured) => {
                measured.iter().for_each(|it| eprintln!("    {it}"));
                figures.extend(measured);
                Ok(())
            }
            Err(error) if error.is::<Missing>() => {
                skipped.push(format!("skipped: {}: {error}", row.name));
                Ok(())
            }
            Err(error) => Err(error),
        });
        if let Err(error) = measured {
            failed.push(format!("failed: {error:#}"));
        }
    }
    println!("{}", figure::table(&figures, &bench));
    for line in skipped.iter().chain(&failed) {
        println!("{line}");
    }
    println!("{ELSEWHERE}");
    match failed.len() {
        0 => Ok(()),
        failed => bail!("{failed} of the rows could not be measured"),
    }
}
