//! Programs on one processor: started, measured by `/proc`, and stopped by their id.

use anyhow::{Context as _, bail, ensure};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Bound on the start of a program.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Ticks in a second of `/proc/PID/stat`, which is an interface of the kernel and the same everywhere.
const TICKS: f64 = 100.0;

/// The processor of the servers, and that of the load.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cores {
    pub(super) server: usize,
    pub(super) load: usize,
}

impl Cores {
    /// The first two processors that this process may use.
    pub(super) fn of_this_process() -> anyhow::Result<Self> {
        let status = fs::read_to_string("/proc/self/status")
            .context("processors are read from /proc, which Linux has")?;
        let allowed = field(&status, "Cpus_allowed_list:").unwrap_or_default();
        match listed(allowed)[..] {
            [server, load, ..] => Ok(Self { server, load }),
            _ => bail!("two processors are needed, and `{allowed}` may be used"),
        }
    }

    /// A command that runs `program` on the processor of servers.
    pub(super) fn server(self, program: &Path) -> Command {
        pinned(self.server, program)
    }

    /// A command that runs `program` on the processor of the load.
    pub(super) fn load(self, program: &Path) -> Command {
        pinned(self.load, program)
    }
}

/// `taskset` becomes the program, so the id of the process is that of the program.
fn pinned(core: usize, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string()]).arg(program);
    command
}

/// The numbers of a list such as `0-1,4`.
fn listed(list: &str) -> Vec<usize> {
    let mut numbers = Vec::new();
    for part in list.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(from), Ok(to)) = (from.trim().parse::<usize>(), to.trim().parse()) {
            numbers.extend(from..=to);
        }
    }
    numbers
}

/// The value of a line of `/proc/PID/status`.
fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = status.lines();
    lines
        .find_map(|line| line.strip_prefix(name))
        .map(str::trim)
}

/// Memory and threads of a process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) resident_kib: f64,
    pub(super) threads: usize,
}

/// A program that runs until this is dropped.
pub(super) struct Running {
    child: Child,
    name: String,
    /// File with what it said.
    said: PathBuf,
}

impl Running {
    /// Starts a program that writes what it says to a file.
    pub(super) fn start(name: &str, command: &mut Command, said: PathBuf) -> anyhow::Result<Self> {
        let file =
            File::create(&said).with_context(|| format!("cannot write {}", said.display()))?;
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {name} with `taskset`"))?;
        Ok(Self {
            child,
            name: name.to_owned(),
            said,
        })
    }

    /// Everything that it said.
    pub(super) fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap_or_default()
    }

    /// Polls until `get` returns a value.
    ///
    /// # Errors
    ///
    /// The program ended, or takes longer than [`PATIENCE`].
    pub(super) fn until<T>(
        &mut self,
        what: &str,
        mut get: impl FnMut(&Self) -> Option<T>,
    ) -> anyhow::Result<T> {
        let begun = Instant::now();
        loop {
            if let Some(got) = get(self) {
                return Ok(got);
            }
            if let Some(status) = self.ended()? {
                bail!("{} ended with {status}: {}", self.name, self.said());
            }
            ensure!(
                begun.elapsed() < PATIENCE,
                "{} is not {what} within {PATIENCE:?}: {}",
                self.name,
                self.said()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    fn read(&self, file: &str) -> anyhow::Result<String> {
        let file = format!("/proc/{}/{file}", self.child.id());
        fs::read_to_string(&file).with_context(|| format!("{} ended: no {file}", self.name))
    }

    /// Processor time that it used, in user mode and in the kernel.
    pub(super) fn processor_time(&self) -> anyhow::Result<Duration> {
        let stat = self.read("stat")?;
        ticks(&stat)
            .map(|ticks| Duration::from_secs_f64(ticks / TICKS))
            .with_context(|| format!("`{stat}` is no stat"))
    }

    pub(super) fn size(&self) -> anyhow::Result<Size> {
        let status = self.read("status")?;
        size(&status).with_context(|| format!("`{status}` has no size"))
    }

    /// Names of its threads, sorted.
    pub(super) fn threads(&self) -> anyhow::Result<Vec<String>> {
        let tasks = format!("/proc/{}/task", self.child.id());
        let tasks = fs::read_dir(&tasks).with_context(|| format!("{} ended", self.name))?;
        // A thread that ended since has no name.
        let names = tasks.flatten().filter_map(|task| {
            let name = fs::read_to_string(task.path().join("comm")).ok()?;
            Some(name.trim().to_owned())
        });
        let mut names: Vec<_> = names.collect();
        names.sort();
        Ok(names)
    }

    /// Tells it to read its configuration again.
    pub(super) fn hang_up(&self) -> anyhow::Result<()> {
        let sent = Command::new("kill")
            .args(["-HUP", &self.child.id().to_string()])
            .status()
            .context("cannot run `kill`")?;
        ensure!(sent.success(), "`kill -HUP` ended with {sent}");
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ignored: it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// User and kernel time in `/proc/PID/stat`. The name of the program may have spaces, and ends with the last `)`.
fn ticks(stat: &str) -> Option<f64> {
    let (_, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<f64>().ok();
    Some(next()? + next()?)
}

fn size(status: &str) -> Option<Size> {
    let resident = field(status, "VmRSS:")?.strip_suffix("kB")?;
    Some(Size {
        resident_kib: resident.trim().parse().ok()?,
        threads: field(status, "Threads:")?.parse().ok()?,
    })
}

/// Runs a program to its end, and returns what it wrote to standard output.
pub(super) fn output(command: &mut Command) -> anyhow::Result<String> {
    let name = format!("{command:?}");
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {name}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{name} ended with {}: {}", output.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_read_from_their_list() {
        assert_eq!(listed("0-1"), [0, 1]);
        assert_eq!(listed("3,6-8"), [3, 6, 7, 8]);
        assert_eq!(listed("5"), [5]);
        assert!(listed("").is_empty());
    }

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "7 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 30 12 0 0 20";
        assert_eq!(ticks(stat), Some(42.0));
        assert_eq!(ticks("7 (a) S 1 2"), None);
    }

    #[test]
    fn the_own_process_has_a_size() {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let size = size(&status).unwrap();
        assert!(size.resident_kib > 100.0);
        assert!(size.threads >= 1);
    }
}
