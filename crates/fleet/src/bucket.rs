//! Values of a stream by key, with their revisions.

use crate::connection::{ApiError, Connection, read};
use crate::failure::Fault;
use async_nats::HeaderMap;
use base64ct::{Base64, Encoding as _};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Codes of the server's error for a value that another host changed.
const WRONG_REVISION: [u64; 2] = [10_071, 10_164];

/// Code of the server's error for a message that does not exist.
const NO_MESSAGE: u64 = 10_037;

/// Longest time to live that the server can express.
const MOST_TTL: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Keys of a stream, below a prefix.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    connection: Arc<Connection>,
    stream: String,
    prefix: String,
}

/// Value of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Position in the stream, which rises with each change of any key.
    pub(crate) revision: u64,
    pub(crate) value: Bytes,
}

/// Effect of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    /// The value is stored, as this revision.
    Stored(u64),
    /// Another host changed the value before: nothing is stored.
    Changed,
}

/// Condition of a write.
#[derive(Debug, Clone, Copy)]
pub(crate) enum If {
    /// The key has this revision; 0: it has no value.
    Key(u64),
    /// The stream has this revision.
    Stream(u64),
}

impl Bucket {
    /// The keys of `stream` that begin with `prefix`, which ends with a dot.
    pub(crate) fn new(connection: &Arc<Connection>, stream: &str, prefix: &str) -> Self {
        Self {
            connection: Arc::clone(connection),
            stream: stream.to_owned(),
            prefix: prefix.to_owned(),
        }
    }

    /// The subject of a key or a pattern of keys.
    pub(crate) fn subject(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// The value of `key`, from any copy of the stream.
    ///
    /// Of a stream with several copies, it may be an earlier one.
    pub(crate) async fn get(&self, key: &str) -> Result<Option<Entry>, Fault> {
        let subject = format!("$JS.API.DIRECT.GET.{}.{}", self.stream, self.subject(key));
        let answer = self
            .connection
            .request(&subject, HeaderMap::new(), Bytes::new())
            .await?;
        if let Some(status) = answer.status {
            return match status.as_u16() {
                404 => Ok(None),
                other => {
                    let why = answer.description.unwrap_or_default();
                    Err(Fault::Refused(format!("the server answers {other} {why}")))
                }
            };
        }
        let headers = answer.headers.as_ref();
        let revision = headers
            .and_then(|headers| headers.get("Nats-Sequence"))
            .and_then(|revision| revision.as_str().parse().ok())
            .ok_or_else(|| Fault::refused("the server's answer has no `Nats-Sequence`"))?;
        Ok(Some(Entry {
            revision,
            value: answer.payload,
        }))
    }

    /// The latest value of `key`, from the copy that is written to.
    pub(crate) async fn get_latest(&self, key: &str) -> Result<Option<Entry>, Fault> {
        let asked = json!({ "last_by_subj": self.subject(key) });
        self.message(&asked).await
    }

    /// The first value of the keys of `pattern` from revision `from` on.
    pub(crate) async fn next(&self, pattern: &str, from: u64) -> Result<Option<Entry>, Fault> {
        let asked = json!({ "next_by_subj": self.subject(pattern), "seq": from });
        self.message(&asked).await
    }

    async fn message(&self, asked: &Value) -> Result<Option<Entry>, Fault> {
        #[derive(Deserialize)]
        struct Got {
            message: Message,
        }
        #[derive(Deserialize)]
        struct Message {
            seq: u64,
            #[serde(default)]
            data: String,
        }
        let verb = format!("STREAM.MSG.GET.{}", self.stream);
        match self.connection.api::<Got>(&verb, asked).await? {
            Ok(Got { message }) => {
                let value = Base64::decode_vec(&message.data).map_err(Fault::refused)?;
                Ok(Some(Entry {
                    revision: message.seq,
                    value: Bytes::from(value),
                }))
            }
            Err(ApiError {
                err_code: NO_MESSAGE,
                ..
            }) => Ok(None),
            Err(error) => Err(Fault::Refused(error.description)),
        }
    }

    /// Writes the value of `key` on the condition `unless_changed`, to live for `ttl`, or for good.
    pub(crate) async fn put(
        &self,
        key: &str,
        value: Bytes,
        unless_changed: If,
        ttl: Option<Duration>,
    ) -> Result<Put, Fault> {
        let mut headers = HeaderMap::new();
        // Another stream may have taken the subject.
        headers.insert("Nats-Expected-Stream", self.stream.as_str());
        match unless_changed {
            If::Key(revision) => {
                headers.insert("Nats-Expected-Last-Subject-Sequence", revision.to_string());
            }
            If::Stream(revision) => {
                headers.insert("Nats-Expected-Last-Sequence", revision.to_string());
            }
        }
        if let Some(ttl) = ttl {
            let seconds = ttl.clamp(Duration::from_secs(1), MOST_TTL).as_secs();
            headers.insert("Nats-TTL", format!("{seconds}s"));
        }
        let answer = self
            .connection
            .request(&self.subject(key), headers, value)
            .await?;
        #[derive(Deserialize)]
        struct Stored {
            seq: u64,
        }
        match read::<Stored>(&answer.payload)? {
            Ok(Stored { seq }) => Ok(Put::Stored(seq)),
            Err(error) if WRONG_REVISION.contains(&error.err_code) => Ok(Put::Changed),
            Err(error) => Err(Fault::Refused(format!(
                "the server does not store it: {}",
                error.description
            ))),
        }
    }
}
