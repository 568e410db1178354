//! Compiles plugins in a child process, with limits of the operating system.
//!
//! A compiler does more work for a file than the file's size shows, and runs the plugin's `configure`. The child
//! process has limits of processor time, memory and files, no environment and no open files. It gets a plugin
//! over a pipe and answers with compiled code over another. Whatever happens to it is a [`LoadError`].

mod child;
mod frame;
mod worker;

pub(crate) use child::{compile, compiled};

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Only argument of a program that compiles a plugin.
const ARGUMENT: &str = "--portcullis-compile-plugin";

/// Program of this process that compiles plugins, see [`compile_if_asked`].
static OWN: OnceLock<Program> = OnceLock::new();

/// A program that compiles plugins, in a process of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Program {
    path: PathBuf,
    /// True if the path is this process's own program.
    is_own: bool,
}

/// Compiles a plugin and exits, if another Portcullis host started this program for that.
///
/// Call it at the beginning of `main`, before any thread starts. If the program was started as usual, it
/// returns at once, and from then on this process compiles plugins in child processes of the same program.
///
pub fn compile_if_asked() {
    let mut arguments = std::env::args_os().skip(1);
    let is_asked = arguments.next().as_deref() == Some(OsStr::new(ARGUMENT));
    if is_asked && arguments.next().is_none() {
        std::process::exit(worker::run());
    }
    let _ = OWN.set(Program {
        path: own_program(),
        is_own: true,
    });
}

/// True if this process compiles plugins in child processes, see [`compile_if_asked`].
pub fn compiles_in_child() -> bool {
    OWN.get().is_some()
}

impl Program {
    /// The program of this process, if it can compile.
    pub(crate) fn own() -> Option<Self> {
        OWN.get().cloned()
    }

    /// Another program, which calls [`compile_if_asked`] and is built from the same version.
    pub(crate) fn other(path: &Path) -> Self {
        Self {
            // The child starts in the root folder.
            path: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
            is_own: false,
        }
    }
}

/// The running program, even if its file was replaced meanwhile.
fn own_program() -> PathBuf {
    let running = Path::new("/proc/self/exe");
    match cfg!(target_os = "linux") && running.exists() {
        true => running.to_owned(),
        false => std::env::current_exe().unwrap_or_default(),
    }
}
