//! A packed request equals the request in records, and so does the verdict.

use portcullis_cases::{Case, folders};
use portcullis_host::{Fault, Plugin, PluginLimits, PluginSource, Request, Verdict};
use portcullis_tests::{guests, root};

fn load(folder: &str) -> Plugin {
    let source = PluginSource::new(guests::component(folder).unwrap()).compile_in_process();
    Plugin::load(&source.limits(guests::patient())).unwrap()
}

fn answer(plugin: &Plugin, case: &Case) -> Verdict {
    let class = portcullis_host::ActionClass::Destructive;
    let evaluation = plugin.evaluate(&case.request, class, case.now());
    evaluation.outcome.unwrap()
}

/// The request as the guest prints it: `echo` the SDK's types, `echo-typed` its own.
fn told_of(verdict: &Verdict) -> &str {
    &verdict.reasons[0].message
}

fn without_told(verdict: &Verdict) -> Verdict {
    let mut verdict = verdict.clone();
    verdict.reasons[0].message.clear();
    verdict
}

/// The values in a request as a guest prints it: texts, numbers and names of variants, without the names of
/// types and fields.
fn words(told: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = told;
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '"' => {
                let escaped = |at: usize| {
                    rest[..at].bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1
                };
                let mut ends = rest.match_indices('"').skip(1).map(|(at, _)| at);
                ends.find(|at| !escaped(*at)).unwrap() + 1
            }
            c if c.is_ascii_alphanumeric() || c == '-' => {
                let is_word = |c: char| c.is_ascii_alphanumeric() || "-_:".contains(c);
                rest.find(|c| !is_word(c)).unwrap_or(rest.len())
            }
            c => {
                rest = &rest[c.len_utf8()..];
                continue;
            }
        };
        let (word, after) = rest.split_at(length);
        rest = after;
        let is_type = word.ends_with(':') || after.starts_with(" {") || word == "Timestamp";
        if word.starts_with('"') || !is_type {
            words.push(word.rsplit("::").next().unwrap_or(word).to_owned());
        }
    }
    words
}

#[test]
fn both_ways_say_the_same_of_every_case() {
    let (packed, typed) = (load("tests/guests/echo"), load("tests/guests/echo-typed"));
    assert_ne!(packed.digest(), typed.digest());
    let mut told = std::collections::BTreeSet::new();
    for plugin in guests::PLUGINS {
        for folder in folders(&root().join("plugins").join(plugin).join("cases")).unwrap() {
            let case = Case::read(&folder).unwrap();
            let (packed, typed) = (answer(&packed, &case), answer(&typed, &case));
            assert_eq!(without_told(&packed), without_told(&typed), "{}", case.name);
            let (packed_told, typed_told) = (told_of(&packed), told_of(&typed));
            assert_eq!(words(packed_told), words(typed_told), "{}", case.name);
            assert_eq!(packed.obligations.len() + packed.advice.len(), 2);
            told.insert(packed_told.to_owned());
        }
    }
    assert!(told.len() > 40, "it was told {} things", told.len());
}

#[test]
fn every_field_of_a_request_arrives_both_ways() {
    let json = r#"{
      "subject": { "type": "break-glass", "id": "spiffe://a.example/ü", "properties": {
        "owner": "o@a", "purpose": "", "environment": "prod", "attestation": "proof-of-possession",
        "credential-expires-at": "2099-01-01T00:00:00Z", "delegated-by": ["spiffe://a.example/x", "spiffe://a.example/y"],
        "text": "ä\u0000€😀", "integer": -9007199254740991, "flag": true, "texts": ["", "b"], "empty": [], "float": 1.5, "null": null } },
      "action": { "name": "x.y", "properties": { "a": { "b": [1, 2.5, null, "…"] } } },
      "resource": { "type": "t", "id": "i", "properties": { "environment": "prod",
        "posture": { "exposure": "partner", "health": "degraded", "privileged": false, "legacy": true,
                     "observed-at": "2026-11-16T09:59:00Z" }, "k": "v" } },
      "context": { "integration": "n", "c": false,
        "intent": { "id": "int", "purpose": "p", "approved-by": "w", "expires-at": "2099-01-01T00:00:00Z",
                    "remaining-uses": 18446744073709551 },
        "argument-origins": [{ "path": "/a/b/0", "origin": "user" }, { "path": "/a", "part": "b", "origins": ["tool:web~/0/t", "unknown"] }],
        "input-responses": { "ok": true }, "request-state": "opaque" } }"#
        .replace("/ü", "/u")
        .replace("18446744073709551", "9007199254740991");
    let request =
        Request::from_authzen(json.as_bytes(), &portcullis_host::RequestLimits::default());
    let case = Case {
        request: request.unwrap(),
        ..Case::read(&first_case()).unwrap()
    };
    let (packed, typed) = (load("tests/guests/echo"), load("tests/guests/echo-typed"));
    let (packed, typed) = (answer(&packed, &case), answer(&typed, &case));
    assert_eq!(without_told(&packed), without_told(&typed));
    assert_eq!(words(told_of(&packed)), words(told_of(&typed)));
    let told = told_of(&packed);
    for part in [
        "BreakGlass",
        "ProofOfPossession",
        "Destructive",
        "spiffe://a.example/y",
        "-9007199254740991",
        "Boolean(true)",
        "Texts([\"\", \"b\"])",
        "Texts([])",
        "Json(\"1.5\")",
        "Json(\"null\")",
        "€😀",
        "remaining_uses: Some(9007199254740991)",
        "Partner",
        "Degraded",
        "privileged: Some(false)",
        "legacy: Some(true)",
        "drifted: None",
        r#"ArgumentOrigin { path: "/a/b/0", part: None, origins: ["user"] }"#,
        r#"ArgumentOrigin { path: "/a", part: Some("b"), origins: ["tool:web~/0/t", "unknown"] }"#,
        r#"input_responses: Some("{\"ok\":true}")"#,
        r#"request_state: Some("opaque")"#,
        "2.5,null,",
    ] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
}

fn first_case() -> std::path::PathBuf {
    let cases = folders(&root().join("plugins/github/cases")).unwrap();
    cases[0].clone()
}

#[test]
fn a_packed_verdict_is_bounded() {
    let limits = PluginLimits {
        output_bytes: 512,
        ..guests::patient()
    };
    let case = Case::read(&first_case()).unwrap();
    let source = PluginSource::new(guests::component("tests/guests/echo").unwrap())
        .compile_in_process()
        .limits(limits);
    let class = portcullis_host::ActionClass::Read;
    let too_long = Plugin::load(&source)
        .unwrap()
        .evaluate(&case.request, class, case.now());
    assert_eq!(too_long.outcome, Err(Fault::OutputTooLarge));
}

#[test]
fn a_guest_reads_the_numbers_that_the_host_reads() {
    let guests = [load("tests/guests/echo"), load("tests/guests/echo-typed")];
    let mut seed = 1_u64;
    let mut next = || {
        // A linear congruential generator, so that every run uses the same numbers.
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        seed
    };
    for round in 0..20 {
        let mut numbers = vec![
            100.000_000_000_000_01,
            0.1,
            1e22,
            5e-324,
            123.456e78,
            -2.5,
            7.0,
        ];
        for _ in 0..200 {
            // Numbers of all magnitudes up to 2^53, and the next larger doubles.
            let number = (next() >> 11) as f64 / 2_f64.powi(i32::try_from(next() % 90).unwrap());
            numbers.extend([number, f64::from_bits(number.to_bits() + 1)]);
        }
        numbers.retain(|it| it.fract() != 0.0 || it.abs() < 9e15 || *it == 1e22);
        let texts: Vec<_> = numbers.iter().map(|number| format!("{number:e}")).collect();
        let json = format!(
            r#"{{ "subject": {{ "type": "agent", "id": "a" }}, "resource": {{ "type": "t", "id": "r" }},
                 "action": {{ "name": "a", "properties": {{ "numbers": [{}] }} }},
                 "context": {{ "integration": "n" }} }}"#,
            texts.join(",")
        );
        let limits = portcullis_host::RequestLimits::default();
        let request = Request::from_authzen(json.as_bytes(), &limits).unwrap();
        let bits = |number: f64| format!("{:016x}", number.to_bits());
        let sent: Vec<_> = numbers.into_iter().map(bits).collect();
        let listed = request.arguments()["numbers"].as_array().unwrap();
        let read: Vec<_> = listed.iter().map(|it| bits(it.as_f64().unwrap())).collect();
        assert_eq!(read, sent, "round {round}");
        let case = Case {
            request,
            ..Case::read(&first_case()).unwrap()
        };
        for guest in &guests {
            assert_eq!(
                answer(guest, &case).reasons[1].message,
                sent.join(" "),
                "round {round}"
            );
        }
    }
}
