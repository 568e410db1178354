//! Opening the database, its tables, and the verification of its records.

use super::about::About;
use super::checksums::{checksum, opened, sealed};
use super::failure::Failure;
use crate::regular;
use crate::state::StateError;
use redb::backends::InMemoryBackend;
use redb::{
    Database, ReadableDatabase as _, ReadableTable as _, TableDefinition, TableHandle as _,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Spent uses by key: count, end in milliseconds since 1970, and checksum of both with the key.
///
/// The count may be deleted after the end.
pub(super) const SPENT: TableDefinition<'_, &str, (u64, u64, u64)> =
    TableDefinition::new("spent with checksums");

/// Keys of spent uses, ordered by their ends.
pub(super) const ENDS: TableDefinition<'_, (u64, &str), ()> = TableDefinition::new("ends");

/// Documents of intents by id, each after its checksum.
pub(super) const INTENTS: TableDefinition<'_, &str, (u64, &[u8])> =
    TableDefinition::new("intents with checksums");

/// Marks by name, each with the checksum of both.
pub(super) const MARKS: TableDefinition<'_, &str, (u64, u64)> =
    TableDefinition::new("marks with checksums");

/// Identity of the state, see [`About`].
pub(super) const ABOUT: TableDefinition<'_, &str, &str> = TableDefinition::new("about");

/// Tables of older states, which had no checksums.
pub(super) const SPENT_BEFORE: TableDefinition<'_, &str, (u64, u64)> =
    TableDefinition::new("spent");
pub(super) const INTENTS_BEFORE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("intents");

/// Opens the database, creates missing tables, and verifies every page.
///
/// Reading therefore never finds a table missing, and a file that another program changed is refused.
pub(super) fn open(file: &Path, in_memory: bool) -> Result<(Database, About), StateError> {
    let make = || -> Result<(Database, About), Failure> {
        let mut builder = Database::builder();
        builder.set_check_integrity_on_open(true);
        let database = if in_memory {
            builder.create_with_backend(InMemoryBackend::new())?
        } else {
            // Only the host's user may read the file.
            let mut options = regular::private();
            options.create(true).truncate(false).write(true);
            regular::open_with(&mut options, file)
                .map_err(|error| Failure::of(redb::Error::Io(error)))?;
            builder.create(file)?
        };
        let writing = database.begin_write()?;
        let about = {
            let mut spent = writing.open_table(SPENT)?;
            writing.open_table(ENDS)?;
            writing.open_table(MARKS)?;
            let mut intents = writing.open_table(INTENTS)?;
            let before: Vec<String> = writing
                .list_tables()?
                .map(|table| table.name().to_owned())
                .collect();
            if before.iter().any(|name| name == SPENT_BEFORE.name()) {
                for entry in writing.open_table(SPENT_BEFORE)?.iter()? {
                    let (key, count) = entry?;
                    let (count, until) = count.value();
                    spent.insert(key.value(), sealed(key.value(), count, until))?;
                }
                writing.delete_table(SPENT_BEFORE)?;
            }
            if before.iter().any(|name| name == INTENTS_BEFORE.name()) {
                for entry in writing.open_table(INTENTS_BEFORE)?.iter()? {
                    let (id, document) = entry?;
                    let sum = checksum(&[id.value().as_bytes(), document.value()]);
                    intents.insert(id.value(), (sum, document.value()))?;
                }
                writing.delete_table(INTENTS_BEFORE)?;
            }
            let mut table = writing.open_table(ABOUT)?;
            let known = table
                .get("state")?
                .map(|text| About::read(text.value()))
                .transpose()?;
            match known {
                Some(about) => about,
                None => {
                    let about = About::new()?;
                    table.insert("state", about.text().as_str())?;
                    about
                }
            }
        };
        writing.commit()?;
        verify_records(&database)?;
        Ok((database, about))
    };
    catch_unwind(AssertUnwindSafe(make))
        .unwrap_or_else(|_| {
            Err(Failure::Damaged(
                "opening it failed as only a damaged file does".to_owned(),
            ))
        })
        .map_err(|failure| failure.at(file))
}

/// Verifies checksum and end of every count.
fn verify_records(database: &Database) -> Result<(), Failure> {
    let reading = database.begin_read()?;
    let ends = reading.open_table(ENDS)?;
    for entry in reading.open_table(SPENT)?.iter()? {
        let (key, spent) = entry?;
        let (_, until) = opened(key.value(), spent.value())?;
        if ends.get((until, key.value()))?.is_none() {
            return Err(Failure::Damaged(
                "the end of a spent use is missing".to_owned(),
            ));
        }
    }
    Ok(())
}
