//! Accepts connections, bounds them, and serves their requests.

use crate::connection::{Connection, Peer};
use crate::listener::{Accepted, Listener};
use crate::settings::Limits;
use crate::state::App;
use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tower::Service as _;

/// Pause after the system could not accept a connection, such as for lack of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// TLS of a listener, replaced when its files change.
pub(crate) type Tls = Arc<ArcSwap<ServerConfig>>;

/// Serves the connections of a listener until `stopping` is true, and then the requests in flight.
///
/// They have the `limit` of the settings in force then to end. Afterwards no task of a connection is left. True if all requests ended by themselves.
pub(crate) async fn serve(
    listener: Listener,
    tls: Option<Tls>,
    router: Router,
    app: App,
    mut stopping: watch::Receiver<bool>,
    limit: fn(&Limits) -> Duration,
) -> bool {
    let most = app.settings().limits.connections;
    let room = Arc::new(Semaphore::new(most));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        // A connection beyond the maximum waits in the system's queue.
        let room = tokio::select! {
            room = Arc::clone(&room).acquire_owned() => room,
            _ = stopping.wait_for(|stopping| *stopping) => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.wait_for(|stopping| *stopping) => break,
        };
        let accepted = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if !is_of_the_peer(&error) {
                    sleep(PAUSE).await;
                }
                continue;
            }
        };
        let served = connection(
            accepted,
            tls.clone(),
            router.clone(),
            app.clone(),
            stopping.clone(),
        );
        connections.spawn(async move {
            served.await;
            drop(room);
        });
    }
    // New connections are refused from here on.
    drop(listener);
    let limit = limit(&app.settings().limits);
    let ended = timeout(limit, async {
        while connections.join_next().await.is_some() {}
    });
    let ended = ended.await.is_ok();
    connections.shutdown().await;
    ended
}

/// True if the peer closed the connection before it was accepted.
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

async fn connection(
    accepted: Accepted,
    tls: Option<Tls>,
    router: Router,
    app: App,
    stopping: watch::Receiver<bool>,
) {
    let limits = app.settings().limits;
    let open = &app.metrics().connections;
    open.inc();
    match (accepted, tls) {
        (Accepted::Tcp(stream, address), None) => {
            let connection = Connection::new(Peer::Tcp(address));
            requests(stream, connection, router, &limits, stopping).await;
        }
        (Accepted::Tcp(stream, address), Some(tls)) => {
            let acceptor = TlsAcceptor::from(tls.load_full());
            let handshake = timeout(limits.header_timeout, acceptor.accept(stream));
            if let Ok(Ok(stream)) = handshake.await {
                let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
                let chain = chain.iter().map(|it| it.as_ref().to_vec()).collect();
                let connection = Connection::new(Peer::Tls { address, chain });
                requests(stream, connection, router, &limits, stopping).await;
            }
        }
        #[cfg(unix)]
        (Accepted::Unix(stream), _) => {
            // A peer whose credentials are unknown is not served.
            if let Ok(peer) = stream.peer_cred() {
                let (uid, pid) = (peer.uid(), peer.pid());
                let connection = Connection::new(Peer::Unix { uid, pid });
                requests(stream, connection, router, &limits, stopping).await;
            }
        }
    }
    open.dec();
}

/// Serves the requests of one connection.
async fn requests<S>(
    stream: S,
    connection: Connection,
    router: Router,
    limits: &Limits,
    mut stopping: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let mut stream = TimeoutStream::new(stream);
    stream.set_read_timeout(Some(limits.idle_timeout));
    stream.set_write_timeout(Some(limits.idle_timeout));
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(connection.clone());
        let answered: axum::routing::future::RouteFuture<Infallible> =
            router.clone().call(request.map(Body::new));
        async move {
            let response: Result<Response<Body>, Infallible> = answered.await;
            response
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(limits.header_bytes);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MOST_STREAMS)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX));
    let mut served = pin!(builder.serve_connection(TokioIo::new(Box::pin(stream)), service));
    let aged = sleep(limits.connection_age);
    tokio::select! {
        // Errors are those of the peer: bytes that are not HTTP, a closed connection, an exceeded time.
        _ = served.as_mut() => return,
        () = aged => {}
        _ = stopping.wait_for(|stopping| *stopping) => {}
    }
    served.as_mut().graceful_shutdown();
    let _ = served.await;
}

/// Maximum number of requests at a time on a connection of HTTP/2.
const MOST_STREAMS: u32 = 128;

/// Binds every address, or none.
///
/// # Errors
///
/// The address, and the error of the system.
pub(crate) async fn bind(
    addresses: &[crate::settings::Address],
    socket_mode: u32,
) -> Result<Vec<Listener>, (crate::settings::Address, io::Error)> {
    let mut listeners = Vec::with_capacity(addresses.len());
    for address in addresses {
        let listener = Listener::bind(address, socket_mode).await;
        listeners.push(listener.map_err(|error| (address.clone(), error))?);
    }
    Ok(listeners)
}
