//! `sprintf` as in OPA: Go's `fmt.Sprintf` for integers, floats and texts.

use super::{Fault, upstream};
use regorus::Value;
use std::fmt::Write as _;

/// Maximum width or precision.
const MOST_CHARACTERS: usize = 10_000;

/// The argument that OPA passes to Go's `fmt` for a value.
enum Argument {
    /// Decimal digits with a sign. `is_big` is set if they exceed 64 bits.
    Integer {
        digits: String,
        is_big: bool,
    },
    Float(f64),
    Text(String),
}

impl Argument {
    fn of(value: &Value) -> Result<Self, Fault> {
        Ok(match value {
            Value::Number(number) if number.is_integer() => Self::Integer {
                digits: decimal(value)?,
                is_big: number.as_i64().is_none(),
            },
            Value::Number(number) => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            Value::String(text) => Self::Text(text.to_string()),
            other => Self::Text(written(other)?),
        })
    }

    /// Returns the name of the argument's Go type.
    const fn kind(&self) -> &'static str {
        match self {
            Self::Integer { is_big: false, .. } => "int",
            Self::Integer { is_big: true, .. } => "*big.Int",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
        }
    }
}

/// The flags, width and precision between `%` and the verb.
#[derive(Debug, Default, Clone)]
struct Spec {
    plus: bool,
    minus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

impl Spec {
    fn pad(&self, text: &str, out: &mut String) {
        let missing = self.width.unwrap_or(0).saturating_sub(text.chars().count());
        if self.minus {
            out.push_str(text);
            out.extend(std::iter::repeat_n(' ', missing));
        } else {
            let padding = if self.zero { '0' } else { ' ' };
            out.extend(std::iter::repeat_n(padding, missing));
            out.push_str(text);
        }
    }
}

/// Returns `template` with its verbs replaced by `items`.
pub(super) fn sprintf(template: &str, items: &[&Value]) -> Result<String, Fault> {
    let mut out = String::new();
    let mut items = items.iter();
    let mut rest = template.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut spec = Spec::default();
        loop {
            match rest.peek() {
                Some('+') => spec.plus = true,
                Some('-') => {
                    spec.minus = true;
                    spec.zero = false;
                }
                Some('#') => spec.sharp = true,
                Some(' ') => spec.space = true,
                Some('0') => spec.zero = !spec.minus,
                _ => break,
            }
            rest.next();
        }
        spec.width = digits(&mut rest)?;
        if rest.next_if_eq(&'.').is_some() {
            spec.precision = Some(digits(&mut rest)?.unwrap_or(0));
        }
        let verb = match rest.next() {
            None => {
                out.push_str("%!(NOVERB)");
                break;
            }
            Some('%') => {
                out.push('%');
                continue;
            }
            Some('*' | '[') => {
                return Fault::unsupported(
                    "`*` and `[n]` in a format are not supported: write the width and list the arguments in order",
                );
            }
            Some(verb) => verb,
        };
        match items.next() {
            None => {
                let _ = write!(out, "%!{verb}(MISSING)");
            }
            Some(item) => {
                let argument = Argument::of(item)?;
                if !print(&argument, verb, &spec, &mut out)? {
                    let _ = write!(out, "%!{verb}({}=", argument.kind());
                    print(&argument, 'v', &spec, &mut out)?;
                    out.push(')');
                }
            }
        }
    }
    let mut extra = Vec::new();
    for item in items {
        let argument = Argument::of(item)?;
        let mut text = format!("{}=", argument.kind());
        print(&argument, 'v', &Spec::default(), &mut text)?;
        extra.push(text);
    }
    if !extra.is_empty() {
        let _ = write!(out, "%!(EXTRA {})", extra.join(", "));
    }
    Ok(out)
}

fn digits(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Option<usize>, Fault> {
    let mut number = None;
    while let Some(digit) = rest.next_if(char::is_ascii_digit) {
        let digit = digit.to_digit(10).map_or(0, |digit| digit as usize);
        let wider = number.unwrap_or(0) * 10 + digit;
        if wider > MOST_CHARACTERS {
            return Fault::unsupported(format!("a width is at most {MOST_CHARACTERS}"));
        }
        number = Some(wider);
    }
    Ok(number)
}

/// Prints `argument`. Returns false if it does not support `verb`.
fn print(argument: &Argument, verb: char, spec: &Spec, out: &mut String) -> Result<bool, Fault> {
    if verb == 'T' {
        spec.pad(argument.kind(), out);
        return Ok(true);
    }
    match argument {
        Argument::Text(text) => print_text(text, verb, spec, out),
        Argument::Float(float) => print_float(*float, verb, spec, out),
        Argument::Integer { digits, is_big } => print_integer(digits, *is_big, verb, spec, out),
    }
}

fn print_text(text: &str, verb: char, spec: &Spec, out: &mut String) -> Result<bool, Fault> {
    let cut: String = match spec.precision {
        Some(most) => text.chars().take(most).collect(),
        None => text.to_owned(),
    };
    match verb {
        'v' if spec.sharp => spec.pad(&quoted(text)?, out),
        'v' | 's' => spec.pad(&cut, out),
        'q' if spec.sharp || spec.plus => return unsupported(verb),
        'q' => spec.pad(&quoted(&cut)?, out),
        'x' | 'X' => return unsupported(verb),
        _ => return Ok(false),
    }
    Ok(true)
}

fn print_integer(
    digits: &str,
    is_big: bool,
    verb: char,
    spec: &Spec,
    out: &mut String,
) -> Result<bool, Fault> {
    let (is_negative, magnitude) = match digits.strip_prefix('-') {
        Some(magnitude) => (true, magnitude),
        None => (false, digits),
    };
    let base = match verb {
        'd' | 'v' => 10,
        's' if is_big => 10,
        'b' => 2,
        'o' | 'O' => 8,
        'x' | 'X' => 16,
        'c' | 'q' | 'U' => return unsupported(verb),
        _ => return Ok(false),
    };
    let mut body = if base == 10 {
        magnitude.to_owned()
    } else {
        let Ok(magnitude) = magnitude.parse::<u64>() else {
            return unsupported(verb);
        };
        match verb {
            'b' => format!("{magnitude:b}"),
            'o' | 'O' => format!("{magnitude:o}"),
            'X' => format!("{magnitude:X}"),
            _ => format!("{magnitude:x}"),
        }
    };
    let has_sign = is_negative || spec.plus || spec.space;
    let least = match (spec.precision, spec.width) {
        (Some(0), _) if body == "0" => {
            Spec {
                zero: false,
                ..spec.clone()
            }
            .pad("", out);
            return Ok(true);
        }
        (Some(precision), _) => precision,
        (None, Some(width)) if spec.zero && !spec.minus => {
            width - usize::from(has_sign && width > 0)
        }
        _ => 0,
    };
    let missing = least.saturating_sub(body.len());
    body.insert_str(0, &"0".repeat(missing));
    if spec.sharp && verb != 'v' {
        match base {
            2 => body.insert_str(0, "0b"),
            8 if !body.starts_with('0') => body.insert(0, '0'),
            16 => body.insert_str(0, if verb == 'X' { "0X" } else { "0x" }),
            _ => {}
        }
    }
    if verb == 'O' {
        body.insert_str(0, "0o");
    }
    if is_negative {
        body.insert(0, '-');
    } else if spec.plus {
        body.insert(0, '+');
    } else if spec.space {
        body.insert(0, ' ');
    }
    Spec {
        zero: false,
        ..spec.clone()
    }
    .pad(&body, out);
    Ok(true)
}

fn print_float(float: f64, verb: char, spec: &Spec, out: &mut String) -> Result<bool, Fault> {
    if !float.is_finite() || (spec.sharp && matches!(verb, 'v' | 'e' | 'E' | 'f' | 'F' | 'g' | 'G'))
    {
        return unsupported(verb);
    }
    let magnitude = float.abs();
    let mut body = match verb {
        'f' | 'F' => format!("{magnitude:.*}", spec.precision.unwrap_or(6)),
        'e' | 'E' => {
            let (mantissa, exponent) =
                parts(&format!("{magnitude:.*e}", spec.precision.unwrap_or(6)))?;
            exponential(&mantissa, exponent)
        }
        'v' | 'g' | 'G' if spec.precision.is_some() => return unsupported(verb),
        'v' | 'g' | 'G' => shortest(magnitude)?,
        'b' | 'x' | 'X' => return unsupported(verb),
        _ => return Ok(false),
    };
    if matches!(verb, 'E' | 'G') {
        body = body.to_uppercase();
    }
    let sign = match float.is_sign_negative() {
        true => "-",
        false if spec.plus => "+",
        false if spec.space => " ",
        false => "",
    };
    match spec.width {
        Some(width) if spec.zero && !sign.is_empty() => {
            let missing = width.saturating_sub(body.len() + 1);
            let _ = write!(out, "{sign}{}{body}", "0".repeat(missing));
        }
        _ => spec.pad(&format!("{sign}{body}"), out),
    }
    Ok(true)
}

/// Formats as `%g` does, with the fewest digits that identify the float.
fn shortest(magnitude: f64) -> Result<String, Fault> {
    let (mantissa, exponent) = parts(&format!("{magnitude:e}"))?;
    if !(-4..6).contains(&exponent) {
        return Ok(exponential(&mantissa, exponent));
    }
    Ok(magnitude.to_string())
}

fn parts(scientific: &str) -> Result<(String, i32), Fault> {
    let parts = scientific.split_once('e');
    let parts = parts.and_then(|(mantissa, exponent)| {
        Some((mantissa.to_owned(), exponent.parse::<i32>().ok()?))
    });
    parts.map_or_else(|| unsupported('e'), Ok)
}

/// Formats with a signed exponent of at least two digits.
fn exponential(mantissa: &str, exponent: i32) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

fn unsupported<T>(verb: char) -> Result<T, Fault> {
    Fault::unsupported(format!(
        "`%{verb}` is not supported for this argument: write `%v`, `%d` or `%s`"
    ))
}

fn decimal(value: &Value) -> Result<String, Fault> {
    let number = match value {
        Value::Number(number) => number.format_decimal(),
        _ => String::new(),
    };
    if number.is_empty() {
        return unsupported('d');
    }
    Ok(number)
}

/// Formats a value in Rego syntax.
fn written(value: &Value) -> Result<String, Fault> {
    let list =
        |begin: &str, items: Vec<String>, end: &str| format!("{begin}{}{end}", items.join(", "));
    Ok(match value {
        Value::Null => "null".to_owned(),
        Value::Bool(boolean) => boolean.to_string(),
        Value::String(text) => quoted(text)?,
        Value::Number(_) => decimal(value)?,
        Value::Array(items) => {
            let items: Result<_, _> = items.iter().map(written).collect();
            list("[", items?, "]")
        }
        Value::Set(items) if items.is_empty() => "set()".to_owned(),
        Value::Set(items) => {
            let items: Result<_, _> = items.iter_sorted().map(written).collect();
            list("{", items?, "}")
        }
        Value::Object(members) => {
            let members = members.iter_sorted();
            let members: Result<_, Fault> = members
                .map(|(key, member)| Ok(format!("{}: {}", written(key)?, written(member)?)))
                .collect();
            list("{", members?, "}")
        }
        Value::Undefined => return Fault::erring("an argument is undefined"),
    })
}

/// Quotes a text as Go's `strconv.Quote` does.
fn quoted(text: &str) -> Result<String, Fault> {
    let is_plain = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
    if text.chars().all(is_plain) {
        return Ok(format!("\"{text}\""));
    }
    let arguments = [Value::from("%q"), Value::from(vec![Value::from(text)])];
    match upstream("sprintf", &arguments)? {
        Value::String(quoted) => Ok(quoted.to_string()),
        _ => unsupported('q'),
    }
}

#[cfg(test)]
mod tests {
    use crate::builtins::testing::gives;

    #[test]
    fn formats_as_go_does() {
        for (template, items, expected) in [
            ("%s/%s", "[`a`, `b`]", "a/b"),
            ("%d of %v", "[1, 2]", "1 of 2"),
            ("%s", "[1]", "%!s(int=1)"),
            ("%d", "[`x`]", "%!d(string=x)"),
            ("%d", "[1.5]", "%!d(float64=1.5)"),
            ("%.2f", "[1]", "%!f(int=01)"),
            ("%.2f", "[1.005]", "1.00"),
            ("%.1f|%f", "[2.25, 0.5]", "2.2|0.500000"),
            (
                "%5d|%-5d|%05d|%+d|% d",
                "[42, 42, -42, 42, 42]",
                "   42|42   |-0042|+42| 42",
            ),
            (
                "%x %X %o %b %#x %O",
                "[255, 255, 8, 5, 255, 8]",
                "ff FF 10 101 0xff 0o10",
            ),
            (
                "%5s|%-5s|%.2s|%q",
                "[`ab`, `ab`, `abc`, `a\"b`]",
                "   ab|ab   |ab|\"a\\\"b\"",
            ),
            ("%v %v %v", "[true, null, 1.5]", "true null 1.5"),
            ("%s %s", "[true, null]", "true null"),
            ("%v", "[[`a`, 1, {`b`: {2}}]]", r#"["a", 1, {"b": {2}}]"#),
            ("%v %v", "[set(), {}]", "set() {}"),
            ("%v", "[[`é\u{200b}`]]", r#"["é\u200b"]"#),
            ("%d%%", "[5]", "5%"),
            ("%d", "[]", "%!d(MISSING)"),
            ("a", "[1, `b`]", "a%!(EXTRA int=1, string=b)"),
            ("a%", "[]", "a%!(NOVERB)"),
            ("%z", "[1]", "%!z(int=1)"),
            ("%T %T", "[1, `a`]", "int string"),
            ("%v", "[18446744073709551616]", "18446744073709551616"),
            ("%e", "[1.5]", "1.500000e+00"),
            (
                "%v %v %v",
                "[123456.5, 1234567.5, 0.00001]",
                "123456.5 1.2345675e+06 1e-05",
            ),
            ("%6.1f|%06.1f", "[-1.25, -1.25]", "  -1.2|-001.2"),
        ] {
            gives(
                "sprintf",
                &[&format!("`{template}`"), items],
                Some(&format!("`{expected}`")),
            );
        }
        gives("sprintf", &["`%*d`", "[1, 2]"], None);
        gives("sprintf", &["`%[1]d`", "[1]"], None);
        gives("sprintf", &["`%999999999d`", "[1]"], None);
        gives("sprintf", &["`%d`", "1"], None);
    }
}
