//! Builtins for arrays and graphs.

use super::{Builtin, Fault, Outcome, kind, upstream};
use regorus::Value;
use std::collections::BTreeSet;

pub(super) const BUILTINS: &[Builtin] = &[
    ("array.flatten", 1, flatten),
    ("graph.reachable_paths", 2, reachable_paths),
];

/// Flattens one level of nested arrays.
fn flatten(arguments: &[Value]) -> Outcome {
    let Some(Value::Array(items)) = arguments.first() else {
        return Fault::erring(format!(
            "argument 1 is an array, not {}",
            kind(arguments.first())
        ));
    };
    let mut flat = Vec::new();
    for item in items.iter() {
        match item {
            Value::Array(inner) => flat.extend(inner.iter().cloned()),
            item => flat.push(item.clone()),
        }
    }
    Ok(flat.into())
}

/// Returns paths of trees only: OPA cuts paths that meet or turn back in an order of its own.
fn reachable_paths(arguments: &[Value]) -> Outcome {
    let (Some(Value::Object(graph)), Some(initial)) = (arguments.first(), arguments.get(1)) else {
        return Fault::erring("argument 1 is an object");
    };
    let mut reached = BTreeSet::new();
    let mut rest: Vec<&Value> = neighbours(initial);
    while let Some(vertex) = rest.pop() {
        let next = graph.get(vertex).map(neighbours).unwrap_or_default();
        if !reached.insert(vertex) && !next.is_empty() {
            return Fault::unsupported(
                "paths of the graph meet or form a cycle: use `graph.reachable`, which gives the reachable nodes",
            );
        }
        rest.extend(next);
    }
    upstream("graph.reachable_paths", arguments)
}

fn neighbours(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(values) => values.iter().collect(),
        Value::Set(values) => values.iter().collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use crate::builtins::testing::gives;

    #[test]
    fn one_level_of_arrays_is_flattened() {
        gives("array.flatten", &["[1, [2, [3]], []]"], Some("[1, 2, [3]]"));
        gives("array.flatten", &["{1}"], None);
    }

    #[test]
    fn paths_of_trees_are_found_and_others_are_not_guessed() {
        let name = "graph.reachable_paths";
        let tree = "{`a`: [`b`, `c`], `b`: [], `c`: {`d`}, `d`: []}";
        gives(
            name,
            &[tree, "{`a`}"],
            Some("{[`a`, `b`], [`a`, `c`, `d`]}"),
        );
        gives(name, &["{`a`: [`b`], `b`: [`a`]}", "{`a`}"], None);
        gives(
            name,
            &[
                "{`a`: [`b`, `c`], `b`: [`d`], `c`: [`d`], `d`: [`e`]}",
                "{`a`}",
            ],
            None,
        );
        gives(name, &["1", "{`a`}"], None);
    }
}
