//! A runtime with a thread of its own.

use std::io;
use std::thread;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Runs tasks on a thread of their own, so that the tasks of another runtime do not delay them.
///
/// Dropping it ends its tasks where they next wait, and the thread.
pub(crate) struct Apart {
    tasks: Handle,
    /// Dropping it ends the thread.
    _running: oneshot::Sender<()>,
}

impl Apart {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// The system's, if it refuses the thread or the runtime's descriptors.
    pub(crate) fn start(name: &str) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let tasks = runtime.handle().clone();
        let (running, stopped) = oneshot::channel::<()>();
        let thread = thread::Builder::new().name(name.to_owned());
        thread.spawn(move || {
            // It never receives anything, and fails once the other end is dropped.
            let _ = runtime.block_on(stopped);
            runtime.shutdown_background();
        })?;
        Ok(Self {
            tasks,
            _running: running,
        })
    }

    /// Runs a task on the thread.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.tasks.spawn(task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_runs_on_the_named_thread_until_it_is_dropped() {
        let apart = Apart::start("portcullis-apart").unwrap();
        let name = apart.spawn(async { thread::current().name().map(str::to_owned) });
        assert_eq!(name.await.unwrap().as_deref(), Some("portcullis-apart"));
        let endless = apart.spawn(std::future::pending::<()>());
        drop(apart);
        assert!(endless.await.unwrap_err().is_cancelled());
    }

    #[tokio::test]
    async fn a_thread_that_never_waits_delays_no_task() {
        let apart = Apart::start("portcullis-apart").unwrap();
        let (answer, mut answered) = oneshot::channel();
        let asked = apart.spawn(async move { answer.send(()) });
        // This thread is the only one of its runtime, and gives nothing else a turn.
        while answered.try_recv().is_err() {
            std::hint::spin_loop();
        }
        asked.await.unwrap().unwrap();
    }
}
