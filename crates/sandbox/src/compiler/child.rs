//! The host's side: starts the child process, and reads its answer.

use super::frame::{self, Answer, Request, Version};
use super::{ARGUMENT, Program};
use crate::code::Compiled;
use crate::fault::text_of;
use crate::job::Job;
use crate::load_error::{CompilerError, LoadError};
use portcullis_contract::{one_line, printable};
use std::io::{self, Read as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use wasmtime::component::Component;
use wasmtime::{Engine, Module, Precompiled};

/// Number of threads with which the child compiles.
pub(super) const THREADS: u64 = 4;

/// Maximum size of what the child says of its end, in bytes.
const MAX_LAST_WORDS: u64 = 2048;

/// Text of the operating system's error if there is no memory left.
const OUT_OF_MEMORY: &str = "Cannot allocate memory";

/// Has `program` compile the plugin; returns the code.
///
/// `Ok(None)` if the plugin is refused for something that the host finds by looking at the file.
pub(crate) fn compile(program: &Program, job: &Job<'_>) -> Result<Option<Vec<u8>>, LoadError> {
    let version = Version::own(job.form)?;
    let request = Request {
        version,
        limits: *job.limits,
        form: job.form,
        settings: job.settings.to_owned(),
    };
    let answer = exchange(program, &request, job.component)?;
    match answer {
        (Answer::Compiled, code) => Ok(Some(code)),
        (Answer::Refused(error), _) => Err(match error {
            LoadError::Compile(text) | LoadError::Snapshot(text)
                if text.contains(OUT_OF_MEMORY) =>
            {
                CompilerError::Memory(job.limits.load_memory_bytes).into()
            }
            error => error,
        }),
        (Answer::RefusedAsFound, _) => Ok(None),
        (Answer::OtherVersion(other), _) => {
            let message = match other.package == request.version.package {
                true => "the program was built with other settings of the engine".to_owned(),
                false => format!(
                    "the program is of version {}, and this host of {}",
                    printable(&other.package),
                    request.version.package
                ),
            };
            Err(CompilerError::Answer(message).into())
        }
    }
}

/// The code in `bytes`, which a child process compiled.
///
/// The engine refuses code of another version, other settings or another machine.
#[expect(
    unsafe_code,
    reason = "there is no safe way to run code that another process compiled"
)]
pub(crate) fn compiled(engine: &Engine, bytes: &[u8]) -> Result<Compiled, LoadError> {
    let invalid =
        |message: String| LoadError::from(CompilerError::Answer(printable(&one_line(&message))));
    let is_module = match Engine::detect_precompiled(bytes) {
        Some(Precompiled::Module) => true,
        Some(Precompiled::Component) => false,
        None => return Err(invalid("it is no compiled code".to_owned())),
    };
    // SAFETY: a program of the same version made these bytes, and their digest arrived with them. That program
    // compiles as this process would: an author who controls the compiler by a plugin controls its code in either.
    let compiled = unsafe {
        match is_module {
            true => Module::deserialize(engine, bytes).map(Compiled::Module),
            false => Component::deserialize(engine, bytes).map(Compiled::Component),
        }
    };
    compiled.map_err(|error| invalid(text_of(&error)))
}

/// Starts the program, writes the request, and reads the answer within the deadline.
fn exchange(
    program: &Program,
    request: &Request,
    component: &[u8],
) -> Result<(Answer, Vec<u8>), CompilerError> {
    let started = |error: io::Error| CompilerError::Start {
        program: program.shown(),
        message: error.to_string(),
    };
    let mut child = Running(
        Command::new(&program.path)
            .arg(ARGUMENT)
            .env_clear()
            .env("RAYON_NUM_THREADS", THREADS.to_string())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(started)?,
    );
    let (Some(mut input), Some(mut output), Some(errors)) = (
        child.0.stdin.take(),
        child.0.stdout.take(),
        child.0.stderr.take(),
    ) else {
        return Err(started(io::ErrorKind::BrokenPipe.into()));
    };
    let most = request.limits.load_memory_bytes;
    let deadline = request.limits.load_deadline;
    // A child that was stopped neither reads nor writes. Each pipe has a thread, so that the deadline holds.
    thread::scope(|scope| {
        let (send, receive) = mpsc::channel();
        // An error shows in the answer, too.
        scope.spawn(move || {
            let _ = frame::write(&mut input, request, component);
        });
        let last_words = scope.spawn(move || {
            let mut words = Vec::new();
            let _ = errors.take(MAX_LAST_WORDS).read_to_end(&mut words);
            words
        });
        scope.spawn(move || {
            let _ = send.send(frame::read(&mut output, most, |_: &Answer| Ok(())));
        });
        let answer = receive.recv_timeout(deadline);
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Err(RecvTimeoutError::Timeout) => {
                child.kill();
                Err(CompilerError::Deadline(deadline))
            }
            Ok(Err(error)) => {
                // It may hold its other pipes open without end.
                let status = child.ended();
                let words = last_words.join().unwrap_or_default();
                Err(why(&error, status, &words, request))
            }
            Err(RecvTimeoutError::Disconnected) => {
                child.kill();
                Err(CompilerError::Died("its output cannot be read".to_owned()))
            }
        }
    })
}

/// The reason why there is no valid answer.
fn why(
    error: &io::Error,
    status: Option<ExitStatus>,
    words: &[u8],
    request: &Request,
) -> CompilerError {
    let words = printable(&one_line(String::from_utf8_lossy(words).trim()));
    if error.kind() == io::ErrorKind::InvalidData {
        return CompilerError::Answer(error.to_string());
    }
    // The text of the standard library's handler of failed allocations, and of the operating system's error.
    if words.contains("memory allocation of") || words.contains(OUT_OF_MEMORY) {
        return CompilerError::Memory(request.limits.load_memory_bytes);
    }
    if status.is_some_and(is_out_of_time) {
        return CompilerError::Deadline(request.limits.load_deadline);
    }
    let how = match status {
        Some(status) => status.to_string(),
        None => "it was killed".to_owned(),
    };
    CompilerError::Died(match words.as_str() {
        "" => how,
        words => format!("{how}: {words}"),
    })
}

/// True if the limit of processor time ended it.
#[cfg(unix)]
fn is_out_of_time(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    status.signal() == Some(rustix::process::Signal::XCPU.as_raw())
}

#[cfg(not(unix))]
fn is_out_of_time(_: ExitStatus) -> bool {
    false
}

impl Program {
    fn shown(&self) -> std::path::PathBuf {
        match self.is_own {
            true => std::env::current_exe().unwrap_or_else(|_| self.path.clone()),
            false => self.path.clone(),
        }
    }
}

/// A child process, which is killed and waited for when this is dropped.
struct Running(Child);

impl Running {
    fn kill(&mut self) {
        let _ = self.0.kill();
    }

    /// Exit status of the child; it is killed if it has not within a moment.
    fn ended(&mut self) -> Option<ExitStatus> {
        for _ in 0..100 {
            if let Ok(Some(status)) = self.0.try_wait() {
                return Some(status);
            }
            thread::sleep(std::time::Duration::from_millis(10));
        }
        self.kill();
        None
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
        let _ = self.0.wait();
    }
}
