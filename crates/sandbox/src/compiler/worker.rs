//! The child process: reads a plugin, compiles it, and writes the code.

use super::frame::{self, Answer, Request, Version};
use crate::engine::start_without_pool;
use crate::job::Job;
use crate::load_error::LoadError;
use portcullis_model::digest::Digest;
use portcullis_model::limits::PluginLimits;
use std::io::{self, Write as _};
use std::time::Duration;

/// Exit code if the answer was written.
const ANSWERED: i32 = 0;
/// Exit code if no request could be read or no answer written.
const NOT_ANSWERED: i32 = 1;

/// Compiles the plugin on standard input, and writes its code to standard output.
pub(super) fn run() -> i32 {
    match answer() {
        Ok(()) => ANSWERED,
        Err(error) => {
            // The host reads it as the reason.
            let _ = writeln!(io::stderr(), "{error}");
            NOT_ANSWERED
        }
    }
}

fn answer() -> io::Result<()> {
    limits::close_other_files();
    limits::end_with_host();
    start_without_pool();
    let mut input = io::stdin().lock();
    // The limits are in force before the component is read.
    let (request, component) = frame::read(&mut input, usize::MAX, |request: &Request| {
        limits::apply(&request.limits)
    })?;
    let (header, code) = compiled(&request, &component);
    frame::write(&mut io::stdout().lock(), &header, &code)
}

fn compiled(request: &Request, component: &[u8]) -> (Answer, Vec<u8>) {
    let refused = |error| (Answer::from_error(error), Vec::new());
    let own = match Version::own(request.form) {
        Ok(own) => own,
        Err(error) => return refused(error),
    };
    if own != request.version {
        return (Answer::OtherVersion(own), Vec::new());
    }
    let job = Job {
        component,
        digest: Digest::of(component),
        settings: &request.settings,
        limits: &request.limits,
        form: request.form,
    };
    let code = job.run().and_then(|compiled| {
        let code = compiled.serialize();
        code.map_err(|error| LoadError::Compile(crate::fault::text_of(&error)))
    });
    match code {
        Ok(code) => (Answer::Compiled, code),
        Err(error) => refused(error),
    }
}

impl Answer {
    fn from_error(error: LoadError) -> Self {
        match error {
            // The host finds it itself.
            LoadError::Manifest(_) => Self::RefusedAsFound,
            error => Self::Refused(error),
        }
    }
}

/// Processor time of the child beyond the deadline, in seconds: it is killed by the host's clock first.
const MORE_SECONDS: u64 = 1;

#[cfg(unix)]
mod limits {
    use super::{Duration, MORE_SECONDS, PluginLimits, io};
    use crate::engine::SNAPSHOT_BYTES;
    use portcullis_model::limits::MAX_MEMORY_BYTES;
    use rustix::process::{Resource, Rlimit, setrlimit};

    /// Applies the limits to this process, for the rest of its life.
    pub(super) fn apply(limits: &PluginLimits) -> io::Result<()> {
        let seconds = limits.load_deadline.as_secs() + MORE_SECONDS;
        let seconds = seconds + u64::from(limits.load_deadline > Duration::from_secs(seconds));
        for (resource, most) in [
            (Resource::Cpu, seconds.saturating_mul(THREADS)),
            // Memory that is only reserved does not count.
            (Resource::Data, limits.load_memory_bytes as u64),
            // The runtime keeps the initial content of memories in files without a name, in memory.
            (Resource::Fsize, (MAX_MEMORY_BYTES + SNAPSHOT_BYTES) as u64),
            (Resource::Core, 0),
            (Resource::Nofile, 16),
        ] {
            // At the lower limit of processor time, the signal names the reason.
            let maximum = most.saturating_add(u64::from(resource == Resource::Cpu));
            let limit = Rlimit {
                current: Some(most),
                maximum: Some(maximum),
            };
            setrlimit(resource, limit)?;
        }
        Ok(())
    }

    /// Number of threads that compile.
    const THREADS: u64 = super::super::child::THREADS;

    /// Closes every file but the three standard ones.
    pub(super) fn close_other_files() {
        let Ok(open) = std::fs::read_dir("/proc/self/fd") else {
            return;
        };
        let open: Vec<i32> = open
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect();
        // The file by which the folder was read is listed, and closed by now.
        let is_open =
            |file: &i32| std::fs::symlink_metadata(format!("/proc/self/fd/{file}")).is_ok();
        for file in open.into_iter().filter(|file| *file > 2 && is_open(file)) {
            #[expect(unsafe_code, reason = "no safe function closes an inherited file")]
            // SAFETY: this process has only begun, with one thread, and has opened no file that it uses.
            unsafe {
                rustix::io::close(file);
            }
        }
    }

    /// Has the kernel kill this process when the host ends.
    pub(super) fn end_with_host() {
        #[cfg(target_os = "linux")]
        let _ =
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    }
}

#[cfg(not(unix))]
mod limits {
    use super::{PluginLimits, io};

    pub(super) fn apply(_: &PluginLimits) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn close_other_files() {}

    pub(super) fn end_with_host() {}
}
