//! Path templates of HTTP calls.

use std::collections::{BTreeMap, BTreeSet};

/// A segment of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    Text(String),
    /// A parameter, with its name, the values seen, and the patterns that they match. Without one, any value does.
    Parameter {
        name: String,
        values: BTreeSet<String>,
        patterns: Vec<String>,
    },
}

/// A template, and the paths that it was made of, by index.
#[derive(Debug)]
pub(super) struct Template {
    pub(super) segments: Vec<Segment>,
    pub(super) paths: Vec<usize>,
}

/// Makes templates of paths, each a list of decoded segments.
///
/// A place becomes a parameter if at least `several` different values were seen there, all of them look like ids,
/// and the other places are the same or parameters too. Otherwise, each value has a template of its own.
pub(super) fn templates(paths: &[Vec<String>], several: usize) -> Vec<Template> {
    let mut shapes: BTreeMap<Vec<Option<&str>>, Vec<usize>> = BTreeMap::new();
    for (index, path) in paths.iter().enumerate() {
        let shape = path.iter().map(String::as_str);
        let shape = shape.map(|segment| (!is_id(segment)).then_some(segment));
        shapes.entry(shape.collect()).or_default().push(index);
    }
    let mut templates = Vec::new();
    for (shape, members) in shapes {
        let free = shape.iter().enumerate();
        let free: Vec<_> = free
            .filter_map(|(place, segment)| segment.is_none().then_some(place))
            .collect();
        split(paths, &free, members, several, &mut templates);
    }
    templates.sort_by_key(ToString::to_string);
    templates
}

/// Divides paths of one shape until each place has one value, or several.
fn split(
    paths: &[Vec<String>],
    free: &[usize],
    members: Vec<usize>,
    several: usize,
    templates: &mut Vec<Template>,
) {
    let at = |index: usize, place: usize| {
        let path = paths.get(index).map(Vec::as_slice).unwrap_or_default();
        path.get(place).map(String::as_str).unwrap_or_default()
    };
    let values = |place: usize| -> BTreeSet<&str> {
        members.iter().map(|index| at(*index, place)).collect()
    };
    let few = free
        .iter()
        .map(|place| (values(*place).len(), *place))
        .filter(|(count, _)| (2..several).contains(count))
        .min();
    if let Some((_, place)) = few {
        let mut parts: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for index in &members {
            parts.entry(at(*index, place)).or_default().push(*index);
        }
        for part in parts.into_values() {
            split(paths, free, part, several, templates);
        }
        return;
    }
    let first = members.first().and_then(|index| paths.get(*index));
    let mut segments: Vec<Segment> = Vec::new();
    for (place, text) in first.into_iter().flatten().enumerate() {
        let values = values(place);
        let segment = match values.len() >= several && free.contains(&place) {
            false => Segment::Text(text.clone()),
            true => Segment::Parameter {
                name: name(&segments),
                patterns: patterns(&values),
                values: values.into_iter().map(str::to_owned).collect(),
            },
        };
        segments.push(segment);
    }
    templates.push(Template {
        segments,
        paths: members,
    });
}

/// A name for the parameter after `before`: the singular of the collection that it is in.
fn name(before: &[Segment]) -> String {
    let collection = match before.last() {
        Some(Segment::Text(text)) => text.to_ascii_lowercase(),
        _ => String::new(),
    };
    let singular = match collection.strip_suffix('s') {
        Some(singular) if singular.len() > 2 => singular,
        _ => &collection,
    };
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    let is_name =
        singular.starts_with(|c: char| c.is_ascii_alphabetic()) && singular.bytes().all(is_plain);
    let name = if is_name { singular } else { "id" };
    let is_taken = |name: &str| {
        let mut parameters = before.iter();
        parameters.any(|it| matches!(it, Segment::Parameter { name: other, .. } if other == name))
    };
    let mut candidates =
        std::iter::once(name.to_owned()).chain((2..).map(|number| format!("{name}-{number}")));
    candidates.find(|it| !is_taken(it)).unwrap_or_default()
}

/// Characters that divide an id into parts.
const DIVIDERS: [char; 5] = ['-', '_', '.', ':', '@'];

/// Patterns that the values match; none if any value may occur.
///
/// Values with the same dividers have one pattern, with the parts that are the same in all of them. Values without
/// dividers begin with a digit, if all of them do.
fn patterns(values: &BTreeSet<&str>) -> Vec<String> {
    let mut forms: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for value in values {
        let form = value.chars().filter(|c| DIVIDERS.contains(c)).collect();
        forms.entry(form).or_default().push(value);
    }
    let mut patterns = Vec::new();
    for (dividers, values) in forms {
        if dividers.is_empty() {
            if !values
                .iter()
                .all(|it| it.starts_with(|c: char| c.is_ascii_digit()))
            {
                return Vec::new();
            }
            patterns.extend((0..=9).map(|digit| format!("{digit}*")));
            continue;
        }
        let parts: Vec<Vec<&str>> = values
            .iter()
            .map(|it| it.split(DIVIDERS).collect())
            .collect();
        let mut pattern = String::new();
        for (index, part) in parts.first().into_iter().flatten().enumerate() {
            let is_same = parts.iter().all(|other| other.get(index) == Some(part));
            pattern.push_str(if is_same { part } else { "*" });
            pattern.extend(dividers.chars().nth(index));
        }
        patterns.push(pattern);
    }
    patterns
}

/// True if a segment looks like the id of something, not like the name of a collection or a version.
fn is_id(segment: &str) -> bool {
    let digits = segment.bytes().filter(u8::is_ascii_digit).count();
    let is_version = segment.strip_prefix('v').is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_ascii_digit()) && digits + dots(rest) == rest.len()
    });
    if digits == 0 || is_version {
        return false;
    }
    let is_hex = |b: u8| b.is_ascii_hexdigit() || b == b'-';
    let has_parts = segment.contains(['-', '_', '.', ':', '@']);
    digits == segment.len()
        || has_parts
        || (segment.len() >= 8 && segment.bytes().all(is_hex))
        || (segment.len() >= 6 && digits >= 3)
}

fn dots(text: &str) -> usize {
    text.matches('.').count()
}

impl std::fmt::Display for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.segments.is_empty() {
            return f.write_str("/");
        }
        for segment in &self.segments {
            match segment {
                Segment::Text(text) => write!(f, "/{text}")?,
                Segment::Parameter { name, .. } => write!(f, "/{{{name}}}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(paths: &[&str]) -> Vec<String> {
        let paths: Vec<Vec<String>> = paths
            .iter()
            .map(|path| path.split('/').skip(1).map(str::to_owned).collect())
            .collect();
        let templates = templates(&paths, 3);
        let covered: BTreeSet<_> = templates.iter().flat_map(|it| &it.paths).collect();
        assert_eq!(covered.len(), paths.len(), "every path has a template");
        templates.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_place_with_several_ids_is_a_parameter() {
        assert_eq!(
            of(&[
                "/v1/customers/1/invoices",
                "/v1/customers/2/invoices",
                "/v1/customers/3/invoices"
            ]),
            ["/v1/customers/{customer}/invoices"]
        );
        // The same place in another collection counts for itself.
        assert_eq!(
            of(&[
                "/orders/1",
                "/orders/2",
                "/orders/3",
                "/users/1",
                "/users/2"
            ]),
            ["/orders/{order}", "/users/1", "/users/2"]
        );
        // Two places at once, and two parameters of one name.
        assert_eq!(
            of(&["/a/1/b/10", "/a/2/b/20", "/a/3/b/30"]),
            ["/a/{a}/b/{b}"]
        );
        assert_eq!(
            of(&["/a/1/a/10", "/a/2/a/20", "/a/3/a/30"]),
            ["/a/{a}/a/{a-2}"]
        );
        assert_eq!(of(&["/1/2", "/3/4", "/5/6"]), ["/{id}/{id-2}"]);
    }

    #[test]
    fn a_place_with_few_values_or_with_names_is_written_out() {
        assert_eq!(of(&["/a/1", "/a/2"]), ["/a/1", "/a/2"]);
        assert_eq!(
            of(&["/v1/users", "/v1/groups", "/v1/admin", "/v1/keys"]),
            ["/v1/admin", "/v1/groups", "/v1/keys", "/v1/users"]
        );
        assert_eq!(
            of(&["/v1/a", "/v2/a", "/v3.1/a"]),
            ["/v1/a", "/v2/a", "/v3.1/a"]
        );
        // One customer with several invoices.
        assert_eq!(of(&["/c/7/i/1", "/c/7/i/2", "/c/7/i/3"]), ["/c/7/i/{i}"]);
        // Two customers: the invoices of each count for themselves.
        assert_eq!(
            of(&["/c/7/i/1", "/c/7/i/2", "/c/7/i/3", "/c/8/i/1"]),
            ["/c/7/i/{i}", "/c/8/i/1"]
        );
        assert_eq!(of(&["/"]), ["/"]);
    }

    #[test]
    fn values_of_one_form_are_held_to_it() {
        let of = |values: &[&str]| patterns(&values.iter().copied().collect());
        assert_eq!(of(&["inv-1", "inv-20", "inv-3"]), ["inv-*"]);
        assert_eq!(of(&["a-b-1", "a-b-2"]), ["a-b-*"]);
        assert_eq!(of(&["2026-11-27", "2026-12-01"]), ["2026-*-*"]);
        assert_eq!(of(&["a1.json", "b2.json"]), ["*.json"]);
        assert_eq!(of(&["0f8fad5b-d9cb", "7c9e6679-7425"]), ["*-*"]);
        // A number is no name.
        let digits: Vec<_> = (0..=9).map(|digit| format!("{digit}*")).collect();
        assert_eq!(of(&["10", "11", "7"]), digits);
        assert_eq!(
            of(&["10", "inv-1"]),
            [digits, vec!["inv-1".to_owned()]].concat()
        );
        // Ids without a form may be anything.
        assert!(of(&["C024BE91L", "D024BE91L"]).is_empty());
        assert!(of(&["C024BE91L", "inv-1"]).is_empty());
    }

    #[test]
    fn an_id_has_digits_and_is_no_version() {
        for id in [
            "7",
            "2026-11-27",
            "inv-17",
            "cus_9s6X",
            "0f8fad5b-d9cb-469f-a165-70867728950e",
            "C024BE91L",
            "deadbee5",
        ] {
            assert!(is_id(id), "{id}");
        }
        for name in ["users", "v1", "v2.1", "oauth2", "s3", "base64", "self", ""] {
            assert!(!is_id(name), "{name}");
        }
    }
}
