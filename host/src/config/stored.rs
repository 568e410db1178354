//! Reads `[state]`, the state in a file or a shared one.

use super::keeping::{is_same_file, readable_by_others};
use super::shared::{OpenShared, Shared};
use super::{set, shared};
use portcullis_model::document::{Problem, Section};
use portcullis_trust::state::shared::SharedState;
use portcullis_trust::state::{CLONE_WINDOW, EmbeddedState, MAX_CREDENTIALS, State, StateError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Options of the state.
#[derive(Clone)]
pub(super) enum StateOptions {
    File(FileOptions),
    Shared(Shared),
}

/// Options of a state in a file.
#[derive(Clone)]
pub(super) struct FileOptions {
    pub(super) path: PathBuf,
    pub(super) clone_window: Duration,
    max_credentials: usize,
}

impl StateOptions {
    /// Opens the state, or creates it.
    pub(super) fn open(self) -> Result<OpenState, StateError> {
        match self {
            Self::Shared(shared) => Ok(OpenState::Shared(shared.open()?)),
            Self::File(options) => {
                let state = EmbeddedState::open(&options.path, options.clone_window)?;
                Ok(OpenState::File {
                    state: Arc::new(state.max_credentials(options.max_credentials)),
                    path: options.path,
                })
            }
        }
    }

    /// Opens the state for a dry run, without creating it.
    ///
    /// Returns a warning if a running host has the state open, or a shared state cannot be reached.
    ///
    /// # Errors
    ///
    /// The problem, if the state is damaged.
    pub(super) fn look_into(self) -> Result<(LookedInto, Option<Problem>), Problem> {
        let options = match self {
            Self::Shared(shared) => return Ok(look_into_shared(&shared)),
            Self::File(options) => options,
        };
        if !options.path.exists() {
            let state = EmbeddedState::in_place_of(&options.path, options.clone_window);
            return Ok((LookedInto::of_file(state), None));
        }
        match EmbeddedState::open(&options.path, options.clone_window) {
            Ok(state) => Ok((LookedInto::of_file(state), None)),
            Err(error @ StateError::InUse(_)) => {
                let message = format!("{error}: a dry run ignores the uses counted there");
                let problem = Problem::warning(&options.path, message);
                let state = EmbeddedState::beside_host(&options.path, options.clone_window);
                Ok((LookedInto::of_file(state), Some(problem)))
            }
            Err(error) => Err(Problem::of_file(&options.path, error.to_string())),
        }
    }

    /// True if the revocation list of this host is delivered to others, or theirs to it.
    pub(super) fn delivers(&self) -> bool {
        match self {
            Self::File(_) => false,
            Self::Shared(shared) => shared.delivers(),
        }
    }
}

/// Opens a shared state for a dry run. One that is missing or unreachable counts nothing.
fn look_into_shared(shared: &Shared) -> (LookedInto, Option<Problem>) {
    let unused = || EmbeddedState::in_memory(shared.options.clone_window);
    match shared.look_into() {
        Ok(Some(state)) => (LookedInto::Shared(state), None),
        Ok(None) => (LookedInto::of_file(unused()), None),
        Err(error) => {
            let message = format!(
                "{error}: no host starts until this is corrected, and a dry run ignores the uses counted there"
            );
            let problem = Problem::warning(Path::new("[state]"), message);
            (LookedInto::of_file(unused()), Some(problem))
        }
    }
}

/// A state that a host has open.
#[derive(Debug, Clone)]
pub(super) enum OpenState {
    File {
        path: PathBuf,
        state: Arc<EmbeddedState>,
    },
    Shared(OpenShared),
}

impl OpenState {
    /// True if `options` are of the same state.
    pub(super) fn is_of(&self, options: &StateOptions) -> bool {
        match (self, options) {
            (Self::File { path, .. }, StateOptions::File(options)) => {
                is_same_file(path, &options.path)
            }
            (Self::Shared(state), StateOptions::Shared(shared)) => state.is_of(shared),
            _ => false,
        }
    }

    /// Sets the options from now on.
    pub(super) fn reconfigure(&self, options: &StateOptions) {
        match (self, options) {
            (Self::File { state, .. }, StateOptions::File(options)) => {
                state.reconfigure(options.clone_window, options.max_credentials);
            }
            (Self::Shared(state), StateOptions::Shared(shared)) => state.reconfigure(shared),
            _ => {}
        }
    }

    pub(super) fn as_state(&self) -> Arc<dyn State> {
        match self {
            Self::File { state, .. } => Arc::<EmbeddedState>::clone(state),
            Self::Shared(state) => state.as_state(),
        }
    }
}

/// The state of a dry run.
#[derive(Debug)]
pub(super) enum LookedInto {
    File(Arc<EmbeddedState>),
    Shared(Arc<dyn SharedState>),
}

impl LookedInto {
    fn of_file(state: EmbeddedState) -> Self {
        Self::File(Arc::new(state))
    }

    pub(super) fn as_state(&self) -> Arc<dyn State> {
        match self {
            Self::File(state) => Arc::<EmbeddedState>::clone(state),
            Self::Shared(state) => Arc::<dyn SharedState>::clone(state),
        }
    }

    /// Reason why the state may lack uses, if it may.
    pub(super) fn lacks(&self) -> Option<String> {
        let lacks = match self {
            Self::File(state) => state.lacks(),
            Self::Shared(state) => state.lacks(),
        };
        lacks.map(|error| error.to_string())
    }

    /// Statement of what survives a crash, of a shared state.
    pub(super) fn durability(&self) -> Option<String> {
        match self {
            Self::File(_) => None,
            Self::Shared(state) => Some(state.durability()),
        }
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
    let source = section.source();
    let is_shared = section.has("nats");
    if is_shared && section.has("path") {
        source.error(
            section.place_of("path"),
            "the state is either in a file (`path`) or shared (`nats`): remove one of them",
        );
    }
    let range = Duration::from_secs(1)..=Duration::from_secs(24 * 60 * 60);
    let mut clone_window = CLONE_WINDOW;
    set(&mut clone_window, section.duration("clone-window", range));
    let mut max_credentials = MAX_CREDENTIALS;
    let credentials = section.integer("max-credentials", 1_000..=10_000_000);
    set(&mut max_credentials, credentials);
    let options = if is_shared {
        let _ = section.text("path");
        shared::options(&mut section, folder).map(|mut shared| {
            shared.options.clone_window = clone_window;
            shared.options.max_credentials = max_credentials;
            StateOptions::Shared(shared)
        })
    } else {
        let path = section.required_text("path");
        path.map(|(path, _)| {
            let path = folder.join(path);
            source.add(readable_by_others(&path).into_iter().collect());
            StateOptions::File(FileOptions {
                path,
                clone_window,
                max_credentials,
            })
        })
    };
    section.end();
    options
}
