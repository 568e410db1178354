//! One message of a client, and all that follows from it.

use crate::authzen::{is_json, is_of_type};
use crate::gates::{Behind, TRANSPORT_SESSION};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt as _, BodyStream, Limited};
use hyper::body::Incoming;
use portcullis_mcp::{Action, Gate};
use sse_stream::SseStream;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::mpsc::Sender;

/// An output of an exchange for the client.
pub(crate) enum Out {
    /// A message.
    Message(Vec<u8>),
    /// The session of the transport that the server began.
    Session(String),
    /// The status of a server that answered without a message.
    Status(StatusCode),
}

/// An exchange between a client and a server, through a gate.
pub(crate) struct Exchange {
    pub(crate) gate: Arc<Gate>,
    pub(crate) behind: Arc<Behind>,
    /// Headers for the server.
    pub(crate) headers: HeaderMap,
}

/// Messages of a stream of events.
pub(crate) type Events = Pin<Box<dyn Stream<Item = Result<Vec<u8>, String>> + Send>>;

impl Exchange {
    /// Carries messages to both sides, until the server has answered all or the client is gone.
    ///
    /// `body` is the client's message. What the server answers to a client that is gone is not seen by the agent either.
    pub(crate) async fn run(self, body: Bytes, actions: Vec<Action>, out: Sender<Out>) {
        tokio::select! {
            () = self.carry(actions, &out) => {}
            () = out.closed() => self.gate.forget(&body),
        }
    }

    async fn carry(&self, actions: Vec<Action>, out: &Sender<Out>) {
        let mut waiting = VecDeque::from(actions);
        while let Some(action) = waiting.pop_front() {
            let message = match action {
                Action::ToClient(message) => {
                    let _ = out.send(Out::Message(message)).await;
                    continue;
                }
                Action::ToServer(message) => message,
            };
            match self.ask(&message, out).await {
                Ok(actions) => waiting.extend(actions),
                Err(why) => {
                    let why = format!("the server cannot be reached: {why}");
                    waiting.extend(self.gate.server_failed(&message, &why));
                }
            }
        }
    }

    /// Sends a message to the server, and returns what follows from its answer.
    async fn ask(&self, message: &[u8], out: &Sender<Out>) -> Result<Vec<Action>, String> {
        let response = self
            .behind
            .send(Method::POST, message, &self.headers)
            .await?;
        let (parts, body) = response.into_parts();
        let session = parts.headers.get(TRANSPORT_SESSION);
        if let Some(Ok(session)) = session.map(|it| it.to_str()) {
            let _ = out.send(Out::Session(session.to_owned())).await;
        }
        let has_session = self.headers.contains_key(TRANSPORT_SESSION);
        if parts.status == StatusCode::NOT_FOUND && has_session {
            // The session of the transport ended: the client begins another one.
            let _ = out.send(Out::Status(parts.status)).await;
            return Ok(Vec::new());
        }
        if is_of_type(&parts.headers, "text/event-stream") {
            self.follow_into(events(body, self.behind.max_message_bytes), out)
                .await;
            return Ok(self.gate.server_failed(
                message,
                "the server ended its answer before it was complete",
            ));
        }
        let body = Limited::new(body, self.behind.max_message_bytes);
        let body = body.collect().await.map_err(|error| error.to_string())?;
        let body = body.to_bytes();
        if is_json(&parts.headers) && !body.is_empty() {
            let actions = self.gate.server_sent(&body).await;
            if !parts.status.is_success() && actions.is_empty() {
                let _ = out.send(Out::Status(parts.status)).await;
            }
            let mut actions = actions;
            actions.extend(
                self.gate
                    .server_failed(message, "the server's answer is not one to the request"),
            );
            return Ok(actions);
        }
        match parts.status.is_success() {
            true => Ok(self
                .gate
                .server_failed(message, "the server gave no answer")),
            false => Err(format!("it answers {}", parts.status)),
        }
    }

    /// Passes on the messages of a stream until it ends.
    async fn follow_into(&self, mut events: Events, out: &Sender<Out>) {
        while let Some(event) = events.next().await {
            let message = match event {
                Ok(message) => message,
                Err(why) => {
                    self.gate
                        .note(&format!("the server's stream of events broke: {why}"));
                    return;
                }
            };
            for action in self.gate.server_sent(&message).await {
                match action {
                    Action::ToClient(message) => {
                        let _ = out.send(Out::Message(message)).await;
                    }
                    Action::ToServer(message) => self.tell(message),
                }
            }
        }
    }

    /// Sends a message to the server whose answer matters to no request of the client here.
    ///
    /// The server may wait for it before it goes on with the stream that it is answered from.
    fn tell(&self, message: Vec<u8>) {
        let (behind, headers) = (Arc::clone(&self.behind), self.headers.clone());
        tokio::spawn(async move {
            let _ = behind.send(Method::POST, &message, &headers).await;
        });
    }

    /// Opens the stream of messages that belong to no request.
    ///
    /// # Errors
    ///
    /// The status for the client.
    pub(crate) async fn listen(&self) -> Result<Events, StatusCode> {
        let response = self.behind.send(Method::GET, b"", &self.headers).await;
        let response = response.map_err(|why| {
            self.gate
                .note(&format!("the server cannot be reached: {why}"));
            StatusCode::BAD_GATEWAY
        })?;
        let (parts, body) = response.into_parts();
        match parts.status.is_success() && is_of_type(&parts.headers, "text/event-stream") {
            true => Ok(events(body, self.behind.max_message_bytes)),
            false if parts.status.is_success() => Err(StatusCode::BAD_GATEWAY),
            false => Err(parts.status),
        }
    }

    /// Passes on the messages of a stream that belongs to no request.
    pub(crate) async fn follow(self, events: Events, out: Sender<Out>) {
        tokio::select! {
            () = self.follow_into(events, &out) => {}
            () = out.closed() => {}
        }
    }

    /// Ends the session of the transport at the server.
    pub(crate) async fn end(&self) -> StatusCode {
        match self.behind.send(Method::DELETE, b"", &self.headers).await {
            Ok(response) => response.status(),
            Err(_) => StatusCode::BAD_GATEWAY,
        }
    }
}

/// The messages of a stream of events. One of more than `most` bytes ends it.
fn events(body: Incoming, most: usize) -> Events {
    // A line that does not end would be kept whole before it is an event.
    let mut since_line = 0_usize;
    let mut since_event = 0_usize;
    let mut last = 0_u8;
    let bytes = BodyStream::new(body).map(move |frame| {
        let frame = frame.map_err(std::io::Error::other)?;
        let data = frame.into_data().unwrap_or_default();
        for byte in &data {
            since_event += 1;
            match byte {
                // The second half of one line end.
                b'\n' if last == b'\r' => {}
                b'\n' | b'\r' if since_line == 0 => since_event = 0,
                b'\n' | b'\r' => since_line = 0,
                _ => since_line += 1,
            }
            last = *byte;
        }
        match since_event <= most.saturating_mul(2) {
            true => Ok(data),
            false => Err(std::io::Error::other(format!(
                "an event has more than {most} bytes"
            ))),
        }
    });
    let events = SseStream::from_bytes_stream(bytes).filter_map(move |event| async move {
        match event {
            Ok(event) => match event.data {
                Some(data) if data.len() > most => {
                    Some(Err(format!("a message has more than {most} bytes")))
                }
                Some(data) if !data.trim().is_empty() => Some(Ok(data.into_bytes())),
                _ => None,
            },
            Err(error) => Some(Err(error.to_string())),
        }
    });
    Box::pin(events)
}
