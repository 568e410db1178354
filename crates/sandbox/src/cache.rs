//! On-disk cache of plugins that were compiled and configured.
//!
//! Entries are machine code, which the process runs as its own. So the folder is private to the user, and
//! an entry is valid only if it carries a MAC, made with the key of this cache, over its contents and its
//! id. If an entry is invalid, the plugin is compiled again, and reports that ([`CodeSource`]).

use crate::code::Compiled;
use hmac::{Hmac, KeyInit as _, Mac as _};
use portcullis_model::digest::Digest;
use portcullis_model::limits::PluginLimits;
use sha2::{Digest as _, Sha256};
use std::fs::{self, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use wasmtime::component::Component;
use wasmtime::{Engine, Module, Precompiled};

/// Marker before the MAC at the end of every entry: its type and format version.
///
/// It is at the end so that the code, which comes first, can be mapped.
const MAGIC: &[u8; 16] = b"portcullis code1";
const MAC_BYTES: usize = 32;
const TRAILER_BYTES: usize = MAGIC.len() + MAC_BYTES;
/// Key size that HMAC-SHA256 uses unchanged.
const KEY_BYTES: usize = 64;

/// Default size limit of the cache, in bytes.
const MAX_BYTES: u64 = 1 << 30;

/// A folder of compiled plugins, which several processes may share.
///
/// It needs a system with Unix permissions.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use portcullis_sandbox::{CompiledCache, Plugin, PluginSource};
///
/// portcullis_sandbox::compile_if_asked();
/// let cache = CompiledCache::open("/var/cache/gateway/plugins")?;
/// let plugin = Plugin::load(&PluginSource::new(std::fs::read("github.wasm")?).cache(cache))?;
/// println!("{:?}", plugin.code_source());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct CompiledCache {
    folder: PathBuf,
    key: [u8; KEY_BYTES],
    max_bytes: u64,
}

/// Source of a plugin's code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeSource {
    /// The plugin was compiled.
    Compiled,
    /// The code was compiled earlier, by this user with this cache.
    Cached,
    /// The plugin was compiled; its entry was invalid or could not be stored.
    ///
    /// The text says which, and names the file.
    NotCached(String),
}

/// Reason why a folder cannot be used as a cache.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// It cannot be created or read.
    #[error(
        "the cache of compiled plugins, {}: {source}: name a folder that the host's user can write to",
        path.display()
    )]
    Io {
        /// The folder or a file in it.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// It is not private to the user.
    #[error(
        "the cache of compiled plugins, {}, {what}: its files run as the host's own code; set its owner to the host's user, and its mode to 0700",
        path.display()
    )]
    Exposed {
        /// The folder or its key.
        path: PathBuf,
        /// Problem of its owner or mode.
        what: String,
    },
    /// Its key is invalid.
    #[error("{} is no key of {KEY_BYTES} bytes: remove it, and the host creates another one", .0.display())]
    Key(PathBuf),
}

/// Id of an entry: a digest of everything that its code depends on.
#[derive(Clone, Copy)]
pub(crate) struct EntryId([u8; 32]);

/// Versions of the code that the host writes for a plugin.
#[derive(Clone, Copy)]
pub(crate) struct Forms {
    /// Version of the core module that is taken out of its component.
    pub(crate) core_module: u32,
    /// Version of the code that resets instances, if it is added.
    pub(crate) reset: Option<u32>,
}

/// Code that was authenticated with this cache's key.
///
/// INVARIANT (our own code): only [`CompiledCache::get`] makes one, from bytes whose MAC it verified.
pub(crate) struct Authentic(File);

/// Result of looking up an entry.
pub(crate) enum Found {
    Authentic(Authentic),
    Nothing,
    /// An invalid entry, and the reason.
    Rejected(String),
}

impl CompiledCache {
    /// Opens the cache in `folder`, with a size limit of 1 GiB.
    ///
    /// It creates the folder (mode 0700) and the key (mode 0600) if they are missing.
    ///
    /// # Errors
    ///
    /// [`CacheError`] if it cannot be read and written, or is not private to this user.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, CacheError> {
        let folder = folder.into();
        let key = unix::open(&folder)?;
        Ok(Self {
            folder,
            key,
            max_bytes: MAX_BYTES,
        })
    }

    /// Sets the size limit in bytes. Beyond it, the oldest entries are removed.
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// The folder of the cache.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn get(&self, id: &EntryId) -> Found {
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

    /// Stores `code` as the entry `id`. Other processes see it whole or not at all.
    pub(crate) fn put(&self, id: &EntryId, code: &[u8]) -> Result<(), CacheError> {
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

    /// Removes the oldest entries until the limit is met, but not `newest`.
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
                // The process that wrote it was interrupted.
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
/// Extension of files that are being written.
const UNFINISHED: &str = "new";
/// Age at which an unfinished file is abandoned.
const ABANDONED: Duration = Duration::from_secs(60 * 60);

impl std::fmt::Debug for CompiledCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The key is secret, so it is left out.
        f.debug_struct("CompiledCache")
            .field("folder", &self.folder)
            .field("max_bytes", &self.max_bytes)
            .finish_non_exhaustive()
    }
}

impl EntryId {
    /// Id of the entry for a component, its settings and its limits.
    ///
    /// It also covers the engine, this machine and the versions of the rewriting.
    pub(crate) fn of(
        engine: &Engine,
        component: Digest,
        settings: Digest,
        limits: &PluginLimits,
        forms: Forms,
    ) -> Self {
        let mut hash = Sha256::new();
        let Forms { core_module, reset } = forms;
        let PluginLimits {
            deadline,
            configure_deadline,
            memory_bytes,
            table_elements,
            instances,
            output_bytes,
            component_bytes,
            // These bound the compilation, and change nothing in its result.
            load_deadline: _,
            load_memory_bytes: _,
        } = limits;
        hash.update(format!(
            "{component} {settings} {deadline:?} {configure_deadline:?} {memory_bytes} {table_elements} {instances} {output_bytes} {component_bytes} {core_module} {reset:?} {} ",
            env!("CARGO_PKG_VERSION"),
        ));
        let mut hasher = ToSha256(hash);
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Self(hasher.0.finalize().into())
    }
}

/// Hasher that feeds SHA-256, so that no second preimage can be found.
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
    /// Maps the code. The engine refuses code of another version or machine.
    ///
    /// The verified file itself is mapped, even if its name now belongs to another file. Processes share the
    /// mapping, and code that is not run takes no memory.
    #[expect(
        unsafe_code,
        reason = "there is no safe way to run code that was compiled before"
    )]
    pub(crate) fn compiled(self, engine: &Engine) -> wasmtime::Result<Compiled> {
        let file = unix::name_of(&self.0);
        let is_module = matches!(
            Engine::detect_precompiled_file(&file)?,
            Some(Precompiled::Module)
        );
        // SAFETY: this host wrote these bytes as the engine produced them (our own code). They do not
        // change: entries are replaced and removed by name and never written to, and only the host's
        // own user can write to them.
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

    /// Opens the folder and its key, and returns the key.
    ///
    /// It creates them if they are missing, and verifies that both are private to the user.
    pub(crate) fn open(folder: &Path) -> Result<[u8; KEY_BYTES], CacheError> {
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
        // The folder must belong to the owner of the files that this process creates.
        let user = mine.and_then(|()| {
            let user = fs::symlink_metadata(&fresh).map_err(failed(&fresh))?.uid();
            // If several processes create a key, the first one is used.
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
        // The opened key file is checked, even if its name now belongs to another file.
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
        // Without the key, all entries are useless.
        file.sync_all()
    }

    /// Path of an open file, even if that was renamed or removed.
    pub(crate) fn name_of(file: &File) -> PathBuf {
        PathBuf::from(format!("/dev/fd/{}", file.as_raw_fd()))
    }

    /// Unique name beside `file`, for a file that is being written.
    ///
    /// No other process uses it, even on another machine or in another container that shares the folder.
    pub(crate) fn unfinished(file: &Path) -> io::Result<PathBuf> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let random = base16ct::lower::encode_string(&random);
        Ok(file.with_extension(format!("{random}.{UNFINISHED}")))
    }

    /// Creates a file that only the user can access.
    pub(crate) fn create(file: &Path) -> io::Result<File> {
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

    pub(crate) fn name_of(_: &File) -> PathBuf {
        PathBuf::new()
    }

    pub(crate) fn open(folder: &Path) -> Result<[u8; KEY_BYTES], CacheError> {
        Err(CacheError::Io {
            path: folder.to_owned(),
            source: io::ErrorKind::Unsupported.into(),
        })
    }

    pub(crate) fn unfinished(_: &Path) -> io::Result<PathBuf> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn create(_: &Path) -> io::Result<File> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
