//! A guest that misbehaves in the way that its settings select.

use portcullis_sdk::{
    Constraint, Operator, Policy, SettingsError, Timestamp, Verdict, json, policy,
};
use serde::Deserialize;
use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The behaviour of the guest.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Behaviour {
    /// Permits. This is the harmless behaviour.
    Permit,
    /// Permits, with the number of calls of this instance as the reason's code.
    Count,
    /// As `count`, and panics at the second call of this instance.
    CountThenPanic,
    /// Returns a reason with an invalid code at the first call of this instance, and then as `count`.
    BadCodeThenCount,
    /// As `count`, and leaks one MiB.
    CountAndGrow,
    /// Permits, with the whole request as the reason's message.
    Tell,
    /// Runs for ever.
    Loop,
    /// Allocates and uses memory until there is none left.
    Allocate,
    /// Fills 12 MiB, and then permits.
    Fill,
    /// Returns 10 MB of reasons.
    Output,
    /// Panics.
    Panic,
    /// Denies with a reason code that its manifest does not declare.
    UndeclaredReason,
    /// Permits, and calls the permit requestable.
    RequestablePermit,
    /// Denies, and says that an approved intent would change the answer.
    RequestableDeny,
    /// Recurses until the stack overflows.
    Recurse,
    /// Permits without a reason.
    NoReason,
    /// Returns a reason with an invalid code.
    BadCode,
    /// Returns a reason whose message has terminal control characters.
    Escape,
    /// Returns an obligation that its manifest does not list.
    UndeclaredObligation,
    /// Returns an obligation that its manifest lists.
    Oblige,
    /// Denies, with an obligation that its manifest lists.
    DenyAndOblige,
    /// Returns a notification without a body.
    ObligeWithoutBody,
    /// Permits, narrowed to arguments that the call does not have.
    OtherArguments,
    /// Permits with a lifetime of zero.
    NoTime,
    /// Permits with a lifetime of a year and a billion uses.
    Wide,
    /// Permits with 100 constraints.
    ManyConstraints,
    /// Permits with a constraint that lists 1000 items.
    ManyItems,
    /// Permits with 100 reasons.
    ManyReasons,
    /// Runs for ever in `configure`.
    ConfigureLoop,
    /// Panics in `configure`.
    ConfigurePanic,
    /// Refuses its settings.
    ConfigureRefuse,
}

#[derive(Debug, Deserialize)]
struct Hostile {
    behaviour: Behaviour,
}

static CALLS: AtomicU32 = AtomicU32::new(0);

#[policy]
impl Policy for Hostile {
    fn new(settings: Self) -> Result<Self, Vec<SettingsError>> {
        match settings.behaviour {
            Behaviour::ConfigureLoop => run_for_ever(),
            Behaviour::ConfigurePanic => panic!("as its settings say"),
            Behaviour::ConfigureRefuse => {
                Err(vec![SettingsError::new("/behaviour", "not this one")])
            }
            _ => Ok(settings),
        }
    }

    fn evaluate(&self, request: &Request) -> Verdict {
        let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
        let permit = || Verdict::permit().because("hostile", "");
        match self.behaviour {
            Behaviour::Permit => permit(),
            Behaviour::Count => Verdict::permit().because(format!("call-{calls}"), ""),
            Behaviour::CountThenPanic if calls > 1 => panic!("as its settings say"),
            Behaviour::CountThenPanic => Verdict::permit().because(format!("call-{calls}"), ""),
            Behaviour::BadCodeThenCount if calls == 1 => Verdict::deny().because("not a code", ""),
            Behaviour::BadCodeThenCount => Verdict::permit().because(format!("call-{calls}"), ""),
            Behaviour::CountAndGrow => {
                black_box(vec![1_u8; 1 << 20].leak());
                Verdict::permit().because(format!("call-{calls}"), "")
            }
            Behaviour::Tell => Verdict::permit().because("told", format!("{request:?}")),
            Behaviour::Loop => run_for_ever(),
            Behaviour::Allocate => loop {
                black_box(vec![1_u8; 1 << 20].leak());
            },
            Behaviour::Fill => {
                black_box(vec![1_u8; 12 << 20].leak());
                permit()
            }
            Behaviour::Output => Verdict::deny().because("long", "x".repeat(10_000_000)),
            Behaviour::Panic => panic!("as its settings say"),
            Behaviour::UndeclaredReason => Verdict::deny().because("undeclared", ""),
            Behaviour::RequestablePermit => permit().requestable(),
            Behaviour::RequestableDeny => Verdict::deny().because("hostile", "").requestable(),
            Behaviour::Recurse => {
                recurse(1);
                permit()
            }
            Behaviour::NoReason => Verdict::permit(),
            Behaviour::BadCode => Verdict::deny().because("not a code", ""),
            Behaviour::Escape => Verdict::deny().because("escape", "\u{1b}[2Jgone\u{202e}"),
            Behaviour::UndeclaredObligation => permit().oblige("step-up", json!({})),
            Behaviour::Oblige => permit().oblige(
                "notification",
                json!({ "to": "owner", "body": "\u{1b}[2J\n" }),
            ),
            Behaviour::DenyAndOblige => Verdict::deny()
                .because("hostile", "")
                .oblige("notification", json!({ "to": "owner", "body": "denied" })),
            Behaviour::ObligeWithoutBody => {
                permit().oblige("notification", json!({ "to": "owner" }))
            }
            Behaviour::OtherArguments => {
                match Constraint::new("/other", Operator::Equals, json!(1)) {
                    Ok(other) => permit().only_if(other),
                    Err(_) => Verdict::indeterminate(),
                }
            }
            Behaviour::ManyConstraints => (0..100).fold(permit(), |verdict, index| {
                match Constraint::new("", Operator::OneOf, json!([{}, index])) {
                    Ok(constraint) => verdict.only_if(constraint),
                    Err(_) => Verdict::indeterminate(),
                }
            }),
            Behaviour::ManyItems => {
                let items: Vec<u32> = (0..1000).collect();
                match Constraint::new("", Operator::OneOf, json!(items)) {
                    Ok(constraint) => permit().only_if(constraint),
                    Err(_) => Verdict::indeterminate(),
                }
            }
            Behaviour::ManyReasons => (0..100).fold(permit(), |v, _| v.because("again", "")),
            Behaviour::NoTime => permit().expires_in(Duration::ZERO),
            Behaviour::Wide => permit()
                .expires_in(Duration::from_secs(365 * 24 * 3600))
                .at_most(1_000_000_000),
            Behaviour::ConfigureLoop | Behaviour::ConfigurePanic | Behaviour::ConfigureRefuse => {
                Verdict::indeterminate()
            }
        }
    }
}

fn run_for_ever() -> ! {
    let mut at = Timestamp::default();
    loop {
        at = black_box(Timestamp::from_millis(at.as_millis().wrapping_add(1)));
    }
}

#[expect(unconditional_recursion, reason = "it is to end the stack")]
fn recurse(depth: u64) -> u64 {
    let here = black_box([depth; 16]);
    black_box(recurse(depth + 1)) + here[0]
}
