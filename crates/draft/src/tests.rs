use super::*;

fn tools() -> Vec<Tool> {
    let text = json!({ "type": "string" });
    let tools = json!([
        { "name": "list_orders", "inputSchema": { "properties": { "n": { "type": "integer" } } } },
        { "name": "get_webpage", "inputSchema": { "properties": { "url": text }, "required": ["url"] } },
        { "name": "send_money", "inputSchema": { "properties": { "recipient": text, "amount": { "type": "number" }, "subject": text }, "required": ["recipient", "amount"] } },
        { "name": "update_order", "inputSchema": { "properties": { "id": { "type": "integer" }, "recipient": { "anyOf": [text, { "type": "null" }] } }, "required": ["id"] } },
        { "name": "updatePassword", "inputSchema": { "properties": { "password": text }, "required": ["password"] } },
        { "name": "send_message", "inputSchema": { "properties": { "to": { "type": "array" }, "body": text, "urgent": { "type": "boolean" } }, "required": ["to", "body"] } },
    ]);
    tools
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Tool::read)
        .collect()
}

fn of(said: &str) -> Drafted {
    draft(said, &tools(), &Server::default(), &Choice::Asked, "bank")
}

fn allowance<'d>(drafted: &'d Drafted, tool: &str) -> &'d Value {
    drafted
        .allows
        .iter()
        .find(|it| it["action"] == tool)
        .unwrap()
}

#[test]
fn the_words_ask_for_tools() {
    for (said, asked) in [
        ("What did I pay for rent?", &["send_money"][..]),
        ("How much is in my account?", &[]),
        ("Please refund Ann for dinner.", &["send_money"]),
        ("Change the password to 'x'.", &["updatePassword"]),
        ("Tell Bob that I am late.", &["send_message"]),
        (
            "Adjust my standing order. Then message Ann.",
            &["update_order", "send_message"],
        ),
        (
            "Do the tasks on my to-do list.",
            &[
                "send_money",
                "update_order",
                "updatePassword",
                "send_message",
            ],
        ),
        (
            "Perform the following tasks: message Ann",
            &["send_message"],
        ),
    ] {
        let found: Vec<_> = of(said).asked;
        for tool in asked {
            assert!(found.iter().any(|it| it == tool), "{said}: {found:?}");
        }
        assert!(found.len() <= asked.len() + 1, "{said}: {found:?}");
    }
}

#[test]
fn an_account_is_for_the_tool_of_its_own_sentence() {
    let drafted = of(
        "Update my order. My landlord's new account is DE89 3704 0044 0532 0130 00. Also, refund Ann.",
    );
    let spellings = json!(["DE89 3704 0044 0532 0130 00", "DE89370400440532013000"]);
    let update = allowance(&drafted, "update_order");
    assert_eq!(
        update["constraints"][1],
        json!({ "path": "/recipient", "op": "absent-or", "value": { "op": "any-of", "value": [
            { "op": "one-of", "value": spellings },
            { "op": "origin-is", "value": ["user~word", "tool:*#"] },
        ] } })
    );
    let send = allowance(&drafted, "send_money");
    assert_eq!(
        send["constraints"][0],
        json!({ "path": "/recipient", "op": "origin-is", "value": ["user~word", "tool:*#"] })
    );
    assert!(drafted.untied.is_empty());
}

#[test]
fn arguments_are_closed_and_have_the_constraints_of_their_roles() {
    let drafted = of("Send a message to Ann about www.a.example, and the new password is p.");
    let send = allowance(&drafted, "send_message");
    assert_eq!(
        send["arguments"],
        json!({ "required": ["/body", "/to"], "optional": ["/urgent"] })
    );
    assert_eq!(
        send["constraints"][0],
        json!({ "path": "/body", "op": "parts-origin-is", "value": ["user", "tool:*#"] })
    );
    assert_eq!(send["asks"], json!(["/to"]));
    let page = allowance(&drafted, "get_webpage");
    assert_eq!(
        page["constraints"],
        json!([{ "path": "/url", "op": "origin-is", "value": ["user", "tool:*#"] }])
    );
    let orders = allowance(&drafted, "list_orders");
    assert_eq!(orders["constraints"], json!([]));
}

#[test]
fn a_list_may_have_the_addresses_that_were_said() {
    let drafted = of("Message ann@a.example and bob@b.example.");
    let to = &allowance(&drafted, "send_message")["constraints"][1];
    let said = json!(["ann@a.example", "bob@b.example"]);
    assert_eq!(
        to,
        &json!({ "path": "/to", "op": "any-of", "value": [
            { "op": "one-of", "value": said },
            { "op": "subset-of", "value": said },
            { "op": "origin-is", "value": ["user~word", "tool:*#"] },
        ] })
    );
}

#[test]
fn the_operator_says_more() {
    let server = Server::from_toml(
        r#"
[tools.send_money]
asked-by = ["donate"]
free = ["amount"]
[tools.send_money.targets]
recipient = ["tool:list_orders#/*/recipient"]
[tools.send_money.payloads]
subject = ["user"]
"#,
    )
    .unwrap();
    let drafted = draft(
        "Donate to Ann's cause",
        &tools(),
        &server,
        &Choice::Asked,
        "bank",
    );
    let send = allowance(&drafted, "send_money");
    assert_eq!(
        send["constraints"],
        json!([
            { "path": "/recipient", "op": "origin-is", "value": ["tool:list_orders#/*/recipient"] },
            { "path": "/subject", "op": "absent-or", "value": { "op": "parts-origin-is", "value": ["user"] } },
        ])
    );
    assert_eq!(send["asks"], json!([]));
    assert!(
        draft("Pay Ann", &tools(), &server, &Choice::Asked, "bank")
            .asked
            .is_empty()
    );
    assert!(Server::from_toml("[tools.x]\nasked_by = []").is_err());
}

#[test]
fn given_tools_have_given_values() {
    let choice = Choice::Given {
        tools: vec!["update_order".into()],
        pins: vec![("update_order".into(), "id".into(), json!(7))],
    };
    let drafted = draft("x", &tools(), &Server::default(), &choice, "bank");
    assert_eq!(drafted.allows.len(), 1);
    let id = &drafted.allows[0]["constraints"][0]["value"];
    assert_eq!(id[0], json!({ "op": "one-of", "value": [7] }));
}
