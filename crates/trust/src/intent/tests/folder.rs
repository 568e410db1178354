//! Tests of the folder of intents, which is read again when it changes.

use super::chains::{Signer, link};
use super::*;
use crate::identity::NewKey;
use crate::watched::{Look, Source};
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("portcullis-intents-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn write(&self, file: &str, text: impl ToString) {
        fs::write(self.0.join(file), text.to_string()).unwrap();
    }

    fn remove(&self, file: &str) {
        fs::remove_file(self.0.join(file)).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn known(intents: &Intents) -> Vec<String> {
    let chains = intents.chains();
    let mut ids: Vec<_> = chains
        .iter()
        .map(|chain| chain.last().unwrap().id.clone())
        .collect();
    ids.sort();
    ids
}

fn problem(intents: &Intents) -> Option<String> {
    let sources: Vec<Source> = intents.sources();
    sources.last().unwrap().problem()
}

#[test]
fn an_intent_counts_while_its_file_is_in_the_folder() {
    let folder = Folder::new("counts");
    let root = intent(&link(1, None));
    folder.write("b.json", link(1, None));
    folder.write("a.json", link(2, Some(&root)));
    folder.write("other.txt", "no intent");
    let intents = Intents::default();
    assert!(intents.follow_folder(&folder.0).unwrap().is_empty());
    assert_eq!(known(&intents), ["int-1", "int-2"]);
    let added = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&added);
    intents.whenever_added(move |intents| {
        let ids = intents.iter().map(|intent| intent.id.clone());
        seen.lock().unwrap().extend(ids);
    });

    // Another one, renamed into the folder.
    folder.write("beside", link(3, None));
    fs::rename(folder.0.join("beside"), folder.0.join("c.json")).unwrap();
    assert_eq!(known(&intents).len(), 2, "only a look reads it");
    intents.refresh();
    assert_eq!(known(&intents), ["int-1", "int-2", "int-3"]);
    // A file that is wrong does not affect the others.
    for wrong in ["", "{", "{}"] {
        folder.write("c.json", wrong);
        intents.refresh();
        assert_eq!(known(&intents), ["int-1", "int-2"], "{wrong:?}");
        let problem = problem(&intents).unwrap();
        assert!(problem.contains("c.json does not count"), "{problem}");
    }
    fs::remove_file(folder.0.join("c.json")).unwrap();
    fs::create_dir(folder.0.join("c.json")).unwrap();
    intents.refresh();
    assert!(problem(&intents).unwrap().contains("it is a folder"));
    fs::remove_dir(folder.0.join("c.json")).unwrap();
    // Without its parent, a child does not count.
    folder.remove("b.json");
    intents.refresh();
    assert_eq!(known(&intents), [""; 0]);
    assert!(problem(&intents).unwrap().contains("add the parent first"));
    folder.write("b.json", link(1, None));
    intents.refresh();
    assert_eq!(known(&intents), ["int-1", "int-2"]);
    assert_eq!(problem(&intents), None);
    // Without the folder, none does.
    fs::remove_dir_all(&folder.0).unwrap();
    intents.refresh();
    assert_eq!(known(&intents), [""; 0]);
    assert!(problem(&intents).is_some());
    let added: Vec<_> = added.lock().unwrap().drain(..).collect();
    assert_eq!(added[0], "int-3");
    assert_eq!(
        added.len(),
        3,
        "what counts again is added again: {added:?}"
    );
}

#[test]
fn an_imported_intent_counts_beside_the_folder_as_it_does_over_a_restart() {
    let folder = Folder::new("imported");
    let root = intent(&link(1, None));
    folder.write("a.json", link(1, None));
    let intents = Intents::default();
    intents.follow_folder(&folder.0).unwrap();
    let insert = |value: Value| intents.insert(value.to_string().as_bytes());
    insert(link(2, Some(&root))).unwrap();
    insert(link(3, None)).unwrap();
    folder.write("b.json", link(4, None));
    intents.refresh();
    assert_eq!(known(&intents), ["int-1", "int-2", "int-3", "int-4"]);
    // The folder comes first: another intent with the id of an imported one.
    let mut other = link(3, None);
    other["purpose"] = json!("another");
    folder.write("b.json", &other);
    intents.refresh();
    let chain = intents.chain("int-3").unwrap();
    assert_eq!(chain.last().unwrap().purpose, "another");
    assert!(problem(&intents).unwrap().contains("int-3"));
    // A child that was imported needs the parent of the folder.
    folder.remove("a.json");
    folder.remove("b.json");
    intents.refresh();
    assert_eq!(known(&intents), ["int-3"]);
    // One that is in both stays while it is in one.
    insert(link(1, None)).unwrap();
    folder.write("a.json", link(1, None));
    intents.refresh();
    folder.remove("a.json");
    intents.refresh();
    assert_eq!(known(&intents), ["int-1", "int-2", "int-3"]);
}

#[test]
fn a_watcher_reads_a_folder_once_it_stays_the_same() {
    let folder = Folder::new("settles");
    folder.write("a.json", link(1, None));
    let intents = Intents::default();
    intents.follow_folder(&folder.0).unwrap();
    let look = || {
        let looked = |source: &Source| source.look(Look::InTurn);
        intents.sources().iter().for_each(looked);
        known(&intents).len()
    };
    folder.write("b.json", link(2, None));
    assert_eq!(look(), 1, "it may be half replaced");
    assert_eq!(look(), 2);
}

#[test]
fn an_intent_whose_key_is_withdrawn_does_not_count_any_more() {
    let folder = Folder::new("keys");
    let signer = Signer::new("folder-keys");
    folder.write("a.jwt", signer.sign(&link(1, None), None));
    let intents = Intents::signed(signer.signatures());
    assert!(intents.follow_folder(&folder.0).unwrap().is_empty());
    let imported = signer.sign(&link(2, None), None);
    intents.insert(imported.as_bytes()).unwrap();
    intents.refresh();
    assert_eq!(known(&intents), ["int-1", "int-2"]);
    signer.publish(&NewKey::seeded(9));
    intents.refresh();
    assert_eq!(known(&intents), [""; 0]);
    let why = problem(&intents).unwrap();
    assert!(why.contains("its signature is invalid"), "{why}");
    signer.publish(&NewKey::seeded(7));
    intents.refresh();
    assert_eq!(known(&intents), ["int-1", "int-2"]);
}

#[test]
fn a_carried_child_counts_while_the_folder_has_its_parent() {
    let folder = Folder::new("carried");
    let signer = Signer::new("folder-carried");
    let lead = Signer::with_key("folder-carried-lead", 8);
    let root = intent(&link(1, None));
    let signatures = signer.signatures().delegator(&root.principal, &lead.jwks);
    let intents = Intents::signed(signatures.unwrap());
    folder.write("a.jwt", signer.sign(&link(1, None), None));
    intents.follow_folder(&folder.0).unwrap();
    let child = [lead.sign(&link(2, Some(&root)), None)];
    assert!(intents.carried(&child).is_ok());
    folder.write("b.jwt", signer.sign(&link(3, None), None));
    intents.refresh();
    assert!(intents.carried(&child).is_ok(), "its parent is still there");
    folder.remove("a.jwt");
    intents.refresh();
    let refused = intents.carried(&child).unwrap_err();
    assert!(matches!(refused, IntentError::NoParent { .. }), "{refused}");
}
