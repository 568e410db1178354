//! The gate: what a message of the client becomes, on its way to the server.

use crate::action::Action;
use crate::agent::{Agent, Decide};
use crate::found::Found;
use crate::guarded::Guarded;
use crate::headers::{self, Params};
use crate::message::{self, Error, Id, Message, code};
use crate::state::{Awaited, Held, NotAwaited, State};
use crate::tools::Known;
use http::HeaderMap;
use portcullis_host::log::Refused;
use portcullis_host::session::Session;
use portcullis_host::{Cause, CauseKind, Decision, Pdp, Request, escape_key, json as strict};
use serde_json::{Map, Value, json};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Function that shows a message to the operator.
pub type Report = Arc<dyn Fn(&str) + Send + Sync>;

/// The gate of one connection.
pub struct Gate {
    pub(crate) server: Arc<Guarded>,
    /// The agent as its last message proved it to be.
    agent: Mutex<Arc<Agent>>,
    pub(crate) decide: Arc<dyn Decide>,
    pub(crate) report: Report,
    /// True if all messages pass over one stream to the client, as over standard output.
    is_one_stream: bool,
    state: Mutex<State>,
}

/// Lists besides that of the tools: method, member of the result, action on an entry, and its argument.
const LISTS: [(&str, &str, &str, &str); 3] = [
    ("resources/list", "resources", "resources/read", "uri"),
    (
        "resources/templates/list",
        "resourceTemplates",
        "resources/read",
        "uriTemplate",
    ),
    ("prompts/list", "prompts", "prompts/get", "name"),
];

/// Requests of the client that are decided as an action of that name, with their parameters as arguments.
const DECIDED: [&str; 5] = [
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "prompts/get",
    "completion/complete",
];

/// Requests of the client that change nothing, and give nothing of the server's data.
const FREE: [&str; 6] = [
    "initialize",
    "ping",
    "server/discover",
    "logging/setLevel",
    "tasks/list",
    "subscriptions/listen",
];

/// Requests about a task that the client began.
const OF_TASKS: [&str; 3] = ["tasks/get", "tasks/result", "tasks/cancel"];

/// Notifications of the client.
const NOTIFICATIONS: [&str; 4] = [
    "notifications/initialized",
    "notifications/cancelled",
    "notifications/progress",
    "notifications/roots/list_changed",
];

impl Gate {
    /// A gate between an agent and a server.
    pub fn new(
        server: Arc<Guarded>,
        agent: Agent,
        decide: Arc<dyn Decide>,
        report: Report,
    ) -> Self {
        Self {
            server,
            agent: Mutex::new(Arc::new(agent)),
            decide,
            report,
            is_one_stream: true,
            state: Mutex::default(),
        }
    }

    /// The gate of a connection that is one of many to the same server, as a request over HTTP is.
    ///
    /// It knows the tools that another connection saw within the last minute, so that not each one lists them.
    #[must_use]
    pub fn one_of_many(mut self) -> Self {
        self.is_one_stream = false;
        if let Some(tools) = self.server.lately_listed() {
            self.state().know(tools);
        }
        self
    }

    /// Integration of the server.
    pub fn integration(&self) -> &str {
        &self.server.integration
    }

    /// The agent as its last message proved it to be.
    pub(crate) fn agent(&self) -> Arc<Agent> {
        let agent = self.agent.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&agent)
    }

    /// The session of its agent.
    pub fn session(&self) -> Session {
        self.agent().session().clone()
    }

    /// Decides on a message of the client.
    pub async fn client_sent(&self, raw: &[u8]) -> Vec<Action> {
        self.message(raw, &self.agent(), None).await
    }

    /// Decides on a message of the client that came over HTTP with those headers.
    ///
    /// `agent` is the agent as this message proved it to be. `Mcp-Method`, `Mcp-Name` and `Mcp-Param-*` have to say what
    /// the body says.
    pub async fn client_sent_over_http(
        &self,
        raw: &[u8],
        agent: Agent,
        headers: &HeaderMap,
    ) -> Vec<Action> {
        let agent = Arc::new(agent);
        *self.agent.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&agent);
        self.message(raw, &agent, Some(headers)).await
    }

    async fn message(
        &self,
        raw: &[u8],
        agent: &Arc<Agent>,
        headers: Option<&HeaderMap>,
    ) -> Vec<Action> {
        let pdp = self.decide.pdp();
        let message = message::of_client(raw, pdp.request_limits());
        let params = match (&message, headers) {
            (Ok(message), Some(headers)) => match headers::agree(headers, message) {
                Ok(params) => params,
                Err(why) => return vec![self.mismatch(&pdp, raw, &why).await],
            },
            _ => Params::default(),
        };
        match message {
            Ok(Message::Request {
                id,
                method,
                params: of,
            }) if method == "tools/call" => self.call(&pdp, agent, raw, id, &of, params).await,
            Ok(Message::Request { id, method, params }) => {
                self.request(&pdp, agent, raw, id, &method, params).await
            }
            Ok(Message::Notification { method, params }) => {
                self.notification(raw, &method, &params)
            }
            Ok(Message::Response { id }) => match self.state().is_answer(&id) {
                true => forwarded(raw),
                false => {
                    self.report("the client answers a question that the server did not ask");
                    Vec::new()
                }
            },
            Err(error) => vec![self.unreadable(&pdp, raw, &error).await],
        }
    }

    async fn request(
        &self,
        pdp: &Pdp,
        agent: &Agent,
        raw: &[u8],
        id: Id,
        method: &str,
        params: Value,
    ) -> Vec<Action> {
        if method == "tools/list" {
            let is_whole = params.get("cursor").is_none_or(Value::is_null);
            return self.forward(raw, &id, Awaited::Tools { is_whole });
        }
        if let Some((_, list, action, key)) = LISTS.iter().find(|(name, ..)| *name == method) {
            let integration = &self.server.integration;
            return match agent.request(integration, method, json!({}), pdp) {
                Ok(request) => {
                    let request = Arc::new(request);
                    let awaited = Awaited::Entries {
                        request,
                        list,
                        action,
                        key,
                    };
                    self.forward(raw, &id, awaited)
                }
                Err(error) => vec![self.unreadable(pdp, raw, &error).await],
            };
        }
        if DECIDED.contains(&method) {
            return self.decided(pdp, agent, raw, &id, method, params).await;
        }
        if OF_TASKS.contains(&method) {
            return self.of_task(raw, &id, &params);
        }
        if !FREE.contains(&method) {
            let error = Error::new(
                code::NO_METHOD,
                format!(
                    "the gate does not know the method `{}`, and does not pass it on",
                    portcullis_host::excerpt(method)
                ),
            );
            return vec![Action::ToClient(error.answer(Some(&id)))];
        }
        // A subscription to resources is a subscription, whatever the method.
        let uris = params.pointer("/notifications/resourceSubscriptions");
        let uris = match uris {
            None => Vec::new(),
            Some(Value::Array(uris)) => uris.clone(),
            Some(_) => {
                let why = "`/params/notifications/resourceSubscriptions` is no list";
                return vec![Action::ToClient(
                    Error::new(code::INVALID, why).answer(Some(&id)),
                )];
            }
        };
        for uri in uris {
            let arguments = json!({ "uri": uri });
            let denied = self.permitted(pdp, agent, "resources/subscribe", arguments, &id);
            if let Err(denied) = denied.await {
                return vec![denied];
            }
        }
        self.forward(raw, &id, Awaited::Other)
    }

    fn notification(&self, raw: &[u8], method: &str, params: &Value) -> Vec<Action> {
        if !NOTIFICATIONS.contains(&method) {
            self.report(&format!(
                "the client's notification `{}` is not passed on",
                portcullis_host::excerpt(method)
            ));
            return Vec::new();
        }
        if method != "notifications/cancelled" {
            return forwarded(raw);
        }
        let id = params.get("requestId").and_then(Id::of);
        let at_server = id.and_then(|id| self.state().cancel(&id));
        let cancels = at_server.and_then(|id| message::cancels(raw, &id));
        cancels.map(Action::ToServer).into_iter().collect()
    }

    /// Decides a call of a tool, once the server's tools are known.
    async fn call(
        &self,
        pdp: &Pdp,
        agent: &Arc<Agent>,
        raw: &[u8],
        id: Id,
        params: &Value,
        headers: Params,
    ) -> Vec<Action> {
        let vouched = agent.vouched(&self.server.integration);
        let request = match vouched.mcp_message(raw, pdp.request_limits()) {
            Ok(request) => request,
            Err(error) => return vec![self.unreadable(pdp, raw, &error).await],
        };
        if let Err(why) = self.state().is_free(&id) {
            return vec![not_awaited(&why, &id)];
        }
        let known = self.state().tool(request.action());
        let call = Held {
            id,
            raw: raw.to_vec(),
            request,
            headers,
            agent: Arc::clone(agent),
        };
        let Some(known) = known else {
            let mut meta = params.get("_meta").cloned().unwrap_or(Value::Null);
            if let Some(meta) = meta.as_object_mut() {
                meta.remove("progressToken");
            }
            // Over HTTP, the answer to each call goes with its own request.
            let list = self.state().hold(call, meta, self.is_one_stream);
            return list
                .map(|(id, params)| Action::ToServer(message::request(&id, "tools/list", &params)))
                .into_iter()
                .collect();
        };
        vec![self.call_of_known(pdp, call, &known).await]
    }

    /// Decides a call whose tool is known.
    pub(crate) async fn call_of_known(&self, pdp: &Pdp, call: Held, known: &Known) -> Action {
        let Held {
            id,
            raw,
            request,
            headers,
            agent,
        } = call;
        if let Some(refusal) = known.standing.refusal(request.action()) {
            let recorded = self.refuse(pdp, &refusal, Some(&raw)).await;
            let error = Error::new(code::NOT_AS_APPROVED, refusal);
            return Action::ToClient(
                error
                    .data(json!({ "decision": recorded }))
                    .answer(Some(&id)),
            );
        }
        if let Err(why) = headers.agree(&known.headers, request.arguments()) {
            return self.mismatch(pdp, &raw, &why).await;
        }
        self.go(pdp, &agent, &raw, &id, request).await
    }

    /// Records and answers a message whose headers and body disagree.
    async fn mismatch(&self, pdp: &Pdp, raw: &[u8], why: &str) -> Action {
        let recorded = self.refuse(pdp, why, Some(raw)).await;
        let error = Error::new(code::HEADER_MISMATCH, why).data(json!({ "decision": recorded }));
        Action::ToClient(error.answer(message::seeming_id(raw).as_ref()))
    }

    /// Decides a request, and forwards it if it is not denied.
    async fn go(&self, pdp: &Pdp, agent: &Agent, raw: &[u8], id: &Id, request: Request) -> Action {
        let request = pdp.in_session(agent.session(), &request);
        let decision = self.decide.decide(pdp, &request).await;
        if decision.blocks() {
            return Action::ToClient(
                self.denied(pdp, agent, &request, &decision)
                    .answer(Some(id)),
            );
        }
        let awaited = Awaited::Call(Arc::new(request));
        self.sent(raw, id, awaited)
    }

    /// Sends a request of the client to the server, with an id of the gate's own.
    fn sent(&self, raw: &[u8], id: &Id, awaited: Awaited) -> Action {
        let begun = self.state().begin(id, awaited);
        let at_server = match begun {
            Ok(at_server) => at_server,
            Err(why) => return not_awaited(&why, id),
        };
        match message::with_id(raw, &at_server) {
            Some(message) => Action::ToServer(message),
            // It was read as an object before.
            None => {
                self.state().end(&at_server);
                let error = Error::new(code::INVALID, "the message is no object");
                Action::ToClient(error.answer(Some(id)))
            }
        }
    }

    /// Decides a request besides calls of tools.
    async fn decided(
        &self,
        pdp: &Pdp,
        agent: &Agent,
        raw: &[u8],
        id: &Id,
        method: &str,
        params: Value,
    ) -> Vec<Action> {
        let mut arguments = match params {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        arguments.remove("_meta");
        let integration = &self.server.integration;
        let arguments = Value::Object(arguments);
        match agent.request(integration, method, arguments, pdp) {
            Ok(request) => vec![self.go(pdp, agent, raw, id, request).await],
            Err(error) => vec![self.unreadable(pdp, raw, &error).await],
        }
    }

    /// Decides an action, and returns the denial as an answer to the request with that id.
    async fn permitted(
        &self,
        pdp: &Pdp,
        agent: &Agent,
        action: &str,
        arguments: Value,
        id: &Id,
    ) -> Result<(), Action> {
        let integration = &self.server.integration;
        let request = agent.request(integration, action, arguments, pdp);
        let request = request.map_err(|error| {
            let error = Error::new(code::INVALID, error.to_string());
            Action::ToClient(error.answer(Some(id)))
        })?;
        let request = pdp.in_session(agent.session(), &request);
        let decision = self.decide.decide(pdp, &request).await;
        match decision.blocks() {
            false => Ok(()),
            true => Err(Action::ToClient(
                self.denied(pdp, agent, &request, &decision)
                    .answer(Some(id)),
            )),
        }
    }

    /// Forwards a request about a task that the client began. Its result is that of the call.
    fn of_task(&self, raw: &[u8], id: &Id, params: &Value) -> Vec<Action> {
        let task = params.get("taskId").and_then(Value::as_str);
        let call = task.and_then(|task| self.state().task(task));
        match call {
            Some(call) => self.forward(raw, id, Awaited::Call(call)),
            None => {
                let error = Error::new(code::INVALID, "the client began no such task here");
                vec![Action::ToClient(error.answer(Some(id)))]
            }
        }
    }

    fn forward(&self, raw: &[u8], id: &Id, awaited: Awaited) -> Vec<Action> {
        vec![self.sent(raw, id, awaited)]
    }

    /// Records and answers a message that cannot be read.
    async fn unreadable(&self, pdp: &Pdp, raw: &[u8], error: &strict::Error) -> Action {
        let denied = pdp.refuse_unreadable_async(raw, error).await;
        let id = message::seeming_id(raw);
        let code = match id {
            Some(_) => code::INVALID,
            None => code::UNREADABLE,
        };
        let error = Error::new(code, denied.detail());
        self.report(&format!("a message cannot be read: {}", denied.detail()));
        Action::ToClient(
            error
                .data(json!({ "decision": denied.id() }))
                .answer(id.as_ref()),
        )
    }

    /// Records and reports what is refused without a decision. Returns the id of its record.
    pub(crate) async fn refuse(&self, pdp: &Pdp, why: &str, raw: Option<&[u8]>) -> Option<String> {
        self.report(why);
        let mut refused = Refused::request(why)
            .integration(&self.server.integration)
            .claimed_principal(self.agent().id());
        if let Some(raw) = raw {
            refused = refused.body(raw);
        }
        pdp.record_refused_async(&refused).await.ok()
    }

    /// The denial for the agent: what it may know, and what it can do.
    fn denied(&self, pdp: &Pdp, agent: &Agent, request: &Request, decision: &Decision) -> Error {
        self.report(&format!(
            "denied `{}`: {}: {}",
            request.action(),
            decision.cause(),
            decision.detail()
        ));
        let for_caller = decision.for_caller();
        let code = match for_caller.kind {
            CauseKind::Request => code::INVALID,
            CauseKind::Host => code::UNDECIDED,
            CauseKind::Policy | CauseKind::Credential | CauseKind::Permitted => code::DENIED,
        };
        let mut data = json!({
            "decision": for_caller.id,
            "kind": for_caller.kind,
            "retryable": for_caller.retryable,
        });
        let mut message = for_caller.message;
        if matches!(
            decision.cause(),
            Cause::OutsideIntent | Cause::ConstraintUnmet | Cause::PluginDenied
        ) {
            let found = found(pdp, agent, request);
            if let Some(first) = found.first() {
                message = format!("{message}; {first}");
            }
            let found: Vec<_> = found.iter().map(Found::to_json).collect();
            insert(&mut data, "arguments", Value::from(found));
        }
        if let Some(access_request) = decision.access_request() {
            let access_request = serde_json::to_value(access_request).unwrap_or_default();
            insert(&mut data, "access_request", access_request);
        }
        Error::new(code, message).data(data)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn report(&self, message: &str) {
        (self.report)(&format!("{}: {message}", self.server.integration));
    }
}

/// Arguments for which a request is denied, or else those that the user did not state.
fn found(pdp: &Pdp, agent: &Agent, request: &Request) -> Vec<Found> {
    let unmet = pdp.unmet_arguments(request);
    let mut paths: Vec<_> = unmet.into_iter().map(|it| (it.path, it.reads)).collect();
    if paths.is_empty() {
        let arguments = request.arguments().as_object();
        let names = arguments.into_iter().flat_map(Map::keys);
        let origins = request.origins();
        let is_users = |path: &str| origins.stated(path).iter().any(|it| it.starts_with("user"));
        paths = names
            .map(|name| format!("/{}", escape_key(name)))
            .filter(|path| !is_users(path))
            .map(|path| (path, Vec::new()))
            .collect();
    }
    let paths = paths.into_iter().take(MAX_FOUND);
    paths
        .filter_map(|(path, reads)| Found::of(agent.session(), request, path, reads))
        .collect()
}

/// Maximum number of arguments that a denial describes.
const MAX_FOUND: usize = 16;

fn insert(data: &mut Value, name: &str, value: Value) {
    if let Some(data) = data.as_object_mut() {
        data.insert(name.to_owned(), value);
    }
}

fn forwarded(raw: &[u8]) -> Vec<Action> {
    vec![Action::ToServer(message::one_line(raw))]
}

fn not_awaited(why: &NotAwaited, id: &Id) -> Action {
    let message = match why {
        NotAwaited::IdInUse => format!("a request with the id `{id}` is in flight: use another id"),
        NotAwaited::TooMany => "too many requests are in flight: wait for their answers".to_owned(),
    };
    Action::ToClient(Error::new(code::INVALID, message).answer(Some(id)))
}
