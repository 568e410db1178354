//! A small swap file, if the system lets the tests create one.

use anyhow::{Context as _, bail, ensure};
use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A swap file in use. It is removed on drop.
#[derive(Debug)]
pub struct Swap {
    file: PathBuf,
}

impl Swap {
    /// Creates a swap file in `folder`, which is on a disk, and enables it.
    ///
    /// # Errors
    ///
    /// If that is not allowed or not supported.
    pub fn on(folder: &Path) -> anyhow::Result<Self> {
        const MIB: usize = 16;
        ensure!(
            fs::read_to_string("/proc/swaps")?.lines().count() == 1,
            "there is swap already"
        );
        let swap = Self {
            file: folder.join(format!("swap-of-{}", std::process::id())),
        };
        let mut file = File::create(&swap.file)?;
        for _ in 0..MIB {
            file.write_all(&[0; 1024 * 1024])?;
        }
        file.sync_all()?;
        fs::set_permissions(&swap.file, Permissions::from_mode(0o600))?;
        for program in ["mkswap", "swapon"] {
            let done = command(program).arg(&swap.file).output();
            let done = done.with_context(|| format!("cannot run `{program}`"))?;
            if !done.status.success() {
                bail!(
                    "`{program}`: {}",
                    String::from_utf8_lossy(&done.stderr).trim()
                );
            }
        }
        Ok(swap)
    }

    /// Returns the path of the file.
    pub fn file(&self) -> &Path {
        &self.file
    }
}

impl Drop for Swap {
    fn drop(&mut self) {
        // It fails if the swap was never enabled.
        let _ = command("swapoff")
            .arg(&self.file)
            .stderr(Stdio::null())
            .status();
        let _ = fs::remove_file(&self.file);
    }
}

fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command
}
