//! Verdicts that break the rules, or take more than they may.

use super::postcard::{
    DENY, Narrowing, Obligation, Reason, Verdict, answering, narrowed, permit, reason,
};
use crate::frame::Made;

/// A permit without a reason.
pub(crate) fn permit_without_a_reason() -> Made {
    Verdict::default().made()
}

/// A permit that asks for an approval.
pub(crate) fn permit_that_is_requestable() -> Made {
    Verdict {
        requestable: true,
        ..permit()
    }
    .made()
}

/// `not-applicable` that asks for an approval.
pub(crate) fn not_applicable_that_is_requestable() -> Made {
    Verdict {
        effect: 2,
        requestable: true,
        ..Verdict::default()
    }
    .made()
}

/// More reasons than are read.
pub(crate) fn reasons_of_65() -> Made {
    denied((0..65).map(|_| reason("a", "")).collect())
}

/// As many reasons as are read.
pub(crate) fn reasons_of_64() -> Made {
    denied((0..64).map(|_| reason("a", "")).collect())
}

/// Reasons that fill `output-bytes`. With ten million, the answer would have 40 MB.
pub(crate) fn reasons_of_sixteen_thousand() -> Made {
    denied((0..16_000).map(|_| reason("a", "")).collect())
}

/// The bytes of ten million empty reasons, which are more than a guest's memory.
pub(crate) fn reasons_of_ten_million() -> Made {
    let mut bytes = vec![DENY];
    // 10,000,000 in groups of seven bits.
    bytes.extend([0x80, 0xad, 0xe2, 0x04]);
    bytes.extend([0; 60_000]);
    Made::Fields(answering(&bytes))
}

/// One reason with 60,000 pieces of evidence of no text, which become 180 KB of JSON.
pub(crate) fn evidence_of_sixty_thousand_fields() -> Made {
    denied(vec![Reason {
        fields: vec![Vec::new(); 60_000],
        ..reason("a", "")
    }])
}

/// A message of 60,000 bytes, each of which JSON writes as six.
pub(crate) fn message_that_swells_in_json() -> Made {
    denied(vec![reason("a", &"\u{1}".repeat(60_000))])
}

/// A message of 60,000 quotes, each of which JSON writes as two bytes.
pub(crate) fn message_of_quotes() -> Made {
    denied(vec![reason("a", &"\"".repeat(60_000))])
}

/// A reason without a code.
pub(crate) fn code_of_nothing() -> Made {
    denied(vec![reason("", "")])
}

/// A code of 65 letters.
pub(crate) fn code_of_65_letters() -> Made {
    denied(vec![reason(&"a".repeat(65), "")])
}

/// A code with letters of another alphabet that look like those of ASCII.
pub(crate) fn code_of_lookalikes() -> Made {
    denied(vec![reason("\u{430}llowed", "")])
}

/// An obligation of a kind that the manifest does not list.
pub(crate) fn obligation_undeclared() -> Made {
    obliged(vec![obligation("o", "session_termination", "{}")])
}

/// An obligation with an id that is one of the host's own.
pub(crate) fn obligation_of_the_host() -> Made {
    obliged(vec![obligation("host:tier", "notification", NOTICE)])
}

/// An obligation that the enforcement point does not support.
pub(crate) fn obligation_unsupported() -> Made {
    obliged(vec![obligation("o", "step-up", r#"{"acr_value":"phr"}"#)])
}

/// Two obligations of one id.
pub(crate) fn obligations_of_one_id() -> Made {
    obliged(vec![
        obligation("o", "notification", NOTICE),
        obligation("o", "notification", NOTICE),
    ])
}

/// More obligations than are read.
pub(crate) fn obligations_of_65() -> Made {
    let id = |index: usize| obligation(&format!("o{index}"), "notification", NOTICE);
    obliged((0..65).map(id).collect())
}

/// Advice of a kind that the manifest does not list, which the enforcement point may ignore.
pub(crate) fn advice_undeclared() -> Made {
    Verdict {
        advice: vec![obligation("o", "anything", "{}")],
        ..permit()
    }
    .made()
}

/// Properties that are a list.
pub(crate) fn properties_of_a_list() -> Made {
    obliged(vec![obligation("o", "notification", "[]")])
}

/// Properties that are not JSON.
pub(crate) fn properties_of_no_json() -> Made {
    obliged(vec![obligation("o", "notification", "{")])
}

/// Properties with one key twice.
pub(crate) fn properties_with_a_key_twice() -> Made {
    let twice = r#"{"to":"owner","body":"a","body":"b"}"#;
    obliged(vec![obligation("o", "notification", twice)])
}

/// Properties that are nested 30,000 deep.
pub(crate) fn properties_nested_deep() -> Made {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(30_000), "]".repeat(30_000));
    obliged(vec![obligation("o", "notification", &deep)])
}

/// Properties with a number beyond all numbers.
pub(crate) fn properties_with_a_number_without_end() -> Made {
    let infinite = format!(r#"{{"to":"owner","body":"a","n":1e{}}}"#, "9".repeat(50));
    obliged(vec![obligation("o", "notification", &infinite)])
}

/// A lifetime and a number of uses beyond the cap of the host.
pub(crate) fn narrowing_that_widens() -> Made {
    narrowed(Narrowing {
        lifetime_ms: Some(u32::MAX),
        max_uses: Some(u32::MAX),
        ..Narrowing::default()
    })
}

/// A lifetime of zero.
pub(crate) fn narrowing_to_no_time() -> Made {
    narrowed(Narrowing {
        lifetime_ms: Some(0),
        ..Narrowing::default()
    })
}

/// No use.
pub(crate) fn narrowing_to_no_use() -> Made {
    narrowed(Narrowing {
        max_uses: Some(0),
        ..Narrowing::default()
    })
}

/// A narrowing of a deny, which means nothing.
pub(crate) fn narrowing_of_a_deny() -> Made {
    Verdict {
        effect: DENY,
        reasons: vec![reason("a", "")],
        narrowing: Some(Narrowing {
            lifetime_ms: Some(u32::MAX),
            ..Narrowing::default()
        }),
        ..Verdict::default()
    }
    .made()
}

/// A constraint on arguments that the call does not have.
pub(crate) fn constraint_on_other_arguments() -> Made {
    constrained("/other", 0, "1")
}

/// A constraint that every call meets, as if it narrowed.
pub(crate) fn constraint_that_every_call_meets() -> Made {
    constrained("/branch", 6, "0")
}

/// A constraint whose path is no JSON Pointer.
pub(crate) fn constraint_on_no_pointer() -> Made {
    constrained("branch/~9", 0, "1")
}

/// A constraint whose operand is not JSON.
pub(crate) fn constraint_of_no_json() -> Made {
    constrained("/branch", 0, "main")
}

/// A constraint whose operand is nested 20,000 deep.
pub(crate) fn constraint_nested_deep() -> Made {
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    constrained("/branch", 0, &deep)
}

/// A constraint whose operand is nested 120 deep, which the reader of JSON still reads.
pub(crate) fn constraint_nested_120_deep() -> Made {
    let deep = format!("{}{}", "[".repeat(120), "]".repeat(120));
    constrained("/branch", 0, &deep)
}

/// Constraints that list more items than are compared.
pub(crate) fn constraint_of_513_items() -> Made {
    let items: Vec<_> = (0..513).map(|item| item.to_string()).collect();
    constrained("/branch", 1, &format!("[{}]", items.join(",")))
}

/// A constraint with a list where a text belongs.
pub(crate) fn constraint_of_another_type() -> Made {
    constrained("/branch", 2, "[[]]")
}

/// More constraints than are read.
pub(crate) fn constraints_of_65() -> Made {
    narrowed(Narrowing {
        constraints: vec![("/branch".into(), 0, "\"main\"".into()); 65],
        ..Narrowing::default()
    })
}

/// A path of 60,000 segments.
pub(crate) fn constraint_on_a_long_path() -> Made {
    constrained(&"/".repeat(60_000), 0, "1")
}

const NOTICE: &str = r#"{"to":"owner","body":"a"}"#;

fn denied(reasons: Vec<Reason>) -> Made {
    Verdict {
        effect: DENY,
        reasons,
        ..Verdict::default()
    }
    .made()
}

fn obliged(obligations: Vec<Obligation>) -> Made {
    Verdict {
        obligations,
        ..permit()
    }
    .made()
}

fn obligation(id: &str, kind: &str, properties: &str) -> Obligation {
    Obligation {
        id: id.into(),
        kind: kind.into(),
        properties: properties.into(),
    }
}

fn constrained(path: &str, operator: u8, operand: &str) -> Made {
    narrowed(Narrowing {
        constraints: vec![(path.into(), operator, operand.into())],
        ..Narrowing::default()
    })
}
