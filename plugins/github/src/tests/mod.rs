//! Tests of the plugin in its native harness.

mod arguments;
mod branches;
mod files;
mod settings;

use super::*;
use portcullis_sdk::Effect;
use portcullis_sdk::testing::{Plugin, RequestBuilder, request};

fn plugin() -> Plugin<GitHub> {
    Plugin::load(json!({ "repositories": ["acme/*"] }))
}

fn by(kind: PrincipalKind, action: &str) -> RequestBuilder {
    request(action)
        .resource("repository", "acme/billing")
        .principal("spiffe://acme.example/ns/dev/agent/fixer", kind)
}
