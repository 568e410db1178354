//! `cargo xtask image`: the container image, from `kit/Containerfile`, with nothing pulled and nothing run.

mod check;

use crate::steps::{cargo, command, program, root, run as run_command, step};
use anyhow::{Context as _, bail, ensure};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Time of every file in the image, so that the same files give the same digest.
const TIME: &str = "0";

/// Options of the command.
struct Options {
    /// A program that is built already.
    program: Option<PathBuf>,
    /// True if the image is run, too.
    check: bool,
}

/// Builds the image; with `--check`, also pushes, pulls and runs it.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let options = options(arguments)?;
    tool("buildah", "buildah")?;
    let (program, revision) = match options.program {
        Some(program) => (program, None),
        None => (build()?, revision()),
    };
    let image = Image::of(&program)?;
    step("image", || image.build(revision.as_deref()))?;
    if options.check {
        step("image, pushed, pulled and run", || {
            check::check(&image, &program)
        })?;
    }
    image.clear(Some(&image.archive))?;
    println!("{}", image.archive.display());
    Ok(())
}

/// Checks the image with the program of the tests, where its tools are installed.
pub(crate) fn test() -> anyhow::Result<()> {
    step("image, pushed, pulled and run", || {
        if let Some(reason) = check::is_left_out() {
            eprintln!("    skipped: {reason}");
            return Ok(());
        }
        let program = program();
        let image = Image::of(&program)?;
        image.build(None)?;
        check::check(&image, &program)?;
        image.clear(None)
    })
}

fn options(arguments: &[String]) -> anyhow::Result<Options> {
    let mut options = Options {
        program: None,
        check: false,
    };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--check" => options.check = true,
            "--program" => {
                let file = arguments.next().context("`--program` needs a file")?;
                options.program = Some(std::path::absolute(file)?);
            }
            other => bail!("`{other}` is unknown: cargo xtask image [--program FILE] [--check]"),
        }
    }
    Ok(options)
}

/// Builds the program as it is shipped.
fn build() -> anyhow::Result<PathBuf> {
    step("the `portcullis` command, as it is shipped", || {
        cargo(&[
            "build",
            "--locked",
            "--profile",
            "dist",
            "-p",
            "portcullis-cli",
        ])
    })?;
    Ok(root().join("target/dist/portcullis"))
}

/// The commit of the sources, if they are in a repository and have no other changes.
fn revision() -> Option<String> {
    let changes = text(command("git").args(["status", "--porcelain"])).ok()?;
    let commit = text(command("git").args(["rev-parse", "HEAD"])).ok()?;
    changes.is_empty().then_some(commit)
}

/// An image and the folder in which it is made.
struct Image {
    /// Version of the program.
    version: String,
    /// Folder of the image's files, Buildah's storage and the archive.
    folder: PathBuf,
    /// The image in one file, as `podman load` and `skopeo copy oci-archive:` take it.
    archive: PathBuf,
}

impl Image {
    /// Gathers the files of the image in `target/image/context`.
    fn of(program: &Path) -> anyhow::Result<Self> {
        let version = text(Command::new(program).arg("--version"))?;
        let version = version.rsplit(' ').next().unwrap_or_default().to_owned();
        let folder = root().join("target/image");
        let archive = folder.join(format!("portcullis-{version}.tar"));
        let image = Self {
            version,
            folder,
            archive,
        };
        image.clear(None)?;
        let files = image.folder.join("context/root");
        // Mount points, which a read-only root must have.
        for mounted in ["etc/portcullis", "var/lib", "proc", "sys", "dev", "run"] {
            fs::create_dir_all(files.join(mounted))?;
        }
        fs::create_dir_all(image.folder.join("context/state"))?;
        add(program, &files.join("portcullis"))?;
        for library in libraries(program)? {
            // At their own paths, because the loader finds them there without a cache or a variable.
            add(
                &library,
                &files.join(library.strip_prefix("/").unwrap_or(&library)),
            )?;
        }
        Ok(image)
    }

    /// Name of the image in Buildah's storage.
    fn name(&self) -> String {
        format!("localhost/portcullis:{}", self.version)
    }

    /// A command of Buildah with a storage of its own.
    fn buildah<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut buildah = command("buildah");
        buildah.arg("--root").arg(self.folder.join("storage"));
        buildah.arg("--runroot").arg(self.folder.join("run"));
        buildah.args(["--storage-driver", "vfs"]);
        buildah.args(arguments);
        buildah
    }

    fn build(&self, revision: Option<&str>) -> anyhow::Result<()> {
        let mut build = self.buildah(["build", "--quiet", "--isolation", "chroot"]);
        build.args(["--format", "oci", "--timestamp", TIME]);
        build
            .arg("--build-arg")
            .arg(format!("VERSION={}", self.version));
        if let Some(revision) = revision {
            build.arg("--build-arg").arg(format!("REVISION={revision}"));
        }
        build.args(["--tag", &self.name(), "--file"]);
        build.arg(root().join("kit/Containerfile"));
        build.arg(self.folder.join("context"));
        text(&mut build)?;
        let to = format!(
            "oci-archive:{}:portcullis:{}",
            self.archive.display(),
            self.version
        );
        run_command(&mut self.buildah(["push", "--quiet", &self.name(), &to]))
    }

    /// Removes all that was made in the folder but `kept`.
    fn clear(&self, kept: Option<&Path>) -> anyhow::Result<()> {
        if self.folder.join("storage").exists() {
            // Containers may be mounted.
            text(&mut self.buildah(["rm", "--all"]))?;
            text(&mut self.buildah(["rmi", "--all", "--force"]))?;
        }
        fs::create_dir_all(&self.folder)?;
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let removed = match path.is_dir() {
                true => fs::remove_dir_all(&path),
                false if kept == Some(&path) => Ok(()),
                false => fs::remove_file(&path),
            };
            removed.with_context(|| format!("cannot remove {}", path.display()))?;
        }
        Ok(())
    }
}

/// The files of the shared libraries and of the loader that a program is linked to; none of a static one.
fn libraries(program: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(program).output();
    let output = output.context("cannot run `ldd`")?;
    let listed = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let is_static = said.contains("not a dynamic executable");
        ensure!(is_static, "`ldd {}`: {said}", program.display());
        return Ok(Vec::new());
    }
    listed_libraries(&listed)
}

fn listed_libraries(listed: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut libraries = Vec::new();
    for line in listed.lines() {
        let line = line.trim();
        ensure!(
            !line.ends_with("not found"),
            "a library of the program is missing: {line}"
        );
        // `NAME => FILE (ADDRESS)`, or `FILE (ADDRESS)` of the loader; the kernel's own has no file.
        let file = line.split_once("=> ").map_or(line, |(_, file)| file);
        let file = file.split(" (").next().unwrap_or_default();
        if file.starts_with('/') {
            libraries.push(PathBuf::from(file));
        }
    }
    Ok(libraries)
}

/// Copies a file to the image's files, as one that all may read and run, and its owner alone may change.
fn add(from: &Path, to: &Path) -> anyhow::Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(to, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// An error with the remedy if a program is not installed.
fn tool(program: &str, package: &str) -> anyhow::Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    ensure!(
        is_there,
        "no `{program}` is installed: `apt-get install {package}`"
    );
    Ok(())
}

/// Runs a command to its end, and returns its standard output without the last line end.
fn text(command: &mut Command) -> anyhow::Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output();
    let output = output.with_context(|| format!("cannot run `{program}`"))?;
    ensure!(
        output.status.success(),
        "`{program}` ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_those_with_a_file() {
        let listed = "\tlinux-vdso.so.1 (0x00007f)\n\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f)\n\
                      \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let found = listed_libraries(listed).unwrap();
        let expected = [
            "/lib/x86_64-linux-gnu/libm.so.6",
            "/lib64/ld-linux-x86-64.so.2",
        ];
        assert_eq!(found, expected.map(PathBuf::from));
        assert_eq!(
            listed_libraries("\tstatically linked\n").unwrap(),
            [""; 0].map(PathBuf::from)
        );
        assert!(listed_libraries("\tlibnone.so.1 => not found\n").is_err());
    }

    #[test]
    fn unknown_arguments_are_refused() {
        let of = |arguments: &[&str]| {
            let arguments: Vec<_> = arguments.iter().map(|&text| text.to_owned()).collect();
            options(&arguments)
        };
        let both = of(&["--check", "--program", "/bin/true"]).unwrap();
        assert!(both.check && both.program == Some(PathBuf::from("/bin/true")));
        assert!(of(&[]).unwrap().program.is_none());
        for wrong in [&["--chek"][..], &["--program"], &["file"]] {
            assert!(of(wrong).is_err(), "{wrong:?}");
        }
    }
}
