//! A registry that is read again when its files change.

use super::Registry;
use super::reader::EXTENSIONS;
use crate::watched::{Contents, Files, HOST_FAILED, Look, Source, Watch};
use arc_swap::ArcSwap;
use portcullis_model::document::{Problem, Severity};
use portcullis_model::file_error::unread;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A registry in force, from code or from files.
///
/// The watcher of the host that it belongs to reads files that change; without a host,
/// [`FollowedRegistry::refresh`] does. While a file is invalid, no identity is registered.
#[derive(Debug, Clone)]
pub struct FollowedRegistry {
    content: Arc<Content>,
}

#[derive(Debug)]
struct Content {
    path: PathBuf,
    /// Files that the registry is read from; `None` for one that was made in code.
    files: Mutex<Option<Files>>,
    known: ArcSwap<Known>,
}

#[derive(Debug)]
struct Known {
    registry: Result<Arc<Registry>, RegistryError>,
    last_valid: Arc<Registry>,
}

/// Reason why the files of a registry are unusable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the registry is invalid, so no identity is registered until it is corrected: {problem}{}", more(.others))]
pub struct RegistryError {
    /// First error.
    pub problem: Problem,
    /// Number of further errors.
    pub others: usize,
}

fn more(others: &usize) -> String {
    match others {
        0 => String::new(),
        others => format!(" (and {others} more)"),
    }
}

impl From<Registry> for FollowedRegistry {
    fn from(registry: Registry) -> Self {
        Self::new(PathBuf::from("[registry]"), None, registry)
    }
}

impl FollowedRegistry {
    /// Reads a registry, a file or the `.toml` files of a folder, and follows it.
    ///
    /// Returns the problems found. With an error among them, the registry is that of the readable parts, and
    /// must not be put in force.
    #[must_use]
    pub fn follow(path: &Path) -> (Self, Vec<Problem>) {
        let mut files = Files::new(path, EXTENSIONS);
        let contents = files.read(Look::AtOnce, true);
        let (registry, problems) = read(path, contents.unwrap_or_else(|| Ok(Vec::new())));
        (Self::new(path.to_owned(), Some(files), registry), problems)
    }

    fn new(path: PathBuf, files: Option<Files>, registry: Registry) -> Self {
        let registry = Arc::new(registry);
        let known = Known {
            registry: Ok(Arc::clone(&registry)),
            last_valid: registry,
        };
        Self {
            content: Arc::new(Content {
                path,
                files: Mutex::new(files),
                known: ArcSwap::from_pointee(known),
            }),
        }
    }

    /// The registry as of the last look.
    ///
    /// # Errors
    ///
    /// [`RegistryError`] while one of its files is invalid.
    pub fn get(&self) -> Result<Arc<Registry>, RegistryError> {
        self.content.known.load().registry.clone()
    }

    /// The registry as of the last look that found it valid, for reports.
    pub fn last_valid(&self) -> Arc<Registry> {
        Arc::clone(&self.content.known.load().last_valid)
    }

    /// The files, for a watcher.
    pub fn source(&self) -> Source {
        Arc::<Content>::clone(&self.content)
    }

    /// Reads changed files now, in the calling thread.
    pub fn refresh(&self) {
        self.content.look(Look::AtOnce);
    }
}

impl Watch for Content {
    fn path(&self) -> PathBuf {
        self.path.clone()
    }

    fn look(&self, look: Look) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(contents) = files.as_mut().and_then(|files| files.read(look, false)) else {
            return;
        };
        let read = catch_unwind(AssertUnwindSafe(|| read(&self.path, contents)));
        let (registry, problems) = read.unwrap_or_else(|_| {
            let problem = Problem::of_file(&self.path, HOST_FAILED.to_owned());
            (Registry::default(), vec![problem])
        });
        let mut errors = problems
            .into_iter()
            .filter(|problem| problem.severity == Severity::Error);
        let known = match errors.next() {
            None => {
                let registry = Arc::new(registry);
                Known {
                    registry: Ok(Arc::clone(&registry)),
                    last_valid: registry,
                }
            }
            Some(problem) => Known {
                registry: Err(RegistryError {
                    problem,
                    others: errors.count(),
                }),
                last_valid: Arc::clone(&self.known.load().last_valid),
            },
        };
        self.known.store(Arc::new(known));
    }

    fn problem(&self) -> Option<String> {
        let known = self.known.load();
        known.registry.as_ref().err().map(ToString::to_string)
    }
}

/// Parses the files of a registry, and returns the problems found.
fn read(path: &Path, contents: io::Result<Contents>) -> (Registry, Vec<Problem>) {
    let mut registry = Registry::default();
    let problems = match contents {
        Ok(contents) => registry.read_files(contents),
        Err(error) => {
            let message = format!("cannot be read: {}", unread(&error));
            vec![Problem::of_file(path, message)]
        }
    };
    (registry, problems)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn identity(name: &str) -> String {
        format!(
            "[[identity]]\nid = \"spiffe://acme.example/{name}\"\nkind = \"agent\"\nowner = \"team@acme.example\"\npurpose = \"p\"\nenvironment = \"prod\"\nexpires = 2099-01-01T00:00:00Z\nmax-credential-lifetime = \"15m\"\nintegrations = [\"x\"]\n"
        )
    }

    fn has(registry: &FollowedRegistry, name: &str) -> bool {
        let id = format!("spiffe://acme.example/{name}");
        registry.get().is_ok_and(|it| it.get(&id).is_some())
    }

    /// A folder that is removed at the end.
    struct Folder(PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn folder(name: &str) -> Folder {
        let name = format!("portcullis-registry-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        Folder(folder)
    }

    #[test]
    fn an_identity_counts_while_its_file_is_there_and_valid() {
        let folder = folder("changes");
        let at = |name: &str| folder.0.join(name);
        fs::write(at("a.toml"), identity("a")).unwrap();
        let (registry, problems) = FollowedRegistry::follow(&folder.0);
        assert_eq!(problems, []);
        assert!(has(&registry, "a") && !has(&registry, "b"));
        // Another file, renamed into the folder.
        fs::write(at("beside"), identity("b")).unwrap();
        fs::rename(at("beside"), at("b.toml")).unwrap();
        assert!(!has(&registry, "b"), "only a look reads it");
        registry.refresh();
        assert!(has(&registry, "a") && has(&registry, "b"));
        // Two at once.
        fs::write(at("a.toml"), identity("c")).unwrap();
        fs::write(at("b.toml"), identity("d")).unwrap();
        registry.refresh();
        assert!(has(&registry, "c") && has(&registry, "d") && !has(&registry, "a"));
        // A file that is removed.
        fs::remove_file(at("b.toml")).unwrap();
        registry.refresh();
        assert!(has(&registry, "c") && !has(&registry, "d"));
        // An empty file is valid, and registers nothing.
        fs::write(at("a.toml"), "").unwrap();
        registry.refresh();
        assert!(registry.get().unwrap().is_empty());
    }

    #[test]
    fn an_invalid_file_refuses_every_identity_until_it_is_corrected() {
        let folder = folder("invalid");
        let at = |name: &str| folder.0.join(name);
        fs::write(at("a.toml"), identity("a")).unwrap();
        let (registry, _) = FollowedRegistry::follow(&folder.0);
        let whole = identity("b");
        for wrong in ["not toml", "[[identity]]\n", &whole[..whole.len() - 4]] {
            fs::write(at("b.toml"), wrong).unwrap();
            registry.refresh();
            let error = registry.get().unwrap_err().to_string();
            assert!(error.contains("b.toml"), "{error}");
            assert!(!has(&registry, "a"));
            assert_eq!(registry.last_valid().len(), 1, "for reports");
            assert!(registry.content.problem().is_some());
        }
        fs::write(at("b.toml"), &whole).unwrap();
        registry.refresh();
        assert!(has(&registry, "a") && has(&registry, "b"));
        assert_eq!(registry.content.problem(), None);
        // A folder in the place of a file, and a file that is not text.
        fs::write(at("b.toml"), [0xff, 0xfe]).unwrap();
        fs::create_dir(at("c.toml")).unwrap();
        registry.refresh();
        assert_eq!(registry.get().unwrap_err().others, 1);
        fs::remove_dir_all(&folder.0).unwrap();
        registry.refresh();
        assert!(registry.get().is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_fifo_in_the_place_of_a_registry_is_an_error_at_once() {
        let folder = folder("fifo");
        let file = folder.0.join("a.toml");
        let made = std::process::Command::new("mkfifo").arg(&file).status();
        assert!(made.unwrap().success());
        let (_, problems) = FollowedRegistry::follow(&file);
        let error = problems[0].to_string();
        assert!(error.contains("it is a fifo, not a file"), "{error}");
    }

    #[test]
    fn a_registry_made_in_code_stays_as_it_is() {
        let registry = FollowedRegistry::from(Registry::default());
        registry.refresh();
        assert!(registry.get().unwrap().is_empty());
    }
}
