//! Answers of guests.
//!
//! A guest answers with the bytes of the input: packed, or as records in its memory.
//!
//! - A packed answer is a verdict exactly if another decoder reads it as one that follows the rules.
//! - The host permits only with such a verdict that permits.
//! - The decision, as JSON, has no text that is not printable.

use crate::Read;
use portcullis_contract::{Constraint, Effect, Manifest, check_verdict, is_printable};
use portcullis_host::{
    ActionClass, Fault, Integration, Pdp, Plugin, PluginLimits, PluginSource, Principal, Request,
    RequestLimits, Resource, Verdict,
};
use portcullis_tests::raw;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::sync::LazyLock;
use std::time::Duration;

/// Copies the bytes that the arguments state between `##` and `#`, as two letters each, to address 1024.
///
/// One `#` could be the length of a text.
const COPY: &str = r#"
  (local $from i32) (local $to i32)
  (local.set $from (i32.const 65536))
  (local.set $to (i32.const 1024))
  (loop $search
    (local.set $from (i32.add (local.get $from) (i32.const 1)))
    (br_if $search (i32.ne (i32.load16_u (i32.sub (local.get $from) (i32.const 1))) (i32.const 0x2323))))
  (local.set $from (i32.add (local.get $from) (i32.const 1)))
  (block $end
    (loop $copy
      (br_if $end (i32.eq (i32.load8_u (local.get $from)) (i32.const 35)))
      (i32.store8 (local.get $to)
        (i32.or
          (i32.shl (i32.sub (i32.load8_u (local.get $from)) (i32.const 97)) (i32.const 4))
          (i32.sub (i32.load8_u offset=1 (local.get $from)) (i32.const 97))))
      (local.set $from (i32.add (local.get $from) (i32.const 2)))
      (local.set $to (i32.add (local.get $to) (i32.const 1)))
      (br $copy)))"#;

/// A decision point with one guest, and the guest's manifest.
struct Host {
    pdp: Pdp,
    plugin: Plugin,
}

static PACKED: LazyLock<Host> = LazyLock::new(|| {
    let body = format!(
        "{COPY} (i32.store (i32.const 1000) (i32.const 1024))
        (i32.store (i32.const 1004) (i32.sub (local.get $to) (i32.const 1024)))
        (i32.const 1000)"
    );
    let module = raw::packed_module("", &body);
    Host::of(raw::packed_component(&module, "\"action.arguments\""))
});

static IN_RECORDS: LazyLock<Host> = LazyLock::new(|| {
    let body = format!("{COPY} (i32.const 1024)");
    // Guests in records are given all fields that their manifest lists.
    let component = raw::component(&raw::module("", &body));
    Host::of(with_arguments(&component))
});

/// The component with `action.arguments` in the place of no field, in its manifest.
fn with_arguments(component: &[u8]) -> Vec<u8> {
    let mut sections = crate::sections::Sections::of(component).expect("a component");
    for (_, content) in &mut sections.list {
        let none = b"needs = []";
        if let Some(at) = content.windows(none.len()).position(|it| it == none) {
            let listed = b"needs = [\"action.arguments\"]";
            content.splice(at..at + none.len(), listed.iter().copied());
        }
    }
    sections.joined()
}

impl Host {
    fn of(component: Vec<u8>) -> Self {
        let limits = PluginLimits {
            deadline: Duration::from_secs(5),
            ..PluginLimits::default()
        };
        let source = PluginSource::new(component)
            .compile_in_process()
            .limits(limits);
        let plugin = Plugin::load(&source).expect("the guest loads");
        let integration = Integration::new("raw")
            .action("read", ActionClass::Read)
            .plugin(Plugin::load(&source).expect("the guest loads"));
        let pdp = Pdp::builder().integration(integration).build();
        let pdp = pdp.expect("a decision point");
        Self { pdp, plugin }
    }
}

pub(super) fn run(input: &[u8]) -> Read {
    let Some((choice, answer)) = input.split_first() else {
        return Read::Refused;
    };
    let is_packed = choice % 2 == 0;
    let host: &Host = match is_packed {
        true => &PACKED,
        false => &IN_RECORDS,
    };
    let request = request(answer);
    let now = portcullis_host::Timestamp::from_millis(1_795_000_000_000);
    let evaluation = host.plugin.evaluate(&request, ActionClass::Read, now);
    let manifest = host.plugin.manifest();
    let decoded = is_packed.then(|| decoded(answer, manifest));
    match &evaluation.outcome {
        Ok(verdict) => {
            if let Some(decoded) = decoded {
                assert_eq!(decoded, Some(verdict.effect), "{verdict:?}");
            }
            assert_eq!(
                check_verdict(&as_given(verdict, manifest), manifest),
                Ok(())
            );
        }
        Err(Fault::InvalidOutput(why)) => {
            if let Some(decoded) = decoded {
                assert_eq!(decoded, None, "{why}");
            }
            assert!(why.chars().all(is_printable), "{why:?}");
        }
        Err(Fault::OutputTooLarge) => {}
        // A record may be anywhere, also beyond the end of memory.
        Err(fault) => assert!(!is_packed, "{fault}"),
    }
    let decision = host.pdp.evaluate_at(&request, now);
    let permits = matches!(&evaluation.outcome, Ok(verdict) if verdict.effect == Effect::Permit);
    assert!(permits || !decision.is_permit(), "{}", decision.detail());
    let json = serde_json::to_value(&decision).expect("a decision serialises");
    expect_printable_texts(&json, false);
    match evaluation.outcome {
        Ok(_) => Read::Accepted,
        Err(_) => Read::Refused,
    }
}

/// A request whose arguments state the answer.
fn request(answer: &[u8]) -> Request {
    let mut letters = String::from("##");
    for byte in answer {
        let letter = |bits: u8| char::from(b'a' + bits);
        let pair = [letter(byte >> 4), letter(byte & 15)];
        let _ = write!(letters, "{}{}", pair[0], pair[1]);
    }
    letters.push('#');
    let principal = Principal {
        id: "spiffe://a.example/x".to_owned(),
        ..Principal::default()
    };
    let resource = Resource {
        id: "r".to_owned(),
        ..Resource::default()
    };
    let builder = Request::builder("raw", principal, "read", resource);
    let builder = builder.arguments(json!({ "answer": letters }));
    builder.build(&RequestLimits::default()).expect("a request")
}

/// The verdict without the plugin's name in ids of obligations.
fn as_given(verdict: &Verdict, manifest: &Manifest) -> Verdict {
    let mut verdict = verdict.clone();
    let prefix = format!("{}:", manifest.name);
    for obligation in verdict.obligations.iter_mut().chain(&mut verdict.advice) {
        let own = obligation.id.strip_prefix(&prefix);
        obligation.id = own.expect("an id of the plugin").to_owned();
    }
    verdict
}

type Obligations = Vec<(String, String, String)>;
/// A verdict in postcard's encoding, as tuples; variants are their numbers.
type Packed = (
    u32,
    Vec<(String, String, Vec<String>)>,
    Obligations,
    Obligations,
    Option<(Vec<(String, u32, String)>, Option<u32>, Option<u32>)>,
    bool,
);

/// The effect of a packed verdict, if it is one and follows the rules.
fn decoded(answer: &[u8], manifest: &Manifest) -> Option<Effect> {
    let (packed, rest) = postcard::take_from_bytes::<Packed>(answer).ok()?;
    let (effect, reasons, obligations, advice, narrowing, requestable) = packed;
    if !rest.is_empty() {
        return None;
    }
    let effect = [
        Effect::Permit,
        Effect::Deny,
        Effect::NotApplicable,
        Effect::Indeterminate,
    ]
    .get(effect as usize)
    .copied()?;
    let reasons = reasons.into_iter().map(
        |(code, message, fields)| json!({ "code": code, "message": message, "fields": fields }),
    );
    let read = |list: Obligations| -> Option<Vec<_>> {
        let one = |(id, kind, properties): (String, String, String)| {
            let properties: Value = serde_json::from_str(&properties).ok()?;
            Some(portcullis_host::Obligation {
                id,
                kind,
                properties,
            })
        };
        list.into_iter().map(one).collect()
    };
    let mut verdict = Verdict {
        effect,
        reasons: serde_json::from_value(reasons.collect()).ok()?,
        obligations: read(obligations)?,
        advice: read(advice)?,
        narrowing: portcullis_host::Narrowing::default(),
        requestable,
    };
    for (path, operator, operand) in narrowing.into_iter().flat_map(|it| it.0) {
        const OPERATORS: [&str; 10] = [
            "equals",
            "one-of",
            "prefix",
            "under",
            "at-least",
            "at-most",
            "min-length",
            "max-length",
            "subset-of",
            "origin-is",
        ];
        let operator = OPERATORS.get(operator as usize)?;
        let operator = serde_json::from_value(json!(operator)).ok()?;
        let operand = serde_json::from_str(&operand).ok()?;
        let constraint = Constraint::new(path, operator, operand).ok()?;
        verdict.narrowing.constraints.push(constraint);
    }
    check_verdict(&verdict, manifest).ok()?;
    Some(effect)
}

/// Panics at a text that is not printable. Properties of obligations may have several lines.
fn expect_printable_texts(json: &Value, may_have_lines: bool) {
    let is_shown = |c: char| is_printable(c) || may_have_lines && matches!(c, '\n' | '\t');
    match json {
        Value::String(text) => assert!(text.chars().all(is_shown), "{text:?}"),
        Value::Array(items) => {
            for item in items {
                expect_printable_texts(item, may_have_lines);
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                assert!(name.chars().all(is_shown), "{name:?}");
                expect_printable_texts(value, may_have_lines || name == "properties");
            }
        }
        _ => {}
    }
}
