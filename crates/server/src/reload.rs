//! Reloading: on request, and when a file of `[serve]` changes.

use crate::accept::Tls;
use crate::settings::{self, Settings};
use crate::state::App;
use crate::tls;
use portcullis_host::Digest;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// Time between two looks at the files of `[serve]`.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A reload that succeeded.
pub(crate) struct Reloaded {
    /// Digest of the configuration; `None` if it was built in code.
    pub(crate) digest: Option<Digest>,
    /// True if the decision point changed.
    pub(crate) changed: bool,
    /// Notices about settings that need a restart.
    pub(crate) notices: Vec<String>,
}

impl App {
    /// Reads the whole configuration again. On an error, all of the one before stays in force.
    ///
    /// # Errors
    ///
    /// All problems, each with its file and place.
    pub(crate) async fn reload(&self) -> Result<Reloaded, Vec<String>> {
        let app = self.clone();
        // Plugins are compiled.
        let reloaded = self.blocking(move || app.reload_now()).await;
        let reloaded =
            reloaded.unwrap_or_else(|_| Err(vec!["the host failed: please report it".to_owned()]));
        self.metrics().reloaded(reloaded.is_ok());
        reloaded
    }

    fn reload_now(&self) -> Result<Reloaded, Vec<String>> {
        let settings = match self.live().file() {
            Some(file) => Some(self.read_settings(file)?),
            None => None,
        };
        let reloaded = match self.live().file() {
            Some(_) => Some(self.live().reload().map_err(lines)?),
            None => None,
        };
        // Both parts are valid, and are put in force together.
        let notices = match settings {
            Some(settings) => self.put_in_force(settings),
            None => Vec::new(),
        };
        Ok(Reloaded {
            digest: reloaded.as_ref().map(|reloaded| reloaded.digest),
            changed: reloaded.is_some_and(|reloaded| reloaded.changed),
            notices,
        })
    }

    /// Reads `[serve]`, and holds it to the listeners that are bound.
    ///
    /// # Errors
    ///
    /// All problems, each with its file and place.
    fn read_settings(&self, file: &Path) -> Result<(Settings, Vec<String>), Vec<String>> {
        let read = settings::read(file).map_err(lines).and_then(|read| {
            // The listeners stay as they are bound, whatever was read.
            let held = read.for_listeners_of(&self.settings());
            held.map_err(|error| vec![format!("{}: {error}", file.display())])
        });
        self.note_settings_problems(read.as_ref().err().cloned().unwrap_or_default());
        read
    }

    fn put_in_force(&self, (settings, restart): (Settings, Vec<String>)) -> Vec<String> {
        self.replace_settings(Arc::new(settings));
        restart
    }
}

fn lines(error: portcullis_host::ConfigError) -> Vec<String> {
    error.0.iter().map(ToString::to_string).collect()
}

/// Files whose content the settings hold.
#[derive(Default)]
pub(crate) struct Watched {
    digests: Vec<(PathBuf, Option<Digest>)>,
}

impl Watched {
    /// Reads the files. True if one differs from the last time.
    fn changed(&mut self, files: Vec<PathBuf>) -> bool {
        let digest = |file: PathBuf| {
            let bytes = std::fs::read(&file).ok();
            (file, bytes.map(|bytes| Digest::of(&bytes)))
        };
        let now: Vec<_> = files.into_iter().map(digest).collect();
        let changed = now != self.digests;
        self.digests = now;
        changed
    }
}

/// Follows the files of `[serve]`: enforcement points with their tokens, certificate and key.
///
/// The decision point follows the files of the host itself.
pub(crate) async fn follow(app: App, tls: Option<Tls>) {
    let mut watched = Watched::default();
    watched.changed(app.settings().files());
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let (looked, with_tls) = (app.clone(), tls.clone());
        let look = move || {
            let refused = looked.settings_problems();
            // Settings that were refused may name files that are not followed yet.
            if watched.changed(looked.settings().files()) || !refused.is_empty() {
                take(&looked, with_tls.as_ref(), &refused);
            }
            watched
        };
        // After a look that failed, the next one reads everything again.
        let looked = app.blocking(look).await;
        watched = looked.unwrap_or_default();
    }
}

/// Reads the settings and the certificate again. `refused` are the problems of the last time.
fn take(app: &App, tls: Option<&Tls>, refused: &[String]) {
    let problems = match app.live().file() {
        None => Vec::new(),
        Some(file) => match app.read_settings(file) {
            Ok(settings) => {
                for notice in app.put_in_force(settings) {
                    app.say(&notice);
                }
                Vec::new()
            }
            Err(problems) => problems,
        },
    };
    if !problems.is_empty() {
        if problems != refused {
            for problem in problems {
                app.say(&problem);
            }
            app.say("`[serve]` stays as it was");
        }
        return;
    }
    if let (Some(tls), Some(files)) = (tls, &app.settings().tls) {
        match tls::server_config(files) {
            Ok(config) => tls.store(config),
            Err(error) => app.say(&format!("the certificate stays as it was: {error}")),
        }
    }
}
