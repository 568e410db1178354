//! Policies that together use every feature of the language.

use serde_json::{Map, Value, json};

/// A policy with its data and settings.
#[derive(Debug)]
pub struct PolicyText {
    /// Description of the policy.
    pub about: &'static str,
    /// Its files: name and text.
    pub policies: &'static [(&'static str, &'static str)],
    /// The contents of `data`, as JSON.
    pub data: &'static str,
    /// The rule that decides.
    pub query: &'static str,
    /// `v1` or `v0`.
    pub version: &'static str,
    /// `indeterminate` or `undefined`.
    pub errors: &'static str,
}

/// Default values of the fields.
const USUAL: PolicyText = PolicyText {
    about: "",
    policies: &[],
    data: "{}",
    query: "data.portcullis.allow",
    version: "v1",
    errors: "indeterminate",
};

impl PolicyText {
    /// Returns the plugin's settings.
    ///
    /// # Panics
    ///
    /// If `data` is not JSON.
    pub fn settings(&self) -> Value {
        let files = self.policies.iter();
        let files: Map<_, _> = files
            .map(|(name, text)| ((*name).to_owned(), json!(text)))
            .collect();
        let data: Value = serde_json::from_str(self.data).expect("the data is JSON");
        json!({
            "policies": files,
            "data": data,
            "query": self.query,
            "version": self.version,
            "errors": self.errors,
        })
    }
}

/// Every policy.
pub const POLICIES: [PolicyText; 23] = [
    PolicyText {
        about: "a default, and several bodies of one rule",
        policies: &[(
            "allow.rego",
            r#"
package portcullis

default allow := false

allow if {
	input.principal.kind == "agent"
	input.action.class in {"read", "write"}
}

allow if input.principal.attestation == "proof-of-possession"
"#,
        )],
        ..USUAL
    },
    PolicyText {
        about: "a rule that is undefined where it does not hold, over data",
        policies: &[(
            "allow.rego",
            r#"
package portcullis

allow if {
	some grant in data.grants
	grant.team == input.principal.attributes.team
	startswith(input.resource.id, grant.prefix)
}
"#,
        )],
        data: r#"{ "grants": [{ "team": "payments", "prefix": "acme/" }, { "team": "shipping", "prefix": "other/" }] }"#,
        ..USUAL
    },
    PolicyText {
        about: "an object with denials from several files",
        policies: &[
            (
                "verdict.rego",
                r#"
package acme.verdict

import data.acme.denials

default allow := false

allow if count(denials.denied) == 0

answer := {"allow": allow, "reasons": denials.denied}
"#,
            ),
            (
                "denials.rego",
                r#"
package acme.denials

denied contains sprintf("%s is not for %s", [input.action.name, input.principal.kind]) if {
	input.action.name == "repos.delete"
}

denied contains {"code": "risk-high", "message": "the session is risky"} if input.context.risk == "high"

denied contains {"code": "prod", "message": concat(", ", sort([input.resource.id, input.resource.kind])), "evidence": ["/resource/environment"]} if {
	input.resource.environment == "prod"
	not input.principal.attestation in {"x509-svid", "proof-of-possession"}
}
"#,
            ),
        ],
        query: "data.acme.verdict.answer",
        ..USUAL
    },
    PolicyText {
        about: "functions, and what must not be there",
        policies: &[(
            "allow.rego",
            r#"
package portcullis

default allow := false

within(path, root) if {
	startswith(path, sprintf("%s/", [root]))
	indexof(path, "..") == -1
}

allow if {
	is_string(input.action.arguments.path)
	within(input.action.arguments.path, "/workspace")
	not input.action.arguments.to
}
"#,
        )],
        ..USUAL
    },
    PolicyText {
        about: "every",
        policies: &[(
            "allow.rego",
            r#"
package portcullis

allow if {
	every label in input.action.arguments.labels {
		label in {"a", "b"}
	}
}
"#,
        )],
        ..USUAL
    },
    PolicyText {
        about: "comprehensions and sets",
        policies: &[(
            "allow.rego",
            r#"
package portcullis

labels := {label | some label in input.action.arguments.labels}

known := {name | some name, _ in data.labels}

allow := count(labels - known) == 0

"#,
        )],
        data: r#"{ "labels": { "a": 1, "public": 2 } }"#,
        ..USUAL
    },
    PolicyText {
        about: "another input, and the data beside it",
        policies: &[(
            "allow.rego",
            r#"
package portcullis

default allow := false

allow if listed with input.resource.id as lower(input.resource.id)

listed if input.resource.id in data.resources
"#,
        )],
        data: r#"{ "resources": ["acme/billing", "2026-4711"] }"#,
        ..USUAL
    },
    PolicyText {
        about: "patterns",
        policies: &[(
            "allow.rego",
            r#"
package portcullis

default allow := false

allow if {
	is_string(input.action.arguments.path)
	regex.match(`^/workspace/(\w+/)*[a-z]+\.TXT$`, upper_end(input.action.arguments.path))
}

upper_end(path) := replace(path, ".txt", ".TXT")
"#,
        )],
        ..USUAL
    },
    PolicyText {
        about: "a builtin that errs",
        policies: &[(
            "allow.rego",
            r#"
package portcullis

allow if to_number(input.context.price) < 10

allow if to_number(input.context.ticket) > 3
"#,
        )],
        ..USUAL
    },
    PolicyText {
        about: "the same where it is undefined, and its absence permits",
        policies: &[(
            "allow.rego",
            r#"
package portcullis

default allow := false

allow if not expensive

expensive if to_number(input.context.price) >= 10
"#,
        )],
        errors: "undefined",
        ..USUAL
    },
    PolicyText {
        about: "two values of one rule",
        policies: &[(
            "allow.rego",
            r#"
package portcullis

allow := true if input.context.risk == "low"

allow := false if input.action.class == "destructive"
"#,
        )],
        ..USUAL
    },
    PolicyText {
        about: "two values of one function",
        policies: &[(
            "allow.rego",
            r#"
package portcullis

default allow := false

rank(principal) := 1 if principal.attributes.critical

rank(principal) := 2 if principal.attributes.level >= 0

allow if rank(input.principal) == 1
"#,
        )],
        ..USUAL
    },
    PolicyText {
        about: "effects, one after the other",
        policies: &[(
            "effect.rego",
            r#"
package acme

verdict := {"effect": "not-applicable"} if {
	not startswith(input.action.name, "issues.")
} else := {"effect": "permit", "reasons": ["an issue of the team"]} if {
	input.principal.attributes.team == "payments"
} else := {"effect": "indeterminate", "reasons": ["nobody says which team"]} if {
	not input.principal.attributes.team
} else := {"effect": "deny", "reasons": [{"message": "another team"}]}
"#,
        )],
        query: "data.acme.verdict",
        ..USUAL
    },
    PolicyText {
        about: "arithmetic",
        policies: &[(
            "allow.rego",
            r#"
package portcullis

default allow := false

allow if {
	is_number(input.action.arguments.limit)
	1000 / input.action.arguments.limit > 5
	spent * spent + 1 < 1000000
}

default spent := 0

spent := input.context.spent
"#,
        )],
        ..USUAL
    },
    PolicyText {
        about: "what stands in where something is missing",
        policies: &[(
            "allow.rego",
            r#"
package portcullis

allow := object.get(input.principal.attributes, "level", 0) >= 2
"#,
        )],
        ..USUAL
    },
    PolicyText {
        about: "versions",
        policies: &[(
            "allow.rego",
            r#"
package portcullis

default allow := false

allow if {
	semver.is_valid(input.context.ticket)
	semver.compare(input.context.ticket, "1.9.0") > 0
}
"#,
        )],
        ..USUAL
    },
    PolicyText {
        about: "encodings",
        policies: &[(
            "allow.rego",
            r#"
package portcullis

default allow := false

allow if base64.encode(input.resource.id) == "YWNtZS9iaWxsaW5n"

allow if hex.encode(input.resource.id) == "323032362d34373131"

allow if {
	read := json.unmarshal(json.marshal(input.action.arguments))
	read.amount == 500
}
"#,
        )],
        ..USUAL
    },
    PolicyText {
        about: "the language before 1.0",
        policies: &[(
            "allow.rego",
            r#"
package portcullis

default allow = false

allow {
	input.principal.kind == "agent"
	count(deny) == 0
}

deny[message] {
	input.action.arguments.amount > data.most
	message := sprintf("%d is too much", [input.action.arguments.amount])
}
"#,
        )],
        data: r#"{ "most": 500 }"#,
        version: "v0",
        ..USUAL
    },
    PolicyText {
        about: "imports and nested packages",
        policies: &[
            (
                "lib/teams.rego",
                r#"
package lib.teams

of(principal) := principal.attributes.team

of(principal) := "guests" if not principal.attributes.team
"#,
            ),
            (
                "allow.rego",
                r#"
package portcullis

import data.lib.teams
import rego.v1

default allow := false

allow if {
	team := teams.of(input.principal)
	input.action.name in data.actions[team]
}
"#,
            ),
        ],
        data: r#"{ "actions": { "payments": ["invoices.pay", "issues.read"], "guests": ["issues.read", "mail.send"] } }"#,
        ..USUAL
    },
    PolicyText {
        about: "a rule that gives no answer",
        policies: &[(
            "allow.rego",
            r#"
package portcullis

default allow := true

allow := 1 if input.action.class in {"admin", "write"}

allow := {"effect": "permit", "allow": true} if input.action.class == "read"
"#,
        )],
        ..USUAL
    },
    PolicyText {
        about: "the intent and the clock",
        policies: &[(
            "allow.rego",
            r#"
package portcullis

default allow := false

allow if {
	input.intent["approved-by"] != ""
	object.get(input.intent, "remaining-uses", 1) > 0
	input.now % 2 == 0
}

allow if {
	input.resource.posture.exposure == "internal"
	not input.resource.posture.privileged
	count(input.action.origins) == 0
}
"#,
        )],
        ..USUAL
    },
    PolicyText {
        about: "a graph of who delegates to whom",
        policies: &[(
            "allow.rego",
            r#"
package portcullis

allow if "spiffe://acme.example/planner" in graph.reachable(data.delegates, {input.principal.id})

allow if "spiffe://acme.example/planner" in input.principal["delegated-by"]
"#,
        )],
        data: r#"{ "delegates": {
            "spiffe://acme.example/fixer": ["spiffe://acme.example/reader"],
            "spiffe://acme.example/reader": ["spiffe://acme.example/planner"],
            "spiffe://acme.example/planner": [],
            "spiffe://other.example/guest": []
        } }"#,
        ..USUAL
    },
    PolicyText {
        about: "values of many types, compared",
        policies: &[(
            "allow.rego",
            r#"
package portcullis

default allow := false

allow if {
	some value in input.principal.attributes
	type_name(value) == "object"
}

allow if input.resource.attributes.tags == ["a", "b"]

allow if "public" in input.resource.attributes.tags

allow if {
	some _, value in input.resource.attributes
	value > true
	value < "h"
}
"#,
        )],
        ..USUAL
    },
];
