//! A server behind a gate, for all connections to it.

use crate::tools::{Approved, Known, Pins};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A server behind a gate, for all connections to it.
#[derive(Debug)]
pub struct Guarded {
    pub(crate) integration: String,
    pub(crate) approved: Approved,
    pub(crate) from_server: Vec<String>,
    /// Its tools as some connection saw them last, and when.
    listed: Mutex<Option<(Instant, HashMap<String, Known>)>>,
}

/// Time for which the tools that one connection saw count for others, in which they were not listed.
const LISTED_FOR: Duration = Duration::from_secs(60);

impl Guarded {
    /// The server of `integration`, with the approved definitions of its tools.
    ///
    /// Without `pins`, the first definition of a tool counts as approved until the process ends. `others` has the tools
    /// that are pinned for other servers, each with the server. `from_server` are the methods of requests that the
    /// server may send to the client, such as `elicitation/create`.
    pub fn new(
        integration: &str,
        pins: Option<Pins>,
        others: BTreeMap<String, String>,
        from_server: Vec<String>,
    ) -> Self {
        Self {
            integration: integration.to_owned(),
            approved: Approved::new(pins, others),
            from_server,
            listed: Mutex::default(),
        }
    }

    /// The tools as some connection saw them lately.
    pub(crate) fn lately_listed(&self) -> Option<HashMap<String, Known>> {
        let listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        let lately = listed.as_ref().filter(|(at, _)| at.elapsed() < LISTED_FOR);
        lately.map(|(_, tools)| tools.clone())
    }

    /// Notes the tools as they are listed now; `None` if they changed.
    pub(crate) fn note_listed(&self, tools: Option<HashMap<String, Known>>) {
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        *listed = tools.map(|tools| (Instant::now(), tools));
    }
}
