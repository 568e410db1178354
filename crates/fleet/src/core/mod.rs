//! State of the client that its tasks share.

pub(crate) mod counts;
pub(crate) mod delivery;
pub(crate) mod documents;
pub(crate) mod imports;

use crate::bucket::{Bucket, Entry, If, Put};
use crate::connect::connect;
use crate::connection::Connection;
use crate::continuity::Continuity;
use crate::core::counts::Slots;
use crate::core::delivery::Delivering;
use crate::core::imports::Imports;
use crate::failure::{Failure, Fault};
use crate::stream::{Holds, Info, Wanted};
use async_nats::Event;
use bytes::Bytes;
use portcullis_trust::state::shared::SharedOptions;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;

/// Key of the value that identifies a bucket.
const ABOUT: &str = "about";

/// Client of a bucket.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) options: SharedOptions,
    pub(crate) connection: Arc<Connection>,
    pub(crate) wanted: Wanted,
    /// Counts, marks and imported intents.
    pub(crate) values: Bucket,
    /// Presented credentials.
    pub(crate) seen: Bucket,
    pub(crate) clone_window_ms: AtomicU64,
    pub(crate) continuity: Continuity,
    pub(crate) slots: Slots,
    pub(crate) imports: Imports,
    pub(crate) delivering: Delivering,
    pub(crate) problems: Problems,
}

impl Core {
    /// Connects to the servers, and opens the bucket.
    ///
    /// With `creates`, a missing one is created; otherwise the result is `None`.
    pub(crate) async fn open(
        options: SharedOptions,
        creates: bool,
    ) -> Result<Option<(Self, UnboundedReceiver<Event>)>, Fault> {
        let (client, events) = connect(&options).await.map_err(Fault::Refused)?;
        let connection = Arc::new(Connection::new(client, options.timeout));
        let bucket = &options.bucket;
        let (values_name, seen_name) = (format!("KV_{bucket}"), format!("KV_{bucket}-seen"));
        let (values_keys, seen_keys) = (format!("$KV.{bucket}."), format!("$KV.{bucket}-seen."));
        let wanted = Wanted {
            name: values_name.clone(),
            subjects: format!("{values_keys}>"),
            holds: Holds::Values,
            replicas: options.replicas,
        };
        let wanted_seen = Wanted {
            name: seen_name.clone(),
            subjects: format!("{seen_keys}>"),
            holds: Holds::AtMost(options.max_credentials),
            replicas: options.replicas,
        };
        let info = match creates {
            true => {
                wanted_seen.look_or_create(&connection).await?;
                Some(wanted.look_or_create(&connection).await?)
            }
            false => match wanted_seen.look(&connection).await? {
                Some(_) => wanted.look(&connection).await?,
                None => None,
            },
        };
        let Some(info) = info else { return Ok(None) };
        connection.set_up();
        let values = Bucket::new(&connection, &values_name, &values_keys);
        let Some(generation) = generation(&values, creates).await? else {
            return Ok(None);
        };
        let seen = Bucket::new(&connection, &seen_name, &seen_keys);
        let core = Self {
            continuity: Continuity::new(generation, &info),
            clone_window_ms: AtomicU64::new(millis(options.clone_window)),
            delivering: Delivering::default(),
            imports: Imports::default(),
            problems: Problems::default(),
            slots: Slots::default(),
            options,
            connection,
            wanted,
            values,
            seen,
        };
        Ok(Some((core, events)))
    }

    /// Describes the bucket, and compares it with the known one.
    pub(crate) async fn compare(&self) -> Result<Info, Fault> {
        let before = self.continuity.changes();
        // A cluster that just started may not know its streams yet. One that is created again is another one.
        let info = self.wanted.look(&self.connection).await?;
        let info = info.ok_or_else(|| Fault::refused("it is missing: it was deleted"))?;
        self.continuity.compare(&info, before);
        Ok(info)
    }

    /// Writes a value, and notes the number of the change.
    pub(crate) async fn put(
        &self,
        key: &str,
        value: Bytes,
        revision: u64,
        ttl: Option<Duration>,
    ) -> Result<Put, Failure> {
        let before = self.continuity.changes();
        let put = self.values.put(key, value, If::Key(revision), ttl).await?;
        if let Put::Stored(change) = put {
            self.continuity.advance(change, before)?;
        }
        Ok(put)
    }
}

/// The name of the bucket, which the first host gives it.
async fn generation(values: &Bucket, creates: bool) -> Result<Option<String>, Fault> {
    let text = |entry: Entry| {
        String::from_utf8(entry.value.to_vec())
            .map(Some)
            .map_err(|_| Fault::refused("the name of the bucket is damaged"))
    };
    if let Some(entry) = values.get_latest(ABOUT).await? {
        return text(entry);
    }
    if !creates {
        return Ok(None);
    }
    let mut name = [0; 16];
    getrandom::fill(&mut name).map_err(Fault::refused)?;
    let name = base16ct::lower::encode_string(&name);
    let put = values.put(ABOUT, Bytes::from(name.clone()), If::Key(0), None);
    match put.await? {
        Put::Stored(_) => Ok(Some(name)),
        Put::Changed => match values.get_latest(ABOUT).await? {
            Some(entry) => text(entry),
            None => Err(Fault::refused("the name of the bucket is missing")),
        },
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Problems that an operator should know of, each with its subject.
#[derive(Debug, Default)]
pub(crate) struct Problems(Mutex<BTreeMap<String, String>>);

/// Number of problems that are kept.
const MOST_PROBLEMS: usize = 64;

impl Problems {
    /// Sets the problem of `subject`, or ends it.
    pub(crate) fn set(&self, subject: &str, problem: Option<String>) {
        let mut problems = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match problem {
            Some(problem) if problems.len() < MOST_PROBLEMS || problems.contains_key(subject) => {
                problems.insert(subject.to_owned(), problem);
            }
            Some(_) => {}
            None => {
                problems.remove(subject);
            }
        }
    }

    pub(crate) fn all(&self) -> Vec<String> {
        let problems = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = problems.iter();
        shown
            .map(|(subject, why)| format!("{subject}: {why}"))
            .collect()
    }
}

/// Key of the state file that belongs to no path: servers and bucket, for errors.
pub(crate) fn place(options: &SharedOptions) -> PathBuf {
    PathBuf::from(format!(
        "{}, bucket `{}`",
        options.servers.join(", "),
        options.bucket
    ))
}
