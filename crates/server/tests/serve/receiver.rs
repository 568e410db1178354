//! A receiver of the log, of traces and of metrics: an HTTP server that answers as it is told.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// A request that was received.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Status of the answer; none if the receiver never answered.
    pub(crate) status: Option<StatusCode>,
}

impl Got {
    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    /// Lines of the body.
    pub(crate) fn lines(&self) -> Vec<String> {
        let text = std::str::from_utf8(&self.body).unwrap();
        assert!(text.ends_with('\n'), "{text}");
        text.lines().map(str::to_owned).collect()
    }
}

/// Answer to one request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Status(StatusCode),
    Header(StatusCode, &'static str, String),
    Body(StatusCode, &'static str),
    /// The connection stays open, without an answer.
    Never,
}

#[derive(Default)]
struct Shared {
    got: Mutex<Vec<Got>>,
    replies: Mutex<VecDeque<Reply>>,
    /// Value that `Authorization` has to have.
    authorization: Mutex<Option<String>>,
}

/// A receiver on a port of its own. Without it, its port refuses connections.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    /// Its threads and connections, which end with it.
    runtime: Option<Runtime>,
}

impl Receiver {
    /// Starts on any free port.
    pub(crate) fn start() -> Self {
        Self::on("127.0.0.1:0".parse().unwrap()).unwrap()
    }

    /// Starts on `address`, if it is free.
    pub(crate) fn on(address: SocketAddr) -> std::io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let shared = Arc::<Shared>::default();
        let router = Router::new()
            .fallback(receive)
            .with_state(Arc::clone(&shared));
        let listener = {
            let _entered = runtime.enter();
            TcpListener::from_std(listener)?
        };
        runtime.spawn(async move { axum::serve(listener, router).await });
        Ok(Self {
            address,
            shared,
            runtime: Some(runtime),
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers the next requests so, and those after them with 200.
    pub(crate) fn reply(&self, replies: impl IntoIterator<Item = Reply>) {
        self.shared.replies.lock().unwrap().extend(replies);
    }

    /// Answers 401 to requests without that bearer token.
    pub(crate) fn require(&self, token: &str) {
        let value = format!("Bearer {token}");
        *self.shared.authorization.lock().unwrap() = Some(value);
    }

    /// All requests so far.
    pub(crate) fn got(&self) -> Vec<Got> {
        self.shared.got.lock().unwrap().clone()
    }

    /// Lines of the requests that were answered with success, in order.
    pub(crate) fn lines(&self) -> Vec<String> {
        let got = self.got();
        let taken = got.iter().filter(|got| got.status == Some(StatusCode::OK));
        taken.flat_map(Got::lines).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn receive(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let expected = shared.authorization.lock().unwrap().clone();
    let is_known = expected.is_none_or(|expected| {
        parts
            .headers
            .get(header::AUTHORIZATION)
            .map(|it| it.as_bytes())
            == Some(expected.as_bytes())
    });
    let reply = match is_known {
        true => shared.replies.lock().unwrap().pop_front(),
        false => Some(Reply::Status(StatusCode::UNAUTHORIZED)),
    };
    let reply = reply.unwrap_or(Reply::Status(StatusCode::OK));
    let (status, response) = match reply {
        Reply::Status(status) => (status, status.into_response()),
        Reply::Header(status, name, value) => (status, (status, [(name, value)]).into_response()),
        Reply::Body(status, body) => (status, (status, Body::from(body)).into_response()),
        Reply::Never => {
            shared.got.lock().unwrap().push(Got {
                path: parts.uri.path().to_owned(),
                headers: parts.headers,
                body,
                status: None,
            });
            return std::future::pending().await;
        }
    };
    shared.got.lock().unwrap().push(Got {
        path: parts.uri.path().to_owned(),
        headers: parts.headers,
        body,
        status: Some(status),
    });
    response
}
