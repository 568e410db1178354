//! tmp
use portcullis_sdk::{Pattern, Policy, Request, Verdict};
use serde::Deserialize;

#[derive(Deserialize)]
struct Repositories { allowed: Vec<Pattern> }

impl Policy for Repositories {
    fn evaluate(&self, request: &Request) -> Verdict {
        match self.allowed.iter().find(|p| p.matches(&request.resource.id)) {
            Some(p) => Verdict::permit().because("repository-allowed", format!("`{p}` allows it")),
            None => Verdict::deny().because("repository-not-allowed", "no pattern allows it"),
        }
    }
}
portcullis_sdk::export!(Repositories);
