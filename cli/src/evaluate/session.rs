//! `portcullis evaluate --session`: rehearses the calls of one session.

use super::{Args, Case, ToJson, decided, render};
use crate::exit::Exit;
use crate::output::{self, shown_of_request};
use crate::requests::{From, Input};
use portcullis_host::session::{Found, LedgerLimits, Session};
use portcullis_host::{Pdp, Request, json};
use serde::Serialize;
use serde_json::Value;
use std::path::Path;

/// A line of a session.
enum Line {
    /// Words of the user.
    Said(String),
    /// A call, and its result if it is permitted.
    Call {
        request: Vec<u8>,
        result: Option<Value>,
        approve: bool,
    },
}

impl Line {
    fn read(document: &[u8], limits: &portcullis_host::RequestLimits) -> Result<Self, json::Error> {
        let not_a_line = |at: &str, why: &'static str| json::Error::NotHere {
            at: at.to_owned(),
            why,
        };
        let Value::Object(mut members) = json::parse(document, limits)? else {
            return Err(not_a_line("", EXPECTED));
        };
        let line = match (members.remove("said"), members.remove("request")) {
            (Some(Value::String(text)), None) => Self::Said(text),
            (None, Some(request @ Value::Object(_))) => Self::Call {
                request: request.to_string().into_bytes(),
                result: members.remove("result"),
                approve: match members.remove("approve") {
                    None => false,
                    Some(Value::Bool(approve)) => approve,
                    Some(_) => return Err(not_a_line("/approve", EXPECTED)),
                },
            },
            _ => return Err(not_a_line("", EXPECTED)),
        };
        match members.keys().next() {
            None => Ok(line),
            Some(other) => Err(not_a_line(&format!("/{other}"), EXPECTED)),
        }
    }
}

const EXPECTED: &str = "a line of a session is `{\"said\": \"…\"}` with the user's own words, or `{\"request\": {…}, \"result\": …, \"approve\": true}` with a call, what it returns, and whether an approver who is asked says yes";

/// A decision of the session, with what an approver is asked.
#[derive(Serialize)]
struct InSession<'a> {
    #[serde(flatten)]
    decision: ToJson<'a>,
    /// True if the call is permitted only because its values were approved.
    approved: bool,
    /// Arguments whose values an approver has to decide on, and where each was said or seen.
    asked: Vec<Asked>,
}

/// An argument that an approver has to decide on.
#[derive(Serialize)]
pub(super) struct Asked {
    pub(super) path: String,
    pub(super) places: Vec<String>,
}

/// Decides the calls of the session in `file` in order.
pub(super) fn run(args: &Args, pdp: &Pdp, file: &Path) -> anyhow::Result<Exit> {
    let mut input = Input::open(file)?;
    let mut exit = Exit::Success;
    let mut table = Vec::new();
    let mut rehearsal = Rehearsal::default();
    let limits = portcullis_host::RequestLimits {
        // A result may be larger than a request.
        bytes: pdp.request_limits().bytes + MAX_RESULT,
        depth: pdp.request_limits().depth + 2,
    };
    while let Some(document) = input.next(limits.bytes + 1)? {
        let line = match Line::read(&document, &limits) {
            Ok(line) => line,
            Err(error) => {
                let place = input.place();
                output::error(&format!(
                    "{place}: {}",
                    shown_of_request(&error.to_string())
                ));
                return Ok(Exit::Invalid);
            }
        };
        let Line::Call {
            request,
            result,
            approve,
        } = line
        else {
            if let Line::Said(text) = line {
                rehearsal.say(pdp, text);
            }
            continue;
        };
        let (case, asked, approved) = rehearsal.decide(args, pdp, &request, approve);
        rehearsal.observe(&case, result.as_ref());
        if let Err(error) = &case.request {
            output::error(&format!(
                "{}: {}",
                input.place(),
                shown_of_request(&error.to_string())
            ));
        }
        exit = exit.max(Exit::of(&case.decision));
        match args.format {
            crate::Format::Json => output::json(&InSession {
                decision: ToJson(&case),
                approved,
                asked,
            })?,
            crate::Format::Human if args.explain => render::one(&case)?,
            crate::Format::Human => {
                for asked in asked {
                    output::note(&shown_of_request(&format!(
                        "{}: approval is asked for `{}`: {}",
                        input.place(),
                        asked.path,
                        match asked.places.as_slice() {
                            [] => "the session has it nowhere".to_owned(),
                            places => places.join("; "),
                        }
                    )));
                }
                table.push(case);
            }
        }
    }
    if !table.is_empty() {
        render::table(&table)?;
    }
    if input.is_empty() {
        output::error(&format!("{}: there is no line in it", input.place()));
        return Ok(Exit::Invalid);
    }
    Ok(exit)
}

/// Maximum size of a result, in bytes.
const MAX_RESULT: usize = 4 * 1024 * 1024;

/// The words before the first call, and the session from then on.
#[derive(Default)]
struct Rehearsal {
    said: Vec<String>,
    session: Option<Session>,
}

impl Rehearsal {
    fn say(&mut self, pdp: &Pdp, text: String) {
        match &self.session {
            Some(session) => {
                let intent = session.intent().unwrap_or_default();
                match pdp.words_of_intent(intent) {
                    None => session.say(&text),
                    Some(_) => output::warn(
                        "the intent was approved for the words before the first call: later words do not count",
                    ),
                }
            }
            None => self.said.push(text),
        }
    }

    /// Opens the session. Words for which the intent was not approved do not count, as a server would refuse them.
    fn open(&self, pdp: &Pdp, request: &Request) -> Session {
        let intent = request.intent().map(|intent| intent.id.as_str());
        let mut said: Vec<_> = self.said.iter().map(String::as_str).collect();
        if let Some(why) = intent.and_then(|id| pdp.refuses_words(id, &said)) {
            output::warn(&shown_of_request(&why));
            said.clear();
        }
        Session::open(
            &request.principal().id,
            intent,
            said,
            LedgerLimits::default(),
        )
    }

    /// Decides a call. Returns what an approver is asked, and whether the call is permitted for an approval.
    fn decide(
        &mut self,
        args: &Args,
        pdp: &Pdp,
        document: &[u8],
        approve: bool,
    ) -> (Case, Vec<Asked>, bool) {
        let from = From::of(args.from, document);
        let request = match from.and_then(|from| from.read(document, Some(pdp))) {
            Ok(request) => request,
            Err(error) => return (decided(args, pdp, Err(error)), Vec::new(), false),
        };
        let session = match &self.session {
            Some(session) => session.clone(),
            None => {
                let session = self.open(pdp, &request);
                self.session.insert(session).clone()
            }
        };
        let session = &session;
        let case = decided(args, pdp, Ok(pdp.in_session(session, &request)));
        let asked = asked(&case, session);
        let mut approved = false;
        if approve && !asked.is_empty() {
            approved = asked.iter().all(|it| session.approve(&request, &it.path));
        }
        let case = match approved {
            true => decided(args, pdp, Ok(pdp.in_session(session, &request))),
            false => case,
        };
        approved &= case.decision.is_permit();
        (case, asked, approved)
    }

    /// Shows the session the result of a call, if the call was permitted.
    fn observe(&self, case: &Case, result: Option<&Value>) {
        if let (Some(session), Ok(request), Some(result)) = (&self.session, &case.request, result)
            && case.decision.is_permit()
        {
            session.observe(request, result);
        }
    }
}

/// Arguments that an approver would be asked about, for a denied call.
fn asked(case: &Case, session: &Session) -> Vec<Asked> {
    let (Ok(request), Some(access)) = (&case.request, case.decision.access_request()) else {
        return Vec::new();
    };
    let arguments = access.approval.arguments.iter();
    arguments
        .map(|argument| Asked {
            path: argument.path.clone(),
            places: session
                .find(request, &argument.path)
                .iter()
                .map(Found::to_string)
                .collect(),
        })
        .collect()
}
