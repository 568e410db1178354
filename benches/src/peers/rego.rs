//! The five rules in Rego.

use crate::workload::class_of;
use regorus::{CompiledPolicy, PolicyModule, Value, compile_policy_with_entrypoint};
use serde_json::json;

/// The five rules, compiled.
pub struct Rego(CompiledPolicy);

impl Rego {
    /// Compiles the rules.
    ///
    /// # Panics
    ///
    /// Never: the rules are valid Rego.
    pub fn new() -> Self {
        let module = PolicyModule {
            id: "five.rego".into(),
            content: include_str!("../../rules/five.rego").into(),
        };
        let compiled = compile_policy_with_entrypoint(
            Value::new_object(),
            &[module],
            "data.five.allow".into(),
        );
        Self(compiled.expect("Rego"))
    }

    /// Decides a prepared input.
    ///
    /// # Panics
    ///
    /// If the rules cannot be evaluated.
    pub fn decide(&self, input: &Value) -> bool {
        let allow = self.0.eval_with_input(input.clone()).expect("a value");
        allow == Value::Bool(true)
    }
}

impl Default for Rego {
    fn default() -> Self {
        Self::new()
    }
}

/// Converts an AuthZEN evaluation to the input of the rules.
///
/// # Panics
///
/// If `evaluation` is invalid.
pub fn prepare(evaluation: &serde_json::Value) -> Value {
    let at = |pointer: &str| evaluation.pointer(pointer).cloned().unwrap_or_default();
    let action = at("/action/name");
    let class = class_of(action.as_str().unwrap_or_default()).as_str();
    let properties = at("/subject/properties");
    let input = json!({
        "principal": {
            "id": at("/subject/id"), "kind": at("/subject/type"),
            "environment": properties["environment"], "attestation": properties["attestation"],
            "owner": properties["owner"], "purpose": properties["purpose"],
            "attributes": properties,
        },
        "intent": at("/context/intent"),
        "action": { "name": action, "class": class, "arguments": at("/action/properties") },
        "resource": {
            "id": at("/resource/id"), "environment": at("/resource/properties/environment"),
            "attributes": at("/resource/properties"),
        },
        "context": at("/context"),
    });
    Value::from_json_str(&input.to_string()).expect("JSON")
}
