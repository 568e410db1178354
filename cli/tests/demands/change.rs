//! Differences of a request, as JSON Pointers.

use anyhow::{Context as _, ensure};
use libtest_mimic::Trial;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// New values by JSON Pointer (RFC 6901).
pub(crate) type Changes = BTreeMap<String, Value>;

/// Returns `document` without the members in `remove`, and with the new values in `change`.
///
/// A change replaces a value, or adds a member to an existing object. Every pointer has to have an effect.
pub(crate) fn apply(
    document: &Value,
    remove: &[String],
    change: &Changes,
) -> anyhow::Result<Value> {
    let mut changed = document.clone();
    for pointer in remove {
        let at = format!("remove, `{pointer}`");
        let (holder, name) = member(&mut changed, pointer).context(at.clone())?;
        ensure!(
            holder.remove(&name).is_some(),
            "{at}: the request has no such member"
        );
    }
    for (pointer, value) in change {
        let at = format!("change, `{pointer}`");
        ensure!(
            !remove.contains(pointer),
            "{at}: the member is also removed; a change alone replaces it"
        );
        let found = changed.pointer_mut(pointer);
        if let Some(found) = found.filter(|_| !pointer.is_empty()) {
            ensure!(found != value, "{at}: the request has this value already");
            *found = value.clone();
        } else {
            let (holder, name) = member(&mut changed, pointer).context(at)?;
            holder.insert(name, value.clone());
        }
    }
    Ok(changed)
}

/// Returns the object that `pointer` leads into, and the name of its member.
fn member<'a>(
    document: &'a mut Value,
    pointer: &str,
) -> anyhow::Result<(&'a mut Map<String, Value>, String)> {
    let (holder, name) = pointer
        .rsplit_once('/')
        .context("a JSON Pointer such as `/action/name` is needed")?;
    let holder = document
        .pointer_mut(holder)
        .and_then(Value::as_object_mut)
        .with_context(|| format!("the request has no object at `{holder}`"))?;
    Ok((holder, name.replace("~1", "/").replace("~0", "~")))
}

/// Tests of [`apply`].
pub(crate) fn trials() -> Vec<Trial> {
    let test = |name: &str, run: fn() -> anyhow::Result<()>| {
        Trial::test(name, move || {
            run().map_err(|error| format!("{error:#}").into())
        })
    };
    vec![
        test("change-without-effect-is-refused", without_effect),
        test("change-with-effect-is-applied", with_effect),
    ]
}

/// Refuses pointers into nothing, and changes to the same value.
fn without_effect() -> anyhow::Result<()> {
    let request = json!({ "action": { "name": "a", "properties": { "list": [1, null] } } });
    let cases = [
        (
            json!([]),
            json!({ "/action/name": "a" }),
            "change, `/action/name`: the request has this value already",
        ),
        (
            json!([]),
            json!({ "/action/properties/list/1": null }),
            "this value already",
        ),
        (
            json!([]),
            json!({ "/context/intent": {} }),
            "change, `/context/intent`: the request has no object at `/context`",
        ),
        (
            json!([]),
            json!({ "/action/name/first": "b" }),
            "no object at `/action/name`",
        ),
        (
            json!([]),
            json!({ "/action/properties/list/2": 3 }),
            "no object at `/action/properties/list`",
        ),
        (json!([]), json!({ "action": {} }), "a JSON Pointer"),
        (json!([]), json!({ "": {} }), "a JSON Pointer"),
        (
            json!(["/action/type"]),
            json!({}),
            "remove, `/action/type`: the request has no such member",
        ),
        (
            json!(["/subject/id"]),
            json!({}),
            "remove, `/subject/id`: the request has no object at `/subject`",
        ),
        (
            json!(["/action/properties/list/0"]),
            json!({}),
            "no object at",
        ),
        (
            json!(["/action/name"]),
            json!({ "/action/name": "b" }),
            "is also removed",
        ),
    ];
    for (remove, change, says) in cases {
        let remove: Vec<String> = serde_json::from_value(remove)?;
        let change: Changes = serde_json::from_value(change)?;
        let Err(error) = apply(&request, &remove, &change) else {
            anyhow::bail!("{remove:?} and {change:?} are applied");
        };
        let error = format!("{error:#}");
        ensure!(error.contains(says), "`{says}` is not in: {error}");
    }
    Ok(())
}

/// Replaces, adds and removes values.
fn with_effect() -> anyhow::Result<()> {
    let request = json!({ "action": { "name": "a", "a/b": 1, "list": [1, 2] } });
    let change: Changes = serde_json::from_value(json!({
        "/action/list/1": 3,
        "/action/list2": [],
        "/action/name": null,
    }))?;
    let changed = apply(&request, &["/action/a~1b".to_owned()], &change)?;
    let expected = json!({ "action": { "name": null, "list": [1, 3], "list2": [] } });
    ensure!(changed == expected, "it is {changed}");
    Ok(())
}
