//! The state, as a host uses it.

use crate::core::{Core, millis, place};
use crate::core::{delivery, imports};
use crate::failure::{Failure, NotSpent};
use crate::sightings::Presentation;
use crate::{durability, keeper};
use portcullis_model::marks::StateMark;
use portcullis_model::timestamp::Timestamp;
use portcullis_trust::state::shared::{
    Delivery, SharedList, SharedOptions, SharedState, SharedStates,
};
use portcullis_trust::state::{AcceptIntent, Seen, SpendError, State, StateError, Use};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Time beyond the timeout of a call after which it is not waited for, whatever its thread does.
const GRACE: Duration = Duration::from_millis(250);

/// State of a fleet, in a bucket of NATS JetStream.
///
/// Each call waits for the server at most for the timeout of its options, and fails at once while the connection is
/// lost. A use whose spending was not confirmed counts as spent.
#[derive(Debug)]
pub struct JetStreamState {
    place: PathBuf,
    timeout: Duration,
    core: Arc<Core>,
    runtime: Worker,
    /// True for the state of a dry run, beside hosts that change it.
    is_dry: bool,
}

/// The thread of the client. It ends with the state, in the background.
#[derive(Debug)]
struct Worker(Option<Runtime>);

impl Drop for Worker {
    fn drop(&mut self) {
        // A task may drop the state, and must not wait.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl JetStreamState {
    /// Opens the state, and creates its buckets if they are missing.
    ///
    /// # Errors
    ///
    /// [`StateError`] if no server is reachable, or a bucket would not keep what is stored.
    pub fn open(options: &SharedOptions) -> Result<Self, StateError> {
        let opened = Self::open_if(options, true)?;
        opened.ok_or_else(|| Failure::refused("it is missing").at(&place(options)))
    }

    /// Opens the state if its buckets exist.
    ///
    /// # Errors
    ///
    /// Those of [`JetStreamState::open`].
    pub fn look_into(options: &SharedOptions) -> Result<Option<Self>, StateError> {
        Self::open_if(options, false)
    }

    fn open_if(options: &SharedOptions, creates: bool) -> Result<Option<Self>, StateError> {
        let place = place(options);
        let failed = |why: String| Failure::refused(why).at(&place);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("portcullis-fleet")
            .enable_all()
            .build()
            .map_err(|error| failed(format!("cannot start its thread: {error}")))?;
        let runtime = Worker(Some(runtime));
        // Opening takes several requests.
        let timeout = options.timeout.saturating_mul(4);
        let opening = Core::open(options.clone(), creates);
        let opened = runtime.wait(timeout, opening);
        let opened = opened.map_err(|failure: Failure| failure.at(&place))?;
        let Some((core, events)) = opened else {
            return Ok(None);
        };
        let core = Arc::new(core);
        runtime.spawn(keeper::keep(Arc::downgrade(&core), events));
        Ok(Some(Self {
            place,
            timeout: options.timeout,
            core,
            runtime,
            is_dry: !creates,
        }))
    }

    /// Runs a call on the client's thread, and waits for its result.
    fn call<T, E, F>(&self, call: impl FnOnce(Arc<Core>) -> F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Failure> + Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        self.runtime
            .wait(self.timeout, call(Arc::clone(&self.core)))
    }

    fn read<T, F>(&self, call: impl FnOnce(Arc<Core>) -> F) -> Result<T, StateError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        self.call(call)
            .map_err(|failure: Failure| failure.at(&self.place))
    }

    /// Servers and bucket of the state.
    pub fn place(&self) -> &Path {
        &self.place
    }
}

impl Worker {
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.0 {
            runtime.spawn(task);
        }
    }

    /// Runs `call` and waits for its result, at most for `timeout` and a little longer.
    fn wait<T, E, G>(
        &self,
        timeout: Duration,
        call: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<T, G>
    where
        T: Send + 'static,
        E: Send + 'static,
        G: From<E> + From<Failure>,
    {
        let late = || {
            G::from(Failure::refused(format!(
                "it was not done within {timeout:?}: uses that it may have spent count as spent"
            )))
        };
        let (sender, receiver) = sync_channel(1);
        self.spawn(async move {
            let done = tokio::time::timeout(timeout, call).await;
            // The caller may have stopped waiting.
            let _ = sender.send(done);
        });
        match receiver.recv_timeout(timeout.saturating_add(GRACE)) {
            Ok(Ok(done)) => done.map_err(G::from),
            Ok(Err(_)) | Err(_) => Err(late()),
        }
    }
}

impl State for JetStreamState {
    fn spent(&self, key: &str) -> Result<u64, StateError> {
        let key = key.to_owned();
        self.read(|core| async move { core.spent(&key).await })
    }

    fn spend(&self, uses: &[Use], now: Timestamp) -> Result<(), SpendError> {
        let uses = uses.to_vec();
        self.call(|core| async move { core.spend(uses, now).await })
            .map_err(|refused: NotSpent| refused.at(&self.place))
    }

    fn give_back(&self, decision: &str, uses: &[Use], now: Timestamp) -> Result<bool, StateError> {
        let (decision, uses) = (decision.to_owned(), uses.to_vec());
        self.read(|core| async move { core.give_back(&decision, uses, now).await })
    }

    fn seen_elsewhere(&self, seen: &Seen<'_>) -> Result<Option<String>, StateError> {
        let presented = Presentation::of(seen);
        self.read(|core| async move { core.seen_elsewhere(presented).await })
    }

    fn raise_mark(&self, name: &str, to: u64) -> Result<u64, StateError> {
        let name = name.to_owned();
        self.read(|core| async move { core.raise_mark(&name, to).await })
    }

    fn keep_intent(&self, id: &str, document: &[u8]) -> Result<(), StateError> {
        let (id, document) = (id.to_owned(), document.to_owned());
        self.read(|core| async move { core.keep_intent(&id, &document).await })
    }

    fn kept_intents(&self) -> Result<Vec<Vec<u8>>, StateError> {
        let core = Arc::clone(&self.core);
        // One request for each intent.
        let timeout = self.timeout.saturating_mul(10);
        let kept = self
            .runtime
            .wait(timeout, async move { core.kept_intents().await });
        kept.map_err(|failure: Failure| failure.at(&self.place))
    }

    fn mark(&self) -> Option<StateMark> {
        if self.is_dry {
            // A host may have advanced, and recorded that, since this one looked.
            let _ = self.read(|core| async move { Ok(core.compare().await?) });
        }
        Some(self.core.continuity.mark())
    }

    fn distrust(&self, why: &str) {
        self.core.continuity.distrust(why);
    }

    fn keeps_list_mark(&self) -> bool {
        false
    }

    fn share_list(&self, list: Arc<dyn SharedList>) {
        let Some(role) = self.core.options.revocations else {
            return;
        };
        if role == Delivery::Follow {
            list.only_copies();
        }
        if self.core.delivering.set(list) {
            self.runtime
                .spawn(delivery::run(Arc::downgrade(&self.core), role));
        }
    }

    fn problems(&self) -> Vec<String> {
        let down = self.core.connection.down();
        let down = down.map(|why| Failure::refused(why).at(&self.place));
        let lacks = self.lacks();
        let own = [down, lacks].into_iter().flatten();
        let own = own.map(|error| error.to_string());
        own.chain(self.core.problems.all()).collect()
    }

    fn share_intents(&self, accept: AcceptIntent) {
        if self.core.imports.set(accept) {
            self.runtime
                .spawn(imports::follow(Arc::downgrade(&self.core)));
        }
    }
}

impl SharedState for JetStreamState {
    fn set_clone_window(&self, window: Duration) {
        let window = millis(window);
        self.core.clone_window_ms.store(window, Ordering::Relaxed);
    }

    fn lacks(&self) -> Option<StateError> {
        let why = self.core.continuity.lacks()?;
        Some(Failure::Lacks(why).at(&self.place))
    }

    fn durability(&self) -> String {
        let stated = self.read(|core| async move { durability::statement(&core).await });
        stated.unwrap_or_else(|error| error.to_string())
    }
}

/// The client, as a program registers it.
#[derive(Debug, Clone, Copy)]
pub struct JetStream;

impl SharedStates for JetStream {
    fn open(&self, options: &SharedOptions) -> Result<Arc<dyn SharedState>, StateError> {
        Ok(Arc::new(JetStreamState::open(options)?))
    }

    fn look_into(
        &self,
        options: &SharedOptions,
    ) -> Result<Option<Arc<dyn SharedState>>, StateError> {
        let state = JetStreamState::look_into(options)?;
        Ok(state.map(|state| Arc::new(state) as Arc<dyn SharedState>))
    }
}
