//! State of one connection: what is awaited from the server, and what is known of its tools.

use crate::agent::Agent;
use crate::headers::Params;
use crate::message::Id;
use crate::tools::{Known, Standing};
use portcullis_host::Request;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Maximum number of requests in flight, of either side, and of calls that wait.
pub(crate) const MAX_IN_FLIGHT: usize = 1024;
/// Maximum number of tasks whose results may be fetched.
const MAX_TASKS: usize = 1024;
/// Maximum number of pages of a list of tools.
const MAX_PAGES: usize = 100;

/// A request that the server has not answered.
#[derive(Debug)]
pub(crate) enum Awaited {
    /// A permitted call, whose result is observed.
    Call(Arc<Request>),
    /// A page of tools for the client. True for one that may be the whole list.
    Tools { is_whole: bool },
    /// Entries of another list, which are shown if `action` on them could be permitted.
    Entries {
        /// The request for the list, whose result is observed.
        request: Arc<Request>,
        /// Member of the result.
        list: &'static str,
        /// Action on an entry.
        action: &'static str,
        /// Member of an entry that is the argument of the action.
        key: &'static str,
    },
    /// A page of tools for the gate itself.
    OwnTools,
    /// Any other result.
    Other,
}

/// A call that waits until the server's tools are known.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) id: Id,
    pub(crate) raw: Vec<u8>,
    pub(crate) request: Request,
    pub(crate) headers: Params,
    /// The agent as the message proved it to be.
    pub(crate) agent: Arc<Agent>,
}

/// A request that the server has not answered.
#[derive(Debug)]
struct Waiting {
    /// The client's id, if it is a request of the client.
    client: Option<Id>,
    awaited: Awaited,
}

/// State of one connection.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Requests that the server has not answered, by the id that the gate gave them. None is used twice, so that a late
    /// answer to a request that was cancelled is none to another one.
    awaited: HashMap<Id, Waiting>,
    /// The gate's id of a request of the client, by the client's id.
    ids: HashMap<Id, Id>,
    last_id: i64,
    /// Requests of the server that the client has not answered.
    asked: HashSet<Id>,
    /// Tools that the server lists, if the whole list was seen since its last change.
    tools: HashMap<String, Known>,
    is_known: bool,
    /// The gate's own lists, while they are read, by the id of the request for the next page.
    listings: HashMap<Id, Listing>,
    tasks: HashMap<String, Arc<Request>>,
    reported: HashSet<String>,
}

/// One of the gate's own lists of tools, while it is read.
#[derive(Debug)]
struct Listing {
    /// The calls that wait for it.
    held: Vec<Held>,
    tools: HashMap<String, Known>,
    pages: usize,
    /// `_meta` of the call for which the list is read.
    meta: Value,
}

/// Next step after a page of the gate's own list.
#[derive(Debug)]
pub(crate) enum Listed {
    /// The id and the parameters of the request for the next page.
    More(Id, Value),
    /// The list is complete, and these calls waited for it.
    Complete(Vec<Held>),
    /// The list was given up, and these calls waited for it.
    Failed(Vec<Held>),
}

/// Problem with a request that would be awaited.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotAwaited {
    IdInUse,
    TooMany,
}

impl State {
    /// Notes a request that goes to the server, and returns its id there.
    pub(crate) fn begin(&mut self, client: &Id, awaited: Awaited) -> Result<Id, NotAwaited> {
        self.is_free(client)?;
        let id = self.next_id();
        self.ids.insert(client.clone(), id.clone());
        let waiting = Waiting {
            client: Some(client.clone()),
            awaited,
        };
        self.awaited.insert(id.clone(), waiting);
        Ok(id)
    }

    fn next_id(&mut self) -> Id {
        self.last_id += 1;
        Id::Number(self.last_id)
    }

    /// Checks that a request of the client with that id may be in flight.
    pub(crate) fn is_free(&self, client: &Id) -> Result<(), NotAwaited> {
        let mut held = 0;
        for listing in self.listings.values() {
            held += listing.held.len();
            if listing.held.iter().any(|held| held.id == *client) {
                return Err(NotAwaited::IdInUse);
            }
        }
        if self.ids.contains_key(client) {
            return Err(NotAwaited::IdInUse);
        }
        match self.awaited.len() + held < MAX_IN_FLIGHT {
            true => Ok(()),
            false => Err(NotAwaited::TooMany),
        }
    }

    /// The request that the server answers, with the client's id. `None` if it was not asked, or was cancelled.
    pub(crate) fn end(&mut self, id: &Id) -> Option<(Option<Id>, Awaited)> {
        let Waiting { client, awaited } = self.awaited.remove(id)?;
        if let Some(client) = &client {
            self.ids.remove(client);
        }
        Some((client, awaited))
    }

    /// Notes that the client awaits no answer any more. Returns the id of the request at the server, if it is there.
    pub(crate) fn cancel(&mut self, client: &Id) -> Option<Id> {
        for listing in self.listings.values_mut() {
            listing.held.retain(|held| held.id != *client);
        }
        let id = self.ids.remove(client)?;
        self.awaited.remove(&id);
        Some(id)
    }

    /// Notes a request of the server. False if there are too many, or its id is in use.
    pub(crate) fn ask(&mut self, id: &Id) -> bool {
        self.asked.len() < MAX_IN_FLIGHT && self.asked.insert(id.clone())
    }

    /// Notes that the server awaits no answer any more.
    pub(crate) fn cancel_question(&mut self, id: &Id) {
        self.asked.remove(id);
    }

    /// True if the server asked with that id, once.
    pub(crate) fn is_answer(&mut self, id: &Id) -> bool {
        self.asked.remove(id)
    }

    /// A tool. `None` if the list is not known.
    pub(crate) fn tool(&self, name: &str) -> Option<Known> {
        self.is_known.then(|| {
            self.tools
                .get(name)
                .cloned()
                .unwrap_or_else(Known::unlisted)
        })
    }

    /// Holds a call until the tools are known. Returns the id and the parameters of a request for them.
    ///
    /// With `may_share`, the call waits for a list that is under way, if there is one.
    pub(crate) fn hold(&mut self, held: Held, meta: Value, may_share: bool) -> Option<(Id, Value)> {
        if may_share && let Some(listing) = self.listings.values_mut().next() {
            listing.held.push(held);
            return None;
        }
        let listing = Listing {
            held: vec![held],
            tools: HashMap::new(),
            pages: 0,
            meta,
        };
        Some(self.next_page(listing, None))
    }

    fn next_page(&mut self, listing: Listing, cursor: Option<&str>) -> (Id, Value) {
        let id = self.next_id();
        let waiting = Waiting {
            client: None,
            awaited: Awaited::OwnTools,
        };
        self.awaited.insert(id.clone(), waiting);
        let mut params = serde_json::Map::new();
        if listing.meta.is_object() {
            params.insert("_meta".to_owned(), listing.meta.clone());
        }
        if let Some(cursor) = cursor {
            params.insert("cursor".to_owned(), Value::from(cursor));
        }
        self.listings.insert(id.clone(), listing);
        (id, Value::Object(params))
    }

    /// Adds a page of the gate's own list, which answers the request with that id.
    pub(crate) fn add_page(
        &mut self,
        id: &Id,
        page: HashMap<String, Known>,
        next: Option<&str>,
    ) -> Listed {
        let Some(mut listing) = self.listings.remove(id) else {
            return Listed::Failed(Vec::new());
        };
        listing.pages += 1;
        add(&mut listing.tools, page);
        match next {
            Some(_) if listing.pages >= MAX_PAGES => Listed::Failed(listing.held),
            Some(cursor) => {
                let (id, params) = self.next_page(listing, Some(cursor));
                Listed::More(id, params)
            }
            None => {
                self.tools = listing.tools;
                self.is_known = true;
                Listed::Complete(listing.held)
            }
        }
    }

    /// Gives up one of the gate's own lists. Returns the calls that waited for it.
    pub(crate) fn give_up(&mut self, id: &Id) -> Vec<Held> {
        let listing = self.listings.remove(id);
        listing.map(|it| it.held).unwrap_or_default()
    }

    /// Adds tools of a page that the client asked for.
    pub(crate) fn saw_page(&mut self, page: HashMap<String, Known>, is_whole: bool) {
        if is_whole {
            self.tools.clear();
            self.is_known = true;
        }
        add(&mut self.tools, page);
    }

    /// Starts with the tools that another connection saw.
    pub(crate) fn know(&mut self, tools: HashMap<String, Known>) {
        self.tools = tools;
        self.is_known = true;
    }

    /// All tools of the server, if the whole list is known.
    pub(crate) fn known(&self) -> Option<HashMap<String, Known>> {
        self.is_known.then(|| self.tools.clone())
    }

    /// Forgets the list of tools, since the server says that it changed.
    pub(crate) fn forget_tools(&mut self) {
        self.is_known = false;
    }

    /// Notes a task whose result is that of `call`.
    pub(crate) fn begin_task(&mut self, id: &str, call: Arc<Request>) {
        if self.tasks.len() < MAX_TASKS {
            self.tasks.insert(id.to_owned(), call);
        }
    }

    /// The call of a task.
    pub(crate) fn task(&self, id: &str) -> Option<Arc<Request>> {
        self.tasks.get(id).cloned()
    }

    /// True the first time that `what` is reported.
    pub(crate) fn is_news(&mut self, what: &str) -> bool {
        self.reported.len() < MAX_IN_FLIGHT && self.reported.insert(what.to_owned())
    }

    /// The client's ids of all requests that the server will not answer any more.
    pub(crate) fn abandon(&mut self) -> Vec<Id> {
        self.awaited.clear();
        let mut ids: Vec<_> = self.ids.drain().map(|(client, _)| client).collect();
        let held = self.listings.drain().flat_map(|(_, it)| it.held);
        ids.extend(held.map(|held| held.id));
        ids
    }
}

/// Adds tools. Of two with one name, one that is not approved counts.
fn add(tools: &mut HashMap<String, Known>, page: HashMap<String, Known>) {
    for (name, known) in page {
        let before = tools.get(&name);
        if before.is_none_or(|before| before.standing == Standing::Approved) {
            tools.insert(name, known);
        }
    }
}
