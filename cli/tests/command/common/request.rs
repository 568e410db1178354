//! A builder for AuthZEN requests.

use portcullis_host::{Decision, Pdp};
use serde_json::{Value, json};
use std::fmt;

/// An AuthZEN evaluation of an agent's call.
#[derive(Clone)]
pub(crate) struct Request(Value);

impl Request {
    /// Returns a call of `spiffe://a.example/x` without arguments, on a resource called as the integration.
    pub(crate) fn new(integration: &str, action: &str) -> Self {
        Self(json!({
            "subject": { "type": "agent", "id": "spiffe://a.example/x" },
            "action": { "name": action },
            "resource": { "type": "mcp-server", "id": integration },
            "context": { "integration": integration },
        }))
    }

    pub(crate) fn principal(self, id: &str) -> Self {
        self.set("/subject/id", id)
    }

    /// States a property of the subject, such as `environment`.
    pub(crate) fn property(self, name: &str, value: impl Into<Value>) -> Self {
        self.set(&format!("/subject/properties/{name}"), value)
    }

    pub(crate) fn credential(self, id: &str) -> Self {
        self.property("credential-id", id)
    }

    pub(crate) fn resource(self, id: &str) -> Self {
        self.set("/resource/id", id)
    }

    pub(crate) fn argument(self, name: &str, value: impl Into<Value>) -> Self {
        self.set(&format!("/action/properties/{name}"), value)
    }

    pub(crate) fn arguments(self, arguments: &Value) -> Self {
        self.set("/action/properties", arguments.clone())
    }

    pub(crate) fn intent(self, id: &Value) -> Self {
        self.set("/context/intent", json!({ "id": id }))
    }

    /// Carries signed intents, of which `id` is the last of the chain.
    pub(crate) fn carrying(self, id: &Value, documents: &[impl AsRef<str>]) -> Self {
        let documents: Vec<_> = documents.iter().map(AsRef::as_ref).collect();
        self.set(
            "/context/intent",
            json!({ "id": id, "documents": documents }),
        )
    }

    /// Sets the member at a JSON Pointer, and creates the objects around it.
    pub(crate) fn set(mut self, pointer: &str, value: impl Into<Value>) -> Self {
        let mut at = &mut self.0;
        for name in pointer.split('/').skip(1) {
            at = &mut at[name.replace("~1", "/").replace("~0", "~")];
        }
        *at = value.into();
        self
    }

    /// Removes the member at a JSON Pointer.
    pub(crate) fn without(mut self, pointer: &str) -> Self {
        let (object, name) = pointer.rsplit_once('/').unwrap();
        let object = self.0.pointer_mut(object).unwrap().as_object_mut().unwrap();
        assert!(object.remove(name).is_some(), "there is no {pointer}");
        self
    }

    /// Returns the decision of a host.
    pub(crate) fn decide(&self, pdp: &Pdp) -> Decision {
        pdp.evaluate_authzen(self.to_string().as_bytes())
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
