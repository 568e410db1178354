//! The gate's other side: what a message of the server becomes, on its way to the client.

use crate::action::Action;
use crate::gate::Gate;
use crate::message::{self, Error, Id, OfServer, code};
use crate::seen;
use crate::state::{Awaited, Listed};
use crate::tools::{Known, Standing, name_of};
use portcullis_host::{Pdp, Request, excerpt};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

/// Member of a list that says to whom it applies, since 2026-07-28.
const CACHE_SCOPE: &str = "cacheScope";

/// Maximum number of entries of a page of a list.
const MAX_ENTRIES: usize = 2000;

/// Entries that are decided before other tasks have a turn.
const AT_A_TIME: usize = 16;

impl Gate {
    /// Decides on a message of the server.
    pub async fn server_sent(&self, raw: &[u8]) -> Vec<Action> {
        let message = match message::of_server(raw) {
            Ok(message) => message,
            Err(error) => {
                let is_news = self.state().is_news("unreadable");
                if is_news {
                    self.report(&format!(
                        "the server sends what is no message of JSON-RPC, which is not passed on: {error}"
                    ));
                }
                // An answer that cannot be read is an answer nevertheless.
                let seeming = message::seeming_id(raw).filter(|_| !message::is_request(raw));
                return seeming.map_or_else(Vec::new, |id| {
                    self.failed(&id, "the server's answer cannot be read")
                });
            }
        };
        match message {
            OfServer::Request { id, method } => self.question(raw, &id, &method),
            OfServer::Notification { method, params } => {
                if !method.starts_with("notifications/") {
                    self.report(&format!(
                        "the server's notification `{}` is not passed on",
                        excerpt(&method)
                    ));
                    return Vec::new();
                }
                match method.as_str() {
                    "notifications/tools/list_changed" => {
                        self.state().forget_tools();
                        self.server.note_listed(None);
                    }
                    "notifications/cancelled" => {
                        if let Some(id) = params.get("requestId").and_then(Id::of) {
                            self.state().cancel_question(&id);
                        }
                    }
                    _ => {}
                }
                to_client(raw)
            }
            OfServer::Response { id, result } => self.response(&id, &result).await,
        }
    }

    /// Answers for a server that ended: every request in flight fails.
    pub fn server_ended(&self, why: &str) -> Vec<Action> {
        let ids = self.state().abandon();
        let error = Error::new(code::SERVER, why);
        let answers = ids
            .iter()
            .map(|id| Action::ToClient(error.answer(Some(id))));
        answers.collect()
    }

    /// Answers for a server that did not answer that message, as it was sent to it. Nothing, if it did, or if the message
    /// is no request.
    ///
    /// Calls that wait for a list of tools which failed are answered too.
    pub fn server_failed(&self, message: &[u8], why: &str) -> Vec<Action> {
        match message::seeming_id(message).filter(|_| message::is_request(message)) {
            Some(id) => self.failed(&id, why),
            None => Vec::new(),
        }
    }

    /// Answers a request for a server that did not, by its id there.
    fn failed(&self, id: &Id, why: &str) -> Vec<Action> {
        let ended = self.state().end(id);
        let Some((client, awaited)) = ended else {
            return Vec::new();
        };
        self.report(why);
        let error = Error::new(code::SERVER, why);
        if matches!(awaited, Awaited::OwnTools) {
            let held = self.state().give_up(id);
            let answers = held.iter().map(|call| error.answer(Some(&call.id)));
            return answers.map(Action::ToClient).collect();
        }
        vec![Action::ToClient(error.answer(client.as_ref()))]
    }

    /// Forgets a request of a client that is gone, or that knows that it is not answered.
    pub fn forget(&self, message: &[u8]) {
        if let Some(id) = message::seeming_id(message)
            && message::is_request(message)
        {
            self.state().cancel(&id);
        }
    }

    /// Tells the operator of a problem with the server.
    pub fn note(&self, problem: &str) {
        self.report(problem);
    }

    /// A request of the server to the client.
    fn question(&self, raw: &[u8], id: &Id, method: &str) -> Vec<Action> {
        let may_ask = method == "ping" || self.may_ask(method);
        if may_ask && self.state().ask(id) {
            return to_client(raw);
        }
        self.report(&format!(
            "the server's request `{}` is not passed on: allow it with `from-server`",
            excerpt(method)
        ));
        let error = Error::new(code::DENIED, "the gate does not pass on such a request");
        vec![Action::ToServer(error.answer(Some(id)))]
    }

    fn may_ask(&self, method: &str) -> bool {
        self.server.from_server.iter().any(|it| it == method)
    }

    async fn response(
        &self,
        at_server: &Id,
        result: &Result<Box<RawValue>, Box<RawValue>>,
    ) -> Vec<Action> {
        let ended = self.state().end(at_server);
        let Some((client, awaited)) = ended else {
            self.report(
                "the server answers a request that is not in flight: its answer is not passed on",
            );
            return Vec::new();
        };
        let pdp = self.decide.pdp();
        let value = |raw: &RawValue| serde_json::from_str::<Value>(raw.get()).unwrap_or_default();
        let Some(client) = client else {
            let result = result
                .as_ref()
                .map(|raw| value(raw))
                .map_err(|raw| value(raw));
            return self.own_page(&pdp, at_server, result).await;
        };
        let passed_on = || vec![Action::ToClient(message::response(&client, result))];
        let result = match result {
            Ok(raw) => value(raw),
            Err(raw) => {
                // Texts of an error reach the agent too.
                if let (Awaited::Call(call), Some(error)) = (&awaited, seen::error(&value(raw))) {
                    self.agent().session().observe(call, &error);
                }
                return passed_on();
            }
        };
        if let Err(message) = self.questions_of(&result) {
            self.report(&message);
            let error = Error::new(code::SERVER, message);
            return vec![Action::ToClient(error.answer(Some(&client)))];
        }
        match awaited {
            Awaited::Call(call) => {
                let task = result.pointer("/task/taskId").or(result.get("taskId"));
                if let Some(task) = task.and_then(Value::as_str) {
                    self.state().begin_task(task, Arc::clone(&call));
                }
                self.observe(&call, &result);
                passed_on()
            }
            Awaited::Tools { is_whole } => self.page(&pdp, &client, result, is_whole).await,
            Awaited::Entries {
                request,
                list,
                action,
                key,
            } => {
                let result = match self.readable(&pdp, result, list, action, key).await {
                    Ok(result) => result,
                    Err(error) => return vec![Action::ToClient(error.answer(Some(&client)))],
                };
                self.observe(&request, &result);
                vec![Action::ToClient(message::result(&client, &result))]
            }
            Awaited::OwnTools | Awaited::Other => passed_on(),
        }
    }

    /// Checks the questions that a result asks the client.
    fn questions_of(&self, result: &Value) -> Result<(), String> {
        let asked = seen::asked(result).map_err(|why| {
            format!("the server asks for input in a form that the gate does not know: {why}")
        })?;
        match asked.iter().find(|method| !self.may_ask(method)) {
            None => Ok(()),
            Some(method) => Err(format!(
                "the server asks for `{}`, which the gate does not pass on: allow it with `from-server`",
                excerpt(method)
            )),
        }
    }

    /// Shows a result to the session before the agent sees it.
    fn observe(&self, call: &Request, result: &Value) {
        let agent = self.agent();
        for part in seen::parts(result) {
            agent.session().observe(call, &part);
        }
    }

    /// A list with the entries that could be read.
    async fn readable(
        &self,
        pdp: &Pdp,
        mut result: Value,
        list: &str,
        action: &str,
        key: &str,
    ) -> Result<Value, Error> {
        if let Some(entries) = result.get_mut(list).and_then(Value::as_array_mut) {
            bounded(entries)?;
            let mut shown = Vec::new();
            for (place, entry) in std::mem::take(entries).into_iter().enumerate() {
                let arguments = match entry.get(key) {
                    Some(value) if key != "uriTemplate" => json!({ key: value }),
                    _ => json!({}),
                };
                if self.could_be(pdp, action, arguments) {
                    shown.push(entry);
                }
                if place % AT_A_TIME == 0 {
                    tokio::task::yield_now().await;
                }
            }
            *entries = shown;
        }
        make_private(&mut result);
        Ok(result)
    }

    /// A page of tools for the client: those that are approved, and that could be permitted.
    async fn page(&self, pdp: &Pdp, id: &Id, mut result: Value, is_whole: bool) -> Vec<Action> {
        let known = match self.known(pdp, &result).await {
            Ok(known) => known,
            Err(error) => return vec![Action::ToClient(error.answer(Some(id)))],
        };
        let has_more = result.get("nextCursor").is_some_and(|it| !it.is_null());
        if let Some(tools) = result.get_mut("tools").and_then(Value::as_array_mut) {
            let listed = tools.len();
            let mut shown = Vec::new();
            for (place, tool) in std::mem::take(tools).into_iter().enumerate() {
                let name = name_of(&tool).unwrap_or_default();
                let is_approved = known
                    .get(name)
                    .is_some_and(|it| it.standing == Standing::Approved);
                if is_approved && self.could_be(pdp, name, json!({})) {
                    shown.push(tool);
                }
                if place % AT_A_TIME == 0 {
                    tokio::task::yield_now().await;
                }
            }
            if shown.len() < listed && self.state().is_news("hidden") {
                self.report(&format!(
                    "{} of {listed} tools are shown: the others are not approved, or could not be permitted",
                    shown.len()
                ));
            }
            *tools = shown;
        }
        let is_all = is_whole && !has_more;
        self.state().saw_page(known, is_all);
        if is_all {
            let listed = self.state().known();
            self.server.note_listed(listed);
        }
        make_private(&mut result);
        vec![Action::ToClient(message::result(id, &result))]
    }

    /// A page of tools for the gate. After the last one, the calls that waited are decided.
    async fn own_page(&self, pdp: &Pdp, id: &Id, result: Result<Value, Value>) -> Vec<Action> {
        let page = match &result {
            Ok(result) => self.known(pdp, result).await.ok(),
            Err(_) => None,
        };
        let cursor = result
            .as_ref()
            .ok()
            .and_then(|it| it.get("nextCursor")?.as_str());
        let listed = match page {
            Some(page) => self.state().add_page(id, page, cursor),
            None => Listed::Failed(self.state().give_up(id)),
        };
        let held = match listed {
            Listed::More(id, params) => {
                let list = message::request(&id, "tools/list", &params);
                return vec![Action::ToServer(list)];
            }
            Listed::Failed(held) => {
                let why = "the server does not list its tools, so that none can be called";
                self.report(why);
                let error = Error::new(code::SERVER, why);
                let answers = held.iter().map(|call| error.answer(Some(&call.id)));
                return answers.map(Action::ToClient).collect();
            }
            Listed::Complete(held) => held,
        };
        let tools = self.state().known().unwrap_or_default();
        self.server.note_listed(Some(tools.clone()));
        let mut actions = Vec::with_capacity(held.len());
        for call in held {
            let known = tools.get(call.request.action()).cloned();
            let known = known.unwrap_or_else(Known::unlisted);
            actions.push(self.call_of_known(pdp, call, &known).await);
        }
        actions
    }

    /// The tools of a page. What is not approved is reported and recorded, once for a connection.
    async fn known(&self, pdp: &Pdp, result: &Value) -> Result<HashMap<String, Known>, Error> {
        let tools = result.get("tools").and_then(Value::as_array);
        let mut page: HashMap<String, Known> = HashMap::new();
        if let Some(tools) = tools {
            bounded(tools)?;
        }
        for tool in tools.into_iter().flatten() {
            let Some(name) = name_of(tool) else {
                continue;
            };
            let mut known = self.server.approved.known(tool);
            if page.contains_key(name) {
                // Two definitions of one name: a client may show either.
                known.standing = Standing::Changed;
            }
            page.insert(name.to_owned(), known.clone());
            if let Some(why) = known.standing.refusal(name) {
                let is_news = self.state().is_news(&why);
                if is_news {
                    self.refuse(pdp, &why, None).await;
                }
            }
        }
        Ok(page)
    }

    /// True if the action could be permitted, with other arguments at least.
    fn could_be(&self, pdp: &Pdp, action: &str, arguments: Value) -> bool {
        let integration = &self.server.integration;
        let request = self.agent().request(integration, action, arguments, pdp);
        request.is_ok_and(|request| pdp.could_permit(&request))
    }
}

/// Refuses a page that has more entries than a gate looks at.
fn bounded(entries: &[Value]) -> Result<(), Error> {
    match entries.len() <= MAX_ENTRIES {
        true => Ok(()),
        false => Err(Error::new(
            code::SERVER,
            format!("the server lists more than {MAX_ENTRIES} entries at once"),
        )),
    }
}

/// Says that a list is this client's own, where the list says to whom it applies.
fn make_private(result: &mut Value) {
    if let Some(scope) = result.get_mut(CACHE_SCOPE) {
        *scope = Value::from("private");
    }
}

fn to_client(raw: &[u8]) -> Vec<Action> {
    vec![Action::ToClient(message::one_line(raw))]
}
