//! From a configuration that was read to a decision point, with its state and log open.

use super::keeping::is_same_file;
use super::stored::{OpenState, StateOptions};
use super::{Described, describe, signed};
use crate::log::{DecisionLog, LogOptions};
use crate::pdp::Pdp;
use portcullis_model::digest::Digest;
use portcullis_model::document::{ConfigError, Problem};
use portcullis_sandbox::LoadedPlugins;
use std::path::{Path, PathBuf};

/// Parts that a host has open, and goes on with when it reads its configuration again.
#[derive(Debug, Default)]
pub(crate) struct Open {
    plugins: LoadedPlugins,
    state: Option<OpenState>,
    log: Option<DecisionLog>,
}

/// A configuration that was read, and the decision point that it describes.
pub(crate) struct Loaded {
    pub(crate) pdp: Result<Opened, ConfigError>,
    /// Digest of the file; `None` if it cannot be read.
    pub(crate) digest: Option<Digest>,
    /// Paths of the components that it names.
    pub(crate) components: Vec<PathBuf>,
}

/// A decision point that is not in force yet.
pub(crate) struct Opened {
    pub(crate) pdp: Pdp,
    state: Option<(OpenState, StateOptions)>,
    log: Option<(DecisionLog, LogOptions)>,
}

impl Pdp {
    /// Builds the decision point that the configuration in `file` describes.
    ///
    /// It opens the state and the log, and reads the configuration once; [`Live`](crate::Live) follows it.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with all problems of the file and of the files that it names.
    pub fn from_file(file: impl AsRef<Path>) -> Result<Self, ConfigError> {
        Ok(Open::default().load(file.as_ref(), None).pdp?.pdp)
    }
}

impl Open {
    /// Reads `file`, and builds the decision point that replaces `before`.
    ///
    /// Without one, it begins at once; with one, the caller puts it in force with [`Pdp::succeed`] and
    /// [`Open::take`].
    pub(crate) fn load(&self, file: &Path, before: Option<&Pdp>) -> Loaded {
        let read = describe(file, false, &self.plugins);
        let mut problems = read.problems;
        let pdp = match read.described {
            None => Err(ConfigError(problems)),
            Some(described) if !described.is_usable(&problems) => {
                problems.extend(described.builder.notes());
                Err(ConfigError(problems))
            }
            Some(described) => self
                .open(described, problems.clone(), before)
                .map_err(|message| {
                    problems.push(Problem::of_file(file, message));
                    ConfigError(problems)
                }),
        };
        Loaded {
            pdp,
            digest: read.digest,
            components: read.components,
        }
    }

    fn open(
        &self,
        described: Described,
        notices: Vec<Problem>,
        before: Option<&Pdp>,
    ) -> Result<Opened, String> {
        let mut builder = described.builder.notices(notices);
        let state = match described.state {
            None => None,
            Some(options) => {
                let open = self.state.as_ref().filter(|open| open.is_of(&options));
                let open = match open {
                    Some(open) => open.clone(),
                    None => options.clone().open().map_err(|error| error.to_string())?,
                };
                builder = builder.state(open.as_state());
                Some((open, options))
            }
        };
        if let Some(verification) = described.verifier {
            let state = state.as_ref().map(|(open, _)| open.as_state());
            builder = verification.add_to(builder, state);
        }
        let log = match described.log {
            None => None,
            Some(options) => {
                let open = self.log.as_ref();
                let log = match open.filter(|log| is_same_file(log.path(), &options.path)) {
                    Some(log) => log.with_mask(options.mask.clone()),
                    None => {
                        DecisionLog::open(options.clone()).map_err(|error| error.to_string())?
                    }
                };
                builder = builder.log(log.clone());
                Some((log, options))
            }
        };
        let built = match before {
            None => builder.build(),
            Some(before) => builder.replacing(before.clone()).succeeding(),
        };
        let pdp = built.map_err(|error| error.to_string())?;
        // The state was checked against the log by now: a distrusted state has no sequence.
        signed::are_valid(&pdp)?;
        if let Some(before) = before {
            signed::are_not_older(&pdp, before)?;
        }
        Ok(Opened { pdp, state, log })
    }

    /// Goes on with the state and the log of a decision point that is in force now, with its options.
    pub(crate) fn take(&mut self, opened: Opened) {
        self.state = opened.state.map(|(state, options)| {
            state.reconfigure(&options);
            state
        });
        self.log = opened.log.map(|(log, options)| {
            log.set_options(&options);
            log
        });
    }
}
