//! The cache of compiled plugins: only valid entries are run.
#![cfg(target_os = "linux")]

use portcullis_host::{
    ActionClass, CacheError, CodeSource, CompiledCache, Effect, Plugin, PluginLimits, PluginSource,
    Principal, Request, RequestLimits, Resource, Timestamp,
};
use portcullis_tests::small_disk::SmallDisk;
use portcullis_tests::{guests, raw};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A plugin that denies every request.
fn denying() -> PluginSource {
    PluginSource::new(raw::component(&raw::answering(r"\01")))
        .compile_in_process()
        .limits(guests::patient())
}

fn abstaining() -> PluginSource {
    PluginSource::new(raw::component(&raw::answering(r"\02")))
        .compile_in_process()
        .limits(guests::patient())
}

fn answer(plugin: &Plugin) -> Effect {
    let request = Request::builder(
        "x",
        Principal {
            id: "agent-x".into(),
            ..Principal::default()
        },
        "a",
        Resource::default(),
    )
    .build(&RequestLimits::default())
    .unwrap();
    let evaluation = plugin.evaluate(&request, ActionClass::Read, Timestamp::from_millis(1));
    evaluation.outcome.unwrap().effect
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("compiled")
    }

    fn cache(&self) -> CompiledCache {
        CompiledCache::open(self.path()).unwrap()
    }

    fn load(&self, source: &PluginSource) -> Plugin {
        Plugin::load(&source.clone().cache(self.cache())).unwrap()
    }

    /// Returns the path of the only entry.
    fn entry(&self) -> PathBuf {
        let entries = self.entries();
        assert_eq!(entries.len(), 1, "{entries:?}");
        entries[0].clone()
    }

    fn entries(&self) -> Vec<PathBuf> {
        let folder = fs::read_dir(self.path()).unwrap();
        let files = folder.map(|file| file.unwrap().path());
        let mut entries: Vec<_> = files
            .filter(|file| file.extension().is_some_and(|it| it == "code"))
            .collect();
        entries.sort();
        entries
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn what_was_compiled_before_is_not_compiled_again() {
    let folder = Folder::new();
    let first = folder.load(&denying());
    assert_eq!(*first.code_source(), CodeSource::Compiled);
    let second = folder.load(&denying());
    assert_eq!(*second.code_source(), CodeSource::Cached);
    assert_eq!([answer(&first), answer(&second)], [Effect::Deny; 2]);
    assert_eq!(first.digest(), second.digest());
    assert_eq!(
        (mode(&folder.path()), mode(&folder.entry())),
        (0o700, 0o600)
    );
}

#[test]
fn another_file_other_settings_and_other_limits_are_other_entries() {
    let folder = Folder::new();
    let component = guests::component("tests/guests/hostile").unwrap();
    let source = |behaviour: &str, memory_bytes| {
        PluginSource::new(component.clone())
            .compile_in_process()
            .settings(json!({ "behaviour": behaviour }))
            .limits(PluginLimits {
                memory_bytes,
                ..guests::patient()
            })
    };
    let sources = [
        denying(),
        abstaining(),
        source("permit", 1 << 20),
        source("count", 1 << 20),
        source("count", 2 << 20),
        source("count", 2 << 20).metered(),
        source("count", 2 << 20).resettable(),
    ];
    for round in [CodeSource::Compiled, CodeSource::Cached] {
        for (index, source) in sources.iter().enumerate() {
            let plugin = folder.load(source);
            assert_eq!(*plugin.code_source(), round, "{index}");
            assert_eq!(
                plugin.is_resettable(),
                index == sources.len() - 1,
                "{index}"
            );
        }
    }
    assert_eq!(folder.entries().len(), sources.len());
}

#[test]
fn numbers_that_canonical_form_confuses_are_other_settings() {
    let folder = Folder::new();
    let raw = |number: Value| denying().settings(json!({ "account": number }));
    let numbers = [
        json!(9_007_199_254_740_993_i64),
        json!(9_007_199_254_740_992_i64),
        json!(1),
        json!(1.0),
    ];
    for number in &numbers {
        let origin = folder.load(&raw(number.clone())).code_source().clone();
        assert_eq!(origin, CodeSource::Compiled, "{number}");
    }
    for number in &numbers {
        let origin = folder.load(&raw(number.clone())).code_source().clone();
        assert_eq!(origin, CodeSource::Cached, "{number}");
    }
}

#[test]
fn a_damaged_or_shortened_entry_is_reported_and_compiled_again() {
    let folder = Folder::new();
    folder.load(&denying());
    let entry = folder.entry();
    let whole = fs::read(&entry).unwrap();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    let length = whole.len();
    let longer = [&whole[..], b"x"].concat();
    let mut damaged = vec![Vec::new(), longer];
    damaged.extend([0, 15, 16, 47, 48, length / 2, length - 1].map(flipped));
    damaged.extend([1, 16, 47, 48, 100, length / 2, length - 1].map(|to| whole[..to].to_vec()));
    for bytes in damaged {
        fs::write(&entry, &bytes).unwrap();
        let plugin = folder.load(&denying());
        let CodeSource::NotCached(why) = plugin.code_source() else {
            panic!("{} bytes: {:?}", bytes.len(), plugin.code_source());
        };
        assert!(why.contains(&entry.display().to_string()), "{why}");
        assert_eq!(answer(&plugin), Effect::Deny);
        // The entry was replaced.
        assert_eq!(*folder.load(&denying()).code_source(), CodeSource::Cached);
    }
}

#[test]
fn code_of_another_plugin_or_another_cache_is_never_run() {
    let folder = Folder::new();
    folder.load(&denying());
    let denies = folder.entry();
    fs::rename(&denies, folder.path().join("aside")).unwrap();
    folder.load(&abstaining());
    let abstains = fs::read(folder.entry()).unwrap();
    // Another plugin's code, intact and authenticated, under the name of this one.
    fs::write(&denies, &abstains).unwrap();
    let plugin = folder.load(&denying());
    assert!(matches!(plugin.code_source(), CodeSource::NotCached(_)));
    assert_eq!(answer(&plugin), Effect::Deny);

    // The same plugin's entry, from a cache with another key.
    let other = Folder::new();
    other.load(&denying());
    fs::copy(other.entry(), &denies).unwrap();
    let plugin = folder.load(&denying());
    assert!(matches!(plugin.code_source(), CodeSource::NotCached(_)));
    assert_eq!(answer(&plugin), Effect::Deny);
}

#[test]
fn a_folder_that_others_can_reach_is_no_cache() {
    for mode in [0o755, 0o770, 0o707, 0o701] {
        let folder = Folder::new();
        folder.load(&denying());
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
        let refused = CompiledCache::open(folder.path()).unwrap_err();
        assert!(matches!(refused, CacheError::Exposed { .. }), "{refused}");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let key = folder.path().join("key");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        let refused = CompiledCache::open(folder.path()).unwrap_err();
        assert!(matches!(refused, CacheError::Exposed { .. }), "{refused}");
    }
    let folder = Folder::new();
    folder.cache();
    let link = folder.0.path().join("link");
    symlink(folder.path(), &link).unwrap();
    let refused = CompiledCache::open(&link).unwrap_err();
    assert!(matches!(refused, CacheError::Exposed { .. }), "{refused}");
}

#[test]
fn a_key_that_is_none_is_refused() {
    let folder = Folder::new();
    folder.cache();
    fs::write(folder.path().join("key"), "short").unwrap();
    let refused = CompiledCache::open(folder.path()).unwrap_err();
    assert!(matches!(refused, CacheError::Key(_)), "{refused}");
}

#[test]
fn many_that_begin_at_once_share_one_key_and_whole_entries() {
    let folder = Folder::new();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let plugin = folder.load(&denying());
                    assert!(!matches!(plugin.code_source(), CodeSource::NotCached(_)));
                    assert_eq!(answer(&plugin), Effect::Deny);
                }
            });
        }
    });
    assert_eq!(*folder.load(&denying()).code_source(), CodeSource::Cached);
    let left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 2, "only the key and the entry: {left:?}");
}

#[test]
fn what_somebody_was_cut_off_writing_goes() {
    let folder = Folder::new();
    folder.cache();
    let [old, young] = ["old.0123.new", "young.0123.new"].map(|name| folder.path().join(name));
    for file in [&old, &young] {
        fs::write(file, "half").unwrap();
    }
    let long_ago = SystemTime::now() - Duration::from_secs(2 * 60 * 60);
    let opened = fs::File::options().write(true).open(&old).unwrap();
    opened.set_modified(long_ago).unwrap();
    folder.load(&denying());
    assert_eq!((old.exists(), young.exists()), (false, true));
}

#[test]
fn the_oldest_entries_go_when_there_is_too_much() {
    let folder = Folder::new();
    folder.load(&denying());
    let size = fs::metadata(folder.entry()).unwrap().len();
    let cache = folder.cache().max_bytes(size + size / 2);
    let load = |source: PluginSource| Plugin::load(&source.cache(cache.clone())).unwrap();
    assert_eq!(*load(abstaining()).code_source(), CodeSource::Compiled);
    assert_eq!(folder.entries().len(), 1);
    assert_eq!(*load(abstaining()).code_source(), CodeSource::Cached);
    assert_eq!(*load(denying()).code_source(), CodeSource::Compiled);
}

#[test]
fn a_cache_changes_no_refusal() {
    let folder = Folder::new();
    let component = guests::component("tests/guests/hostile").unwrap();
    let source = PluginSource::new(component)
        .compile_in_process()
        .settings(json!({ "behaviour": "configure-refuse" }))
        .limits(guests::patient())
        .cache(folder.cache());
    for _ in 0..2 {
        assert!(Plugin::load(&source).is_err());
    }
    assert!(folder.entries().is_empty());
    let no_object = denying().settings(Value::Null).cache(folder.cache());
    assert!(Plugin::load(&no_object).is_err());
}

#[test]
fn a_full_disk_keeps_nothing_out_and_nothing_from_deciding() {
    let test = "a_full_disk_keeps_nothing_out_and_nothing_from_deciding";
    let Some(disk) = SmallDisk::mount("1m", test) else {
        return;
    };
    let folder = disk.path("compiled");
    let cache = CompiledCache::open(&folder).unwrap();
    let stored = Plugin::load(&denying().cache(cache.clone())).unwrap();
    assert_eq!(stored.code_source(), &CodeSource::Compiled);
    disk.fill();

    // The plugin decides, and says that its code was not stored.
    let plugin = Plugin::load(&abstaining().cache(cache.clone())).unwrap();
    let CodeSource::NotCached(why) = plugin.code_source() else {
        panic!("{:?}", plugin.code_source());
    };
    assert!(why.contains("No space left on device"), "{why}");
    assert!(why.contains(&folder.display().to_string()), "{why}");
    assert_eq!(answer(&plugin), Effect::NotApplicable);
    // No part of its code is left.
    let names = |extension: &str| {
        let entries = fs::read_dir(&folder).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths
            .filter(|path| path.extension().is_some_and(|it| it == extension))
            .count()
    };
    assert_eq!((names("code"), names("new")), (1, 0));
    // The one that was stored decides on, and is loaded from the cache.
    assert_eq!(answer(&stored), Effect::Deny);
    let again = Plugin::load(&denying().cache(cache.clone())).unwrap();
    assert_eq!(again.code_source(), &CodeSource::Cached);
    assert_eq!(answer(&again), Effect::Deny);
    // A cache that cannot be made is refused by name.
    let error = CompiledCache::open(disk.path("another")).unwrap_err();
    assert!(error.to_string().contains("another"), "{error}");

    disk.make_room();
    let plugin = Plugin::load(&abstaining().cache(cache)).unwrap();
    assert_eq!(plugin.code_source(), &CodeSource::Compiled);
    assert_eq!(names("code"), 2);
}
