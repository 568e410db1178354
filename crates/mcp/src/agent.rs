//! The agent behind a connection, and the decision point that decides its calls.

use futures_util::future::BoxFuture;
use portcullis_host::session::{LedgerLimits, Session};
use portcullis_host::{Decision, Intent, Live, Pdp, Principal, Request, Resource, Vouched, json};
use serde_json::Value;

/// Decides calls: a decision point, and what is around it.
pub trait Decide: Send + Sync + 'static {
    /// The decision point in force.
    fn pdp(&self) -> Pdp;

    /// Decides, spends and records a request, with the decision point that read it.
    fn decide<'a>(&'a self, pdp: &'a Pdp, request: &'a Request) -> BoxFuture<'a, Decision>;
}

impl Decide for Live {
    fn pdp(&self) -> Pdp {
        Self::pdp(self)
    }

    fn decide<'a>(&'a self, pdp: &'a Pdp, request: &'a Request) -> BoxFuture<'a, Decision> {
        Box::pin(pdp.evaluate_async(request))
    }
}

/// The agent behind a connection: its identity as the gateway vouches for it, its intent, and its session.
#[derive(Debug, Clone)]
pub struct Agent {
    principal: Principal,
    intent: Option<Intent>,
    session: Session,
}

impl Agent {
    /// An agent whose session has the user's own words, or none.
    pub fn new<'t>(
        principal: Principal,
        intent: Option<Intent>,
        said: impl IntoIterator<Item = &'t str>,
    ) -> Self {
        let id = intent.as_ref().map(|intent| intent.id.as_str());
        let session = Session::open(&principal.id, id, said, LedgerLimits::default());
        Self::in_session(principal, intent, session)
    }

    /// An agent in a session that is open.
    ///
    /// In a session of another principal or intent, all origins are unknown.
    pub fn in_session(principal: Principal, intent: Option<Intent>, session: Session) -> Self {
        Self {
            principal,
            intent,
            session,
        }
    }

    /// The session, with what the user said and the agent saw.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// SPIFFE ID of the principal.
    pub(crate) fn id(&self) -> &str {
        &self.principal.id
    }

    /// Values that the gateway vouches for in a call of `integration`.
    ///
    /// The gate carries out no obligations, so that a permit with one is a deny.
    pub(crate) fn vouched(&self, integration: &str) -> Vouched {
        let vouched = Vouched::new(integration, self.principal.clone());
        let vouched = vouched.supported_obligations(Vec::new());
        match &self.intent {
            Some(intent) => vouched.intent(intent.clone()),
            None => vouched,
        }
    }

    /// A request for `action` of the server, such as `resources/read`.
    pub(crate) fn request(
        &self,
        integration: &str,
        action: &str,
        arguments: Value,
        pdp: &Pdp,
    ) -> Result<Request, json::Error> {
        let server = Resource {
            kind: "mcp-server".to_owned(),
            id: integration.to_owned(),
            ..Resource::default()
        };
        let mut builder = Request::builder(integration, self.principal.clone(), action, server)
            .arguments(arguments)
            .supported_obligations(Vec::new());
        if let Some(intent) = &self.intent {
            builder = builder.intent(intent.clone());
        }
        builder.build(pdp.request_limits())
    }
}
