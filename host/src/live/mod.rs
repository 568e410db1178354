//! A decision point that follows its configuration.

mod files;
mod status;

pub use status::{
    BundleStatus, FileStatus, IntegrationStatus, IntentsStatus, LogStatus, PluginStatus,
    RefusedConfiguration, RegistryStatus, RevocationStatus, Status,
};

use crate::config::Open;
use crate::decision::Decision;
use crate::log::{Configured, ConfiguredPlugin};
use crate::pdp::Pdp;
use arc_swap::ArcSwap;
use files::{Follower, Stamps};
use portcullis_model::digest::Digest;
use portcullis_model::document::{ConfigError, Problem, Severity};
use portcullis_model::request::Request;
use portcullis_model::timestamp::Timestamp;
use portcullis_trust::watched::Watcher;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Time between two looks at the configuration and the components.
///
/// A changed file is read at the look after the one that saw the change, if it stayed the same in between.
const INTERVAL: Duration = Duration::from_millis(250);

/// A decision point that follows its configuration: it is reloaded while it runs.
///
/// It watches `portcullis.toml` and the components that it names. When one changes, it reads and loads the whole
/// configuration, and then replaces the decision point at once: each decision is made by one configuration,
/// and those in flight end with the one that they began with. If there is any error, the configuration before
/// stays in force, and [`Live::status`], the log and [`Live::reload`] show the error. The log, the state, plugins that did
/// not change, their quarantine, imported intents and credentials that were seen are kept.
///
/// It is cheap to clone, and any number of threads may use it at once.
///
/// ```no_run
/// use portcullis_host::Live;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// portcullis_host::compile_if_asked();
/// let live = Live::from_file("portcullis.toml")?;
/// # let json = b"{}";
/// // For each request: the decision point that is in force now.
/// let decision = live.pdp().evaluate_authzen(json);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Live {
    shared: Arc<Shared>,
    /// Looks at the files; `None` for a decision point that was built in code.
    _watcher: Option<Arc<Watcher>>,
}

#[derive(Debug)]
struct Shared {
    pdp: ArcSwap<Pdp>,
    started: Timestamp,
    file: Option<PathBuf>,
    /// Held while the configuration is read, so that one reload follows the other.
    loading: Mutex<Loading>,
    /// What the last loads gave, readable while another one runs.
    known: Mutex<Known>,
}

/// State of the reader.
#[derive(Debug, Default)]
struct Loading {
    open: Open,
    stamps: Stamps,
}

#[derive(Debug, Default)]
struct Known {
    /// Digest of the configuration in force.
    digest: Option<Digest>,
    loaded: Option<Timestamp>,
    reloads: u64,
    refused: Option<RefusedConfiguration>,
}

/// A configuration that was put in force, see [`Live::reload`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reloaded {
    /// Digest of the configuration: of its file, and of the plugins and their settings.
    pub digest: Digest,
    /// True if the digest differs from that of the configuration before.
    pub changed: bool,
}

impl Live {
    /// Builds the decision point that the configuration in `file` describes, and follows the file.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as [`Pdp::from_file`].
    pub fn from_file(file: impl Into<PathBuf>) -> Result<Self, ConfigError> {
        let file = file.into();
        let mut loading = Loading::default();
        // Taken before the files are read, so that a change during the reading is noticed.
        loading.stamps.expect(&file, &[]);
        let loaded = loading.open.load(&file, None);
        let opened = loaded.pdp?;
        loading.stamps.expect(&file, &loaded.components);
        let pdp = opened.pdp.clone();
        let digest = digest_of(loaded.digest, &pdp);
        let begun = pdp.record_configuration(&configured(digest, None, &pdp));
        begun.map_err(|error| ConfigError(vec![Problem::of_file(&file, error.to_string())]))?;
        loading.open.take(opened);
        let now = Timestamp::now();
        let shared = Arc::new(Shared {
            pdp: ArcSwap::from_pointee(pdp),
            started: now,
            file: Some(file.clone()),
            loading: Mutex::new(loading),
            known: Mutex::new(Known {
                digest: Some(digest),
                loaded: Some(now),
                ..Known::default()
            }),
        });
        let follower = Follower::of(&shared, file.clone());
        let watcher = Watcher::start(vec![Arc::new(follower)], INTERVAL);
        let watcher = watcher.map_err(|error| {
            let message = format!(
                "cannot start the thread that follows it: {error}: raise the limit of threads of the process"
            );
            ConfigError(vec![Problem::of_file(&file, message)])
        })?;
        Ok(Self {
            shared,
            _watcher: Some(Arc::new(watcher)),
        })
    }

    /// A decision point that was built in code, and does not change.
    pub fn fixed(pdp: Pdp) -> Self {
        let now = Timestamp::now();
        let known = Known {
            loaded: Some(now),
            ..Known::default()
        };
        Self {
            shared: Arc::new(Shared {
                pdp: ArcSwap::from_pointee(pdp),
                started: now,
                file: None,
                loading: Mutex::default(),
                known: Mutex::new(known),
            }),
            _watcher: None,
        }
    }

    /// The decision point in force.
    ///
    /// Get it anew for each request: a clone that is kept does not follow the configuration.
    pub fn pdp(&self) -> Pdp {
        Pdp::clone(&self.shared.pdp.load())
    }

    /// Decides `request` now, see [`Pdp::evaluate`].
    pub fn evaluate(&self, request: &Request) -> Decision {
        self.shared.pdp.load().evaluate(request)
    }

    /// Decides `request` now, for a task of an async runtime, see [`Pdp::evaluate_async`].
    pub async fn evaluate_async(&self, request: &Request) -> Decision {
        // A guard would be held while the record is written.
        self.pdp().evaluate_async(request).await
    }

    /// The file of the configuration; `None` for a decision point that was built in code.
    pub fn file(&self) -> Option<&Path> {
        self.shared.file.as_deref()
    }

    /// Reads the configuration again now, in the calling thread, and puts it in force.
    ///
    /// Other threads go on deciding meanwhile. Plugins that did not change are not compiled again.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with all problems; the configuration before stays in force.
    pub fn reload(&self) -> Result<Reloaded, ConfigError> {
        self.shared.reload()
    }

    /// Reasons why this host would deny requests that it should not; none if it is ready.
    ///
    /// They are a revocation list that is stale or unusable, and a log that cannot be written.
    pub fn unready(&self) -> Vec<String> {
        self.pdp().unready()
    }

    /// State of this host, for operators.
    pub fn status(&self) -> Status {
        status::of(self)
    }
}

impl From<Pdp> for Live {
    fn from(pdp: Pdp) -> Self {
        Self::fixed(pdp)
    }
}

impl Shared {
    fn reload(&self) -> Result<Reloaded, ConfigError> {
        let Some(file) = &self.file else {
            let message = "the decision point was built in code: build another one";
            return Err(ConfigError(vec![Problem::of_file(
                Path::new("[code]"),
                message.to_owned(),
            )]));
        };
        let mut loading = self.loading();
        self.reload_in(&mut loading, file)
    }

    fn reload_in(&self, loading: &mut Loading, file: &Path) -> Result<Reloaded, ConfigError> {
        let before = Pdp::clone(&self.pdp.load());
        let known = loading.stamps.components();
        loading.stamps.expect(file, &known);
        let loaded = loading.open.load(file, Some(&before));
        // A refused configuration may name other components: when they appear, it is read again.
        loading.stamps.expect_more(&loaded.components);
        let opened = match loaded.pdp {
            Ok(opened) => opened,
            Err(error) => return Err(self.refuse(&before, loaded.digest, error)),
        };
        let pdp = opened.pdp.clone();
        let digest = digest_of(loaded.digest, &pdp);
        let old = self.known().digest;
        let succeeded = pdp.succeed(&before, &configured(digest, old, &pdp));
        if let Err(error) = succeeded {
            let error = ConfigError(vec![Problem::of_file(file, error.to_string())]);
            return Err(self.refuse(&before, loaded.digest, error));
        }
        loading.stamps.keep_only(&loaded.components);
        loading.open.take(opened);
        self.pdp.store(Arc::new(pdp));
        let mut known = self.known();
        known.digest = Some(digest);
        known.loaded = Some(Timestamp::now());
        known.reloads += 1;
        known.refused = None;
        Ok(Reloaded {
            digest,
            changed: old != Some(digest),
        })
    }

    /// Notes a refused configuration, and records it unless it was refused for the same problems before.
    fn refuse(&self, before: &Pdp, digest: Option<Digest>, error: ConfigError) -> ConfigError {
        let errors = error.0.iter();
        let errors = errors.filter(|problem| problem.severity >= Severity::Error);
        let problems: Vec<_> = errors.map(ToString::to_string).collect();
        let (old, is_new) = {
            let mut known = self.known();
            let is_new = known.refused.as_ref().map(|it| &it.problems) != Some(&problems);
            if is_new {
                known.refused = Some(RefusedConfiguration {
                    at: Timestamp::now(),
                    problems: problems.clone(),
                });
            }
            (known.digest, is_new)
        };
        if is_new {
            let refused = Configured {
                digest: digest.map_or_else(String::new, |digest| digest.to_string()),
                before: old.map(|digest| digest.to_string()),
                plugins: Vec::new(),
                refused: problems,
            };
            // Ignored: decisions that cannot be recorded are denied in any case.
            let _ = before.record_configuration(&refused);
        }
        error
    }

    fn loading(&self) -> MutexGuard<'_, Loading> {
        // A panic while the configuration was read left the parts that are in use.
        self.loading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Digest of a configuration: of its file, and of the plugins and their settings.
fn digest_of(file: Option<Digest>, pdp: &Pdp) -> Digest {
    let plugins: Vec<_> = plugins_of(pdp).collect();
    let text = json!({ "file": file.map(|digest| digest.to_string()), "plugins": plugins });
    Digest::of(text.to_string().as_bytes())
}

fn configured(digest: Digest, before: Option<Digest>, pdp: &Pdp) -> Configured {
    Configured {
        digest: digest.to_string(),
        before: before.map(|digest| digest.to_string()),
        plugins: plugins_of(pdp).collect(),
        refused: Vec::new(),
    }
}

fn plugins_of(pdp: &Pdp) -> impl Iterator<Item = ConfiguredPlugin> {
    let integrations = pdp.integrations().into_iter();
    integrations.flat_map(|integration| {
        integration
            .plugins()
            .iter()
            .map(|plugin| ConfiguredPlugin {
                integration: integration.name().to_owned(),
                name: plugin.manifest().name.clone(),
                version: plugin.manifest().version.clone(),
                digest: plugin.digest_text().to_owned(),
                settings_digest: plugin.settings_digest().to_string(),
            })
            .collect::<Vec<_>>()
    })
}
