//! Builtins as in OPA, for those that `regorus` lacks or implements differently.
//!
//! `regorus` looks up a function among its extensions first. So each of these replaces the builtin of the
//! same name in every place: in a rule, a comprehension, `every`, or as the replacement of a `with`. They
//! read nothing but their arguments.

mod collections;
mod format;
mod glob;
mod json;
mod net;
mod numbers;
mod patterns;
pub(crate) mod re2;
mod strings;
mod urlquery;

use patterns::Patterns;
use regorus::unstable::{BUILTINS, Expr, Ref, Span};
use regorus::{Engine, Source, Value};
use std::sync::Arc;

/// The reason why a builtin returns no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// OPA fails too. The result is an error, or undefined if the settings say so.
    Erring(String),
    /// OPA returns a value that is not supported here. The result is always an error.
    Unsupported(String),
}

impl Fault {
    fn erring<T>(message: impl Into<String>) -> Result<T, Self> {
        Err(Self::Erring(message.into()))
    }

    fn unsupported<T>(message: impl Into<String>) -> Result<T, Self> {
        Err(Self::Unsupported(message.into()))
    }
}

type Outcome = Result<Value, Fault>;

/// A builtin: its name, its number of arguments and its function.
type Builtin = (&'static str, u8, fn(&[Value]) -> Outcome);

fn all() -> impl Iterator<Item = &'static Builtin> {
    [
        strings::BUILTINS,
        numbers::BUILTINS,
        json::BUILTINS,
        glob::BUILTINS,
        collections::BUILTINS,
        net::BUILTINS,
        urlquery::BUILTINS,
    ]
    .into_iter()
    .flatten()
}

/// Returns the number of arguments of the builtin `name`, or `None` if it is unknown.
pub(crate) fn arity(name: &str) -> Option<u8> {
    let ours = all().find(|(other, ..)| *other == name);
    let patterns = patterns::BUILTINS.iter().find(|(other, ..)| *other == name);
    (ours.map(|(_, arity, _)| *arity))
        .or_else(|| patterns.map(|(_, arity, _)| *arity))
        .or_else(|| BUILTINS.get(name).map(|(_, arity)| *arity))
}

/// Adds the builtins to `engine`, and compiles the patterns in `literals` once.
///
/// With `is_strict`, a failure that OPA has too is an error, and otherwise undefined.
pub(crate) fn install(
    engine: &mut Engine,
    is_strict: bool,
    literals: impl IntoIterator<Item = String>,
) -> anyhow::Result<()> {
    let settle = move |name: &str, outcome: Outcome| match outcome {
        Ok(value) => Ok(value),
        Err(Fault::Erring(_)) if !is_strict => Ok(Value::Undefined),
        Err(Fault::Erring(message) | Fault::Unsupported(message)) => {
            Err(anyhow::anyhow!("`{name}`: {message}"))
        }
    };
    for &(name, arity, compute) in all() {
        let builtin = move |arguments: Vec<Value>| settle(name, compute(&arguments));
        engine.add_extension(name.to_owned(), arity, Box::new(builtin))?;
    }
    let patterns = Arc::new(Patterns::compiled(literals));
    for &(name, arity, compute) in patterns::BUILTINS {
        let patterns = Arc::clone(&patterns);
        let builtin = move |arguments: Vec<Value>| settle(name, compute(&patterns, &arguments));
        engine.add_extension(name.to_owned(), arity, Box::new(builtin))?;
    }
    Ok(())
}

/// Calls the builtin of `regorus`, where it agrees with OPA.
fn upstream(name: &str, arguments: &[Value]) -> Outcome {
    let Some((compute, _)) = BUILTINS.get(name) else {
        return Fault::unsupported("regorus has no such builtin");
    };
    let computed = placeholders(arguments.len())
        .and_then(|(span, parameters)| compute(&span, &parameters, arguments, true));
    computed.map_err(|error| Fault::Erring(crate::on_one_line(&error.to_string())))
}

/// Returns a dummy span and `count` expressions, which the builtins of `regorus` use in messages.
fn placeholders(count: usize) -> anyhow::Result<(Span, Vec<Ref<Expr>>)> {
    let source = Source::from_contents("builtin".to_owned(), "_".to_owned())?;
    let span = Span {
        source,
        line: 1,
        col: 1,
        start: 0,
        end: 1,
    };
    let parameter = || {
        Ref::new(Expr::Null {
            span: span.clone(),
            value: Value::Null,
            eidx: 0,
        })
    };
    let parameters = (0..count).map(|_| parameter()).collect();
    Ok((span, parameters))
}

fn text(arguments: &[Value], position: usize) -> Result<&str, Fault> {
    match arguments.get(position) {
        Some(Value::String(text)) => Ok(text),
        other => Fault::erring(format!(
            "argument {} is a text, not {}",
            position + 1,
            kind(other)
        )),
    }
}

/// Returns a whole number that fits in 64 bits.
fn whole(arguments: &[Value], position: usize) -> Result<i64, Fault> {
    match arguments.get(position) {
        Some(Value::Number(number)) if number.is_integer() => match number.as_i64() {
            Some(whole) => Ok(whole),
            None => Fault::unsupported(format!("argument {} is too large", position + 1)),
        },
        other => Fault::erring(format!(
            "argument {} is a whole number, not {}",
            position + 1,
            kind(other)
        )),
    }
}

/// Returns the texts of an array or a set.
fn texts(arguments: &[Value], position: usize) -> Result<Vec<&str>, Fault> {
    let items: Vec<&Value> = match arguments.get(position) {
        Some(Value::Array(items)) => items.iter().collect(),
        Some(Value::Set(items)) => items.iter().collect(),
        other => {
            return Fault::erring(format!(
                "argument {} is an array or a set of texts, not {}",
                position + 1,
                kind(other)
            ));
        }
    };
    let items = items.into_iter().map(|item| match item {
        Value::String(text) => Ok(text.as_ref()),
        other => Fault::erring(format!(
            "argument {} has {} among its texts",
            position + 1,
            kind(Some(other))
        )),
    });
    items.collect()
}

/// Returns a value's type for messages, which never repeat a value of a request.
const fn kind(value: Option<&Value>) -> &'static str {
    match value {
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "a boolean",
        Some(Value::Number(_)) => "a number",
        Some(Value::String(_)) => "a text",
        Some(Value::Array(_)) => "an array",
        Some(Value::Set(_)) => "a set",
        Some(Value::Object(_)) => "an object",
        Some(Value::Undefined) | None => "undefined",
    }
}

#[cfg(test)]
mod testing {
    use super::*;

    /// Calls a builtin whose only input is its arguments.
    pub(super) fn call(name: &str, arguments: &[Value]) -> Outcome {
        let (_, arity, compute) = all().find(|(other, ..)| *other == name).unwrap();
        assert_eq!(usize::from(*arity), arguments.len(), "{name}");
        compute(arguments)
    }

    /// Evaluates `text` as a Rego expression.
    pub(super) fn value(text: &str) -> Value {
        let results = Engine::new().eval_query(text.to_owned(), false).unwrap();
        results.result[0].expressions[0].value.clone()
    }

    /// Calls `name` with Rego expressions and compares the result. `None` expects an error.
    #[track_caller]
    pub(super) fn gives(name: &str, arguments: &[&str], expected: Option<&str>) {
        let arguments: Vec<_> = arguments.iter().map(|text| value(text)).collect();
        let found = call(name, &arguments);
        match expected {
            Some(expected) => assert_eq!(found, Ok(value(expected)), "{name} {arguments:?}"),
            None => assert!(found.is_err(), "{name} {arguments:?}: {found:?}"),
        }
    }
}
