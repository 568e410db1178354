//! Compiled plugins, kept on disk: a plugin that was compiled and configured before is not again.
//!
//! What is kept is machine code, which the process runs as its own. So the folder is its user's alone,
//! and an entry counts only if it carries the code of this cache's key over all of it and over what it
//! is of. One that does not is compiled anew, and the plugin says so ([`Origin`]).

use super::Digest;
use super::code::Compiled;
use super::lowered::FORM;
use crate::limits::PluginLimits;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use wasmtime::component::Component;
use wasmtime::{Engine, Module, Precompiled};

/// What every entry ends with, before its code: what it is, and the version of its form. At the end, so
/// that the code, which comes first, can be mapped.
const MAGIC: &[u8; 16] = b"portcullis code1";
const MAC_BYTES: usize = 32;
const TRAILER_BYTES: usize = MAGIC.len() + MAC_BYTES;
/// What HMAC-SHA256 takes as it is.
const KEY_BYTES: usize = 64;

/// How much is kept by default, in bytes.
const MAX_BYTES: u64 = 1 << 30;

/// A folder of compiled plugins, which many processes may share. It takes a system with Unix
/// permissions.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use portcullis_host::{CompiledCache, Plugin, PluginSource};
///
/// let cache = CompiledCache::open("/var/cache/gateway/plugins")?;
/// let plugin = Plugin::load(&PluginSource::new(std::fs::read("github.wasm")?).cache(cache))?;
/// println!("{:?}", plugin.origin());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct CompiledCache {
    folder: PathBuf,
    key: [u8; KEY_BYTES],
    max_bytes: u64,
}

/// Where a plugin's code came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It was compiled.
    Compiled,
    /// It was compiled before, by this user with this cache.
    Cached,
    /// It was compiled, since what the cache had of it did not count; or it could not be kept. The text
    /// says which, and names the file.
    NotCached(String),
}

/// Why a folder cannot be a cache.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// It cannot be made or read.
    #[error(
        "the cache of compiled plugins, {}: {source}: name a folder that the host's user can write to",
        path.display()
    )]
    Io {
        /// The folder or a file in it.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not the user's alone.
    #[error(
        "the cache of compiled plugins, {}, {what}: what is in it is run as the host's own code; give it to the host's user, with mode 0700",
        path.display()
    )]
    Exposed {
        /// The folder or its key.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Its key is none.
    #[error("{} is no key of {KEY_BYTES} bytes: remove it, and another one is made", .0.display())]
    Key(PathBuf),
}

/// What an entry is of: everything that the code in it depends on.
#[derive(Clone, Copy)]
pub(super) struct EntryId([u8; 32]);

/// Code that this cache's key vouches for.
///
/// INVARIANT (our own code): only [`CompiledCache::get`] makes one, from bytes whose code it verified.
pub(super) struct Authentic(File);

/// What the cache has of an entry.
pub(super) enum Found {
    Authentic(Authentic),
    Nothing,
    /// Something that does not count, and why.
    Rejected(String),
}

impl CompiledCache {
    /// Opens the cache in `folder`, and makes folder (mode 0700) and key (mode 0600) if they are not
    /// there. At most 1 GiB is kept.
    ///
    /// # Errors
    ///
    /// [`CacheError`] if it cannot be read and written, or is not this user's alone.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, CacheError> {
        let folder = folder.into();
        let key = unix::open(&folder)?;
        Ok(Self {
            folder,
            key,
            max_bytes: MAX_BYTES,
        })
    }

    /// How much is kept at most, in bytes; then the entries that were made first go.
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn get(&self, id: &EntryId) -> Found {
        let file = self.file(id);
        let read = File::open(&file).and_then(|opened| {
            let mut bytes = Vec::new();
            (&opened).read_to_end(&mut bytes)?;
            Ok((opened, bytes))
        });
        let (opened, bytes) = match read {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Found::Nothing,
            Err(error) => return Found::Rejected(format!("{}: {error}", file.display())),
        };
        let split = bytes.len().checked_sub(TRAILER_BYTES);
        let parts = split.and_then(|at| bytes.split_at_checked(at));
        let authentic = parts.is_some_and(|(code, trailer)| {
            let trailer = trailer.split_at_checked(MAGIC.len());
            trailer.is_some_and(|(magic, mac)| {
                magic == MAGIC && self.mac(id, code).verify_slice(mac).is_ok()
            })
        });
        match authentic {
            true => Found::Authentic(Authentic(opened)),
            false => Found::Rejected(format!(
                "{} is damaged, or was not written with the key of this cache",
                file.display()
            )),
        }
    }

    /// Keeps `code` as the entry `id`. Other processes see it whole or not at all.
    pub(super) fn put(&self, id: &EntryId, code: &[u8]) -> Result<(), CacheError> {
        let file = self.file(id);
        let failed = |source| CacheError::Io {
            path: file.clone(),
            source,
        };
        let unfinished = unix::unfinished(&file).map_err(failed)?;
        let mut written = unix::create(&unfinished).map_err(failed)?;
        let mac = self.mac(id, code).finalize().into_bytes();
        let written = written
            .write_all(code)
            .and_then(|()| written.write_all(MAGIC))
            .and_then(|()| written.write_all(&mac))
            .and_then(|()| fs::rename(&unfinished, &file));
        if let Err(source) = written {
            let _ = fs::remove_file(&unfinished);
            return Err(failed(source));
        }
        self.make_room(&file);
        Ok(())
    }

    /// Removes what was made first until there is no more than there may be. `newest` stays.
    fn make_room(&self, newest: &Path) {
        let Ok(folder) = fs::read_dir(&self.folder) else {
            return;
        };
        let mut entries = Vec::new();
        for entry in folder.flatten() {
            let (path, metadata) = (entry.path(), entry.metadata());
            let Ok((modified, bytes)) = metadata.and_then(|it| Ok((it.modified()?, it.len())))
            else {
                continue;
            };
            if path.extension().is_some_and(|it| it == EXTENSION) {
                entries.push((modified, bytes, path));
            } else if path.extension().is_some_and(|it| it == UNFINISHED)
                && modified.elapsed().is_ok_and(|age| age > ABANDONED)
            {
                // Whoever wrote it was cut off.
                let _ = fs::remove_file(&path);
            }
        }
        entries.sort_unstable();
        let mut bytes: u64 = entries.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, size, path) in entries {
            if bytes <= self.max_bytes {
                break;
            }
            if path != newest && fs::remove_file(&path).is_ok() {
                bytes = bytes.saturating_sub(size);
            }
        }
    }

    fn file(&self, id: &EntryId) -> PathBuf {
        let name = base16ct::lower::encode_string(&id.0);
        self.folder.join(name).with_extension(EXTENSION)
    }

    fn mac(&self, id: &EntryId, code: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new(&self.key.into());
        mac.update(MAGIC);
        mac.update(&id.0);
        mac.update(code);
        mac
    }
}

const EXTENSION: &str = "code";
/// That of what is being written.
const UNFINISHED: &str = "new";
/// Nobody writes for so long.
const ABANDONED: Duration = Duration::from_secs(60 * 60);

impl std::fmt::Debug for CompiledCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The key is nobody's to read.
        f.debug_struct("CompiledCache")
            .field("folder", &self.folder)
            .field("max_bytes", &self.max_bytes)
            .finish_non_exhaustive()
    }
}

impl EntryId {
    /// The entry of the component with that digest, configured with settings of that digest, within
    /// `limits`, compiled by `engine` for this machine.
    pub(super) fn of(
        engine: &Engine,
        component: Digest,
        settings: Digest,
        limits: &PluginLimits,
        restorable: bool,
    ) -> Self {
        let mut hash = Sha256::new();
        let PluginLimits {
            deadline,
            configure_deadline,
            memory_bytes,
            table_elements,
            instances,
            output_bytes,
            component_bytes,
        } = limits;
        hash.update(format!(
            "{component} {settings} {deadline:?} {configure_deadline:?} {memory_bytes} {table_elements} {instances} {output_bytes} {component_bytes} {restorable} {FORM} {} ",
            env!("CARGO_PKG_VERSION"),
        ));
        let mut hasher = ToSha256(hash);
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Self(hasher.0.finalize().into())
    }
}

/// Takes what is hashed into a hash that nobody can find another preimage of.
struct ToSha256(Sha256);

impl Hasher for ToSha256 {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

impl Authentic {
    /// The plugin that the code is of. The engine refuses code of another version or machine.
    ///
    /// The very file whose code was verified is mapped, whatever has its name by now, so that processes
    /// share it and what is not run takes no memory.
    #[expect(
        unsafe_code,
        reason = "there is no safe way to run code that was compiled before"
    )]
    pub(super) fn compiled(self, engine: &Engine) -> wasmtime::Result<Compiled> {
        let file = unix::name_of(&self.0);
        let is_module = matches!(
            Engine::detect_precompiled_file(&file)?,
            Some(Precompiled::Module)
        );
        // SAFETY: this host wrote these bytes, which the engine gave it (our own code). They stay as
        // they are: entries are replaced and removed by name and never written to, and nobody but the
        // host's own user can write to them.
        unsafe {
            match is_module {
                true => Module::deserialize_file(engine, file).map(Compiled::Module),
                false => Component::deserialize_file(engine, file).map(Compiled::Component),
            }
        }
    }
}

#[cfg(unix)]
mod unix {
    use super::{CacheError, File, KEY_BYTES, OpenOptions, Path, PathBuf, UNFINISHED, fs, io};
    use std::io::{Read as _, Write as _};
    use std::os::fd::AsRawFd as _;
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};

    /// Makes the folder and its key if need be, sees to it that both are the user's alone, and gives the
    /// key.
    pub(super) fn open(folder: &Path) -> Result<[u8; KEY_BYTES], CacheError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| CacheError::Io { path, source }
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed(folder))?;
        let name = folder.join("key");
        let fresh = unfinished(&name).map_err(failed(folder))?;
        let mine = write_key(&fresh).map_err(failed(folder));
        // Whose the user's files are is whose the folder has to be.
        let user = mine.and_then(|()| {
            let user = fs::symlink_metadata(&fresh).map_err(failed(&fresh))?.uid();
            // Of several processes that make one, the first one's counts.
            match fs::hard_link(&fresh, &name) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    Err(failed(&name)(error))
                }
                _ => Ok(user),
            }
        });
        let _ = fs::remove_file(&fresh);
        let user = user?;
        let mut file = File::open(&name).map_err(failed(&name))?;
        // The key is looked at as the file that is read, whatever has its name meanwhile.
        for (path, metadata) in [
            (folder, fs::symlink_metadata(folder)),
            (&*name, file.metadata()),
        ] {
            let metadata = metadata.map_err(failed(path))?;
            let what = if metadata.is_symlink() {
                "is a link".to_owned()
            } else if metadata.uid() != user {
                format!("belongs to user {}", metadata.uid())
            } else if metadata.mode() & 0o077 != 0 {
                format!("has mode {:04o}", metadata.mode() & 0o7777)
            } else {
                continue;
            };
            let path = path.to_owned();
            return Err(CacheError::Exposed { path, what });
        }
        let mut key = Vec::new();
        file.read_to_end(&mut key).map_err(failed(&name))?;
        key.try_into().map_err(|_| CacheError::Key(name))
    }

    fn write_key(file: &Path) -> io::Result<()> {
        let mut key = [0; KEY_BYTES];
        getrandom::fill(&mut key).map_err(io::Error::other)?;
        let mut file = create(file)?;
        file.write_all(&key)?;
        // Without it, what was compiled is of no use.
        file.sync_all()
    }

    /// A name of the open file, whatever became of the one that it was opened by.
    pub(super) fn name_of(file: &File) -> PathBuf {
        PathBuf::from(format!("/dev/fd/{}", file.as_raw_fd()))
    }

    /// A name beside `file` that nobody else has: neither another process nor one of another machine or
    /// container that shares the folder.
    pub(super) fn unfinished(file: &Path) -> io::Result<PathBuf> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let random = base16ct::lower::encode_string(&random);
        Ok(file.with_extension(format!("{random}.{UNFINISHED}")))
    }

    /// Makes a file that is the user's alone.
    pub(super) fn create(file: &Path) -> io::Result<File> {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(file)
    }
}

#[cfg(not(unix))]
mod unix {
    use super::{CacheError, File, KEY_BYTES, Path, PathBuf, io};

    pub(super) fn name_of(_: &File) -> PathBuf {
        PathBuf::new()
    }

    pub(super) fn open(folder: &Path) -> Result<[u8; KEY_BYTES], CacheError> {
        Err(CacheError::Io {
            path: folder.to_owned(),
            source: io::ErrorKind::Unsupported.into(),
        })
    }

    pub(super) fn unfinished(_: &Path) -> io::Result<PathBuf> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn create(_: &Path) -> io::Result<File> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
