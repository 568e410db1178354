package five

import rego.v1

default allow := false

allow if {
	permitted
	not forbidden
}

permitted if {
	input.principal.kind == "agent"
	input.action.name in {"issues.create", "issues.comment", "issues.label"}
	startswith(input.resource.id, "acme/")
	input.principal.environment == input.resource.environment
}

permitted if {
	input.action.class == "read"
	input.principal.attributes.team == input.resource.attributes.team
}

forbidden if {
	input.action.class in {"destructive", "admin"}
	input.principal.attestation != "proof-of-possession"
}

forbidden if input.context.risk == "high"

forbidden if {
	input.principal.kind == "agent"
	not approved
}

approved if input.intent["approved-by"] != ""
