//! The steps of one call, without a transport.

use crate::{
    Authenticator, Authorized, Body, Call, Decided, MapError, Mapper, Metrics, Obligations, Peer,
    Problem, UnknownCallers,
};
use axum_core::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use portcullis_host::log::{CallOutcome, Refused};
use portcullis_host::{CauseKind, Live, Pdp, Principal, Timestamp};
use std::sync::Arc;
use std::time::Instant;

/// Header of a response with the id of the decision.
pub const DECISION_HEADER: HeaderName = HeaderName::from_static("portcullis-decision-id");

/// The steps of every enforcement point for HTTP: authenticate, map, decide, carry out the obligations, record.
///
/// [`PortcullisLayer`](crate::PortcullisLayer) takes the calls from a tower server. Another transport takes the steps
/// itself: [`Gate::authenticate`], then [`Gate::decide`]; it makes the call only on [`Answer::Go`]. Clone is cheap.
#[derive(Debug, Clone)]
pub struct Gate {
    live: Live,
    mapper: Arc<Mapper>,
    authenticator: Arc<Authenticator>,
    obligations: Arc<Obligations>,
    metrics: Metrics,
    unknown_callers: Arc<UnknownCallers>,
}

/// An authenticated caller, and the decision point of its call.
#[derive(Debug, Clone)]
pub struct Caller {
    pdp: Pdp,
    principal: Principal,
}

/// Answer to one call.
#[derive(Debug)]
#[must_use]
pub enum Answer {
    /// The call may be made: a permit whose obligations are carried out, or a deny that is only observed.
    Go(Authorized),
    /// The call must not be made.
    Stop(Refusal),
}

/// A refusal for the caller.
#[derive(Debug)]
#[must_use]
pub struct Refusal {
    problem: Problem,
    id: Option<String>,
    challenges: Vec<HeaderValue>,
}

impl Caller {
    /// The authenticated principal.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The decision point that decides the call.
    pub fn pdp(&self) -> &Pdp {
        &self.pdp
    }
}

impl Refusal {
    fn new(problem: Problem, id: Option<&str>) -> Self {
        Self {
            problem: problem.with_id(id),
            id: id.map(str::to_owned),
            challenges: Vec::new(),
        }
    }

    fn with_challenges(mut self, challenges: Vec<HeaderValue>) -> Self {
        self.challenges = challenges;
        self
    }

    /// Status of the response.
    pub fn status(&self) -> StatusCode {
        self.problem.status()
    }

    /// Body of the response.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// Id of the decision, or of the refusal before it. `None` if it is not recorded.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Headers of the response: `WWW-Authenticate`, `Retry-After` and the id of the decision.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for challenge in &self.challenges {
            headers.append(header::WWW_AUTHENTICATE, challenge.clone());
        }
        if self.problem.is_retryable() && self.status() == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        let id = self.id.as_deref().map(HeaderValue::try_from);
        if let Some(Ok(id)) = id {
            headers.insert(DECISION_HEADER, id);
        }
        headers
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let headers = self.headers();
        let mut response = self.problem.into_response();
        response.headers_mut().extend(headers);
        response
    }
}

impl Gate {
    /// A gate without handlers of obligations.
    pub fn new(live: Live, mapper: Mapper, authenticator: Authenticator) -> Self {
        Self {
            live,
            mapper: Arc::new(mapper.supporting(Vec::new())),
            authenticator: Arc::new(authenticator),
            obligations: Arc::default(),
            metrics: Metrics::default(),
            unknown_callers: Arc::default(),
        }
    }

    /// Sets the handlers of obligations. Requests state their kinds as supported.
    #[must_use]
    pub fn obligations(mut self, obligations: Obligations) -> Self {
        self.mapper = Arc::new(Arc::unwrap_or_clone(self.mapper).supporting(obligations.kinds()));
        self.obligations = Arc::new(obligations);
        self
    }

    /// Sets the metrics that calls are counted in.
    #[must_use]
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// The mapper.
    pub fn mapper(&self) -> &Mapper {
        &self.mapper
    }

    /// Authenticates the caller. A failure is recorded, within the bound of [`UnknownCallers`].
    ///
    /// # Errors
    ///
    /// [`Refusal`] for the caller.
    pub async fn authenticate(&self, call: &Call<'_>, peer: &Peer) -> Result<Caller, Refusal> {
        let pdp = self.live.pdp();
        let error = match self.authenticator.authenticate(&pdp, call, peer) {
            Ok(principal) => return Ok(Caller { pdp, principal }),
            Err(error) => error,
        };
        self.metrics.not_authenticated();
        let mut refused = error.refused(call, peer);
        if let Ok(integration) = self.mapper.integration(call) {
            refused = refused.integration(integration);
        }
        let id = self.recorded(&pdp, &refused, false).await;
        let refusal = Refusal::new(Problem::of_auth_error(&error), id.as_deref());
        Err(refusal.with_challenges(error.challenges()))
    }

    /// Refuses a call that cannot be read or mapped. The refusal is recorded.
    ///
    /// `caller` is `None` before the authentication, and `call` if [`Call::of`] failed. Without a caller, the bound of
    /// [`UnknownCallers`] applies.
    pub async fn refuse(
        &self,
        caller: Option<&Caller>,
        call: Option<&Call<'_>>,
        error: &MapError,
        peer: &Peer,
    ) -> Refusal {
        self.metrics.unreadable();
        let mut refused = error.refused(call, peer);
        if let Some(Ok(integration)) = call.map(|call| self.mapper.integration(call)) {
            refused = refused.integration(integration);
        }
        if let Some(caller) = caller {
            refused = refused.claimed_principal(&caller.principal.id);
        }
        let pdp = caller.map_or_else(|| self.live.pdp(), |caller| caller.pdp.clone());
        let id = self.recorded(&pdp, &refused, caller.is_some()).await;
        Refusal::new(Problem::of_map_error(error), id.as_deref())
    }

    /// Decides the call of an authenticated caller, and carries out the obligations.
    pub async fn decide(
        &self,
        caller: Caller,
        call: &Call<'_>,
        body: Body<'_>,
        peer: &Peer,
    ) -> Answer {
        let pdp = caller.pdp.clone();
        let principal = caller.principal.clone();
        let mapped = self
            .mapper
            .request(principal, call, body, pdp.request_limits());
        let request = match mapped {
            Ok(request) => request,
            Err(error) => {
                let refusal = self.refuse(Some(&caller), Some(call), &error, peer).await;
                return Answer::Stop(refusal);
            }
        };
        let started = Instant::now();
        let decision = pdp.evaluate_async(&request).await;
        let took = started.elapsed();
        self.metrics
            .decided(&pdp, request.integration(), &decision, took);
        let problem = Problem::of_decision(&decision);
        let blocks = decision.blocks();
        let decided = Decided::new(pdp, request, decision);
        match problem {
            None => self.permitted(decided).await,
            Some(problem) if blocks => self.denied(decided, problem).await,
            Some(_) => Answer::Go(Authorized::new(decided)),
        }
    }

    /// Carries out the obligations of a permit. If one fails, the call is not made.
    async fn permitted(&self, decided: Decided) -> Answer {
        let carried = {
            let mut unmade = Unmade::of(&decided);
            let carried = self.obligations.carry_out(&decided).await;
            unmade.is_settled = true;
            carried
        };
        let is_expired = || {
            let grant = decided.decision().grant();
            grant.is_none_or(|grant| grant.expires_at() <= Timestamp::now())
        };
        let outcome = match carried {
            Err(failed) => {
                self.obligation_failed(&decided);
                CallOutcome::not_made(&failed.to_string()).obligation(failed.kind())
            }
            Ok(()) if is_expired() => {
                CallOutcome::not_made("the grant expired before the call was made")
            }
            Ok(()) => return Answer::Go(Authorized::new(decided)),
        };
        // Ignored: the call is not made in either case, and uses are returned only with a record.
        let _ = decided.record_outcome(&outcome);
        let problem = Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            CauseKind::Host,
            true,
            "the call is permitted, but its obligations are not carried out: try again".to_owned(),
        );
        Answer::Stop(Refusal::new(problem, decided.decision().id()))
    }

    /// Carries out the known obligations of a deny.
    async fn denied(&self, decided: Decided, problem: Problem) -> Answer {
        for failed in self.obligations.carry_out_known(&decided).await {
            self.obligation_failed(&decided);
            let outcome = CallOutcome::not_made(&failed.to_string()).obligation(failed.kind());
            // Ignored: the call is refused in either case.
            let _ = decided.record_outcome(&outcome);
        }
        let challenges = match problem.status() {
            StatusCode::UNAUTHORIZED => self.authenticator.challenges(),
            _ => Vec::new(),
        };
        let refusal = Refusal::new(problem, decided.decision().id());
        Answer::Stop(refusal.with_challenges(challenges))
    }

    /// Records a refusal, and returns its id if it is recorded.
    async fn recorded(&self, pdp: &Pdp, refused: &Refused, is_known: bool) -> Option<String> {
        if !is_known && !self.unknown_callers.may_be_recorded() {
            self.metrics.not_recorded();
            return None;
        }
        // Without a record, the call is refused all the same.
        pdp.record_refused_async(refused).await.ok()
    }

    fn obligation_failed(&self, decided: &Decided) {
        let integration = decided.request().integration();
        self.metrics.obligation_failed(decided.pdp(), integration);
    }
}

/// Records that a permitted call was not made, when it is dropped.
///
/// A server drops the future of a call whose caller leaves, or whose handler of an obligation panics.
struct Unmade<'d> {
    decided: &'d Decided,
    is_settled: bool,
}

impl<'d> Unmade<'d> {
    fn of(decided: &'d Decided) -> Self {
        Self {
            decided,
            is_settled: false,
        }
    }
}

impl Drop for Unmade<'_> {
    fn drop(&mut self) {
        if !self.is_settled {
            let outcome = CallOutcome::not_made("the call was abandoned before it was made");
            // Ignored: nothing can be returned from here, and the use stays spent.
            let _ = self.decided.record_outcome(&outcome);
        }
    }
}
