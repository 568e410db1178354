//! The hostile guests, as `build.rs` lists them.

use crate::frame::Made;
use crate::generated;

include!(concat!(env!("OUT_DIR"), "/guests.rs"));

impl Guest {
    /// The guest called `name`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|guest| guest.name() == name)
    }

    /// The group that it belongs to.
    pub(crate) fn group(self) -> &'static str {
        let name = self.name();
        name.split_once("::").map_or(name, |(group, _)| group)
    }
}
