//! Reads `[state]` with `nats`: a state that several hosts share.

use super::keeping::readable_by_others;
use super::set;
use portcullis_model::document::{Problem, Section};
use portcullis_trust::state::shared::{
    Delivery, SharedOptions, SharedState, SharedStates, registered,
};
use portcullis_trust::state::{State, StateError};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Default name of the bucket.
const BUCKET: &str = "portcullis";

/// Longest name of a bucket, in characters.
const MOST_BUCKET: usize = 64;

/// A shared state, and the client that opens it.
#[derive(Clone)]
pub(super) struct Shared {
    client: &'static dyn SharedStates,
    pub(super) options: SharedOptions,
}

/// A shared state that a host has open.
#[derive(Debug, Clone)]
pub(super) struct OpenShared {
    options: Arc<SharedOptions>,
    state: Arc<dyn SharedState>,
}

impl Shared {
    /// Opens the state, or creates it.
    pub(super) fn open(self) -> Result<OpenShared, StateError> {
        Ok(OpenShared {
            state: self.client.open(&self.options)?,
            options: Arc::new(self.options),
        })
    }

    /// Opens the state for a dry run; `None` if there is none yet.
    pub(super) fn look_into(&self) -> Result<Option<Arc<dyn SharedState>>, StateError> {
        self.client.look_into(&self.options)
    }

    /// True if the revocation list of this host is delivered to others, or theirs to it.
    pub(super) fn delivers(&self) -> bool {
        self.options.revocations.is_some()
    }
}

impl OpenShared {
    /// True if `shared` is the same bucket, reached in the same way.
    pub(super) fn is_of(&self, shared: &Shared) -> bool {
        let mut options = shared.options.clone();
        options.clone_window = self.options.clone_window;
        *self.options == options
    }

    /// Sets the options that an open state can change.
    pub(super) fn reconfigure(&self, shared: &Shared) {
        self.state.set_clone_window(shared.options.clone_window);
    }

    pub(super) fn as_state(&self) -> Arc<dyn State> {
        Arc::<dyn SharedState>::clone(&self.state)
    }
}

/// Reads the keys of a shared state from `[state]`.
pub(super) fn options(section: &mut Section<'_, '_>, folder: &Path) -> Option<Shared> {
    let source = section.source();
    let place = section.place_of("nats");
    let servers = match section.peek_text("nats") {
        Some(_) => section.text("nats").map(|(url, _)| vec![url.to_owned()]),
        None => section.texts("nats"),
    };
    let mut is_right = servers.is_some();
    let bucket = section.text("bucket");
    if let Some((name, span)) = &bucket {
        let may = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > MOST_BUCKET || !name.chars().all(may) {
            let message = format!(
                "`bucket` has up to {MOST_BUCKET} letters, digits, `-` and `_`: correct it"
            );
            source.error(span.clone(), message);
            is_right = false;
        }
    }
    let mut options = SharedOptions::new(
        servers.unwrap_or_default(),
        bucket.map_or(BUCKET, |(name, _)| name),
    );
    if let Some((file, _)) = section.text("credentials") {
        let file = folder.join(file);
        let wide = readable_by_others(&file);
        let secret = "other users can read the credentials of this host";
        source.add(
            wide.map(|it| Problem::warning(&it.file, format!("{secret}: `chmod 600` it")))
                .into_iter()
                .collect(),
        );
        options.credentials = Some(file);
    }
    let place_of_tls = section.place_of("tls");
    if let Some(mut tls) = section.section("tls") {
        let mut file = |key| tls.text(key).map(|(file, _)| folder.join(file));
        options.tls.authorities = file("authorities");
        match (file("certificate"), file("key")) {
            (Some(chain), Some(key)) => options.tls.identity = Some((chain, key)),
            (None, None) => {}
            _ => {
                let message = "a certificate needs its private key: write both `certificate` and `key`, or neither";
                source.error(place_of_tls, message);
                is_right = false;
            }
        }
        tls.end();
    }
    let range = Duration::from_millis(10)..=Duration::from_secs(60);
    set(&mut options.timeout, section.duration("timeout", range));
    set(&mut options.replicas, section.integer("replicas", 1..=5));
    options.monitor = section.text("monitor").map(|(url, _)| url.to_owned());
    match section.text("revocations") {
        None => {}
        Some(("publish", _)) => options.revocations = Some(Delivery::Publish),
        Some(("follow", _)) => options.revocations = Some(Delivery::Follow),
        Some((_, span)) => {
            source.error(span, "`revocations` is `publish` or `follow`");
            is_right = false;
        }
    }
    let Some(client) = registered() else {
        source.error(
            place,
            "this program has no client for NATS: build it with `portcullis-fleet`, and call `portcullis_fleet::register()` at its start",
        );
        return None;
    };
    is_right.then_some(Shared { client, options })
}
