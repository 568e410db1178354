//! The server of this crate, in a thread of its own.

use portcullis_server::{Options, Server as Bound};
use std::path::Path;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use tokio::sync::oneshot;

/// A server that runs until it is dropped.
pub(crate) struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves the configuration in `file`, and waits until its listeners are bound.
    pub(crate) fn start(file: &Path) -> Self {
        let options = Options::from_file(file).unwrap_or_else(|error| panic!("{error}"));
        let (stop, stopped) = oneshot::channel();
        let (bound, is_bound) = mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let server = Bound::bind(options).await.unwrap();
                bound.send(()).unwrap();
                let stopped = async {
                    let _ = stopped.await;
                };
                server.run(stopped).await;
            });
        });
        is_bound.recv().expect("the server binds its listeners");
        Self {
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "the server panicked");
        }
    }
}
