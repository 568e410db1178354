//! The policy of the tests of the server: readers and writers of records.
//!
//! It decides the eight requests of the certification scenario of AuthZEN as the scenario demands.

use portcullis_sdk::{Json, Policy, Verdict, policy};
use serde::Deserialize;

/// Lists of principals.
#[derive(Debug, Deserialize)]
pub struct Records {
    readers: Vec<String>,
    writers: Vec<String>,
}

#[policy]
impl Policy for Records {
    fn evaluate(&self, request: &Request) -> Verdict {
        if request.resource().kind() != "record" {
            return Verdict::deny().because("not-a-record", "only records are known");
        }
        let id = request.principal().id();
        let is_listed = |list: &[String]| list.iter().any(|listed| listed == id);
        let role = request.principal().attribute("role");
        let is_administrator = role.and_then(|role| role.as_text()) == Some("admin");
        let status = request.resource().attribute("status");
        let is_archived = status.and_then(|status| status.as_text()) == Some("archived");
        if !is_listed(&self.readers) && !is_listed(&self.writers) {
            return Verdict::deny().because("stranger", "the principal is on no list");
        }
        match request.action().name() {
            "read" => Verdict::permit().because("reader", "the principal may read"),
            "write" if is_administrator => {
                Verdict::permit().because("administrator", "administrators write everything")
            }
            "write" if is_archived => Verdict::deny().because("archived", "the record is archived"),
            "write" if is_listed(&self.writers) => {
                Verdict::permit().because("writer", "the principal may write")
            }
            "delete" if is_listed(&self.writers) => {
                let arguments: Json = match request.arguments() {
                    Ok(arguments) => arguments,
                    Err(error) => return error.into(),
                };
                match arguments.get("soft").and_then(Json::as_bool) {
                    Some(true) => Verdict::permit().because("soft", "the record can be restored"),
                    _ => Verdict::deny().because("final", "the record could not be restored"),
                }
            }
            "write" | "delete" => {
                Verdict::deny().because("stranger", "the principal may not write")
            }
            _ => Verdict::deny().because("unknown-action", "records are read, written and deleted"),
        }
    }
}
