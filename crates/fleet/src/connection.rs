//! Requests to the server, which are answered or fail within their timeout.

use crate::failure::Fault;
use async_nats::{Client, HeaderMap, Message, Request, RequestErrorKind};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// Subjects of the server's own interface begin with this.
const API: &str = "$JS.API";

/// Connection to a server.
#[derive(Debug)]
pub(crate) struct Connection {
    client: Client,
    timeout: Duration,
    /// Reason why nothing is asked at present.
    down: watch::Sender<Option<Arc<str>>>,
    /// Notified when a request was not answered in time.
    suspected: Notify,
}

/// Error that the server returns.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct ApiError {
    #[serde(default)]
    pub(crate) err_code: u64,
    #[serde(default)]
    pub(crate) description: String,
}

impl Connection {
    /// A connection that asks nothing until [`Connection::set_up`].
    pub(crate) fn new(client: Client, timeout: Duration) -> Self {
        let (down, _) = watch::channel(Some(Arc::from("it was not checked yet")));
        Self {
            client,
            timeout,
            down,
            suspected: Notify::new(),
        }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Answers requests from now on.
    pub(crate) fn set_up(&self) {
        self.down.send_if_modified(|down| down.take().is_some());
    }

    /// Refuses requests from now on, and ends those in flight.
    pub(crate) fn set_down(&self, why: &str) {
        self.down.send_if_modified(|down| {
            let is_news = down.as_deref() != Some(why);
            if is_news {
                *down = Some(Arc::from(why));
            }
            is_news
        });
    }

    /// Reason why nothing is asked at present.
    pub(crate) fn down(&self) -> Option<Arc<str>> {
        self.down.borrow().clone()
    }

    /// Waits until a request was not answered in time.
    pub(crate) async fn suspected(&self) {
        self.suspected.notified().await;
    }

    /// Sends a request and waits for its answer, unless the connection is down.
    pub(crate) async fn request(
        &self,
        subject: &str,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<Message, Fault> {
        let mut down = self.down.subscribe();
        if let Some(why) = &*down.borrow() {
            return Err(Fault::refused(why));
        }
        tokio::select! {
            answer = self.request_now(subject, headers, payload) => answer,
            lost = down.wait_for(Option::is_some) => {
                let why = lost.ok().and_then(|why| why.clone());
                Err(Fault::Unknown(why.map_or_else(String::new, |why| why.to_string())))
            }
        }
    }

    /// Sends a request and waits for its answer, even if the connection is down.
    pub(crate) async fn request_now(
        &self,
        subject: &str,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<Message, Fault> {
        let mut request = Request::new().payload(payload);
        if !headers.is_empty() {
            request = request.headers(headers);
        }
        let asked = self.client.send_request(subject.to_owned(), request);
        let late = || {
            let why = format!("the server did not answer within {:?}", self.timeout);
            self.set_down(&why);
            self.suspected.notify_one();
            Fault::Unknown(why)
        };
        let answered = tokio::time::timeout(self.timeout, asked).await;
        match answered.map_err(|_| late())? {
            Ok(answer) => Ok(answer),
            Err(error) => Err(match error.kind() {
                RequestErrorKind::TimedOut => late(),
                RequestErrorKind::NoResponders => Fault::Refused(format!(
                    "nothing takes `{subject}`: its bucket was deleted, or the server runs without JetStream"
                )),
                RequestErrorKind::InvalidSubject | RequestErrorKind::MaxPayloadExceeded => {
                    Fault::refused(error)
                }
                RequestErrorKind::Other => Fault::Unknown(error.to_string()),
            }),
        }
    }

    /// Asks the server's own interface, see [`Connection::request`].
    pub(crate) async fn api<T: DeserializeOwned>(
        &self,
        verb: &str,
        asked: &Value,
    ) -> Result<Result<T, ApiError>, Fault> {
        let subject = format!("{API}.{verb}");
        let answer = self
            .request(&subject, HeaderMap::new(), body(asked)?)
            .await?;
        read(&answer.payload)
    }

    /// As [`Connection::api`], even if the connection is down.
    pub(crate) async fn api_now<T: DeserializeOwned>(
        &self,
        verb: &str,
        asked: &Value,
    ) -> Result<Result<T, ApiError>, Fault> {
        let subject = format!("{API}.{verb}");
        let answer = self
            .request_now(&subject, HeaderMap::new(), body(asked)?)
            .await?;
        read(&answer.payload)
    }
}

/// Payload of a request; nothing if it asks nothing.
fn body(asked: &Value) -> Result<Bytes, Fault> {
    if asked.is_null() {
        return Ok(Bytes::new());
    }
    let json = serde_json::to_vec(asked).map_err(Fault::refused)?;
    Ok(Bytes::from(json))
}

/// Reads an answer: what was asked for, or the server's error.
pub(crate) fn read<T: DeserializeOwned>(answer: &[u8]) -> Result<Result<T, ApiError>, Fault> {
    /// An answer with an error has other members, too.
    #[derive(serde::Deserialize)]
    struct Refused {
        error: ApiError,
    }
    if let Ok(refused) = serde_json::from_slice::<Refused>(answer) {
        return Ok(Err(refused.error));
    }
    let read = serde_json::from_slice(answer);
    // The server answered, but the effect of what it was asked is not known.
    read.map(Ok)
        .map_err(|error| Fault::Unknown(format!("the server's answer cannot be read: {error}")))
}
