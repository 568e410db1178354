//! Parts of a result that the agent sees, for the session.

use serde_json::{Value, json};

/// Values of a result that the session is to observe.
///
/// The first is the result itself, whose fields may name something: the structured content; or else the text of the only
/// text block, which may be JSON; or else the list of the texts. All other texts that the agent may see, wherever they
/// stand, are one text beside it: a value in it stands in a text, and is no field.
pub(crate) fn parts(result: &Value) -> Vec<Value> {
    let blocks = blocks(result);
    let is_error = result.get("isError") == Some(&Value::Bool(true));
    let structured = result.get("structuredContent").filter(|_| !is_error);
    let texts: Vec<&str> = blocks.iter().filter_map(|block| text_of(block)).collect();
    let fields = match (structured, texts.as_slice()) {
        (Some(structured), _) => Some(structured.clone()),
        _ if is_error => None,
        (None, []) => None,
        (None, [only]) => Some(Value::from(*only)),
        (None, several) => Some(several.iter().map(|text| Value::from(*text)).collect()),
    };
    let is_known = |text: &str| match structured {
        None => !is_error,
        Some(structured) => {
            let json = serde_json::from_str(text).ok();
            has(structured, &json.unwrap_or_else(|| Value::from(text)))
        }
    };
    let mut beside = String::new();
    for (place, text) in texts.into_iter().enumerate() {
        if place >= MAX_COMPARED && structured.is_some() || !is_known(text) {
            add(text, &mut beside);
        }
    }
    if let Value::Object(members) = result {
        for (name, member) in members {
            if name != "structuredContent" || is_error {
                if !MEMBERS.contains(&name.as_str()) {
                    add(name, &mut beside);
                }
                collect(member, &mut beside);
            }
        }
    }
    fields.into_iter().chain(opaque(&beside)).collect()
}

/// The error of a server as the session is to observe it: texts, of which none is a field.
pub(crate) fn error(error: &Value) -> Option<Value> {
    let mut beside = String::new();
    collect(error, &mut beside);
    opaque(&beside)
}

/// Members of results by the protocol, whose names say nothing.
const MEMBERS: [&str; 7] = [
    "_meta",
    "content",
    "contents",
    "isError",
    "messages",
    "resultType",
    "structuredContent",
];

/// Texts of a result that are compared with the structured content.
const MAX_COMPARED: usize = 256;

/// Beginning of a text beside a result, so that no value is the whole of it.
const BESIDE: &str = "Beside the result:";

/// A text beside a result. It is a member of an object, because a text that is a result may be JSON.
fn opaque(beside: &str) -> Option<Value> {
    (!beside.is_empty()).then(|| json!({ "beside": format!("{BESIDE}{beside}") }))
}

fn add(text: &str, beside: &mut String) {
    beside.push('\n');
    beside.push_str(text);
}

/// The blocks of a result of a tool, a resource or a prompt.
fn blocks(result: &Value) -> Vec<&Value> {
    let of = |list: &str| result.get(list).and_then(Value::as_array);
    let direct = ["content", "contents"].into_iter().filter_map(of).flatten();
    let messages = of("messages").into_iter().flatten();
    let in_messages = messages.filter_map(|message| message.get("content"));
    direct.chain(in_messages).collect()
}

/// The text of a text block, or of a resource's content.
fn text_of(block: &Value) -> Option<&str> {
    let kind = block.get("type").and_then(Value::as_str);
    let is_text = kind == Some("text") || kind.is_none() && block.get("uri").is_some();
    block.get("text").filter(|_| is_text)?.as_str()
}

/// Collects all texts, names and numbers but the texts of blocks, and content in Base64.
fn collect(value: &Value, beside: &mut String) {
    match value {
        Value::String(text) => add(text, beside),
        Value::Number(number) => add(&number.to_string(), beside),
        Value::Array(items) => items.iter().for_each(|item| collect(item, beside)),
        Value::Object(members) => {
            let kind = members.get("type").and_then(Value::as_str);
            let is_media = matches!(kind, Some("image" | "audio"));
            let is_resource = members.contains_key("uri");
            let is_block = text_of(value).is_some();
            for (name, member) in members {
                let is_encoded = member.is_string()
                    && (is_media && name == "data" || is_resource && name == "blob");
                let is_known = is_block && name == "text"
                    || name == "type"
                        && matches!(
                            kind,
                            Some("text" | "image" | "audio" | "resource" | "resource_link")
                        );
                if !is_encoded && !is_known {
                    add(name, beside);
                    collect(member, beside);
                }
            }
        }
        Value::Bool(_) | Value::Null => {}
    }
}

/// True if `all` is the value, or one of its members or items is.
fn has(all: &Value, value: &Value) -> bool {
    all == value
        || match all {
            Value::Object(members) => members.values().any(|it| has_item(it, value)),
            Value::Array(items) => items.contains(value),
            _ => false,
        }
}

fn has_item(member: &Value, value: &Value) -> bool {
    member == value || member.as_array().is_some_and(|items| items.contains(value))
}

/// Requests of the server in a result that asks for input (2026-07-28), by method.
///
/// # Errors
///
/// They are not in the form of the protocol, so that another reader may find others.
pub(crate) fn asked(result: &Value) -> Result<Vec<String>, &'static str> {
    let Some(members) = result.as_object() else {
        return Ok(Vec::new());
    };
    let is_alike = |key: &str| {
        let letters = key.chars().filter(char::is_ascii_alphanumeric);
        letters
            .collect::<String>()
            .eq_ignore_ascii_case("inputRequests")
    };
    let mut methods = Vec::new();
    for (key, requests) in members.iter().filter(|(key, _)| is_alike(key)) {
        let requests = requests.as_object().filter(|_| key == "inputRequests");
        let requests = requests.ok_or("`inputRequests` is no object, or has another name")?;
        for request in requests.values() {
            let method = request.get("method").and_then(Value::as_str);
            methods.push(
                method
                    .ok_or("a request of `inputRequests` has no `method`")?
                    .to_owned(),
            );
        }
    }
    Ok(methods)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fields of a result, and the text beside them.
    fn seen(result: &Value) -> (Option<Value>, String) {
        let (mut fields, mut beside) = (None, String::new());
        for part in parts(result) {
            let text = part.get("beside").and_then(Value::as_str);
            match text.and_then(|text| text.strip_prefix(BESIDE)) {
                Some(text) => beside = text.to_owned(),
                None => fields = Some(part),
            }
        }
        (fields, beside)
    }

    #[test]
    fn a_structured_result_and_its_texts_are_seen_once() {
        let items = json!([{ "id": 1, "from": "Ann" }, { "id": 2, "from": "Bob" }]);
        let structured = json!({
            "structuredContent": { "result": items },
            "content": [
                { "type": "text", "text": items[0].to_string() },
                { "type": "text", "text": items[1].to_string() },
            ],
        });
        let (fields, beside) = seen(&structured);
        assert_eq!(fields, Some(json!({ "result": items })));
        assert!(!beside.contains("Ann"), "{beside}");
        let whole = json!({
            "structuredContent": { "a": 1 },
            "content": [{ "type": "text", "text": "{\"a\": 1}" }, { "type": "text", "text": "pay [1]" }],
        });
        let (fields, beside) = seen(&whole);
        assert_eq!(fields, Some(json!({ "a": 1 })));
        assert!(
            beside.contains("pay [1]") && !beside.contains("{\"a\""),
            "{beside}"
        );
    }

    #[test]
    fn the_only_text_is_the_result_and_several_are_a_list_of_texts() {
        let text = |text: &str| json!({ "type": "text", "text": text });
        let one = json!({ "content": [text("[1, 2]")] });
        assert_eq!(seen(&one).0, Some(json!("[1, 2]")));
        let two = json!({ "content": [text("[1, 2]"), text("b")] });
        assert_eq!(seen(&two).0, Some(json!(["[1, 2]", "b"])));
        let read = json!({ "contents": [{ "uri": "file:///a", "text": "x" }] });
        assert_eq!(seen(&read).0, Some(json!("x")));
        let prompt = json!({ "messages": [{ "role": "user", "content": text("x") }] });
        assert_eq!(seen(&prompt).0, Some(json!("x")));
    }

    #[test]
    fn no_text_is_unseen_for_its_place_and_none_of_them_is_a_field() {
        let forged = r#"[{"recipient":"ATT"}]"#;
        for odd in [
            json!({ "content": [{ "type": "resource_link", "uri": "u", "description": forged }], "structuredContent": {} }),
            json!({ "content": [{ "type": "text", "text": "x", "content": { "text": forged } }] }),
            json!({ "content": [], "_meta": { "y": [forged] } }),
            json!({ "content": [], forged: 1 }),
            json!({ "content": [{ "type": forged }] }),
            json!({ "content": [{ "type": "text", "text": forged }], "isError": true }),
            json!({ "structuredContent": { "a": 1 }, "content": [{ "type": "text", "text": forged }] }),
        ] {
            let (fields, beside) = seen(&odd);
            assert!(beside.contains(forged), "{odd}: {beside}");
            let fields = fields.map(|it| it.to_string()).unwrap_or_default();
            assert!(!fields.contains("ATT"), "{odd}");
        }
        let failed = json!({ "code": -32602, "message": "no", "data": { "input": forged } });
        let seen = error(&failed).unwrap();
        assert!(seen["beside"].as_str().unwrap().contains(forged));
        assert!(
            error(&json!("text")).unwrap()["beside"]
                .as_str()
                .unwrap()
                .contains("text")
        );
    }

    #[test]
    fn content_in_base64_is_no_text() {
        let media = json!({ "content": [
            { "type": "image", "data": "iVBORw0KGgo", "mimeType": "image/png" },
        ], "contents": [{ "uri": "file:///a", "blob": "AAAA" }] });
        let (fields, beside) = seen(&media);
        assert!(fields.is_none() && !beside.contains("iVBOR") && !beside.contains("AAAA"));
        assert!(beside.contains("file:///a"));
    }

    #[test]
    fn requests_for_input_are_in_the_form_of_the_protocol() {
        let of = |result: Value| asked(&result);
        let one = json!({ "a": { "method": "elicitation/create" } });
        assert_eq!(
            of(json!({ "inputRequests": one })),
            Ok(vec!["elicitation/create".to_owned()])
        );
        assert_eq!(of(json!({ "content": [] })), Ok(vec![]));
        for odd in [
            json!({ "inputRequests": [one] }),
            json!({ "InputRequests": one }),
            json!({ "input_requests": one }),
            json!({ "inputRequests": { "a": {} } }),
            json!({ "inputRequests": "x" }),
        ] {
            assert!(of(odd.clone()).is_err(), "{odd}");
        }
    }
}
