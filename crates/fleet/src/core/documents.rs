//! Marks that only rise, and imported intents.

use crate::bucket::{Entry, Put};
use crate::core::Core;
use crate::core::counts::{hash, name, pause};
use crate::failure::{Failure, Fault};
use base64ct::{Base64, Encoding as _};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Kind of the keys of imported intents.
pub(crate) const INTENT: &str = "intent";

/// Number of attempts to change a value that other hosts change as well.
const ATTEMPTS: u32 = 100;

/// An imported intent, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    pub(crate) id: String,
    /// The document in Base64.
    document: String,
}

impl Document {
    pub(crate) fn read(value: &[u8]) -> Result<Self, Failure> {
        serde_json::from_slice(value)
            .map_err(|error| Failure::refused(format!("a stored intent in it is damaged: {error}")))
    }

    pub(crate) fn bytes(&self) -> Result<Vec<u8>, Failure> {
        Base64::decode_vec(&self.document)
            .map_err(|error| Failure::refused(format!("a stored intent in it is damaged: {error}")))
    }
}

impl Core {
    /// Raises the mark of `mark` to at least `to`, and returns it.
    pub(crate) async fn raise_mark(&self, mark: &str, to: u64) -> Result<u64, Failure> {
        if let Some(why) = self.continuity.lacks() {
            return Err(Failure::Lacks(why));
        }
        let key = name("mark", &hash("mark", mark));
        for attempt in 0..ATTEMPTS {
            let entry = self.values.get_latest(&key).await?;
            let (known, revision) = match &entry {
                None => (0, 0),
                Some(Entry { revision, value }) => {
                    let text = std::str::from_utf8(value).ok();
                    let known = text.and_then(|text| text.parse().ok());
                    let known = known.ok_or_else(|| Failure::refused("a mark in it is damaged"));
                    (known?, *revision)
                }
            };
            if known >= to {
                return Ok(known);
            }
            let put = self.put(&key, Bytes::from(to.to_string()), revision, None);
            match put.await? {
                Put::Stored(_) => return Ok(to),
                Put::Changed => pause(attempt).await,
            }
        }
        Err(too_contended())
    }

    /// Stores the document of an intent under its id.
    pub(crate) async fn keep_intent(&self, id: &str, document: &[u8]) -> Result<(), Failure> {
        // Noted first, so that this host does not take it for the document of another one.
        self.imports.note(document);
        let key = name(INTENT, &hash(INTENT, id));
        let kept = Document {
            id: id.to_owned(),
            document: Base64::encode_string(document),
        };
        let json = serde_json::to_vec(&kept).map_err(Failure::refused)?;
        for attempt in 0..ATTEMPTS {
            let entry = self.values.get_latest(&key).await?;
            let revision = match &entry {
                Some(entry) if Document::read(&entry.value)? == kept => return Ok(()),
                Some(entry) => entry.revision,
                None => 0,
            };
            let put = self.put(&key, Bytes::from(json.clone()), revision, None);
            match put.await? {
                Put::Stored(_) => return Ok(()),
                Put::Changed => pause(attempt).await,
            }
        }
        Err(too_contended())
    }

    /// Documents of all stored intents, in the order of their ids.
    pub(crate) async fn kept_intents(&self) -> Result<Vec<Vec<u8>>, Failure> {
        let mut kept = Vec::new();
        let mut from = 1;
        while let Some(entry) = self.values.next(&format!("{INTENT}.*"), from).await? {
            from = entry.revision.saturating_add(1);
            kept.push(Document::read(&entry.value)?);
        }
        kept.sort_by(|a, b| a.id.cmp(&b.id));
        let documents: Vec<_> = kept.iter().map(Document::bytes).collect::<Result<_, _>>()?;
        for document in &documents {
            self.imports.note(document);
        }
        Ok(documents)
    }
}

fn too_contended() -> Failure {
    Failure::Server(Fault::refused(format!(
        "other hosts changed the same value {ATTEMPTS} times in a row"
    )))
}
