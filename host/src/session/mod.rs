//! Sessions of agents: origins of arguments that are computed from what the user said and what the agent saw.

mod open;

pub use open::{Sessions, handle};
use portcullis_ledger::Ledger;
pub use portcullis_ledger::{Found, LedgerLimits};
use portcullis_model::digest::Digest;
use portcullis_model::request::Request;
use portcullis_trust::intent::digest_of_words;
use serde_json::Value;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// A session of one agent on one intent.
///
/// The gateway opens it with the user's own words, shows it each result before the agent sees it, and passes each
/// request through [`Session::with_origins`] before it is decided. What the agent states about its arguments can only
/// make them worse.
///
/// The words have to come from where the user writes them: a front end, or a file of the operator. An agent that passes
/// on what "the user said" could say anything.
///
/// A session is cheap to clone, and all clones share what was seen.
///
/// ```
/// use portcullis_host::session::{LedgerLimits, Session};
/// use portcullis_host::{Principal, Request, RequestLimits, Resource};
/// use serde_json::json;
///
/// let principal = Principal { id: "spiffe://acme.example/agent".into(), ..Principal::default() };
/// let call = |tool: &str, arguments| {
///     Request::builder("bank", principal.clone(), tool, Resource::default())
///         .arguments(arguments)
///         .build(&RequestLimits::default())
/// };
/// let session = Session::open(&principal.id, None, ["Pay the bill"], LedgerLimits::default());
/// let read = call("read_file", json!({ "path": "bill.txt" }))?;
/// session.observe(&read, &json!("Pay to DE89370400440532013000"));
/// let pay = session.with_origins(&call("pay", json!({ "to": "DE89370400440532013000" }))?);
/// assert_eq!(pay.origins().stated("/to"), ["tool:read_file~"]);
/// # Ok::<(), portcullis_host::json::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Session(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    principal: String,
    intent: Option<String>,
    /// Digest of the words with which it was opened; `None` if there were none.
    words: Option<Digest>,
    /// True if words were added later.
    has_later_words: AtomicBool,
    ledger: Mutex<Ledger>,
}

impl Session {
    /// Opens a session of `principal`, by SPIFFE ID, on the intent with that id, with the user's own words.
    pub fn open<'t>(
        principal: &str,
        intent: Option<&str>,
        said: impl IntoIterator<Item = &'t str>,
        limits: LedgerLimits,
    ) -> Self {
        let said: Vec<_> = said.into_iter().collect();
        let words = digest_of_words(said.iter().copied());
        Self(Arc::new(Inner {
            principal: principal.to_owned(),
            intent: intent.map(str::to_owned),
            words: (!said.is_empty()).then_some(words),
            has_later_words: AtomicBool::new(false),
            ledger: Mutex::new(Ledger::new(said, limits)),
        }))
    }

    /// SPIFFE ID of the principal.
    pub fn principal(&self) -> &str {
        &self.0.principal
    }

    /// Id of the intent, if the session is on one.
    pub fn intent(&self) -> Option<&str> {
        self.0.intent.as_deref()
    }

    /// Adds words that the user says later. They count from then on.
    pub fn say(&self, text: &str) {
        self.0.has_later_words.store(true, Ordering::Relaxed);
        self.ledger().say(text);
    }

    /// Adds the result of a permitted call, before the agent sees it.
    ///
    /// False, and nothing is added, if the call is of another principal or intent.
    pub fn observe(&self, call: &Request, result: &Value) -> bool {
        let is_own = self.is_of(call);
        if is_own {
            let mut ledger = self.ledger();
            ledger.observe(call.action(), call.arguments(), result);
        }
        is_own
    }

    /// Returns the request with the origins of its arguments.
    ///
    /// They are computed from what was said and seen, and made worse by what the request states. Those of a request of
    /// another principal or intent are all unknown.
    pub fn with_origins(&self, request: &Request) -> Request {
        let stated = request.origins();
        let (action, arguments) = (request.action(), request.arguments());
        let origins = match self.is_of(request) {
            true => self.ledger().origins(action, arguments, stated.0),
            false => Ledger::default().origins(action, arguments, stated.0),
        };
        request.clone().with_computed_origins(origins)
    }

    /// True if it has words of a user, and they are others than those with that digest.
    pub(crate) fn has_other_words(&self, bound: Digest) -> bool {
        let has_later = self.0.has_later_words.load(Ordering::Relaxed);
        has_later || self.0.words.is_some_and(|words| words != bound)
    }

    /// Approves the value of the argument at `path`, a JSON Pointer, for that action in this session.
    ///
    /// It then counts as the user's word. False if the request is of another principal or intent, or the argument is
    /// not a text or a number.
    pub fn approve(&self, request: &Request, path: &str) -> bool {
        let value = request.arguments().pointer(path);
        let value = value.filter(|_| self.is_of(request));
        value.is_some_and(|value| {
            let mut ledger = self.ledger();
            match value {
                // A list has the origins of its items.
                Value::Array(items) => items.iter().enumerate().all(|(index, item)| {
                    ledger.approve(request.action(), &format!("{path}/{index}"), item)
                }),
                one => ledger.approve(request.action(), path, one),
            }
        })
    }

    /// Places of the value of an argument in what was said and seen, for people.
    ///
    /// None for a request of another principal or intent.
    pub fn find(&self, request: &Request, path: &str) -> Vec<Found> {
        if !self.is_of(request) {
            return Vec::new();
        }
        match request.arguments().pointer(path) {
            Some(Value::Array(items)) => {
                let ledger = self.ledger();
                items.iter().flat_map(|item| ledger.find(item)).collect()
            }
            Some(value) => self.ledger().find(value),
            None => Vec::new(),
        }
    }

    /// Places of a link, an address or another part of a text in what was said and seen, for people.
    pub fn find_part(&self, part: &str) -> Vec<Found> {
        self.ledger().find_part(part)
    }

    /// True if values were not remembered for lack of room. Their origin is unknown.
    pub fn is_full(&self) -> bool {
        self.ledger().is_full()
    }

    fn is_of(&self, request: &Request) -> bool {
        let intent = request.intent().map(|intent| intent.id.as_str());
        request.principal().id == self.0.principal && intent == self.0.intent.as_deref()
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.0.ledger.lock().unwrap_or_else(|poisoned| {
            // What a panic left behind is not trusted: every origin is unknown.
            let mut ledger = poisoned.into_inner();
            *ledger = Ledger::default();
            ledger
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_contract::ArgumentOrigin;
    use portcullis_model::limits::RequestLimits;
    use portcullis_model::request::{Intent, Principal, Resource};
    use serde_json::json;

    fn call(principal: &str, intent: Option<&str>, arguments: Value) -> Request {
        let principal = Principal {
            id: principal.into(),
            ..Principal::default()
        };
        let mut builder = Request::builder("bank", principal, "pay", Resource::default())
            .arguments(arguments)
            .argument_origins(vec![ArgumentOrigin::new("/note", "unknown")]);
        if let Some(id) = intent {
            builder = builder.intent(Intent {
                id: id.into(),
                ..Intent::default()
            });
        }
        builder.build(&RequestLimits::default()).unwrap()
    }

    #[test]
    fn another_principal_or_intent_has_an_empty_ledger() {
        let session = Session::open(
            "spiffe://a/1",
            Some("int-1"),
            ["Pay Ann, for Bob"],
            LedgerLimits::default(),
        );
        let arguments = json!({ "to": "Ann", "note": "Bob", "ref": "r-9" });
        let own = call("spiffe://a/1", Some("int-1"), arguments.clone());
        let others = [
            call("spiffe://a/2", Some("int-1"), arguments.clone()),
            call("spiffe://a/1", Some("int-2"), arguments.clone()),
            call("spiffe://a/1", None, arguments),
        ];
        for other in &others {
            assert!(!session.observe(other, &json!({ "id": "r-9" })));
            assert!(!session.approve(other, "/ref"));
        }
        let of = |request: &Request, path: &str| {
            let seen = session.with_origins(request);
            seen.origins()
                .stated(path)
                .into_iter()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(of(&own, "/to"), ["user~word"]);
        assert_eq!(
            of(&own, "/note"),
            ["unknown"],
            "the caller states it to be worse"
        );
        assert_eq!(of(&own, "/ref"), ["unknown"]);
        assert!(session.observe(&own, &json!({ "id": "r-9" })));
        assert_eq!(of(&own, "/ref"), ["tool:pay#/id"]);
        for other in &others {
            for path in ["/to", "/note", "/ref"] {
                assert_eq!(of(other, path), ["unknown"], "{path}");
            }
        }
        assert!(session.approve(&own, "/ref") && !session.approve(&own, "/none"));
        assert_eq!(of(&own, "/ref"), ["user~word", "tool:pay#/id"]);
        assert_eq!(
            session.find(&own, "/ref")[0].to_string(),
            "it is `/id` of result 1 (`pay`)"
        );
    }
}
