//! The state in a file, in a build without the feature `embedded-state`: a configuration that has it is refused.

use super::left_out;
use portcullis_model::document::{Problem, Section};
use portcullis_trust::state::{State, StateError};
use std::path::Path;
use std::sync::Arc;

/// Options of the state. A build without the feature `embedded-state` has none.
#[derive(Clone)]
pub(super) enum StateOptions {}

impl StateOptions {
    pub(super) fn open(self) -> Result<OpenState, StateError> {
        match self {}
    }

    pub(super) fn look_into(self) -> Result<(LookedInto, Option<Problem>), Problem> {
        match self {}
    }

    pub(super) fn delivers(&self) -> bool {
        match *self {}
    }
}

/// A state that a host has open. A build without the feature `embedded-state` has none.
#[derive(Debug, Clone)]
pub(super) enum OpenState {}

impl OpenState {
    pub(super) fn is_of(&self, _: &StateOptions) -> bool {
        match *self {}
    }

    pub(super) fn reconfigure(&self, _: &StateOptions) {
        match *self {}
    }

    pub(super) fn as_state(&self) -> Arc<dyn State> {
        match *self {}
    }
}

/// The state of a dry run. A build without the feature `embedded-state` has none.
#[derive(Debug)]
pub(super) enum LookedInto {}

impl LookedInto {
    pub(super) fn as_state(&self) -> Arc<dyn State> {
        match *self {}
    }

    pub(super) fn lacks(&self) -> Option<String> {
        match *self {}
    }

    pub(super) fn durability(&self) -> Option<String> {
        match *self {}
    }
}

/// Refuses `[state]`.
pub(super) fn state(root: &mut Section<'_, '_>, _: &Path) -> Option<Option<StateOptions>> {
    left_out(root, &["state"], "embedded-state").then_some(None)
}
