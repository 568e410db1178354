//! The expected outcome of a guest.

use crate::frame::Form;
use portcullis_host::{Cause, Effect, Fault, LoadError};
use std::time::Duration;

/// The end that a guest comes to.
#[derive(Clone, Copy)]
pub(crate) enum Outcome {
    /// It is refused when it is loaded.
    Refused(&'static str, fn(&LoadError) -> bool),
    /// It is loaded, and each decision ends in this fault.
    Faults(&'static str, fn(&Fault) -> bool),
    /// It is loaded, and each decision is the same, with this effect and cause.
    Decides(Effect, Cause),
}

/// The outcome of a guest, and the bounds of its cost.
#[derive(Clone, Copy)]
pub(crate) struct Expected {
    pub(crate) outcome: Outcome,
    /// The outcome of its typed form, if it differs.
    pub(crate) typed: Option<Outcome>,
    /// The outcome of the form with a function after each answer, if it differs.
    pub(crate) through: Option<Outcome>,
    /// True if the attack is on resetting, so that its packed form must be one that can be reset.
    pub(crate) resettable: bool,
    /// Growth of the resident memory of the process, in MiB.
    pub(crate) resident_mib: usize,
    /// Size of a line that one decision writes to the log, in KiB.
    pub(crate) line_kib: usize,
    /// Size of the text of the error with which it is refused, in KiB.
    pub(crate) error_kib: usize,
    /// True if a decision shows a text as the plugin wrote it, although it could command a terminal.
    pub(crate) is_shown_as_written: bool,
    /// Deadline of a decision.
    pub(crate) deadline: Duration,
    /// Deadline of `configure`.
    pub(crate) configure_deadline: Duration,
}

/// A deadline that a busy machine does not reach by chance.
const PATIENT: Duration = Duration::from_secs(10);

/// A deadline for guests that never end.
const SHORT: Duration = Duration::from_millis(30);

impl Expected {
    pub(crate) const fn of(outcome: Outcome) -> Self {
        Self {
            outcome,
            typed: None,
            through: None,
            resettable: false,
            resident_mib: 96,
            line_kib: 80,
            error_kib: 16,
            is_shown_as_written: false,
            deadline: PATIENT,
            configure_deadline: PATIENT,
        }
    }

    /// Its typed form ends otherwise.
    pub(crate) const fn typed(mut self, other: Self) -> Self {
        self.typed = Some(other.outcome);
        self
    }

    /// Its form with a function after each answer ends otherwise.
    pub(crate) const fn through(mut self, other: Self) -> Self {
        self.through = Some(other.outcome);
        self
    }

    /// The outcome of `form`.
    pub(crate) fn of_form(&self, form: Form) -> Outcome {
        let other = match form {
            Form::Typed => self.typed,
            Form::Through => self.through,
            Form::Packed | Form::Whole => None,
        };
        other.unwrap_or(self.outcome)
    }

    pub(crate) const fn resettable(mut self) -> Self {
        self.resettable = true;
        self
    }

    pub(crate) const fn resident_mib(mut self, mib: usize) -> Self {
        self.resident_mib = mib;
        self
    }

    pub(crate) const fn line_kib(mut self, kib: usize) -> Self {
        self.line_kib = kib;
        self
    }

    pub(crate) const fn shown_as_written(mut self) -> Self {
        self.is_shown_as_written = true;
        self
    }

    pub(crate) const fn short(mut self) -> Self {
        self.deadline = SHORT;
        self
    }

    pub(crate) const fn short_configure(mut self) -> Self {
        self.configure_deadline = SHORT;
        self
    }
}

/// It decides with `effect`, and the cause that follows from it.
pub(crate) const fn decides(effect: Effect) -> Expected {
    let cause = match effect {
        Effect::Permit => Cause::Permitted,
        Effect::Deny => Cause::PluginDenied,
        Effect::NotApplicable => Cause::NotApplicable,
        Effect::Indeterminate => Cause::Indeterminate,
    };
    Expected::of(Outcome::Decides(effect, cause))
}

/// It permits, and the host denies with `cause`.
pub(crate) const fn permits_in_vain(cause: Cause) -> Expected {
    Expected::of(Outcome::Decides(Effect::Permit, cause))
}

/// It is refused with an error of this pattern.
macro_rules! refused {
    ($pattern:pat) => {
        $crate::outcome::Expected::of($crate::outcome::Outcome::Refused(
            stringify!($pattern),
            |error| matches!(error, $pattern),
        ))
    };
}

/// Each of its decisions ends in a fault of this pattern.
macro_rules! faults {
    ($pattern:pat) => {
        $crate::outcome::Expected::of($crate::outcome::Outcome::Faults(
            stringify!($pattern),
            |fault| matches!(fault, $pattern),
        ))
    };
}

pub(crate) use {faults, refused};
