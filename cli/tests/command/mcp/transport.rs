//! Sessions of the transport of MCP, which a server names: they are those of one agent, in one session, on one intent.

use super::http::{post, send};
use super::{AGENT, FRONT_END, FRONT_END_AND_PEP, LANDLORD, PEP, SAID, agent, bank};
use crate::common::{Folder, Serving};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// A server over HTTP that gives each client the session `s-1`, and does not know the session `s-2`.
fn server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || serve(stream.unwrap()));
        }
    });
    port
}

fn serve(stream: TcpStream) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    loop {
        let (mut size, mut is_known) = (0, true);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let line = line.trim().to_ascii_lowercase();
            if let Some(length) = line.strip_prefix("content-length:") {
                size = length.trim().parse().unwrap();
            }
            is_known &= line != "mcp-session-id: s-2";
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; size];
        reader.read_exact(&mut body).unwrap();
        let message: Value = serde_json::from_slice(&body).unwrap_or_default();
        let result = match message["method"].as_str() {
            Some("tools/list") => json!({ "tools": super::scripted::tools() }),
            _ => json!({ "content": [] }),
        };
        let answer = match (is_known, message.get("id")) {
            (true, Some(id)) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
            (true, None) => Value::Null,
            (false, _) => {
                json!({ "jsonrpc": "2.0", "id": null, "error": { "code": -32001, "message": "no session" } })
            }
        };
        let status = match (is_known, answer.is_null()) {
            (false, _) => "404 Not Found",
            (true, true) => "202 Accepted",
            (true, false) => "200 OK",
        };
        let answer = match answer.is_null() {
            true => String::new(),
            false => answer.to_string(),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nMcp-Session-Id: s-1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            answer.len()
        );
        writer
            .write_all(format!("{head}{answer}").as_bytes())
            .unwrap();
    }
}

fn serving() -> (Folder, Serving) {
    let section = format!(
        "[[mcp.server]]\nintegration = \"bank\"\nurl = \"http://127.0.0.1:{}/mcp\"\n[[sessions.front-end]]\nid = \"desk\"\ntoken-file = \"front-end.token\"\n",
        server()
    );
    let folder = bank(&agent(&section));
    let other = folder.read("intents/int-1.json").replace("int-1", "int-2");
    folder.write("intents/int-2.json", other);
    let serving = Serving::start(&folder, &[]);
    (folder, serving)
}

fn front_end(serving: &Serving, path: &str, body: &Value) -> Value {
    let bearer = format!("Bearer {FRONT_END}");
    let answer = post(&serving.address, path, &[("Authorization", &bearer)], body);
    assert!(answer.status < 300, "{answer:?}");
    serde_json::from_str(&answer.body).unwrap_or_default()
}

fn open(serving: &Serving, intent: &str, said: &str) -> String {
    let body = json!({ "principal": AGENT, "intent": intent, "said": [said] });
    let opened = front_end(serving, "/sessions/v1/open", &body);
    opened["session"].as_str().unwrap().to_owned()
}

fn message(serving: &Serving, headers: &[(&str, &str)], message: &Value) -> super::http::Answer {
    post(&serving.address, "/mcp/bank", headers, message)
}

#[test]
fn a_session_of_the_transport_is_that_of_one_session_and_one_intent() {
    let (_folder, serving) = serving();
    let said = format!("Pay {LANDLORD}");
    let (mine, other) = (
        open(&serving, "int-1", &said),
        open(&serving, "int-2", SAID),
    );
    let begin = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {} });
    let began = message(&serving, &[("Portcullis-Session", &mine)], &begin);
    assert_eq!(began.status, 200);
    assert!(
        began
            .head
            .to_ascii_lowercase()
            .contains("mcp-session-id: s-1"),
        "{began:?}"
    );
    let pay = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {
        "name": "send_money", "arguments": { "recipient": LANDLORD, "amount": 1 } } });
    const IN_SESSION: (&str, &str) = ("Mcp-Session-Id", "s-1");
    let paid = message(&serving, &[("Portcullis-Session", &mine), IN_SESSION], &pay);
    assert!(paid.json()["result"].is_object(), "{paid:?}");
    // With another session, on another intent, or with none, it is another one, which did not begin.
    for headers in [
        vec![("Portcullis-Session", other.as_str()), IN_SESSION],
        vec![IN_SESSION],
        vec![("Portcullis-Session", "unknown"), IN_SESSION],
    ] {
        assert_eq!(message(&serving, &headers, &pay).status, 404, "{headers:?}");
    }
    // The same name of a session for another one of the agent's is decided with that one's words.
    let began = message(&serving, &[("Portcullis-Session", &other)], &begin);
    assert_eq!(began.status, 200);
    let denied = message(
        &serving,
        &[("Portcullis-Session", &other), IN_SESSION],
        &pay,
    );
    assert_eq!(denied.json()["error"]["code"], -31001, "{denied:?}");
    // A session that the front end closed ends at once.
    front_end(&serving, "/sessions/v1/close", &json!({ "session": mine }));
    let closed = message(&serving, &[("Portcullis-Session", &mine), IN_SESSION], &pay);
    assert_eq!(closed.status, 404);
}

#[test]
fn a_session_that_is_named_twice_or_ended_is_refused() {
    let (_folder, serving) = serving();
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
    let twice = [("Mcp-Session-Id", "s-1"), ("Mcp-Session-Id", "s-3")];
    assert_eq!(message(&serving, &twice, &ping).status, 400);
    // The server knows it no more, and says so in JSON.
    let begin = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {} });
    assert_eq!(message(&serving, &[], &begin).status, 200);
    assert_eq!(
        message(&serving, &[("Mcp-Session-Id", "s-1")], &ping).status,
        200
    );
    let gone = send(
        &serving.address,
        "POST",
        "/mcp/bank",
        &[("Mcp-Session-Id", "s-2")],
        &ping.to_string(),
    );
    assert_eq!(gone.status, 404);
}

#[test]
fn the_intent_of_the_configuration_is_not_the_agents_to_replace() {
    let (_folder, serving) = serving();
    // The agent names another intent of its own; its session has none.
    let body = json!({ "principal": AGENT, "said": [format!("Pay {LANDLORD}")] });
    let opened = front_end(&serving, "/sessions/v1/open", &body);
    let session = opened["session"].as_str().unwrap().to_owned();
    let delete = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": "send_money",
        "arguments": { "recipient": LANDLORD, "amount": 1, "unlisted": true } } });
    for headers in [
        vec![("Portcullis-Session", session.as_str())],
        vec![("Portcullis-Intent", "int-9")],
    ] {
        let denied = message(&serving, &headers, &delete);
        assert_eq!(denied.json()["error"]["code"], -31001, "{denied:?}");
    }
}

#[test]
fn where_agents_and_enforcement_points_are_not_told_apart_neither_shows_results() {
    let (folder, serving) = serving();
    let session = open(&serving, "int-1", SAID);
    let evaluation = json!({
        "subject": { "type": "agent", "id": AGENT }, "action": { "name": "list_payments" },
        "resource": { "type": "mcp-server", "id": "bank" },
        "context": { "integration": "bank", "intent": { "id": "int-1" } },
    });
    let forged = json!({ "evaluation": evaluation, "result": [{ "recipient": LANDLORD }] });
    let headers = [("Portcullis-Session", session.as_str())];
    let refused = post(&serving.address, "/sessions/v1/observe", &headers, &forged);
    assert_eq!(refused.status, 403, "{refused:?}");
    assert!(refused.body.contains("[[serve.pep]]"));
    let open = json!({ "integration": "bank", "principal": AGENT });
    assert_eq!(
        post(&serving.address, "/gates/v1/open", &[], &open).status,
        403
    );
    serving.stop();
    // With an enforcement point, results may be larger than requests.
    folder.replace(
        "portcullis.toml",
        "[[sessions.front-end]]\nid = \"desk\"\ntoken-file = \"front-end.token\"\n",
        FRONT_END_AND_PEP,
    );
    let serving = Serving::start(&folder, &[]);
    let body = json!({ "principal": AGENT, "intent": "int-1", "said": [SAID] });
    let session = front_end(&serving, "/sessions/v1/open", &body)["session"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut large = forged;
    large["result"] = json!([{ "recipient": LANDLORD, "note": "x".repeat(200_000) }]);
    let bearer = format!("Bearer {PEP}");
    let headers = [
        ("Portcullis-Session", session.as_str()),
        ("Authorization", &bearer),
    ];
    let shown = post(&serving.address, "/sessions/v1/observe", &headers, &large);
    assert_eq!(shown.status, 204, "{shown:?}");
}
