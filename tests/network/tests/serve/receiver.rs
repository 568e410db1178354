//! A receiver of the log, of traces and of metrics: an HTTP server that answers as it is told.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, StatusCode, header};
use std::collections::VecDeque;
use std::convert::Infallible;
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
    /// Status of the answer; none if the answer never ended.
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
    Body(StatusCode, String),
    /// Status 200, and a body that has no end.
    Endless,
    /// Status 200, and a body whose second half never comes.
    Slow,
    /// The connection stays open, without an answer.
    Never,
}

impl Reply {
    /// The answer; none if it never ends.
    fn response(self) -> Option<Response> {
        Some(match self {
            Self::Status(status) => status.into_response(),
            Self::Header(status, name, value) => (status, [(name, value)]).into_response(),
            Self::Body(status, body) => (status, Body::from(body)).into_response(),
            Self::Endless => {
                let parts = stream::repeat(Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 4096])));
                Body::from_stream(parts).into_response()
            }
            Self::Slow | Self::Never => return None,
        })
    }
}

#[derive(Default)]
struct Shared {
    got: Mutex<Vec<Got>>,
    replies: Mutex<VecDeque<Reply>>,
    /// Value that `Authorization` has to have.
    authorization: Mutex<Option<String>>,
    /// Maximum size of a body.
    largest: Mutex<Option<usize>>,
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

    /// Answers 413 to bodies with more bytes.
    pub(crate) fn limit(&self, bytes: usize) {
        *self.shared.largest.lock().unwrap() = Some(bytes);
    }

    /// Answers 401 to requests without that bearer token, and repeats theirs.
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
    let stated = parts.headers.get(header::AUTHORIZATION).cloned();
    let stated = stated.map(|it| it.to_str().unwrap().to_owned());
    let is_too_large = shared
        .largest
        .lock()
        .unwrap()
        .is_some_and(|most| body.len() > most);
    let reply = if expected.is_some() && stated != expected {
        let said = format!("{} is unknown", stated.unwrap_or_default());
        Reply::Body(StatusCode::UNAUTHORIZED, said)
    } else if is_too_large {
        Reply::Status(StatusCode::PAYLOAD_TOO_LARGE)
    } else {
        let next = shared.replies.lock().unwrap().pop_front();
        next.unwrap_or(Reply::Status(StatusCode::OK))
    };
    let is_slow = matches!(reply, Reply::Slow);
    let response = reply.response();
    shared.got.lock().unwrap().push(Got {
        path: parts.uri.path().to_owned(),
        headers: parts.headers,
        body,
        status: response.as_ref().map(Response::status),
    });
    match response {
        Some(response) => response,
        None if is_slow => {
            let half = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"half"))]);
            Body::from_stream(half.chain(stream::pending())).into_response()
        }
        None => std::future::pending().await,
    }
}
