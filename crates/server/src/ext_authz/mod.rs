//! Envoy's external authorization over gRPC: `envoy.service.auth.v3.Authorization`.
//!
//! Every answer is a `CheckResponse`: a failure is a denial with `PERMISSION_DENIED` and never an error of gRPC, which
//! `failure_mode_allow` of Envoy could turn into a permit.

mod answer;
mod attributes;

use crate::connection::Connection;
use crate::forward::{Refused, Stated, Stop, judge};
use crate::refusal::Refusal;
use crate::state::App;
use crate::telemetry;
use attributes::Read;
use axum::Router;
use envoy_types::ext_authz::v3::pb::{
    Authorization, AuthorizationServer, CheckRequest, CheckResponse,
};
use portcullis_host::{Decision, Pdp};
use portcullis_http::{Body, Call};
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

/// Maximum size of the attributes of a call without its body: all headers that Envoy accepts, and a certificate.
const ATTRIBUTES: usize = 256 * 1024;

/// The route of the service.
pub(crate) fn routes(app: &App) -> Router<App> {
    let bytes = app.pdp().request_limits().bytes;
    let service = AuthorizationServer::new(ExtAuthz(app.clone()))
        .max_decoding_message_size(bytes.saturating_add(ATTRIBUTES));
    Router::new().route_service("/envoy.service.auth.v3.Authorization/Check", service)
}

/// Answers the checks of Envoy.
struct ExtAuthz(App);

#[tonic::async_trait]
impl Authorization for ExtAuthz {
    async fn check(
        &self,
        request: Request<CheckRequest>,
    ) -> Result<Response<CheckResponse>, Status> {
        let pdp = self.0.pdp();
        let (metadata, extensions, check) = request.into_parts();
        let Some(connection) = extensions.get::<Connection>() else {
            return Ok(Response::new(answer::denied_without_connection()));
        };
        let answer = match self.decide(&pdp, connection, &metadata, check).await {
            Ok(decision) => match Stop::of(&decision) {
                None => answer::permitted(&decision),
                Some(stop) => answer::denied(&stop),
            },
            Err(refused) => answer::denied(&Stop::record(&self.0, &pdp, connection, refused).await),
        };
        Ok(Response::new(answer))
    }
}

impl ExtAuthz {
    /// Decides the call whose attributes Envoy states.
    async fn decide(
        &self,
        pdp: &Pdp,
        connection: &Connection,
        metadata: &MetadataMap,
        check: CheckRequest,
    ) -> Result<Decision, Refused> {
        let caller = self.0.caller(connection, token(metadata)?)?;
        let read = Read::of(check)?;
        telemetry::note_headers(&read.headers);
        let stated = Stated {
            call: Call::stated(&read.method, &read.authority, &read.target, &read.headers),
            body: match &read.body {
                Some(body) => Body::Whole(body),
                None => Body::Unread,
            },
            client: read.client.clone(),
            integration: read.integration.as_deref(),
        };
        judge(&self.0, pdp, &caller, stated).await
    }
}

/// The bearer token of Envoy, from the metadata of its call.
fn token(metadata: &MetadataMap) -> Result<Option<&str>, Refusal> {
    let mut values = metadata.get_all("authorization").iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Ok(None),
        (Some(value), None) => value.to_str().ok(),
        (Some(_), Some(_)) => None,
    };
    match value.and_then(|value| value.strip_prefix("Bearer ")) {
        Some(token) => Ok(Some(token)),
        None => Err(Refusal::unauthenticated(
            "`authorization` in the metadata of the call is not one value `Bearer …`: see `initial_metadata` in docs/gateways/envoy.md",
        )),
    }
}
