//! Reads `[state]`, the state in a file.

use super::keeping::{is_same_file, readable_by_others};
use super::set;
use portcullis_model::document::{Problem, Section};
use portcullis_trust::state::{CLONE_WINDOW, EmbeddedState, MAX_CREDENTIALS, State, StateError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Options of the state.
#[derive(Clone)]
pub(super) struct StateOptions {
    pub(super) path: PathBuf,
    pub(super) clone_window: Duration,
    pub(super) max_credentials: usize,
}

impl StateOptions {
    /// Opens the state, or creates it.
    pub(super) fn open(self) -> Result<OpenState, StateError> {
        let state = EmbeddedState::open(&self.path, self.clone_window)?;
        Ok(OpenState {
            state: Arc::new(state.max_credentials(self.max_credentials)),
            path: self.path,
        })
    }

    /// Opens the state for a dry run, without creating it.
    ///
    /// Returns a warning if a running host has the state open.
    ///
    /// # Errors
    ///
    /// The problem, if the state is damaged.
    pub(super) fn look_into(self) -> Result<(LookedInto, Option<Problem>), Problem> {
        if !self.path.exists() {
            let state = EmbeddedState::in_place_of(&self.path, self.clone_window);
            return Ok((LookedInto::new(state), None));
        }
        match EmbeddedState::open(&self.path, self.clone_window) {
            Ok(state) => Ok((LookedInto::new(state), None)),
            Err(error @ StateError::InUse(_)) => {
                let message = format!("{error}: a dry run ignores the uses counted there");
                let problem = Problem::warning(&self.path, message);
                let state = EmbeddedState::beside_host(&self.path, self.clone_window);
                Ok((LookedInto::new(state), Some(problem)))
            }
            Err(error) => Err(Problem::of_file(&self.path, error.to_string())),
        }
    }
}

/// A state that a host has open.
#[derive(Debug, Clone)]
pub(super) struct OpenState {
    path: PathBuf,
    state: Arc<EmbeddedState>,
}

impl OpenState {
    /// True if `options` are of the same file.
    pub(super) fn is_of(&self, options: &StateOptions) -> bool {
        is_same_file(&self.path, &options.path)
    }

    /// Sets the options from now on.
    pub(super) fn reconfigure(&self, options: &StateOptions) {
        self.state
            .reconfigure(options.clone_window, options.max_credentials);
    }

    pub(super) fn as_state(&self) -> Arc<dyn State> {
        Arc::<EmbeddedState>::clone(&self.state)
    }
}

/// The state of a dry run.
pub(super) struct LookedInto(Arc<EmbeddedState>);

impl LookedInto {
    fn new(state: EmbeddedState) -> Self {
        Self(Arc::new(state))
    }

    pub(super) fn as_state(&self) -> Arc<dyn State> {
        Arc::<EmbeddedState>::clone(&self.0)
    }

    /// Reason why the state may lack uses, if it may.
    pub(super) fn lacks(&self) -> Option<String> {
        self.0.lacks().map(|error| error.to_string())
    }
}

/// Reads `[state]`.
///
/// `None` if there is none; the inner value is `None` if it is invalid.
pub(super) fn state(root: &mut Section<'_, '_>, folder: &Path) -> Option<Option<StateOptions>> {
    let section = root.section("state");
    section.map(|section| options(section, folder))
}

fn options(mut section: Section<'_, '_>, folder: &Path) -> Option<StateOptions> {
    let path = section.required_text("path");
    let range = Duration::from_secs(1)..=Duration::from_secs(24 * 60 * 60);
    let mut clone_window = CLONE_WINDOW;
    set(&mut clone_window, section.duration("clone-window", range));
    let mut max_credentials = MAX_CREDENTIALS;
    let credentials = section.integer("max-credentials", 1_000..=10_000_000);
    set(&mut max_credentials, credentials);
    let source = section.source();
    section.end();
    let path = folder.join(path?.0);
    source.add(readable_by_others(&path).into_iter().collect());
    Some(StateOptions {
        path,
        clone_window,
        max_credentials,
    })
}
