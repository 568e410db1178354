//! Verdicts as a plugin that takes its requests packed returns them.

use crate::frame::Made;

/// A verdict that need not keep to any rule.
#[derive(Default)]
pub(super) struct Verdict {
    pub(super) effect: u8,
    pub(super) reasons: Vec<Reason>,
    pub(super) obligations: Vec<Obligation>,
    pub(super) advice: Vec<Obligation>,
    pub(super) narrowing: Option<Narrowing>,
    pub(super) requestable: bool,
}

pub(super) const PERMIT: u8 = 0;
pub(super) const DENY: u8 = 1;

pub(super) struct Reason {
    pub(super) code: Vec<u8>,
    pub(super) message: Vec<u8>,
    pub(super) fields: Vec<Vec<u8>>,
}

pub(super) struct Obligation {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) properties: String,
}

#[derive(Default)]
pub(super) struct Narrowing {
    pub(super) constraints: Vec<(String, u8, String)>,
    pub(super) lifetime_ms: Option<u32>,
    pub(super) max_uses: Option<u32>,
}

/// A reason without fields.
pub(super) fn reason(code: &str, message: &str) -> Reason {
    Reason {
        code: code.into(),
        message: message.into(),
        fields: Vec::new(),
    }
}

/// A permit with a reason.
pub(super) fn permit() -> Verdict {
    Verdict {
        effect: PERMIT,
        reasons: vec![reason("a", "")],
        ..Verdict::default()
    }
}

/// A permit with `narrowing`.
pub(super) fn narrowed(narrowing: Narrowing) -> Made {
    let narrowing = Some(narrowing);
    let permit = permit();
    Verdict {
        narrowing,
        ..permit
    }
    .made()
}

impl Verdict {
    /// A guest that returns it.
    pub(super) fn made(&self) -> Made {
        Made::Fields(answering(&self.bytes()))
    }

    /// The verdict in postcard's encoding.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.effect];
        list(&mut bytes, &self.reasons, |bytes, reason| {
            block(bytes, &reason.code);
            block(bytes, &reason.message);
            list(bytes, &reason.fields, |bytes, field| block(bytes, field));
        });
        for obligations in [&self.obligations, &self.advice] {
            list(&mut bytes, obligations, |bytes, it| {
                for text in [&it.id, &it.kind, &it.properties] {
                    block(bytes, text.as_bytes());
                }
            });
        }
        option(&mut bytes, self.narrowing.as_ref(), |bytes, narrowing| {
            list(
                bytes,
                &narrowing.constraints,
                |bytes, (path, operator, operand)| {
                    block(bytes, path.as_bytes());
                    bytes.push(*operator);
                    block(bytes, operand.as_bytes());
                },
            );
            for limit in [narrowing.lifetime_ms, narrowing.max_uses] {
                option(bytes, limit.as_ref(), |bytes, limit| {
                    number(bytes, u64::from(*limit));
                });
            }
        });
        bytes.push(u8::from(self.requestable));
        bytes
    }
}

/// Fields of a module that answers with `bytes`.
pub(super) fn answering(bytes: &[u8]) -> String {
    let data: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
    let length = u32::try_from(bytes.len())
        .expect("a short verdict")
        .to_le_bytes();
    let length: String = length.iter().map(|byte| format!("\\{byte:02x}")).collect();
    format!(
        r#"(memory $memory 16)
(data (i32.const 2048) "\00\00\02\00{length}")
(data (i32.const 131072) "{data}")
(func $evaluate-packed (param i32 i32) (result i32) (i32.const 2048))"#
    )
}

fn list<T>(bytes: &mut Vec<u8>, items: &[T], mut item: impl FnMut(&mut Vec<u8>, &T)) {
    number(bytes, items.len() as u64);
    for it in items {
        item(bytes, it);
    }
}

fn option<T>(bytes: &mut Vec<u8>, value: Option<&T>, write: impl FnOnce(&mut Vec<u8>, &T)) {
    bytes.push(u8::from(value.is_some()));
    if let Some(value) = value {
        write(bytes, value);
    }
}

fn block(bytes: &mut Vec<u8>, text: &[u8]) {
    number(bytes, text.len() as u64);
    bytes.extend(text);
}

/// Writes a number in groups of seven bits, the lowest first.
fn number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}
