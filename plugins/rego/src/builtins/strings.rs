//! Builtins for texts, which count characters and change them as Go does.

use super::{Builtin, Fault, Outcome, format, kind, text, whole};
use regorus::Value;

pub(super) const BUILTINS: &[Builtin] = &[
    ("count", 1, count),
    ("indexof", 2, index_of),
    ("indexof_n", 2, indices_of),
    ("lower", 1, lower),
    ("upper", 1, upper),
    ("sprintf", 2, sprintf),
    ("strings.count", 2, count_of),
    ("strings.replace_n", 2, replace_n),
    ("substring", 3, substring),
];

fn count(arguments: &[Value]) -> Outcome {
    Ok(Value::from(match arguments.first() {
        Some(Value::String(text)) => text.chars().count(),
        Some(Value::Array(items)) => items.len(),
        Some(Value::Set(items)) => items.len(),
        Some(Value::Object(members)) => members.len(),
        other => {
            return Fault::erring(format!(
                "argument 1 is a text, an array, a set or an object, not {}",
                kind(other)
            ));
        }
    }))
}

/// Returns the searched and the sought text. The latter must not be empty.
fn sought(arguments: &[Value]) -> Result<(&str, &str), Fault> {
    let (searched, sought) = (text(arguments, 0)?, text(arguments, 1)?);
    if sought.is_empty() {
        return Fault::erring("argument 2 is empty");
    }
    Ok((searched, sought))
}

fn index_of(arguments: &[Value]) -> Outcome {
    let (searched, sought) = sought(arguments)?;
    Ok(match searched.split_once(sought) {
        Some((before, _)) => Value::from(before.chars().count()),
        None => Value::from(-1_i64),
    })
}

fn indices_of(arguments: &[Value]) -> Outcome {
    let (searched, sought) = sought(arguments)?;
    let places = searched.char_indices().enumerate();
    let found = places.filter(|(_, (byte, _))| {
        searched
            .get(*byte..)
            .is_some_and(|rest| rest.starts_with(sought))
    });
    Ok(found
        .map(|(place, _)| Value::from(place))
        .collect::<Vec<_>>()
        .into())
}

/// Counts matches without overlap. An empty text matches before each character and at the end.
fn count_of(arguments: &[Value]) -> Outcome {
    let (searched, sought) = (text(arguments, 0)?, text(arguments, 1)?);
    Ok(Value::from(searched.matches(sought).count()))
}

fn lower(arguments: &[Value]) -> Outcome {
    let lower = text(arguments, 0)?.chars().map(|c| match c {
        // Its full lower case has two characters.
        'İ' => 'i',
        _ => alone(c.to_lowercase(), c),
    });
    Ok(Value::from(lower.collect::<String>()))
}

fn upper(arguments: &[Value]) -> Outcome {
    let upper = text(arguments, 0)?.chars().map(|c| match c {
        // Greek letters with iota subscript, whose full upper case has two letters.
        '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' => {
            char::from_u32(u32::from(c) + 8).unwrap_or(c)
        }
        '\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}' => char::from_u32(u32::from(c) + 9).unwrap_or(c),
        _ => alone(c.to_uppercase(), c),
    });
    Ok(Value::from(upper.collect::<String>()))
}

/// Returns the single character of `changed`, or `c`: Go maps a character to one character.
fn alone(mut changed: impl Iterator<Item = char>, c: char) -> char {
    match (changed.next(), changed.next()) {
        (Some(changed), None) => changed,
        _ => c,
    }
}

/// Replaces, at each place, the first key in order that matches there.
///
/// Replacements are not searched again.
fn replace_n(arguments: &[Value]) -> Outcome {
    let changed = text(arguments, 1)?;
    let Some(Value::Object(pairs)) = arguments.first() else {
        return Fault::erring(format!(
            "argument 1 is an object, not {}",
            kind(arguments.first())
        ));
    };
    let pairs: Vec<(&str, &str)> = pairs
        .iter_sorted()
        .map(|pair| match pair {
            (Value::String(old), Value::String(new)) => Ok((old.as_ref(), new.as_ref())),
            _ => Fault::erring("argument 1 has keys and values that are texts"),
        })
        .collect::<Result<_, _>>()?;
    if pairs.iter().any(|(old, _)| old.is_empty()) {
        return Fault::unsupported("an empty key is not supported: write a key with a character");
    }
    let mut replaced = String::with_capacity(changed.len());
    let mut rest = changed;
    loop {
        if let Some((old, new)) = pairs.iter().find(|(old, _)| rest.starts_with(old)) {
            replaced.push_str(new);
            rest = rest.get(old.len()..).unwrap_or_default();
            continue;
        }
        let mut characters = rest.chars();
        match characters.next() {
            Some(c) => replaced.push(c),
            None => return Ok(Value::from(replaced)),
        }
        rest = characters.as_str();
    }
}

fn substring(arguments: &[Value]) -> Outcome {
    let cut = text(arguments, 0)?;
    let (start, length) = (whole(arguments, 1)?, whole(arguments, 2)?);
    let Ok(start) = usize::try_from(start) else {
        return Fault::erring("argument 2 is negative");
    };
    let characters = cut.chars().skip(start);
    Ok(Value::from(match usize::try_from(length) {
        Ok(length) => characters.take(length).collect::<String>(),
        Err(_) => characters.collect(),
    }))
}

fn sprintf(arguments: &[Value]) -> Outcome {
    let template = text(arguments, 0)?;
    let Some(Value::Array(items)) = arguments.get(1) else {
        return Fault::erring(format!(
            "argument 2 is an array, not {}",
            kind(arguments.get(1))
        ));
    };
    let items: Vec<_> = items.iter().collect();
    Ok(Value::from(format::sprintf(template, &items)?))
}

#[cfg(test)]
mod tests {
    use crate::builtins::testing::gives;

    #[test]
    fn characters_are_counted() {
        gives("count", &["`a😀é`"], Some("3"));
        gives("count", &["{1, 2}"], Some("2"));
        gives("count", &["{`a`: 1}"], Some("1"));
        gives("count", &["true"], None);
        gives("indexof", &["`é😀x`", "`x`"], Some("2"));
        gives("indexof", &["`abc`", "`d`"], Some("-1"));
        gives("indexof", &["`abc`", "``"], None);
        gives("indexof", &["`abc`", "1"], None);
        gives("indexof_n", &["`ééé`", "`éé`"], Some("[0, 1]"));
        gives("indexof_n", &["`abc`", "``"], None);
    }

    #[test]
    fn what_is_counted_does_not_overlap() {
        gives("strings.count", &["`aaa`", "`aa`"], Some("1"));
        gives("strings.count", &["`aaaa`", "`aa`"], Some("2"));
        gives("strings.count", &["`cheese`", "`e`"], Some("3"));
        gives("strings.count", &["`été`", "``"], Some("4"));
        gives("strings.count", &["``", "``"], Some("1"));
        gives("strings.count", &["`a`", "`ab`"], Some("0"));
    }

    #[test]
    fn a_character_becomes_one_character() {
        gives("lower", &["`ΑΣ`"], Some("`ασ`"));
        gives("lower", &["`İI`"], Some("`ii`"));
        gives("upper", &["`straße`"], Some("`STRAßE`"));
        gives("upper", &["`ﬁ`"], Some("`ﬁ`"));
        gives("upper", &["`ᾳᾀ`"], Some("`ᾼᾈ`"));
        gives("upper", &["`é`"], Some("`É`"));
    }

    #[test]
    fn replaces_from_left_to_right_and_once() {
        let name = "strings.replace_n";
        gives(
            name,
            &["{`<`: `&lt;`, `&`: `&amp;`}", "`<&>`"],
            Some("`&lt;&amp;>`"),
        );
        gives(name, &["{`a`: `b`, `b`: `a`}", "`abab`"], Some("`baba`"));
        gives(name, &["{`a`: `1`, `aa`: `2`}", "`aaa`"], Some("`111`"));
        gives(name, &["{`aa`: `2`}", "`aaa`"], Some("`2a`"));
        gives(name, &["{}", "`abc`"], Some("`abc`"));
        gives(name, &["{`é`: `e`}", "`été`"], Some("`ete`"));
        gives(name, &["{``: `x`}", "`abc`"], None);
        gives(name, &["{`a`: 1}", "`abc`"], None);
        gives(name, &["[]", "`abc`"], None);
    }

    #[test]
    fn cuts_by_character_and_takes_whole_numbers() {
        gives("substring", &["`é😀x`", "1", "1"], Some("`😀`"));
        gives("substring", &["`abc`", "1", "-1"], Some("`bc`"));
        gives("substring", &["`abc`", "5", "1"], Some("``"));
        gives("substring", &["`abc`", "-1", "1"], None);
        gives("substring", &["`abc`", "1.5", "1"], None);
        gives("substring", &["`abc`", "1", "1.5"], None);
    }
}
