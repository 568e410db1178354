//! Strict TOML documents: every problem is recorded with its file, line and column.

mod names;
mod problem;
mod reader;
mod secrets;

pub use names::{action_class, from_text, principal_kind};
pub use problem::{ConfigError, LOOKS_LIKE_A_SECRET, Problem, Severity};
pub use reader::{A_MOMENT, FILE, Section, Source, Span, parse};
pub use secrets::lines_with_tokens;
