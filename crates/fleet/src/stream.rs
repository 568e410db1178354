//! Streams of the server: how they are created, and what they must be.

use crate::connection::{ApiError, Connection};
use crate::failure::Fault;
use portcullis_model::timestamp::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

/// Code of the server's error for a stream that does not exist.
const NO_STREAM: u64 = 10_059;

/// Code of the server's error for a stream that another host just created.
const EXISTS: u64 = 10_058;

/// Contents of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    /// The latest value of each key, until it ends.
    Values,
    /// The latest value of each key, until it ends; of more than so many, the oldest are dropped.
    AtMost(usize),
    /// Every message.
    All,
}

/// A stream as it must be.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) subjects: String,
    pub(crate) holds: Holds,
    pub(crate) replicas: usize,
}

/// A stream as the server describes it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Info {
    pub(crate) config: Config,
    /// Time of its creation, by which it is distinguished from another of the same name.
    pub(crate) created: String,
    pub(crate) state: Extent,
    /// The server's clock.
    #[serde(default)]
    pub(crate) ts: Option<Timestamp>,
}

/// Configuration of a stream.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Config {
    pub(crate) storage: String,
    #[serde(default)]
    pub(crate) num_replicas: usize,
    #[serde(default)]
    subjects: Vec<String>,
    #[serde(default)]
    retention: String,
    #[serde(default)]
    discard: String,
    #[serde(default)]
    max_age: i64,
    #[serde(default)]
    max_msgs: i64,
    #[serde(default)]
    max_bytes: i64,
    #[serde(default)]
    max_msgs_per_subject: i64,
    #[serde(default)]
    allow_direct: bool,
    #[serde(default)]
    allow_msg_ttl: bool,
    #[serde(default)]
    deny_delete: bool,
    #[serde(default)]
    deny_purge: bool,
}

/// Extent of a stream.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Extent {
    pub(crate) last_seq: u64,
}

impl Wanted {
    fn config(&self) -> Value {
        let (per_key, most, discard) = match self.holds {
            Holds::Values => (1, -1, "new"),
            Holds::AtMost(most) => (1, i64::try_from(most).unwrap_or(i64::MAX), "old"),
            Holds::All => (-1, -1, "new"),
        };
        json!({
            "name": self.name,
            "subjects": [self.subjects],
            "retention": "limits",
            "storage": "file",
            "num_replicas": self.replicas,
            "max_msgs_per_subject": per_key,
            "max_msgs": most,
            "discard": discard,
            "allow_direct": true,
            "allow_msg_ttl": self.holds != Holds::All,
            "deny_delete": true,
            "deny_purge": true,
        })
    }

    /// Reason why a stream would lose what it must hold.
    fn unfit(&self, found: &Config) -> Option<&'static str> {
        let is_counted = !matches!(self.holds, Holds::AtMost(_));
        let loses = found.max_age > 0
            || (found.discard != "new" && (found.max_msgs > 0 || found.max_bytes > 0));
        let rules = [
            (
                found.storage != "file",
                "it is in memory, so it ends with the server",
            ),
            (
                found.retention != "limits",
                "its messages are removed once they are read",
            ),
            (
                !found.subjects.contains(&self.subjects),
                "it has other subjects",
            ),
            (is_counted && loses, "it drops old messages"),
            (
                is_counted && (!found.deny_delete || !found.deny_purge),
                "its messages can be deleted one by one",
            ),
            (
                self.holds != Holds::All && found.max_msgs_per_subject != 1,
                "it keeps earlier values",
            ),
            (
                self.holds != Holds::All && !found.allow_msg_ttl,
                "its values never end: the server must be 2.11 or later",
            ),
            (!found.allow_direct, "it allows no direct reads"),
        ];
        rules
            .into_iter()
            .find_map(|(breaks, why)| breaks.then_some(why))
    }

    /// Describes the stream; `None` if there is none.
    pub(crate) async fn look(&self, connection: &Connection) -> Result<Option<Info>, Fault> {
        let verb = format!("STREAM.INFO.{}", self.name);
        match connection.api_now::<Info>(&verb, &Value::Null).await? {
            Ok(info) => self.fit(info).map(Some),
            Err(ApiError {
                err_code: NO_STREAM,
                ..
            }) => Ok(None),
            Err(error) => Err(self.refused(&error)),
        }
    }

    /// Describes the stream, after creating it if there is none.
    pub(crate) async fn look_or_create(&self, connection: &Connection) -> Result<Info, Fault> {
        if let Some(info) = self.look(connection).await? {
            return Ok(info);
        }
        let verb = format!("STREAM.CREATE.{}", self.name);
        match connection.api_now::<Info>(&verb, &self.config()).await? {
            Ok(info) => self.fit(info),
            // Another host was faster.
            Err(ApiError {
                err_code: EXISTS, ..
            }) => {
                let info = self.look(connection).await?;
                info.ok_or_else(|| Fault::Refused(format!("stream `{}` is missing", self.name)))
            }
            Err(error) => Err(self.refused(&error)),
        }
    }

    fn fit(&self, info: Info) -> Result<Info, Fault> {
        match self.unfit(&info.config) {
            None => Ok(info),
            Some(why) => Err(Fault::Refused(format!(
                "stream `{}` cannot hold it: {why}; name another `bucket`, which the host creates as it must be",
                self.name
            ))),
        }
    }

    fn refused(&self, error: &ApiError) -> Fault {
        Fault::Refused(format!(
            "the server refuses stream `{}`: {}",
            self.name, error.description
        ))
    }
}
