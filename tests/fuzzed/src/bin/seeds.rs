//! Writes the first cases of each target into `corpus`, from files of the repository and from the texts below.
//!
//! Cases that a fuzzer found, and cases whose name begins with `crash-`, stay as they are.

use anyhow::Context as _;
use portcullis_fuzzed::folder;
use portcullis_tests::{raw, root};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

/// Maximum size of a file that is taken for a case, in bytes.
const MOST_BYTES: u64 = 4 * 1024;

fn main() -> anyhow::Result<()> {
    components()?;
    configurations()?;
    intents()?;
    lines()?;
    manifests()?;
    patterns()?;
    requests()?;
    choices()?;
    tokens()?;
    verdicts()
}

fn write(target: &str, name: &str, input: impl AsRef<[u8]>) -> anyhow::Result<()> {
    let folder = folder().join(target);
    fs::create_dir_all(&folder)?;
    let file = folder.join(name);
    fs::write(&file, input).with_context(|| format!("cannot write {}", file.display()))
}

/// Files called `name` in the folders of `parent`, each with the name of its folder.
fn files(parent: &str, name: &str) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(parent))? {
        let entry = entry?;
        let file = entry.path().join(name);
        let is_small = fs::metadata(&file).is_ok_and(|it| it.len() <= MOST_BYTES);
        if is_small {
            found.push((entry.file_name().to_string_lossy().into_owned(), file));
        }
    }
    found.sort();
    Ok(found)
}

fn components() -> anyhow::Result<()> {
    let answer = r#"(data (i32.const 1024) "\00\01\01a\00\00\00\00\00\00") (data (i32.const 1000) "\00\04\00\00\0a")"#;
    let packed = raw::packed_module(answer, "(i32.const 1000)");
    let trap = raw::packed_module("", "unreachable");
    let records = raw::component(&raw::answering(r"\01\00\00\00\00\00"));
    write("component", "records", &records)?;
    write("component", "packed", raw::packed_component(&packed, ""))?;
    write("component", "trap", raw::packed_component(&trap, "\"now\""))?;
    write("component", "cut", &records[..records.len() / 2])?;
    write("component", "core-module", b"\0asm\x01\0\0\0")?;
    write("component", "empty", b"\0asm\x0d\0\x01\0")
}

fn configurations() -> anyhow::Result<()> {
    for demand in [
        "09-reused-single-use-credential-is-denied",
        "12-unknown-destination-without-step-up-is-denied",
        "13-unclassified-action-without-required-checks-is-denied",
        "18-unclassified-action-without-allowed-arguments-is-denied",
    ] {
        let file = root()
            .join("tests/cases/demands")
            .join(demand)
            .join("portcullis.toml");
        let text = fs::read_to_string(&file)?;
        write("config", &format!("demand-{demand}"), text)?;
    }
    // Absolute paths and programs do not belong into the target.
    let every = fs::read_to_string(root().join("host/src/config/portcullis.toml"))?;
    let kept = every.lines().filter(|line| !line.contains("\"/"));
    let kept: Vec<_> = kept.collect();
    write("config", "every-key", kept.join("\n"))?;
    let whole = r#"
[trust-domains]
"acme.example" = "trust.json"
[credentials]
audience = "portcullis.example"
[registry]
path = "registry.toml"
[revocation]
path = "revocations.jsonl"
max-staleness = "100000h"
[intents]
path = "intents"
[intents.approvers]
"alice@acme.example" = "keys.json"
[state]
path = "state.redb"
[log]
path = "decisions.jsonl"
mask = ["/password"]
"#;
    write("config", "every-file", whole)?;
    let plugin = r#"
[engine]
compile = "in-process"
[[integration]]
name = "files"
tier = "vendor"
[integration.actions]
read_file = "read"
[[integration.plugin]]
component = "raw.wasm"
limits = { deadline = "1s" }
"#;
    write("config", "plugin", plugin)?;
    write("config", "empty", "")
}

fn intents() -> anyhow::Result<()> {
    let parent = json!({
        "id": "int-1", "purpose": "open issues", "principal": "spiffe://acme.example/agent/lead",
        "approved-by": { "who": "alice@acme.example", "at": "2026-11-22T08:55:00Z" },
        "issued-at": "2026-11-22T09:00:00Z", "expires-at": "2026-11-22T10:00:00Z", "max-uses": 20,
        "allows": [
            { "integration": "github", "action": "issues.*", "resource": "acme/**",
              "arguments": { "required": ["/title"], "optional": ["/body", "/labels", "/to/name"] },
              "constraints": [
                { "path": "/labels", "op": "subset-of", "value": ["invoice", "bill"] },
                { "path": "/title", "op": "max-length", "value": 9 },
              ] },
            { "integration": "files", "action": "read_*", "resource": "**", "arguments": "open",
              "constraints": [{ "path": "/path", "op": "under", "value": "/workspace" }] },
            { "integration": "mail", "action": "send", "resource": "out",
              "arguments": { "required": ["/to"] },
              "constraints": [{ "path": "/to", "op": "origin-is", "value": ["user", "tool:crm"] }] },
        ],
        "denies": [{ "integration": "github", "action": "*", "resource": "acme/payroll" }],
    });
    let child = |change: &dyn Fn(&mut Value)| {
        let mut child = parent.clone();
        child["id"] = json!("int-2");
        child["principal"] = json!("spiffe://acme.example/agent/fixer");
        child["approved-by"]["who"] = json!("spiffe://acme.example/agent/lead");
        child["max-uses"] = json!(5);
        change(&mut child);
        format!("{parent}\n{child}\n")
    };
    write("intents", "same", child(&|_| {}))?;
    write(
        "intents",
        "narrower",
        child(&|child| {
            child["allows"][0]["action"] = json!("issues.create");
            child["allows"][0]["resource"] = json!("acme/bill*");
            child["allows"][0]["constraints"][0]["value"] = json!(["bill"]);
            child["allows"][0]["constraints"][1]["value"] = json!(4);
            child["allows"][0]["arguments"] = json!({ "required": ["/title", "/labels"] });
            child["allows"][1]["constraints"][0]["value"] = json!("/workspace/out");
            child["allows"][2]["constraints"][0]["value"] = json!(["tool:crm#/to"]);
        }),
    )?;
    write(
        "intents",
        "one-allowance",
        child(&|child| {
            child["allows"] = json!([{
                "integration": "files", "action": "read_a", "resource": "x",
                "constraints": [{ "path": "/path", "op": "equals", "value": "/workspace/a" }],
            }]);
        }),
    )?;
    write(
        "intents",
        "wider-action",
        child(&|child| child["allows"][0]["action"] = json!("*")),
    )?;
    write(
        "intents",
        "wider-resource",
        child(&|child| child["allows"][0]["resource"] = json!("**")),
    )?;
    write(
        "intents",
        "no-denial",
        child(&|child| child["denies"] = json!([])),
    )?;
    write(
        "intents",
        "no-constraint",
        child(&|child| child["allows"][1]["constraints"] = json!([])),
    )?;
    write(
        "intents",
        "longer",
        child(&|child| child["expires-at"] = json!("2026-11-22T10:00:01Z")),
    )?;
    let exact = json!([{ "integration": "i", "action": "a", "resource": "r", "arguments": "open",
        "constraints": [
            { "path": "/n", "op": "at-least", "value": 1 }, { "path": "/n", "op": "at-most", "value": 3 },
            { "path": "/p", "op": "prefix", "value": "a" }, { "path": "/o", "op": "one-of", "value": ["a", 1, null] },
        ] }]);
    let mut of_numbers = parent.clone();
    of_numbers["allows"] = exact;
    let mut narrower = of_numbers.clone();
    narrower["approved-by"]["who"] = json!("bob@acme.example");
    narrower["allows"][0]["constraints"][0]["value"] = json!(2);
    narrower["allows"][0]["constraints"][2]["value"] = json!("ab");
    narrower["allows"][0]["constraints"][3]["value"] = json!(["a"]);
    write("intents", "numbers", format!("{of_numbers}\n{narrower}\n"))
}

fn lines() -> anyhow::Result<()> {
    for (number, demand) in [
        "20-edited-log-is-refused",
        "25-posture-report-compares-two-periods",
        "27-dormant-identity-is-reported",
    ]
    .iter()
    .enumerate()
    {
        let file = root()
            .join("tests/cases/demands")
            .join(demand)
            .join("decisions.jsonl");
        let log = fs::read(&file)?;
        let with = |log: &[u8]| [&[u8::try_from(number).unwrap_or_default()], log].concat();
        write("log", &format!("whole-{number}"), with(&log))?;
        let last = log[..log.len() - 1].iter().rposition(|byte| *byte == b'\n');
        let last = last.map_or(0, |at| at + 1);
        write(
            "log",
            &format!("one-line-less-{number}"),
            with(&log[..last]),
        )?;
        write("log", &format!("cut-{number}"), with(&log[..log.len() - 9]))?;
    }
    for (name, list) in [
        ("whole", portcullis_fuzzed::REVOCATIONS.to_owned()),
        (
            "longer",
            format!(
                "{}{}",
                portcullis_fuzzed::REVOCATIONS,
                r#"{"epoch":7,"at":"2026-11-22T09:05:00Z","lift":true,"kind":"credential","id":"jti-17","reason":"mistake","by":"bob"}
"#
            ),
        ),
        (
            "one-line-less",
            portcullis_fuzzed::REVOCATIONS
                .lines()
                .take(7)
                .map(|line| format!("{line}\n"))
                .collect(),
        ),
        (
            "older",
            portcullis_fuzzed::REVOCATIONS
                .lines()
                .take(4)
                .map(|line| format!("{line}\n"))
                .collect(),
        ),
        (
            "of-another",
            portcullis_fuzzed::REVOCATIONS.replace("jti-17", "jti-18"),
        ),
        ("cut", portcullis_fuzzed::REVOCATIONS.trim_end().to_owned()),
        ("empty", String::new()),
    ] {
        write("revocations", name, list)?;
    }
    Ok(())
}

fn manifests() -> anyhow::Result<()> {
    for plugin in ["http-api", "mcp-tools", "github", "cedar", "rego"] {
        let file = root().join("plugins").join(plugin).join("plugin.toml");
        write("manifest", plugin, fs::read(&file)?)?;
    }
    write("manifest", "raw", raw::MANIFEST)?;
    let small = raw::MANIFEST.replace(
        "[reasons]",
        "obligations = [\"step-up\", \"notification\"]\n[reasons]",
    );
    let settings =
        "[settings]\na = [1, -2.5, 1e300, true, \"\\u0007\"]\nb.c = { \"d e\" = [[], {}] }\n";
    write("manifest", "settings", format!("{small}{settings}"))?;
    let odd = "[settings]\na = 1979-05-27T07:32:00Z\nb = 07:32:00\nc = nan\nd = -inf\ne = 0x7fffffffffffffff\n";
    write("manifest", "odd-values", format!("{small}{odd}"))?;
    write("manifest", "no-toml", "name = ")
}

fn patterns() -> anyhow::Result<()> {
    for (name, input) in [
        (
            "repositories",
            "acme/*\nacme/**\n\nacme/billing\nacme/payroll\nacme/x/y\nacme/%2e%2e",
        ),
        (
            "actions",
            "issues.*\nissues.create\n\nissues.create\nissues.list",
        ),
        (
            "middle",
            "acme/**/hooks\nacme/*/hooks\nexact\nacme/hooks\nacme/a/b/hooks",
        ),
        (
            "globs",
            "release-*-rc*\n*-rc1\n\nrelease-1-rc1\nrelease--rc",
        ),
        (
            "names",
            "Acme/Payroll.git\nacme/payroll\ninsensitive .git\nACME/payroll.GIT\nacme/payroll.git.git",
        ),
        (
            "tags",
            "reg/payroll:v1\nreg/payroll*\nexact :latest\nreg/payroll:v1@sha256:abc\nreg/payroll:latest",
        ),
        ("rooted", "/etc/**\n**\n\n/etc/passwd\netc/passwd\n//etc"),
        ("deep", "**/a/**/b\n**\n\nx/a/y/b\na/b"),
        ("short", "*a\na*\n\na\naa"),
        ("short-deep", "**\n*/*\n\na\na/b"),
        (
            "letters",
            "caf\u{e9}/*\n*/\u{3c3}\ninsensitive\ncafe\u{301}/x\nCAF\u{c9}/\u{3a3}\n\u{212a}",
        ),
        ("foreign", "^delete\n{a,b}\n\ndelete"),
    ] {
        write("patterns", name, input)?;
    }
    Ok(())
}

fn requests() -> anyhow::Result<()> {
    for plugin in ["http-api", "mcp-tools", "github"] {
        for (case, file) in files(&format!("plugins/{plugin}/cases"), "request.json")?
            .into_iter()
            .step_by(3)
        {
            let target = match plugin {
                "mcp-tools" => "mcp",
                _ => "request",
            };
            write(target, &format!("{plugin}-{case}"), fs::read(file)?)?;
        }
    }
    for (demand, file) in files("tests/cases/demands", "request.json")?
        .into_iter()
        .step_by(9)
    {
        write("request", &format!("demand-{demand}"), fs::read(file)?)?;
    }
    let every = json!({
        "subject": { "type": "break-glass", "id": "spiffe://a.example/u", "properties": {
            "owner": "o@a", "purpose": "", "environment": "prod", "attestation": "proof-of-possession",
            "credential-id": "jti", "credential-issued-at": "2026-11-16T10:00:00.123+01:00",
            "credential-expires-at": "2099-01-01T00:00:00Z", "instance": "pod-1", "workload-digest": "sha256:1",
            "delegated-by": ["spiffe://a.example/x"], "text": "\u{0}€😀", "integer": -9_007_199_254_740_991_i64,
            "flag": true, "texts": ["", "b"], "float": 1.5, "null": null } },
        "action": { "name": "x.y", "properties": { "a": { "b": [1, 2.5, null, "…", 1e21] } } },
        "resource": { "type": "t", "id": "i", "properties": { "environment": "prod",
            "posture": { "exposure": "partner", "health": "degraded", "privileged": false, "legacy": true,
                         "observed-at": "2026-11-16T09:59:00Z" }, "k": "v" } },
        "context": { "integration": "n", "c": false, "session-path": "machine", "supported_obligations": ["step-up"],
            "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "intent": { "id": "int", "purpose": "p", "approved-by": "w", "expires-at": "2099-01-01T00:00:00Z",
                        "remaining-uses": 9_007_199_254_740_991_i64, "documents": ["a.b.c"] },
            "argument-origins": [{ "path": "/a/b/0", "origin": "user" },
                                 { "path": "/a", "part": "b", "origins": ["tool:web~/0/t", "unknown"] }],
            "input-responses": { "ok": true }, "request-state": "opaque" },
    });
    write("request", "every-member", every.to_string())?;
    write(
        "request",
        "twice",
        r#"{"subject":{"type":"a","id":"x","id":"y"}}"#,
    )?;
    let message = json!({
        "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": { "name": "read_file",
            "arguments": { "path": "/w/a" }, "_meta": { "progressToken": 1 }, "task": { "ttl": 60000 },
            "inputResponses": { "confirm": { "n": 1.0 } }, "requestState": "opaque" } });
    write("mcp", "message", message.to_string())?;
    let envelope = json!({
        "integration": "files", "principal": { "id": "spiffe://acme.example/agent", "kind": "agent",
            "attestation": "jwt-svid" }, "context": { "session": "s-1", "session-path": "interactive" },
        "resource": { "kind": "folder", "id": "home", "environment": "prod" }, "intent": { "id": "int-1" },
        "argument-origins": [{ "path": "/path", "origin": "user" }], "supported_obligations": [],
        "message": message });
    write("mcp", "envelope", envelope.to_string())
}

/// Inputs that select what a target makes.
fn choices() -> anyhow::Result<()> {
    for (name, input) in [
        ("unchanged-large", &[0][..]),
        ("unchanged-0", &[3]),
        ("unchanged-1", &[1]),
        ("unchanged-2", &[2]),
        ("byte-of-the-component", &[1, 0, 40, 0, 0]),
        ("byte-of-the-module", &[1, 2, 40, 0, 0]),
        ("section-removed", &[1, 1, 2, 0, 0]),
        ("section-of-the-module-moved", &[2, 3, 2, 3, 2]),
        ("section-repeated", &[2, 1, 1, 1, 1]),
        ("byte-of-the-large-module", &[0, 2, 1, 2, 0, 3]),
    ] {
        write("plugin", name, input)?;
    }
    for (name, input) in [
        ("unchanged", &[][..]),
        ("marks", &[0, 9, 3]),
        ("used-byte", &[1, 7, 1, 3]),
        ("any-byte", &[5, 7, 1, 0, 3]),
        ("cut", &[6, 0, 200, 0]),
        ("copied", &[7, 0, 8, 0, 0, 16, 0]),
        ("several", &[1, 1, 0, 1, 2, 9, 1, 3, 3, 90, 0, 2]),
    ] {
        write("state", name, input)?;
    }
    for number in 0..8_u64 {
        let words = (0..64_u64).flat_map(|word| {
            let bits = (number * 64 + word + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            (bits ^ (bits >> 29))
                .wrapping_mul(0xbf58_476d_1ce4_e5b9)
                .to_le_bytes()
        });
        write(
            "reset",
            &format!("random-{number}"),
            words.collect::<Vec<u8>>(),
        )?;
    }
    Ok(())
}

fn tokens() -> anyhow::Result<()> {
    let svid_header = r#"{"alg":"ES256","kid":"k","typ":"JWT"}"#;
    let svid = r#"{"sub":"spiffe://acme.example/agent/fixer","aud":["portcullis.example"],"iat":1700000000,"exp":4102444800,"jti":"t-1"}"#;
    let proof_header = r#"{"typ":"dpop+jwt","alg":"ES256","jwk":"$jwk"}"#;
    let proof = r#"{"htm":"POST","htu":"https://files.acme.example/v1/a","iat":"$now","jti":"p-1","ath":"$ath"}"#;
    let intent_header = r#"{"typ":"intent+jwt","alg":"ES256","kid":"k"}"#;
    let intent = json!({
        "iss": "alice@acme.example", "sub": "spiffe://acme.example/agent/fixer", "jti": "int-1",
        "iat": 1_795_337_700, "nbf": 1_795_338_000, "exp": 1_795_341_600, "aud": "portcullis.example",
        "authorization_details": [{
            "type": "portcullis_intent", "id": "int-1", "purpose": "p",
            "principal": "spiffe://acme.example/agent/fixer",
            "approved-by": { "who": "alice@acme.example", "at": "2026-11-22T08:55:00Z" },
            "issued-at": "2026-11-22T09:00:00Z", "expires-at": "2026-11-22T10:00:00Z",
            "allows": [{ "integration": "i", "action": "a", "resource": "r", "arguments": "open" }],
        }],
    })
    .to_string();
    for (kind, header, claims) in [
        ("svid", svid_header, svid),
        ("proof", proof_header, proof),
        ("intent", intent_header, intent.as_str()),
    ] {
        for signing in ["signed", "other-key", "moved", "unsigned"] {
            let input = format!("{kind}\n{signing}\n{header}\n{claims}");
            write("tokens", &format!("{kind}-{signing}"), input)?;
        }
    }
    let bound = svid.replace("\"jti\"", "\"cnf\":{\"jkt\":\"$jkt\"},\"jti\"");
    write(
        "tokens",
        "svid-bound",
        format!("svid\nsigned\n{svid_header}\n{bound}"),
    )?;
    let none = svid_header.replace("ES256", "none");
    write(
        "tokens",
        "svid-none",
        format!("svid\nunsigned\n{none}\n{svid}"),
    )?;
    write("tokens", "raw", "svid\nraw\neyJhbGciOiJFUzI1NiJ9.e30.AA\n")
}

fn verdicts() -> anyhow::Result<()> {
    // (effect, reasons, obligations, advice, narrowing, requestable) in postcard's encoding, after the choice of the
    // packed guest.
    for (name, answer) in [
        ("permit", &b"\0\0\x01\x01a\0\0\0\0\0\0"[..]),
        ("permit-without-reason", b"\0\0\0\0\0\0\0"),
        ("deny", b"\0\x01\0\0\0\0\0"),
        ("requestable", b"\0\x01\0\0\0\0\x01"),
        ("not-applicable", b"\0\x02\0\0\0\0\0"),
        ("advice", b"\0\0\x01\x01a\x03m\nn\x01\x02/a\0\x01\x01i\x0cnotification\x08{\"a\":1} \0\0"),
        ("narrowing", b"\0\0\x01\x01a\0\0\0\0\x01\x01\x02/n\x05\x015\x01\x7f\x01\x02\0"),
        ("one-of", b"\0\0\x01\x01a\0\0\0\0\x01\x01\x02/n\x01\x05[1,2]\0\0\0"),
        ("longer", b"\0\x01\0\0\0\0\0\0"),
        ("shorter", b"\0\x01\0\0\0\0"),
        ("huge-list", b"\0\x01\xff\xff\xff\xff\x0f\0\0\0\0"),
        ("records-deny", b"\x01\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
    ] {
        write("verdict", name, answer)?;
    }
    // Records at address 1024: a permit whose reasons are at 1088, with the code at 1116.
    let mut records = vec![0_u8; 96];
    records[4..8].copy_from_slice(&1088_u32.to_le_bytes());
    records[8..12].copy_from_slice(&1_u32.to_le_bytes());
    records[64..68].copy_from_slice(&1116_u32.to_le_bytes());
    records[68..72].copy_from_slice(&1_u32.to_le_bytes());
    records[92] = b'a';
    records.insert(0, 1);
    write("verdict", "records-permit", records)
}
