//! The folder of intents, and building the known intents again when it or a key changes.

use super::chain::parents_first;
use super::error::IntentError;
use super::{ById, Intents, Store};
use crate::intent::StoredIntent;
use crate::intent::signed::Signatures;
use crate::watched::{Contents, Files, HOST_FAILED, Look, Source, Watch};
use std::collections::HashSet;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

/// Documents that the known intents are built from.
#[derive(Default)]
pub(super) struct Origins {
    pub(super) folder: Option<Files>,
    /// Documents that were added one by one.
    pub(super) inserted: Vec<Vec<u8>>,
    /// Hashes of these documents.
    pub(super) hashes: HashSet<[u8; 32]>,
    /// Version of the keys that the known intents were verified with.
    pub(super) keys_version: u64,
}

impl Intents {
    /// Adds all intents in the `.json` and `.jwt` files of a folder, parents first, and follows the folder.
    ///
    /// Returns the files that are refused, with the errors. A store follows one folder. The watcher of the host
    /// that the intents belong to reads a folder that changes; without a host, [`Intents::refresh`] does.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn follow_folder(&self, folder: &Path) -> io::Result<Vec<(PathBuf, IntentError)>> {
        // A file in the place of the folder is an error.
        std::fs::read_dir(folder)?;
        let mut origins = self.store.origins();
        let mut files = Files::new(folder, &["json", "jwt"]);
        let contents = files.read(Look::AtOnce, true).transpose()?;
        let mut documents = Vec::new();
        for (file, content) in contents.unwrap_or_default() {
            documents.push((file, content?));
        }
        let _ = self.store.folder.set(folder.to_owned());
        origins.folder = Some(files);
        let refused = {
            let by_id = self.store.by_id.write();
            let mut by_id = by_id.unwrap_or_else(PoisonError::into_inner);
            self.store.add_all(&mut by_id, documents)
        };
        let shown = refused.iter();
        let shown = shown.map(|(file, error)| (file.clone(), error.to_string()));
        *self
            .store
            .refused
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = shown.collect();
        Ok(refused)
    }

    /// Keys of approvers and delegators and the folder, for a watcher.
    ///
    /// An intent counts only while its folder has it and the keys of its signers are in force.
    pub fn sources(&self) -> Vec<Source> {
        let signatures = self.store.signatures.iter();
        let keys = signatures.flat_map(Signatures::sources);
        let store: Source = Arc::<Store>::clone(&self.store);
        keys.chain([store]).collect()
    }

    /// Reads changed keys and intents now, in the calling thread.
    pub fn refresh(&self) {
        for source in self.sources() {
            source.look(Look::AtOnce);
        }
    }

    /// Calls `listener` with intents that come into force from now on because the folder or a key changed.
    pub fn whenever_added(&self, listener: impl Fn(&[Arc<StoredIntent>]) + Send + Sync + 'static) {
        let listening = self.store.listener.lock();
        let mut listening = listening.unwrap_or_else(PoisonError::into_inner);
        *listening = Some(Box::new(listener));
    }
}

impl Store {
    /// Reads the folder if it or a key changed, and puts the intents in force that a restart would.
    ///
    /// Intents of the folder come before those that were added one by one.
    fn rebuild(&self, origins: &mut Origins, look: Look) {
        let keys_version = self.keys_version();
        let keys_changed = keys_version != origins.keys_version;
        let read = origins
            .folder
            .as_mut()
            .map(|it| it.read(look, keys_changed));
        let read = match read {
            Some(None) => return,
            None if !keys_changed => return,
            None => None,
            Some(Some(read)) => Some(read),
        };
        origins.keys_version = keys_version;
        let (mut known, mut refused) = (ById::new(), Vec::new());
        let folder = origins.folder.as_ref().map(Files::path);
        match (read, folder) {
            (Some(Ok(contents)), _) => self.add_contents(&mut known, contents, &mut refused),
            (Some(Err(error)), Some(folder)) => {
                let why = format!("cannot be read, so none of its intents counts: {error}");
                refused.push((folder.to_owned(), why));
            }
            _ => {}
        }
        let inserted = origins.inserted.iter().enumerate();
        let inserted = inserted.map(|(place, document)| (place, document.clone()));
        for (_, error) in self.add_all(&mut known, inserted.collect()) {
            let why = format!("an imported intent is no longer valid: {error}");
            refused.push((PathBuf::from("[intents]"), why));
        }
        let added: Vec<_> = {
            let mut by_id = self.by_id.write().unwrap_or_else(PoisonError::into_inner);
            let before = std::mem::replace(&mut *by_id, known);
            let is_new = |intent: &&Arc<StoredIntent>| {
                let known = before.get(&intent.id).and_then(|chain| chain.last());
                known.is_none_or(|known| known.digest() != intent.digest())
            };
            let intents = by_id.values().filter_map(|chain| chain.last());
            intents.filter(is_new).map(Arc::clone).collect()
        };
        // After the intents, so that no chain of the earlier ones is cached under this number.
        self.built.fetch_add(1, Ordering::Release);
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = refused;
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(listener) = &*listener
            && !added.is_empty()
        {
            listener(&added);
        }
    }

    /// Adds the readable files of a folder.
    fn add_contents(
        &self,
        known: &mut ById,
        contents: Contents,
        refused: &mut Vec<(PathBuf, String)>,
    ) {
        let mut documents = Vec::new();
        for (file, content) in contents {
            match content {
                Ok(document) => documents.push((file, document)),
                Err(error) => refused.push((file, format!("cannot be read: {error}"))),
            }
        }
        let errors = self.add_all(known, documents).into_iter();
        refused.extend(errors.map(|(file, error)| (file, error.to_string())));
    }

    /// Adds documents to `known`, parents first. Returns the refused ones by name.
    fn add_all<N>(&self, known: &mut ById, left: Vec<(N, Vec<u8>)>) -> Vec<(N, IntentError)> {
        parents_first(left, |document| {
            let read = || self.delegated(document, None, |id| known.get(id).cloned());
            let read = catch_unwind(AssertUnwindSafe(read));
            let failed = |_| Err(IntentError::Signature(HOST_FAILED.to_owned()));
            let (intent, chain) = read.unwrap_or_else(failed)?;
            match known.get(&intent.id).and_then(|known| known.last()) {
                Some(known) if known.digest() == intent.digest() => {}
                Some(_) => return Err(IntentError::Duplicate(intent.id.clone())),
                None => {
                    known.insert(intent.id.clone(), chain);
                }
            }
            Ok(())
        })
    }
}

impl Watch for Store {
    fn path(&self) -> PathBuf {
        let folder = self.folder.get().cloned();
        folder.unwrap_or_else(|| PathBuf::from("[intents]"))
    }

    fn look(&self, look: Look) {
        self.rebuild(&mut self.origins(), look);
    }

    fn problem(&self) -> Option<String> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, why) = refused.first()?;
        let more = match refused.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        Some(format!("{} does not count: {why}{more}", file.display()))
    }
}
