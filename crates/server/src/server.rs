//! Binds the listeners, and runs until it is told to stop.

use crate::accept::{self, Tls};
use crate::apart::Apart;
use crate::listener::Listener;
use crate::settings::{self, Address, Limits, Settings};
use crate::state::{App, Report};
use crate::telemetry::Traced;
use crate::{
    admin, authzen, checkpoint, events, ext_authz, forward, mcp, observe, reload, sessions, ship,
    tls,
};
use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http::{HeaderName, StatusCode};
use portcullis_host::{ConfigError, Live, config};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::timeout::TimeoutLayer;

/// Header by which a caller recognises the response to its request.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Time that requests of the admin listener have to end, after the last decision.
const ADMIN_SHUTDOWN: Duration = Duration::from_secs(1);

/// Reason why a server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The listeners can be reached by others than the operator means.
    #[error("{0}")]
    Unsafe(String),
    /// An address cannot be bound.
    #[error("cannot listen on {address}: {error}")]
    Bind {
        /// Address that is configured.
        address: Address,
        /// Error of the system.
        error: io::Error,
    },
    /// The system refuses the thread of the admin listener.
    #[error("cannot start the thread of the admin listener: {0}")]
    Thread(io::Error),
    /// The certificate is unusable.
    #[error("{0}")]
    Tls(String),
    /// Traces and metrics cannot be exported, or a server behind a gate cannot be reached.
    #[error("{0}")]
    Outbound(String),
}

/// Decision point and settings of a server.
#[must_use]
pub struct Options {
    live: Live,
    settings: Settings,
    report: Report,
}

impl Options {
    /// Serves `live` with `settings`, and reports to standard error.
    pub fn new(live: impl Into<Live>, settings: Settings) -> Self {
        Self {
            live: live.into(),
            settings,
            report: Arc::new(|message| eprintln!("{message}")),
        }
    }

    /// Loads the configuration in `file`, with its section `[serve]`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with all problems of the host's sections and of `[serve]`.
    pub fn from_file(file: &Path) -> Result<Self, ConfigError> {
        match settings::read(file) {
            Ok(settings) => Ok(Self::new(Live::from_file(file)?, settings)),
            // The host is not started, so that the log has no line of it, but its problems are shown in the same round.
            Err(error) => {
                let mut problems = config::check(file).problems;
                for problem in error.0 {
                    if !problems.contains(&problem) {
                        problems.push(problem);
                    }
                }
                Err(ConfigError(problems))
            }
        }
    }

    /// Shows messages for the operator with `report`.
    pub fn report(mut self, report: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.report = Arc::new(report);
        self
    }

    /// Changes the settings.
    pub fn settings(mut self, change: impl FnOnce(Settings) -> Settings) -> Self {
        self.settings = change(self.settings);
        self
    }

    /// The decision point.
    pub fn live(&self) -> &Live {
        &self.live
    }
}

/// A server whose listeners are bound. Connections wait until [`Server::run`].
pub struct Server {
    app: App,
    tls: Option<Tls>,
    decisions: Vec<Listener>,
    /// The admin listener, on a thread of its own: it answers while decisions use all threads of the caller's runtime.
    admin: Option<(Apart, Listener)>,
    addresses: Vec<Address>,
}

impl Server {
    /// Binds all listeners.
    ///
    /// # Errors
    ///
    /// [`ServeError`] if an address cannot be bound, or others could reach it without authentication.
    pub async fn bind(options: Options) -> Result<Self, ServeError> {
        let Options {
            live,
            settings,
            report,
        } = options;
        observe::is_local(&live.pdp(), &settings)?;
        settings.are_safe().map_err(ServeError::Unsafe)?;
        let tls = match &settings.tls {
            Some(files) => {
                let config = tls::server_config(files).map_err(ServeError::Tls)?;
                Some(Arc::new(ArcSwap::new(config)))
            }
            None => None,
        };
        let failed = |(address, error)| ServeError::Bind { address, error };
        let mode = settings.socket_mode;
        let decisions = accept::bind(&settings.listen, mode).await.map_err(failed)?;
        let admin = match settings.admin.clone() {
            None => None,
            Some(address) => {
                let apart = Apart::start("portcullis-admin").map_err(ServeError::Thread)?;
                let bound = apart.spawn(async move {
                    let bound = Listener::bind(&address, mode).await;
                    bound.map_err(|error| failed((address, error)))
                });
                let bound = bound
                    .await
                    .map_err(|error| ServeError::Thread(error.into()))?;
                Some((apart, bound?))
            }
        };
        let mut addresses = Vec::new();
        let of_admin = admin.iter().map(|(_, listener)| listener);
        for (listener, configured) in decisions
            .iter()
            .chain(of_admin)
            .zip(settings.listen.iter().chain(&settings.admin))
        {
            let address = listener.address();
            addresses.push(address.map_err(|error| failed((configured.clone(), error)))?);
        }
        let app = App::new(live, Arc::new(settings), report).map_err(ServeError::Outbound)?;
        let (of_decisions, of_admin) = addresses.split_at(decisions.len());
        let of_decisions = of_decisions
            .iter()
            .map(|address| url(address, tls.is_some()));
        let of_admin = of_admin
            .iter()
            .map(|address| url(address, tls.is_some() && !address.is_local()));
        app.note_listeners(of_decisions.chain(of_admin).collect());
        Ok(Self {
            app,
            tls,
            decisions,
            admin,
            addresses,
        })
    }

    /// URLs of the listeners, those for decisions first: `http://127.0.0.1:8181`, `https://…` or `unix:…`.
    pub fn urls(&self) -> Vec<String> {
        self.app.listeners()
    }

    /// Addresses of the listeners, with their real ports: those for decisions, and that of the admin listener last.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// Notices for the operator about the settings.
    pub fn notices(&self) -> Vec<String> {
        self.app.settings().notices.clone()
    }

    /// A handle to reload the configuration while the server runs.
    pub fn control(&self) -> Control {
        Control(self.app.clone())
    }

    /// Serves until `shutdown` completes, then ends the requests in flight.
    ///
    /// No connection is accepted any more from then on. Requests in flight have `shutdown-timeout` to end. True if
    /// all did. Afterwards no task of the server is left, so that another one can open the log and the state.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> bool {
        let Self {
            app,
            tls,
            decisions,
            admin,
            addresses,
        } = self;
        let (stop, stopping) = watch::channel(false);
        let mut listeners = JoinSet::new();
        let routes = decision_routes(&app);
        for listener in decisions {
            let served = accept::serve(
                listener,
                tls.clone(),
                routes.clone(),
                app.clone(),
                stopping.clone(),
                |limits| limits.shutdown_timeout,
            );
            listeners.spawn(served);
        }
        // Without TLS where only this machine can reach it, so that probes need no authority.
        let is_local = addresses.last().is_none_or(Address::is_local);
        let admin_tls = tls.clone().filter(|_| !is_local);
        // The admin listener answers until the last request has ended.
        let (stop_admin, stopping_admin) = watch::channel(false);
        let admin = admin.map(|(apart, listener)| {
            let (routes, app) = (admin_routes(&app), app.clone());
            let limit = |_: &Limits| ADMIN_SHUTDOWN;
            let served = accept::serve(listener, admin_tls, routes, app, stopping_admin, limit);
            let served = apart.spawn(served);
            (apart, served)
        });
        let mut around = JoinSet::new();
        around.spawn(reload::follow(app.clone(), tls));
        if let Some(every) = app.settings().checkpoint_every {
            around.spawn(checkpoint::write(app.clone(), every));
        }
        around.spawn(ship::follow(app.clone()));
        shutdown.await;
        app.drain();
        around.shutdown().await;
        // The receivers may be gone, if a listener ended.
        let _ = stop.send(true);
        let mut drained = true;
        while let Some(ended) = listeners.join_next().await {
            drained &= ended.unwrap_or(false);
        }
        let _ = stop_admin.send(true);
        if let Some((apart, served)) = admin {
            // None of its requests is a decision, so that one which is cut short is no loss.
            let _ = served.await;
            drop(apart);
        }
        app.blocking_ended().await;
        app.telemetry().stop().await;
        drained
    }
}

/// Reloads the configuration of a running server.
#[derive(Clone)]
pub struct Control(App);

impl Control {
    /// Reads the configuration again, and returns notices about settings that need a restart.
    ///
    /// # Errors
    ///
    /// All problems, each with its file and place; the configuration before stays in force.
    pub async fn reload(&self) -> Result<Vec<String>, Vec<String>> {
        self.0.reload().await.map(|reloaded| reloaded.notices)
    }
}

fn url(address: &Address, has_tls: bool) -> String {
    match address {
        Address::Tcp(address) if has_tls => format!("https://{address}"),
        Address::Tcp(address) => format!("http://{address}"),
        Address::Unix(_) => address.to_string(),
    }
}

/// Routes of the listeners for decisions.
fn decision_routes(app: &App) -> Router {
    let routes = authzen::routes()
        .merge(events::routes())
        .merge(forward::routes())
        .merge(mcp::routes())
        .merge(sessions::routes())
        .merge(ext_authz::routes(app));
    with_layers(routes, app, Traced::Yes)
}

/// Routes of the admin listener.
fn admin_routes(app: &App) -> Router {
    with_layers(admin::routes(app), app, Traced::No)
}

fn with_layers(routes: Router<App>, app: &App, traced: Traced) -> Router {
    let time = app.settings().limits.request_timeout;
    routes
        .fallback(no_such_path)
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            time,
        ))
        .layer(CatchPanicLayer::new())
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid))
        .layer(from_fn_with_state((app.clone(), traced), counted))
        .with_state(app.clone())
}

async fn no_such_path() -> (StatusCode, &'static str) {
    let message =
        "there is no such path: `/.well-known/authzen-configuration` lists those of AuthZEN\n";
    (StatusCode::NOT_FOUND, message)
}

/// Counts requests by the path of their route.
async fn counted(
    State((app, traced)): State<(App, Traced)>,
    request: Request,
    next: Next,
) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = app.telemetry().observe(traced, request, next).await;
    let route = route.as_ref().map_or("other", MatchedPath::as_str);
    app.metrics().answered(route, response.status().as_u16());
    response
}
