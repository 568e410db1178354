//! `portcullis intent explain`.

use super::{HELPER, intent, read};
use crate::common::Folder;
use serde_json::json;
use snapbox::str;

#[test]
fn explains_an_intent_for_every_format_of_a_request() {
    let folder = Folder::new();
    let approved = json!({
        "id": "int-1", "purpose": "p", "principal": HELPER,
        "approved-by": { "who": "alice@acme.example", "at": "2026-01-01T00:00:00Z" },
        "issued-at": "2026-01-01T00:00:00Z", "expires-at": "2099-01-01T00:00:00Z",
        "allows": [{ "integration": "files", "action": "read", "resource": "files", "arguments": { "required": ["/path"] } }],
    });
    folder.write("intents/int-1.json", approved.to_string());
    let named = json!("int-1");
    let request = read(HELPER, "/w/a").intent(&named).to_string();
    folder.write("authzen.json", request);
    let call = json!({
        "integration": "files", "principal": { "id": HELPER, "kind": "agent" }, "intent": { "id": named },
        "message": {
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": "read", "arguments": { "path": "/w/a" } },
        },
    });
    folder.write("mcp.json", call.to_string());
    let explain = |file: &str, more: &[&str]| {
        let explain = ["explain", "int-1", "--request", file];
        intent(&folder, &[&explain[..], more].concat())
    };
    let authzen = explain("authzen.json", &[]);
    authzen.is(str![[r#"
exit 0
-- stdout
intent int-1 of spiffe://acme.example/agent/helper, approved by alice@acme.example: p
  yes is valid from [TIME] to 2099-01-01T00:00:00Z
  yes allows `files: read files` with the arguments `{"required":["/path"]}`
the request is within it
"#]]);
    for more in [&[][..], &["--from", "mcp"]] {
        assert_eq!(explain("mcp.json", more).to_string(), authzen.to_string());
    }
    explain("mcp.json", &["--from", "authzen"]).is(str![[r#"
exit 3
-- stderr
error: mcp.json: `/subject`: missing: expected an object
"#]]);
}
